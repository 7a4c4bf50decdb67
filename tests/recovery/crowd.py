"""The checker: fanwire-bench as the clients of a run, and what it found.

Its members know who says what in their room. Each message has its sender's number and
that sender's count, so what never came, came twice or came after a later one is counted
at each member.
"""

import json
import os
import pathlib
import subprocess

from fanwired import DEADLINE, SLOW


def bench():
    return str(pathlib.Path(os.environ["BUILD_DIR"]) / "capi" / "bench" / "fanwire-bench")


class Crowd:
    """Clients that talk for so many seconds from when it is made."""

    def __init__(self, urls, rooms=1, members=10, senders=1, rate=100, seconds=1.0):
        command = [bench(), "--rooms", str(rooms), "--members", str(rooms * members),
                   "--senders", str(rooms * senders), "--rate", str(rate),
                   "--seconds", str(seconds), "--warmup", "0", "--settle", "1"]
        for url in urls:
            command += ["--url", url + "?room={room}&user={user}"]
        self.seconds = seconds
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def is_talking(self):
        return self.process.poll() is None

    def found(self):
        """What it counted, when all it said has come or doesn't come any more."""
        try:
            deadline = self.seconds + 3 * DEADLINE * SLOW
            out, err = self.process.communicate(timeout=deadline)
        finally:
            self.end()
        if self.process.returncode != 0:
            raise AssertionError("fanwire-bench: " + err.decode())
        return json.loads(out)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def wrong(found):
    """What a run must not have: {} when all came, once, in order, and nobody left."""
    names = ("lost", "duplicated", "out_of_order", "unexpected", "closed")
    return {name: found[name] for name in names if found[name] != 0}
