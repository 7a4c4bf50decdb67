"""Starting `python -m fanwire` in a process of its own: for test_run.py, test_workers.py.

An application is a file in the test's own folder. What it prints as JSON of the form
[kind, value] is told to the test, as in a support.Program.
"""

import contextlib
import os
import random
import socket
import subprocess
import sys
import threading

import support

# A hub whose sessions hear which process they are in, and talk in rooms.
APP = """
import json, os, sys
import fanwire

hub = fanwire.Hub(listen="ws://127.0.0.1:0/ws", drain_timeout="5s")

@hub.on_open
async def opened(session):
    await session.join("everybody")
    session.send({"pid": os.getpid(), "node": hub.node_name})

@hub.on_message
def said(session, data):
    if data == "where":
        session.send({"pid": os.getpid(), "node": hub.node_name})
    else:
        hub.publish("everybody", data)
"""


class Command(support.Program):
    """`python -m fanwire ARGUMENT...`, in a folder."""

    def __init__(self, folder, *arguments, env=None, flags=()):
        self.process = subprocess.Popen(
            [sys.executable, *flags, "-m", "fanwire", *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, errors="surrogateescape", cwd=str(folder),
            env=support.clean_environment(env))
        self.pid = self.process.pid
        self.told = support.Seen()
        self._err = []
        self._readers = [threading.Thread(target=self._read_told),
                         threading.Thread(target=self._read_err)]
        for reader in self._readers:
            reader.start()

    @property
    def lines(self):
        return self.all("line")

    def wait_line(self, start, n=1):
        """What follows `start` in the n-th printed line that begins so."""
        def matching(items):
            return [v[len(start):] for k, v in items
                    if k == "line" and v.startswith(start)]

        items = self.told.wait_for(
            lambda items: len(matching(items)) >= n
            or any(k == "end of output" for k, _ in items), f"a line {start!r}")
        found = matching(items)
        assert len(found) >= n, f"it ended before the line {start!r}:\n{self.err}"
        return found[n - 1]

    @property
    def url(self):
        return self.wait_line("listening ")

    def wait_err(self, text, n=1):
        support.wait_until(lambda: self.err.count(text) >= n,
                           f"{text!r} on stderr (there is: {self.err})")

    def children(self):
        """The ids of the processes that it has started itself."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as f:
            return [int(pid) for pid in f.read().split()]


def is_alive(pid):
    """Does it run? A dead one that nobody has waited for doesn't."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def free_ports(count):
    """The first of so many ports of loopback in a row. Below those that the kernel gives
    to anybody's connections, which would come in between."""
    while True:
        first = random.randrange(20000, 32000)
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    s = stack.enter_context(socket.socket())
                    s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return first


def free_port():
    return free_ports(1)


def write_app(folder, source=APP, name="app.py"):
    path = os.path.join(str(folder), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(source)
