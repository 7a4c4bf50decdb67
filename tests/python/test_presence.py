"""Who is there, over two nodes, with Redis and, both being the same hub, without."""

import asyncio
import json
import subprocess

import pytest

import fanwire
from support import DEADLINE, Seen, wait_until


@pytest.fixture
def come(nodes, connect):
    """come(hub, user, room): a client and its session, which is in the room."""
    sessions = Seen()
    for one in nodes.each:
        one.configure(room_presence=True, room_join_leave=True)
        one.on_connect(lambda request: request.query.get("user"))
        one.on_open(sessions)

    def make(hub, user="", room=None):
        if not hub.running:
            nodes.start()
        client = connect(hub, "user=" + user if user else "")
        sessions.wait(len(clients) + 1)
        clients.append(client)
        session = sessions.items[-1]
        if room is not None:
            session.join(room).result(DEADLINE)
        return client, session

    clients = []
    return make


def all_of(hub, room, n):
    """The members of a room, once there are so many of them."""
    def page():
        found = hub.presence(room).result(DEADLINE)
        return found if found.total == n else None

    return {member.user: member for member in wait_until(page, f"{n} members").members}


def test_who_is_in_a_room_is_told_on_every_node(nodes, come):
    _, ann = come(nodes.first, "ann", "r")
    _, bob = come(nodes.second, "bob", "r")
    come(nodes.first, "cleo", "elsewhere")
    for one in nodes.each:
        assert all_of(one, "r", 2) == {
            "ann": (ann.id, "ann", nodes.first.node_name, b""),
            "bob": (bob.id, "bob", nodes.second.node_name, b"")}
    room = nodes.second.room("r")
    assert isinstance(room.presence().result(DEADLINE).members[0], fanwire.Member)
    assert room.presence(limit=0).result(DEADLINE) == (2, [], None)
    assert nodes.first.presence("nobody").result(DEADLINE) == (0, [], None)
    bob.leave("r")
    assert set(all_of(nodes.first, "r", 1)) == {"ann"}


def test_what_set_info_says_is_told_of_a_member(nodes, come):
    _, ann = come(nodes.first, "ann", "r")
    for said, told in (({"colour": "red"}, b'{"colour":"red"}'), ("text", b"text"),
                       (b"\0\xff", b"\0\xff"), (fanwire.Message("m"), b"m"), ("", b"")):
        nodes.second.session(ann.id).set_info(said)
        wait_until(lambda told=told: all_of(nodes.second, "r", 1)["ann"].info == told,
                   f"the info {told!r}")
    with pytest.raises(fanwire.TooBigError):
        ann.set_info("x" * 1025)
    with pytest.raises(TypeError):
        ann.set_info(None)


def test_members_are_told_page_after_page(nodes, come):
    ids = {come(nodes.each[i % len(nodes.each)], room="r")[1].id for i in range(5)}
    wait_until(lambda: nodes.first.presence("r").result(DEADLINE).total == 5, "five")
    found, cursor, pages = [], None, 0
    while cursor is not None or pages == 0:
        page = nodes.first.presence("r", limit=2, cursor=cursor).result(DEADLINE)
        found += [member.session for member in page.members]
        cursor, pages = page.cursor, pages + 1
    assert set(found) == ids
    if nodes.kind == "memory":  # Redis gives few in one piece, whatever is asked
        assert pages == 3


def test_members_are_iterated_over(nodes, come):
    async def asked(session, data):
        session.send([member.user async for member in nodes.first.room(data).members()])

    nodes.first.on_message(asked)
    ann, _ = come(nodes.first, "ann", "r")
    come(nodes.second, "bob", "r")
    all_of(nodes.first, "r", 2)
    ann.send("r")
    assert sorted(json.loads(ann.receive())) == ["ann", "bob"]
    ann.send("nobody")
    assert json.loads(ann.receive()) == []


def test_who_comes_and_goes_is_told_in_order_with_what_is_said(nodes, come, handler):
    seen = Seen()
    nodes.first.on_room_join(handler(lambda room, member: seen("join", room, member)))
    nodes.first.on_room_leave(handler(lambda room, member: seen("leave", room, member)))
    nodes.first.on_room_message(handler(lambda room, data: seen("said", room, data)))
    come(nodes.first, "ann", "r")
    client, bob = come(nodes.second, "bob", "r")
    come(nodes.second, "cleo", "elsewhere")
    nodes.second.publish("r", "x")
    client.close()
    who = (bob.id, "bob", nodes.second.node_name, b"")
    seen.wait(3)
    assert [item for item in seen.items if "elsewhere" not in item] == [
        ("join", "r", who), ("said", "r", "x"), ("leave", "r", who)]
    assert isinstance(seen.items[0][2], fanwire.Member)


def test_what_is_sent_here_stays_on_this_node(nodes, come):
    ann, session = come(nodes.first, "ann", "r")
    bob, _ = come(nodes.second, "bob", "r")
    cleo, _ = come(nodes.first, "cleo")
    nodes.first.send_here("r", {"here": 1})
    nodes.first.room("r").send_here(fanwire.Message(b"\0"))
    nodes.first.send_here("nobody", "x")
    nodes.first.room("r").send_here("for others", skip=session)
    nodes.first.publish("r", "end")
    nodes.first.send_all("end of all")
    heard = ['{"here":1}', b"\0", "end", "end of all"]
    assert ann.receive_many(4) == heard
    if nodes.kind == "memory":
        assert bob.receive_many(3) == [*heard[:2], "for others"]
    assert bob.receive() == "end"
    assert cleo.receive() == "end of all"
    with pytest.raises(fanwire.InvalidError):
        nodes.first.send_here("a\nb", "x")


