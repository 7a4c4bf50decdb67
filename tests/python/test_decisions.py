"""Who is let in: verdicts of on_connect as clients see them, and of on_join."""

import asyncio
import threading

import pytest

import fanwire
from support import DEADLINE, Seen, handshake, wait_until


def _open_sessions(hub):
    return hub.stats()["fanwire_sessions"]


# --- on_connect ---

def test_none_lets_in_without_a_user(hub, connect, handler):
    seen = Seen()
    hub.on_connect(handler(lambda request: None))
    hub.on_open(lambda session: seen(session.user))
    with hub:
        connect(hub)
        assert seen.one() is None


@pytest.mark.parametrize("name", ["ann", "Käthe \U0001f600", "x" * 255])
def test_a_returned_name_is_the_sessions_user(hub, connect, handler, name):
    seen = Seen()
    hub.on_connect(handler(lambda request: name))
    hub.on_open(lambda session: seen(session.user))
    with hub:
        client = connect(hub)
        assert seen.one() == name
        hub.send_user(name, "for you")
        assert client.receive() == "for you"


# Of ann, for ever, signed with this secret.
SECRET = "a secret of the tests with 32 bytes"
TOKEN = ("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4ifQ."
         "VlZfbvF0_qDCtqSzRK7uF7pcQ_WwEtdZRu1nmbqwTS4")


def test_whom_a_token_names_is_known_when_the_handler_decides(make_hub, connect, handler):
    hub = make_hub(token_hmac_secret=SECRET)
    asked, opened = Seen(), Seen()

    def decide(request):
        asked(request.user)
        return request.query.get("as")

    hub.on_connect(handler(decide))
    hub.on_open(lambda session: opened(session.user))
    with hub:
        connect(hub, "token=" + TOKEN)
        connect(hub, "as=bob", headers={"Authorization": "Bearer " + TOKEN})
        assert sorted(opened.wait(2)) == ["ann", "bob"]
        assert handshake(hub.urls[0] + "?token=x").status == 401
        assert handshake(hub.urls[0]).status == 401
    assert asked.items == ["ann", "ann"]


def test_without_keys_for_tokens_a_request_has_no_user(hub, connect, handler):
    asked = Seen()
    hub.on_connect(handler(lambda request: asked(request.user)))
    with hub:
        connect(hub, "user=ann&token=" + TOKEN)
        assert asked.one() is None


@pytest.mark.parametrize("status, reason", [
    (403, "members only"), (401, ""), (429, "später"), (400, "a"), (599, "z")])
def test_refuse_is_seen_by_the_client_with_status_and_body(hub, handler, status, reason):
    def asked(request):
        raise fanwire.Refuse(status, reason)

    opened = Seen()
    hub.on_connect(handler(asked))
    hub.on_open(lambda session: opened(session))
    with hub:
        reply = handshake(hub.urls[0])
        assert reply.status == status
        assert reply.body.strip() == reason
        assert _open_sessions(hub) == 0
    assert not opened.items


def test_refuse_without_arguments_is_403(hub, handler):
    def asked(request):
        raise fanwire.Refuse

    hub.on_connect(handler(asked))
    with hub:
        assert handshake(hub.urls[0]).status == 403


def test_refuse_tells_its_status_and_reason():
    e = fanwire.Refuse(404, "no such room")
    assert (e.status, e.reason) == (404, "no such room")
    assert "no such room" in str(e)
    assert fanwire.Refuse().status == 403


@pytest.mark.parametrize("status", [200, 101, 399, 600, -1])
def test_a_status_that_is_no_refusal_is_a_value_error_where_it_is_written(status):
    with pytest.raises(ValueError, match="400"):
        fanwire.Refuse(status, "why")


@pytest.mark.parametrize("arguments", [("403", "x"), (403, 5), (None, "x"), (403, b"x")])
def test_a_refusal_of_wrong_types_is_a_type_error(arguments):
    with pytest.raises(TypeError):
        fanwire.Refuse(*arguments)


@pytest.mark.parametrize("reason", ["two\nlines", "a\rb", "a\0b", "\udcff"])
def test_a_reason_that_no_client_can_be_told_is_a_value_error(reason):
    with pytest.raises(ValueError):
        fanwire.Refuse(403, reason)


def test_a_reason_of_several_lines_still_refuses(hub, handler_log):
    """The reason of an HTTP answer is one line; the client must not get in over that."""
    def asked(request):
        raise fanwire.Refuse(403, "first\nsecond\r\nX-Injected: yes")

    hub.on_connect(asked)
    with hub:
        try:
            reply = handshake(hub.urls[0])
        except ConnectionError:
            pytest.fail("no answer")
    assert reply.status in (403, 500)
    assert "x-injected" not in reply.headers


