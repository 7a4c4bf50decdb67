"""Rooms with history over two nodes, with Redis and, both being the same hub, without."""

import pytest

import fanwire
from support import DEADLINE, Seen


@pytest.fixture
def come(nodes, connect):
    """come(hub): a client and its session."""
    sessions = Seen()
    for one in nodes.each:
        one.configure(room_history_size=5)
        one.on_open(sessions)

    def make(hub):
        if not hub.running:
            nodes.start()
        client = connect(hub)
        sessions.wait(len(clients) + 1)
        clients.append(client)
        return client, sessions.items[-1]

    clients = []
    return make


def said(page):
    return [message.data for message in page.messages]


def test_a_publish_tells_its_position_and_a_key_is_kept_once(nodes, come):
    client, session = come(nodes.first)
    joined = session.join("r").result(DEADLINE)
    epoch, offset = joined.position.split("/")
    assert (len(epoch), offset) == (16, "0")
    first = nodes.second.apublish("r", "one", key="k").result(DEADLINE)
    again = nodes.first.apublish("r", "one", key="k").result(DEADLINE)
    second = nodes.first.room("r").apublish(b"two").result(DEADLINE)
    assert (first, again, second) == (epoch + "/1", epoch + "/1", epoch + "/2")
    nodes.first.publish("r", "three", key="k3")
    nodes.first.room("r").publish("three", key="k3")
    nodes.first.publish("r", fanwire.Message("four", key="k4"))
    assert client.receive_many(4) == ["one", b"two", "three", "four"]


def test_a_session_that_comes_back_is_given_what_it_missed(nodes, come):
    client, session = come(nodes.second)
    at = [nodes.first.apublish("r", str(i)).result(DEADLINE) for i in range(4)]
    assert session.join("r", since=at[1]).result(DEADLINE) == (at[3], True)
    nodes.first.publish("r", "4")
    assert client.receive_many(3) == ["2", "3", "4"]
    newest, other = come(nodes.first)
    assert other.join("r", since="0/1").result(DEADLINE).recovered
    assert newest.receive() == "4"


def test_a_session_that_cannot_be_recovered_is_told(nodes, come):
    client, session = come(nodes.second)
    at = [nodes.first.apublish("r", str(i)).result(DEADLINE) for i in range(8)]
    assert session.join("r", since=at[0]).result(DEADLINE) == (at[7], False)
    nodes.first.publish("r", "next")
    assert client.receive() == "next"


def test_the_history_is_read_both_ways(nodes, come):
    come(nodes.first)
    at = [nodes.first.apublish("r", str(i)).result(DEADLINE) for i in range(4)]
    room = nodes.second.room("r")
    page = nodes.second.history("r").result(DEADLINE)
    assert page == (at[3], list(zip("0123", at)))
    assert isinstance(page.messages[0], fanwire.KeptMessage)
    assert said(room.history(since=at[1]).result(DEADLINE)) == ["2", "3"]
    assert said(room.history(since=at[0], limit=1).result(DEADLINE)) == ["1"]
    assert said(room.history(reverse=True, limit=2).result(DEADLINE)) == ["3", "2"]
    assert said(room.history(limit=0).result(DEADLINE)) == []


def test_a_forgotten_room_begins_anew_and_members_are_told(nodes, come):
    resets = Seen()
    nodes.first.on_room_reset(resets)
    client, session = come(nodes.first)
    session.join("r").result(DEADLINE)
    before = nodes.second.apublish("r", "one").result(DEADLINE)
    begins = nodes.second.forget("r").result(DEADLINE)
    assert begins.endswith("/0") and begins[:16] != before[:16]
    nodes.second.publish("r", "two")
    assert client.receive_many(2) == ["one", "two"]
    assert resets.one() == ("r", begins)
    _, other = come(nodes.first)
    assert not other.join("r", since=before).result(DEADLINE).recovered


def test_a_room_without_history_has_no_position(make_hub):
    hub = make_hub()
    with hub:
        assert hub.apublish("r", "x").result(DEADLINE) is None
        with pytest.raises(fanwire.StateError, match="no history"):
            hub.history("r")
        with pytest.raises(fanwire.StateError, match="no history"):
            hub.room("r").forget()


def test_what_is_wrong_with_a_position_or_a_key_is_said(nodes, come):
    _, session = come(nodes.first)
    with pytest.raises(fanwire.InvalidError, match="EPOCH/OFFSET"):
        session.join("r", since="yesterday")
    with pytest.raises(fanwire.InvalidError, match="EPOCH/OFFSET"):
        nodes.first.history("r", since="1-2")
    with pytest.raises(fanwire.InvalidError):
        nodes.first.history("r", limit=10001)
    with pytest.raises(fanwire.InvalidError, match="key"):
        nodes.first.publish("r", "x", key="k" * 65)