def test_where_a_user_is_and_out_of_a_room_with_all_of_it(nodes, come):
    for one in nodes.each:
        one.configure(user_presence=True)
    ids = {come(one, "ann", "r")[1].id for one in (nodes.first, nodes.second)}
    come(nodes.first, "bob", "r")
    ann = nodes.first.user("ann")
    wait_until(lambda: ann.sessions().result(DEADLINE).total == 2, "both sessions")
    page = ann.sessions(limit=10).result(DEADLINE)
    assert {member.session for member in page.members} == ids
    assert {member.node for member in page.members} == {
        one.node_name for one in nodes.each}
    assert nodes.second.user("nobody").sessions(limit=0).result(DEADLINE) == (0, [], None)
    all_of(nodes.second, "r", 3)
    nodes.second.user("ann").join("other")
    assert set(all_of(nodes.first, "other", 2)) == {"ann"}
    nodes.second.user("ann").leave("r")
    assert set(all_of(nodes.first, "r", 1)) == {"bob"}
    assert ann.sessions().result(DEADLINE).total == 2  # they are still online


def test_nodes_come_and_go_and_say_what_they_are(make_hub, redis_options, handler):
    seen = Seen()
    first = make_hub(node_name="first", **redis_options)
    first.on_node_up(handler(lambda node: seen("up", node)))
    first.on_node_down(handler(lambda node: seen("down", node)))
    first.start()
    second = make_hub(node_name="second", **redis_options)
    second.start()
    assert seen.one() == ("up", (second.node, "second", {}))
    assert isinstance(seen.one()[1], fanwire.Node)
    found = {node.name: node for node in first.nodes().result(DEADLINE)}
    assert {node.number for node in found.values()} == {first.node, second.node}
    assert found["second"].number == second.node
    facts = found["second"].facts
    assert (facts["version"], facts["sessions"]) == (fanwire.__version__, 0)
    number = second.node
    second.close()
    assert seen.wait(2)[1] == ("down", (number, "second", {}))
    assert [node.name for node in first.nodes().result(DEADLINE)] == ["first"]


def test_facts_that_are_no_json_are_none(make_hub, redis_server, redis_options):
    hub = make_hub(redis_required=True, **redis_options)
    hub.start()
    key = "{%s:nodes}:facts" % redis_options["redis_prefix"]
    script = """local all = redis.call('HGETALL', KEYS[1])
        for i = 1, #all, 2 do
            -- Not any brace: there are the bytes of a number, too.
            local said = all[i + 1]:gsub('{"', ARGV[1] .. '"')
            redis.call('HSET', KEYS[1], all[i], said)
        end"""

    def facts_when(brace):
        subprocess.run(["redis-cli", "-s", redis_server.url.split("://")[1], "EVAL",
                        script, "1", key, brace], check=True, capture_output=True,
                       timeout=DEADLINE)
        return [node.facts for node in hub.nodes().result(DEADLINE)]

    wait_until(lambda: hub.nodes().result(DEADLINE), "the node's first beat")
    wait_until(lambda: facts_when("x") == [{}], "facts that can't be read")
    assert [node.number for node in hub.nodes().result(DEADLINE)] == [hub.node]


def test_a_handler_of_room_messages_is_told_positions_if_it_asks(make_hub, connect,
                                                                 handler):
    def told(make):
        seen = Seen()
        hub = make_hub(namespace_news_history_size=5)
        hub.on_open(lambda session: [session.join("news:a"), session.join("plain")])
        hub.on_room_message(handler(make(seen)))
        with hub:
            connect(hub)
            wait_until(lambda: hub.stats()["fanwire_rooms"] == 2, "both rooms")
            position = hub.apublish("news:a", "x").result(DEADLINE)
            hub.publish("plain", "y")
            return sorted(seen.wait(2)), position

    for make in (lambda seen: lambda room, data, position: seen(room, data, position),
                 lambda seen: lambda room, data, position=5: seen(room, data, position)):
        asked, position = told(make)
        assert asked == [("news:a", "x", position), ("plain", "y", None)]
    asked, _ = told(lambda seen: lambda room, data, mine=5: seen(room, data, mine))
    assert asked == [("news:a", "x", 5), ("plain", "y", 5)]
    asked, _ = told(lambda seen: lambda *args: seen(len(args), args[0]))
    assert asked == [(2, "news:a"), (2, "plain")]


def test_what_is_wrong_with_a_question_is_said(make_hub):
    hub = make_hub()
    with pytest.raises(fanwire.ClosedError):
        hub.presence("r")
    with pytest.raises(fanwire.ClosedError):
        hub.user("ann").leave("r")
    with hub:
        with pytest.raises(fanwire.InvalidError, match="limit"):
            hub.presence("r", limit=10001)
        with pytest.raises(fanwire.InvalidError):
            hub.presence("a\nb")
        with pytest.raises(fanwire.InvalidError):
            hub.user("ann").leave("")
        with pytest.raises(fanwire.StateError, match="user.presence"):
            hub.user("ann").sessions()
        assert hub.presence("r", cursor=None).result(DEADLINE).total == 0


def test_what_is_asked_while_redis_is_away_is_an_error(make_hub, own_redis):
    hub = make_hub(redis_url=own_redis.url, redis_required=True)
    with hub:
        own_redis.kill()
        wait_until(lambda: hub.stats()["fanwire_redis_up"] == 0, "Redis is away")

        async def ask():
            with pytest.raises(fanwire.BackplaneError):
                await hub.presence("r")
            with pytest.raises(fanwire.BackplaneError):
                async for _ in hub.room("r").members():
                    pass

        asyncio.run(ask())
