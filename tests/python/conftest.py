"""Fixtures of the tests in this directory: hubs on free ports that end with the test,
clients, a Redis, and a watch on what is logged.

Run in an environment where the package is installed:
    python -m pytest tests/python
"""

import asyncio
import itertools
import logging
import os
import pathlib

import pytest

import support

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "python"
_numbers = itertools.count()


def pytest_configure(config):
    for line in ("error::ResourceWarning",
                 "error::pytest.PytestUnraisableExceptionWarning",
                 "error::pytest.PytestUnhandledThreadExceptionWarning"):
        config.addinivalue_line("filterwarnings", line)
    # What the source tree happens to contain is not what users get.
    if os.environ.get("FW_DEVPY") != "1":
        import fanwire
        where = pathlib.Path(fanwire.__file__).resolve()
        assert SOURCE not in where.parents, (
            f"{where} is the source tree: install the package first, or FW_DEVPY=1")


@pytest.fixture(scope="session")
def client_loop():
    thread = support.LoopThread()
    yield thread
    thread.end()


@pytest.fixture
def make_hub():
    """make_hub(**options): a Hub on a free port of loopback, closed after the test."""
    import fanwire
    hubs = []

    def make(**options):
        options.setdefault("listen", "ws://127.0.0.1:0/ws")
        options.setdefault("drain_timeout", "5s")
        hub = fanwire.Hub(**options)
        hubs.append(hub)
        return hub

    yield make
    for hub in hubs:
        if hub.running:
            hub.close()


@pytest.fixture
def hub(make_hub):
    return make_hub()


@pytest.fixture
def connect(client_loop):
    """connect(hub or URL, "room=a", headers={...}): a client, gone after the test."""
    clients = []

    def make(where, query="", **keywords):
        url = where if isinstance(where, str) else where.urls[0]
        if query:
            url += "?" + query
        client = support.Client(client_loop, url, **keywords)
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
        url = where if isinstance(where, str) else where.urls[0]
        client = support.RawClient(url + ("?" + query if query else ""), *lines)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.end()


@pytest.fixture
def program():
    """program(source, *arguments, flags=()): a support.Program, ended after the test."""
    started = []

    def start(*args, **keywords):
        p = support.Program(*args, **keywords)
        started.append(p)
        return p

    yield start
    for p in started:
        p.end()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    server = support.RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis_options(redis_server):
    """Options that tie hubs together, and to nobody of another test."""
    return {"redis_url": redis_server.url,
            "redis_prefix": f"t{os.getpid()}-{next(_numbers)}"}


@pytest.fixture
def own_redis(tmp_path):
    """A Redis that the test may kill and start again."""
    server = support.RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


class Nodes:
    """Two nodes of one cluster; without Redis both are the same hub."""

    def __init__(self, kind, first, second):
        self.kind, self.first, self.second = kind, first, second

    @property
    def each(self):
        return [self.first] if self.first is self.second else [self.first, self.second]

    def start(self):
        for one in self.each:
            one.start()
        if self.kind == "redis":
            for one in self.each:
                support.wait_until(lambda: one.stats()["fanwire_redis_up"] == 1,
                                   "the node is connected")


@pytest.fixture(params=["memory", "redis"])
def nodes(request, make_hub):
    """The same test with both backplanes. Handlers come before nodes.start()."""
    if request.param == "memory":
        one = make_hub()
        return Nodes("memory", one, one)
    options = request.getfixturevalue("redis_options")
    return Nodes("redis", make_hub(**options), make_hub(**options))


def _as_coroutine_function(f):
    async def handler(*args):
        await asyncio.sleep(0)
        return f(*args)

    handler.__wrapped__ = f  # for the check of its signature
    return handler


@pytest.fixture(params=["sync", "async"])
def handler(request):
    """handler(f): f itself, or a coroutine function that does the same."""
    return _as_coroutine_function if request.param == "async" else lambda f: f


class _Collect(logging.Handler):
    def __init__(self, seen):
        super().__init__(1)
        self._seen = seen

    def emit(self, record):
        self._seen(record)


@pytest.fixture
def handler_log():
    """Records about handlers that failed. Who asks for this fixture expects some."""
    logger = logging.getLogger("fanwire.handlers")
    seen = support.Seen()
    collect = _Collect(seen)
    logger.addHandler(collect)
    yield seen
    logger.removeHandler(collect)


@pytest.fixture
def loop_errors():
    """Who asks for this fixture expects that a loop complains."""


@pytest.fixture(autouse=True)
def no_unexpected_errors(request):
    """A handler's failure is logged and no more, so a test wouldn't see its own mistakes
    in a handler, nor a task of the layer that died."""
    seen = support.Seen()
    collect = _Collect(seen)
    collect.setLevel(logging.ERROR)
    names = []
    if "loop_errors" not in request.fixturenames:
        names.append("asyncio")
    if "handler_log" not in request.fixturenames:
        names.append("fanwire.handlers")
    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.addHandler(collect)
    yield
    for logger in loggers:
        logger.removeHandler(collect)
    formatter = logging.Formatter()
    assert not seen.items, "\n".join(formatter.format(r) for r in seen.items)
