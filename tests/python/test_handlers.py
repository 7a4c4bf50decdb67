"""Which handler is called when, and with what: each of them as a plain function and as a
coroutine function. Also what may be registered as a handler, and what may not."""

import asyncio
import functools
import logging
import threading

import pytest

import fanwire
from support import Seen


# --- what each is called with ---

def test_on_connect_is_called_with_the_request(hub, connect, handler):
    seen = Seen()
    hub.on_connect(handler(
        lambda request: seen(request, request.path, request.query["a"])))
    with hub:
        connect(hub, "a=1")
        request, path, a = seen.one()
    assert isinstance(request, fanwire.Request)
    assert (path, a) == ("/ws", "1")


def test_on_open_is_called_with_the_session(hub, connect, handler):
    seen = Seen()
    hub.on_open(handler(lambda session: seen(session)))
    with hub:
        connect(hub)
        session = seen.one()
    assert isinstance(session, fanwire.Session)
    assert len(session.id) == 32


@pytest.mark.parametrize("sent", ["", "grün \U0001f600", b"", b"\x00\xff", "a\0b"])
def test_on_message_gets_str_for_text_and_bytes_for_binary(hub, connect, handler, sent):
    seen = Seen()
    hub.on_message(handler(lambda session, data: seen(session, data)))
    with hub:
        connect(hub).send(sent)
        session, data = seen.one()
    assert isinstance(session, fanwire.Session)
    assert data == sent and type(data) is type(sent)


def test_on_close_is_called_with_session_code_and_reason(hub, connect, handler):
    seen = Seen()
    hub.on_close(handler(lambda session, code, reason: seen(session, code, reason)))
    with hub:
        connect(hub).close(4321, "gute Nacht, Käse")
        session, code, reason = seen.one()
    assert isinstance(session, fanwire.Session)
    assert (code, reason) == (4321, "gute Nacht, Käse")


def test_on_join_and_on_leave_are_called_with_session_and_room(hub, connect, handler):
    seen = Seen()
    hub.on_open(lambda session: session.join("küche"))
    hub.on_join(handler(lambda session, room: seen("join", session, room)))
    hub.on_leave(handler(lambda session, room: seen("leave", session, room)))
    hub.on_message(lambda session, data: session.leave("küche"))
    with hub:
        client = connect(hub)
        seen.wait(1)
        client.send("leave")
        (a, joined, room), (b, left, same_room) = seen.wait(2)
    assert (a, b) == ("join", "leave")
    assert joined is left and isinstance(joined, fanwire.Session)
    assert room == same_room == "küche"


def test_on_leave_is_called_for_each_room_before_on_close(hub, connect, handler):
    seen = Seen()

    def opened(session):
        session.join("a")
        session.join("b")
        session.send("in")

    hub.on_open(opened)
    hub.on_leave(handler(lambda session, room: seen(room)))
    hub.on_close(handler(lambda session, code, reason: seen("closed")))
    with hub:
        client = connect(hub)
        client.receive()
        client.close()
        items = seen.wait(3)
    assert sorted(items[:2]) == ["a", "b"] and items[2] == "closed"


@pytest.mark.parametrize("data", ["text", b"bytes"])
def test_on_room_message_is_called_with_room_and_data(hub, connect, handler, data):
    seen = Seen()

    async def opened(session):
        await session.join("r")
        session.send("in")

    hub.on_open(opened)
    hub.on_room_message(handler(lambda room, data: seen(room, data)))
    with hub:
        connect(hub).receive()
        hub.publish("nobody is here", data)
        hub.publish("r", data)
        assert seen.one() == ("r", data)


