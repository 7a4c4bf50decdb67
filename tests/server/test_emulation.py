"""Clients of the Centrifuge protocol without WebSocket: streams of events and of lines,
and the requests by which they speak, to whichever node these come."""

import http.client
import json
import socket
import urllib.parse

import pytest

from conftest import DEADLINE, wait_until

CONNECT = '{"id":1,"connect":{}}'


def ask(url, method, path, body="", headers=None):
    """The answer to a request that is sent in one piece, so that it has come whole even
    if it is answered before its end."""
    at = urllib.parse.urlsplit(url)
    lines = {"Host": at.netloc, "Content-Length": len(body.encode()), **(headers or {})}
    head = f"{method} {path} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    with socket.create_connection((at.hostname, at.port), timeout=DEADLINE) as s:
        s.sendall(f"{head}\r\n{body}".encode())
        answer = http.client.HTTPResponse(s, method=method)
        answer.begin()  # it reads on by a file of its own
    return answer


class Client:
    """Hears by a stream of that kind, from one node; speaks to any."""

    def __init__(self, f, kind, first=CONNECT):
        if kind == "sse":
            path = "/connection/sse?cf_connect=" + urllib.parse.quote(first)
            self.answer = ask(f.url, "GET", path)
        else:
            self.answer = ask(f.url, "POST", "/connection/http_stream", first)
        self.status = self.answer.status

    def connect(self):
        assert self.status == 200
        told = self.hear()["connect"]
        self.session, self.node = told["session"], told["node"]
        return self

    def hear(self):
        """The next thing that it is told; None at the end."""
        while True:
            line = self.answer.readline()
            if not line.endswith(b"\n"):
                return None
            text = line[:-1].decode().removeprefix("data: ")
            if text:
                return json.loads(text)

    def request(self, *commands, **instead):
        data = "\n".join(json.dumps(c) for c in commands)
        return json.dumps({"session": self.session, "node": self.node, "data": data,
                           **instead})

    def say(self, f, *commands, **instead):
        return ask(f.url, "POST", "/emulation", self.request(*commands, **instead)).status

    def close(self):
        self.answer.close()


@pytest.fixture(params=["sse", "http_stream"])
def kind(request):
    return request.param


def test_it_speaks_to_any_node_and_hears_by_its_stream(fanwired, redis_url, kind):
    options = ("--redis.url", redis_url, "--redis.required", "on", "--client.insecure",
               "on")
    one, two = fanwired(*options), fanwired(*options, "--threads", "2")
    client = Client(one, kind).connect()
    for number, f in enumerate((one, two)):
        room = f"room{number}"
        assert client.say(f, {"id": 2, "subscribe": {"channel": room}}) == 204
        assert client.hear() == {"id": 2, "subscribe": {}}
        assert client.say(f, {"id": 3, "publish": {"channel": room, "data": "line\n"}},
                          {"id": 4, "ping": {}}) == 204
        told = [client.hear() for _ in range(3)]
        assert {"id": 3, "publish": {}} in told and {"id": 4, "ping": {}} in told
        pushed = [t["push"]["pub"]["data"] for t in told if "push" in t]
        assert pushed == ["line\n"]
    client.close()
    wait_until(lambda: client.say(one, {}) == 404, "the session is gone")


def test_who_speaks_to_a_node_that_is_gone_is_told(fanwired, redis_url):
    options = ("--redis.url", redis_url, "--redis.required", "on", "--client.insecure",
               "on", "--node.lease", "3s")
    one, two = fanwired(*options), fanwired(*options)
    client = Client(two, "http_stream").connect()
    assert client.say(one, {"id": 2, "ping": {}}) == 204
    assert client.hear() == {"id": 2, "ping": {}}
    one.wait_for_log("node up")
    two.process.kill()
    assert client.hear() is None
    wait_until(lambda: client.say(one, {}) == 404, "it knows that the other is gone")


def test_the_end_is_a_push(fanwired, kind):
    f = fanwired("--client.insecure", "on")
    client = Client(f, kind).connect()
    assert client.say(f, {"id": 2, "connect": {}}) == 204
    assert client.hear() == {"push": {"disconnect": {"code": 3501,
                                                     "reason": "connected already"}}}
    assert client.hear() is None


def test_what_is_no_connect_ends_it(fanwired, kind):
    f = fanwired("--client.insecure", "on")
    for first in ("x", '{"id":1,"ping":{}}', "[]"):
        client = Client(f, kind, first)
        assert client.status == 200
        assert client.hear()["push"]["disconnect"]["code"] == 3501
        assert client.hear() is None
    assert Client(f, kind, "").status == 400


