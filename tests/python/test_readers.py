"""Tasks that are no handlers and read a session: where its events go meanwhile, and who
gets them when such a task stops, fails, or is gone."""

import asyncio
import contextlib

import pytest

import fanwire
from support import DEADLINE, Client, Seen, wait_until


class Tasks:
    """Has each session read by a task of its own, and keeps the tasks of the test."""

    def __init__(self, hub, read):
        self.made = []
        hub.on_open(lambda session: self.made.append(
            asyncio.get_running_loop().create_task(self._begin(read, session))))

    async def _begin(self, read, session):
        session.send("I read")
        await read(session)

    @staticmethod
    def connect(connect, hub):
        """A client whose first message isn't said before somebody reads."""
        client = connect(hub)
        assert client.receive() == "I read"
        return client


def test_a_second_loop_after_break_goes_on_reading(hub, connect):
    """The first loop's generator is only closed later, when the second one reads."""
    seen = Seen()

    async def read(session):
        async for message in session:
            seen("first", message)
            break
        async for message in session:
            seen("second", message)
        seen("end")

    tasks = Tasks(hub, read)
    hub.on_message(lambda session, data: seen("on_message", data))
    hub.on_close(lambda session, code, reason: seen("closed"))
    with hub:
        client = tasks.connect(connect, hub)
        client.send("a")
        seen.wait(1)
        hub.stats()  # takes a while: time enough for the generator's end
        for text in ("b", "c"):
            client.send(text)
            seen.wait_for(lambda items: items[-1][-1] == text, text)
        client.close()
        assert seen.wait(5) == [("first", "a"), ("second", "b"), ("second", "c"), "end",
                                "closed"]


def test_receive_with_a_time_limit_keeps_the_session(hub, connect):
    """wait_for() makes a task of its own for what it waits for, before Python 3.12."""
    seen = Seen()

    async def read(session):
        while True:
            try:
                message = await asyncio.wait_for(session.receive(), DEADLINE)
            except fanwire.GoneError:
                return
            seen("task", message)
            await asyncio.sleep(0)

    tasks = Tasks(hub, read)
    hub.on_message(lambda session, data: seen("on_message", data))
    with hub:
        client = tasks.connect(connect, hub)
        for n in range(50):
            client.send(str(n))
        assert seen.wait(50) == [("task", str(n)) for n in range(50)]


def test_the_task_that_receive_was_left_to_goes_on(hub, connect):
    """Who asked is gone; what it asked for still waits, and is given its message."""
    seen = Seen()
    kept = []

    async def read(session):
        task = asyncio.get_running_loop().create_task(session.receive())
        task.add_done_callback(lambda task: seen("got", task.result()))
        kept.append(task)
        await asyncio.sleep(0)

    tasks = Tasks(hub, read)
    hub.on_message(lambda session, data: seen("on_message", data))
    with hub:
        client = tasks.connect(connect, hub)
        client.send("a")
        assert seen.one() == ("got", "a")
        client.send("b")
        assert seen.wait(2)[1] == ("on_message", "b")


def test_on_close_comes_when_the_reader_has_seen_the_end(hub, connect):
    """It needn't end first: it may well wait for what on_close does."""
    seen = Seen()

    async def read(session):
        closed = session.state["closed"] = asyncio.get_running_loop().create_future()
        with contextlib.suppress(fanwire.GoneError):
            while True:
                seen(await session.receive())
        await closed
        seen("end")

    tasks = Tasks(hub, read)
    hub.on_close(lambda session, code, reason: session.state["closed"].set_result(None))
    with hub:
        client = tasks.connect(connect, hub)
        client.send("a")
        seen.wait(1)
        client.close()
        assert seen.wait(2, deadline=3) == ["a", "end"]


@pytest.mark.parametrize("on_join", ["sync", "async", "none"])
def test_a_reader_that_awaits_its_sessions_join_is_not_stuck(hub, connect, on_join):
    seen = Seen()

    async def read(session):
        async for room in session:
            await session.join(room)
            seen("joined", room)

    async def decide(session, room):
        await asyncio.sleep(0)
        return True

    tasks = Tasks(hub, read)
    if on_join != "none":
        hub.on_join(decide if on_join == "async" else lambda session, room: True)
    with hub:
        client = tasks.connect(connect, hub)
        for room in ("a", "b"):
            client.send(room)
        assert seen.wait(2, deadline=3) == [("joined", "a"), ("joined", "b")]