def test_backplane_handlers_tell_when_redis_goes_and_comes(make_hub, own_redis, handler):
    hub = make_hub(redis_url=own_redis.url)
    seen = Seen()
    hub.on_backplane_up(handler(lambda: seen("up", None)))
    hub.on_backplane_down(handler(lambda reason: seen("down", reason)))
    with hub:
        seen.wait(1)
        own_redis.kill()
        seen.wait_for(lambda items: items[-1][0] == "down", "down")
        own_redis.start()
        items = seen.wait_for(lambda items: items[-1][0] == "up" and len(items) > 2, "up")
    assert items[0] == ("up", None)
    down = [reason for kind, reason in items if kind == "down"]
    assert down and isinstance(down[0], str) and down[0]


def test_the_session_is_the_same_object_in_every_handler(hub, connect, handler):
    seen = Seen()
    hub.on_open(handler(lambda session: seen(session)))
    hub.on_message(handler(lambda session, data: seen(session)))
    hub.on_close(handler(lambda session, code, reason: seen(session)))
    with hub:
        client = connect(hub)
        client.send("x")
        seen.wait(2)
        client.close()
        opened, said, closed = seen.wait(3)
    assert opened is said is closed


def test_handlers_run_on_one_thread_sync_and_async(hub, connect):
    seen = Seen()

    async def opened(session):
        seen(threading.get_ident())

    hub.on_open(opened)
    hub.on_message(lambda session, data: seen(threading.get_ident()))
    with hub:
        connect(hub).send("x")
        first, second = seen.wait(2)
    assert first == second != threading.get_ident()


def test_a_hub_without_handlers_takes_everybody_in_and_still_fans_out(hub, connect):
    with hub:
        client = connect(hub)
        client.send("nobody hears that")
        hub.broadcast("to all")
        assert client.receive() == "to all"


def test_only_on_close_is_enough(hub, connect):
    """OPEN isn't asked for then, yet the session and its user must be known."""
    seen = Seen()
    hub.on_close(lambda session, code, reason: seen(session.path, code))
    with hub:
        connect(hub).close(1000)
        assert seen.one() == ("/ws", 1000)


# --- what can be a handler ---

class Greeter:
    def __init__(self):
        self.seen = Seen()

    def opened(self, session):
        self.seen("method")

    async def said(self, session, data):
        self.seen("async method", data)

    def __call__(self, session, code, reason):
        self.seen("object", code)


def test_bound_methods_and_callable_objects_are_handlers(hub, connect):
    greeter = Greeter()
    hub.on_open(greeter.opened)
    hub.on_message(greeter.said)
    hub.on_close(greeter)
    with hub:
        client = connect(hub)
        client.send("x")
        client.close(1000)
        assert greeter.seen.wait(3) == ["method", ("async method", "x"), ("object", 1000)]


class AsyncCall:
    def __init__(self):
        self.seen = Seen()

    async def __call__(self, session, data):
        await asyncio.sleep(0)
        self.seen(data)


def test_an_object_whose_call_is_a_coroutine_function_is_awaited(hub, connect):
    said = AsyncCall()
    hub.on_message(said)
    with hub:
        connect(hub).send("x")
        assert said.seen.one() == "x"


def test_a_partial_of_a_coroutine_function_is_awaited(hub, connect):
    seen = Seen()

    async def said(prefix, session, data):
        await asyncio.sleep(0)
        seen(prefix + data)

    hub.on_message(functools.partial(said, "> "))
    with hub:
        connect(hub).send("x")
        assert seen.one() == "> x"


def test_a_lambda_that_returns_a_coroutine_is_awaited(hub, connect):
    seen = Seen()

    async def work(data):
        await asyncio.sleep(0)
        seen(data)

    hub.on_message(lambda session, data: work(data))
    with hub:
        connect(hub).send("x")
        assert seen.one() == "x"


def test_handlers_may_take_variable_arguments_and_defaults(hub, connect):
    seen = Seen()
    hub.on_open(lambda *args: seen(len(args)))
    hub.on_message(lambda session, data, extra=5: seen(extra))
    with hub:
        connect(hub).send("x")
        assert seen.wait(2) == [1, 5]


