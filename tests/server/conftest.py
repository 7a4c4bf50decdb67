"""Starting and ending fanwired for the tests of this directory.

Run: FANWIRED=build/dev/capi/server/fanwired /usr/bin/python3 -m pytest tests/server

Every wait has a deadline; every process that was started is ended by its id.
"""

import pathlib
import socket
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from fanwired import (  # noqa: E402,F401  (tests take them from here)
    DEADLINE, SLOW, Running, binary, run, wait_until)
from own_redis import OwnRedis  # noqa: E402


def make_certificate(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj",
                    f"/CN={name}", "-keyout", folder / "key.pem", "-out",
                    folder / "cert.pem"], check=True, capture_output=True)


@pytest.fixture
def fanwired(tmp_path):
    """fanwired("--name", "value", ..., env={}) starts one on free ports of loopback."""
    started = []

    def start(*args, env=None, listen="ws://127.0.0.1:0/ws", sockets=(), last="http"):
        command = ["--http.listen", "127.0.0.1:0", *args]
        if listen is not None:
            command += ["--listen", listen]
        f = Running(command, env, tmp_path / f"stderr-{len(started)}", sockets)
        started.append(f)
        redis = any(a.startswith("--redis.url") for a in args)
        f.read_addresses("redis" if redis else last)
        return f

    yield start
    for f in started:
        f.end()


@pytest.fixture
def closed_port():
    """A socket that is bound but doesn't listen: connecting to it is refused, and nobody
    else can take its port. It may be made to listen later."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.settimeout(DEADLINE)
        yield s


@pytest.fixture
def used_port():
    """The number of a port that somebody else listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        yield s.getsockname()[1]


@pytest.fixture
def redis_url(tmp_path):
    """A Redis of this test's own, on a Unix socket."""
    redis = OwnRedis(tmp_path)
    yield redis.url
    redis.kill()
