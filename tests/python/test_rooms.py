"""Rooms over two nodes, with Redis and, both being the same hub, without: the same tests.
Also the answers of joins: awaited, not awaited, failing, and from other threads."""

import asyncio
import logging
import threading

import pytest

import fanwire
from support import DEADLINE, Seen, wait_until


def room_server(hub):
    """`?room=a&room=b` joins; a message is published to the first room."""
    async def opened(session):
        for name in session.query.getlist("room"):
            await session.join(name)
        session.send("in")

    hub.on_open(opened)
    hub.on_message(lambda session, data: hub.publish(session.query["room"], data))


@pytest.fixture
def member(nodes, connect):
    """member(hub, "a", "b"): a client that is in these rooms."""
    for one in nodes.each:
        room_server(one)
    nodes.start()

    def make(hub, *rooms):
        client = connect(hub, "&".join("room=" + r for r in rooms))
        assert client.receive() == "in"
        return client

    return make


# --- fan-out ---

@pytest.mark.parametrize("data", ["text \U0001f600", b"\0bytes\xff", "", b""])
def test_members_on_both_nodes_hear_what_is_published(nodes, member, data):
    a, b = member(nodes.first, "r"), member(nodes.second, "r")
    nodes.first.publish("r", data)
    assert a.receive() == data == b.receive()
    nodes.second.publish("r", data)
    assert a.receive() == data == b.receive()


def test_members_hear_each_other_in_order(nodes, member):
    a, b = member(nodes.first, "r"), member(nodes.second, "r")
    for i in range(200):
        a.send(str(i))
    expected = [str(i) for i in range(200)]
    assert a.receive_many(200) == expected
    assert b.receive_many(200) == expected


def test_rooms_are_apart(nodes, member):
    a, b = member(nodes.first, "a"), member(nodes.second, "b")
    nodes.first.publish("a", "for a")
    nodes.first.publish("b", "for b")
    nodes.first.send_all("for all")
    assert a.receive_many(2) == ["for a", "for all"]
    assert b.receive_many(2) == ["for b", "for all"]


def test_who_left_hears_no_more(nodes, connect):
    for one in nodes.each:
        one.on_open(lambda session: session.join("r"))

        def said(session, data, one=one):
            session.leave("r")
            session.send("out")

        one.on_message(said)
    nodes.start()
    client = connect(nodes.first)
    assert client.ask("leave") == "out"
    nodes.first.publish("r", "not heard")
    nodes.first.broadcast("end")
    assert client.receive() == "end"


def test_publish_leaves_one_session_out(nodes, connect):
    sessions = Seen()
    for one in nodes.each:
        async def opened(session):
            await session.join("r")
            sessions(session)
        one.on_open(opened)
    nodes.start()
    a = connect(nodes.first)
    sessions.wait(1)
    b = connect(nodes.second)
    left_out = sessions.wait(2)[0]
    nodes.second.publish("r", "not for a", skip=left_out)
    nodes.second.publish("r", "nor this", skip=left_out.id)
    nodes.second.room("r").publish("nor that", skip=left_out)
    nodes.second.publish("r", fanwire.Message("nor these", skip=left_out))
    nodes.second.publish("r", "for both", skip=None)
    assert a.receive() == "for both"
    assert b.receive_many(5) == ["not for a", "nor this", "nor that", "nor these",
                                 "for both"]


def test_send_all_and_send_user_leave_one_session_out(nodes, connect):
    sessions = Seen()
    for one in nodes.each:
        one.on_connect(lambda request: "ann")
        one.on_open(lambda session: sessions(session))
    nodes.start()
    a = connect(nodes.first)
    left_out = sessions.one()
    b = connect(nodes.second)
    sessions.wait(2)
    nodes.second.send_all("1", skip=left_out)
    nodes.second.broadcast("2", skip=left_out)
    nodes.second.send_user("ann", "3", skip=left_out)
    nodes.second.user("ann").send("4", skip=left_out)
    # Each way has an order of its own, so each needs a last one.
    nodes.second.send_all("all")
    nodes.second.send_user("ann", "user")
    assert sorted(b.receive_many(6)) == ["1", "2", "3", "4", "all", "user"]
    assert sorted(a.receive_many(2)) == ["all", "user"]


def test_publish_from_another_thread(nodes, member):
    client = member(nodes.first, "r")

    def work():
        for i in range(100):
            nodes.second.publish("r", str(i))

    thread = threading.Thread(target=work)
    thread.start()
    assert client.receive_many(100) == [str(i) for i in range(100)]
    thread.join()


