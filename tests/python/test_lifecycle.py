"""Starting and closing a hub in each of its forms: start/close, with, async with, serve;
again after its end, two at a time, and dropped while it runs."""

import asyncio
import gc
import socket
import threading
import warnings

import pytest

import fanwire
from support import DEADLINE, Seen, descriptors_of, wait_until

URL = "ws://127.0.0.1:0/ws"


def echo(hub):
    hub.on_message(lambda session, data: session.send(data))
    return hub


def port_is_free(url):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", int(url.split(":")[2].split("/")[0])))
        except OSError:
            return False
    return True


# --- on a thread of its own ---

def test_with_starts_and_closes(make_hub, connect):
    hub = echo(make_hub())
    with hub as same:
        assert same is hub and hub.running
        url = hub.urls[0]
        client = connect(hub)
        assert client.ask("x") == "x"
    assert not hub.running
    assert client.wait_closed()[0] == 1001
    assert port_is_free(url)


def test_start_and_close(make_hub, connect):
    hub = echo(make_hub())
    hub.start()
    client = connect(hub)
    assert client.ask("x") == "x"
    hub.close()
    assert client.wait_closed()[0] == 1001
    hub.close()  # once more is no error


def test_more_patience_than_a_number_holds_ends_the_hub_all_the_same(hub, connect):
    """Milliseconds are an int in C."""
    with hub:
        client = connect(hub)
        url = hub.urls[0]
        hub.close(timeout=1e300)
        assert not hub.running
        assert client.wait_closed()[0] == 1001
        assert port_is_free(url)


def test_whatever_fails_at_the_end_the_hub_serves_no_more(make_hub, connect, monkeypatch,
                                                          caplog):
    def fails(self, timeout_ms):
        raise OSError("no more of anything")

    monkeypatch.setattr("fanwire._life.Life._drain", fails)
    hub = echo(make_hub())
    hub.start()
    url = hub.urls[0]
    client = connect(hub)
    hub.close()
    assert client.wait_closed()[0] == 1001
    assert port_is_free(url)
    assert "no more of anything" in caplog.text


def test_start_without_an_event_loop_says_why(hub, monkeypatch):
    def none_left():
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as m:
        m.setattr("asyncio.events.new_event_loop", none_left)
        m.setattr("asyncio.new_event_loop", none_left)
        with pytest.raises(OSError, match="Too many open files"):
            hub.start()
    assert not hub.running
    with hub:
        assert hub.running


def test_start_on_a_loop_that_watches_nothing_says_why_and_frees_the_port(make_hub):
    async def scenario():
        hub = make_hub()
        loop = asyncio.get_running_loop()

        def refuses(fd, callback, *arguments):
            raise NotImplementedError("this loop watches nothing")

        loop.add_reader, kept = refuses, loop.add_reader
        try:
            with pytest.raises(NotImplementedError):
                await hub.astart()
        finally:
            loop.add_reader = kept
        assert not hub.running
        async with hub:
            assert hub.running

    asyncio.run(scenario())


def test_start_twice_is_a_state_error(hub):
    with hub:
        with pytest.raises(fanwire.StateError):
            hub.start()
        with pytest.raises(fanwire.StateError):
            with hub:
                pass
        assert hub.running


def test_close_before_the_start_is_no_error(hub):
    hub.close()
    hub.stop()


def test_an_exception_inside_with_closes_the_hub(hub):
    with pytest.raises(KeyError):
        with hub:
            url = hub.urls[0]
            raise KeyError
    assert not hub.running and port_is_free(url)


def test_close_in_a_handler_is_a_state_error(hub, connect):
    """It would wait for itself; stop() is what a handler may call."""
    seen = Seen()

    def said(session, data):
        with pytest.raises(fanwire.StateError) as caught:
            hub.close()
        seen(str(caught.value))

    hub.on_message(said)
    with hub:
        connect(hub).send("x")
        assert "stop" in seen.one()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_stop_in_a_handler_ends_the_hub(hub, connect, kind):
    def said(session, data):
        session.send("stopping")
        hub.stop()

    async def said_later(session, data):
        said(session, data)

    hub.on_message(said if kind == "sync" else said_later)
    hub.start()
    client = connect(hub)
    assert client.ask("x") == "stopping"
    assert client.wait_closed()[0] == 1001
    wait_until(lambda: not hub.running, "stopped")


def test_stop_from_another_thread_returns_at_once(hub, connect):
    hub.start()
    client = connect(hub)
    hub.stop()
    hub.stop()
    assert client.wait_closed()[0] == 1001
    wait_until(lambda: not hub.running, "stopped")


