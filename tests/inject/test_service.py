"""fanwired while calls of it fail: it doesn't start and says why, or it serves, and
whoever comes when all is well again finds it as if nothing had been.

Run: FANWIRED=build/dev/capi/server/fanwired BUILD_DIR=build/dev \\
     /usr/bin/python3 -m pytest tests/inject

FW_INJECT_SECONDS says how long each test goes on; see inject.py, which does the same to
the tests in C.
"""

import http.client
import os
import pathlib
import random
import signal
import sys
import time

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "recovery")]

from bystanders import Bystander  # noqa: E402
from fanwired import DEADLINE, Running, wait_until  # noqa: E402

SECONDS = float(os.environ.get("FW_INJECT_SECONDS", "2"))
SEED = os.environ.get("FW_INJECT_SEED", "1")
LIBRARY = pathlib.Path(os.environ.get("BUILD_DIR", TESTS.parent / "build" / "dev"),
                       "tests", "libfw_inject.so").resolve()
OBJECTS = {"memory": "libfanwire",
           "descriptors": "libfanwire,libuv,libwebsockets",
           "interruptions": "libfanwire,libuv,libwebsockets"}
OPTIONS = ["--listen", "ws://127.0.0.1:0/ws", "--http.listen", "127.0.0.1:0", "--api.key",
           "secret", "--raw.mode", "rooms", "--raw.format", "json", "--raw.user", "query",
           "--namespace.kept.history.size", "10", "--namespace.kept.presence", "on"]


def environment(kind, inject, count=None):
    env = {"LD_PRELOAD": str(LIBRARY), "FW_INJECT": f"{kind}:{inject}",
           "FW_INJECT_PROGRAM": "fanwired", "FW_INJECT_OBJECTS": OBJECTS[kind],
           "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0:exitcode=86"}
    if count:
        env["FW_INJECT_COUNT"] = str(count)
    return env


def start(folder, kind, inject, count=None):
    """None: it didn't start, and has said why."""
    f = Running(OPTIONS, environment(kind, inject, count), folder / "stderr")
    try:
        f.read_addresses("http")
        return f
    except pytest.fail.Exception:
        status = f.wait()
        said = [line for line in f.err().splitlines() if line.startswith("fanwired: ")]
        assert status in (1, 2) and said, (status, f.err())
        return None
    finally:
        if f.process.poll() is not None:
            f.end()


def say(client, text):
    data = text.encode()
    client.socket.sendall(b"\x81" + bytes([0x80 | len(data)]) + bytes(4) + data)


def hears(client, text):
    client.read()
    return any(told.get("data") == text for told in client.heard)


def call(f, method, body):
    host, _, port = f.http.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=DEADLINE)
    try:
        connection.request("POST", "/api/" + method, body, {"X-API-Key": "secret"})
        return connection.getresponse().read()
    finally:
        connection.close()


def visit(f):
    """What may fail, one way or another, while calls fail."""
    for number in range(3):
        try:
            client = Bystander(f.url, f"room=kept:a&room=b&user=u{number}")
            client.enter()
            say(client, "hello")
            call(f, "publish", '{"channel":"kept:a","data":{"n":1}}')
            call(f, "history", '{"channel":"kept:a","limit":5}')
            call(f, "presence", '{"channel":"kept:a"}')
            f.get("/metrics")
            client.read()
            client.socket.close()
        except (OSError, AssertionError, http.client.HTTPException):
            assert f.process.poll() is None, f.err()


def is_served(f, tries=1):
    """Somebody new is let in, is heard, and hears; at the last try, since the calls that
    fail may be among those of the tries before."""
    for left in reversed(range(tries)):
        try:
            client = Bystander(f.url, "room=c&user=ann")
            client.enter()
            say(client, "is anybody there?")
            wait_until(lambda: hears(client, "is anybody there?"), "the echo",
                       DEADLINE if left == 0 else 1)
            client.socket.close()
            assert f.get("/health")[0] == 200
            return
        except (OSError, AssertionError, pytest.fail.Exception):
            if left == 0 or f.process.poll() is not None:
                raise


def try_one(folder, kind, inject, count=None):
    f = start(folder, kind, inject, count)
    if f is None:
        return
    try:
        visit(f)
        is_served(f, tries=5)
        f.signal(signal.SIGTERM)
        assert f.wait() == 0, f.err()
    finally:
        f.end()


@pytest.mark.parametrize("kind", ["memory", "descriptors"])
def test_a_call_that_fails_ends_nothing_but_what_needed_it(kind, tmp_path):
    until = time.monotonic() + SECONDS
    draw = random.Random(SEED)
    try_one(tmp_path, kind, "0", tmp_path / "count")
    total = int((tmp_path / "count").read_text())
    assert total > 0
    numbers = list(range(1, total + 1))
    draw.shuffle(numbers)
    tried = 0
    for number in numbers:
        many = draw.choice([1, 1, 3])
        print(f"{kind}:{number}:{many} of {total}")
        try_one(tmp_path, kind, f"{number}:{many}")
        tried += 1
        if time.monotonic() > until:
            break
    assert tried > 0


def test_interruptions_are_noticed_by_nobody(tmp_path):
    until = time.monotonic() + SECONDS / 2
    for seed in range(1, 1000):
        print(f"interruptions:{seed}")
        f = start(tmp_path, "interruptions", seed)
        assert f is not None
        try:
            for _ in range(5):
                is_served(f)
            f.signal(signal.SIGTERM)
            assert f.wait() == 0, f.err()
        finally:
            f.end()
        if time.monotonic() > until:
            break
