"""Three nodes are restarted one after the other while their members talk in rooms with
history and come back with since=: nobody is refused, nothing is lost, nothing twice."""

import asyncio
import time

import pytest
import websockets

from clients import Member, in_thread
from faults import FULL
from fanwired import DEADLINE, SLOW, Running

NODES, ROOMS, MEMBERS = 3, (20 if FULL else 4), 6
ROUNDS = 5 if FULL else 1
PAUSE_S = 0.02  # between what one talker says


async def until(condition, what):
    """As wait_until, where others are to live meanwhile."""
    end = time.monotonic() + DEADLINE * SLOW
    while not condition():
        assert time.monotonic() < end, "not in time: " + what
        await asyncio.sleep(0.005)


class Tenant:
    """Lives in a room, and comes back where it was whenever its node sends it away. Each
    position must follow the one before: see Member.take."""

    def __init__(self, url, room, name):
        self.url, self.room, self.name = url, room, name
        self.member = self.position = None
        self.heard, self.said, self.returns = [], {}, 0

    async def enter(self):
        """A refusal or a reset raises; being sent away while entering doesn't."""
        while True:
            try:
                member = await Member.enter(self.url, self.room, self.position)
            except websockets.ConnectionClosed:
                continue
            if self.position is not None:
                assert member.joined["recovered"]
                self.returns += 1
            self.heard += member.missed
            self.position, self.member = member.position, member
            return

    async def live(self):
        while True:
            await self.enter()
            try:
                while True:
                    self.heard.append(await self.member.hear())
                    self.position = self.member.position
            except websockets.ConnectionClosed:
                assert self.member.ws.close_code == 1001

    async def say(self, text):
        """Until it has heard itself; who was sent away meanwhile says it again, unless it
        is among what was missed."""
        while text not in self.heard:
            member, self.said[text] = self.member, self.said.get(text, 0) + 1
            try:
                await member.say(text)
            except websockets.ConnectionClosed:
                pass
            await until(lambda: text in self.heard or self.member is not member, text)

    async def talk(self, over):
        number = 0
        while not over.is_set():
            await self.say(f"{self.name}-{number}")
            number += 1
            await asyncio.sleep(PAUSE_S)


class Street:
    """Nodes that are replaced where they stand."""

    def __init__(self, redis, folder):
        self.redis, self.folder, self.all = redis, folder, []
        self.nodes = [self.start(i) for i in range(NODES)]

    def start(self, i):
        path = self.folder / f"handover-{i}"
        node = Running(["--listen", "ws://127.0.0.1:0/ws", "--redis.url", self.redis.url,
                        "--redis.required", "on", "--handover.path", str(path),
                        "--raw.format", "json", "--room.history.size", "10000"],
                       None, self.folder / f"stderr-{len(self.all)}")
        self.all.append(node)
        node.read_addresses("redis")
        return node

    def replace(self, i):
        old, self.nodes[i] = self.nodes[i], self.start(i)
        assert self.nodes[i].url == old.url
        assert old.wait(DEADLINE * SLOW) == 0

    def end(self):
        for node in self.all:
            node.end()


@pytest.fixture
def street(redis, tmp_path):
    s = Street(redis, tmp_path)
    yield s
    s.end()


async def restart_all(street, tenants):
    for _ in range(ROUNDS):
        for i in range(NODES):
            due = sum(t.returns for t in tenants) + len(tenants) // NODES
            await in_thread(street.replace, i)
            await until(lambda: sum(t.returns for t in tenants) >= due, "all come back")


async def talk_over_restarts(street, tenants):
    await until(lambda: all(t.member is not None for t in tenants), "all are in")
    over = asyncio.Event()
    talking = [asyncio.ensure_future(t.talk(over)) for t in tenants[::2]]
    await restart_all(street, tenants)
    over.set()
    await asyncio.gather(*talking)
    for t in tenants[:ROOMS * MEMBERS:MEMBERS]:
        await t.say("the end")
    await until(lambda: all("the end" in t.heard for t in tenants), "all hear the end")


async def lived(street, tenants):
    """Whoever fails first ends it."""
    living = [asyncio.ensure_future(t.live()) for t in tenants]
    work = asyncio.ensure_future(talk_over_restarts(street, tenants))
    done, others = await asyncio.wait([work, *living],
                                      return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for task in done:
        task.result()


def test_a_rolling_restart_loses_nothing_and_refuses_nobody(street):
    tenants = [Tenant(street.nodes[i % NODES].url, f"room-{r}", f"{r}-{i}")
               for r in range(ROOMS) for i in range(MEMBERS)]
    asyncio.run(lived(street, tenants))
    for t in tenants:
        assert t.returns >= ROUNDS
    for r in range(ROOMS):
        members = tenants[r * MEMBERS:(r + 1) * MEMBERS]
        heard = members[0].heard
        assert len(heard) > NODES * ROUNDS  # a slow machine says less, not nothing
        for t in members:
            assert t.heard == heard
            for text, times in t.said.items():
                assert 1 <= heard.count(text) <= times
