"""Emitter: publishing from a process that serves nobody."""

import contextlib
import json
import os
import signal
import socket
import threading
import time
from datetime import timedelta

import pytest

import fanwire
from support import DEADLINE, SLOW, Seen, wait_until


@pytest.fixture
def emitter(redis_options):
    with fanwire.Emitter(**redis_options) as e:
        yield e


@pytest.fixture
def cluster(make_hub, redis_options):
    """Two nodes; a session joins the rooms its query names."""
    def make():
        hub = make_hub(**redis_options)

        @hub.on_connect
        def connecting(request):
            return request.query.get("user")

        @hub.on_open
        async def opened(session):
            for room in session.query.getlist("room"):
                await session.join(room)
            session.send(session.id)

        hub.start()
        wait_until(lambda: hub.stats()["fanwire_redis_up"] == 1, "the node is connected")
        return hub

    return make(), make()


def emit_until(send, nodes):
    """Until so many nodes took it: a subscription takes a moment."""
    wait_until(lambda: send() == nodes, f"{nodes} nodes take it")


@pytest.fixture
def silent_redis():
    """Something that takes connections and says nothing. (URL, accepted connections)"""
    accepted = Seen()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    accepted(s.accept()[0])

        thread = threading.Thread(target=accept)
        thread.start()
        yield "redis://127.0.0.1:%d" % s.getsockname()[1], accepted
        s.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in accepted.items:
        connection.close()


# --- what arrives ---

@pytest.mark.parametrize("data,arrives", [
    ("text", "text"), ("", ""), ("nul \0 in it", "nul \0 in it"), ("ä€😀", "ä€😀"),
    (b"\x00\xff", b"\x00\xff"), (bytearray(b"a"), b"a"), (memoryview(b"b"), b"b"),
    ({"a": "ä", "b": [1, None]}, '{"a":"ä","b":[1,null]}'), ([1, 2], "[1,2]"),
    (b"x" * 3000000, b"x" * 3000000),
], ids=["text", "empty", "nul", "unicode", "bytes", "bytearray", "memoryview", "dict",
        "list", "large"])
def test_data_arrive_on_every_node(cluster, emitter, connect, data, arrives):
    clients = [connect(hub, "room=r") for hub in cluster]
    for client in clients:
        client.receive()
    emit_until(lambda: emitter.publish("warm", "x"), 0)
    wait_until(lambda: emitter.publish("r", "warm") == 2, "both nodes are in the room")
    assert emitter.publish("r", data) == 2
    for client in clients:
        received = client.receive()
        while received == "warm":
            received = client.receive()
        assert received == arrives and type(received) is type(arrives)


def test_a_user_gets_what_is_sent_to_him_everywhere(cluster, emitter, connect):
    ann = [connect(hub, "user=ann") for hub in cluster]
    bob = connect(cluster[0], "user=bob&room=end")
    for client in (*ann, bob):
        client.receive()
    emit_until(lambda: emitter.send_user("ann", "for ann"), 2)
    for client in ann:
        assert client.receive() == "for ann"
    emit_until(lambda: emitter.publish("end", "end"), 1)
    assert bob.receive() == "end"


def test_all_get_what_is_sent_to_all_but_who_is_skipped(cluster, emitter, connect):
    clients = [connect(hub) for hub in cluster]
    ids = [client.receive() for client in clients]
    assert emitter.send_all("first", skip=ids[0]) == 2
    assert emitter.send_all("second", skip=cluster[1].session(ids[1])) == 2
    assert emitter.send_all(fanwire.Message("third", skip=ids[0])) == 2
    assert emitter.send_all("end") == 2
    assert clients[0].receive_many(2) == ["second", "end"]
    assert clients[1].receive_many(3) == ["first", "third", "end"]


def test_a_user_is_disconnected_everywhere(cluster, emitter, connect):
    ann = [connect(hub, "user=ann") for hub in cluster]
    for client in ann:
        client.receive()
    emit_until(lambda: emitter.disconnect_user("ann", 4001, "logged out"), 2)
    for client in ann:
        assert client.wait_closed()[0] == 4001
    with pytest.raises(fanwire.InvalidError):
        emitter.disconnect_user("ann", 999)


def test_nobody_there_is_0(emitter):
    assert emitter.publish("nobody", "x") == 0
    assert emitter.send_user("nobody", "x") == 0
    assert emitter.send_all("x") == 0


def test_the_prefix_keeps_clusters_apart(cluster, redis_options, redis_server):
    with fanwire.Emitter(redis_server.url, redis_prefix="other") as other:
        assert other.send_all("x") == 0
    with fanwire.Emitter(**redis_options) as same:
        assert same.send_all("x") == 2


# --- wrong use ---

