"""A session's messages asked for by its own handler: `async for message in session`, and
`await session.receive()`."""

import asyncio

import pytest

import fanwire
from support import DEADLINE, Seen, wait_until


def test_a_session_is_iterated_over_until_it_ends(hub, connect):
    seen = Seen()

    async def opened(session):
        async for message in session:
            seen(message)
        seen("end")

    hub.on_open(opened)
    hub.on_close(lambda session, code, reason: seen("closed", code))
    with hub:
        client = connect(hub)
        for text in ("a", b"b", "c"):
            client.send(text)
        client.close(4001)
        assert seen.wait(5) == ["a", b"b", "c", "end", ("closed", 4001)]


def test_on_close_waits_for_the_handler_that_iterates(hub, connect):
    seen = Seen()

    async def opened(session):
        async for message in session:
            pass
        seen("iteration is over")
        await asyncio.sleep(0.05)
        seen("handler has returned")

    hub.on_open(opened)
    hub.on_close(lambda session, code, reason: seen("closed"))
    with hub:
        connect(hub).close()
        assert seen.wait(3) == ["iteration is over", "handler has returned", "closed"]


def test_while_it_is_iterated_messages_do_not_go_to_on_message(hub, connect):
    seen = Seen()

    async def opened(session):
        async for message in session:
            seen("iterated", message)
            if message == "enough":
                break
        session.send("done")

    hub.on_open(opened)
    hub.on_message(lambda session, data: seen("on_message", data))
    with hub:
        client = connect(hub)
        client.send("a")
        client.send("enough")
        assert client.receive() == "done"
        client.send("b")
        assert seen.wait(3) == [("iterated", "a"), ("iterated", "enough"),
                                ("on_message", "b")]


def test_receive_gives_one_message_at_a_time(hub, connect):
    async def opened(session):
        name = await session.receive()
        word = await session.receive()
        session.send(f"{name} said {word}")

    hub.on_open(opened)
    hub.on_message(lambda session, data: session.send("later: " + data))
    with hub:
        client = connect(hub)
        client.send("ann")
        client.send("hello")
        assert client.receive() == "ann said hello"
        assert client.ask("x") == "later: x"


def test_receive_raises_gone_error_at_the_end(hub, connect):
    seen = Seen()

    async def opened(session):
        seen(await session.receive())
        with pytest.raises(fanwire.GoneError):
            await session.receive()
        with pytest.raises(fanwire.GoneError):
            await session.receive()
        seen("end")

    hub.on_open(opened)
    with hub:
        client = connect(hub)
        client.send("last")
        client.close()
        assert seen.wait(2) == ["last", "end"]


def test_a_message_handler_may_ask_for_more(hub, connect):
    """A conversation: one message starts it, the next ones belong to it."""
    async def said(session, data):
        session.send("name?")
        name = await session.receive()
        session.send(f"{data} {name}")

    hub.on_message(said)
    with hub:
        client = connect(hub)
        assert client.ask("hello") == "name?"
        assert client.ask("ann") == "hello ann"
        assert client.ask("good night") == "name?"
        assert client.ask("bob") == "good night bob"


def test_messages_that_came_before_receive_are_given_in_order(hub, connect):
    async def opened(session):
        await asyncio.sleep(0.1)
        session.send("|".join([await session.receive() for _ in range(5)]))

    hub.on_open(opened)
    with hub:
        client = connect(hub)
        for i in range(5):
            client.send(str(i))
        assert client.receive() == "0|1|2|3|4"


def test_receive_with_a_timeout_loses_no_message(hub, connect):
    async def opened(session):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(session.receive(), 0.02)
        session.send("timed out")
        session.send(await session.receive())

    hub.on_open(opened)
    with hub:
        client = connect(hub)
        assert client.receive() == "timed out"
        client.send("kept")
        assert client.receive() == "kept"


