"""Hooks: fanwired asks a back end by HTTP who may do what. Real sockets on both sides;
the back end is the test's own."""

import asyncio
import base64
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest
import websockets

import exposition
from back_end import BackEnd, Client, Held, in_thread, play
from conftest import DEADLINE, run, wait_until

MANUAL = pathlib.Path(__file__).resolve().parents[2] / "docs" / "hooks.md"
TEMPORARY = {"error": {"code": 100, "message": "internal server error",
                       "temporary": True}}
BUSY = {"error": {"code": 111, "message": "too many requests", "temporary": True}}


@pytest.fixture
def back_end():
    b = BackEnd()
    yield b
    b.stop()


def figure(f, hook, result):
    families = exposition.read(f.get("/metrics")[2])
    return families["fanwire_hook_requests_total"].value(hook=hook, result=result)


async def status_of(url, **how):
    """The HTTP status with which a raw connection is refused, 101 if it isn't."""
    try:
        async with websockets.connect(url, **how):
            return 101
    except websockets.InvalidStatusCode as e:
        return e.status_code


async def hear(ws):
    return await asyncio.wait_for(ws.recv(), DEADLINE)


# ---- connect ---------------------------------------------------------------------------

def test_connect_says_whose_session_it_is_and_what_it_gets(fanwired, back_end):
    f = fanwired(*back_end.options("connect"), "--hook.headers", "cookie,x-missing",
                 "--hook.secret", "correct-horse", "--raw.format", "json",
                 "--raw.user", "none")
    back_end.answers["connect"] = {"result": {
        "user": "ann", "channels": ["a"], "data": {"hello": 1}, "info": {"n": "Ann"}}}

    async def scenario():
        client = await Client.come(f, Cookie="session=1")
        reply = await client.call("connect", data={"k": [1, 2]})
        assert reply["connect"]["data"] == {"hello": 1}
        assert list(reply["connect"]["subs"]) == ["a"]
        _, question, headers = await in_thread(back_end.call)
        assert question == {
            "client": reply["connect"]["client"], "transport": "websocket",
            "protocol": "json", "encoding": "json", "address": "127.0.0.1", "query": "",
            "data": {"k": [1, 2]}}
        assert headers["Cookie"] == "session=1" and "X-Missing" not in headers
        assert headers["Authorization"] == "Bearer correct-horse"
        assert headers["Content-Type"] == "application/json"
        async with websockets.connect(f.url + "?room=b&k=v") as raw:
            assert json.loads(await hear(raw))["joined"] == "a"
            assert json.loads(await hear(raw))["joined"] == "b"
            _, question, _ = await in_thread(back_end.call)
            assert question["protocol"] == "raw"
            assert question["query"] == "room=b&k=v" and "data" not in question
            await raw.send("hi")
            assert json.loads(await hear(raw))["user"] == "ann"

    play(scenario)
    assert figure(f, "connect", "answered") == 2


@pytest.mark.parametrize("answer, status, reply", [
    ({"error": {"code": 1000, "message": "members only"}}, 403,
     {"error": {"code": 1000, "message": "members only"}}),
    ({"error": {"code": 1000, "message": "full", "temporary": True}}, 503,
     {"error": {"code": 1000, "message": "full", "temporary": True}}),
    ({"disconnect": {"code": 4501, "reason": "banned"}}, 403, 4501),
])
def test_connect_may_refuse(fanwired, back_end, answer, status, reply):
    f = fanwired(*back_end.options("connect"))
    back_end.answers["connect"] = answer

    async def scenario():
        assert await status_of(f.url + "?room=a") == status
        client = await Client.come(f)
        if reply == 4501:
            await client.send("connect")
            assert await client.close_code() == 4501
        else:
            assert await client.call("connect") == reply

    play(scenario)


# ---- rooms -----------------------------------------------------------------------------

def by_room(question):
    """Lets everybody into every room but into those that are called closed."""
    if "closed" in question["channel"]:
        return {"error": {"code": 1001, "message": "closed"}}
    return {"result": {"data": {"topic": question["channel"]}}}


