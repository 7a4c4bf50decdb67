"""The end of a hub: what a drain waits for, `run()` and the signals that end it."""

import asyncio
import signal
import threading
import time

import pytest

import fanwire
from support import DEADLINE, Seen, TEXT, wait_until

URL = "ws://127.0.0.1:0/ws"


# --- draining ---

def test_close_waits_for_handlers_that_still_run(make_hub, connect):
    hub = make_hub(drain_timeout="10s")
    entered, seen = Seen(), Seen()

    async def said(session, data):
        entered(1)
        await asyncio.sleep(0.3)
        seen("finished")

    hub.on_message(said)
    hub.on_close(lambda session, code, reason: seen("closed", code))
    hub.start()
    connect(hub).send("x")
    entered.one()
    hub.close()
    assert seen.items == ["finished", ("closed", 1001)]


def test_handlers_that_do_not_end_are_cancelled_when_the_time_is_over(make_hub, connect):
    hub = make_hub(drain_timeout="200ms")
    entered, seen = Seen(), Seen()

    async def said(session, data):
        entered(1)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen("cancelled")
            raise

    hub.on_message(said)
    hub.start()
    connect(hub).send("x")
    entered.one()
    hub.close()
    assert seen.items == ["cancelled"]


def test_close_with_a_timeout_of_its_own(make_hub, connect):
    hub = make_hub(drain_timeout="1h")
    entered = Seen()

    async def said(session, data):
        entered(1)
        await asyncio.Event().wait()

    hub.on_message(said)
    hub.start()
    connect(hub).send("x")
    entered.one()
    hub.close(timeout=0.1)
    assert not hub.running


@pytest.mark.parametrize("wrong", ["1s", object(), [1], float("nan"), float("inf")])
def test_a_timeout_of_a_wrong_type(hub, wrong):
    hub.start()
    with pytest.raises(TypeError):
        hub.close(timeout=wrong)
    hub.close(timeout=1)


def test_each_open_has_its_close_at_the_end(make_hub, connect):
    hub = make_hub()
    seen = Seen()
    hub.on_open(lambda session: seen("open", session.id))
    hub.on_close(lambda session, code, reason: seen(code, session.id))
    hub.start()
    for _ in range(20):
        connect(hub)
    seen.wait(20)
    hub.close()
    opened = {i for what, i in seen.items if what == "open"}
    closed = {i for what, i in seen.items if what == 1001}
    assert len(opened) == 20 and opened == closed


def test_messages_read_before_the_drain_are_handled(make_hub, connect):
    hub = make_hub()
    seen = Seen()

    async def said(session, data):
        await asyncio.sleep(0.001)
        seen(data)

    hub.on_message(said)
    hub.start()
    client = connect(hub)
    for i in range(50):
        client.send(str(i))
    wait_until(lambda: hub.stats()["fanwire_messages_in_total"] == 50, "all are read")
    hub.close()
    assert seen.items == [str(i) for i in range(50)]


def test_publishing_while_it_closes_is_a_closed_error_at_the_most(make_hub, connect):
    hub = make_hub()
    hub.start()
    connect(hub)
    errors, over = Seen(), threading.Event()

    def work():
        while not over.is_set():
            try:
                hub.publish("r", "x")
            except fanwire.ClosedError:
                errors("closed")
                return
            except BaseException as e:  # whatever else would be the finding
                errors(e)
                return

    threads = [threading.Thread(target=work) for _ in range(3)]
    for t in threads:
        t.start()
    time.sleep(0.05)  # some publishes before, some meanwhile: any mixture is right
    hub.close()
    for t in threads:
        t.join(DEADLINE)
    over.set()
    assert errors.items == ["closed"] * 3


# --- run() ---

