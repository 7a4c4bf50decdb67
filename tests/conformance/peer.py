"""A WebSocket client that can misbehave.

Raw sockets and nothing but the standard library, so that every byte on the wire is the
test's own: frames with wrong masks, lengths, bits and opcodes, heads cut anywhere. What
the server sends is judged strictly: a masked frame, a length that isn't minimal, a
reserved bit or a fragmented control frame raises Violation at once. With `offer` it
speaks permessage-deflate (RFC 7692), and what comes compressed is inflated.

Used by the conformance cases and by tests/hostile. Knows nothing of fanwire.
One thread for one Peer.
"""

import base64
import hashlib
import os
import select
import socket
import ssl
import struct
import time
import zlib
from collections import namedtuple
from urllib.parse import urlsplit

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

# Generous, since it only decides how long a broken server is waited for. A sanitizer
# build on a busy machine is slow: FANWIRE_TEST_PATIENCE=3 triples it.
PATIENCE = 30.0 * float(os.environ.get("FANWIRE_TEST_PATIENCE", "1"))

# kind: "text", "binary", "ping", "pong", "close" or "eof"; code and reason of a Close
# are in code and data; for "eof", data says how it ended: b"fin" or b"reset".
# compressed: the frame's payload as it came, if it was.
Event = namedtuple("Event", "kind data code compressed", defaults=(None,))
RSV1 = 4  # as frame() takes it


class Violation(AssertionError):
    """The server broke RFC 6455."""


class Timeout(AssertionError):
    """Nothing came before the deadline."""