def test_subscribe_decides_who_comes_in(fanwired, back_end):
    f = fanwired(*back_end.options("subscribe"), "--client.anonymous", "on",
                 "--raw.format", "json", "--namespace.free.ask.subscribe", "off")
    back_end.answers["subscribe"] = by_room

    async def scenario():
        client = await Client.come(f)
        await client.call("connect")
        reply = await client.call("subscribe", channel="open", data={"pw": 1})
        assert reply == {"subscribe": {"data": {"topic": "open"}}}
        _, question, _ = await in_thread(back_end.call)
        assert question["channel"] == "open" and question["data"] == {"pw": 1}
        reply = await client.call("subscribe", channel="closed")
        assert reply == {"error": {"code": 1001, "message": "closed"}}
        await in_thread(back_end.call)
        # Not asked about, and not allowed by the options either.
        reply = await client.call("subscribe", channel="free:a")
        assert reply["error"]["code"] == 103 and back_end.calls.empty()
        async with websockets.connect(f.url + "?room=closed&room=b") as raw:
            assert json.loads(await hear(raw))["joined"] == "b"
            await raw.send("x")
            assert json.loads(await hear(raw))["room"] == "b"

    play(scenario)


def test_publish_decides_what_is_said_and_keeps_the_order(fanwired, back_end):
    f = fanwired(*back_end.options("publish"), "--client.insecure", "on")
    first = Held({"result": {}})

    def decide(question):
        said = question["data"]
        if said == 1:
            return first(question)
        if said == "rude":
            return {"result": {"data": "***"}}
        return {"error": {"code": 1002}} if said == "never" else {"result": {}}

    back_end.answers["publish"] = decide

    async def scenario():
        client = await Client.come(f)
        await client.call("connect")
        await client.call("subscribe", channel="a")
        numbers = [await client.send("publish", channel="a", data=said)
                   for said in (1, "rude", "never", 4)]
        _, question, _ = await in_thread(back_end.call)
        assert (question["channel"], question["data"]) == ("a", 1)
        first.release()
        assert [await client.reply(n) for n in numbers] == [
            {"publish": {}}, {"publish": {}},
            {"error": {"code": 1002, "message": "refused"}}, {"publish": {}}]
        said = [(await client.push())["pub"]["data"] for _ in range(3)]
        assert said == [1, "***", 4]

    play(scenario)


def test_publish_is_asked_of_raw_connections_too(fanwired, back_end):
    f = fanwired(*back_end.options("publish"))

    def decide(question):
        if question.get("data") == "go":
            return {"disconnect": {"code": 4002, "reason": "out"}}
        return {"result": {}} if question["channel"] == "a" else {"error": {"code": 1000}}

    back_end.answers["publish"] = decide

    async def scenario():
        async with websockets.connect(f.url + "?room=a&room=b") as ws, \
                websockets.connect(f.url + "?room=b") as b:
            await ws.send("text")
            assert await hear(ws) == "text"
            questions = [(await in_thread(back_end.call))[1] for _ in range(2)]
            assert {q["channel"] for q in questions} == {"a", "b"}
            assert all((q["encoding"], q["data"]) == ("text", "text") for q in questions)
            await ws.send(b"\x00\xff\x01")
            assert await hear(ws) == b"\x00\xff\x01"
            _, question, _ = await in_thread(back_end.call)
            assert question["encoding"] == "binary"
            assert base64.b64decode(question["b64data"]) == b"\x00\xff\x01"
            await ws.send("go")
            await asyncio.wait_for(ws.wait_closed(), DEADLINE)
            assert ws.close_code == 4002
            await asyncio.wait_for(await b.ping(), DEADLINE)
            assert not b.messages  # b has heard nothing of all this

    play(scenario)


# ---- calls, staying, the end -----------------------------------------------------------

