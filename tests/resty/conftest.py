"""Fixtures of the tests of fanwire.resty: an nginx, nodes beside it, clients, a Redis.

Run: BUILD_DIR=build/dev /usr/bin/python3 -m pytest tests/resty

nginx is the system's, with its Lua module (Debian: nginx-light, libnginx-mod-http-lua,
lua-resty-core); the package is the one of the build tree.
"""

import itertools
import json
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../python"), os.path.join(HERE, "../support")]

import application  # noqa: E402
import rig  # noqa: E402
import support  # noqa: E402

_numbers = itertools.count()


@pytest.fixture(scope="session")
def client_loop():
    thread = support.LoopThread()
    yield thread
    thread.end()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    server = support.RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def prefix():
    """What ties the nodes of a test together, and to nobody of another test."""
    return f"t{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def nginx(redis_server, prefix):
    """nginx(init_worker, locations, ...): a rig.Nginx that serves, with the test's Redis
    unless redis=None. At its end nothing may be left, and its log has to be clean."""
    started = []

    def start(*args, **keywords):
        keywords.setdefault("redis", redis_server.url)
        started.append(rig.Nginx(*args, prefix=prefix, **keywords))
        return started[-1].start()

    yield start
    for one in started:
        one.end()
    for one in started:
        faults, wake = one.faults(), os.listdir(one.wake_dir)
        assert not faults, f"{one.folder}: " + "\n".join(faults)
        assert not wake, wake
        one.remove()


@pytest.fixture
def serve(nginx):
    """serve(handlers="", options="", ...): the same with rig.START, and /notify."""
    def start(handlers="", options="", locations="", **keywords):
        init = rig.START.replace("@HANDLERS@", handlers).replace("@OPTIONS@", options)
        one = nginx(init, rig.NOTIFY + locations, **keywords)
        workers = keywords.get("workers", 2)
        one.wait_told_or_fail("started", workers)
        if "redis" not in keywords:
            # Before that a worker doesn't hear what others publish.
            one.wait_log("fanwire: redis: up", workers)
        return one

    return start


@pytest.fixture
def node(redis_server, prefix):
    """node(): a rig.Node on the same Redis."""
    started = []

    def start():
        started.append(rig.Node(redis_server.url, prefix))
        return started[-1]

    yield start
    for one in started:
        one.end()


@pytest.fixture
def connect(client_loop):
    """connect(URL or something that has one, "room=a"): a support.Client."""
    clients = []

    def make(where, query="", **keywords):
        url = where if isinstance(where, str) else where.url
        client = support.Client(client_loop, url + ("?" + query if query else ""),
                                **keywords)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.abort()


@pytest.fixture
def raw_connect():
    """The same with a support.RawClient; what follows the query are header lines."""
    clients = []

    def make(where, query="", *lines):
        url = where if isinstance(where, str) else where.url
        client = support.RawClient(url + ("?" + query if query else ""), *lines)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.end()


@pytest.fixture
def enter(connect):
    """enter(nginx, "room=a", worker=1): a client of START at that worker, its greeting
    taken; .at is what it said. Any worker without a number."""
    def make(nginx, query="", worker=None):
        found = []

        def reached():
            client = connect(nginx, query)
            client.at = json.loads(client.receive())
            if worker in (None, client.at["worker"]):
                found.append(client)
                return True
            client.close()
            return False

        support.wait_until(reached, f"a client of worker {worker}")
        return found[0]

    return make


@pytest.fixture
def attached(serve):
    def start(handlers=application.HANDLERS, options="", **keywords):
        locations = application.LOOP + keywords.pop("locations", "")
        n = serve(handlers, options, locations, **keywords)
        n.wb = f"ws://127.0.0.1:{n.port}/ws"
        return n

    return start


@pytest.fixture
def attach(connect):
    """attach(nginx, "user=ann", worker=1): a client of the loop at that worker."""
    def make(nginx, query="", worker=None, **keywords):
        found, waste = [], []

        def reached():
            client = application.Attached(connect(nginx.wb, query, **keywords))
            if worker in (None, client.at["worker"]):
                found.append(client)
                return True
            waste.append(client)
            return False

        support.wait_until(reached, f"a client of worker {worker}")
        for client in waste:
            client.close()
        return found[0]

    return make
