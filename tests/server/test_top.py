"""`fanwired top`: a table for scripts, and a live one in a terminal."""

import asyncio
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest
import websockets

from conftest import DEADLINE, run, wait_until
from fanwired import binary, clean_environment

# A beat a second, so there are rates soon.
LEASE = ("--node.lease", "3s")


def node(fanwired, redis_url, name):
    return fanwired("--redis.url", redis_url, "--redis.required", "on", "--node.name",
                    name, *LEASE)


async def in_thread(call, *args):
    return await asyncio.get_running_loop().run_in_executor(None, call, *args)


# ---- for scripts -----------------------------------------------------------------------

def rows(redis_url, *args):
    done = run("top", "--once", "--redis.url", redis_url, *args)
    assert (done.status, done.err) == (0, "")
    return done.out.splitlines()


def test_once_prints_a_line_for_each_node_and_none_for_itself(fanwired, redis_url):
    f = node(fanwired, redis_url, "berlin")
    node(fanwired, redis_url, "paris")

    async def scenario():
        async with websockets.connect(f.url + "?room=a"), \
                websockets.connect(f.url + "?room=b"):
            # What other nodes know of a node is as old as its last beat.
            await in_thread(wait_until, lambda: [
                line.split()[:3] for line in rows(redis_url)[1:]
            ] == [["berlin", "2", "2"], ["paris", "0", "0"]], "both with their sessions")

    asyncio.run(scenario())
    head = rows(redis_url)[0].split()
    assert head[:6] == ["NODE", "SESSIONS", "ROOMS", "IN/s", "OUT/s", "DROP/s"]


def test_json_has_rates_of_what_is_said(fanwired, redis_url):
    f = node(fanwired, redis_url, "berlin")

    def look():
        """Its row, once it has heard of the talk by two beats."""
        for _ in range(5):
            found = [json.loads(line) for line in rows(redis_url, "--json")]
            if len(found) == 1 and found[0]["in"]:
                return found[0]
        pytest.fail(f"no rates: {found}")

    async def scenario():
        async with websockets.connect(f.url + "?room=a") as ws:
            looking = asyncio.ensure_future(in_thread(look))
            while not looking.done():
                await ws.send("hello")
                await asyncio.wait_for(ws.recv(), DEADLINE)
            return looking.result()

    berlin = asyncio.run(scenario())
    assert berlin["name"] == "berlin" and re.fullmatch("[0-9a-f]{16}", berlin["node"])
    assert berlin["in"] > 0 and berlin["out"] > 0 and berlin["dropped"] == 0
    assert berlin["busy"] > 0 and berlin["lag"] > 0 and berlin["redis"] == "up"
    assert (berlin["sessions"], berlin["rooms"], berlin["members"]) == (1, 1, 1)


def test_no_nodes_are_no_lines(redis_url):
    assert len(rows(redis_url)) == 1
    assert rows(redis_url, "--json") == []


@pytest.mark.parametrize("args, status, says", [
    ([], 2, "top: this is no terminal: use --once"),
    (["--once"], 2, "redis.url: top needs it"),
    (["lobby"], 2, "usage: fanwired top"),
])
def test_what_cannot_be_done_is_said(args, status, says):
    done = run("top", *args)
    assert done.status == status and says in done.err and done.out == ""


# ---- in a terminal ---------------------------------------------------------------------

class Terminal:
    """A terminal with `fanwired top` in it. `screen` has the lines that were drawn last,
    without what only a terminal understands."""

    def __init__(self, redis_url, columns=100, height=24):
        self.master, self.slave = pty.openpty()
        self.resize(columns, height)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [binary(), "top", "--redis.url", redis_url], env=clean_environment(),
            stdin=self.slave, stdout=self.slave, stderr=self.slave, preexec_fn=self.take)
        self.heard = b""

    @staticmethod
    def take():
        """Becomes the one whom the terminal's keys and its size are told."""
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def resize(self, columns, height):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", height, columns, 0, 0))

    def press(self, keys):
        os.write(self.master, keys)

    def hear(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.heard += os.read(self.master, 65536)

    @property
    def screen(self):
        """The last one that is whole."""
        drawn = self.heard.split(b"\x1b[H")
        whole = [d for d in drawn if b"\x1b[K\x1b[J" in d]
        text = whole[-1].decode() if whole else ""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).split("\r\n")

    def wait_for(self, condition, what):
        end = time.monotonic() + DEADLINE
        while not condition(self.screen):
            assert time.monotonic() < end, f"not in time: {what}: {self.screen}"
            self.hear(0.1)

    def wait_for_row(self, *words):
        self.wait_for(lambda screen: any(line.split()[:len(words)] == list(words)
                                         for line in screen), words)

    def end(self):
        """Its status; what it writes meanwhile is read."""
        end = time.monotonic() + DEADLINE
        while self.process.poll() is None and time.monotonic() < end:
            self.hear(0.1)
        return self.process.wait(1)

    def is_as_before(self):
        while select.select([self.master], [], [], 0)[0]:
            self.hear(0)
        left = self.heard.rstrip().endswith(b"\x1b[?25h\x1b[?1049l")
        return left and termios.tcgetattr(self.slave) == self.before

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(redis_url):
    opened = []

    def start(**size):
        opened.append(Terminal(redis_url, **size))
        return opened[-1]

    yield start
    for t in opened:
        t.close()