def test_rpc_is_answered_by_the_back_end(fanwired, back_end):
    f = fanwired(*back_end.options("rpc"), "--client.insecure", "on")

    def decide(question):
        if question["method"] == "sum":
            return {"result": {"data": {"sum": sum(question["data"])}}}
        return {"error": {"code": 404, "message": "no " + question["method"]}}

    back_end.answers["rpc"] = decide

    async def scenario():
        client = await Client.come(f)
        await client.call("connect")
        assert await client.call("rpc", method="sum", data=[1, 2]) == {
            "rpc": {"data": {"sum": 3}}}
        assert await client.call("rpc", method="x") == {
            "error": {"code": 404, "message": "no x"}}

    play(scenario)


def test_refresh_and_sub_refresh_decide_who_stays(fanwired, back_end):
    f = fanwired(*back_end.options("connect", "refresh", "subscribe", "sub_refresh"))

    def soon():  # from the question on; in whole seconds, so never at once
        return math.ceil(time.time()) + 1

    back_end.answers["connect"] = lambda question: {
        "result": {"user": "ann", "expire_at": soon()}}
    back_end.answers["subscribe"] = lambda question: {"result": {"expire_at": soon()}}
    back_end.answers["sub_refresh"] = {"result": {"expired": True}}
    back_end.answers["refresh"] = lambda question: {
        "result": {"expire_at": soon()} if not refreshed else {"expired": True}}
    refreshed = []

    async def scenario():
        client = await Client.come(f)
        reply = await client.call("connect")
        assert "expires" not in reply["connect"]
        await client.call("subscribe", channel="a")
        push = await client.push()
        assert push["unsubscribe"]["code"] == 2501 and push["channel"] == "a"
        questions = [await in_thread(back_end.call) for _ in range(4)]
        assert sorted(q[0] for q in questions) == ["connect", "refresh", "sub_refresh",
                                                   "subscribe"]
        for hook, question, _ in questions[1:]:
            assert question["user"] == "ann"
            assert question["client"] == reply["connect"]["client"]
        refreshed.append(True)
        assert await client.close_code() == 3005

    play(scenario)


def test_disconnect_is_told_of_every_end_the_server_s_own_too(fanwired, back_end):
    f = fanwired(*back_end.options("disconnect"))
    back_end.answers["disconnect"] = (204, b"", {})

    async def scenario():
        async with websockets.connect(f.url + "?user=ann") as ws:
            await ws.close(4005, "bye")
        hook, question, _ = await in_thread(back_end.call)
        assert hook == "disconnect"
        assert (question["user"], question["code"], question["reason"]) == (
            "ann", 4005, "bye")
        async with websockets.connect(f.url + "?user=bob"):
            f.signal(signal.SIGTERM)
            _, question, _ = await in_thread(back_end.call)
            assert (question["user"], question["code"]) == ("bob", 1001)

    play(scenario)
    assert f.wait() == 0


# ---- what goes wrong -------------------------------------------------------------------

FAILURES = {
    "status": ((500, b"{\"result\":{}}", {}), "status 500"),
    "redirect": ((302, b"", {"Location": "/rpc"}), "redirects aren't followed"),
    "malformed": ((200, b"<html>", {}), "it is no JSON from byte 0 on"),
    "too_large": ((200, b" " * 5000, {}), "more than 4096 bytes"),
    "timeout": (Held({"result": {}}), "no answer within 3000 ms"),
}


@pytest.mark.parametrize("result", [*FAILURES, "unreachable"])
def test_a_failure_is_a_temporary_error_and_harms_nobody_else(
        fanwired, back_end, closed_port, result):
    host, port = closed_port.getsockname()
    nobody = f"http://user:hidden@{host}:{port}/rpc"
    f = fanwired("--hook.rpc.url", nobody if result == "unreachable" else
                 back_end.url("rpc"), "--client.insecure", "on",
                 "--hook.timeout", "3s" if result == "timeout" else "20s",
                 "--decision.timeout", "60s", "--hook.max_bytes", "4KiB")
    answer, sentence = FAILURES.get(result, (None, "Failed to connect"))
    back_end.answers["rpc"] = answer

    async def scenario():
        client = await Client.come(f)
        await client.call("connect")
        assert await client.call("rpc", method="x") == TEMPORARY
        assert await client.call("subscribe", channel="a") == {"subscribe": {}}
        if result != "unreachable":
            back_end.answers["rpc"] = {"result": {"data": 1}}
            assert await client.call("rpc", method="x") == {"rpc": {"data": 1}}

    play(scenario)
    if result == "timeout":
        answer.release()
    assert figure(f, "rpc", result) == 1
    f.wait_for_log(sentence)
    assert "hidden" not in f.err()


