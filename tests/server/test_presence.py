"""Presence as users see it: who comes and goes on any node, and `fanwired presence`."""

import asyncio
import json
import signal

import websockets

from conftest import DEADLINE, run, wait_until
from test_token import SECRET, make

LEASE = 2


def node(fanwired, redis_url, name):
    return fanwired("--redis.url", redis_url, "--redis.required", "on",
                    "--node.name", name, "--node.lease", "%ds" % LEASE,
                    "--raw.format", "json", "--room.join_leave", "on")


def members(redis_url, room):
    done = run("presence", room, "--json", "--redis.url", redis_url)
    assert (done.status, done.err) == (0, "")
    return [json.loads(line) for line in done.out.splitlines()]


async def told(ws):
    return json.loads(await asyncio.wait_for(ws.recv(), DEADLINE))


async def in_thread(f, *args):
    return await asyncio.get_running_loop().run_in_executor(None, f, *args)


def test_members_hear_who_comes_and_goes_on_any_node(fanwired, redis_url):
    one, two = node(fanwired, redis_url, "one"), node(fanwired, redis_url, "two")

    async def scenario():
        async with websockets.connect(one.url + "?room=a&user=ann") as ann:
            assert await told(ann) == {"joined": "a"}
            async with websockets.connect(two.url + "?room=a&user=bob") as bob:
                assert await told(bob) == {"joined": "a"}
                come = await told(ann)
                who = come["join"]
                assert come == {"room": "a", "join": who}
                assert (who["user"], who["node"]) == ("bob", "two")
                assert len(who["session"]) == 32
                await bob.send("hi")
                said = await told(ann)
                assert (said["session"], said["data"]) == (who["session"], "hi")
                found = await in_thread(members, redis_url, "a")
                assert sorted(m["user"] for m in found) == ["ann", "bob"]
                assert {"session": who["session"], "user": "bob", "node": "two"} in found
            assert await told(ann) == {"room": "a", "leave": who}
            found = await in_thread(members, redis_url, "a")
            assert [m["user"] for m in found] == ["ann"]

    asyncio.run(scenario())


def test_a_killed_node_s_sessions_leave_once_within_its_lease(fanwired, redis_url):
    one, two = node(fanwired, redis_url, "one"), node(fanwired, redis_url, "two")
    n = 50

    async def scenario():
        loop = asyncio.get_running_loop()
        async with websockets.connect(one.url + "?room=a&user=ann") as ann:
            await told(ann)
            theirs = [await websockets.connect(two.url + "?room=a&user=u%d" % i)
                      for i in range(n)]
            joined = {(await told(ann))["join"]["session"] for _ in range(n)}
            two.signal(signal.SIGKILL)
            killed = loop.time()
            left = [(await told(ann))["leave"]["session"] for _ in range(n)]
            assert loop.time() - killed < 10 * LEASE  # a busy machine takes its time
            assert len(joined) == n and sorted(left) == sorted(joined)
            found = await in_thread(members, redis_url, "a")
            assert [m["user"] for m in found] == ["ann"]
            await ann.send("still here")
            assert (await told(ann))["data"] == "still here"
            for ws in theirs:
                ws.transport.abort()

    asyncio.run(scenario())
    two.wait()


def test_a_node_that_is_drained_leaves_no_ghosts(fanwired, redis_url):
    f = node(fanwired, redis_url, "one")

    async def scenario():
        async with websockets.connect(f.url + "?room=a&user=ann") as ann:
            await told(ann)
            assert len(await in_thread(members, redis_url, "a")) == 1
            f.signal(signal.SIGTERM)
            try:
                await told(ann)
            except websockets.ConnectionClosed:
                pass

    asyncio.run(scenario())
    f.wait()
    assert members(redis_url, "a") == []


def test_a_line_a_member_for_people(fanwired, redis_url):
    f = node(fanwired, redis_url, "one")

    async def scenario():
        async with websockets.connect(f.url + "?room=a"):
            def shown():
                return run("presence", "a", "--redis.url", redis_url).out

            await in_thread(wait_until, shown, "a member")
            session, user, name = (await in_thread(shown)).split()
            assert (len(session), user, name) == (32, "-", "one")

    asyncio.run(scenario())


def test_what_a_member_s_token_says_of_it_is_shown(fanwired, redis_url):
    f = fanwired("--redis.url", redis_url, "--redis.required", "on", "--node.name", "one",
                 "--room.presence", "on", "--room.allow.subscribe", "on",
                 "--token.hmac_secret", SECRET)
    token = make({"sub": "ann", "info": ["Ann"]})

    async def scenario():
        url = f.url.replace("/ws", "/connection/websocket")
        async with websockets.connect(url) as ann:
            await ann.send(json.dumps({"id": 1, "connect": {"token": token}}))
            session = (await told(ann))["connect"]["client"]
            await ann.send(json.dumps({"id": 2, "subscribe": {"channel": "a"}}))
            await told(ann)

            def shown():
                return run("presence", "a", "--redis.url", redis_url).out

            await in_thread(wait_until, shown, "a member")
            assert await in_thread(shown) == f'{session} ann one ["Ann"]\n'
            assert (await in_thread(members, redis_url, "a")) == [
                {"session": session, "user": "ann", "node": "one",
                 "info": '["Ann"]'}]

    asyncio.run(scenario())


def test_presence_needs_redis_and_a_good_name(redis_url):
    done = run("presence", "a")
    assert done.status == 2 and "redis.url: presence needs it" in done.err
    done = run("presence", "a\nb", "--redis.url", redis_url)
    assert done.status == 2 and len(done.err_lines) == 1
    done = run("presence", "a", "--redis.url", "redis://127.0.0.1:1")
    assert done.status == 1 and "redis.url" in done.err
