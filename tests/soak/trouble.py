"""What is done to the soak's nodes and to Redis, one after the other, from a seed."""

import collections
import random
import signal
import threading
import time


class Trouble(threading.Thread):
    """Does its worst until `quiet` is set, which holds after the fault under way; `idle`
    says that there is none. `done` counts by name, `failed` is the exception that ended
    it."""

    def __init__(self, sentinels, nodes, seed):
        super().__init__(daemon=True)
        self.sentinels, self.nodes, self.rng = sentinels, nodes, random.Random(seed)
        self.quiet, self.idle, self.over = (threading.Event() for _ in range(3))
        self.done, self.failed, self.queue = collections.Counter(), None, []

    def run(self):
        try:
            while not self.over.is_set():
                if self.quiet.is_set():
                    self.idle.set()
                    self.over.wait(0.05)
                    continue
                self.idle.clear()
                name, act = self.next()
                act()
                self.done[name] += 1
                self.quiet.wait(self.rng.uniform(1, 4))
        except BaseException as e:  # pytest's own failure is no Exception
            self.failed = e
        self.idle.set()

    def next(self):
        """Each once, in another order each time; the first of all is a failover, so that
        what it costs for good is there before anything is compared."""
        if not self.queue:
            self.queue = [("failover", self.sentinels.fail_over),
                          ("Redis stood still", self.redis_stands_still),
                          ("subscribers thrown out", self.throw_subscribers_out)]
            for node in self.nodes:
                self.queue += [("killed", node.kill), ("drained", node.drain),
                               ("stood still", lambda node=node: self.hold(node))]
            first = self.queue.pop(0) if not self.done else None
            self.rng.shuffle(self.queue)
            self.queue += [first] if first else []
        name, act = self.queue.pop()

        def one():
            act()
            for node in self.nodes:
                node.wait_up()

        return name, one

    def redis_stands_still(self):
        master = self.sentinels.data[self.sentinels.master()]
        master.signal(signal.SIGSTOP)
        time.sleep(self.rng.uniform(0.3, 2))  # the fault itself
        master.signal(signal.SIGCONT)

    def throw_subscribers_out(self):
        master = self.sentinels.data[self.sentinels.master()]
        master.command("CLIENT", "KILL", "TYPE", "pubsub")

    def hold(self, node):
        node.stand_still(self.rng.uniform(0.3, 2))
