"""A Redis Cluster of a test's own, on free ports of 127.0.0.1: masters with a replica
each, of which one can be killed and a slot be moved.
"""

import contextlib
import random
import socket

from fanwired import DEADLINE, SLOW, wait_until
from own_redis import OwnRedis

SLOTS = 16384
# On a busy machine a node may be silent for a second and not be dead; a replica that
# takes over then lacks what its living master was told.
NODE_TIMEOUT_MS = 3000 * SLOW


def free_ports(count):
    """Ports of loopback that were free a moment ago, all of them at once. Below those
    that the kernel gives to anybody's connections, which would come in between; also
    while a server that was killed isn't back yet."""
    ports = random.sample(range(20000, 32000), 8 * count)
    with contextlib.ExitStack() as stack:
        free = []
        for port in ports:
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
                free.append(port)
        assert len(free) >= count, "hardly a port is free"
        return free[:count]


class OwnCluster:
    """nodes[0..masters) begin as masters; nodes[masters + i] follows nodes[i]."""

    def __init__(self, folder, masters=3):
        count = 2 * masters
        ports = free_ports(2 * count)
        self.ports, self.buses = ports[:count], ports[count:]
        self.nodes = []
        for n in range(count):
            place = folder / f"redis-{n}"
            place.mkdir()
            self.nodes.append(OwnRedis(
                place, "--bind", "127.0.0.1", "--port", self.ports[n],
                "--cluster-enabled", "yes", "--cluster-port", self.buses[n],
                "--cluster-node-timeout", NODE_TIMEOUT_MS, "--repl-diskless-sync-delay",
                "0", "--enable-debug-command", "yes", "--crash-log-enabled", "no"))
        self.ids = [node.command("CLUSTER", "MYID") for node in self.nodes]
        self._join(masters)

    @property
    def url(self):
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return "redis+cluster://" + hosts

    def _join(self, masters):
        for n, node in enumerate(self.nodes):
            node.command("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
        for n in range(masters):
            self.nodes[n].command("CLUSTER", "ADDSLOTSRANGE", SLOTS * n // masters,
                                  SLOTS * (n + 1) // masters - 1)
        for n, node in enumerate(self.nodes):
            for k in range(len(self.nodes)):
                if k != n:
                    node.command("CLUSTER", "MEET", "127.0.0.1", self.ports[k],
                                 self.buses[k])
        for node in self.nodes:
            wait_until(lambda node=node: self._is_whole(node), "the Cluster is whole")
        for n in range(masters):
            self.nodes[masters + n].command("CLUSTER", "REPLICATE", self.ids[n])
        self.wait_for_replicas()

    def _is_whole(self, node):
        info = node.command("CLUSTER", "INFO")
        return ("cluster_state:ok" in info
                and f"cluster_known_nodes:{len(self.nodes)}" in info)

    def wait_for_replicas(self):
        """Until every node is a master or follows one."""
        for node in self.nodes:
            wait_until(lambda node=node: self._has_place(node), "a replica follows",
                       DEADLINE * SLOW)

    @staticmethod
    def _has_place(node):
        info = node.info("replication")
        if info["role"] == "master":
            return "cluster_state:ok" in node.command("CLUSTER", "INFO") \
                and int(info["connected_slaves"]) > 0
        return info["master_link_status"] == "up"

    def alive(self):
        return [n for n, node in enumerate(self.nodes) if node.process is not None]

    def masters(self):
        """Which nodes serve slots, and which, by the word of one that is alive."""
        lines = self.nodes[self.alive()[0]].command("CLUSTER", "NODES").splitlines()
        found = {}
        for fields in map(str.split, lines):
            ranges = [f for f in fields[8:] if not f.startswith("[")]
            if "master" in fields[2].split(",") and "fail" not in fields[2].split(",") \
                    and ranges:
                found[self.ids.index(fields[0])] = [
                    tuple(map(int, (r.split("-") * 2)[:2])) for r in ranges]
        return found

    def owner(self, slot):
        for n, ranges in self.masters().items():
            if any(first <= slot <= last for first, last in ranges):
                return n
        return None

    def slot(self, key):
        return self.nodes[self.alive()[0]].command("CLUSTER", "KEYSLOT", key)

    def kill(self, n):
        """It crashes; waits until another node serves its slots.

        It does so at the beginning of a turn, when its replica has been told all that
        anybody else was. Killed at another moment it may have told subscribers what no
        replica knows: such a loss is told to members, and isn't what is tested here.
        """
        slot = self.masters()[n][0][0]
        try:
            self.nodes[n].command("DEBUG", "SEGFAULT")
        except OSError:
            pass
        self.nodes[n].kill()
        wait_until(lambda: self.owner(slot) not in (None, n), "a replica has taken over",
                   DEADLINE * SLOW)

    def restart(self, n):
        """It comes back without its memory, as a replica of who has taken over."""
        self.nodes[n].start()
        self.wait_for_replicas()

    def move(self, slot, to):
        """The slot with all its keys, while they are used."""
        source, target = self.nodes[self.owner(slot)], self.nodes[to]
        before = self.ids[self.nodes.index(source)]
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", before)
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", self.ids[to])
        while keys := source.command("CLUSTER", "GETKEYSINSLOT", slot, 10):
            source.command("MIGRATE", "127.0.0.1", self.ports[to], "", 0, 5000, "KEYS",
                           *keys)
        for node in (target, source):
            node.command("CLUSTER", "SETSLOT", slot, "NODE", self.ids[to])

    def end(self):
        for node in self.nodes:
            node.kill()
