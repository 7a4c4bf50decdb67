"""Sessions that are there and say nothing: many, at the price of a socket each.

What they are sent is read when a test wants to know it, and kept as JSON values. They
answer no pings, so their nodes need heartbeat.interval=0s.
"""

import json
import select
import socket
import struct
import time
from urllib.parse import urlsplit

import pytest

from fanwired import DEADLINE, SLOW

AT_ONCE = 100  # handshakes on their way: less than a listener's queue

HEAD = ("GET {path}?{query} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


def frame(text):
    """Masked with zeros, which leave it as it is."""
    head = struct.pack(">BB", 0x81, 0x80 | len(text)) if len(text) < 126 else \
        struct.pack(">BBH", 0x81, 0x80 | 126, len(text))
    return head + bytes(4) + text


class Bystander:
    """One session. `heard` is what it was told, `closed` whether it has ended."""

    def __init__(self, url, query):
        where = urlsplit(url)
        self.heard, self.closed, self._rest = [], False, b""
        self.socket = socket.create_connection((where.hostname, where.port),
                                               timeout=DEADLINE * SLOW)
        self.socket.sendall(HEAD.format(path=where.path, query=query,
                                        host=where.netloc).encode())

    def enter(self):
        """Waits for the answer to its handshake."""
        while b"\r\n\r\n" not in self._rest:
            data = self.socket.recv(4096)
            if not data:
                break
            self._rest += data
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        self.socket.setblocking(False)

    def read(self):
        """Takes what has come."""
        while not self.closed:
            try:
                data = self.socket.recv(1 << 20)
            except BlockingIOError:
                break
            self.closed = not data
            self._rest += data
        at = 0
        while (end := self._frame(at)) is not None:
            at = end
        self._rest = self._rest[at:]

    def _frame(self, at):
        """Where the frame ends that begins there; None: it isn't all there yet."""
        data = self._rest
        if len(data) < at + 2:
            return None
        kind, length, begin = data[at] & 15, data[at + 1], at + 2
        if length >= 126:
            begin += 2 if length == 126 else 8
            length = int.from_bytes(data[at + 2:begin], "big")
        if len(data) < begin + length:
            return None
        if kind == 1:
            self.hear(data[begin:begin + length])
        elif kind == 8:
            self.closed = True
        return begin + length

    def hear(self, text):
        self.heard.append(json.loads(text))

    def news(self, kind):
        """The sessions of which it was told a "join" or "leave", with their rooms."""
        return [(told["room"], told[kind]["session"]) for told in self.heard
                if kind in told]

    def end(self):
        self.socket.close()


def come(url, queries):
    """A bystander for each query, when all have come in."""
    return let_in([lambda query=query: Bystander(url, query) for query in queries])


def let_in(makers):
    """What each of them makes, when all have come in."""
    found = []
    for begin in range(0, len(makers), AT_ONCE):
        some = [make() for make in makers[begin:begin + AT_ONCE]]
        for one in some:
            one.enter()
        found += some
    return found


def read_until(bystanders, condition, what, seconds):
    """Reads for all of them until it is so."""
    end = time.monotonic() + seconds
    while True:
        for one in bystanders:
            one.read()
        if condition():
            return
        if time.monotonic() > end:
            pytest.fail("not in time: " + what())
        select.select([one.socket for one in bystanders], [], [], 0.02)
