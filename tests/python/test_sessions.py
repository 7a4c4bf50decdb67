"""A session: facts of its handshake, its user and state, sending, closing, and how its
end is told. Handles by id, from this node and from another."""

import asyncio
import threading

import pytest

import fanwire
from support import BINARY, CLOSE, DEADLINE, TEXT, Seen, wait_until


@pytest.fixture
def opened(hub, connect):
    """opened(query, ...): (client, Session) on a hub that echoes."""
    seen = Seen()
    hub.on_open(lambda session: seen(session))
    hub.on_message(lambda session, data: session.send(data))
    hub.start()

    def make(query="", **keywords):
        n = len(seen)
        client = connect(hub, query, **keywords)
        return client, seen.wait(n + 1)[n]

    return make


# --- facts ---

def test_facts_of_the_handshake(hub, opened):
    host = hub.urls[0].split("/")[2]
    _, session = opened("room=a&x=1", headers={"Origin": "http://" + host})
    assert session.path == "/ws"
    assert session.query_string == "room=a&x=1"
    assert session.address == "127.0.0.1"
    assert session.peer.startswith("127.0.0.1")
    assert session.host == host
    assert session.origin == "http://" + host
    assert session.scheme == "ws"
    assert session.protocol is None


def test_what_a_handshake_does_not_have(opened):
    _, session = opened()
    assert session.query_string == ""
    assert session.origin is None
    assert len(session.query) == 0 and dict(session.query) == {}


def test_a_trusted_proxy_names_the_address(opened):
    _, session = opened(headers={"X-Forwarded-For": "192.0.2.7"})
    assert session.address == "192.0.2.7"
    assert session.peer.startswith("127.0.0.1")


@pytest.mark.parametrize("query, expected", [
    ("room=a", {"room": ["a"]}),
    ("a=1&b=2&a=3", {"a": ["1", "3"], "b": ["2"]}),
    ("name=K%C3%A4se", {"name": ["Käse"]}),
    ("a+b=c+d", {"a b": ["c d"]}),
    ("a=1%2B1", {"a": ["1+1"]}),
    ("a=%26%3D", {"a": ["&="]}),
    ("a=", {"a": [""]}),
    ("a=b=c", {"a": ["b=c"]}),
])
def test_parameters_of_the_query(opened, query, expected):
    _, session = opened(query)
    assert {name: session.query.getlist(name) for name in session.query} == expected
    for name, values in expected.items():
        assert session.query[name] == values[0]
        assert name in session.query
    assert len(session.query) == len(expected)
    assert session.query_string == query


def test_a_parameter_that_is_not_there(opened):
    _, session = opened("a=1")
    assert session.query.get("b") is None
    assert session.query.get("b", "2") == "2"
    assert session.query.getlist("b") == []
    assert "b" not in session.query
    with pytest.raises(KeyError, match="b"):
        session.query["b"]


def test_a_parameter_that_is_not_utf8_is_as_if_absent(hub, raw_connect):
    seen = Seen()
    hub.on_open(lambda session: seen(session))
    with hub:
        raw_connect(hub, "bad=%ff%fe&good=1")
        session = seen.one()
        assert session.query.get("bad") is None
        assert "bad" not in session.query
        assert session.query["good"] == "1"
        assert dict(session.query) == {"good": "1"}
        assert session.query_string == "bad=%ff%fe&good=1"


@pytest.mark.parametrize("name", ["X-Token", "x-token", "X-TOKEN"])
def test_headers_are_found_in_any_case(opened, name):
    _, session = opened(headers={"x-ToKeN": "abc"})
    assert session.headers[name] == "abc"
    assert session.headers.get(name) == "abc"
    assert name in session.headers


def test_headers_that_are_not_there(opened):
    _, session = opened()
    assert session.headers.get("x-nothing") is None
    assert session.headers.get("x-nothing", "default") == "default"
    assert "x-nothing" not in session.headers
    with pytest.raises(KeyError, match="x-nothing"):
        session.headers["x-nothing"]


