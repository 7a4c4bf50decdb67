"""The HTTP API as back ends use it, and as those do who shouldn't: statuses, hostile
bodies, kept connections, several nodes; and that the examples of its manual are true."""

import asyncio
import http.client
import json
import pathlib
import re
import shlex
import signal
import socket
import urllib.error
import urllib.request

import pytest
import websockets

from conftest import DEADLINE, wait_until

KEY = "correct-horse"
MANUAL = pathlib.Path(__file__).resolve().parents[2] / "docs" / "http-api.md"
OPTIONS = ["--api.key", "other," + KEY, "--namespace.news.history.size", "100",
           "--namespace.team.presence", "on", "--user.presence", "on"]


@pytest.fixture
def node(fanwired):
    return fanwired(*OPTIONS)


class Caller:
    """A client that keeps its connection."""

    def __init__(self, f, key=KEY):
        host, _, port = f.http.partition(":")
        self.connection = http.client.HTTPConnection(host, int(port), timeout=DEADLINE)
        self.headers = {"X-API-Key": key} if key else {}

    def __call__(self, method, body, **headers):
        """(status, answer), of an object or of what is no JSON."""
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        self.connection.request("POST", "/api/" + method, data,
                                {**self.headers, **headers})
        answer = self.connection.getresponse()
        text = answer.read().decode()
        kind = answer.headers["Content-Type"]
        return answer.status, json.loads(text) if kind == "application/json" else text

    def result(self, method, **parameters):
        status, answer = self(method, parameters)
        assert status == 200 and "error" not in answer, answer
        return answer["result"]

    def close(self):
        self.connection.close()


def raw(f, data, shut=False):
    """What comes back for these bytes, until the end."""
    host, _, port = f.http.partition(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE) as s:
        s.sendall(data)
        if shut:
            s.shutdown(socket.SHUT_WR)
        got = b""
        while piece := s.recv(65536):
            got += piece
        return got


async def in_thread(call, *args):
    return await asyncio.get_running_loop().run_in_executor(None, call, *args)


async def hear(socket_, seconds=DEADLINE):
    return await asyncio.wait_for(socket_.recv(), seconds)


# ---- what it does ----------------------------------------------------------------------

def test_what_is_published_reaches_members_on_all_nodes(fanwired, redis_url):
    first = fanwired("--redis.url", redis_url, *OPTIONS)
    second = fanwired("--redis.url", redis_url, *OPTIONS)
    call = Caller(first)

    async def scenario():
        async with websockets.connect(second.url + "?room=a&user=ann") as ann:
            async with websockets.connect(first.url + "?room=a") as bob:
                await in_thread(wait_until, lambda: call.result("info")["nodes"][1:],
                                "two nodes")
                # The members are there when their own words come back.
                for s in (ann, bob):
                    await s.send("here")
                    await hear(s)
                assert await in_thread(
                    lambda: call.result("publish", channel="a", data={"n": [1]})) == {}
                for s in (ann, bob):
                    while (text := await hear(s)) == "here":
                        pass
                    assert text == '{"n": [1]}'
                await in_thread(lambda: call.result("subscribe", user="ann",
                                                    channel="offers"))
                await in_thread(wait_until, lambda: Caller(second).result(
                    "channels", pattern="offers")["channels"], "ann is in the room")
                await in_thread(lambda: call.result("publish", channel="offers", data=1))
                assert await hear(ann) == "1"
                await in_thread(lambda: call.result(
                    "disconnect", user="ann", disconnect={"code": 4001, "reason": "x"}))
                with pytest.raises(websockets.ConnectionClosed) as closed:
                    await hear(ann)
                assert closed.value.rcvd.code == 4001

    asyncio.run(scenario())


def test_what_is_given_with_a_room_reaches_a_client_of_another_node(fanwired, redis_url):
    options = ("--redis.url", redis_url, "--redis.required", "on", *OPTIONS,
               "--client.insecure", "on")
    first, second = fanwired(*options), fanwired(*options)

    async def scenario():
        url = second.url.replace("/ws", "/connection/websocket")
        async with websockets.connect(url) as ws:
            await ws.send('{"id":1,"connect":{}}')
            client = json.loads(await hear(ws))["connect"]["client"]
            await in_thread(lambda: Caller(first).result(
                "subscribe", client=client, channel="offers", data=[1]))
            assert json.loads(await hear(ws)) == {"push": {
                "channel": "offers", "subscribe": {"data": [1]}}}

    asyncio.run(scenario())


