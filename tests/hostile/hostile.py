"""What every attack is judged by.

While it runs, a control pair talks in a room of its own, and each of its messages must
arrive, in order. Afterwards a counter must have moved, and nothing may be kept: gauges
and descriptors come back, and memory doesn't grow from one run to the next. How long the
control pair had to wait is only noted: a loaded machine proves nothing.
"""

import os
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..",
                                "conformance"))

from peer import PATIENCE, TEXT, Peer, Timeout  # noqa: E402

MIB = 1024 * 1024
API_KEY = "the-key-of-the-house"
# A heap keeps some of what was freed; what leaks grows with each run beyond this.
RSS_SLACK = 12 * MIB
NOTES = []  # (test, messages, p99 in ms, worst in ms), for the summary


def attack(what, answer):
    """Of each test: what is done, and what must become of it. It is a row of
    docs/internals/abuse.md, which tests/lint/abuse_page.py makes of the sources."""
    del what, answer
    return lambda test: test


class Control(threading.Thread):
    """Two honest members of a room, who talk all along."""

    def __init__(self, server, room):
        super().__init__(daemon=True)
        self.speaker = Peer(server.plain).handshake("?room=" + room)
        self.listener = Peer(server.plain).handshake("?room=" + room)
        self.over = threading.Event()
        self.times = []
        self.fault = None
        # What was said before the listener was let in would be missed: begin when heard.
        self.exchange(b"begin")
        self.start()

    def exchange(self, text):
        self.speaker.send_frame(TEXT, text)
        for peer in (self.listener, self.speaker):
            got = peer.heard(2 * PATIENCE)
            if (got.kind, got.data) != ("text", text):
                raise AssertionError("the control pair waited for %r and got %r"
                                     % (text, got))

    def run(self):
        try:
            while not self.over.wait(0.004):
                begin = time.monotonic()
                self.exchange(b"control %d" % len(self.times))
                self.times.append(time.monotonic() - begin)
        except Exception as e:  # told to the test at the end
            self.fault = e

    def finish(self, name):
        self.over.set()
        self.join(3 * PATIENCE)
        stuck = self.is_alive()
        self.speaker.close()
        self.listener.close()
        if stuck:
            raise AssertionError("the control pair is stuck")
        if self.fault:
            raise AssertionError("the control pair was harmed: %s" % self.fault)
        times = sorted(self.times) or [0]
        NOTES.append((name, len(self.times), 1000 * times[len(times) * 99 // 100],
                      1000 * times[-1]))


def rising(metrics, names):
    return sum(metrics.get(name, 0.0) for name in names)


class Scene:
    """A server, a control pair, and the state before the attack."""

    def __init__(self, server, name):
        self.server = server
        self.name = name
        self.control = Control(server, "control-" + name)
        self.before = server.wait_for("only the control pair is here", self.is_calm)
        self.fds = self.settled_fds()

    @staticmethod
    def is_calm(metrics):
        # Whoever asks for /metrics is itself a connection that waits.
        return (metrics["fanwire_sessions"] == 2
                and metrics["fanwire_pending_connections"] <= 1
                and metrics["fanwire_room_members"] == 2
                and metrics["fanwire_rooms"] == 1
                and metrics["fanwire_presence_entries"] == 0)

    def settled_fds(self, most=None):
        """Descriptors, when they are no more than `most`, or no longer change."""
        deadline = time.monotonic() + PATIENCE
        pause, last = threading.Event(), -1
        while True:
            now = self.server.fds()
            if (most is None and now == last) or (most is not None and now <= most):
                return now
            if time.monotonic() > deadline:
                raise AssertionError("%d descriptors, there were %s" % (now, most))
            last = now
            pause.wait(0.02)

    def settle(self):
        """All that the attackers had is given back."""
        assert self.server.is_alive(), "fanwired died:\n" + self.server.log_text()[-4000:]
        metrics = self.server.wait_for("sessions and pending are back", self.is_calm)
        self.settled_fds(self.fds)
        return metrics

    def attack(self, run, counters, at_least=1, runs=3):
        """Run it some times; the counters together rise by at_least each time."""
        memory = []
        before = self.before
        for _ in range(runs):
            run()
            after = self.settle()
            risen = rising(after, counters) - rising(before, counters)
            assert risen >= at_least, "%s rose by %d only" % (" + ".join(counters), risen)
            before = after
            memory.append(self.server.rss())
        if runs > 1 and not self.server.sanitized:
            grown = memory[-1] - memory[0]
            assert grown < RSS_SLACK, "memory grew by %.1f MiB" % (grown / MIB)

    def finish(self):
        self.control.finish(self.name)


PROTOCOL = ["fanwire_protocol_errors_total"]
REFUSALS = ["fanwire_http_errors_total", "fanwire_refused_total"]
TOO_LARGE = ['fanwire_limit_hits_total{limit="message_max_bytes"}']
OVERFLOWS = ['fanwire_outbox_overflows_total{policy="close"}']
GONE = ['fanwire_closes_total{kind="gone"}', 'fanwire_closes_total{kind="clean"}',
        'fanwire_closes_total{kind="by_us"}']


def page_socket(server):
    """A connection to http.listen."""
    host, _, port = server.http.partition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def sock_to(target, receive_buffer=None):
    """A plain TCP connection, whatever the target speaks."""
    s = socket.socket()
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.settimeout(PATIENCE)
    s.connect((target.host, target.port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def read_to_end(s, limit=16 * MIB):
    """What comes until EOF or reset; AssertionError if it never ends."""
    data = bytearray()
    deadline = time.monotonic() + 2 * PATIENCE
    try:
        while len(data) < limit:
            s.settimeout(max(0.001, deadline - time.monotonic()))
            got = s.recv(65536)
            if not got:
                break
            data += got
    except ConnectionError:
        pass
    except TimeoutError:
        raise AssertionError("the server keeps the connection: %r" % bytes(data[:200])) \
            from None
    return bytes(data)


def all_ended(peers):
    """Every connection comes to its end by itself."""
    for peer in peers:
        try:
            peer.drain(2 * PATIENCE)
        except Timeout:
            raise AssertionError("the server keeps a connection") from None
        finally:
            peer.close()