def test_a_hub_is_started_again(make_hub, connect):
    hub = make_hub()
    seen = Seen()
    hub.on_open(lambda session: seen(session.id))
    hub.on_message(lambda session, data: session.send(data))
    for _ in range(3):
        with hub:
            client = connect(hub)
            assert client.ask("x") == "x"
        assert client.wait_closed()[0] == 1001
    assert len(set(seen.items)) == 3


def test_a_session_of_an_earlier_run_is_gone(hub, connect):
    seen = Seen()
    hub.on_open(lambda session: seen(session))
    with hub:
        connect(hub)
        old = seen.one()
    with hub:
        with pytest.raises(fanwire.Error):
            old.send("x")
            assert not hub.running, "a session of an earlier run must not be sent to"


def test_two_hubs_at_a_time(make_hub, connect):
    first, second = echo(make_hub()), echo(make_hub())
    with first, second:
        assert first.node != second.node
        assert connect(first).ask("1") == "1"
        assert connect(second).ask("2") == "2"
        first.close()
        assert connect(second).ask("3") == "3"


def test_nothing_is_left_of_many_hubs(make_hub, connect):
    hub = echo(make_hub())
    with hub:
        connect(hub).ask("x")
    gc.collect()
    threads, files = threading.active_count(), descriptors_of()
    for _ in range(10):
        one = echo(fanwire.Hub(listen=URL))
        with one:
            client = connect(one)
            client.ask("x")
        client.wait_closed()
        del one
    gc.collect()
    wait_until(lambda: threading.active_count() <= threads, "threads have ended")
    wait_until(lambda: descriptors_of() <= files, "descriptors are closed")


def test_threads_of_a_hub_do_not_keep_the_process(program):
    """A hub that was started and forgotten: the program ends, and says so."""
    p = program("""
        import fanwire, warnings
        warnings.simplefilter("always")
        hub = fanwire.Hub(listen="ws://127.0.0.1:0/ws")
        hub.start()
        tell("started")
    """)
    p.wait("started")
    assert p.finish() == 0
    assert "ResourceWarning" in p.err and "hub" in p.err


def test_a_hub_that_is_dropped_while_it_runs_is_a_resource_warning(connect):
    hub = echo(fanwire.Hub(listen=URL))
    hub.start()
    url = hub.urls[0]
    client = connect(hub)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del hub

        def gone():
            gc.collect()
            return any(w.category is ResourceWarning and "hub" in str(w.message)
                       for w in caught)

        wait_until(gone, "a ResourceWarning")
    assert client.wait_closed()[0] == 1001
    wait_until(lambda: port_is_free(url), "the port is free")


def test_a_hub_that_was_closed_gives_no_warning(program):
    p = program("""
        import fanwire, gc, logging, warnings
        warnings.simplefilter("error")
        # Where much else runs, asyncio warns of turns that took long.
        logging.getLogger("asyncio").setLevel(logging.ERROR)
        hub = fanwire.Hub(listen="ws://127.0.0.1:0/ws")
        with hub:
            pass
        never_started = fanwire.Hub()
        del hub, never_started
        gc.collect()
        tell("over")
    """, flags=("-X", "dev"))
    p.wait("over")
    assert p.finish() == 0
    # With -X dev asyncio tells of what was slow, too: that is the machine's business.
    assert [x for x in p.err.splitlines() if not x.startswith("Executing ")] == []


# --- on a loop ---

def test_async_with_runs_on_the_loop(client_loop):
    seen = Seen()

    async def main():
        import websockets
        hub = fanwire.Hub(listen=URL)

        @hub.on_message
        async def said(session, data):
            seen(asyncio.get_running_loop(), threading.get_ident())
            session.send(data)

        async with hub as same:
            assert same is hub and hub.running
            async with websockets.connect(hub.urls[0]) as ws:
                await ws.send("x")
                assert await ws.recv() == "x"
            loop, thread = seen.one()
            assert loop is asyncio.get_running_loop()
            assert thread == threading.get_ident()
        assert not hub.running

    asyncio.run(asyncio.wait_for(main(), DEADLINE))


def test_astart_and_aclose():
    async def main():
        hub = fanwire.Hub(listen=URL)
        await hub.astart()
        with pytest.raises(fanwire.StateError):
            await hub.astart()
        assert hub.running
        await hub.aclose()
        assert not hub.running
        await hub.aclose()
        await hub.astart()
        await hub.aclose()

    asyncio.run(asyncio.wait_for(main(), DEADLINE))


