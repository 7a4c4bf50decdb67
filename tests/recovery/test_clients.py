"""Clients that come back: they get what they missed, wherever they come back to, or are
told that it can't be had. And what members are told when Redis has forgotten."""

import asyncio

import websockets

from clients import Member, in_thread
from fanwired import DEADLINE, SLOW, wait_until
from faults import FULL, wait_for_all

HISTORY = ("--room.history.size", "1000")
JSON = ("--raw.format", "json")
CROWD = 1000 if FULL else 200


def said(begin, end):
    return [str(n) for n in range(begin, end)]


async def heard(member, n):
    return [await member.hear() for _ in range(n)]


def test_who_moves_to_another_node_misses_nothing(cluster):
    urls = cluster.start(3, *HISTORY, *JSON).urls()

    async def scenario():
        speaker = await Member.enter(urls[1], "a")
        member = await Member.enter(urls[0], "a")
        for text in said(0, 10):
            await speaker.say(text)
        assert await heard(member, 10) == said(0, 10)
        await member.leave()
        for text in said(10, 110):
            await speaker.say(text)
        await heard(speaker, 110)
        back = await Member.enter(urls[2], "a", since=member.position)
        assert back.joined["recovered"] is True
        await speaker.say("110")
        assert back.missed + [await back.hear()] == said(10, 111)
        assert back.position == (member.position[0], 111)

    asyncio.run(scenario())


def test_who_comes_back_while_others_talk_gets_all_once_and_in_order(cluster):
    urls = cluster.start(2, *HISTORY, *JSON).urls()

    async def scenario():
        speaker = await Member.enter(urls[0], "a")
        since = speaker.position

        async def talk():
            for text in said(0, 300):
                await speaker.say(text)
                await asyncio.sleep(0)

        talking = asyncio.create_task(talk())
        back = [await Member.enter(urls[n % 2], "a", since=since) for n in range(20)]
        for member in back:
            assert member.joined["recovered"] is True
            rest = await heard(member, 300 - len(member.missed))
            assert member.missed + rest == said(0, 300)
        await talking

    asyncio.run(scenario())


def test_a_crowd_that_comes_back_costs_one_read_a_room(cluster):
    urls = cluster.start(2, *HISTORY, *JSON).urls()

    async def scenario():
        speakers = [await Member.enter(urls[0], room) for room in "ab"]
        since = {s.room: s.position for s in speakers}
        for speaker in speakers:
            for text in said(0, 50):
                await speaker.say(text)
            await heard(speaker, 50)
        async def come_back(room):
            member = await Member.enter(urls[1], room, since=since[room])
            assert member.joined["recovered"] is True
            assert member.missed == said(0, 50)
            return member

        members = await asyncio.gather(*(come_back("ab"[n % 2]) for n in range(CROWD)))
        assert len(members) == CROWD
        # Pages that Redis gave to the node that they all came to.
        assert cluster.metric("fanwire_history_reads_total", 1) == 2

    asyncio.run(scenario())


def test_who_speaks_before_he_has_joined_hears_himself(cluster):
    urls = cluster.start(2, *HISTORY).urls()

    async def scenario():
        for n, url in enumerate(urls * 5):
            async with websockets.connect(f"{url}?room=r{n // 2}") as ws:
                await ws.send("hello")
                assert await asyncio.wait_for(ws.recv(), DEADLINE * SLOW) == "hello"

    asyncio.run(scenario())


def test_who_missed_more_than_is_kept_is_told(cluster):
    urls = cluster.start(2, "--room.history.size", "10", *JSON).urls()

    async def scenario():
        speaker = await Member.enter(urls[0], "a")
        since = speaker.position
        for text in said(0, 50):
            await speaker.say(text)
        await heard(speaker, 50)
        back = await Member.enter(urls[1], "a", since=since)
        assert back.joined["recovered"] is False
        assert back.position == speaker.position
        await speaker.say("next")
        assert await back.hear() == "next"

    asyncio.run(scenario())


async def told_reset(member):
    told = await member.told()
    assert told == {"room": member.room, "reset": told["reset"]}
    return told["reset"]["epoch"], told["reset"]["offset"]


def test_members_are_told_when_redis_has_lost_its_memory(cluster, redis):
    urls = cluster.start(2, *HISTORY, *JSON).urls()

    async def scenario():
        members = [await Member.enter(url, "a") for url in urls]
        await members[0].say("before")
        for member in members:
            assert await member.hear() == "before"
        old = members[0].position[0]
        await in_thread(redis.restart)
        await in_thread(wait_for_all, cluster)
        await members[0].say("after")
        resets = [await told_reset(member) for member in members]
        assert len(set(resets)) == 1 and resets[0] == (resets[0][0], 0)
        assert resets[0][0] != old
        for member, at in zip(members, resets):
            member.position = at
            assert await member.hear() == "after"
            assert member.position == (at[0], 1)
        late = await Member.enter(urls[1], "a", since=(old, 1))
        assert late.joined["recovered"] is False

    asyncio.run(scenario())


def test_plain_members_are_closed_with_1012_when_redis_has_forgotten(cluster, redis):
    urls = cluster.start(2, *HISTORY).urls()

    async def scenario():
        members = [await websockets.connect(url + "?room=a") for url in urls]
        for member in members:  # who hears himself has joined
            await member.send("before")
            assert await asyncio.wait_for(member.recv(), DEADLINE * SLOW) == "before"
        await in_thread(redis.restart)
        for member in members:
            await asyncio.wait_for(member.wait_closed(), DEADLINE * SLOW)
            assert member.close_code == 1012

    asyncio.run(scenario())


def test_what_waits_longer_than_the_deadline_is_dropped_and_nothing_else(cluster):
    cluster.start(2, *HISTORY, *JSON, "--redis.queue.deadline", "1s")
    one = cluster.proxies[0]

    def dropped():
        return cluster.metric("fanwire_redis_queue_dropped_total")

    def cut():
        one.refuse()
        one.cut()

    def mend():
        one.admit()
        wait_for_all(cluster)

    async def scenario():
        members = [await Member.enter(url, "a") for url in cluster.urls()]
        await members[0].say("before")
        assert [await member.hear() for member in members] == ["before"] * 2
        await in_thread(cut)
        for text in ("one", "two", "three"):
            await members[0].say(text)
        await in_thread(wait_until, lambda: dropped() == 3, "all three are given up")
        await members[1].say("meanwhile")
        assert await members[1].hear() == "meanwhile"
        await in_thread(mend)
        await members[0].say("after")
        assert await members[1].hear() == "after"
        assert await heard(members[0], 2) == ["meanwhile", "after"]
        assert dropped() == 3 and members[0].position == members[1].position

    asyncio.run(scenario())
