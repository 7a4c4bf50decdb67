"""Rooms with history while links are cut, Redis is stopped and throws subscribers out:
nothing is lost, nothing comes twice or out of order, and nobody is closed."""

import signal

import pytest

from crowd import Crowd, wrong
from faults import FULL, RATE, SEED, Plan, pause, replies_lost, wait_for_all
from fanwired import SLOW, wait_until

NODES, ROOMS, MEMBERS = 3, (50 if FULL else 10), (10 if FULL else 6)
HISTORY = ("--room.history.size", "10000")
PUBLISH = b"{fanwire:r:"  # a room's keys: of scripts, which only command links call


@pytest.fixture
def nodes(cluster):
    return cluster.start(NODES, *HISTORY)


def told_while(nodes, seconds, fault, said=0.9):
    """What a crowd that talks for so long found, and fault(crowd) happened meanwhile. It
    must have said that share of what it should."""
    crowd = Crowd(nodes.urls(), ROOMS, MEMBERS, rate=RATE, seconds=seconds)
    try:
        fault(crowd)
        assert crowd.is_talking(), "the crowd was silent before the end of the fault"
        found = crowd.found()
    finally:
        crowd.end()
    wait_for_all(nodes)
    # Who waits too long for what he has said says no more: then it was no such load.
    assert found["sent"] >= said * RATE * seconds / SLOW, found["sent"]
    dropped = nodes.metric("fanwire_redis_queue_dropped_total")
    assert dropped == 0, f"{dropped} dropped by the nodes; {wrong(found)}"
    return found


def test_nothing_is_lost_by_links_that_are_cut(nodes):
    plan = Plan(NODES)
    found = told_while(nodes, plan.seconds() + 2,
                       lambda crowd: plan.carry_out(nodes, crowd, PUBLISH))
    assert replies_lost(nodes) > 0
    assert wrong(found) == {}, f"FW_RECOVERY_SEED={SEED}"
    # Nobody asks where these are, so nobody looks for those that were sent again.
    assert "xrevrange" not in nodes.redis.calls()


# Less than a probe waits for its answer, and more.
@pytest.mark.parametrize("seconds", [1, 3, 6] if FULL else [6])
def test_nothing_is_lost_by_a_redis_that_is_stopped_for(nodes, seconds):
    def stop(_):
        pause(2)
        nodes.redis.signal(signal.SIGSTOP)
        pause(seconds)
        nodes.redis.signal(signal.SIGCONT)

    assert wrong(told_while(nodes, seconds + 4, stop)) == {}


def test_nothing_is_lost_by_subscribers_that_are_killed(nodes):
    killed = []

    def kill(_):
        pause(2)
        for _ in range(5):
            pause(0.3)
            killed.append(nodes.redis.command("CLIENT", "KILL", "TYPE", "pubsub"))

    assert wrong(told_while(nodes, 6, kill)) == {}
    assert sum(killed) >= NODES


def test_nothing_is_lost_by_an_output_buffer_that_runs_over(nodes):
    redis, deaf = nodes.redis, nodes.proxies[0]
    redis.command("CONFIG", "SET", "client-output-buffer-limit", "pubsub 64kb 0 0")

    def overrun(_):
        pause(2)
        deaf.stall("out")
        wait_until(lambda: int(redis.info("clients")["connected_clients"]) <
                   2 * NODES + 1, "the subscriber is thrown out")
        deaf.go_on()
        redis.command("CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60")

    assert wrong(told_while(nodes, 8, overrun)) == {}