def test_repeated_headers_are_joined(hub, raw_connect):
    seen = Seen()
    hub.on_open(lambda session: seen(session.headers["x-a"]))
    with hub:
        raw_connect(hub, "", "X-A: 1", "x-a: 2")
        assert seen.one() == "1, 2"


def test_a_header_in_latin_1_is_readable(hub, raw_connect):
    seen = Seen()
    hub.on_open(lambda session: seen(session.headers["x-a"]))
    with hub:
        raw_connect(hub, "", b"X-A: K\xe4se")
        value = seen.one()
    assert isinstance(value, str) and value.startswith("K") and value.endswith("se")


def test_facts_are_there_after_the_close_too(opened):
    client, session = opened("room=a", headers={"X-Token": "t"})
    client.close()
    wait_until(lambda: session.closed, "closed")
    assert session.query["room"] == "a"
    assert session.headers["x-token"] == "t"
    assert session.path == "/ws"


def test_facts_are_there_after_the_hubs_end_too(hub, opened):
    _, session = opened("room=a", headers={"X-Token": "t"})
    hub.close()
    assert session.query["room"] == "a"
    assert session.headers["x-token"] == "t"


@pytest.mark.parametrize("what", [5, None, b"room"])
def test_names_of_a_wrong_type(opened, what):
    _, session = opened("room=a")
    assert what not in session.headers
    assert what not in session.query
    with pytest.raises((KeyError, TypeError)):
        session.query[what]
    with pytest.raises((KeyError, TypeError)):
        session.headers[what]


# --- identity and state ---

def test_an_id_is_32_hexadecimal_digits_and_unlike_others(opened):
    ids = {opened()[1].id for _ in range(5)}
    assert len(ids) == 5
    assert all(len(i) == 32 and int(i, 16) for i in ids)


def test_the_node_of_a_session_is_its_hubs(hub, opened):
    assert opened()[1].node == hub.node


def test_sessions_are_themselves_in_sets_and_dictionaries(opened):
    (_, a), (_, b) = opened(), opened()
    assert a == a and a != b
    assert len({a, b, a}) == 2


def test_a_handle_is_equal_to_the_session_of_the_same_id(hub, opened):
    _, session = opened()
    handle = hub.session(session.id)
    assert handle == session and hash(handle) == hash(session)
    assert handle.id == session.id


def test_the_text_of_a_session_names_it(opened):
    _, session = opened()
    assert session.id in repr(session)


def test_state_is_a_dictionary_of_its_own(opened):
    (_, a), (_, b) = opened(), opened()
    a.state["x"] = 1
    assert a.state == {"x": 1} and b.state == {}


def test_nobody_else_can_be_put_in_place_of_id_or_state(opened):
    _, session = opened()
    with pytest.raises(AttributeError):
        session.id = "0" * 32
    with pytest.raises(AttributeError):
        session.user = "eve"


def test_sessions_lists_who_is_there(hub, opened):
    (a_client, a), (_, b) = opened(), opened()
    assert set(hub.sessions) == {a, b}
    a_client.close()
    wait_until(lambda: hub.sessions == [b], "one left")


def test_session_gives_the_session_that_is_known_here(hub, opened):
    _, session = opened()
    assert hub.session(session.id) is session
    assert hub.session(session.id.upper()) == session


# --- user ---

def test_set_user_later(hub, opened):
    client, session = opened()
    assert session.user is None
    session.set_user("ann")
    hub.send_user("ann", "hello")
    assert client.receive() == "hello"
    assert session.user == "ann"
    session.set_user("bob")
    hub.send_user("ann", "not heard")
    hub.send_user("bob", "heard")
    assert client.receive() == "heard"
    session.set_user(None)
    hub.send_user("bob", "not heard")
    hub.broadcast("end")
    assert client.receive() == "end"
    assert session.user is None