def test_the_decorator_gives_the_function_back(hub):
    def said(session, data):
        pass

    async def opened(session):
        pass

    assert hub.on_message(said) is said
    assert hub.on_open(opened) is opened


# --- what can't ---

HANDLERS = [("on_connect", 1), ("on_open", 1), ("on_message", 2), ("on_join", 2),
            ("on_leave", 2), ("on_close", 3), ("on_room_message", 2),
            ("on_room_join", 2), ("on_room_leave", 2), ("on_node_up", 1),
            ("on_node_down", 1),
            ("on_backplane_up", 0), ("on_backplane_down", 1)]


@pytest.mark.parametrize("name, n", HANDLERS)
def test_a_wrong_signature_is_a_type_error_that_names_the_handler(hub, name, n):
    def misfit(a, b, c, d, e, f):
        pass

    with pytest.raises(TypeError, match=rf"{name}.*misfit"):
        getattr(hub, name)(misfit)


def test_the_error_about_a_signature_says_what_is_called_with_what(hub):
    def said(session):
        pass

    with pytest.raises(TypeError) as caught:
        hub.on_message(said)
    assert "on_message" in str(caught.value)
    assert "said()" in str(caught.value)
    assert "(session, data)" in str(caught.value)


def test_a_keyword_only_parameter_without_default_is_a_type_error(hub):
    def said(session, data, *, needed):
        pass

    with pytest.raises(TypeError, match="on_message"):
        hub.on_message(said)


@pytest.mark.parametrize("thing", [None, 5, "said", object()])
@pytest.mark.parametrize("name", [name for name, _ in HANDLERS])
def test_what_cannot_be_called_is_a_type_error(hub, name, thing):
    with pytest.raises(TypeError, match=name):
        getattr(hub, name)(thing)


@pytest.mark.parametrize("name, n", HANDLERS)
def test_a_second_handler_for_the_same_event_is_a_state_error(hub, name, n):
    getattr(hub, name)(lambda *args: None)
    with pytest.raises(fanwire.StateError, match=name):
        getattr(hub, name)(lambda *args: None)


def test_a_handler_that_was_refused_leaves_room_for_another(hub):
    with pytest.raises(TypeError):
        hub.on_message(lambda: None)
    hub.on_message(lambda session, data: None)


def test_a_handler_after_the_start_is_a_state_error(hub):
    with hub:
        with pytest.raises(fanwire.StateError, match="before it is started"):
            hub.on_open(lambda session: None)


# --- exceptions ---

def _fails(*args):
    raise KeyError("made to fail")


@pytest.mark.parametrize("name", ["on_open", "on_message", "on_join", "on_leave",
                                  "on_close", "on_room_message"])
def test_a_handler_that_fails_is_logged_and_the_hub_goes_on(hub, connect, handler,
                                                            handler_log, name):
    getattr(hub, name)(handler(_fails))
    if name != "on_open":
        hub.on_open(lambda session: session.join("r"))
    if name != "on_message":
        hub.on_message(lambda session, data: session.send(data))
    with hub:
        client = connect(hub)
        client.send("x")
        # What comes behind on_open has happened, so the session has asked to join.
        if name != "on_message":
            assert client.receive() == "x"
        else:
            handler_log.wait(1)
        hub.publish("r", "to the room")
        if name not in ("on_open", "on_join"):
            assert client.receive() == "to the room"
        client.close()
        record = handler_log.one()
        hub.broadcast("still there")
        again = connect(hub)
        hub.broadcast("and works")
        assert again.receive() == "and works"
    assert record.levelno == logging.ERROR
    assert record.exc_info[0] is KeyError
    assert name in record.getMessage()


def test_a_failure_is_logged_with_session_user_and_event(hub, connect, handler,
                                                         handler_log):
    ids = Seen()
    hub.on_connect(lambda request: "ann")
    hub.on_open(lambda session: ids(session.id))
    hub.on_message(handler(_fails))
    with hub:
        connect(hub).send("x")
        record = handler_log.one()
    text = record.getMessage()
    assert ids.one() in text and "ann" in text and "on_message" in text
    assert record.session == ids.one()
    assert record.user == "ann"


