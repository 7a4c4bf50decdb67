"""Rooms with history while Redis fails over, or comes back without its memory. Nobody is
closed, and each member hears all there is, once and in order. Where Redis has lost what
had been said already, whoever heard it is told, and nobody else is bothered.
"""

import contextlib
import signal
import time

import pytest

from fanwired import SLOW, wait_until
from faults import FULL, RATE
from hall import LONG, Hall

NODES, ROOMS, MEMBERS, SPEAKERS = 3, (50 if FULL else 10), (10 if FULL else 6), \
    (5 if FULL else 2)
# What waits for a failover is to wait as long as that takes on a busy machine.
OPTIONS = ("--room.history.size", "10000", "--raw.format", "json", "--client.insecure",
           "on", "--heartbeat.interval", "0s", "--redis.queue.deadline", f"{LONG:.0f}s")
LEFT = "fanwire_redis_disconnects_total"
KILLS = 4 if FULL else 1
RESTARTS = 5 if FULL else 1


with_all = pytest.mark.skipif(not FULL, reason="takes its time: with --all")


@contextlib.contextmanager
def talk_at(nodes):
    """A crowd that talks, and is heard."""
    with Hall(nodes.urls(), ROOMS, MEMBERS, SPEAKERS, RATE) as hall:
        hall.wait_for_more()
        if FULL:
            said, began = hall.said(), time.monotonic()
            hall.wait_until(lambda: hall.said() - said >= RATE, "a second's load is said")
            if time.monotonic() - began > 2 * SLOW:
                pytest.skip("this machine is too busy to say so much")
        yield hall


@pytest.fixture
def town(watched):
    """Nodes that find their Redis by Sentinels."""
    return watched.start(NODES, *OPTIONS)


def judge(hall, sentinels):
    hall.fall_silent()
    return hall.judge(sentinels.data[sentinels.master()])


def subscribers(server, rooms):
    """How many nodes hear each of them there."""
    told = server.command("PUBSUB", "NUMSUB", *(f"fanwire:r:{room}" for room in rooms))
    return told[1::2]


def test_nobody_notices_a_failover_to_a_replica_that_knows_all(town):
    sentinels = town.redis
    with talk_at(town) as hall:
        for _ in range(KILLS):
            sentinels.fail_over()
            hall.wait_for_more()
        found = judge(hall, sentinels)
    assert found.mistakes == []
    # Where a Sentinel has waited too long for the CPU there was one more, of its own.
    if sentinels.failovers() == KILLS:
        assert found.lost == {} and not any(found.told)


def wait_until_all_is_heard(hall, server):
    """That server has been kept from taking more."""
    keys = {room: "{fanwire:r:%s}:m" % room for room in hall.rooms}
    epochs = {book.room: book.parts[-1].epoch for book in hall.books()}
    tops = {room: (epochs[room], int(server.command("HGET", key, "o")))
            for room, key in keys.items()}
    hall.wait_until(lambda: hall.answered() == sum(top for _, top in tops.values()),
                    "all is answered")
    hall.wait_until(lambda: hall.all_stand_at(tops), "all is heard")


@with_all
def test_whoever_heard_what_a_failover_has_lost_is_told_once(town):
    """The replica has missed what everybody has heard, and all that has its answer."""
    sentinels = town.redis
    with talk_at(town) as hall:
        old = sentinels.master()
        sentinels.part(1 - old)
        hall.wait_for_more()
        sentinels.hold_writes(old)
        wait_until_all_is_heard(hall, sentinels.data[old])
        sentinels.crash(old)
        found = judge(hall, sentinels)
        rooms = {account.room for account in hall.accounts()
                 if account.number in found.lost}
    assert found.mistakes == []
    assert rooms == set(hall.rooms)
    assert min(found.told) >= 1
    if sentinels.failovers() == 1:
        assert max(found.told) == 1


@with_all
def test_a_master_that_is_killed_at_any_moment_leaves_nobody_in_the_dark(town):
    """What it had told some and not its replica, if anything, may be lost."""
    sentinels = town.redis
    with talk_at(town) as hall:
        for _ in range(KILLS):
            sentinels.crash(sentinels.master())
            hall.wait_for_more()
        found = judge(hall, sentinels)
    assert found.mistakes == []


def test_a_master_that_stood_still_is_not_believed_when_it_goes_on(town):
    sentinels = town.redis
    with talk_at(town) as hall:
        old = sentinels.master()
        was, now = sentinels.data[old], sentinels.data[1 - old]
        sentinels.stop(old)
        wait_until(lambda: all(n == NODES for n in subscribers(now, hall.rooms)),
                   "all nodes are at the new master", LONG)
        left = town.metric(LEFT)
        was.signal(signal.SIGCONT)
        hall.wait_for_more()
        sentinels.wait_for_replica(old)
        found = judge(hall, sentinels)
    assert found.mistakes == []
    if sentinels.failovers() == 1:
        assert town.metric(LEFT) == left, "somebody went back to it"


@with_all
def test_a_master_that_goes_on_while_it_is_believed_leaves_nobody_in_the_dark(town):
    """By its min-replicas-to-write it knows that it is alone, and takes nothing more."""
    sentinels = town.redis
    with talk_at(town) as hall:
        old = sentinels.master()
        for word, number in (("to-write", 1), ("max-lag", 1)):
            sentinels.data[old].command("CONFIG", "SET", f"min-replicas-{word}", number)
        hall.wait_for_more()  # it takes what it is given while it has one
        sentinels.stop(old)
        sentinels.data[old].signal(signal.SIGCONT)
        sentinels.wait_for_replica(old)
        found = judge(hall, sentinels)
    assert found.mistakes == []


def is_one_past(parts):
    """Did they hear the same, as far as each came?"""
    longest = max(parts, key=lambda part: len(part.values))
    return all((part.epoch, part.base) == (longest.epoch, longest.base)
               and part.values == longest.values[:len(part.values)] for part in parts)


def test_members_are_told_once_of_each_redis_that_has_forgotten(direct):
    nodes = direct.start(NODES, *OPTIONS)
    with talk_at(nodes) as hall:
        for n in range(RESTARTS):
            nodes.redis.restart()
            hall.wait_until_told(n + 1)
            hall.wait_for_more()
        hall.fall_silent()
        found = hall.judge(nodes.redis)
        books = hall.books()
    assert found.mistakes == []
    assert found.lost == {}, "said to the Redis that is there now, and not kept"
    assert set(found.told) == {RESTARTS}
    for room in hall.rooms:
        pasts = zip(*(book.parts for book in books if book.room == room))
        for parts in pasts:
            assert parts[0].base == 0 and is_one_past(parts)