def test_a_failure_refuses_a_raw_connection_with_503(fanwired, closed_port):
    host, port = closed_port.getsockname()
    f = fanwired("--hook.connect.url", f"http://{host}:{port}/connect")
    assert asyncio.run(status_of(f.url + "?room=a")) == 503


def test_the_breaker_opens_and_one_request_closes_it_again(fanwired, back_end):
    f = fanwired(*back_end.options("rpc"), "--client.insecure", "on",
                 "--hook.breaker.failures", "3", "--hook.breaker.pause", "2s")

    def state():
        families = exposition.read(f.get("/metrics")[2])
        return families["fanwire_hook_breaker_state"].value(hook="rpc")

    async def scenario():
        client = await Client.come(f)
        await client.call("connect")
        back_end.stop()
        for _ in range(3):
            assert await client.call("rpc", method="x") == TEMPORARY
        assert await client.call("rpc", method="x") == BUSY
        assert await in_thread(state) == 2
        back_end.start()
        back_end.answers["rpc"] = {"result": {"data": 1}}
        assert back_end.calls.empty()
        deadline = time.monotonic() + DEADLINE
        while await client.call("rpc", method="x") == BUSY:
            assert time.monotonic() < deadline
        assert await client.call("rpc", method="x") == {"rpc": {"data": 1}}
        assert await in_thread(state) == 0

    play(scenario)
    f.wait_for_log("isn't asked for 2000 ms")
    f.wait_for_log("it answers again")
    assert figure(f, "rpc", "unreachable") == 3
    assert figure(f, "rpc", "broken") >= 1


def test_no_more_than_hook_concurrency_are_asked_at_a_time(fanwired, back_end):
    f = fanwired(*back_end.options("rpc"), "--client.insecure", "on",
                 "--hook.concurrency", "2", "--hook.per_session", "9",
                 "--hook.timeout", "20s",
                 "--decision.timeout", "60s")
    held = back_end.answers["rpc"] = Held({"result": {"data": 1}})

    def under_way():
        families = exposition.read(f.get("/metrics")[2])
        return [families[f"fanwire_hook_{name}"].value(hook="rpc")
                for name in ("in_flight", "queued")]

    async def scenario():
        client = await Client.come(f)
        await client.call("connect")
        numbers = [await client.send("rpc", method="x") for _ in range(5)]
        await in_thread(wait_until, lambda: under_way() == [2, 3], "two of five asked")
        for _ in range(2):
            await in_thread(back_end.call)
        assert back_end.calls.empty()
        held.release()
        for n in numbers:
            assert await client.reply(n) == {"rpc": {"data": 1}}
        assert await in_thread(under_way) == [0, 0]

    play(scenario)


def test_more_than_the_queue_takes_fail_at_once_and_who_waits_too_long_too(
        fanwired, back_end):
    f = fanwired(*back_end.options("rpc"), "--client.insecure", "on",
                 "--hook.concurrency", "1", "--hook.queue", "2", "--hook.timeout", "3s",
                 "--decision.timeout", "60s")
    held = back_end.answers["rpc"] = Held({"result": {"data": 1}})

    async def scenario():
        client = await Client.come(f)
        await client.call("connect")
        first = await client.send("rpc", method="x")
        await in_thread(back_end.call)
        rest = [await client.send("rpc", method="x") for _ in range(4)]
        assert [await client.reply(n) for n in rest[2:]] == [BUSY, BUSY]
        # Nobody answers the first: the two that wait have waited as long as it took.
        assert await client.reply(first) == TEMPORARY
        for n in rest[:2]:
            assert await client.reply(n) == TEMPORARY

    play(scenario)
    held.release()
    assert figure(f, "rpc", "full") == 2
    assert figure(f, "rpc", "timeout") + figure(f, "rpc", "late") == 3
    assert figure(f, "rpc", "late") >= 1
    f.wait_for_log("hook.queue")