@pytest.mark.parametrize("wrong", [5, b"ann", ["ann"], object()])
def test_a_verdict_of_a_wrong_type_is_logged_and_500(hub, handler, handler_log, wrong):
    hub.on_connect(handler(lambda request: wrong))
    with hub:
        assert handshake(hub.urls[0]).status == 500
        record = handler_log.one()
    text = record.getMessage() + str(record.exc_info and record.exc_info[1])
    assert "on_connect" in text and (type(wrong).__name__ in text or repr(wrong) in text)


@pytest.mark.parametrize("name", ["", "x" * 256, "a\nb", "a\0b", "\ud800"])
def test_a_user_name_that_is_not_allowed_is_logged_and_500(hub, handler, handler_log,
                                                           name):
    hub.on_connect(handler(lambda request: name))
    with hub:
        assert handshake(hub.urls[0]).status == 500
        assert "on_connect" in handler_log.one().getMessage()


def test_no_verdict_in_time_is_503(make_hub):
    hub = make_hub(decision_timeout="100ms")
    entered = Seen()

    async def asked(request):
        entered(1)
        await asyncio.Event().wait()

    hub.on_connect(asked)
    with hub:
        assert handshake(hub.urls[0]).status == 503
        entered.wait(1)


def test_a_verdict_that_comes_too_late_is_no_error(make_hub, connect):
    hub = make_hub(decision_timeout="100ms")
    late, go = Seen(), threading.Event()

    async def asked(request):
        if request.query.get("slow"):
            await asyncio.get_running_loop().run_in_executor(None, go.wait)
        late(1)
        return "ann"

    hub.on_connect(asked)
    hub.on_message(lambda session, data: session.send(data))
    with hub:
        assert handshake(hub.urls[0] + "?slow=1").status == 503
        go.set()
        late.wait(1)
        assert connect(hub).ask("x") == "x"


