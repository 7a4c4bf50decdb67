"""Rooms with history as users of fanwired see them, and `fanwired history`."""

import asyncio
import json

import websockets

from conftest import DEADLINE, run
from own_redis import OwnRedis

ROOM = "news:a"


def node(fanwired, redis_url, name):
    return fanwired("--redis.url", redis_url, "--redis.required", "on",
                    "--node.name", name, "--raw.format", "json",
                    "--namespace.news.history.size", "100")


def kept(redis_url, *how):
    done = run("history", ROOM, "--redis.url", redis_url, *how)
    assert (done.status, done.err) == (0, "")
    return done.out.splitlines()


async def told(ws):
    return json.loads(await asyncio.wait_for(ws.recv(), DEADLINE))


def test_who_comes_back_to_another_node_hears_what_it_missed(fanwired, redis_url):
    one, two = node(fanwired, redis_url, "one"), node(fanwired, redis_url, "two")

    async def scenario():
        async with websockets.connect(one.url + "?room=news:a&user=ann") as ann:
            joined = await told(ann)
            assert (joined["joined"], joined["offset"]) == (ROOM, 0)
            epoch = joined["epoch"]
            async with websockets.connect(two.url + "?room=news:a") as bob:
                await told(bob)
                for i in range(1, 4):
                    await ann.send("message %d" % i)
                    assert (await told(bob))["offset"] == i
            last = [await told(ann) for _ in range(3)][-1]
            assert (last["epoch"], last["offset"], last["user"]) == (epoch, 3, "ann")
        since = "&since=%s/1" % epoch
        async with websockets.connect(two.url + "?room=news:a" + since) as bob:
            heard = [await told(bob) for _ in range(3)]
        assert [m.get("data") for m in heard] == ["message 2", "message 3", None]
        assert heard[2] == {"joined": ROOM, "epoch": epoch, "offset": 3,
                            "recovered": True}
        return epoch

    epoch = asyncio.run(scenario())
    assert kept(redis_url) == ["%s/%d message %d" % (epoch, i, i) for i in range(1, 4)]
    assert json.loads(kept(redis_url, "--json")[0]) == {
        "position": "%s/1" % epoch, "data": "message 1"}


def test_who_speaks_before_redis_is_found_hears_itself_then(fanwired, tmp_path):
    redis = OwnRedis(tmp_path)
    redis.kill()
    f = fanwired("--redis.url", redis.url, "--room.history.size", "10")

    async def scenario():
        async with websockets.connect(f.url + "?room=a") as ann:
            await ann.send("is anybody here?")
            # Has it been read? Then a ping behind it has been, too.
            await asyncio.wait_for(await ann.ping(), DEADLINE)
            redis.start()
            assert await asyncio.wait_for(ann.recv(), DEADLINE) == "is anybody here?"

    try:
        asyncio.run(scenario())
    finally:
        redis.kill()


def test_binary_is_base64_for_machines(fanwired, redis_url):
    f = node(fanwired, redis_url, "one")

    async def scenario():
        async with websockets.connect(f.url + "?room=news:a") as ann:
            await told(ann)
            await ann.send(b"\xff\x00\x01\n")
            await told(ann)

    asyncio.run(scenario())
    assert json.loads(kept(redis_url, "--json")[-1])["data64"] == "/wABCg=="


def test_a_long_one_is_shown_to_its_end(fanwired, redis_url):
    n = 1100  # more than two pages
    f = fanwired("--redis.url", redis_url, "--redis.required", "on",
                 "--namespace.news.history.size", str(2 * n))

    async def scenario():
        async with websockets.connect(f.url + "?room=news:a") as ann:
            for i in range(n):
                await ann.send(str(i))
            for i in range(n):
                assert await asyncio.wait_for(ann.recv(), DEADLINE) == str(i)

    asyncio.run(scenario())
    assert [line.split()[1] for line in kept(redis_url)] == [str(i) for i in range(n)]


def test_what_is_printed_is_a_line_and_no_order_to_a_terminal(fanwired, redis_url):
    f = node(fanwired, redis_url, "one")

    async def scenario():
        async with websockets.connect(f.url + "?room=news:a") as ann:
            await told(ann)
            await ann.send("a\nb\x1b[2J\x7f\u009b2J\u00e9")
            await told(ann)

    asyncio.run(scenario())
    assert kept(redis_url)[-1].endswith(" a?b?[2J??2J\u00e9")


def test_history_needs_redis_and_says_what_is_wrong(redis_url):
    done = run("history", "a")
    assert done.status == 2 and "redis.url: history needs it" in done.err
    done = run("history", "a\nb", "--redis.url", redis_url)
    assert done.status == 2 and len(done.err_lines) == 1
    done = run("history", "news:a", "--redis.url", redis_url,
               "--namespace.news.presence", "on")
    assert done.status == 2 and "no history" in done.err
    assert run("history", "empty", "--redis.url", redis_url).out == ""
