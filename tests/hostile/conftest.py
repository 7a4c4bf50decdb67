"""One fanwired for all attacks (their traces must not add up), and a scene for each."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import hostile  # noqa: E402  (puts tests/conformance on the path)
from server import Server, program  # noqa: E402

# Short time-outs, so that what must be dropped is dropped while the test looks.
OPTIONS = ["--handshake.timeout", "2s", "--http.request_timeout", "1s",
           "--compression", "on", "--log.level", "error", "--client.insecure", "on",
           "--namespace.flood.presence", "on", "--namespace.flood.history.size", "100",
           "--api.key", hostile.API_KEY]


def is_sanitized(server):
    with open("/proc/%d/maps" % server.process.pid) as maps:
        loaded = any("libasan" in line or "libtsan" in line for line in maps)
    with open("/proc/%d/exe" % server.process.pid, "rb") as f:
        return loaded or b"__asan_init" in f.read() or b"__tsan_init" in f.read()


def started(options):
    if program() is None:
        pytest.fail("set FANWIRED to the program under test")
    server = Server(options)
    server.sanitized = is_sanitized(server)
    return server


@pytest.fixture(scope="session")
def server():
    server = started(OPTIONS)
    yield server
    server.stop()


@pytest.fixture
def server_with():
    """Makes servers with other options; each is stopped and judged."""
    servers = []

    def make(*options):
        servers.append(started(OPTIONS + list(options)))
        return servers[-1]

    yield make
    for one in servers:
        one.stop()


@pytest.fixture
def scene(server, request):
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[:60]
    scene = hostile.Scene(server, name)
    yield scene
    scene.finish()


@pytest.fixture(params=["plain", "TLS"])
def target(server, request):
    return server.plain if request.param == "plain" else server.tls


def pytest_terminal_summary(terminalreporter):
    if not hostile.NOTES:
        return
    terminalreporter.section("control pair, the ten who waited longest (not judged)")
    for name, count, p99, worst in sorted(hostile.NOTES, key=lambda note: -note[3])[:10]:
        terminalreporter.write_line("%6d messages  p99 %7.1f ms  worst %7.1f ms  %s"
                                    % (count, p99, worst, name))
