"""What the tests of the Python binding share: waiting against the clock, WebSocket
clients for a test that isn't a coroutine, a Redis, and programs that run in a process of
their own.

It knows nothing of fanwire but the addresses that a hub prints or tells. conftest.py
makes fixtures of most of it.
"""

import asyncio
import base64
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
import urllib.parse

import pytest
import websockets

# Sanitizers and slow machines: whoever runs the tests says by how much.
SLOW = float(os.environ.get("FW_TEST_SLOW", "1"))
DEADLINE = 60.0 * SLOW

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def wait_until(condition, what, deadline=None):
    """Looks again and again; for conditions that can't be waited for in another way."""
    end = time.monotonic() + (deadline or DEADLINE)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            pytest.fail("not in time: " + what)
        select.select([], [], [], 0.005)


class Seen:
    """A list that any thread appends to by calling it, and that can be waited for."""

    def __init__(self):
        self._items = []
        self._changed = threading.Condition()

    def __call__(self, *item):
        with self._changed:
            self._items.append(item[0] if len(item) == 1 else item)
            self._changed.notify_all()

    def __len__(self):
        return len(self._items)

    @property
    def items(self):
        with self._changed:
            return list(self._items)

    def wait(self, n=1, what=None, deadline=None):
        """The items, once there are n of them."""
        return self.wait_for(lambda items: len(items) >= n, what or f"{n} items",
                             deadline)

    def wait_for(self, condition, what, deadline=None):
        """The items, once condition(items) is true."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self._items),
                                          deadline or DEADLINE):
                pytest.fail(f"not in time: {what}; seen: {self._items[-20:]}")
            return list(self._items)

    def one(self):
        """The first item, once it is there."""
        return self.wait(1)[0]


class LoopThread:
    """An asyncio loop on a thread of its own, where the clients of all tests live."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="clients")
        self._thread.start()

    def run(self, coroutine, deadline=None):
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        return future.result(deadline or DEADLINE)

    def end(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


def _header_keyword():
    """The name that python3-websockets has for headers changed with version 14."""
    major = int(websockets.version.version.split(".")[0])
    return "extra_headers" if major < 14 else "additional_headers"


class Client:
    """A connection of python3-websockets, for use by a test that isn't a coroutine."""

    def __init__(self, loop, url, headers=None, **keywords):
        self._loop = loop
        options = dict(ping_interval=None, compression=None, max_size=None,
                       max_queue=None, open_timeout=DEADLINE, close_timeout=DEADLINE)
        options.update(keywords)
        if headers:
            options[_header_keyword()] = headers

        async def connect():
            return await websockets.connect(url, **options)

        self.ws = loop.run(connect())

    def send(self, data):
        self._loop.run(self.ws.send(data))

    def receive(self, deadline=None):
        return self._loop.run(asyncio.wait_for(self.ws.recv(), deadline or DEADLINE),
                              (deadline or DEADLINE) + 5)

    def receive_many(self, n):
        async def many():
            return [await self.ws.recv() for _ in range(n)]

        return self._loop.run(asyncio.wait_for(many(), DEADLINE), DEADLINE + 5)

    def ask(self, data):
        self.send(data)
        return self.receive()

    def close(self, code=1000, reason=""):
        self._loop.run(self.ws.close(code, reason))

    def abort(self):
        """Goes away without a word, as a phone in a tunnel does."""
        self._loop.loop.call_soon_threadsafe(self.ws.transport.abort)

    def wait_closed(self):
        """(code, reason) as this side has seen them; what still comes is thrown away."""
        async def until_closed():
            try:
                while True:
                    await self.ws.recv()
            except websockets.exceptions.ConnectionClosed:
                return self.ws.close_code, self.ws.close_reason

        return self._loop.run(asyncio.wait_for(until_closed(), DEADLINE), DEADLINE + 5)


class Reply:
    """An HTTP answer to a handshake."""

    def __init__(self, head, rest):
        line, *lines = head.split("\r\n")
        self.status = int(line.split(" ", 2)[1])
        self.headers = {}
        for one in lines:
            name, _, value = one.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self.rest = rest
        self.body = ""


def _dial(url):
    parts = urllib.parse.urlsplit(url)
    s = socket.create_connection((parts.hostname, parts.port), DEADLINE)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    path = parts.path + ("?" + parts.query if parts.query else "")
    return s, path, parts.netloc


def _shake(s, path, host, lines=()):
    """Sends an upgrade request as it stands and reads the head of what comes back."""
    key = base64.b64encode(os.urandom(16)).decode()
    head = [f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket",
            "Connection: Upgrade", "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}"]
    data = "\r\n".join(head).encode() + b"\r\n"
    for line in lines:
        data += (line if isinstance(line, bytes) else line.encode()) + b"\r\n"
    s.sendall(data + b"\r\n")
    got = b""
    while b"\r\n\r\n" not in got:
        piece = s.recv(4096)
        if not piece:
            raise ConnectionError(f"the handshake ended after {got!r}")
        got += piece
    head, _, rest = got.partition(b"\r\n\r\n")
    return Reply(head.decode("latin-1"), rest)


def handshake(url, *lines):
    """The Reply of a handshake that needn't succeed, with its body. `lines` are header
    lines, sent as they stand."""
    s, path, host = _dial(url)
    with s:
        reply = _shake(s, path, host, lines)
        if reply.status != 101:
            body = reply.rest
            want = int(reply.headers.get("content-length", "0"))
            while len(body) < want:
                piece = s.recv(4096)
                if not piece:
                    break
                body += piece
            reply.body = body.decode()
        return reply


def frame(opcode, payload=b""):
    """A frame of a client, whole, masked by zeros: the same bytes on the wire."""
    n = len(payload)
    if n < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | n)
    elif n < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, n)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, n)
    return head + b"\0\0\0\0" + payload