def test_a_user_has_many_sessions(hub, connect):
    hub.on_connect(lambda request: request.query["user"])
    with hub:
        a, b, c = (connect(hub, "user=" + name) for name in ("ann", "ann", "bob"))
        wait_until(lambda: hub.stats()["fanwire_sessions"] == 3, "three")
        hub.user("ann").send("x")
        hub.broadcast("end")
        assert a.receive_many(2) == ["x", "end"] == b.receive_many(2)
        assert c.receive() == "end"


def test_a_user_is_disconnected(hub, connect):
    hub.on_connect(lambda request: request.query["user"])
    with hub:
        a, b = connect(hub, "user=ann"), connect(hub, "user=bob")
        wait_until(lambda: hub.stats()["fanwire_sessions"] == 2, "two")
        ann = hub.user("ann")
        assert ann.name == "ann"
        ann.disconnect(4003, "banned")
        assert a.wait_closed() == (4003, "banned")
        hub.broadcast("still here")
        assert b.receive() == "still here"


# --- sending ---

def test_send_from_another_thread(opened):
    client, session = opened()
    thread = threading.Thread(target=session.send, args=("from a thread",))
    thread.start()
    thread.join()
    assert client.receive() == "from a thread"


def test_send_by_an_id_that_was_kept_as_text(hub, opened):
    client, session = opened()
    hub.session(session.id).send("by id")
    assert client.receive() == "by id"


def test_what_one_thread_sends_arrives_in_order(opened):
    client, session = opened()
    for i in range(500):
        session.send(str(i))
    assert client.receive_many(500) == [str(i) for i in range(500)]


def test_many_threads_send_at_once(opened):
    client, session = opened()

    def work(name):
        for i in range(100):
            session.send(f"{name}:{i}")

    threads = [threading.Thread(target=work, args=(n,)) for n in "abcd"]
    for t in threads:
        t.start()
    got = client.receive_many(400)
    for t in threads:
        t.join()
    for name in "abcd":
        mine = [m for m in got if m.startswith(name)]
        assert mine == [f"{name}:{i}" for i in range(100)]


def test_a_session_of_another_node_is_reached_by_its_id(make_hub, redis_options, connect):
    here, there = make_hub(**redis_options), make_hub(**redis_options)
    seen = Seen()
    there.on_open(lambda session: seen(session.id))
    with here, there:
        for hub in (here, there):
            wait_until(lambda: hub.stats()["fanwire_redis_up"] == 1, "connected")
        client = connect(there)
        handle = here.session(seen.one())
        assert isinstance(handle, fanwire.SessionHandle)
        assert not isinstance(handle, fanwire.Session)
        assert handle.node == there.node != here.node
        handle.send("from afar")
        assert client.receive() == "from afar"
        handle.set_user("ann")
        handle.send("user is set")
        assert client.receive() == "user is set"
        # Only what its own node sends waits for Redis to confirm the user's subscription.
        there.send_user("ann", "from its own node")
        assert client.receive() == "from its own node"
        here.send_user("ann", "to ann")
        assert client.receive() == "to ann"
        handle.close(4010, "from afar")
        assert client.wait_closed() == (4010, "from afar")


# --- closing ---

@pytest.mark.parametrize("code, reason", [(1000, ""), (1001, "away"), (1008, "policy"),
                                          (3000, "ü" * 61), (4999, "why")])
def test_close_is_seen_by_client_and_on_close(hub, connect, code, reason):
    seen = Seen()
    hub.on_message(lambda session, data: session.close(code, reason))
    hub.on_close(lambda session, code, reason: seen(code, reason, session.closed))
    with hub:
        client = connect(hub)
        client.send("x")
        assert client.wait_closed() == (code, reason)
        assert seen.one() == (code, reason, True)


def test_close_without_arguments_is_1000(opened):
    client, session = opened()
    session.close()
    assert client.wait_closed() == (1000, "")


