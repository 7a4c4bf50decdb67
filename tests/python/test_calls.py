"""Clients of the Centrifuge protocol: what they say as they connect, and their calls."""

import json

import fanwire
from support import Seen


def _enter(hub, connect, data=None):
    client = connect(hub.urls[0].replace("/ws", "/connection/websocket"))
    request = {} if data is None else {"data": data}
    client.send(json.dumps({"id": 1, "connect": request}))
    return client


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