class RawClient:
    """A WebSocket client that does only what it is told: it answers no ping, and sends
    frames that a well-behaved client wouldn't."""

    def __init__(self, url, *lines):
        self.socket, path, host = _dial(url)
        try:
            reply = _shake(self.socket, path, host, lines)
            assert reply.status == 101, reply.status
        except BaseException:  # or a socket left open would be complained of instead
            self.socket.close()
            raise
        self._rest = reply.rest

    def send(self, opcode, payload=b""):
        self.socket.sendall(frame(opcode, payload))

    def fill(self, data, limit):
        """Sends the bytes again and again until the socket takes no more for a moment, or
        until `limit` times. Returns how often they went out whole; a rest that is begun
        is remembered and goes first the next time."""
        self.socket.setblocking(False)
        left = getattr(self, "_left", b"")
        sent = 0
        while sent < limit:
            left = left or data
            try:
                left = left[self.socket.send(left):]
            except BlockingIOError:
                if not select.select([], [self.socket], [], 0.5)[1]:
                    break
                continue
            if not left:
                sent += 1
        self._left = left
        return sent

    def _take(self, n):
        while len(self._rest) < n:
            piece = self.socket.recv(65536)
            if not piece:
                raise ConnectionError("end of the stream")
            self._rest += piece
        data, self._rest = self._rest[:n], self._rest[n:]
        return data

    def receive(self):
        """(opcode, payload) of the next frame."""
        self.socket.settimeout(DEADLINE)
        first, n = self._take(2)
        if n == 126:
            n, = struct.unpack("!H", self._take(2))
        elif n == 127:
            n, = struct.unpack("!Q", self._take(8))
        return first & 15, self._take(n)

    def receive_close(self):
        """(code, reason) of the Close frame; what comes before it is thrown away."""
        while True:
            opcode, payload = self.receive()
            if opcode == CLOSE:
                return struct.unpack("!H", payload[:2])[0], payload[2:].decode()

    def end(self):
        self.socket.close()


class RedisServer:
    """A Redis on a Unix socket in a folder."""

    def __init__(self, folder):
        self.path = os.path.join(str(folder), "redis.sock")
        self.url = "redis+unix://" + self.path
        self._folder = str(folder)
        self._process = None

    def start(self):
        # A sanitizer that is preloaded for Python is none of Redis' business.
        env = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
        self._process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.path, "--save", "",
             "--appendonly", "no", "--dir", self._folder],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=env)
        wait_until(self._answers, "redis-server answers")

    def _answers(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(1)
            try:
                s.connect(self.path)
                s.sendall(b"PING\r\n")
                return s.recv(7) == b"+PONG\r\n"
            except OSError:
                return False

    def pause(self):
        """It answers nobody any more, and hangs up on nobody either."""
        self._process.send_signal(signal.SIGSTOP)

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def memory_of(pid):
    """Resident memory of a process in bytes."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors_of(pid="self"):
    return len(os.listdir(f"/proc/{pid}/fd"))


def clean_environment(extra=None):
    """The tests' own environment without options of fanwire, plus `extra`."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("FANWIRE_")}
    env.update(extra or {})
    return env


# What a program begins with: a way to tell the test something, and to hear of it.
_PRELUDE = """
import json, sys
def tell(kind, value=None):
    sys.stdout.write(json.dumps([kind, value]) + "\\n")
    sys.stdout.flush()
"""


class Program:
    """A Python program in a process of its own. It calls tell(kind, value) to say
    something, which `wait` returns; what the test says reaches its standard input."""

    def __init__(self, source, *arguments, flags=(), env=None, tests_on_path=False):
        extra = dict(env or {})
        if tests_on_path:
            here = os.path.dirname(os.path.abspath(__file__))
            extra["PYTHONPATH"] = os.pathsep.join(
                p for p in (here, os.environ.get("PYTHONPATH")) if p)
        self.process = subprocess.Popen(
            [sys.executable, *flags, "-c", _PRELUDE + textwrap.dedent(source),
             *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=clean_environment(extra))
        self.pid = self.process.pid
        self.told = Seen()
        self._err = []
        self._readers = [threading.Thread(target=self._read_told),
                         threading.Thread(target=self._read_err)]
        for reader in self._readers:
            reader.start()

    def _read_told(self):
        for line in self.process.stdout:
            try:
                kind, value = json.loads(line)
            except ValueError:
                kind, value = "line", line.rstrip("\n")
            self.told(kind, value)
        self.told("end of output", None)

    def _read_err(self):
        for line in self.process.stderr:
            self._err.append(line)

    @property
    def err(self):
        return "".join(self._err)

    def all(self, kind):
        return [value for k, value in self.told.items if k == kind]

    def wait(self, kind, n=1, deadline=None):
        """What was told the n-th time under this name."""
        def there(items):
            kinds = [k for k, _ in items]
            return kinds.count(kind) >= n or "end of output" in kinds

        self.told.wait_for(there, f"{kind!r} from the program", deadline)
        found = self.all(kind)
        if len(found) < n:
            self.process.wait(DEADLINE)
            pytest.fail(f"the program ended ({self.process.returncode}) before it told"
                        f" {kind!r}: {self.told.items[-5:]}\n{self.err}")
        return found[n - 1]

    def say(self, line=""):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def signal(self, number):
        os.kill(self.pid, number)

    def finish(self, deadline=None):
        """Waits for its end; returns the exit status."""
        status = self.process.wait(deadline or DEADLINE)
        for reader in self._readers:
            reader.join(DEADLINE)
        return status

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join(DEADLINE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except BrokenPipeError:
                pass
