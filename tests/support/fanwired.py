"""Starting and ending fanwired as its users do, for tests that are written in Python.

The program is named by the environment variable FANWIRED. Every wait has a deadline;
every process that was started is ended by its id.
"""

import os
import select
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

# Sanitizers make everything slower; whoever runs the tests with them says by how much.
SLOW = int(os.environ.get("FW_TEST_SLOW", "1"))
DEADLINE = 60.0 * SLOW
# Does it count the lines that it runs? Who is killed loses them.
COVERAGE = "FW_TEST_COVERAGE" in os.environ


def binary():
    path = os.environ.get("FANWIRED")
    if not path or not os.access(path, os.X_OK):
        pytest.fail("FANWIRED must be the path of the fanwired to test", pytrace=False)
    return os.path.abspath(path)


def clean_environment(extra=None):
    """The tests' own environment without options, plus `extra`."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith("FANWIRE_") and k != "NOTIFY_SOCKET"}
    env.update(extra or {})
    return env


def wait_until(condition, what, deadline=DEADLINE):
    """Looks again and again; for conditions that can't be waited for in another way."""
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            pytest.fail("not in time: " + what)
        select.select([], [], [], 0.01)


class Finished:
    """A fanwired that has ended by itself."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err
        self.err_lines = err.splitlines()


def run(*args, env=None, sockets=(), names=""):
    before = with_sockets(sockets, names) if sockets else []
    done = subprocess.run([*before, binary(), *args], env=clean_environment(env),
                          timeout=DEADLINE, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, pass_fds=[s.fileno() for s in sockets])
    return Finished(done.returncode, done.stdout, done.stderr)


AS_A_SERVICE_MANAGER = """
import fcntl, os, sys
names, fds, command = sys.argv[1], sys.argv[2].split(","), sys.argv[3:]
kept = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in fds]
for number, fd in enumerate(kept):
    os.dup2(fd, 3 + number)
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)),
                  LISTEN_FDNAMES=names)
os.execv(command[0], command)
"""


def with_sockets(sockets, names=""):
    """What stands before a command that gets these sockets as a service manager gives
    them: from descriptor 3 on, and told so by its environment."""
    fds = ",".join(str(s.fileno()) for s in sockets)
    return [sys.executable, "-c", AS_A_SERVICE_MANAGER, names, fds]


class Running:
    """A fanwired that serves. `urls`, `http` and `redis` are what it printed. `sockets`
    are given to it as a service manager does. `command` starts what takes its place, and
    prints as it does."""

    def __init__(self, args, env, err_path, sockets=(), command=()):
        self.err_path = err_path
        before = with_sockets(sockets) if sockets else []
        with open(err_path, "wb") as err:
            self.process = subprocess.Popen(
                [*before, *(command or [binary()]), *args], env=clean_environment(env),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err,
                pass_fds=[s.fileno() for s in sockets])
        self.pid = self.process.pid
        self.lines, self.urls, self.http, self.redis = [], [], None, None
        self._rest = b""

    def read_addresses(self, last, deadline=DEADLINE):
        """Reads the printed lines up to the one that begins with `last`."""
        end = time.monotonic() + deadline
        while not any(line.startswith(last + " ") for line in self.lines):
            ready, _, _ = select.select([self.process.stdout], [], [],
                                        max(0, end - time.monotonic()))
            data = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not data:
                pytest.fail(f"no line {last!r} in time, only {self.lines}; {self.err()}")
            *whole, self._rest = (self._rest + data).split(b"\n")
            self.lines += [line.decode() for line in whole]
        for line in self.lines:
            kind, _, value = line.partition(" ")
            if kind == "listening":
                self.urls.append(value)
            elif kind in ("http", "redis"):
                setattr(self, kind, value)
        self.url = self.urls[0] if self.urls else None

    def err(self):
        with open(self.err_path, encoding="utf-8") as f:
            return f.read()

    def wait_for_log(self, text):
        wait_until(lambda: text in self.err(), f"{text!r} in the log")

    def get(self, path):
        """(status, content type, body) of a page of http.listen."""
        try:
            url = f"http://{self.http}{path}"
            with urllib.request.urlopen(url, timeout=DEADLINE) as r:
                return r.status, r.headers["Content-Type"], r.read().decode()
        except urllib.error.HTTPError as e:
            with e:
                return e.code, e.headers["Content-Type"], e.read().decode()

    def signal(self, number):
        os.kill(self.process.pid, number)

    def wait(self, deadline=DEADLINE):
        return self.process.wait(timeout=deadline)

    def stop_at_once(self):
        """As somebody does who is in a hurry, for as long as that takes in the worst."""
        self.signal(signal.SIGCONT)  # a test may have stopped it
        end = time.monotonic() + 10
        while self.process.poll() is None and time.monotonic() < end:
            self.signal(signal.SIGTERM)  # the second one ends a drain
            try:
                self.process.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                pass

    def end(self):
        if COVERAGE and self.process.poll() is None:
            self.stop_at_once()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
