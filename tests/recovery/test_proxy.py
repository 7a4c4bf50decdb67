"""What the proxy promises: each fault is what it is called, and no other."""

import select
import socket
import time

import pytest

from fanwired import DEADLINE, wait_until
from fault_proxy import FaultProxy


class Line:
    """A client, and the target's end of its link."""

    def __init__(self, proxy, listener):
        self.near = socket.create_connection(("127.0.0.1", proxy.port), DEADLINE)
        self.far, _ = listener.accept()
        self.near.settimeout(DEADLINE)
        self.far.settimeout(DEADLINE)

    def end(self):
        self.near.close()
        self.far.close()


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as s:
        s.settimeout(DEADLINE)
        yield s


@pytest.fixture
def proxy(listener):
    p = FaultProxy(("127.0.0.1", listener.getsockname()[1]))
    yield p
    p.stop()


@pytest.fixture
def line(proxy, listener):
    made = Line(proxy, listener)
    yield made
    made.end()


def exactly(s, n):
    data = b""
    while len(data) < n:
        piece = s.recv(n - len(data))
        assert piece, "the end, after %d bytes" % len(data)
        data += piece
    return data


def is_silent(s, seconds=0.1):
    return not select.select([s], [], [], seconds)[0]


def test_it_passes_on_both_ways(line):
    line.near.sendall(b"ask")
    assert exactly(line.far, 3) == b"ask"
    line.far.sendall(b"x" * 3000000)
    assert exactly(line.near, 3000000) == b"x" * 3000000


def test_an_end_of_one_side_ends_the_other_behind_what_was_sent(line, proxy):
    line.far.sendall(b"bye")
    line.far.close()
    assert exactly(line.near, 3) == b"bye" and line.near.recv(1) == b""
    wait_until(lambda: proxy.link_count() == 0, "the link is forgotten")


@pytest.mark.parametrize("how", ["reset", "fin"])
def test_a_cut_is_seen_as_it_was_ordered(line, proxy, how):
    line.near.sendall(b"before")
    assert exactly(line.far, 6) == b"before"
    assert proxy.cut(how) == 1
    if how == "reset":
        with pytest.raises(ConnectionResetError):
            line.near.recv(1)
    else:
        assert line.near.recv(1) == b""
    assert line.far.recv(1) == b""


def test_only_chosen_links_are_cut(line, proxy, listener):
    other = Line(proxy, listener)
    other.near.sendall(b"*2\r\n$9\r\nSUBSCRIBE\r\n")
    exactly(other.far, 19)
    assert proxy.cut("fin", lambda link: link.is_subscriber) == 1
    assert other.near.recv(1) == b""
    line.near.sendall(b"alive")
    assert exactly(line.far, 5) == b"alive"
    other.end()


def test_refused_is_only_who_comes_later(line, proxy, listener):
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), DEADLINE)
    line.near.sendall(b"alive")
    assert exactly(line.far, 5) == b"alive"
    proxy.admit()
    Line(proxy, listener).end()


def test_stalled_is_open_and_deaf_and_nothing_is_lost(line, proxy):
    proxy.stall("out")
    line.far.sendall(b"later")
    line.near.sendall(b"now")
    assert exactly(line.far, 3) == b"now"
    assert is_silent(line.near)
    proxy.go_on()
    assert exactly(line.near, 5) == b"later"


def test_delayed_is_later_and_in_order(line, proxy):
    proxy.delay(0.2)
    began = time.monotonic()
    line.near.sendall(b"one")
    proxy.delay(0)
    line.near.sendall(b"two")
    assert exactly(line.far, 6) == b"onetwo"
    assert time.monotonic() - began >= 0.19


def test_a_cut_before_the_reply_lets_the_request_through(line, proxy):
    proxy.cut_before_reply(b"REQUEST")
    line.near.sendall(b"other;")
    assert exactly(line.far, 6) == b"other;"
    line.far.sendall(b"answer")
    assert exactly(line.near, 6) == b"answer"
    line.near.sendall(b"REQ")
    assert exactly(line.far, 3) == b"REQ"
    line.near.sendall(b"UEST;")
    assert exactly(line.far, 5) == b"UEST;"
    line.far.sendall(b"lost")
    with pytest.raises(ConnectionResetError):
        line.near.recv(1)
    assert line.far.recv(1) == b""
    assert proxy.counts["cut_before_reply"] == 1 and proxy.disarm() == 0
