"""`fanwired disconnect USER`: all sessions of a user end, on all nodes."""

import asyncio
import json

import websockets

from conftest import DEADLINE, run, wait_until


def disconnect(redis_url, user, *args):
    done = run("disconnect", user, "--redis.url", redis_url, *args)
    assert (done.status, done.err) == (0, "")
    return done.out


def test_all_sessions_of_a_user_are_closed_on_all_nodes(fanwired, redis_url):
    nodes = [fanwired("--redis.url", redis_url, "--redis.required", "on")
             for _ in range(2)]

    async def scenario():
        loop = asyncio.get_running_loop()
        ann = [await websockets.connect(f.url + "?room=a&user=ann") for f in nodes]
        async with websockets.connect(nodes[0].url + "?room=a&user=bob") as bob:
            # Until both nodes have subscribed to what is meant for ann.
            await loop.run_in_executor(None, wait_until, lambda: json.loads(
                disconnect(redis_url, "ann", "--json"))["nodes"] == 2, "two nodes")
            for ws in ann:
                await asyncio.wait_for(ws.wait_closed(), DEADLINE)
                assert ws.close_code == 1008
            await bob.send("still here")
            assert await asyncio.wait_for(bob.recv(), DEADLINE) == "still here"

    asyncio.run(scenario())


def test_nobody_of_that_name_is_no_error(redis_url):
    assert disconnect(redis_url, "nobody") == "nodes 0\n"


def test_it_needs_redis_and_a_good_name(redis_url):
    done = run("disconnect", "ann")
    assert done.status == 2 and "redis.url: disconnect needs it" in done.err
    done = run("disconnect", "a\nb", "--redis.url", redis_url)
    assert done.status == 2 and len(done.err_lines) == 1
    done = run("disconnect", "ann", "--redis.url", "redis://127.0.0.1:1")
    assert done.status == 1 and "redis.url" in done.err
