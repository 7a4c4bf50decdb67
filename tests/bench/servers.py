"""Starts a server and a load generator beside it, each on a core of its own; used by
bench.py and python_bench.py. It knows what neither of them measures.
"""

import contextlib
import json
import os
import socket
import statistics
import subprocess
import time


def pin(core):
    """For preexec_fn: this core only, where there are two."""

    def set_core():
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[core % len(cores)]})

    return set_core


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until_served(process, port):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(
            ("127.0.0.1", port), 1
        ):
            return
        time.sleep(0.01)
    raise RuntimeError("the server doesn't listen")


@contextlib.contextmanager
def running(command, port):
    """A fresh server process on core 0; gives its process number."""
    process = subprocess.Popen(
        [str(part) for part in command], preexec_fn=pin(0), stdout=subprocess.DEVNULL
    )
    try:
        wait_until_served(process, port)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def generate(build, pid, url, arguments):
    command = [build / "capi/bench/fanwire-bench", "--url", url, "--pid", pid]
    done = subprocess.run(
        [str(part) for part in [*command, *arguments]],
        preexec_fn=pin(1),
        stdout=subprocess.PIPE,
        timeout=300,
        check=True,
    )
    return json.loads(done.stdout)


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