def names(screen):
    return [line.split()[0] for line in screen[3:] if line[:1] in ("b", "p")]


def test_nodes_are_shown_as_they_come_and_go_and_keys_sort(fanwired, redis_url, terminal):
    berlin = node(fanwired, redis_url, "berlin")
    t = terminal()
    t.wait_for_row("berlin", "0")
    paris = node(fanwired, redis_url, "paris")
    t.wait_for_row("paris", "0")

    def look_and_sort():
        t.wait_for_row("paris", "1", "1")
        t.wait_for(lambda s: names(s) == ["paris", "berlin"]
                   and s[0].startswith("nodes 2   sessions 1 "), "both")
        for order in (["berlin", "paris"], ["paris", "berlin"]):
            t.press(b"n")
            t.wait_for(lambda s, order=order: names(s) == order, "sorted by names")

    async def scenario():
        async with websockets.connect(paris.url + "?room=a"):
            await in_thread(look_and_sort)

    asyncio.run(scenario())
    berlin.signal(signal.SIGTERM)
    t.wait_for(lambda s: names(s) == ["paris"], "berlin is gone")
    t.press(b"q")
    assert t.end() == 0 and t.is_as_before()


def test_another_size_is_another_screen(fanwired, redis_url, terminal):
    node(fanwired, redis_url, "berlin")
    t = terminal(columns=100, height=24)
    t.wait_for_row("berlin", "0")
    assert max(map(len, t.screen)) > 40
    t.resize(40, 10)
    t.wait_for(lambda s: s[0].startswith("nodes 1 ") and max(map(len, s)) <= 40, "narrow")
    t.wait_for(lambda s: names(s) == ["berlin"], "and its row")
    t.press(b"q")
    assert t.end() == 0 and t.is_as_before()


@pytest.mark.parametrize("how", ["INT", "TERM", "HUP", "QUIT", "Ctrl-C"])
def test_the_terminal_is_given_back_however_it_ends(redis_url, terminal, how):
    t = terminal()
    t.wait_for(lambda s: s[0].startswith("nodes 0 "), "a screen")
    assert termios.tcgetattr(t.slave) != t.before
    if how == "Ctrl-C":
        t.press(b"\x03")
    else:
        t.process.send_signal(getattr(signal, "SIG" + how))
    assert t.end() == 0 and t.is_as_before()


def test_paused_it_lends_the_terminal(redis_url, terminal):
    t = terminal()
    t.wait_for(lambda s: s[0].startswith("nodes 0 "), "a screen")
    t.process.send_signal(signal.SIGTSTP)
    wait_until(lambda: os.waitpid(t.process.pid, os.WUNTRACED | os.WNOHANG)[0] != 0,
               "it stops")
    assert t.is_as_before()
    drawn = len(t.heard)
    t.process.send_signal(signal.SIGCONT)
    wait_until(lambda: t.hear(0.05) or b"\x1b[J" in t.heard[drawn:], "it goes on")
    assert termios.tcgetattr(t.slave) != t.before
    t.press(b"q")
    assert t.end() == 0 and t.is_as_before()


def test_it_ends_with_its_terminal(redis_url, terminal):
    t = terminal()
    t.wait_for(lambda s: s[0].startswith("nodes 0 "), "a screen")
    os.close(t.master)
    t.master = os.dup(t.slave)  # for close()
    assert t.process.wait(DEADLINE) == 0
