"""Starts servers, a Redis and the load generator, each on a core of its own, and ends
them; used by cells.py and python_bench.py. It knows what none of them measures.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import time

PR_SET_PDEATHSIG = 1
PATIENCE_S = 60  # with a server that starts


def pin(core):
    """For preexec_fn: this core only, where there are two; and not to outlive us."""

    def set_core():
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[core % len(cores)]})
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    return set_core


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until_served(process, port, seconds=PATIENCE_S):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(
            ("127.0.0.1", port), 1
        ):
            return
        time.sleep(0.01)
    raise RuntimeError("the server doesn't listen")


def stays_open(port, path):
    """Does a WebSocket get its 101, and isn't closed at once?"""
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    )
    with contextlib.suppress(ConnectionError), socket.create_connection(
        ("127.0.0.1", port), 1
    ) as s:
        s.sendall(request.encode())
        try:
            if not s.recv(4096).startswith(b"HTTP/1.1 101"):
                return False
            s.settimeout(0.3)
            return bool(s.recv(4096))
        except TimeoutError:
            return True
    return False


def wait_until_open(port, path, seconds=PATIENCE_S):
    """For a server that listens before its Redis is there."""
    deadline = time.monotonic() + seconds
    while not stays_open(port, path):
        if time.monotonic() > deadline:
            raise RuntimeError("the server listens, and serves nobody")
        time.sleep(0.05)


@contextlib.contextmanager
def running(command, port, core=0, env=None, log=None):
    """A fresh server process on that core; gives its process number. What it says on
    stderr goes to the file `log`, else to ours."""
    process = subprocess.Popen(
        [str(part) for part in command],
        preexec_fn=pin(core),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=log,
        env={**os.environ, **{k: str(v) for k, v in (env or {}).items()}},
        start_new_session=True,
    )
    try:
        wait_until_served(process, port)
        yield process.pid
    finally:
        # The group: an nginx has workers. Nobody here has anything to save.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def family(pid, at_least=1):
    """A process and its children: a server may leave the work to them. Waits until there
    are so many."""
    deadline = time.monotonic() + PATIENCE_S
    while len(pids := descent(pid)) < at_least:
        if time.monotonic() > deadline:
            raise RuntimeError("the server has no children")
        time.sleep(0.01)
    return pids


def descent(pid):
    pids = [pid]
    for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in children.read_text(encoding="ascii").split():
                pids += descent(int(child))
    return pids


def generator(build):
    """Where CMake has put the load generator."""
    return build / "capi/bench/fanwire-bench"


def run_json(command, timeout=300):
    """What a measuring program on core 1 prints."""
    done = subprocess.run(
        [str(part) for part in command],
        preexec_fn=pin(1),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise RuntimeError(said[-1] if said else f"it ended with {done.returncode}")
    return json.loads(done.stdout)


@contextlib.contextmanager
def beside(command):
    """A program on core 1 that works until its standard input ends, and then says in JSON
    what it did: that is in the dictionary given, afterwards."""
    process = subprocess.Popen(
        [str(part) for part in command],
        preexec_fn=pin(1),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    told = {}
    try:
        yield told
        told.update(json.loads(process.communicate(timeout=30)[0] or "{}"))
        if process.returncode != 0:
            raise RuntimeError(f"{command[1]} ended with {process.returncode}")
    finally:
        process.kill()
        process.wait()


def generate(build, pid, url, arguments):
    return run_json([generator(build), "--url", url, "--pid", pid, *arguments])


class Redis:
    """A Redis of its own, and what it has counted."""

    def __init__(self, port, pid):
        self.port = port
        self.pid = pid

    def info(self, section):
        """{name: value} of INFO; a value of several is a dictionary itself."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as s:
            s.sendall(f"INFO {section}\r\n".encode())
            reader = s.makefile("rb")
            size = int(reader.readline()[1:])
            text = reader.read(size).decode()
        facts = {}
        for line in text.splitlines():
            name, colon, value = line.partition(":")
            if colon and "=" in value:
                facts[name] = dict(part.split("=", 1) for part in value.split(","))
            elif colon:
                facts[name] = value
        return facts

    def counted(self):
        """PUBLISHes, commands in all and bytes, since it started."""
        calls = {
            name.removeprefix("cmdstat_"): int(fact["calls"])
            for name, fact in self.info("commandstats").items()
            if name.startswith("cmdstat_")
        }
        stats = self.info("stats")
        return {
            "publishes": calls.get("publish", 0) + calls.get("spublish", 0),
            "commands": sum(calls.values()),
            "bytes_in": int(stats["total_net_input_bytes"]),
            "bytes_out": int(stats["total_net_output_bytes"]),
        }


@contextlib.contextmanager
def redis(core=1):
    port = free_port()
    command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", ""]
    command += ["--appendonly", "no", "--daemonize", "no", "--loglevel", "warning"]
    with running(command, port, core) as pid:
        yield Redis(port, pid)


def median(results, *path):
    def value(result):
        for key in path:
            result = result[key]
        return result

    return statistics.median(value(r) for r in results)


def ratio(results, variant, base, key="cpu_us_per_delivery"):
    """The median of each round's own ratio, and the lowest and highest of them."""
    each = [a[key] / b[key] for a, b in zip(results[variant], results[base])]
    return statistics.median(each), min(each), max(each)