def test_one_session_s_slow_calls_leave_turns_for_others(fanwired, back_end):
    f = fanwired(*back_end.options("rpc", "connect"), "--client.insecure", "on",
                 "--hook.concurrency", "3", "--hook.per_session", "2",
                 "--hook.timeout", "20s", "--decision.timeout", "60s")
    held = Held({"result": {"data": "slow"}})
    back_end.answers["rpc"] = lambda question: (
        held(question) if question["method"] == "slow" else {"result": {"data": "fast"}})

    async def scenario():
        greedy = await Client.come(f)
        await greedy.call("connect")
        numbers = [await greedy.send("rpc", method="slow") for _ in range(10)]
        other = await Client.come(f)
        await other.call("connect")
        for _ in range(5):
            reply = await other.call("rpc", method="fast")
            assert reply == {"rpc": {"data": "fast"}}
        held.release()
        for n in numbers:
            assert await greedy.reply(n) == {"rpc": {"data": "slow"}}

    play(scenario)


def test_a_back_end_may_be_restarted(fanwired, back_end):
    f = fanwired(*back_end.options("rpc"), "--client.insecure", "on")
    back_end.answers["rpc"] = {"result": {"data": 1}}

    async def scenario():
        client = await Client.come(f)
        await client.call("connect")
        for _ in range(3):
            assert await client.call("rpc", method="x") == {"rpc": {"data": 1}}
            await in_thread(back_end.stop)
            await in_thread(back_end.start)

    play(scenario)
    assert figure(f, "rpc", "answered") == 3


def test_a_slow_back_end_delays_nobody_s_messages(fanwired, back_end):
    f = fanwired(*back_end.options("publish", "connect"), "--hook.timeout", "20s",
                 "--decision.timeout", "60s",
                 "--namespace.free.ask.publish", "off", "--raw.user", "none")
    held = Held({"result": {}})
    back_end.answers["publish"] = held

    async def scenario():
        async with websockets.connect(f.url + "?room=slow") as slow, \
                websockets.connect(f.url + "?room=free:a") as a, \
                websockets.connect(f.url + "?room=free:a") as b:
            await slow.send("held")
            for _ in range(3):
                assert (await in_thread(back_end.call))[0] == "connect"
            assert (await in_thread(back_end.call))[0] == "publish"
            back_end.answers["connect"] = held
            coming = asyncio.ensure_future(status_of(f.url + "?room=free:a"))
            assert (await in_thread(back_end.call))[0] == "connect"
            for i in range(100):
                await a.send(str(i))
                assert await hear(b) == str(i)
            assert not coming.done() and not slow.messages
            held.release()
            assert await hear(slow) == "held"
            assert await coming == 101

    play(scenario)


BUILD = os.environ.get("BUILD_DIR", MANUAL.parents[1] / "build" / "dev")
SLOW_NAMES = pathlib.Path(BUILD, "tests", "libfw_slow_names.so").resolve()