@pytest.mark.parametrize("call,error", [
    (lambda e: e.publish("", "x"), fanwire.InvalidError),
    (lambda e: e.publish("r" * 256, "x"), fanwire.InvalidError),
    (lambda e: e.publish("a\nb", "x"), fanwire.InvalidError),
    (lambda e: e.publish("a\0b", "x"), ValueError),
    (lambda e: e.publish("\ud800", "x"), ValueError),
    (lambda e: e.publish(None, "x"), TypeError),
    (lambda e: e.publish(b"room", "x"), TypeError),
    (lambda e: e.publish("r", "\ud800"), ValueError),
    (lambda e: e.publish("r", None), TypeError),
    (lambda e: e.publish("r", 5), TypeError),
    (lambda e: e.publish("r", {"a": object()}), TypeError),
    (lambda e: e.publish("r", "x", skip="nonsense"), ValueError),
    (lambda e: e.publish("r", "x", skip=5), TypeError),
    (lambda e: e.send_user("", "x"), fanwire.InvalidError),
    (lambda e: e.send_all(5), TypeError),
])
def test_wrong_arguments_are_errors_and_harm_nothing(emitter, call, error):
    with pytest.raises(error) as caught:
        call(emitter)
    assert str(caught.value)
    assert emitter.publish("r", "x") == 0


@pytest.mark.parametrize("keywords,error,text", [
    ({"redis_url": ""}, fanwire.OptionError, "redis.url"),
    ({"redis_url": None}, (TypeError, fanwire.OptionError), "redis"),
    ({"redis_url": "http://x"}, fanwire.OptionError, "redis.url"),
    ({"redis_prefx": "x"}, fanwire.OptionError, "redis_prefix"),
    ({"redis_prefix": "a b"}, fanwire.OptionError, "redis.prefix"),
    ({"timeout": 0}, ValueError, "timeout"),
    ({"timeout": -1}, ValueError, "timeout"),
    ({"timeout": float("nan")}, ValueError, "timeout"),
    ({"timeout": float("inf")}, ValueError, "timeout"),
    ({"timeout": 1e9}, ValueError, "timeout"),
    ({"timeout": "5s"}, TypeError, "timeout"),
    ({"timeout": True}, TypeError, "timeout"),
    ({"timeout": None}, TypeError, "timeout"),
])
def test_wrong_options_are_errors(keywords, error, text):
    with pytest.raises(error, match=text):
        fanwire.Emitter(**{"redis_url": "redis://127.0.0.1:1", **keywords})


def test_a_closed_emitter_says_so(emitter):
    emitter.publish("r", "x")
    emitter.close()
    emitter.close()
    for call in (lambda: emitter.publish("r", "x"), lambda: emitter.send_all("x"),
                 emitter.__enter__):
        with pytest.raises(fanwire.ClosedError, match="closed"):
            call()


# --- Redis that is away ---

def test_an_unreachable_redis_is_a_backplane_error(own_redis):
    own_redis.kill()
    with fanwire.Emitter(own_redis.url) as e:
        for _ in range(3):
            with pytest.raises(fanwire.BackplaneError) as caught:
                e.publish("r", "x")
            assert caught.value.is_retriable
        own_redis.start()
        assert e.publish("r", "x") == 0


def test_a_redis_that_comes_back_is_found_again(own_redis):
    with fanwire.Emitter(own_redis.url) as e:
        assert e.publish("r", "x") == 0
        own_redis.kill()
        with pytest.raises(fanwire.BackplaneError):
            e.publish("r", "x")
        own_redis.start()
        assert e.publish("r", "x") == 0


@pytest.mark.parametrize("timeout", [0.2, timedelta(milliseconds=200)])
def test_a_silent_redis_is_a_time_out(silent_redis, timeout):
    with fanwire.Emitter(silent_redis[0], timeout=timeout) as e:
        begin = time.monotonic()
        with pytest.raises(fanwire.TimedOutError):
            e.publish("r", "x")
        took = time.monotonic() - begin
    assert 0.2 <= took < DEADLINE


def test_it_can_be_caught_as_python_s_own_time_out(silent_redis):
    with fanwire.Emitter(silent_redis[0], timeout=0.05) as e, \
            pytest.raises(TimeoutError):
        e.send_all("x")


def test_other_threads_run_while_one_publishes(silent_redis):
    counted = 0
    with fanwire.Emitter(silent_redis[0], timeout=0.5) as e:
        publishing = threading.Thread(target=lambda: _expect_time_out(e))
        publishing.start()
        silent_redis[1].wait(1)
        while publishing.is_alive():
            counted += 1
        publishing.join()
    assert counted > 100


def _expect_time_out(emitter):
    with pytest.raises(fanwire.TimedOutError):
        emitter.publish("r", "x")