def test_two_who_receive_at_once_is_a_state_error(hub, connect):
    async def opened(session):
        first = asyncio.ensure_future(session.receive())
        await asyncio.sleep(0)
        with pytest.raises(fanwire.StateError):
            await session.receive()
        session.send("refused")
        session.send(await first)

    hub.on_open(opened)
    with hub:
        client = connect(hub)
        assert client.receive() == "refused"
        client.send("x")
        assert client.receive() == "x"


def test_an_error_inside_the_loop_is_logged_and_the_session_goes_on(hub, connect,
                                                                    handler_log):
    async def opened(session):
        async for message in session:
            raise KeyError(message)

    hub.on_open(opened)
    hub.on_message(lambda session, data: session.send(data))
    with hub:
        client = connect(hub)
        client.send("bad")
        assert handler_log.one().exc_info[0] is KeyError
        assert client.ask("x") == "x"


def test_iteration_pushes_back_on_who_sends_too_much(make_hub, raw_connect):
    """One message is out at a time; the others stay in the queue with their credit."""
    from support import TEXT, frame
    hub = make_hub(events_per_session=4)
    entered, seen, gate = Seen(), Seen(), []

    async def opened(session):
        gate.append(asyncio.Event())
        entered(asyncio.get_running_loop())
        async for message in session:
            if not gate[0].is_set():
                await gate[0].wait()
            seen(message[:6])

    hub.on_open(opened)
    with hub:
        client = raw_connect(hub)
        loop = entered.one()
        # 16 MiB or more are too much for the buffers of both sockets.
        message = b"%06d" % 0 + b"x" * 100_000
        sent = client.fill(frame(TEXT, message), 1000)
        assert sent < 1000
        assert hub.stats()["fanwire_events_bytes"] < 4_000_000
        loop.call_soon_threadsafe(gate[0].set)
        client.fill(frame(TEXT, message), 20)
        assert len(seen.wait(sent + 1)) > sent


def test_joins_and_sends_work_while_iterating(hub, connect):
    async def opened(session):
        async for room in session:
            await session.join(room)
            hub.publish(room, "hello " + room)

    hub.on_open(opened)
    hub.on_join(lambda session, room: None)
    with hub:
        client = connect(hub)
        assert client.ask("a") == "hello a"
        assert client.ask("b") == "hello b"


def test_the_drain_of_a_hub_ends_an_iteration(hub, connect):
    seen = Seen()

    async def opened(session):
        seen("open")
        async for message in session:
            pass
        seen("end")

    hub.on_open(opened)
    hub.on_close(lambda session, code, reason: seen(code))
    with hub:
        client = connect(hub)
        seen.wait(1)
    assert seen.items == ["open", "end", 1001]
    assert client.wait_closed()[0] == 1001


def test_a_handle_without_events_cannot_be_iterated(hub, connect):
    """Only a session that is here has messages."""
    with hub:
        handle = hub.session("0" * 31 + "1")
        assert not hasattr(handle, "receive") and not hasattr(handle, "__aiter__")


def test_what_was_handled_within_receive_comes_before_the_next(hub, connect):
    """on_leave is called while the handler receives, and outlasts it."""
    seen, gates = Seen(), Seen()

    async def said(session, data):
        entered, gate = asyncio.Event(), asyncio.Event()
        gates((asyncio.get_running_loop(), session, entered, gate))
        await session.join("r")
        session.leave("r")
        receiving = asyncio.ensure_future(session.receive())
        await entered.wait()
        receiving.cancel()
        seen("returned")

    async def left(session, room):
        entered, gate = gates.one()[2:]
        entered.set()
        await gate.wait()
        seen("left")

    hub.on_message(said)
    hub.on_leave(left)
    hub.on_close(lambda session, code, reason: seen("closed"))
    with hub:
        client = connect(hub)
        client.send("go")
        loop, session, _, gate = gates.one()
        seen.wait(1)
        client.close()
        wait_until(lambda: session.closed, "the end of the session is known")
        # A close that didn't wait would be handled by then.
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(DEADLINE)
        loop.call_soon_threadsafe(gate.set)
        assert seen.wait(3) == ["returned", "left", "closed"]
