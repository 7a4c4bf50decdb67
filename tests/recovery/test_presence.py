"""Presence of real sessions when nodes die or stand still and Redis forgets: who is gone
is told once, within a lease; who is there is never told as gone by a Redis that was away;
and what it costs depends on the nodes alone.

With FW_RECOVERY_CUTS (`./run test --all`) leases and outages are as long as is promised,
and ten thousand sessions are idle.
"""

import resource
import signal
import time
from collections import Counter

import pytest

from bystanders import come, read_until
from fanwired import DEADLINE, SLOW, wait_until
from faults import FULL, pause, wait_for_all

LEASE = 10 if FULL else 2
# The short run goes on beside other work.
WITHIN = (LEASE + (2 if FULL else 10)) * SLOW
A_ROOM = 50  # sessions
OPTIONS = ("--node.lease", f"{LEASE}s", "--raw.format", "json", "--room.join_leave", "on",
           "--heartbeat.interval", "0s")


@pytest.fixture
def crowds():
    """crowds(url, n): n bystanders, so many a room; all go with the test."""
    all_of_them = []

    def make(url, n):
        found = come(url, [f"room=a{i // A_ROOM}&user=u{i}" for i in range(n)])
        all_of_them.extend(found)
        return found

    yield make
    for one in all_of_them:
        one.end()


@pytest.fixture
def observers(cluster, crowds):
    """observers(rooms, nodes): one a node, who is in all of the rooms."""
    found = []

    def make(rooms, nodes):
        query = "&".join(f"room=a{i}" for i in range(rooms))
        for i in nodes:
            found.extend(come(cluster.nodes[i].url, [query]))
            # It is in, and those who were there before have heard of it.
            read_until(found, lambda: all(
                len([told for told in one.heard if "joined" in told or "join" in told])
                == rooms * (len(found) - at) for at, one in enumerate(found)),
                lambda: "the observers are in their rooms", DEADLINE * SLOW)
        for one in found:
            one.heard.clear()
        return found

    yield make
    for one in found:
        one.end()


def present(redis, rooms):
    """How many Redis knows of."""
    return sum(redis.command("HLEN", "{fanwire:r:a%d}:p" % i) for i in range(rooms))


def heard_of(watching, kind, n):
    return lambda: all(len(one.news(kind)) >= n for one in watching)


def counts(watching, kind):
    return lambda: f"{kind}: {[len(one.news(kind)) for one in watching]}"


def test_a_killed_nodes_thousand_sessions_leave_once_and_no_ghost_stays(
        cluster, crowds, observers):
    n = 1000
    rooms = n // A_ROOM
    cluster.start(3, *OPTIONS)
    watching = observers(rooms, [0, 1])
    crowds(cluster.nodes[2].url, n)
    read_until(watching, heard_of(watching, "join", n), counts(watching, "join"),
               DEADLINE * SLOW)
    came = [Counter(one.news("join")) for one in watching]
    assert [len(c) for c in came] == [n, n] and came[0] == came[1]
    cluster.nodes[2].signal(signal.SIGKILL)
    read_until(watching, heard_of(watching, "leave", n), counts(watching, "leave"),
               WITHIN)
    wait_until(lambda: present(cluster.redis, rooms) == 2 * rooms, "no ghost is there")
    pause(LEASE)  # what would come twice has come by then
    for one in watching:
        one.read()
        assert Counter(one.news("leave")) == came[0]
        assert len(one.news("join")) == n and not one.closed
    assert present(cluster.redis, rooms) == 2 * rooms
    # Nor of the node: what there is are the lists of rooms of those that live.
    assert len(cluster.redis.command("KEYS", "fanwire:n:*")) == 2
    assert cluster.redis.command("ZCARD", "{fanwire:nodes}:leases") == 2


@pytest.mark.parametrize("away", [LEASE * 3 if FULL else 3])
def test_a_redis_that_was_away_and_comes_back_empty_makes_nobody_leave(
        cluster, crowds, observers, away):
    n, rooms = 100, 6
    cluster.start(3, *OPTIONS)
    watching = observers(rooms, range(3))
    for node in cluster.nodes:
        crowds(node.url, n)
    everybody = 3 * n + 3 * rooms
    wait_until(lambda: present(cluster.redis, rooms) == everybody, "all are present")
    cluster.redis.kill()
    pause(away)
    cluster.redis.start()
    began = time.monotonic()
    wait_for_all(cluster)
    wait_until(lambda: present(cluster.redis, rooms) == everybody, "presence is whole",
               WITHIN - (time.monotonic() - began))
    pause(LEASE)  # whoever is judged is judged by then
    for one in watching:
        one.read()
        assert one.news("leave") == [] and not one.closed
    assert present(cluster.redis, rooms) == everybody
    assert cluster.metric("fanwire_sessions") == 3 * n + 3


def test_a_node_that_was_stopped_and_goes_on_is_present_again(cluster, crowds, observers):
    n, rooms = 100, 2
    cluster.start(3, *OPTIONS)
    watching = observers(rooms, [0, 1])
    crowds(cluster.nodes[2].url, n)
    read_until(watching, heard_of(watching, "join", n), counts(watching, "join"),
               DEADLINE * SLOW)
    came = Counter(watching[0].news("join"))
    cluster.nodes[2].signal(signal.SIGSTOP)
    stopped = time.monotonic()
    read_until(watching, heard_of(watching, "leave", n), counts(watching, "leave"),
               WITHIN)
    pause(max(0, (15 if FULL else LEASE) - (time.monotonic() - stopped)))
    cluster.nodes[2].signal(signal.SIGCONT)
    read_until(watching, heard_of(watching, "join", 2 * n), counts(watching, "join"),
               WITHIN)
    wait_until(lambda: present(cluster.redis, rooms) == n + 2 * rooms, "all are present")
    pause(LEASE)
    for one in watching:
        one.read()
        assert Counter(one.news("leave")) == came
        assert Counter(one.news("join")) == came + came
    assert present(cluster.redis, rooms) == n + 2 * rooms
    assert cluster.metric("fanwire_sessions") == n + 2


def idle_calls(redis, seconds):
    """How often each command is called while nothing happens, and for how long."""
    before, began = Counter(redis.calls()), time.monotonic()
    pause(seconds)
    calls = Counter(redis.calls()) - before
    calls.subtract({"info": 1})
    return calls, time.monotonic() - began


def test_at_idle_presence_costs_beats_of_nodes_and_nothing_of_sessions(cluster, crowds):
    many, nodes, there = 10000 if FULL else 1000, 2, 0
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 3 * many), hard))
    cluster.start(nodes, "--node.lease", f"{LEASE}s", "--room.presence", "on",
                  "--heartbeat.interval", "0s")
    wait_for_all(cluster)
    for n in (100, many):
        crowds(cluster.nodes[0].url, n - there)
        there = n
        wait_until(lambda n=n: present(cluster.redis, many // A_ROOM) == n,
                   f"{n} are present")
        pause(1)  # what their coming has brought is over
        calls, seconds = idle_calls(cluster.redis, 1.5 * LEASE)
        beats, probes = calls["zadd"], calls["publish"] + calls["ping"]
        # Three beats a lease and node, and a script of eight commands is a beat. Behind
        # the first beat that sees another node its name is asked for, once.
        names = calls["zrangebyscore"]
        assert 1 <= beats <= nodes * (3 * seconds / LEASE + 2), calls
        assert names <= nodes, calls
        others = sum(calls.values()) - probes - names * (3 + nodes)
        assert others <= 8 * beats + nodes, calls
        assert probes <= nodes * (4 * seconds + 2), calls
