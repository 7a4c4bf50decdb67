"""A master, its replica and three Sentinels who watch them, all of a test's own, on free
ports of 127.0.0.1. The master can be made to crash or to stand still, as often as one
likes.
"""

import signal
import time

from fanwired import DEADLINE, SLOW, wait_until
from own_cluster import free_ports
from own_redis import OwnRedis

NAME = "m"
SENTINELS = 3
PAUSE_MS = 60000  # longer than anybody waits for the replica
LONG = 10 * DEADLINE * SLOW
HURRY = ("INFO-PERIOD", 500, "PUBLISH-PERIOD", 500, "TILT-PERIOD", 1000)


class OwnSentinels:
    """data[0] begins as the master, data[1] as its replica. In a hurry the Sentinels wait
    a fraction of the time until they know each other and put right what they find, and
    aren't in tilt for long."""

    def __init__(self, folder, down_after_ms=5000, in_a_hurry=False):
        ports = free_ports(2 + SENTINELS)
        self.ports, self.watch_ports = ports[:2], ports[2:]
        self.data, self.sentinels = [], []
        self._start(folder, "data-0", self.data, self._data(0))
        self._start(folder, "data-1", self.data, self._data(1, 0))
        wait_until(lambda: self._follows(1), "the replica follows", DEADLINE * SLOW)
        config = (f"sentinel monitor {NAME} 127.0.0.1 {self.ports[0]} 2\n"
                  f"sentinel down-after-milliseconds {NAME} {down_after_ms}\n"
                  f"sentinel failover-timeout {NAME} {2 * down_after_ms}\n")
        self.log = folder / "sentinel-0" / "log"
        for n, port in enumerate(self.watch_ports):
            self._start(folder, f"sentinel-{n}", self.sentinels,
                        ["--bind", "127.0.0.1", "--port", port, "--logfile",
                         folder / f"sentinel-{n}" / "log", "--sentinel"], config)
            if in_a_hurry:
                self.sentinels[n].command("SENTINEL", "DEBUG", *HURRY)
        for one in self.sentinels:
            wait_until(lambda one=one: self._knows_all(one), "the Sentinels know all",
                       DEADLINE * SLOW)

    @property
    def url(self):
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.watch_ports)
        return f"redis+sentinel://{hosts}/{NAME}"

    @staticmethod
    def _start(folder, name, servers, args, config=None):
        place = folder / name
        place.mkdir()
        servers.append(OwnRedis(place, *args, config=config))

    def _data(self, n, of=None):
        args = ["--bind", "127.0.0.1", "--port", self.ports[n],
                "--repl-diskless-sync-delay", "0"]
        return args if of is None else \
            [*args, "--replicaof", f"127.0.0.1 {self.ports[of]}"]

    def _follows(self, n):
        try:
            info = self.data[n].info("replication")
        except OSError:
            return False  # who is demoted ends its connections, ours among them
        return info.get("master_link_status") == "up"

    @staticmethod
    def _knows_all(sentinel):
        told = sentinel.command("SENTINEL", "MASTER", NAME)
        facts = dict(zip(told[::2], told[1::2]))
        return (facts["num-slaves"] == "1"
                and facts["num-other-sentinels"] == str(SENTINELS - 1))

    def master(self):
        """Which of the two the Sentinels say is the master."""
        _, port = self.sentinels[0].command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
        return self.ports.index(int(port))

    @staticmethod
    def _has_told_all(server):
        info = server.info("replication")
        replica = dict(f.split("=") for f in info.get("slave0", "").split(",") if f)
        return replica.get("offset") == info["master_repl_offset"]

    def failovers(self):
        """How many there have been, also because a Redis had to wait for the CPU."""
        return self.log.read_text(encoding="utf-8").count("+switch-master")

    def fail_over(self):
        """The master crashes, its replica is promoted, and the dead one comes back as a
        replica without its memory. Nobody may write in the moment before: what the
        replica doesn't know when its master dies would be lost by Redis, which doesn't
        wait for it, and isn't what is tested."""
        old = self.master()
        self.wait_for_replica(1 - old)
        self.hold_writes(old)
        wait_until(lambda: self._has_told_all(self.data[old]), "the replica knows all",
                   DEADLINE * SLOW)
        self.crash(old)

    def hold_writes(self, n):
        """Nothing more is written to it, and what was is answered: answers go out before
        the next command is read."""
        self.data[n].command("CLIENT", "PAUSE", PAUSE_MS, "WRITE")
        self.data[n].command("PING")

    def crash(self, n):
        """The master dies at once, wherever it is in its work: what it has told others
        its replica may not know. The replica takes over, and it comes back empty."""
        self.data[n].kill()
        self.wait_promoted(1 - n)
        self.data[n].args = ["--port", "0", *map(str, self._data(n, 1 - n))]
        self.data[n].start()
        self.wait_for_replica(n)

    def part(self, n):
        """The replica hears nothing more of its master, and is to take over as it is.
        Sentinels would mend that; they are told to take their time."""
        for one in self.sentinels:
            one.command("SENTINEL", "SET", NAME, "failover-timeout", PAUSE_MS)
        self.data[n].command("REPLICAOF", "127.0.0.1", 1)

    def stop(self, n):
        """The master stands still, with all its connections, until it is continued: its
        replica takes over."""
        self.data[n].signal(signal.SIGSTOP)
        self.wait_promoted(1 - n)

    def wait_for_replica(self, n):
        wait_until(lambda: self._follows(n), "it follows the other", LONG)

    def wait_promoted(self, new):
        """Longer than anything else is waited for: on a busy machine Sentinels are in
        tilt, in which they do nothing for half a minute."""
        end = time.monotonic() + LONG
        while self.master() != new:
            if time.monotonic() > end:
                raise TimeoutError("the replica is not promoted; of the Sentinels "
                                   f"{self.tilted()} are in tilt")
            time.sleep(0.02)

    def tilted(self):
        """How many of them had to wait for the CPU for two seconds, and do nothing."""
        return sum(one.info("sentinel")["sentinel_tilt"] == "1"
                   for one in self.sentinels)

    def end(self):
        for server in (*self.sentinels, *self.data):
            server.kill()