def test_a_room_is_an_object_with_a_name(nodes, member):
    client = member(nodes.first, "r")
    room = nodes.second.room("r")
    assert room.name == "r" and "'r'" in repr(room)
    room.publish({"a": [1, "ü"]})
    assert client.receive() == '{"a":[1,"ü"]}'


def test_one_message_goes_to_many_places(nodes, member):
    a, b = member(nodes.first, "a"), member(nodes.second, "b")
    message = fanwire.Message("built once")
    nodes.first.publish("a", message)
    nodes.first.publish("b", message)
    nodes.second.send_all(message)
    assert a.receive_many(2) == ["built once"] * 2 == b.receive_many(2)


def test_send_node_reaches_the_sessions_of_one_node(nodes, member):
    a, b = member(nodes.first), member(nodes.second)
    nodes.first.send_node(nodes.second.node, "for the second")
    nodes.first.send_all("end")
    assert b.receive() == "for the second"
    if nodes.first is nodes.second:
        assert a.receive() == "for the second"
    assert a.receive() == "end"


def test_on_room_message_runs_where_the_room_has_members(nodes, connect):
    seen = Seen()
    for i, one in enumerate(nodes.each):
        async def opened(session):
            await session.join("r")
            session.send("in")

        one.on_open(opened)
        one.on_room_message(lambda room, data, i=i: seen(i, room, data))
    nodes.start()
    assert connect(nodes.second).receive() == "in"
    nodes.first.publish("r", "x")
    assert seen.one() == (len(nodes.each) - 1, "r", "x")


# --- answers of joins ---

def test_join_then_publish_hears_itself_without_waiting(nodes, connect):
    for one in nodes.each:
        def opened(session, one=one):
            session.join("r")
            one.publish("r", "hello")

        one.on_open(opened)
    nodes.start()
    assert connect(nodes.first).receive() == "hello"


def test_an_answer_is_awaited(nodes, connect):
    results = Seen()
    for one in nodes.each:
        async def opened(session):
            answer = session.join("r")
            assert isinstance(answer, fanwire.Answer)
            results(await answer)
            assert answer.done()

        one.on_open(opened)
    nodes.start()
    connect(nodes.first)
    assert results.one() == fanwire.Joined(None, False)


def test_an_answer_may_be_awaited_twice_and_by_two(hub, connect):
    async def opened(session):
        answer = session.join("r")

        async def wait():
            return await answer

        await asyncio.gather(wait(), wait())
        await answer
        session.send("in")

    hub.on_open(opened)
    with hub:
        assert connect(hub).receive() == "in"


def test_an_answer_from_another_thread(nodes, connect):
    sessions = Seen()
    for one in nodes.each:
        one.on_open(lambda session: sessions(session))
    nodes.start()
    client = connect(nodes.first)
    answer = sessions.one().join("r")
    assert answer.result(DEADLINE) == fanwire.Joined(None, False)
    nodes.second.publish("r", "x")
    assert client.receive() == "x"


def test_an_answer_awaited_on_another_loop(hub, connect):
    sessions = Seen()
    hub.on_open(lambda session: sessions(session))
    with hub:
        connect(hub)
        session = sessions.one()

        async def elsewhere():
            return await session.join("r")

        assert asyncio.run(elsewhere()) == fanwire.Joined(None, False)


def test_joining_twice_is_no_error(hub, connect):
    async def opened(session):
        await session.join("r")
        await session.join("r")
        session.send("in")

    hub.on_open(opened)
    with hub:
        client = connect(hub)
        assert client.receive() == "in"
        hub.publish("r", "once")
        hub.broadcast("end")
        assert client.receive_many(2) == ["once", "end"]


def test_a_join_over_the_limit_fails(make_hub, connect):
    hub = make_hub(limit_rooms_per_session=2)

    async def opened(session):
        await session.join("a")
        await session.join("b")
        with pytest.raises(fanwire.LimitError, match="limit"):
            await session.join("c")
        session.send("not in c")

    hub.on_open(opened)
    with hub:
        client = connect(hub)
        assert client.receive() == "not in c"
        hub.publish("c", "not heard")
        hub.publish("a", "heard")
        assert client.receive() == "heard"


