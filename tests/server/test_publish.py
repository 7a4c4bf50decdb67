"""`fanwired publish`: from a shell to the members of a room."""

import asyncio
import json

import websockets

from conftest import DEADLINE, run


def test_a_published_text_reaches_the_room(fanwired, redis_url):
    f = fanwired("--redis.url", redis_url, "--redis.required", "on")

    async def scenario():
        async with websockets.connect(f.url + "?room=lobby") as ws:
            # What it says itself comes back through Redis: now the room is subscribed.
            await ws.send("here")
            assert await asyncio.wait_for(ws.recv(), DEADLINE) == "here"
            done = await asyncio.get_running_loop().run_in_executor(
                None,
                lambda: run("publish", "lobby", "hello ü", "--redis.url", redis_url))
            assert (done.status, done.out, done.err) == (0, "nodes 1\n", "")
            assert await asyncio.wait_for(ws.recv(), DEADLINE) == "hello ü"

    asyncio.run(scenario())


def test_nobody_there_is_no_error(redis_url):
    done = run("publish", "--json", "--redis.url", redis_url, "empty", "--", "--text")
    assert done.status == 0 and json.loads(done.out) == {"nodes": 0}


def test_a_room_name_that_is_not_allowed_is_status_2(redis_url):
    done = run("publish", "a\nb", "text", "--redis.url", redis_url)
    assert done.status == 2 and len(done.err_lines) == 1


def test_a_text_that_is_no_utf_8_is_status_2(redis_url):
    done = run("publish", "room", b"\xff", "--redis.url", redis_url)
    assert done.status == 2 and "UTF-8" in done.err


HISTORY = ("--namespace.news.history.size", "10")


def test_in_a_room_with_history_it_is_kept_and_heard_once(fanwired, redis_url):
    f = fanwired("--redis.url", redis_url, "--redis.required", "on", *HISTORY)

    def publish(room, *how):
        done = run("publish", room, "hello", "--redis.url", redis_url, *HISTORY, *how)
        assert (done.status, done.err) == (0, "")
        return done.out

    async def scenario():
        loop = asyncio.get_running_loop()
        async with websockets.connect(f.url + "?room=news:a") as ws:
            await ws.send("here")
            assert await asyncio.wait_for(ws.recv(), DEADLINE) == "here"
            told = await loop.run_in_executor(None, publish, "news:a")
            assert await asyncio.wait_for(ws.recv(), DEADLINE) == "hello"
            await ws.send("there")
            assert await asyncio.wait_for(ws.recv(), DEADLINE) == "there"
        return told

    what, position = asyncio.run(scenario()).split()
    epoch, offset = position.split("/")
    assert (what, offset) == ("position", "2")
    assert json.loads(publish("news:a", "--json")) == {"position": f"{epoch}/4"}
    assert publish("other:a") == "nodes 0\n"
    kept = run("history", "news:a", "--redis.url", redis_url, *HISTORY)
    assert kept.out.splitlines() == [
        f"{epoch}/{i} {text}"
        for i, text in enumerate(("here", "hello", "there", "hello"), 1)]


def test_a_bad_name_or_text_is_status_2_in_a_room_with_history_too(redis_url):
    for room, text in (("news:a\nb", "text"), ("news:a", b"\xff")):
        done = run("publish", room, text, "--redis.url", redis_url, *HISTORY)
        assert done.status == 2 and len(done.err_lines) == 1
