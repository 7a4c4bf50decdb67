"""Clients of the Centrifuge protocol: what they say as they connect, and their calls."""

import asyncio
import base64
import hashlib
import hmac
import json
import time

import fanwire
from support import Seen

SECRET = "a secret of the tests with 32 bytes"
EXPIRED = 109  # the protocol's number for a token whose time is over


def _enter(hub, connect, data=None, **request):
    client = connect(hub.urls[0].replace("/ws", "/connection/websocket"))
    if data is not None:
        request["data"] = data
    client.send(json.dumps({"id": 1, "connect": request}))
    return client


def _token(**claims):
    def part(said):
        return base64.urlsafe_b64encode(said).rstrip(b"=")

    said = part(b'{"alg":"HS256"}') + b"." + part(json.dumps(claims).encode())
    sign = hmac.new(SECRET.encode(), said, hashlib.sha256).digest()
    return (said + b"." + part(sign)).decode()


def _soon_over(ask):
    """Asks with a time that is over as soon as may be, and not before it is looked at."""
    for seconds in (1, 2, 4, 8, 16):
        client, answer = ask(int(time.time()) + seconds)
        if answer.get("error", {}).get("code") != EXPIRED:
            assert "error" not in answer, answer
            return client
    raise AssertionError("slower than 16 seconds")


def _ask(client, number, **rpc):
    client.send(json.dumps({"id": number, "rpc": rpc}))
    return json.loads(client.receive())


def test_the_request_has_what_the_client_said(hub, connect, handler):
    seen = Seen()

    def decide(request):
        seen(request.data)
        return json.loads(request.data)["name"] if request.data else None

    hub.on_connect(handler(decide))
    with hub:
        client = _enter(hub, connect, {"name": "ann"})
        assert json.loads(client.receive())["connect"]["ping"] == 25
        assert seen.one() == '{"name": "ann"}'
        connect(hub)
        assert seen.wait(2)[1] is None


def test_a_refused_client_of_this_protocol_is_told_the_status(hub, connect, handler):
    def decide(request):
        raise fanwire.Refuse(403, "not today")

    hub.on_connect(handler(decide))
    with hub:
        answer = json.loads(_enter(hub, connect).receive())
        assert answer["error"] == {"code": 403, "message": "not today"}


def test_a_call_is_answered_with_what_the_handler_returns(make_hub, connect, handler):
    hub = make_hub(client_insecure=True)
    answers = {"text": '{"a": 1}', "plain": "hello", "dict": {"b": [None]}, "none": None,
               "bytes": b"\x01\x02"}

    def called(session, method, data):
        return answers.get(method, data)

    hub.on_rpc(handler(called))
    with hub:
        client = _enter(hub, connect)
        client.receive()
        wanted = {"text": {"a": 1}, "plain": "hello", "dict": {"b": [None]}, "none": None,
                  "bytes": "\x01\x02"}
        for number, (method, want) in enumerate(wanted.items(), 2):
            assert _ask(client, number, method=method) == {
                "id": number, "rpc": {"data": want}}
        assert _ask(client, 9, method="echo", data=[1])["rpc"]["data"] == [1]


def test_a_call_that_fails_is_an_error(make_hub, connect, handler, handler_log):
    hub = make_hub(client_insecure=True)

    def called(session, method, data):
        if method == "refused":
            raise fanwire.Refuse(404, "no such method")
        if method == "wrong":
            return 7
        raise RuntimeError("broken")

    hub.on_rpc(handler(called))
    with hub:
        client = _enter(hub, connect)
        client.receive()
        assert _ask(client, 2, method="refused")["error"] == {
            "code": 404, "message": "no such method"}
        for number, method in ((3, "wrong"), (4, "broken")):
            assert _ask(client, number, method=method)["error"] == {
                "code": 500, "message": "the application failed"}
    wrong, broken = (record.getMessage() for record in handler_log.items)
    assert "TypeError" in wrong and "broken" in broken


