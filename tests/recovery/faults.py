"""What is done to the links during a run: a plan drawn from a seed, and its execution.

The moments, their length and whom they meet are the seed's, but the threads of the run
are not: a seed repeats a run's faults, not its every message.
"""

import os
import random
import select
import time

from fanwired import DEADLINE, SLOW, wait_until

FULL = "FW_RECOVERY_CUTS" in os.environ
CUTS = int(os.environ.get("FW_RECOVERY_CUTS", "6"))
RATE = int(os.environ.get("FW_RECOVERY_RATE", "500"))
SEED = int(os.environ.get("FW_RECOVERY_SEED", random.SystemRandom().randrange(1 << 32)))
LONGEST = 3.0 if FULL else 0.5  # of a cut, in seconds


class Cut:
    def __init__(self, rng, index, nodes):
        self.pause_s = rng.uniform(0.1, 1.5 if FULL else 0.6)
        self.away_s = rng.uniform(0.1, LONGEST)
        self.how = rng.choice(("reset", "fin"))
        self.before_reply = index % 2 == 1
        # One node, or all of them at once.
        self.nodes = range(nodes) if rng.random() < 0.25 else [rng.randrange(nodes)]


class Plan:
    """CUTS cuts, every other one between a publish and its reply."""

    def __init__(self, nodes, cuts=CUTS, seed=SEED):
        rng = random.Random(seed)
        self.cuts = [Cut(rng, i, nodes) for i in range(cuts)]

    def seconds(self):
        """How long somebody must talk for all of it to happen meanwhile."""
        return 1 + sum(c.pause_s + c.away_s + 0.1 * SLOW for c in self.cuts)

    def carry_out(self, cluster, crowd, publish=b"fanwire:r:"):
        """publish: bytes that only a command link carries that publishes to a room."""
        done = 0
        for cut in self.cuts:
            pause(cut.pause_s)
            assert crowd.is_talking(), f"the crowd was silent after {done} cuts"
            proxies = [cluster.proxies[i] for i in cut.nodes]
            if cut.before_reply:
                cut_before_replies(proxies, publish)
            for proxy in proxies:
                proxy.refuse()
                proxy.cut(cut.how)
            pause(cut.away_s)
            for proxy in proxies:
                proxy.admit()
            done += 1
        return done


def pause(seconds):
    """The time between faults is what is tested; nothing is waited for."""
    select.select([], [], [], seconds)


def cut_before_replies(proxies, publish):
    """Each loses its command link with an answer on the way; a node that is away has
    none, and isn't waited for longer than a moment."""
    before = {proxy: proxy.counts["cut_before_reply"] for proxy in proxies}
    end = time.monotonic() + 0.1
    for proxy in proxies:
        proxy.cut_before_reply(publish)
    while time.monotonic() < end and any(
            proxy.counts["cut_before_reply"] == before[proxy] for proxy in proxies):
        pause(0.001)
    for proxy in proxies:
        proxy.disarm()


def replies_lost(cluster):
    return sum(proxy.counts["cut_before_reply"] for proxy in cluster.proxies)


def wait_for_all(cluster):
    wait_until(cluster.all_up, "all nodes are up again", DEADLINE * SLOW)