RUN = """
    import asyncio, fanwire, threading, time
    hub = fanwire.Hub(listen="ws://127.0.0.1:0/ws", drain_timeout="%(drain)s")

    @hub.on_message
    async def said(session, data):
        if data == "hang":
            session.send("hanging")
            await asyncio.Event().wait()
        session.send(data)

    @hub.on_close
    def closed(session, code, reason):
        tell("closed", code)

    def watch():
        while not hub.urls:
            time.sleep(0.01)
        tell("url", hub.urls[0])

    threading.Thread(target=watch, daemon=True).start()
    hub.run()
    tell("over", hub.running)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_drains_on_a_signal_and_returns(program, connect, number):
    p = program(RUN % {"drain": "5s"})
    client = connect(p.wait("url"))
    assert client.ask("x") == "x"
    p.signal(number)
    assert client.wait_closed()[0] == 1001
    assert p.wait("closed") == 1001
    assert p.wait("over") is False
    assert p.finish() == 0
    assert p.err == ""


def test_a_second_signal_ends_at_once(program, connect):
    p = program(RUN % {"drain": "1h"})
    client = connect(p.wait("url"))
    assert client.ask("hang") == "hanging"
    p.signal(signal.SIGTERM)
    assert client.wait_closed()[0] == 1001
    p.signal(signal.SIGTERM)
    p.finish()


# A signal comes as asyncio hands over what a thread has brought: here that the sessions
# are closed, which the end waits for.
IN_THE_MIDDLE = """
    import asyncio.futures, signal
    hand_over, calls = asyncio.futures._copy_future_state, []
    __name__ = "concurrent.futures"  # whose place it takes

    class Source:
        def __init__(self, source):
            self.source = source

        def __getattr__(self, name):
            if name == "cancelled":
                signal.raise_signal(signal.SIGTERM)
            return getattr(self.source, name)

    def interrupted(source, goal):
        calls.append(source)
        # The first is that it has started.
        hand_over(Source(source) if len(calls) == 2 else source, goal)

    asyncio.futures._copy_future_state = interrupted
"""


def test_a_second_signal_in_the_middle_of_asyncio_leaves_nothing_half_done(program,
                                                                          connect):
    p = program(IN_THE_MIDDLE + RUN % {"drain": "1h"})
    client = connect(p.wait("url"))
    assert client.ask("hang") == "hanging"
    p.signal(signal.SIGTERM)
    assert p.finish() == 143


def test_run_leaves_the_signal_handlers_as_they_were(program, connect):
    p = program("""
        import fanwire, signal, threading, time, os
        mine = lambda *_: tell("mine")
        signal.signal(signal.SIGTERM, mine)
        hub = fanwire.Hub(listen="ws://127.0.0.1:0/ws")
        def watch():
            while not hub.running:
                time.sleep(0.01)
            hub.stop()
        threading.Thread(target=watch).start()
        hub.run()
        assert signal.getsignal(signal.SIGTERM) is mine
        os.kill(os.getpid(), signal.SIGTERM)
        tell("over")
    """)
    p.wait("over")
    assert p.all("mine") == [None]
    assert p.finish() == 0


def test_run_from_another_thread_touches_no_signals(make_hub, connect):
    hub = make_hub()
    hub.on_message(lambda session, data: session.send(data))
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    failures = Seen()

    def work():
        try:
            hub.run()
        except BaseException as e:  # the test must see whatever it is
            failures(e)
            raise

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: hub.running and hub.urls, "started")
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert connect(hub).ask("x") == "x"
    hub.stop()
    thread.join(DEADLINE)
    assert not thread.is_alive() and not failures.items


def test_run_inside_a_running_loop_is_an_error_that_names_serve():
    async def main():
        with pytest.raises(RuntimeError, match="serve"):
            fanwire.Hub(listen=URL).run()

    asyncio.run(main())


def test_run_raises_what_start_raises(make_hub):
    with make_hub() as first:
        with pytest.raises(fanwire.ListenError):
            fanwire.Hub(listen=first.urls[0]).run()


def test_the_ten_lines_of_the_readme_work(program, raw_connect):
    p = program("""
        import fanwire, threading, time

        hub = fanwire.Hub(listen="ws://127.0.0.1:0/ws")

        @hub.on_open
        def opened(session):
            session.join(session.query["room"])

        @hub.on_message
        def said(session, data):
            hub.publish(session.query["room"], data)

        def watch():
            while not hub.urls:
                time.sleep(0.01)
            tell("url", hub.urls[0])

        threading.Thread(target=watch, daemon=True).start()
        hub.run()
    """)
    a, b = raw_connect(p.wait("url"), "room=r"), raw_connect(p.wait("url"), "room=r")
    b.send(TEXT, b"ready?")
    assert b.receive() == (TEXT, b"ready?")
    a.send(TEXT, "grüezi".encode())
    assert b.receive() == (TEXT, "grüezi".encode())
    p.signal(signal.SIGTERM)
    assert p.finish() == 0
