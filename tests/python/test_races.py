"""What comes between a handler or a hub and its end: tasks that are cancelled before they
begin, exceptions that are no Exception, threads that aren't to be had, a start that
nobody waits for any more."""

import asyncio
import signal
import threading
import time

import pytest

import fanwire
from support import DEADLINE, Client, Seen, handshake, wait_until


def lanes_of(session):
    return session._dispatcher.lanes


def all_places_are_free(hub, session, concurrency):
    lanes = lanes_of(session)
    wait_until(lambda: lanes._free == concurrency and lanes.is_quiet(),
               "all places are free")
    assert not lanes._lent and not lanes._ready


# --- tasks that are cancelled ---

@pytest.mark.parametrize("when", ["before it began", "while it ran"])
def test_a_cancelled_handler_takes_no_place_with_it(make_hub, connect, handler_log,
                                                    when):
    """The event counts as handled if its handler began, and is handled if it hadn't."""
    hub = make_hub(concurrency=1)
    seen = Seen()

    async def said(session, data):
        seen(data)
        if data == "cancel" and when == "while it ran":
            asyncio.current_task().cancel()
            await asyncio.sleep(0)
            seen("not cancelled")

    def opened(session):
        if when == "before it began":
            lanes = lanes_of(session)
            start = lanes._start

            def start_and_cancel(lane):
                start(lane)
                if lane.queue and lane.queue[0][2][1] == "cancel":
                    lanes._start = start
                    lane.task.cancel()

            lanes._start = start_and_cancel

    hub.on_open(opened)
    hub.on_message(said)
    with hub:
        client = connect(hub)
        client.send("cancel")
        client.send("next")
        assert seen.wait(2) == ["cancel", "next"]
        all_places_are_free(hub, hub.sessions[0], 1)


def test_places_are_free_after_handlers_of_all_kinds_of_end(make_hub, connect,
                                                            handler_log):
    hub = make_hub(concurrency=3)
    seen = Seen()

    async def said(session, data):
        seen(data)
        if data == "raise":
            raise ValueError(data)
        if data == "cancel":
            asyncio.current_task().cancel()
        if data == "time out":
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(session.receive(), 0.01)
        if data == "read":
            await session.receive()
        await asyncio.sleep(0)

    hub.on_message(said)
    with hub:
        clients = [connect(hub) for _ in range(5)]
        words = ["raise", "cancel", "time out", "read", "is read", "raise", "end"]
        for word in words:
            for client in clients:
                client.send(word)
        seen.wait_for(lambda items: items.count("end") == 5, "all are through")
        all_places_are_free(hub, hub.sessions[0], 3)


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="Python 3.12")
def test_a_loop_that_starts_tasks_at_once(make_hub, client_loop):
    hub = make_hub(concurrency=2)
    seen = Seen()

    async def said(session, data):
        seen(data)
        if data == "wait":
            await asyncio.sleep(0)
        session.send(data)

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        async with hub:
            client = await loop.run_in_executor(
                None, Client, client_loop, hub.urls[0])
            for word in ("a", "wait", "b", "wait", "wait", "c"):
                answer = await loop.run_in_executor(None, client.ask, word)
                assert answer == word
            lanes = lanes_of(hub.sessions[0])
            assert lanes._free == 2 and lanes.is_quiet()

    hub.on_message(said)
    asyncio.run(main())


# --- exceptions that are no Exception ---

class Odd(BaseException):
    """As test frameworks and other event loops have them."""


@pytest.mark.parametrize("event", ["on_connect", "on_message"])
def test_an_odd_exception_is_a_failure_like_others(hub, connect, handler, handler_log,
                                                   event):
    def fails(*args):
        raise Odd(event)

    getattr(hub, event)(handler(fails))
    with hub:
        if event == "on_connect":
            assert handshake(hub.urls[0]).status == 500
        else:
            connect(hub).send("x")
        record = handler_log.one()
        assert event in record.getMessage() and "Odd" in record.getMessage()