def test_what_a_client_says_in_a_room_is_decided_by_the_handler(make_hub, connect,
                                                                handler):
    hub = make_hub(raw_mode="rooms", client_insecure=True)
    seen = Seen()

    def decide(session, room, data):
        seen((room, data))
        if data == "rude":
            return False
        if data == '"wait"':
            raise fanwire.Refuse(400, "wait")
        return {"said": "quiet"} if data == "loud" else None

    hub.on_publish(handler(decide))
    with hub:
        raw, client = connect(hub, "room=a"), _enter(hub, connect)
        client.receive()
        for said in ("hello", b"\x01", "rude", "loud", "there"):
            raw.send(said)
        assert [raw.receive() for _ in range(4)] == [
            "hello", b"\x01", '{"said":"quiet"}', "there"]
        client.send('{"id":2,"publish":{"channel":"a","data":"wait"}}')
        assert json.loads(client.receive()) == {
            "id": 2, "error": {"code": 400, "message": "wait"}}
        client.send('{"id":3,"publish":{"channel":"a","data":1}}')
        assert json.loads(client.receive()) == {"id": 3, "publish": {}}
        assert raw.receive() == "1"
        assert seen.wait(7) == [("a", "hello"), ("a", b"\x01"), ("a", "rude"),
                                ("a", "loud"), ("a", "there"), ("a", '"wait"'),
                                ("a", "1")]


def test_who_may_stay_is_decided_when_the_time_is_over(make_hub, connect, handler,
                                                       handler_log):
    hub = make_hub(token_hmac_secret=SECRET, heartbeat_interval="1h",
                   decision_timeout="1m")
    seen = Seen()
    later = time.time() + 3600

    def stays(session):
        seen(session.user)
        return {"ann": later, "bob": False}.get(session.user)  # of carl: a mistake

    def stays_in(session, room):
        seen(room)
        return int(later) if room == "$a" else False

    hub.on_refresh(handler(stays))
    hub.on_sub_refresh(handler(stays_in))

    def enter(user):
        def ask(until):
            client = _enter(hub, connect, token=_token(sub=user, exp=until))
            return client, json.loads(client.receive())

        return _soon_over(ask)

    def subscribe(client, user, room):
        def ask(until):
            token = _token(sub=user, channel=room, exp=until)
            client.send(json.dumps({"id": 2, "subscribe": {"channel": room,
                                                           "token": token}}))
            return client, json.loads(client.receive())

        _soon_over(ask)

    with hub:
        dora = _enter(hub, connect, token=_token(sub="dora"))
        dora.receive()
        subscribe(dora, "dora", "$a")
        subscribe(dora, "dora", "$b")
        ended = json.loads(dora.receive())["push"]
        assert (ended["channel"], ended["unsubscribe"]["code"]) == ("$b", 2501)
        ann, bob, carl = map(enter, ("ann", "bob", "carl"))
        assert bob.wait_closed()[0] == 3005
        assert sorted(seen.wait(5)) == ["$a", "$b", "ann", "bob", "carl"]
        assert "TypeError" in handler_log.one().getMessage()
        for stayed in (ann, carl, dora):
            assert _ask(stayed, 3, method="anything")["id"] == 3


def test_an_answer_that_is_nested_too_deeply_is_a_failed_call(make_hub, connect, handler,
                                                              handler_log):
    hub = make_hub(client_insecure=True)
    deep = []
    for _ in range(200_000):
        deep = [deep]

    hub.on_rpc(handler(lambda session, method, data: deep if method == "deep" else [1]))
    with hub:
        client = _enter(hub, connect)
        client.receive()
        assert _ask(client, 2, method="deep")["error"]["code"] == 500
        assert _ask(client, 3, method="flat")["rpc"] == {"data": [1]}
    assert "RecursionError" in handler_log.one().getMessage()
    while deep:  # or the interpreter's stack would be needed to free it
        deep = deep.pop()


def test_who_is_in_stays_though_the_handler_that_decides_is_cancelled(make_hub, connect,
                                                                      handler_log):
    hub = make_hub(token_hmac_secret=SECRET, heartbeat_interval="1h",
                   decision_timeout="1m")

    async def stays(session):
        raise asyncio.CancelledError

    hub.on_refresh(stays)
    with hub:
        def ask(until):
            client = _enter(hub, connect, token=_token(sub="ann", exp=until))
            return client, json.loads(client.receive())

        client = _soon_over(ask)
        assert "CancelledError" in handler_log.one().getMessage()
        assert _ask(client, 3, method="anything")["id"] == 3