@pytest.mark.parametrize("body, status", [
    ("", 400), ("x", 400), ("{}", 400), ('{"session":"a","node":"b","data":"{}"}', 400),
    ("x" * 4000, 413)])
def test_a_wrong_request_is_refused_and_harms_nobody(fanwired, body, status):
    f = fanwired("--client.insecure", "on", "--message.max_bytes", "1KiB")
    client = Client(f, "http_stream").connect()
    assert ask(f.url, "POST", "/emulation", body).status == status
    forged = client.session[:-1] + ("0" if client.session[-1] != "0" else "1")
    assert client.say(f, {"id": 2, "ping": {}}, session=forged) == 404
    assert client.say(f, {"id": 2, "ping": {}}, node="00000000000000ff") == 404
    assert client.say(f, {"id": 3, "ping": {}}) == 204
    assert client.hear() == {"id": 3, "ping": {}}
    client.close()


def test_the_first_request_may_be_as_long_as_a_message(fanwired):
    f = fanwired("--client.insecure", "on", "--message.max_bytes", "1KiB")
    Client(f, "http_stream", CONNECT + " " * (1024 - len(CONNECT))).connect().close()
    assert Client(f, "http_stream", CONNECT + " " * 1024).status == 413


def test_each_method_gets_its_status_and_pages_their_headers(fanwired):
    f = fanwired("--client.insecure", "on", "--origins", "https://shop.example")
    ours = {"Origin": "https://shop.example"}
    for path in ("/connection/http_stream", "/emulation"):
        for method in ("GET", "HEAD", "PUT"):
            answer = ask(f.url, method, path)
            assert (answer.status, answer.headers["Allow"]) == (405, "POST, OPTIONS")
        before = ask(f.url, "OPTIONS", path, headers=ours)
        assert before.status == 204
        assert before.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert before.headers["Access-Control-Allow-Methods"] == "POST"
        assert "Content-Type" in before.headers["Access-Control-Allow-Headers"]
        evil = ask(f.url, "POST", path, CONNECT, {"Origin": "https://evil.example"})
        assert evil.status == 403
        assert evil.headers["Access-Control-Allow-Origin"] is None
        binary = ask(f.url, "POST", path, "x",
                     {"Content-Type": "application/octet-stream"})
        assert binary.status == 400 and b"Protobuf" in binary.read()
    refused = ask(f.url, "POST", "/emulation", "x", ours)
    assert refused.status == 400
    assert refused.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert ask(f.url, "POST", "/connection/sse", "x").status == 405
    stream = ask(f.url, "POST", "/connection/http_stream", CONNECT, ours)
    assert stream.status == 200
    assert stream.headers["Content-Type"] == "application/x-ndjson"
    assert stream.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    stream.close()


def test_the_paths_are_options(fanwired):
    f = fanwired("--client.insecure", "on", "--centrifuge.emulation.path", "off",
                 "--centrifuge.sse.path", "/events", "--centrifuge.http_stream.path",
                 "off")
    for path in ("/emulation", "/connection/http_stream", "/connection/sse"):
        assert ask(f.url, "GET", path).status == 404
    assert ask(f.url, "POST", "/connection/http_stream", CONNECT).status == 413
    assert ask(f.url, "GET", "/events").status == 400
    assert ask(f.url, "GET", "/ws").status == 426


def test_an_address_may_speak_so_often_whatever_it_says(fanwired):
    f = fanwired("--client.insecure", "on", "--limit.emulation_rate_per_address", "1")
    client = Client(f, "http_stream").connect()
    wait_until(lambda: client.say(f, {"id": 2, "ping": {}}) == 429, "the limit")
    assert client.hear() == {"id": 2, "ping": {}}
    client.close()


def test_what_is_said_and_refused_is_counted(fanwired):
    f = fanwired("--client.insecure", "on")
    client = Client(f, "http_stream").connect()
    other = Client(f, "sse").connect()
    assert client.say(f, {"id": 2, "ping": {}}) == 204
    assert client.say(f, node="x") == 400
    _, _, page = f.get("/metrics")
    for line in ('fanwire_protocol_sessions{protocol="centrifuge_http_stream"} 1',
                 'fanwire_protocol_sessions{protocol="centrifuge_sse"} 1',
                 'fanwire_emulation_requests_total{result="taken"} 1',
                 'fanwire_emulation_requests_total{result="refused"} 1'):
        assert line in page.splitlines()
    client.close()
    other.close()
