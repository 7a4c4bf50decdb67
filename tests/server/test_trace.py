"""`fanwired trace ROOM`: what each node does with each message of a room."""

import asyncio
import json
import signal
import subprocess
import threading

import pytest
import websockets

from conftest import DEADLINE, run, wait_until
from fanwired import binary, clean_environment


class Trace:
    """A `fanwired trace` that runs; `lines` grow as it prints."""

    def __init__(self, room, redis_url, *args):
        self.process = subprocess.Popen(
            [binary(), "trace", room, "--redis.url", redis_url, *args],
            env=clean_environment(), stdout=subprocess.PIPE, text=True)
        self.lines = []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_for(self, n):
        wait_until(lambda: len(self.lines) >= n, f"{n} lines of {self.lines}")
        return self.lines

    def end(self):
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(DEADLINE)
        self.reader.join(DEADLINE)
        self.process.stdout.close()
        return status


@pytest.fixture
def trace(redis_url):
    started = []

    def start(room, *args):
        started.append(Trace(room, redis_url, *args))
        return started[-1]

    yield start
    for t in started:
        if t.process.poll() is None:
            t.process.kill()
            t.process.wait()
        t.reader.join(DEADLINE)


def node(fanwired, redis_url, name, *args):
    return fanwired("--redis.url", redis_url, "--redis.required", "on",
                    "--node.name", name, *args)


async def in_thread(f, *args):
    return await asyncio.get_running_loop().run_in_executor(None, f, *args)


async def said(ws):
    return await asyncio.wait_for(ws.recv(), DEADLINE)


def test_a_message_is_followed_over_all_nodes(fanwired, redis_url, trace):
    one = node(fanwired, redis_url, "one", "--raw.echo_to_sender", "off")
    two = node(fanwired, redis_url, "two")

    async def scenario():
        async with websockets.connect(one.url + "?room=a&user=ann") as ann, \
                websockets.connect(two.url + "?room=a") as bob:
            t = trace("a", "--json")
            begun = [json.loads(line) for line in await in_thread(t.wait_for, 3)]
            assert {b["what"] for b in begun} == {"begun"}
            assert {"one", "two"} < {b["node"] for b in begun}
            await bob.send("warm")  # both rooms are heard by Redis
            assert await said(ann) == "warm" and await said(bob) == "warm"
            await in_thread(t.wait_for, 6)
            await ann.send("hello")
            assert await said(bob) == "hello"
            items = [json.loads(line) for line in (await in_thread(t.wait_for, 9))[6:]]
            assert await in_thread(t.end) == 0
            return items

    items = asyncio.run(scenario())
    published = [i for i in items if i["what"] == "published"]
    assert [i["node"] for i in published] == ["one"]
    delivered = {i["node"]: i for i in items if i["what"] == "delivered"}
    assert delivered["one"]["members"] == delivered["one"]["excepted"] == 1
    assert delivered["one"]["given"] == 0 and delivered["two"]["given"] == 1
    assert delivered["two"]["bytes"] == 5
    # By the number that its publisher gave it, where it came from another node.
    publisher = json.loads(one.get("/health")[2])["node"]
    assert delivered["two"]["message"].split("/")[0] == publisher


def test_a_line_an_item_for_people(fanwired, redis_url, trace):
    f = node(fanwired, redis_url, "one", "--room.history.size", "5",
             "--raw.format", "json")

    async def scenario():
        async with websockets.connect(f.url + "?room=a&user=ann") as ann:
            await said(ann)
            t = trace("a")
            await in_thread(t.wait_for, 2)
            await ann.send("hello")
            await in_thread(t.wait_for, 4)
            await in_thread(t.end)
            return t.lines

    lines = asyncio.run(scenario())
    assert "- - one reports from now on" in lines[:2]
    assert lines[2] == "- ann one published it"
    position, rest = lines[3].split(" ", 1)
    assert position.endswith("/1") and len(position) == 18
    assert rest == "ann one gave it to 1 of 1 members"


def test_it_needs_redis_and_a_good_name(redis_url):
    done = run("trace", "a")
    assert done.status == 2 and "redis.url: trace needs it" in done.err
    done = run("trace", "a\nb", "--redis.url", redis_url)
    assert done.status == 2 and len(done.err_lines) == 1


def test_it_ends_when_nobody_reads_any_more(fanwired, redis_url):
    f = node(fanwired, redis_url, "one")
    with subprocess.Popen([binary(), "trace", "a", "--redis.url", redis_url],
                          env=clean_environment(), stdout=subprocess.PIPE) as t:
        t.stdout.readline()
        t.stdout.readline()
        t.stdout.close()

        async def scenario():
            async with websockets.connect(f.url + "?room=a") as ws:
                while t.poll() is None:
                    await ws.send("anybody?")
                    await said(ws)

        asyncio.run(asyncio.wait_for(scenario(), DEADLINE))
        assert t.wait(DEADLINE) == 1
