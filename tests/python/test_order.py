"""Events of one session run in order, one at a time; sessions run side by side, at most
`concurrency`."""

import asyncio
import random
import threading

import pytest

import fanwire
from support import Seen, wait_until


def test_events_of_a_session_are_handled_in_order_whatever_they_sleep(hub, connect):
    """Random pauses in every handler: a later one that is shorter must not overtake."""
    seen = Seen()
    dice = random.Random(7)

    async def pause():
        await asyncio.sleep(dice.choice([0, 0, 0.001, 0.003]))

    async def opened(session):
        await pause()
        seen(session.query["n"], "open")

    async def said(session, data):
        await pause()
        seen(session.query["n"], data)

    async def closed(session, code, reason):
        await pause()
        seen(session.query["n"], "closed")

    hub.on_open(opened)
    hub.on_message(said)
    hub.on_close(closed)
    with hub:
        clients = [connect(hub, f"n={n}") for n in range(10)]
        for i in range(30):
            for client in clients:
                client.send(str(i))
        for client in clients:
            client.close()
        items = seen.wait(10 * 32)
    for n in range(10):
        mine = [what for who, what in items if who == str(n)]
        assert mine == ["open", *map(str, range(30)), "closed"]


def test_one_session_has_one_handler_at_a_time(hub, connect):
    running, most, seen = [0], [0], Seen()

    async def work(*args):
        running[0] += 1
        most[0] = max(most[0], running[0])
        await asyncio.sleep(0.002)
        running[0] -= 1
        seen(1)

    hub.on_open(work)
    hub.on_message(work)
    hub.on_close(work)
    with hub:
        client = connect(hub)
        for i in range(30):
            client.send("x")
        client.close()
        seen.wait(32)
    assert most[0] == 1


def test_sync_and_async_handlers_of_one_session_keep_the_order_too(hub, connect):
    """A sync handler is called directly; it must still wait for the async one before."""
    seen = Seen()

    async def opened(session):
        await asyncio.sleep(0.05)
        seen("open")

    hub.on_open(opened)
    hub.on_message(lambda session, data: seen(data))
    hub.on_close(lambda session, code, reason: seen("closed"))
    with hub:
        client = connect(hub)
        client.send("a")
        client.send("b")
        client.close()
        assert seen.wait(4) == ["open", "a", "b", "closed"]


def test_a_slow_handler_delays_no_other_session(hub, connect):
    let_go = Seen()
    blocked = []

    async def said(session, data):
        if data == "block":
            blocked.append(asyncio.Event())
            let_go(asyncio.get_running_loop())
            await blocked[0].wait()
        session.send(data)

    hub.on_message(said)
    with hub:
        slow, quick = connect(hub), connect(hub)
        slow.send("block")
        loop = let_go.one()
        for i in range(10):
            assert quick.ask(str(i)) == str(i)
        loop.call_soon_threadsafe(blocked[0].set)
        assert slow.receive() == "block"


def test_all_sessions_are_inside_at_once(hub, connect):
    """Twenty handlers wait for each other; one by one they would never come together."""
    inside, together = [], []

    async def said(session, data):
        if not together:
            together.append(asyncio.Event())
        inside.append(session)
        if len(inside) == 20:
            together[0].set()
        await together[0].wait()
        session.send("all here")

    hub.on_message(said)
    with hub:
        clients = [connect(hub) for _ in range(20)]
        for client in clients:
            client.send("x")
        for client in clients:
            assert client.receive() == "all here"


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_handlers_than_concurrency_at_a_time(make_hub, connect, limit):
    hub = make_hub(concurrency=limit)
    running, most = [0], [0]

    async def said(session, data):
        running[0] += 1
        most[0] = max(most[0], running[0])
        await asyncio.sleep(0.01)
        running[0] -= 1
        session.send(data)

    hub.on_message(said)
    with hub:
        clients = [connect(hub) for _ in range(10)]
        for i in range(3):
            for client in clients:
                client.send(str(i))
        for client in clients:
            assert client.receive_many(3) == ["0", "1", "2"]
    assert most[0] == limit


def test_who_waits_for_its_turn_gets_it_first_come_first_served(make_hub, connect):
    hub = make_hub(concurrency=1)
    order, gate, entered = Seen(), [], Seen()

    async def said(session, data):
        if data == "first":
            gate.append(asyncio.Event())
            entered(asyncio.get_running_loop())
            await gate[0].wait()
        order(data)

    hub.on_message(said)
    with hub:
        clients = [connect(hub) for _ in range(6)]
        clients[0].send("first")
        loop = entered.one()
        for i, client in enumerate(clients[1:]):
            client.send(str(i))
            # The server has read it before the next one is sent.
            wait_until(lambda: hub.stats()["fanwire_messages_in_total"] == i + 2, "read")
        loop.call_soon_threadsafe(gate[0].set)
        assert order.wait(6) == ["first", "0", "1", "2", "3", "4"]