def test_positions_of_all_nodes_are_one(fanwired, redis_url):
    nodes = [Caller(fanwired("--redis.url", redis_url, *OPTIONS)) for _ in range(2)]
    places = [nodes[i % 2].result("publish", channel="news:a", data=i) for i in range(6)]
    assert [p["offset"] for p in places] == [1, 2, 3, 4, 5, 6]
    assert len({p["epoch"] for p in places}) == 1
    kept = nodes[1].result("history", channel="news:a", limit=-1)
    assert [m["data"] for m in kept["publications"]] == list(range(6))
    again = [n.result("publish", channel="news:a", data=9, idempotency_key="once")
             for n in nodes]
    assert again[0] == again[1] and again[0]["offset"] == 7


def test_redis_that_is_away_is_an_error_in_time(fanwired, tmp_path):
    f = fanwired("--redis.url", f"redis+unix://{tmp_path}/nobody.sock",
                 "--api.timeout", "300ms", *OPTIONS)
    call = Caller(f)
    for method, parameters in (("publish", {"channel": "news:a", "data": 1}),
                               ("history", {"channel": "news:a"}),
                               ("history_remove", {"channel": "news:a"}),
                               ("presence", {"channel": "team:a"})):
        status, answer = call(method, parameters)
        assert status == 200 and answer["error"]["code"] == 100, (method, answer)


# ---- statuses --------------------------------------------------------------------------

def test_keys(node):
    for key in (KEY, "other"):
        assert Caller(node, key)("info", {})[0] == 200
    assert Caller(node, None)("info", {}, Authorization="apikey " + KEY)[0] == 200
    for key in ("", "x", KEY + "x", KEY[:-1], "other," + KEY):
        status, answer = Caller(node, key)("info", {})
        assert status == 401 and answer["error"]["code"] == 101
    assert Caller(node, None)("info", {}, Authorization="Bearer " + KEY)[0] == 401
    assert "fanwire_api_unauthorized_total 6\n" in node.get("/metrics")[2]


def test_without_a_key_of_its_own_there_is_no_api(fanwired):
    assert Caller(fanwired(), "")("info", {})[0] == 404


def test_a_key_isn_t_shown(fanwired):
    f = fanwired("--api.key", "s3cr3t", "--log.level", "trace")
    Caller(f, "wr0ng")("info", {})
    assert Caller(f, "s3cr3t")("info", {})[0] == 200
    assert "s3cr3t" not in f.err() and "wr0ng" not in f.err()


def test_a_draining_node_answers_503_and_is_still_healthy(fanwired):
    f = fanwired("--drain.rate", "1", *OPTIONS)

    async def scenario():
        members = [await websockets.connect(f.url + "?room=a") for _ in range(20)]
        f.signal(signal.SIGTERM)
        await in_thread(wait_until, lambda: '"draining"' in f.get("/health")[2],
                        "it drains")
        status, answer = await in_thread(Caller(f), "info", {})
        assert status == 503 and "draining" in answer["error"]["message"]
        for m in members:
            m.transport.abort()

    asyncio.run(scenario())


def test_unknown_methods_and_paths(node):
    call = Caller(node)
    for method in ("rpc", "publish/", "Publish", "..%2finfo"):
        status, answer = call(method, {})
        assert status == 404 and answer["error"]["code"] == 104, method
    assert node.get("/api/info")[0] == 401  # without a key


# ---- hostile bodies --------------------------------------------------------------------

HOSTILE = [
    ("nothing", ""), ("a brace", "{"), ("an array", "[]"), ("a string", '"x"'),
    ("deep arrays", "[" * 100_000), ("deep objects", '{"a":' * 100_000),
    ("deep data", '{"channel":"a","data":' + "[" * 65 + "]" * 65 + "}"),
    ("no UTF-8", b'{"channel":"\xff","data":1}'), ("a NUL", b'{"channel":"a\0"}'),
    ("half an escape", '{"channel":"\\u00"}'), ("a control character", '{"a":"\n"}'),
    ("single quotes", "{'channel':'a'}"), ("a comma", '{"channel":"a",}'),
    ("NaN", '{"data":NaN}'), ("0x", '{"data":0x1}'), ("a sign", '{"data":+1}'),
    ("two values", "{}{}"), ("channel is an object", '{"channel":{},"data":1}'),
    ("tags are a string", '{"channel":"a","data":1,"tags":"x"}'),
    ("bytes of another kind", '{"channel":"a","b64data":1}'),
]


@pytest.mark.parametrize("body", [h[1] for h in HOSTILE], ids=[h[0] for h in HOSTILE])
def test_what_is_malformed_is_400_and_says_where(node, body):
    call = Caller(node)
    status, answer = call("publish", body)
    assert status == 400 and answer["error"]["code"] == 107
    assert re.search(r"\(byte \d+\)$", answer["error"]["message"])
    # The same connection goes on, and nothing is broken.
    assert call.result("publish", channel="a", data=1) == {}