def test_waiting_for_another_thread_s_publish_counts_as_waiting(silent_redis):
    # Each of five would wait for all before it if its own time began only then.
    with fanwire.Emitter(silent_redis[0], timeout=2.0) as e:
        threads = [threading.Thread(target=_expect_time_out, args=(e,)) for _ in range(5)]
        begin = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - begin
    assert took < 8.0 * SLOW


# What a signal's handler does runs in the middle of what its thread does: here in the
# C library's place, for a signal can't be sent at that very moment.

def test_a_signal_s_handler_may_close_what_its_thread_is_using(emitter, monkeypatch):
    calls = []

    def publish(*arguments):
        calls.append(arguments)
        emitter.close()
        return 0

    with monkeypatch.context() as m:
        m.setattr("fanwire.native.fw_emitter_publish", publish)
        assert emitter.publish("r", "x") == 0
    assert len(calls) == 1
    with pytest.raises(fanwire.ClosedError):
        emitter.publish("r", "x")


def test_a_publish_in_the_middle_of_another_is_a_state_error(emitter, monkeypatch):
    def publish(*arguments):
        return emitter.publish("r", "y")

    with monkeypatch.context() as m:
        m.setattr("fanwire.native.fw_emitter_publish", publish)
        with pytest.raises(fanwire.StateError, match="signal"):
            emitter.publish("r", "x")
    assert emitter.publish("r", "x") == 0


# --- threads and forks ---

def test_many_threads_may_publish(cluster, emitter, connect):
    client = connect(cluster[0], "room=r")
    client.receive()
    emit_until(lambda: emitter.publish("r", "warm"), 1)
    errors = Seen()

    def publish(k):
        try:
            for n in range(100):
                assert emitter.publish("r", [k, n]) == 1
        except BaseException as e:
            errors(e)

    threads = [threading.Thread(target=publish, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors.items
    got = []
    while len(got) < 800:
        text = client.receive()
        if text != "warm":
            got.append(json.loads(text))
    for k in range(8):
        assert [n for kk, n in got if kk == k] == list(range(100))


def in_child(work):
    """Runs work() in a forked child and returns its id; see end_of."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(status)
    return pid


def end_of(pid):
    """The exit status of a forked child."""
    status = None

    def ended():
        nonlocal status
        done, raw = os.waitpid(pid, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(raw)
        return done

    try:
        wait_until(ended, "the child ends")
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    return status


def connections_of(redis):
    """How many are connected, but for who asks."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(DEADLINE)
        s.connect(redis.path)
        s.sendall(b"CLIENT LIST\r\n")
        with s.makefile("rb") as f:
            length = int(f.readline()[1:])
            return len(f.read(length).splitlines()) - 1


def test_a_child_publishes_over_a_connection_of_its_own(own_redis):
    # Two who write to one connection would take each other's answers.
    with fanwire.Emitter(own_redis.url) as e:
        assert e.publish("r", "x") == 0
        assert connections_of(own_redis) == 1
        stay, leave = os.pipe()
        published, tell = os.pipe()

        def work():
            os.close(leave)
            assert e.publish("r", "x") == 0
            os.write(tell, b"!")
            os.read(stay, 1)

        pid = in_child(work)
        os.close(tell)
        assert os.read(published, 1) == b"!"
        assert connections_of(own_redis) == 2
        assert e.publish("r", "x") == 0
        assert connections_of(own_redis) == 2
        for fd in (leave, stay, published):
            os.close(fd)
        assert end_of(pid) == 0


def test_parent_and_children_publish_at_the_same_time(cluster, emitter, connect):
    client = connect(cluster[1], "room=r")
    client.receive()
    emit_until(lambda: emitter.publish("r", "warm"), 1)

    def publish(who):
        for n in range(100):
            assert emitter.publish("r", [who, n]) == 1

    children = [in_child(lambda who=who: publish(who)) for who in (1, 2)]
    publish(0)
    assert [end_of(pid) for pid in children] == [0, 0]
    got = []
    while len(got) < 300:
        text = client.receive()
        if text != "warm":
            got.append(json.loads(text))
    for who in range(3):
        assert [n for w, n in got if w == who] == list(range(100))


def test_a_fork_in_the_middle_of_a_publish_locks_nobody_out(silent_redis):
    url, accepted = silent_redis
    with fanwire.Emitter(url, timeout=1.0) as e:
        thread = threading.Thread(target=_expect_time_out, args=(e,))
        thread.start()
        accepted.wait(1)  # the lock is held from now on
        pid = in_child(lambda: _expect_time_out(e))
        assert end_of(pid) == 0
        accepted.wait(2)  # it came as far as a connection, so it had the lock
        thread.join()


def test_closing_in_the_child_leaves_the_parent_s_alone(emitter):
    assert emitter.publish("r", "x") == 0
    assert end_of(in_child(emitter.close)) == 0
    assert emitter.publish("r", "x") == 0
