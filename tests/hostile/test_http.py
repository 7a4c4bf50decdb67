"""Requests that are no handshake, or never become one."""

import itertools
import random
import re
import socket
import ssl
import threading
import time
import warnings

import pytest

from hostile import GONE, REFUSALS, attack, page_socket, read_to_end, sock_to
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
    ("bare_lf", get(HOST[:-2]).replace(b"\r\n", b"\n") + GOOD),
    ("bare_lf_once", get(HOST[:-2], b"X: a\nContent-Length: 5") + GOOD),
    ("length_with_a_sign", get(HOST[:-2], b"Content-Length: +0") + GOOD),
    ("te_chunked_twice", get(HOST[:-2], b"Transfer-Encoding: chunked, chunked")
     + b"0\r\n\r\n" + GOOD),
    ("te_over_http_1_0", get(HOST[:-2], b"Transfer-Encoding: chunked",
                             request=b"GET /ws HTTP/1.0") + b"0\r\n\r\n" + GOOD),
    ("host_with_a_user", get(b"Host: x@127.0.0.1") + GOOD),
    ("another_host_in_the_target", get(HOST[:-2],
                                       request=b"GET http://x.example/ws HTTP/1.1")
     + GOOD),
]
# These are right elsewhere, or make sense on another port.
NOT_HERE = [
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


@attack("What two servers may read in two ways: two lengths, a length with "
        "Transfer-Encoding, folded lines, bare CR or LF, NUL, blanks before a colon, "
        "HTTP/0.9, HTTP/2, CONNECT, a second request hidden behind",
        "one answer, 4xx or 5xx, and the end; what stands behind is never a request")
@pytest.mark.parametrize("data", [s[1] for s in SMUGGLING + NOT_HERE],
                         ids=[s[0] for s in SMUGGLING + NOT_HERE])
def test_a_doubtful_request_is_refused_once(scene, target, data):
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


@attack("The same on `http.listen`, where connections are kept for the next request",
        "one answer, 4xx or 5xx, and the end")
@pytest.mark.parametrize("data", [s[1] for s in SMUGGLING], ids=[s[0] for s in SMUGGLING])
def test_a_doubtful_request_to_the_pages_is_refused_once(scene, data):
    data = data.replace(b"/ws?room=attack", b"/health").replace(b"/ws", b"/health")

    def run():
        with page_socket(scene.server) as s:
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


@attack("A head without end: many headers, one header, tiny ones, a path, a method, "
        "empty lines, a query", "400, 414 or 431 at 16 KiB or 100 headers, and the end")
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


@attack("300 connections that say nothing, or a part of a head, and no more",
        "408 or a close after `handshake.timeout`")
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


@attack("200 TLS handshakes that are begun, and held open",
        "a close after `handshake.timeout`")
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


@attack("50 heads written a byte at a time",
        "a close after `handshake.timeout`: a byte buys no time")
def test_a_head_written_slower_than_the_time_out_is_dropped(scene, target):
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

@attack("TLS on the plain port", "400, and the end")
def test_tls_on_the_plain_port_is_refused(scene):
    hello = client_hello()

    def run():
        for _ in range(50):
            s = sock_to(scene.server.plain)
            s.sendall(hello)
            read_to_end(s)
            s.close()

    scene.attack(run, REFUSALS, 50)


@attack("Plain HTTP on the TLS port", "a close")
def test_plain_http_on_the_tls_port_is_dropped(scene):
    def run():
        for _ in range(50):
            s = sock_to(scene.server.tls)
            s.sendall(GOOD)
            assert b" 101 " not in read_to_end(s)
            s.close()

    scene.attack(run, REFUSALS, 50)


@attack("200 times random bytes, on each port (from a seed)", "400, or a close")
@pytest.mark.parametrize("port", ["plain", "tls", "http"])
def test_noise_is_dropped(scene, port):
    noise = random.Random(4711)

    def run():
        for _ in range(200):
            s = page_socket(scene.server) if port == "http" else \
                sock_to(getattr(scene.server, port))
            try:
                s.sendall(noise.randbytes(noise.randrange(1, 2000)))
                s.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            read_to_end(s)
            s.close()

    scene.attack(run, REFUSALS, 1)


def garbage_in_tls(s):
    """What no client of TLS would say next: a record that can't be deciphered."""
    s.sendall(b"\x17\x03\x03\x40\x00" + b"\xa5" * 16384)


@attack("Garbage in the middle of a TLS handshake, and in the place of the first frame",
        "a close; nobody else notices")
def test_garbage_within_tls_ends_the_connection(scene):
    hello = client_hello()

    def run():
        for _ in range(20):
            s = sock_to(scene.server.tls)
            s.sendall(hello)
            garbage_in_tls(s)
            read_to_end(s)
            s.close()
            peer = Peer(scene.server.tls).handshake("?room=attack")
            raw = socket.socket(fileno=peer.sock.detach())
            raw.settimeout(PATIENCE)
            garbage_in_tls(raw)
            read_to_end(raw)
            raw.close()

    scene.attack(run, GONE, 20, runs=2)


@attack("A client that speaks no TLS newer than 1.1", "a TLS alert, and the end")
def test_old_versions_of_tls_are_refused(scene):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():  # that nobody should do so
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1

    def run():
        for _ in range(20):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                old.wrap_socket(sock_to(scene.server.tls), server_hostname="localhost")

    scene.attack(run, REFUSALS, 20, runs=2)


# --- paths, queries, lists ---

PATHS = [b"/%77s", b"/ws%00", b"/ws%2f", b"/./ws", b"/ws/", b"//ws", b"/x/../ws", b"/WS",
         b"/ws;x", b"/ws%3froom=a", b"/%2e%2e/ws", b"/ws%20"]


@attack("The path of a listener, written another way: percent-encoded, with dots, "
        "slashes, capitals", "404: a path is what it is, byte for byte")
def test_another_spelling_of_a_path_is_404(scene, target):
    def run():
        for path in PATHS:
            with Peer(target) as peer:
                peer.send(GOOD.replace(b"/ws?room=attack", path))
                assert peer.answer().status == 404, path

    scene.attack(run, REFUSALS, len(PATHS), runs=1)


MANY = 16000
QUERIES = [
    ("rooms", b"room=a&" * (MANY // 7)),
    ("rooms_percent_encoded", b"%72%6f%6f%6d=%61&" * (MANY // 17)),
    ("ampersands", b"&" * MANY),
    ("percents", b"room=" + b"%" * (MANY - 5)),
    ("equals", b"=" * MANY),
    ("positions", b"room=a&since=1/1&" * (MANY // 17)),
    ("users", b"user=a&" * (MANY // 7)),
    ("one_room", b"room=" + b"a" * (MANY - 5)),
]


@attack("A query of 16 KB that is nothing but rooms, ampersands, percent signs ...",
        "101 or 400, and nobody waits for it")
def test_a_huge_query_is_answered(scene):
    def run():
        for name, query in QUERIES * 5:
            peer = Peer(scene.server.plain)
            peer.send(GOOD.replace(b"room=attack", query))
            status = peer.answer().status
            assert status in (101, 400), (name, status)
            peer.reset()

    scene.attack(run, GONE + REFUSALS, 5 * len(QUERIES), runs=2)


def names(length, number):
    """So many different names of that length."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    found = itertools.product(letters, repeat=length)
    return ["".join(name) for name in itertools.islice(found, number)]


LISTS = [
    ("protocols", "Sec-WebSocket-Protocol: " + ",".join(names(2, 1200)) + ","
     + ",".join(names(3, 3000))),
    ("protocols_that_are_empty", "Sec-WebSocket-Protocol: a" + "," * 15000),
    ("extensions", "Sec-WebSocket-Extensions: " + ",".join(["x;y"] * 3900)),
    ("parameters", "Sec-WebSocket-Extensions: permessage-deflate" + ";x=1" * 3900),
    ("upgrades", "Upgrade: " + "x," * 7500),
    ("connections", "Connection: " + "x," * 7500),
    ("forwarded", "X-Forwarded-For: " + "1.1.1.1," * 1900),
    ("origins", "Origin: " + "http://x," * 1700),
]


@attack("A header that is a list of thousands: sub-protocols, extensions, addresses ...",
        "101 or 4xx, and nobody waits for it")
def test_a_list_without_end_is_answered(scene):
    assert all(15000 < len(line) < 15900 for _, line in LISTS)

    def run():
        for name, line in LISTS * 5:
            peer = Peer(scene.server.plain)
            peer.send(peer.head("?room=attack", extra=[line]))
            status = peer.answer().status
            assert status in (101, 400, 403), (name, status)
            peer.reset()

    scene.attack(run, GONE + REFUSALS, 5 * len(LISTS), runs=2)