def test_what_was_sent_before_the_close_arrives(opened):
    client, session = opened()
    for i in range(50):
        session.send(str(i))
    session.close(4000)
    assert client.receive_many(50) == [str(i) for i in range(50)]
    assert client.wait_closed()[0] == 4000


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_the_clients_code_is_told(hub, connect, code):
    seen = Seen()
    hub.on_close(lambda session, code, reason: seen(code, reason))
    with hub:
        connect(hub).close(code, "bye")
        assert seen.one() == (code, "bye")


def test_a_close_frame_without_code_is_1005(hub, raw_connect):
    seen = Seen()
    hub.on_close(lambda session, code, reason: seen(code, reason))
    with hub:
        raw_connect(hub).send(CLOSE)
        assert seen.one() == (1005, "")


def test_an_end_without_a_close_frame_is_1006(hub, connect):
    seen = Seen()
    hub.on_close(lambda session, code, reason: seen(code))
    with hub:
        connect(hub).abort()
        assert seen.one() == 1006


def test_a_client_that_answers_no_ping_is_closed(make_hub, raw_connect):
    hub = make_hub(heartbeat_interval="200ms", heartbeat_timeout="200ms")
    seen = Seen()
    hub.on_close(lambda session, code, reason: seen(code))
    with hub:
        raw_connect(hub)
        assert seen.one() in (1006, 1011, 1001)
        assert hub.stats()["fanwire_heartbeat_timeouts_total"] == 1


def test_bytes_that_are_no_utf8_end_the_session_with_1007(hub, raw_connect):
    seen, said = Seen(), Seen()
    hub.on_message(lambda session, data: said(data))
    hub.on_close(lambda session, code, reason: seen(code))
    with hub:
        client = raw_connect(hub)
        client.send(TEXT, b"\xff")
        assert client.receive_close()[0] == 1007
        assert seen.one() == 1007
    assert not said.items


def test_a_message_over_the_limit_ends_the_session_with_1009(make_hub, raw_connect):
    hub = make_hub(message_max_bytes=1000)
    seen = Seen()
    hub.on_close(lambda session, code, reason: seen(code))
    with hub:
        client = raw_connect(hub)
        client.send(BINARY, b"x" * 1001)
        assert client.receive_close()[0] == 1009
        assert seen.one() == 1009


def test_on_close_comes_once_after_all_messages(hub, connect):
    seen = Seen()

    async def said(session, data):
        await asyncio.sleep(0.01)
        seen(data)

    hub.on_message(said)
    hub.on_close(lambda session, code, reason: seen("closed"))
    with hub:
        client = connect(hub)
        for i in range(20):
            client.send(str(i))
        client.close()
        seen.wait_for(lambda items: "closed" in items, "closed")
        client2 = connect(hub)
        client2.close()
        items = seen.wait_for(lambda items: items.count("closed") == 2, "both")
    assert items == [str(i) for i in range(20)] + ["closed", "closed"]


# --- a session that is gone ---

CALLS = {
    "send": lambda s: s.send("x"),
    "send Message": lambda s: s.send(fanwire.Message("x")),
    "close": lambda s: s.close(),
    "leave": lambda s: s.leave("r"),
    "set_user": lambda s: s.set_user("ann"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_calls_on_a_closed_session_are_gone_errors(hub, opened, call):
    client, session = opened()
    client.close()
    wait_until(lambda: session.closed, "closed")
    for handle in (session, hub.session(session.id)):
        with pytest.raises(fanwire.GoneError) as caught:
            call(handle)
        assert caught.value.name == "FW_ERR_GONE" and caught.value.number == -6
        assert not caught.value.is_retriable
        assert str(caught.value)


def test_join_of_a_closed_session_is_a_gone_error(opened):
    client, session = opened()
    client.close()
    wait_until(lambda: session.closed, "closed")
    with pytest.raises(fanwire.GoneError):
        session.join("r").result(DEADLINE)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_calls_on_a_session_of_a_stopped_hub_are_errors(hub, opened, call):
    _, session = opened()
    hub.close()
    with pytest.raises((fanwire.GoneError, fanwire.ClosedError)):
        call(session)