@pytest.mark.parametrize("end", ["aclose", "serve"])
def test_a_reader_that_ends_the_hub_does_not_wait_for_itself(make_hub, client_loop, end):
    hub = make_hub(drain_timeout="60s")
    opened = []
    closed = []
    hub.on_open(lambda session: opened.append(session))
    hub.on_close(lambda session, code, reason: closed.append(code))

    async def main():
        await hub.astart()
        connected = asyncio.get_running_loop().run_in_executor(
            None, Client, client_loop, hub.urls[0])
        client = await connected
        while not opened:
            await asyncio.sleep(0)
        client.send("a")
        assert await opened[0].receive() == "a"
        if end == "serve":
            hub.stop()
            await hub.serve()
        else:
            await hub.aclose()

    asyncio.run(asyncio.wait_for(main(), DEADLINE))
    assert closed == [1001]


def test_two_receives_of_one_handler_are_refused_while_another_event_is_handled(
        hub, connect):
    seen = Seen()

    async def opened(session):
        session.state["go on"] = asyncio.get_running_loop().create_future()
        session.send("opened")
        first = asyncio.get_running_loop().create_task(session.receive())
        await session.state["joining"].wait()
        with pytest.raises(fanwire.StateError):
            await session.receive()
        session.state["go on"].set_result(None)
        seen(await first)

    async def joins(session, room):
        session.state["joining"].set()
        await session.state["go on"]

    async def connects(request):
        request.state["joining"] = asyncio.Event()

    hub.on_connect(connects)
    hub.on_open(opened)
    hub.on_join(joins)
    with hub:
        client = connect(hub)
        assert client.receive() == "opened"
        hub.sessions[0].join("a")
        client.send("message")
        assert seen.one() == "message"


def test_a_receive_that_its_handler_has_left_behind_takes_nothing(make_hub, connect):
    """Neither messages of later handlers, nor a place, of which there is only one."""
    hub = make_hub(concurrency=1)
    seen = Seen()
    kept = []

    async def opened(session):
        kept.append(asyncio.get_running_loop().create_task(receive(session)))
        await asyncio.sleep(0)

    async def receive(session):
        try:
            await session.receive()
        except fanwire.StateError:
            seen("refused")

    async def said(session, data):
        seen(data)

    hub.on_open(opened)
    hub.on_message(said)
    with hub:
        client = connect(hub)
        assert seen.one() == "refused"
        client.send("a")
        client.send("b")
        other = connect(hub)
        # Sent earlier it might come while the handler runs, and then it is the receive's.
        seen.wait_for(lambda items: items.count("refused") == 2, "the second refusal")
        other.send("c")
        assert sorted(seen.wait(5)) == ["a", "b", "c", "refused", "refused"]


def test_what_a_handler_read_of_another_session_is_given_back_when_it_returns(
        hub, connect):
    """Though its own session has more to handle, and the task goes on."""
    seen = Seen()

    async def said(session, data):
        if data == "listen to the other":
            other, = [s for s in hub.sessions if s is not session]
            session.send("listening")
            seen("read", await other.receive())
        elif data == "stay":
            seen("staying", None)
            async for message in session:
                pass
        else:
            seen("on_message", data)

    hub.on_message(said)
    with hub:
        ann, bob = connect(hub), connect(hub)
        assert ann.ask("listen to the other") == "listening"
        ann.send("stay")
        bob.send("a")
        assert sorted(seen.wait(2)) == [("read", "a"), ("staying", None)]
        bob.send("b")
        assert seen.wait(3)[2] == ("on_message", "b")


def test_who_waits_for_a_session_that_is_busy_hears_of_the_hubs_end(make_hub, connect):
    """Its handler has no place yet, and gets none before the hub ends."""
    hub = make_hub(concurrency=1, drain_timeout="100ms")
    seen = Seen()
    tasks = []

    async def said(session, data):
        if data == "stay":
            wanted = session.state["wanted"] = asyncio.Event()
            session.send("staying")
            other, = [s for s in hub.sessions if s is not session]
            await wanted.wait()
            tasks.append(asyncio.get_running_loop().create_task(read(other)))
            await asyncio.get_running_loop().create_future()

    async def read(session):
        seen("waits")
        try:
            await session.receive()
        except fanwire.GoneError:
            seen("gone")

    hub.on_message(said)
    with hub:
        busy, waits = connect(hub), connect(hub, "read=1")
        assert busy.ask("stay") == "staying"
        loop = hub.sessions[0]._dispatcher._loop
        session, = [s for s in hub.sessions if s.query.get("read")]
        waits.send("y")
        wait_until(lambda: session.id in session._dispatcher.lanes.sessions, "it waits")
        stays, = [s for s in hub.sessions if s is not session]
        loop.call_soon_threadsafe(stays.state["wanted"].set)
        seen.wait(1)
    assert seen.items == ["waits", "gone"]