def test_a_body_that_is_too_large_is_413(fanwired):
    f = fanwired("--api.max_bytes", "1000", *OPTIONS)
    fits = '{"channel":"a","data":"' + "x" * 975 + '"}'
    assert len(fits) == 1000 and Caller(f)("publish", fits)[0] == 200
    assert Caller(f)("publish", fits + " ")[0] == 413
    chunked = (b"POST /api/publish HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n"
               b"Transfer-Encoding: chunked\r\n\r\n" % KEY.encode())
    assert raw(f, chunked + b"3e9\r\n").startswith(b"HTTP/1.1 413 ")
    assert raw(f, chunked + b"2\r\n{}\r\n0\r\n\r\n", shut=True).startswith(
        b"HTTP/1.1 200 ")
    # Who may not call has no body read, however large it says it is.
    assert raw(f, b"POST /api/publish HTTP/1.1\r\nHost: x\r\n"
                  b"Content-Length: 99999999\r\n\r\n").startswith(b"HTTP/1.1 401 ")
    assert ('fanwire_limit_hits_total{limit="api_max_bytes"} 2\n'
            in f.get("/metrics")[2])


def test_a_message_that_is_too_large_is_refused_by_the_method(fanwired):
    f = fanwired("--message.max_bytes", "100", *OPTIONS)
    status, answer = Caller(f)("publish", {"channel": "a", "data": "x" * 99})
    assert status == 200 and answer["error"]["code"] == 106


def test_a_slow_request_is_408(fanwired):
    f = fanwired("--http.request_timeout", "2s", *OPTIONS)  # for good ones, too
    for half in (b"POST /api/publish HT",
                 b"POST /api/publish HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n"
                 b"Content-Length: 10\r\n\r\n{" % KEY.encode()):
        assert raw(f, half).startswith(b"HTTP/1.1 408 ")
    assert ('fanwire_limit_hits_total{limit="http_request_timeout"} 2\n'
            in f.get("/metrics")[2])


def test_more_connections_than_allowed_are_503(fanwired):
    f = fanwired("--limit.http_connections", "3", *OPTIONS)
    callers = [Caller(f) for _ in range(3)]
    for call in callers:
        assert call("info", {})[0] == 200
    assert raw(f, b"").startswith(b"HTTP/1.1 503 ")
    for call in callers:
        assert call("info", {})[0] == 200  # nobody else is harmed
        call.close()
    wait_until(lambda: f.get("/ready")[0] == 200, "there is room again")
    assert 'fanwire_limit_hits_total{limit="http_connections"} ' in f.get("/metrics")[2]


def test_who_hangs_up_before_the_answer_harms_nobody(fanwired, tmp_path):
    f = fanwired("--redis.url", f"redis+unix://{tmp_path}/nobody.sock",
                 "--api.timeout", "100ms", "--redis.queue.deadline", "300ms", *OPTIONS)
    body = b'{"channel":"a","data":1}'
    for _ in range(20):
        raw(f, b"POST /api/publish HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n"
               b"Content-Length: %d\r\n\r\n%s" % (KEY.encode(), len(body), body),
            shut=True)
    assert Caller(f)("info", {})[0] == 200


# ---- the manual ------------------------------------------------------------------------

def examples():
    """(command, what it prints), of every $ line in the page's console blocks."""
    text = MANUAL.read_text(encoding="utf-8")
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
        for command, printed in re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", block, re.M):
            yield command, printed


def run_example(command, f):
    """What curl would print."""
    words = shlex.split(command.replace("$API", f"http://{f.http}/api")
                        .replace("$KEY", KEY))
    assert words[:2] == ["curl", "-s"] and words[3] == "-H" and words[5] == "-d", words
    name, _, value = words[4].partition(": ")
    request = urllib.request.Request(words[2], words[6].encode(), {name: value})
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as e:
        with e:
            return e.read().decode()


def as_pattern(printed):
    """Where the page says ..., anything may stand."""
    return re.escape(printed.strip()).replace(r"\.\.\.", r"[^\"{}]+?")


def test_the_examples_of_the_manual_are_true(fanwired):
    f = fanwired("--node.name", "doc", *OPTIONS)
    commands = list(examples())
    assert len(commands) > 20

    def run_all():
        for command, printed in commands:
            got = run_example(command, f).strip()
            assert re.fullmatch(as_pattern(printed), got), f"$ {command}\n{got}"

    async def scenario():
        async with websockets.connect(f.url + "?room=team:a&user=ann"):
            await in_thread(wait_until, lambda: Caller(f).result(
                "presence_stats", channel="team:a")["num_clients"] == 1, "ann is there")
            await in_thread(run_all)

    asyncio.run(scenario())
