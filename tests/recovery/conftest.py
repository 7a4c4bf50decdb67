"""Several fanwired on a real Redis, each with a proxy of its own before it.

Run: FANWIRED=build/dev/capi/server/fanwired BUILD_DIR=build/dev \\
     /usr/bin/python3 -m pytest tests/recovery

FW_RECOVERY_CUTS says how often the links are cut in each run, then for up to three
seconds (by default a few times and for half of one), and FW_RECOVERY_RATE how many
messages a second are published; `./run test --all` sets both to what is promised.
FW_RECOVERY_SEED repeats a run's faults.
"""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from fanwired import SLOW, Running  # noqa: E402
from fault_proxy import FaultProxy  # noqa: E402
from own_cluster import OwnCluster  # noqa: E402
from own_redis import OwnRedis  # noqa: E402
from own_sentinels import OwnSentinels  # noqa: E402


class Cluster:
    """The nodes and what stands between them and Redis. proxies[i] is nodes[i]'s."""

    def __init__(self, redis, folder):
        self.redis, self.folder = redis, folder
        self.proxies, self.nodes = [], []

    def redis_url(self):
        """Of the next node."""
        self.proxies.append(FaultProxy(self.redis.path))
        return f"redis://127.0.0.1:{self.proxies[-1].port}"

    def start(self, count, *options):
        for _ in range(count):
            self.add(options)
        return self

    def add(self, options, command=()):
        """command: what is started in place of fanwired."""
        number = len(self.nodes)
        node = Running(["--listen", "ws://127.0.0.1:0/ws", "--http.listen", "127.0.0.1:0",
                        "--redis.url", self.redis_url(), "--redis.required", "on",
                        "--node.name", f"n{number}", *options],
                       None, self.folder / f"stderr-{number}", command=command)
        self.nodes.append(node)
        node.read_addresses("redis")
        return node

    def urls(self):
        return [node.url for node in self.nodes]

    def metric(self, name, index=None):
        """A metric without labels, of one node or the sum over all."""
        total = 0
        for node in self.nodes if index is None else [self.nodes[index]]:
            for line in node.get("/metrics")[2].splitlines():
                if line.startswith(name + " "):
                    total += float(line.split()[1])
        return total

    def all_up(self):
        return self.metric("fanwire_redis_up") == len(self.nodes)

    def end(self):
        for node in self.nodes:
            node.end()
        for proxy in self.proxies:
            proxy.stop()


class Direct(Cluster):
    """The same without proxies, where what fails is Redis itself."""

    def redis_url(self):
        return self.redis.url


@pytest.fixture
def redis(tmp_path):
    r = OwnRedis(tmp_path)
    yield r
    r.kill()


@pytest.fixture
def cluster(redis, tmp_path):
    """cluster.start(3, "--option", "value", ...) starts nodes; all end with the test."""
    c = Cluster(redis, tmp_path)
    yield c
    c.end()


@pytest.fixture
def sharded(tmp_path):
    """The same; sharded.redis is an OwnCluster."""
    c = Direct(OwnCluster(tmp_path), tmp_path)
    yield c
    c.end()
    c.redis.end()


@pytest.fixture
def watched(tmp_path):
    """The same; watched.redis is an OwnSentinels, and a master that is silent for two
    seconds is down. Shorter ones are no fault on a busy machine."""
    c = Direct(OwnSentinels(tmp_path, 2000 * SLOW, in_a_hurry=True), tmp_path)
    yield c
    c.end()
    c.redis.end()


@pytest.fixture
def direct(redis, tmp_path):
    """The same; direct.redis is an OwnRedis."""
    c = Direct(redis, tmp_path)
    yield c
    c.end()