def test_who_asks_while_the_handler_asks_to_exit_is_refused_soon(
        make_hub, handler, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    hub = make_hub(decision_timeout="60s")

    def exits(request):
        raise SystemExit(3)

    hub.on_connect(handler(exits))
    hub.start()
    assert handshake(hub.urls[0]).status == 503
    wait_until(lambda: not hub.running, "the hub has ended")
    for thread in threading.enumerate():
        if thread.name == "fanwire":  # its last words are those of this test
            thread.join(DEADLINE)


def test_who_asks_at_the_end_of_the_hub_is_refused_soon(make_hub):
    hub = make_hub(decision_timeout="60s", drain_timeout="60s")
    asked = Seen()
    replies = Seen()

    async def waits(request):
        asked(request.id)
        await asyncio.get_running_loop().create_future()

    hub.on_connect(waits)
    hub.start()
    client = threading.Thread(target=lambda: replies(handshake(hub.urls[0]).status))
    client.start()
    asked.one()
    hub.close(0.1)
    assert replies.one() == 503
    client.join(DEADLINE)


# --- the hub's end ---

def test_no_handler_is_called_when_aclose_has_returned(make_hub, client_loop):
    """Not for what was in a batch that slow handlers hadn't come through either."""
    hub = make_hub(events_per_session=1000)
    seen = Seen()

    def said(session, data):
        seen(data)
        time.sleep(0.02)

    async def main():
        loop = asyncio.get_running_loop()
        await hub.astart()
        client = await loop.run_in_executor(None, Client, client_loop, hub.urls[0])
        for n in range(300):
            asyncio.run_coroutine_threadsafe(client.ws.send(str(n)), client_loop.loop)
        while not seen.items:
            await asyncio.sleep(0)
        await hub.aclose(0)
        called = len(seen)
        for _ in range(5):
            await asyncio.sleep(0)
        assert called < 300 and len(seen) == called

    hub.on_message(said)
    asyncio.run(main())


def test_the_loop_has_its_turns_while_slow_handlers_drain(make_hub, client_loop):
    """One slice of handlers for each turn of the loop, however long it takes."""
    hub = make_hub(events_per_session=1000)
    turns, handled = [], []

    def said(session, data):
        time.sleep(0.011)
        handled.append(data)

    async def watch():
        while True:
            turns.append(len(handled))
            await asyncio.sleep(0)

    async def main():
        loop = asyncio.get_running_loop()
        await hub.astart()
        watching = loop.create_task(watch())
        client = await loop.run_in_executor(None, Client, client_loop, hub.urls[0])
        for n in range(100):
            asyncio.run_coroutine_threadsafe(client.ws.send(str(n)), client_loop.loop)
        while not handled:
            await asyncio.sleep(0)
        await hub.aclose()
        watching.cancel()
        await asyncio.wait((watching,))

    hub.on_message(said)
    asyncio.run(main())
    assert max(b - a for a, b in zip(turns, turns[1:])) <= 4


# --- starting ---

def test_a_start_that_is_cancelled_leaves_the_port_free():
    async def main():
        first = fanwire.Hub(listen="ws://127.0.0.1:0/ws")
        await first.astart()
        url = first.urls[0]
        await first.aclose()
        for _ in range(10):
            hub = fanwire.Hub(listen=url)
            starting = asyncio.get_running_loop().create_task(hub.astart())
            await asyncio.sleep(0)
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
            assert not hub.running
            async with hub:
                assert hub.urls == [url]

    asyncio.run(main())


def no_threads(monkeypatch, name):
    start = threading.Thread.start

    def fails(self):
        if self.name.startswith(name):
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", fails)


def test_a_start_without_a_thread_leaves_a_hub_that_can_be_started(hub, monkeypatch):
    with monkeypatch.context() as patch:
        no_threads(patch, "fanwire")
        with pytest.raises(RuntimeError):
            hub.start()
        assert not hub.running
        hub.close()
    with hub:
        assert hub.running


def test_a_hub_ends_in_order_when_no_thread_is_to_be_had(make_hub, connect, monkeypatch):
    """As at the interpreter's end, where an application's atexit may close it."""
    hub = make_hub()
    closed = []
    hub.on_close(lambda session, code, reason: closed.append(code))
    with hub:
        client = connect(hub)
        with monkeypatch.context() as patch:
            no_threads(patch, "fanwire-wait")
            hub.close()
    assert client.wait_closed()[0] == 1001
    assert closed == [1001]


def test_a_hub_that_atexit_closes_drains(program, raw_connect):
    p = program("""
        import atexit, fanwire
        hub = fanwire.Hub(listen="ws://127.0.0.1:0/ws", drain_timeout="5s")
        hub.on_close(lambda session, code, reason: tell("closed", code))
        hub.start()
        atexit.register(hub.close)
        tell("url", hub.urls[0])
        sys.stdin.readline()
    """, flags=("-X", "dev", "-W", "error"))
    client = raw_connect(p.wait("url"))
    p.say()
    assert client.receive_close()[0] == 1001
    client.end()
    assert p.finish() == 0 and p.wait("closed") in (1001, 1006)
    assert p.err == ""


# --- joins ---

def test_on_join_does_not_meet_a_later_handler_that_has_not_asked(hub, connect):
    """Who asked has returned without waiting: the question takes its turn."""
    seen = Seen()
    inside = []

    async def said(session, data):
        if data == "join":
            while not lanes_of(session).sessions[session.id].queue:
                await asyncio.sleep(0)  # so that the next handler begins at once
            seen.answer = session.join("a")
            return
        inside.append(data)
        while not seen.answer.done() and data not in seen.items:
            await asyncio.sleep(0)
            if lanes_of(session).sessions[session.id].queue:
                seen(data)  # the question waits
        inside.clear()

    hub.on_message(said)
    hub.on_join(lambda session, room: seen("asked", list(inside)))
    with hub:
        client = connect(hub)
        client.send("join")
        client.send("next")
        assert seen.wait(2) == ["next", ("asked", [])]


# --- signals ---

def test_who_handles_a_signal_may_ask_whatever_it_has_interrupted(program):
    """In each line of what asks and of what takes an answer, in the same thread."""
    p = program("""
        import asyncio, fanwire, signal, sys
        from fanwire import _dispatch
        hub = fanwire.Hub(listen="ws://127.0.0.1:0/ws")
        answers = []
        signal.signal(signal.SIGUSR1, lambda *_: answers.append(hub.nodes()))

        def in_dispatch(frame, what, argument):
            code = frame.f_code
            if (code.co_filename == _dispatch.__file__ and
                    code.co_name in ("ask", "_take_answer")):
                return at_line

        def at_line(frame, what, argument):
            if what == "line":
                signal.raise_signal(signal.SIGUSR1)
            return at_line

        async def main():
            async with hub:
                sys.settrace(in_dispatch)
                first = len(await hub.nodes())
                sys.settrace(None)
                later = {len(await answer) for answer in list(answers)}
                tell("asked", [first, sorted(later), len(answers) > 5])

        asyncio.run(main())
    """)
    assert p.wait("asked") == [1, [1], True]
    assert p.finish() == 0
    assert p.err == ""