@pytest.mark.parametrize("thread", ["handler", "other"])
def test_a_join_that_fails_and_is_not_awaited_is_a_warning(make_hub, connect, caplog,
                                                           thread):
    hub = make_hub(limit_rooms_per_session=1)
    sessions = Seen()

    def opened(session):
        session.join("first")
        if thread == "handler":
            session.join("second room")
        sessions(session)

    hub.on_open(opened)
    with caplog.at_level(logging.WARNING, "fanwire"), hub:
        connect(hub)
        session = sessions.one()
        if thread == "other":
            session.join("second room")

        def warned():
            return [r for r in caplog.records if r.levelno == logging.WARNING
                    and r.name.startswith("fanwire") and "second room" in r.getMessage()]

        record = wait_until(warned, "a warning about the join")[0]
        assert session.id in record.getMessage()


def test_a_join_that_succeeds_and_is_not_awaited_says_nothing(hub, connect, caplog):
    def opened(session):
        session.join("r")
        session.send("in")

    hub.on_open(opened)
    with caplog.at_level(logging.WARNING, "fanwire"), hub:
        client = connect(hub)
        assert client.receive() == "in"
        hub.publish("r", "x")
        assert client.receive() == "x"
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


def test_to_wait_for_an_answer_where_it_is_made_is_an_error(hub, connect):
    """It would be the loop that waits for itself."""
    seen = Seen()

    def opened(session):
        with pytest.raises(fanwire.StateError) as caught:
            session.join("r").result()
        seen(str(caught.value))

    hub.on_open(opened)
    with hub:
        connect(hub)
        assert "wait" in seen.one()


def test_the_answer_of_a_session_that_goes_is_a_gone_error(make_hub, connect, nodes):
    results = Seen()

    async def asked(session, room):
        session.close()
        await asyncio.sleep(0.1)
        return True

    async def said(session, data):
        try:
            await session.join("r")
        except fanwire.Error as e:
            results(e)

    for one in nodes.each:
        one.on_join(asked)
        one.on_message(said)
    nodes.start()
    connect(nodes.first).send("x")
    assert isinstance(results.one(), fanwire.GoneError)


def test_the_stop_of_the_hub_answers_joins_that_wait(make_hub, connect):
    """Nobody may wait for ever for an answer that can't come any more."""
    hub = make_hub(drain_timeout="100ms")
    asked = Seen()

    async def joining(session, room):
        asked(session)
        await asyncio.Event().wait()

    sessions = Seen()
    hub.on_open(lambda session: sessions(session))
    hub.on_join(joining)
    hub.start()
    connect(hub)
    answer = sessions.one().join("r")
    asked.wait(1)
    hub.close()
    with pytest.raises((fanwire.GoneError, fanwire.ClosedError, fanwire.TimedOutError)):
        answer.result(DEADLINE)


def test_a_join_for_a_session_of_another_node(make_hub, redis_options, connect):
    """No result comes from there, so the answer is there at once."""
    here, there = make_hub(**redis_options), make_hub(**redis_options)
    ids = Seen()
    there.on_open(lambda session: ids(session.id))
    with here, there:
        for hub in (here, there):
            wait_until(lambda: hub.stats()["fanwire_redis_up"] == 1, "connected")
        client = connect(there)
        handle = here.session(ids.one())
        assert handle.join("r").result(DEADLINE) == fanwire.Joined(None, False)
        wait_until(lambda: there.stats()["fanwire_room_members"] == 1, "it is in")
        here.publish("r", "x")
        assert client.receive() == "x"
        handle.leave("r")
        wait_until(lambda: there.stats()["fanwire_room_members"] == 0, "it is out")


def test_many_joins_at_once_are_each_answered(nodes, connect):
    for one in nodes.each:
        async def opened(session):
            await asyncio.gather(*(session.join(f"room {i}") for i in range(100)))
            session.send("in all")

        one.on_open(opened)
        one.on_join(lambda session, room: None)
    nodes.start()
    client = connect(nodes.first)
    assert client.receive() == "in all"
    nodes.second.publish("room 0", "a")
    nodes.second.publish("room 99", "b")
    assert client.receive_many(2) == ["a", "b"]


@pytest.mark.parametrize("name", ["r", "a b", "ü:1/2?", "{x}*[y]", "x" * 255])
def test_names_that_rooms_may_have(nodes, connect, name):
    for one in nodes.each:
        async def opened(session):
            await session.join(name)
            session.send("in")

        one.on_open(opened)
    nodes.start()
    client = connect(nodes.first)
    assert client.receive() == "in"
    nodes.second.publish(name, "x")
    assert client.receive() == "x"
