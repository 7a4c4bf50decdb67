"""Rooms with history on a Redis Cluster, while a master is killed and slots are moved:
nothing is lost, nothing comes twice or out of order, and nobody is closed."""

import pytest

from crowd import wrong
from fanwired import SLOW
from faults import FULL, pause
from test_history_rooms import HISTORY, NODES, told_while

KILLS = 6 if FULL else 1
MOVES = 30 if FULL else 6
ROOMS = 50 if FULL else 10


@pytest.fixture
def nodes(sharded):
    return sharded.start(NODES, *HISTORY)


def test_nothing_is_lost_by_a_master_that_is_killed(nodes):
    redis = nodes.redis

    def kill(_):
        dead = None
        for _ in range(KILLS):
            if dead is not None:
                redis.restart(dead)
            pause(1)
            dead = min(redis.masters())
            redis.kill(dead)
            pause(1)

    # Who is in a room of the dead master waits for seconds, and says less meanwhile.
    found = told_while(nodes, 12 * SLOW * KILLS, kill, said=0.4)
    assert wrong(found) == {}


def test_nothing_is_lost_by_slots_that_move(nodes):
    redis = nodes.redis

    def move(_):
        pause(1)
        for n in range(MOVES):
            slot = redis.slot(f"fanwire:r:r{n % ROOMS}")
            others = sorted(redis.masters().keys() - {redis.owner(slot)})
            redis.move(slot, others[n % len(others)])
            pause(0.3)

    assert wrong(told_while(nodes, 4 + MOVES, move)) == {}
    assert nodes.metric("fanwire_redis_disconnects_total") == 0