def test_a_failed_connect_handler_is_500_and_logged(hub, handler, handler_log):
    from support import handshake
    hub.on_connect(handler(_fails))
    with hub:
        reply = handshake(hub.urls[0])
        record = handler_log.one()
    assert reply.status == 500
    assert "made to fail" not in reply.body
    assert record.exc_info[0] is KeyError and "on_connect" in record.getMessage()


@pytest.mark.parametrize("name", ["on_backplane_up", "on_backplane_down"])
def test_a_backplane_handler_that_fails_is_logged(make_hub, own_redis, handler,
                                                  handler_log, name):
    hub = make_hub(redis_url=own_redis.url)
    getattr(hub, name)(handler(_fails))
    with hub:
        if name == "on_backplane_down":
            own_redis.kill()
        record = handler_log.one()
        assert name in record.getMessage()
        assert hub.running


def test_the_next_message_is_handled_after_one_that_failed(hub, connect, handler,
                                                           handler_log):
    def said(session, data):
        if data == "bad":
            raise ValueError(data)
        session.send(data)

    hub.on_message(handler(said))
    with hub:
        client = connect(hub)
        for text in ("a", "bad", "b", "bad", "c"):
            client.send(text)
        assert client.receive_many(3) == ["a", "b", "c"]
        assert len(handler_log.wait(2)) == 2


def test_an_exception_that_cannot_be_printed_is_no_harm(hub, connect, handler_log):
    class Nasty(Exception):
        def __str__(self):
            raise RuntimeError("not even that")

    def said(session, data):
        if data == "nasty":
            raise Nasty
        session.send(data)

    hub.on_message(said)
    with hub:
        client = connect(hub)
        client.send("nasty")
        handler_log.wait(1)
        assert client.ask("alive") == "alive"


def test_to_send_to_ones_own_closed_session_is_no_failure(hub, connect, handler,
                                                          handler_log, caplog):
    """A client may go at any moment: an application that doesn't care shouldn't have its
    log filled."""
    caplog.set_level(logging.DEBUG, "fanwire")
    hub.on_close(handler(lambda session, code, reason: session.send("too late")))
    done = Seen()
    hub.on_leave(lambda session, room: done(room))
    with hub:
        connect(hub).close()
        record = handler_log.wait(1)[0]
    assert record.levelno == logging.DEBUG


def test_a_cancelled_error_of_a_handlers_own_is_logged_and_kills_nothing(
        hub, connect, handler, handler_log):
    def said(session, data):
        if data == "cancel":
            raise asyncio.CancelledError
        session.send(data)

    hub.on_message(handler(said))
    with hub:
        client = connect(hub)
        client.send("cancel")
        assert client.ask("alive") == "alive"
        assert "CancelledError" in handler_log.one().getMessage()


@pytest.mark.parametrize("wrong", [SystemExit, KeyboardInterrupt])
def test_a_handler_that_asks_to_exit_stops_the_hub(program, wrong):
    """sys.exit() in a handler: the hub drains and the exception goes through run()."""
    p = program("""
        import fanwire, sys
        hub = fanwire.Hub(listen="ws://127.0.0.1:0/ws")
        @hub.on_message
        def said(session, data):
            raise %s
        @hub.on_backplane_up
        def up():
            pass
        import threading, time
        def watch():
            while not hub.urls:
                time.sleep(0.01)
            tell("url", hub.urls[0])
        threading.Thread(target=watch).start()
        try:
            hub.run()
        finally:
            tell("over", hub.running)
    """ % wrong.__name__)
    from support import RawClient, TEXT
    client = RawClient(p.wait("url"))
    try:
        client.send(TEXT, b"x")
        assert p.wait("over") is False
        assert client.receive_close()[0] == 1001
        p.finish()
    finally:
        client.end()