def test_a_busy_session_takes_one_place_only(make_hub, connect):
    """One that talks much must not keep others out: its events wait in its own row."""
    hub = make_hub(concurrency=2)
    entered, gate = Seen(), []

    async def said(session, data):
        if data.startswith("block"):
            gate.append(asyncio.Event())
            entered(asyncio.get_running_loop())
            await gate[-1].wait()
        session.send(data)

    hub.on_message(said)
    with hub:
        talker, other = connect(hub), connect(hub)
        for i in range(10):
            talker.send(f"block {i}")
        loop = entered.one()
        assert other.ask("x") == "x"
        for i in range(10):
            entered.wait(i + 1)
            loop.call_soon_threadsafe(gate[i].set)
        assert talker.receive_many(10) == [f"block {i}" for i in range(10)]


def test_messages_of_a_room_are_handled_in_order(hub, connect):
    seen = Seen()
    dice = random.Random(3)

    async def opened(session):
        await session.join("a")
        await session.join("b")
        session.send("in")

    async def published(room, data):
        await asyncio.sleep(dice.choice([0, 0.001, 0.003]))
        seen(room, data)

    hub.on_open(opened)
    hub.on_room_message(published)
    with hub:
        assert connect(hub).receive() == "in"
        for i in range(50):
            hub.publish("a", str(i))
            hub.publish("b", str(i))
        items = seen.wait(100)
    for room in "ab":
        assert [d for r, d in items if r == room] == [str(i) for i in range(50)]


def test_a_slow_room_delays_no_other_room(hub, connect):
    seen, entered, gate = Seen(), Seen(), []

    async def opened(session):
        await session.join("slow")
        await session.join("quick")
        session.send("in")

    async def published(room, data):
        if room == "slow":
            gate.append(asyncio.Event())
            entered(asyncio.get_running_loop())
            await gate[0].wait()
        seen(room)

    hub.on_open(opened)
    hub.on_room_message(published)
    with hub:
        assert connect(hub).receive() == "in"
        hub.publish("slow", "x")
        loop = entered.one()
        hub.publish("quick", "x")
        assert seen.one() == "quick"
        loop.call_soon_threadsafe(gate[0].set)
        assert seen.wait(2) == ["quick", "slow"]


def test_tasks_of_the_handlers_own_are_theirs(hub, connect):
    """What a handler starts beside itself goes on after it and delays nobody."""
    tasks = []

    async def later(session):
        await asyncio.sleep(0.05)
        session.send("later")

    async def said(session, data):
        tasks.append(asyncio.ensure_future(later(session)))
        session.send("at once")

    hub.on_message(said)
    with hub:
        client = connect(hub)
        client.send("x")
        assert client.receive_many(2) == ["at once", "later"]


def test_context_variables_of_one_handler_do_not_reach_another(hub, connect):
    import contextvars
    who = contextvars.ContextVar("who", default="nobody")
    seen = Seen()

    async def said(session, data):
        seen(who.get())
        who.set(data)
        await asyncio.sleep(0)
        session.send(who.get())

    hub.on_message(said)
    with hub:
        a, b = connect(hub), connect(hub)
        assert a.ask("a") == "a" and b.ask("b") == "b"
    assert seen.items[0] == "nobody" and seen.items[1] == "nobody"


def test_order_holds_with_several_loops(make_hub, connect):
    hub = make_hub(threads=2)
    seen = Seen()

    async def said(session, data):
        await asyncio.sleep(0)
        seen(session.id, data)

    hub.on_message(said)
    with hub:
        clients = [connect(hub) for _ in range(8)]

        def flood(client):
            for i in range(100):
                client.send(str(i))

        threads = [threading.Thread(target=flood, args=(c,)) for c in clients]
        for t in threads:
            t.start()
        items = seen.wait(800)
        for t in threads:
            t.join()
    by_session = {}
    for who, data in items:
        by_session.setdefault(who, []).append(data)
    assert len(by_session) == 8
    for mine in by_session.values():
        assert mine == [str(i) for i in range(100)]


@pytest.mark.parametrize("wrong", [0, -1, "10", None, 1.5])
def test_concurrency_is_a_number_from_1(wrong):
    with pytest.raises(fanwire.OptionError, match="concurrency"):
        fanwire.Hub(concurrency=wrong)