@pytest.fixture
def slow_names(tmp_path):
    """The environment in which names that end in .slow aren't found before the test is
    over."""
    fifo = tmp_path / "names"
    os.mkfifo(fifo)
    yield {"LD_PRELOAD": str(SLOW_NAMES), "FW_SLOW_NAMES": str(fifo),
           "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}
    os.close(os.open(fifo, os.O_RDWR))


def test_a_slow_resolver_holds_up_no_other_hook_nor_the_end(
        fanwired, back_end, slow_names):
    f = fanwired("--hook.subscribe.url", "http://nobody.slow/", *back_end.options("rpc"),
                 "--client.insecure", "on", "--hook.timeout", "200ms", env=slow_names)
    back_end.answers["rpc"] = {"result": {"data": 1}}

    async def scenario():
        client = await Client.come(f)
        await client.call("connect")
        assert await client.call("subscribe", channel="a") == TEMPORARY
        deadline = time.monotonic() + DEADLINE
        while await client.call("rpc", method="x") != {"rpc": {"data": 1}}:
            assert time.monotonic() < deadline

    play(scenario)
    assert figure(f, "subscribe", "timeout") == 1
    f.signal(signal.SIGTERM)
    assert f.wait() == 0


# ---- configuration ---------------------------------------------------------------------

@pytest.mark.parametrize("options, sentence", [
    (["--hook.connect.url", "ftp://x/"],
     "hook.connect.url: ftp://x/: a URL, http://HOST:PORT/PATH or https://..."),
    (["--hook.connect.url", "http://"], "hook.connect.url: http://: a URL"),
    (["--hook.connect.url", "http://x/", "--hook.headers", "a:b"],
     "hook.headers: a:b: the name of a header, without a colon"),
    (["--hook.connect.url", "http://x/", "--hook.headers", "Content-Length"],
     "hook.headers: Content-Length: this header says something of the request itself"),
    (["--hook.connect.url", "http://x/", "--hook.headers", "cookie,Authorization",
      "--hook.secret", "12345678"],
     "hook.headers: authorization: hook.secret sets this header"),
    (["--hook.connect.url", "http://x/", "--hook.secret", "short"],
     "8 characters or more"),
    (["--hook.connect.url", "http://x/", "--hook.timeout", "3s"],
     "hook.timeout: 3s: a request may wait so long and then take so long, and "
     "decision.timeout (5s) must be longer than both"),
])
def test_what_can_t_be_is_said_before_anything_starts(options, sentence):
    done = run("--check-config", *options)
    assert done.status == 2 and len(done.err_lines) == 1
    assert sentence in done.err_lines[0]


def test_a_reload_keeps_the_hooks(fanwired, back_end):
    f = fanwired(*back_end.options("connect"))
    f.signal(signal.SIGHUP)

    def reloaded():
        families = exposition.read(f.get("/metrics")[2])
        return families["fanwire_config_reloads_total"].value(result="ok") == 1

    wait_until(reloaded, "a reload")
    assert "events" not in f.err()
    assert asyncio.run(status_of(f.url)) == 101
    assert figure(f, "connect", "answered") == 1


# ---- the manual ------------------------------------------------------------------------

def test_the_back_end_of_the_manual_works(fanwired, tmp_path):
    text = MANUAL.read_text(encoding="utf-8")
    program = re.search(r"```python\n(.*?)```", text, re.S).group(1)
    path = tmp_path / "back_end.py"
    path.write_text(program.replace("8000", "0").replace(
        "server.serve_forever()", "print(server.server_port, flush=True)\n"
        "server.serve_forever()"), encoding="utf-8")
    with subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE) as process:
        try:
            url = f"http://127.0.0.1:{int(process.stdout.readline())}/"
            f = fanwired(*(part for hook in ("connect", "subscribe", "publish", "rpc")
                           for part in (f"--hook.{hook}.url", url + hook)),
                         "--hook.headers", "cookie")

            async def scenario():
                client = await Client.come(f)
                assert (await client.call("connect"))["error"]["code"] == 1000
                client = await Client.come(f, Cookie="session=s3cr3t")
                reply = await client.call("connect")
                assert list(reply["connect"]["subs"]) == ["news"]
                assert "error" not in await client.call("subscribe", channel="team:ann")
                assert "error" in await client.call("subscribe", channel="team:bob")
                assert "error" in await client.call("publish", channel="news", data="x")
                assert (await client.call("rpc", method="time"))["rpc"]["data"]

            play(scenario)
        finally:
            process.kill()