def test_connects_are_asked_side_by_side(hub, client_loop, connect):
    """As many must be inside at once as there are clients; one by one they'd stay."""
    inside, everybody = [], []

    async def asked(request):
        inside.append(1)
        if not everybody:
            everybody.append(asyncio.Event())
        if len(inside) == 5:
            everybody[0].set()
        await everybody[0].wait()

    hub.on_connect(asked)
    with hub:
        threads = [threading.Thread(target=connect, args=(hub,)) for _ in range(5)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        wait_until(lambda: _open_sessions(hub) == 5, "five sessions")


def test_the_state_of_the_request_becomes_the_sessions(hub, connect, handler):
    seen = Seen()

    def asked(request):
        request.state["token"] = request.query["token"]

    hub.on_connect(handler(asked))
    hub.on_open(lambda session: seen(session.state))
    hub.on_message(lambda session, data: seen(session.state))
    hub.on_close(lambda session, code, reason: seen(session.state))
    with hub:
        client = connect(hub, "token=abc")
        client.send("x")
        seen.wait(2)
        client.close()
        first, second, third = seen.wait(3)
    assert first == {"token": "abc"}
    assert first is second is third


def test_each_request_has_a_state_of_its_own(hub, connect):
    seen = Seen()

    def asked(request):
        assert request.state == {}
        request.state["n"] = request.query["n"]

    hub.on_connect(asked)
    hub.on_open(lambda session: seen(session.query["n"], session.state["n"]))
    with hub:
        for n in "12345":
            connect(hub, "n=" + n)
        for asked_for, kept in seen.wait(5):
            assert asked_for == kept


def test_the_request_has_the_id_that_the_session_will_have(hub, connect):
    ids = Seen()
    hub.on_connect(lambda request: ids(request.id))
    hub.on_open(lambda session: ids(session.id))
    with hub:
        connect(hub)
        asked, opened = ids.wait(2)
    assert asked == opened


def test_the_state_of_refused_requests_is_not_kept(hub, connect):
    import gc
    import weakref

    class Big:
        pass

    kept = []

    def asked(request):
        big = Big()
        kept.append(weakref.ref(big))
        request.state["big"] = big
        raise fanwire.Refuse(403, "no")

    hub.on_connect(asked)
    with hub:
        for _ in range(20):
            assert handshake(hub.urls[0]).status == 403

        def gone():
            gc.collect()
            return all(ref() is None for ref in kept)

        wait_until(gone, "the states of refused requests are gone")


# --- on_join ---

def _refuse(session, room):
    raise fanwire.Refuse(403, "not for you")


@pytest.mark.parametrize("verdict", [lambda *_: None, lambda *_: True])
def test_none_and_true_let_into_the_room(hub, connect, handler, verdict):
    hub.on_join(handler(verdict))

    async def said(session, data):
        await session.join("r")
        session.send("in")

    hub.on_message(said)
    with hub:
        client = connect(hub)
        assert client.ask("join") == "in"
        hub.publish("r", "x")
        assert client.receive() == "x"


@pytest.mark.parametrize("verdict", [lambda *_: False, _refuse])
def test_false_and_refuse_keep_out_of_the_room(hub, connect, handler, verdict):
    hub.on_join(handler(verdict))

    async def said(session, data):
        try:
            await session.join("r")
        except fanwire.RefusedError as e:
            session.send("refused: " + str(e))

    hub.on_message(said)
    with hub:
        client = connect(hub)
        answer = client.ask("join")
        assert answer.startswith("refused: ")
        if verdict is _refuse:
            assert "not for you" in answer
        hub.publish("r", "not heard")
        hub.broadcast("end")
        assert client.receive() == "end"


def test_an_exception_in_on_join_is_logged_and_refuses(hub, connect, handler,
                                                       handler_log):
    def asked(session, room):
        raise KeyError("broken")

    hub.on_join(handler(asked))

    async def said(session, data):
        with pytest.raises(fanwire.RefusedError):
            await session.join("r")
        session.send("refused")

    hub.on_message(said)
    with hub:
        assert connect(hub).ask("join") == "refused"
        record = handler_log.one()
    assert "on_join" in record.getMessage() and record.exc_info[0] is KeyError
    assert "broken" not in str(record.session)


def test_a_wrong_verdict_of_on_join_is_logged_and_refuses(hub, connect, handler,
                                                          handler_log):
    hub.on_join(handler(lambda session, room: "yes"))

    async def said(session, data):
        with pytest.raises(fanwire.RefusedError):
            await session.join("r")
        session.send("refused")

    hub.on_message(said)
    with hub:
        assert connect(hub).ask("join") == "refused"
        record = handler_log.one()
    assert "on_join" in record.getMessage()


def test_a_handler_that_awaits_its_own_join_is_not_stuck(hub, connect, handler):
    """on_join is asked at once then, though a handler of that session still runs."""
    seen = Seen()
    hub.on_join(handler(lambda session, room: seen(room)))

    async def opened(session):
        await session.join("a")
        await session.join("b")
        session.send("in both")

    hub.on_open(opened)
    with hub:
        assert connect(hub).receive() == "in both"
    assert seen.items == ["a", "b"]


def test_a_task_that_the_handler_started_and_awaits_may_join(hub, connect):
    hub.on_join(lambda session, room: None)

    async def opened(session):
        await asyncio.gather(session.join("a"), session.join("b"))
        session.send("in both")

    hub.on_open(opened)
    with hub:
        assert connect(hub).receive() == "in both"


def test_a_join_that_others_ask_for_is_asked_in_the_sessions_order(hub, connect):
    """It waits until the handler before it has finished, as any event of the session."""
    seen, entered, gate = Seen(), Seen(), []

    async def said(session, data):
        gate.append(asyncio.Event())
        entered(session, asyncio.get_running_loop())
        await gate[0].wait()
        seen("said")

    hub.on_message(said)
    hub.on_join(lambda session, room: seen("asked " + room))
    with hub:
        connect(hub).send("x")
        session, loop = entered.one()
        answer = session.join("r")
        connect(hub).send("x")
        entered.wait(2)  # what came later, of another session, is being handled
        assert not answer.done() and not seen.items
        loop.call_soon_threadsafe(gate[0].set)
        assert answer.result(DEADLINE) == fanwire.Joined(None, False)
    assert "said" in seen.items[:seen.items.index("asked r")]


def test_a_handlers_own_join_is_asked_beside_it(hub, connect):
    """At once, whether it is awaited or not: it may be awaited later."""
    seen = Seen()

    async def said(session, data):
        answer = session.join("r")
        await asyncio.sleep(0.05)
        seen("said")
        await answer
        session.send("in")

    hub.on_message(said)
    hub.on_join(lambda session, room: seen("asked"))
    with hub:
        assert connect(hub).ask("x") == "in"
    assert sorted(seen.items) == ["asked", "said"]


def test_no_verdict_about_a_join_in_time_is_a_timeout(make_hub, connect):
    hub = make_hub(decision_timeout="100ms")

    async def asked(session, room):
        await asyncio.sleep(0.5)

    async def said(session, data):
        try:
            await session.join("r")
        except fanwire.TimedOutError as e:
            assert isinstance(e, TimeoutError)
            session.send("timed out")

    hub.on_join(asked)
    hub.on_message(said)
    with hub:
        assert connect(hub).ask("join") == "timed out"