def mask(data, key):
    """XOR as RFC 6455 5.3 asks, by one big integer: Python has no faster way."""
    n = len(data)
    if n == 0 or key == b"\0\0\0\0":
        return bytes(data)
    whole = (key * (n // 4 + 1))[:n]
    return (int.from_bytes(data, "little") ^ int.from_bytes(whole, "little")).to_bytes(
        n, "little")


def frame(opcode, payload=b"", fin=True, rsv=0, masked=True, key=None, announce=None,
          width=None):
    """The bytes of one frame.

    announce: a length to write instead of the true one; width: 7, 16 or 64 bits for it
    instead of the smallest that holds it.
    """
    length = len(payload) if announce is None else announce
    if width is None:
        width = 7 if length < 126 else 16 if length < 65536 else 64
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    bit = 0x80 if masked else 0
    if width == 7:
        head = struct.pack("!BB", first, bit | length)
    elif width == 16:
        head = struct.pack("!BBH", first, bit | 126, length)
    else:
        head = struct.pack("!BBQ", first, bit | 127, length)
    if not masked:
        return head + payload
    key = os.urandom(4) if key is None else key
    return head + key + mask(payload, key)


def close_payload(code=None, reason=b""):
    return b"" if code is None else struct.pack("!H", code) + reason


def fragments(opcode, parts, rsv=0):
    """The frames of a message in parts; rsv: of the first."""
    last = len(parts) - 1
    return b"".join(frame(opcode if i == 0 else CONTINUATION, part, fin=i == last,
                          rsv=rsv if i == 0 else 0)
                    for i, part in enumerate(parts))


def pieces(data, size):
    return [data[i:i + size] for i in range(0, len(data), size)] or [b""]


def deflate(data, level=6, window=15, strategy=zlib.Z_DEFAULT_STRATEGY,
            flush=zlib.Z_SYNC_FLUSH):
    """A message as RFC 7692 7.2.1 compresses it, nothing taken over."""
    z = zlib.compressobj(level, zlib.DEFLATED, -window, 8, strategy)
    out = z.compress(data) + z.flush(flush)
    return out[:-4] if out.endswith(b"\0\0\xff\xff") else out


def inflate(data, z, window=15):
    """What was in it. With a small window in small pieces, so that a distance out of it
    is noticed: zlib looks back into what it has just put out, too."""
    out, rest = [], data + b"\0\0\xff\xff"
    while True:
        piece = z.decompress(rest, 64 if window < 15 else 1 << 20)
        out.append(piece)
        rest = z.unconsumed_tail
        if not piece and not rest:
            return b"".join(out)


def extensions(value):
    """[(name, {parameter: value or None})] of a Sec-WebSocket-Extensions header."""
    found = []
    for element in value.split(","):
        name, *parameters = [part.strip() for part in element.split(";")]
        pairs = [p.partition("=") for p in parameters]
        if len({p[0] for p in pairs}) != len(pairs):
            raise Violation("a parameter twice in %r" % value)
        found.append((name, {p[0].strip(): p[2].strip() if p[1] else None
                             for p in pairs}))
    return found


def tls_context():
    """Believes any certificate: the tests' own is signed by nobody. Made once, and not by
    create_default_context, which reads all of the system's certificates each time."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


TLS = tls_context()


class Target:
    """Where a server is: a ws:// or wss:// address."""

    def __init__(self, url):
        parts = urlsplit(url)
        self.url = url
        self.tls = parts.scheme == "wss"
        self.host = parts.hostname
        self.port = parts.port or (443 if self.tls else 80)
        self.path = parts.path or "/"

    def connect(self, tls=None, timeout=PATIENCE):
        """A connected socket, non-blocking; TLS if the address says so or tls is set."""
        sock = socket.create_connection((self.host, self.port), timeout=timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls if tls is None else tls:
            sock = TLS.wrap_socket(sock, server_hostname=self.host)
        sock.setblocking(False)
        return sock


class Answer:
    """The head of an HTTP answer."""

    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ", 2)
        if len(words) < 2 or words[0] != "HTTP/1.1" or not words[1].isdigit():
            raise Violation("not a status line of HTTP/1.1: %r" % lines[0])
        self.status = int(words[1])
        self.headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or name != name.strip() or "\n" in line or "\r" in line:
                raise Violation("malformed header line %r" % line)
            self.headers.append((name.lower(), value.strip()))

    def all(self, name):
        return [v for n, v in self.headers if n == name]

    def one(self, name):
        values = self.all(name)
        return values[0] if len(values) == 1 else None


class Peer:
    """One connection. Reads while it writes, so no echo can block it."""

    def __init__(self, target, sock=None):
        self.target = target
        self.sock = target.connect() if sock is None else sock
        self.buffer = bytearray()
        self.at_end = None        # b"fin" or b"reset" once reading is over
        self.write_failed = False
        self.message = None       # [opcode, parts] of a fragmented message
        self.closed = None        # the Close event that came
        self.inflater = None
        self.offer = None         # Sec-WebSocket-Extensions as it was sent
        self.agreed = None        # parameters of permessage-deflate, once agreed on

    # --- bytes ---

    def _fill(self, timeout=None, want_write=False):
        """Take what the socket has; wait for it. False: the time is over."""
        pending = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
        if not pending:
            poll = select.poll()
            wanted = select.POLLIN | (select.POLLOUT if want_write else 0)
            poll.register(self.sock, wanted)
            if not poll.poll(None if timeout is None else max(0, timeout * 1000)):
                return False
        while self.at_end is None:
            try:
                data = self.sock.recv(262144)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            except (ConnectionError, ssl.SSLError, TimeoutError):
                self.at_end = b"reset"
                break
            if not data:
                self.at_end = b"fin"
                break
            self.buffer += data
            if len(data) < 262144 and not isinstance(self.sock, ssl.SSLSocket):
                break
        return True

    def send(self, data, reading=True, timeout=PATIENCE):
        """Write all, and meanwhile take in what comes. A connection that the server has
        ended swallows the rest in silence: what counts is what can still be read."""
        view = memoryview(data)
        deadline = time.monotonic() + timeout
        while len(view) and not self.write_failed:
            try:
                view = view[self.sock.send(view[:262144]):]
                continue
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                pass
            except (OSError, ssl.SSLError):
                self.write_failed = True
                return False
            left = deadline - time.monotonic()
            if left <= 0:
                raise Timeout("the server has stopped reading")
            if reading and self.at_end is None:
                self._fill(left, want_write=True)
            else:
                poll = select.poll()
                poll.register(self.sock, select.POLLOUT)
                poll.poll(left * 1000)
        return not self.write_failed

    def send_chopped(self, data, size=1, **kwargs):
        """A write for each `size` bytes; TCP_NODELAY is on."""
        for piece in pieces(data, size):
            self.send(piece, **kwargs)

    def read_exactly(self, n, deadline):
        """n bytes, or None when the stream ends before."""
        while len(self.buffer) < n:
            if self.at_end is not None:
                return None
            left = deadline - time.monotonic()
            if left <= 0 or not self._fill(left):
                raise Timeout("nothing came within the deadline")
        data = bytes(memoryview(self.buffer)[:n])
        del self.buffer[:n]
        return data

    # --- the handshake ---

    def head(self, query="", method="GET", path=None, version="HTTP/1.1", replace=(),
             extra=(), key=None):
        """The lines of a handshake in order; replace: {name: line or None}."""
        self.key = base64.b64encode(os.urandom(16)).decode() if key is None else key
        lines = {
            "Host": "Host: %s:%d" % (self.target.host, self.target.port),
            "Upgrade": "Upgrade: websocket",
            "Connection": "Connection: Upgrade",
            "Sec-WebSocket-Key": "Sec-WebSocket-Key: " + self.key,
            "Sec-WebSocket-Version": "Sec-WebSocket-Version: 13",
        }
        lines.update(replace)
        resource = (self.target.path if path is None else path) + query
        text = "%s %s %s\r\n" % (method, resource, version)
        text += "".join(line + "\r\n" for line in lines.values() if line is not None)
        text += "".join(line + "\r\n" for line in extra)
        return (text + "\r\n").encode("latin-1")

    def answer(self, timeout=PATIENCE):
        """The head of the server's answer; None if the stream ended without one."""
        deadline = time.monotonic() + timeout
        while b"\r\n\r\n" not in self.buffer:
            if self.at_end is not None:
                return None
            left = deadline - time.monotonic()
            if left <= 0 or not self._fill(left):
                raise Timeout("no HTTP answer within the deadline")
        head, _, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        self.buffer = bytearray(rest)
        return Answer(head)

    def check_accept(self, answer):
        """RFC 6455 4.1, what a client must check of the 101."""
        digest = hashlib.sha1(self.key.strip().encode("latin-1") + GUID).digest()
        if answer.status != 101:
            raise Violation("expected 101, got %d" % answer.status)
        if (answer.one("upgrade") or "").lower() != "websocket":
            raise Violation("101 without Upgrade: websocket")
        tokens = [t.strip().lower() for t in (answer.one("connection") or "").split(",")]
        if "upgrade" not in tokens:
            raise Violation("101 without Connection: Upgrade")
        if answer.one("sec-websocket-accept") != base64.b64encode(digest).decode():
            raise Violation("101 with a wrong Sec-WebSocket-Accept")
        if answer.all("content-length") or answer.all("transfer-encoding"):
            raise Violation("101 with a body length (RFC 9110 8.6, 9112 6.1)")
        if answer.all("sec-websocket-extensions"):
            self._check_extensions(answer.all("sec-websocket-extensions"))

    def _check_extensions(self, lines):
        """RFC 7692 7.1: what a client must check of the answer."""
        (name, agreed), *more = extensions(",".join(lines))
        if name != "permessage-deflate" or more or self.offer is None:
            raise Violation("agreed on what wasn't offered: %r" % lines)
        for key, value in agreed.items():
            if key in ("server_no_context_takeover", "client_no_context_takeover"):
                if value is not None:
                    raise Violation("%s with a value" % key)
            elif key in ("server_max_window_bits", "client_max_window_bits"):
                if key not in self.offer:
                    raise Violation("%s, which wasn't offered" % key)
                if value not in [str(bits) for bits in range(8, 16)]:
                    raise Violation("%s=%s" % (key, value))
            else:
                raise Violation("parameter %s doesn't exist" % key)
        self.agreed = agreed

    def handshake(self, query="", offer=None, extra=(), **kwargs):
        """offer: the value of Sec-WebSocket-Extensions, without which there is none."""
        self.offer = offer
        if offer is not None:
            extra = [*extra, "Sec-WebSocket-Extensions: " + offer]
        self.send(self.head(query, extra=extra, **kwargs))
        answer = self.answer()
        if answer is None:
            raise Violation("the stream ended instead of an answer to the handshake")
        self.check_accept(answer)
        return self

    # --- frames ---

    def send_frame(self, *args, chop=0, **kwargs):
        data = frame(*args, **kwargs)
        return self.send_chopped(data, chop) if chop else self.send(data)

    def send_compressed(self, opcode, data, size=None, **how):
        """A message compressed as a whole; size: in fragments of so many bytes."""
        packed = deflate(data, **how)
        return self.send(fragments(opcode, pieces(packed, size or len(packed)), RSV1))

    def send_close(self, code=None, reason=b"", **kwargs):
        return self.send_frame(CLOSE, close_payload(code, reason), **kwargs)

    def _next_frame(self, deadline):
        head = self.read_exactly(2, deadline)
        if head is None:
            if self.buffer:
                raise Violation("the stream ended in the middle of a frame header")
            return None
        first, second = head
        fin, opcode, length = first & 0x80, first & 15, second & 127
        if second & 0x80:
            raise Violation("the server masked a frame (5.1)")
        compressible = self.agreed is not None and opcode in (TEXT, BINARY)
        if first & (0x30 if compressible else 0x70):
            raise Violation("the server set a reserved bit (5.2)")
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise Violation("the server sent opcode %d" % opcode)
        if opcode >= 8 and (not fin or length > 125):
            raise Violation("the server sent a fragmented or long control frame (5.5)")
        for code, size, least in ((126, 2, 126), (127, 8, 65536)):
            if length == code:
                raw = self.read_exactly(size, deadline)
                if raw is None:
                    raise Violation("the stream ended in the middle of a frame header")
                length = int.from_bytes(raw, "big")
                if length < least:
                    raise Violation("the server's length isn't minimal (5.2)")
                break
        payload = self.read_exactly(length, deadline)
        if payload is None:
            raise Violation("the stream ended in the middle of a frame (%d of %d bytes)"
                            % (len(self.buffer), length))
        return opcode, bool(fin), payload, bool(first & 0x40)

    def _inflated(self, data):
        bits = int(self.agreed.get("server_max_window_bits", 15))
        if self.inflater is None or "server_no_context_takeover" in self.agreed:
            self.inflater = zlib.decompressobj(-bits)
        try:
            return inflate(data, self.inflater, bits)
        except zlib.error as e:
            raise Violation("what the server compressed can't be inflated: %s" % e) \
                from None

    def _close_event(self, payload):
        if len(payload) == 1:
            raise Violation("the server sent a Close frame of one byte (5.5.1)")
        code = struct.unpack("!H", payload[:2])[0] if payload else None
        if code is not None and not (1000 <= code <= 1003 or 1007 <= code <= 1014
                                     or 3000 <= code <= 4999):
            raise Violation("the server sent close code %d (7.4.1)" % code)
        payload[2:].decode("utf-8")
        self.closed = Event("close", payload[2:], code)
        return self.closed

    def event(self, timeout=PATIENCE):
        """The next message, control frame, or end of the stream."""
        deadline = time.monotonic() + timeout
        while True:
            got = self._next_frame(deadline)
            if got is None:
                return Event("eof", self.at_end, None)
            if self.closed:
                raise Violation("the server sent a frame after its Close frame (5.5.1)")
            opcode, fin, payload, compressed = got
            if opcode == CLOSE:
                return self._close_event(payload)
            if opcode in (PING, PONG):
                return Event("ping" if opcode == PING else "pong", payload, None)
            if (opcode == CONTINUATION) != (self.message is not None):
                raise Violation("the server's fragments are out of order (5.4)")
            if opcode != CONTINUATION:
                self.message = [opcode, [], compressed]
            self.message[1].append(payload)
            if fin:
                (kind, parts, compressed), self.message = self.message, None
                came = b"".join(parts)
                data = self._inflated(came) if compressed else came
                if kind == TEXT:
                    data.decode("utf-8")
                return Event("text" if kind == TEXT else "binary", data, None,
                             came if compressed else None)

    def heard(self, timeout=PATIENCE):
        """As event(), but answers the server's own pings and goes on."""
        deadline = time.monotonic() + timeout
        while True:
            e = self.event(deadline - time.monotonic())
            if e.kind != "ping":
                return e
            self.send_frame(PONG, e.data)

    def drain(self, timeout=PATIENCE):
        """Everything until the stream ends; the last event is the end."""
        deadline = time.monotonic() + timeout
        events = []
        while not events or events[-1].kind != "eof":
            events.append(self.heard(deadline - time.monotonic()))
        return events

    # --- the end ---

    def half_close(self):
        raw = self.sock
        try:
            if isinstance(raw, ssl.SSLSocket):
                # unwrap() would wait for the other side; TCP's own half is what is meant.
                socket.socket.shutdown(raw, socket.SHUT_WR)
            else:
                raw.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def reset(self):
        """End with RST instead of FIN."""
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack("ii", 1, 0))
        except OSError:
            pass
        self.close()

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