def test_astart_fails_as_start_does(make_hub):
    async def main():
        async with fanwire.Hub(listen=URL) as first:
            second = fanwire.Hub(listen=first.urls[0])
            with pytest.raises(fanwire.ListenError):
                await second.astart()
            with pytest.raises(fanwire.ListenError):
                await second.serve()
            assert not second.running

    asyncio.run(asyncio.wait_for(main(), DEADLINE))


def test_the_loop_goes_on_while_a_hub_starts_and_closes():
    async def main():
        ticks = []

        async def tick():
            while True:
                ticks.append(1)
                await asyncio.sleep(0)

        task = asyncio.ensure_future(tick())
        async with fanwire.Hub(listen=URL):
            during_start = len(ticks)
        assert during_start > 1 and len(ticks) > during_start + 1
        task.cancel()

    asyncio.run(asyncio.wait_for(main(), DEADLINE))


def test_serve_returns_after_stop(connect):
    hub = echo(fanwire.Hub(listen=URL))
    over = Seen()

    async def main():
        over(await hub.serve())

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    wait_until(lambda: hub.running and hub.urls, "started")
    client = connect(hub)
    assert client.ask("x") == "x"
    hub.stop()
    thread.join(DEADLINE)
    assert over.one() is None and not hub.running
    assert client.wait_closed()[0] == 1001


def test_serve_inside_async_with():
    async def main():
        async with fanwire.Hub(listen=URL) as hub:
            asyncio.get_running_loop().call_later(0.05, hub.stop)
            await hub.serve()
        assert not hub.running

    asyncio.run(asyncio.wait_for(main(), DEADLINE))


def test_a_cancelled_serve_drains_and_raises():
    async def main():
        import websockets
        hub = echo(fanwire.Hub(listen=URL))
        task = asyncio.ensure_future(hub.serve())
        while not hub.running:
            await asyncio.sleep(0.01)
        ws = await websockets.connect(hub.urls[0])
        await ws.send("x")
        assert await ws.recv() == "x"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not hub.running
        await ws.wait_closed()
        assert ws.close_code == 1001

    asyncio.run(asyncio.wait_for(main(), DEADLINE))


def test_serve_with_a_timeout_around_it():
    async def main():
        hub = fanwire.Hub(listen=URL)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(hub.serve(), 0.1)
        assert not hub.running

    asyncio.run(asyncio.wait_for(main(), DEADLINE))


def test_a_loop_that_ends_without_aclose_leaves_no_port_taken():
    """asyncio.run() cancels the task; the hub must not outlive its loop for ever."""
    url = []

    async def main():
        hub = fanwire.Hub(listen=URL)
        await hub.astart()
        url.append(hub.urls[0])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asyncio.run(main())

        def free():
            gc.collect()
            return port_is_free(url[0])

        wait_until(free, "the port is free")


def test_two_hubs_on_one_loop(make_hub):
    async def main():
        import websockets
        one, two = echo(fanwire.Hub(listen=URL)), echo(fanwire.Hub(listen=URL))
        async with one, two:
            for hub in (one, two):
                async with websockets.connect(hub.urls[0]) as ws:
                    await ws.send("x")
                    assert await ws.recv() == "x"

    asyncio.run(asyncio.wait_for(main(), DEADLINE))


# --- what a hub tells ---

def test_what_a_running_hub_tells(make_hub):
    hub = make_hub(http_listen="127.0.0.1:0", node_name="this one",
                   listen=["ws://127.0.0.1:0/a", "ws://127.0.0.1:0/b"])
    with hub:
        assert [u.rsplit("/", 1)[1] for u in hub.urls] == ["a", "b"]
        assert hub.http_address.startswith("127.0.0.1:")
        assert hub.node_name == "this one" and hub.node > 0
        stats = hub.stats()
        assert stats["fanwire_sessions"] == 0.0
        assert stats['fanwire_limit_hits_total{limit="sessions"}'] == 0.0
        assert all(isinstance(k, str) and isinstance(v, float) for k, v in stats.items())
        assert "fanwire_sessions 0" in hub.metrics()
    assert "Hub" in repr(hub)


def test_running_is_true_from_start_to_end(hub):
    assert hub.running is False
    with hub:
        assert hub.running is True
    assert hub.running is False


def test_starting_from_many_threads_starts_once(hub):
    results = Seen()

    def work():
        try:
            hub.start()
            results("started")
        except fanwire.StateError:
            results("refused")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(DEADLINE)
    assert sorted(results.items) == ["refused"] * 7 + ["started"]
    assert hub.running
