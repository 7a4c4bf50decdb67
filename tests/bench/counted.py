"""What doesn't scatter: calls of the kernel a delivery, by strace around the server, and
what a Redis counts. Each in a run of its own, since strace slows the server down.

The calls of a run without messages, which starts the server, connects and ends just so,
are taken off: what remains are those of the messages.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import servers

TimedOut = subprocess.TimeoutExpired

KINDS = {
    "writes": ("write", "writev", "sendto", "sendmsg", "sendmmsg"),
    "reads": ("read", "readv", "recvfrom", "recvmsg", "recvmmsg"),
    "epoll_ctl": ("epoll_ctl",),
    "turns": ("epoll_wait", "epoll_pwait", "epoll_pwait2"),
}
SECONDS = 2


def strace(file):
    names = ",".join(name for kind in KINDS.values() for name in kind)
    # By --seccomp-bpf the other calls aren't stopped at all.
    command = ["strace", "-f", "-qq", "--seccomp-bpf", "-c", "-o", file]
    return [*command, "-e", f"trace=?{names.replace(',', ',?')}", "--"]


def read_table(text):
    """{call: how often} of what strace -c writes."""
    calls = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 5 and words[0].replace(".", "").isdigit():
            calls[words[-1]] = int(words[3])
    calls.pop("total", None)
    return {
        kind: sum(calls.get(name, 0) for name in names) for kind, names in KINDS.items()
    }


def end_traced(pids):
    """The servers, but not strace, which then writes its table."""
    tracer, *traced = pids
    for pid in reversed(traced):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        # A zombie: it is ours, and waited for where it was started.
        with contextlib.suppress(OSError):
            state = pathlib.Path(f"/proc/{tracer}/stat").read_text(encoding="ascii")
            if state.rpartition(")")[2].split()[0] == "Z":
                return
        time.sleep(0.01)
    raise RuntimeError("strace didn't end")


def traced_run(lab, row, load, *extra, **times):
    with tempfile.TemporaryDirectory(prefix="fanwire-bench.") as place:
        table = pathlib.Path(place) / "calls"
        with lab.started(row, load, strace(table)) as (pids, urls, _):
            command = lab.generator(row, load, urls, [], **times)
            result = servers.run_json([*command, *extra])
            end_traced(pids)
            return read_table(table.read_text(encoding="utf-8")), result


def calls(lab, row, load):
    """Calls a delivery, a message, and writes a member and turn, of one row."""
    seconds = min(SECONDS, lab.scale.seconds * load.seconds)
    silent, _ = traced_run(lab, row, load, "--idle", warmup=0, seconds=0)
    busy, result = traced_run(lab, row, load, warmup=0, seconds=seconds)
    messages = result["sent"]
    deliveries = messages * load.hears()
    figures = {"messages": messages, "deliveries": deliveries}
    for kind in KINDS:
        number = max(busy[kind] - silent[kind], 0)
        figures[kind] = number
        figures[f"{kind}_per_delivery"] = round(number / deliveries, 5)
        figures[f"{kind}_per_message"] = round(number / messages, 4)
    turns = load.members * max(figures["turns"], 1)
    figures["writes_per_member_and_turn"] = round(figures["writes"] / turns, 4)
    return figures


def redis(lab, row, load):
    """What Redis does a message, whatever the members are."""
    seconds = min(SECONDS, lab.scale.seconds * load.seconds)
    with lab.started(row, load) as (_, urls, server):
        before = server.counted()
        command = lab.generator(row, load, urls, [], warmup=0, seconds=seconds)
        messages = servers.run_json(command)["sent"]
        after = server.counted()
    figures = {"messages": messages}
    for name, number in after.items():
        figures[name] = number - before[name]
        figures[f"{name}_per_message"] = round(figures[name] / messages, 3)
    return figures
