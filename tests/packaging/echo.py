"""A hub and a client of it in one process; prints `echoed` if a message makes the round.

Runs where only fanwire is installed, in any Python that it supports: the client is made
of the standard library.
"""

import base64
import os
import socket
import struct
import sys
import urllib.parse

import fanwire

TEXT = "as it was said: grüße"


def client(url):
    """A socket after the handshake."""
    where = urllib.parse.urlsplit(url)
    s = socket.create_connection((where.hostname, where.port), timeout=20)
    key = base64.b64encode(os.urandom(16)).decode()
    s.sendall(("GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: %s\r\n\r\n"
               % (where.path + "?room=a", where.netloc, key)).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += s.recv(1) or sys.exit("the handshake was cut off: %r" % head)
    assert head.startswith(b"HTTP/1.1 101 "), head
    return s


def say(s, text):
    data, mask = text.encode(), os.urandom(4)
    masked = bytes(b ^ mask[i % 4] for i, b in enumerate(data))
    s.sendall(struct.pack("!BB", 0x81, 0x80 | len(data)) + mask + masked)


def hear(s):
    """The next short text message."""
    def exactly(n):
        data = b""
        while len(data) < n:
            data += s.recv(n - len(data)) or sys.exit("the connection was cut off")
        return data

    first, length = exactly(2)
    assert first == 0x81, first
    return exactly(length).decode()


def main():
    hub = fanwire.Hub(listen="ws://127.0.0.1:0/ws")

    @hub.on_message
    def said(session, data):
        session.send(data)

    with hub, client(hub.urls[0]) as s:
        say(s, TEXT)
        assert hear(s) == TEXT
    print("echoed", fanwire.__version__)


if __name__ == "__main__":
    main()
