"""Rooms without history whose links are cut: what is said may be lost then, but nothing
comes twice, nothing out of order, and nobody is closed."""

from crowd import Crowd, wrong
from faults import RATE, SEED, Plan, replies_lost, wait_for_all


def test_cut_links_double_nothing_reorder_nothing_and_close_nobody(cluster):
    cluster.start(3)
    plan = Plan(3)
    crowd = Crowd(cluster.urls(), rooms=10, members=6, rate=RATE, seconds=plan.seconds())
    try:
        plan.carry_out(cluster, crowd)
        found = crowd.found()
    finally:
        crowd.end()
    assert replies_lost(cluster) > 0
    mistakes = wrong(found)
    mistakes.pop("lost", None)
    assert mistakes == {}, f"FW_RECOVERY_SEED={SEED}"
    wait_for_all(cluster)
