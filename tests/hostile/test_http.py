"""Requests that are no handshake, or never become one."""

import random
import re
import socket
import ssl
import threading
import time

import pytest

from hostile import REFUSALS, read_to_end, sock_to
from peer import PATIENCE, TLS, Answer, Peer

HOST = b"Host: 127.0.0.1\r\n"
UPGRADE = (b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
GOOD = b"GET /ws?room=attack HTTP/1.1\r\n" + HOST + UPGRADE + b"\r\n"


STATUS_LINE = re.compile(rb"HTTP/1\.1 \d\d\d ")


def get(*lines, request=b"GET /ws?room=attack HTTP/1.1"):
    return request + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def answers_in(data):
    """How many HTTP answers are in these bytes, and the first."""
    if not data:
        return 0, None
    head = data.partition(b"\r\n\r\n")[0]
    return len(STATUS_LINE.findall(data)), Answer(head)


SMUGGLING = [
    ("two_content_lengths", get(HOST[:-2], b"Content-Length: 0", b"Content-Length: 5")
     + GOOD),
    ("content_length_list", get(HOST[:-2], b"Content-Length: 0, 5") + GOOD),
    ("negative_content_length", get(HOST[:-2], b"Content-Length: -1") + GOOD),
    ("huge_content_length", get(HOST[:-2], b"Content-Length: 99999999999999999999999")
     + GOOD),
    ("te_and_cl", get(HOST[:-2], b"Transfer-Encoding: chunked", b"Content-Length: 5")
     + b"0\r\n\r\n" + GOOD),
    ("te_twice", get(HOST[:-2], b"Transfer-Encoding: identity",
                     b"Transfer-Encoding: chunked") + b"0\r\n\r\n" + GOOD),
    ("te_misspelt", get(HOST[:-2], b"Transfer-Encoding: xchunked") + GOOD),
    ("te_with_vertical_tab", get(HOST[:-2], b"Transfer-Encoding: \x0bchunked") + GOOD),
    ("bare_cr", get(HOST[:-2], b"X: a\rContent-Length: 5") + GOOD),
    ("bare_cr_before_colon", get(HOST[:-2], b"X\r: a") + GOOD),
    ("nul_in_value", get(HOST[:-2], b"X: a\0b") + GOOD),
    ("nul_in_path", get(HOST[:-2], request=b"GET /ws\0 HTTP/1.1") + GOOD),
    ("blank_before_colon", get(HOST[:-2], b"Content-Length : 5") + GOOD),
    ("folded_line", get(HOST[:-2], b"X: a", b" Content-Length: 5") + GOOD),
    ("two_hosts", get(HOST[:-2], b"Host: example.org") + GOOD),
    ("request_line_of_4_words", get(HOST[:-2], request=b"GET /ws x HTTP/1.1") + GOOD),
    ("http_0_9", b"GET /ws\r\n\r\n" + GOOD),
    ("http_2_preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"),
    ("h2c_upgrade", get(HOST[:-2], b"Connection: Upgrade, HTTP2-Settings",
                        b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__")),
    ("connect", b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n" + b"\x05\x01\x00" * 50),
    ("options_star", b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("trace", get(HOST[:-2], request=b"TRACE /ws HTTP/1.1")),
    ("post_with_body", get(HOST[:-2], b"Content-Length: 5",
                           request=b"POST /ws HTTP/1.1") + b"hello"),
]


@pytest.mark.parametrize("data", [s[1] for s in SMUGGLING], ids=[s[0] for s in SMUGGLING])
def test_a_doubtful_request_is_refused_once(scene, target, data):
    """One answer, 4xx or 5xx, and the end: what stands behind is never a request."""
    def run():
        for _ in range(5):
            peer = Peer(target)
            peer.send(data)
            answer = peer.answer()
            assert answer is not None, "the stream ended without an answer"
            assert 400 <= answer.status < 600, "status %d" % answer.status
            while peer.at_end is None:
                assert peer._fill(PATIENCE), "the connection is kept"
            assert not STATUS_LINE.search(bytes(peer.buffer)), "answered twice"
            peer.close()

    scene.attack(run, REFUSALS, 5, runs=2)


@pytest.mark.parametrize("data", [s[1] for s in SMUGGLING[:16]],
                         ids=[s[0] for s in SMUGGLING[:16]])
def test_a_doubtful_request_to_the_pages_is_refused_once(scene, data):
    """The same on http.listen, with a second request hidden behind."""
    host, _, port = scene.server.http.partition(":")
    data = data.replace(b"/ws?room=attack", b"/health").replace(b"/ws", b"/health")

    def run():
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as s:
            s.sendall(data)
            count, answer = answers_in(read_to_end(s))
            assert count == 1, "%d answers" % count
            assert 400 <= answer.status < 600, "status %d" % answer.status

    scene.attack(run, REFUSALS, 1, runs=2)


# --- too much ---

def flood(target, begin, piece, most):
    """Writes until it is cut off; gives what was answered."""
    peer = Peer(target)
    peer.send(begin)
    sent = 0
    while sent < most and peer.at_end is None and peer.send(piece):
        sent += len(piece)
        peer._fill(0)
    while peer.at_end is None:
        assert peer._fill(2 * PATIENCE), "a flood of %d bytes is kept open" % sent
    data = bytes(peer.buffer)
    peer.close()
    return data


@pytest.mark.parametrize("begin,piece", [
    (b"GET /ws HTTP/1.1\r\n" + HOST, b"X-Flood: " + b"x" * 990 + b"\r\n"),
    (b"GET /ws HTTP/1.1\r\n" + HOST + b"X-Flood: ", b"x" * 1000),
    (b"GET /ws HTTP/1.1\r\n" + HOST, b"a:\r\n" * 250),
    (b"GET /", b"x" * 1000),
    (b"", b"X" * 1000),
    (b"", b"\r\n" * 500),
    (b"GET /ws?", b"room=a&" * 150),
], ids=["headers", "one_header", "tiny_headers", "path", "method", "empty_lines",
        "query"])
def test_a_flooded_head_is_refused(scene, target, begin, piece):
    def run():
        for _ in range(5):
            # 414 or 431, or 400 where it makes no sense; a reset may eat it.
            count, answer = answers_in(flood(target, begin, piece, 64 * 1024 * 1024))
            assert count <= 1
            assert answer is None or answer.status in (400, 413, 414, 431, 501), \
                "status %d" % answer.status

    scene.attack(run, REFUSALS, 5)


# --- too slow ---

PARTS = [("nothing", b""), ("one_byte", b"G"), ("request_line", GOOD[:30]),
         ("all_but_the_end", GOOD[:-1])]


def hold(target, number, data):
    """Connections that say this much and no more, until the server has had enough."""
    socks = [sock_to(target) for _ in range(number)]
    for s in socks:
        s.sendall(data)
    return socks


@pytest.mark.parametrize("data", [p[1] for p in PARTS], ids=[p[0] for p in PARTS])
def test_half_a_handshake_held_open_is_dropped(scene, data):
    def run():
        socks = hold(scene.server.plain, 300, data)
        scene.server.wait_for("they are pending", lambda m:
                              m["fanwire_pending_connections"] >= 300)
        for s in socks:
            got = read_to_end(s)
            assert got == b"" or Answer(got.partition(b"\r\n\r\n")[0]).status == 408
            s.close()

    scene.attack(run, REFUSALS, 300, runs=2)


def client_hello():
    """The bytes that a TLS client begins with."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = TLS.wrap_bio(into, out, server_hostname="localhost")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


@pytest.mark.parametrize("part", ["nothing", "half", "whole"])
def test_half_a_tls_handshake_held_open_is_dropped(scene, part):
    hello = client_hello()
    data = {"nothing": b"", "half": hello[:len(hello) // 2], "whole": hello}[part]

    def run():
        socks = hold(scene.server.tls, 200, data)
        for s in socks:
            read_to_end(s)
            s.close()

    scene.attack(run, REFUSALS, 200, runs=2)


def test_a_head_written_slower_than_the_time_out_is_dropped(scene, target):
    """A byte now and then doesn't buy time: the head as a whole has its deadline."""
    def run():
        peers = [Peer(target) for _ in range(50)]
        pause = threading.Event()
        deadline = time.monotonic() + 2 * PATIENCE
        position = 0
        while any(p.at_end is None and not p.write_failed for p in peers):
            assert time.monotonic() < deadline, "slow writers are kept"
            for p in peers:
                if p.at_end is None:
                    p.send(GOOD[position % 40:position % 40 + 1])
                    p._fill(0)
            position += 1
            pause.wait(0.1)
        for p in peers:
            p.close()

    scene.attack(run, REFUSALS, 50, runs=1)


# --- the wrong language ---

def test_tls_on_the_plain_port_is_refused(scene):
    hello = client_hello()

    def run():
        for _ in range(50):
            s = sock_to(scene.server.plain)
            s.sendall(hello)
            read_to_end(s)
            s.close()

    scene.attack(run, REFUSALS, 50)


def test_plain_http_on_the_tls_port_is_dropped(scene):
    def run():
        for _ in range(50):
            s = sock_to(scene.server.tls)
            s.sendall(GOOD)
            assert b" 101 " not in read_to_end(s)
            s.close()

    scene.attack(run, REFUSALS, 50)


@pytest.mark.parametrize("port", ["plain", "tls", "http"])
def test_noise_is_dropped(scene, port):
    """Random bytes; the seed is fixed, so what fails once fails again."""
    noise = random.Random(4711)
    if port == "http":
        host, _, number = scene.server.http.partition(":")
        address = (host, int(number))
    else:
        t = getattr(scene.server, port)
        address = (t.host, t.port)

    def run():
        for _ in range(200):
            s = socket.create_connection(address, timeout=PATIENCE)
            try:
                s.sendall(noise.randbytes(noise.randrange(1, 2000)))
                s.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            read_to_end(s)
            s.close()

    scene.attack(run, REFUSALS, 1)
