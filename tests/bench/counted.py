"""What doesn't scatter: calls of the kernel a delivery, by strace around the server, and
what a Redis or fanwired itself counts. Each in a run of its own, since strace slows the
server down.

Only the calls of the messages count, not those of connecting and leaving: the generator
waits a little after it has connected, which is seen as a pause in the trace, and the
first end of file on a client's socket is its leaving.
"""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
import urllib.request
from dataclasses import replace

import servers

TimedOut = subprocess.TimeoutExpired

KINDS = {
    "writes": ("write", "writev", "sendto", "sendmsg", "sendmmsg"),
    "reads": ("read", "readv", "recvfrom", "recvmsg", "recvmmsg"),
    "epoll_ctl": ("epoll_ctl",),
    "turns": ("epoll_wait", "epoll_pwait", "epoll_pwait2"),
    "accepts": ("accept", "accept4"),
}
KIND_OF = {name: kind for kind, names in KINDS.items() for name in names}
# Thread, time, name, first argument, which is a file, and what came back; in hexadecimal.
CALL = re.compile(r"(\d+) +([\d.]+) (\w+)\((\w+)(?:.*= (-?\w+))?")
SETTLE_S, PAUSE_S = 0.6, 0.25
SECONDS = 2


def problem():
    """Why nothing can be traced here, or None."""
    try:
        done = subprocess.run(
            ["strace", "-qq", "-f", "--seccomp-bpf", "-e", "trace=execve", "true"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, TimedOut) as e:
        return str(e)
    return None if done.returncode == 0 else done.stderr.strip()[-200:]


def strace(file):
    names = ",".join(name for names in KINDS.values() for name in names)
    # By --seccomp-bpf the other calls aren't stopped at all; raw: nothing is looked up in
    # the server's memory.
    command = ["strace", "-f", "-qq", "-ttt", "--seccomp-bpf", "-e", "signal=none"]
    command += ["-e", "raw=all", "-e", f"trace=?{names.replace(',', ',?')}"]
    return [*command, "-o", file, "--"]


def calls_of_messages(lines):
    """[(thread, kind, file)] between the pause and the first client that leaves."""
    calls, clients = [], set()
    last, paused = 0.0, False
    for line in lines:
        call = CALL.match(line)
        kind = KIND_OF.get(call[3]) if call else None
        if not kind:
            continue
        thread, when, file = call[1], float(call[2]), call[4]
        if kind == "accepts":
            clients.add(call[5])
            calls, paused = [], False
        elif kind == "reads" and call[5] in ("0", "0x0") and file in clients and paused:
            break
        if kind in ("reads", "writes"):
            # Timers may wake it up meanwhile, so the turns say nothing.
            if clients and not paused and when - last > PAUSE_S:
                calls, paused = [], True
            last = when
        calls.append((thread, kind, file))
    if not paused:
        raise RuntimeError("no pause after connecting is seen in the trace")
    return calls


def count_trace(lines):
    """How often each kind was called; and among the writes, with how many different
    files and turns: a second write to a file within a turn makes the difference."""
    counts = dict.fromkeys([*KINDS, "written_in_a_turn"], 0)
    written = {}  # by thread, the files that were written to in this turn
    for thread, kind, file in calls_of_messages(lines):
        counts[kind] += 1
        if kind == "turns":
            written[thread] = set()
        elif kind == "writes":
            files = written.setdefault(thread, set())
            counts["written_in_a_turn"] += file not in files
            files.add(file)
    return counts


def end_traced(pids):
    """The servers, but not strace, which then has written all."""
    tracer, *traced = pids
    for pid in reversed(traced):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + servers.PATIENCE_S
    while time.monotonic() < deadline:
        # A zombie: it is ours, and waited for where it was started.
        with contextlib.suppress(OSError):
            state = pathlib.Path(f"/proc/{tracer}/stat").read_text(encoding="ascii")
            if state.rpartition(")")[2].split()[0] == "Z":
                return
        time.sleep(0.01)
    raise RuntimeError("strace didn't end")


def traced_run(lab, row, load, seconds):
    with tempfile.TemporaryDirectory(prefix="fanwire-bench.") as place:
        trace = pathlib.Path(place) / "calls"
        with lab.started(row, load, strace(trace)) as (pids, urls, _):
            command = lab.generator(
                row, load, urls, [], settle=SETTLE_S, warmup=0, seconds=seconds
            )
            result = servers.run_json(command)
            end_traced(pids)
            with open(trace, encoding="ascii") as lines:
                return count_trace(lines), result


def one_at_a_time(load):
    """What comes at a rate comes here when the one before is there: strace makes a server
    so slow that it would fall behind, and put messages together."""
    arguments = list(load.arguments)
    if "--rate" in arguments:
        at = arguments.index("--rate")
        arguments[at : at + 2] = ["--closed", 1]
    return replace(load, arguments=arguments)


def calls(lab, row, load):
    """Calls a delivery, a message, and writes a member and turn, of one row."""
    seconds = min(SECONDS, lab.seconds_of(load))
    counts, result = traced_run(lab, row, one_at_a_time(load), seconds)
    messages = result["sent"]
    deliveries = messages * load.hears()
    figures = {"messages": messages, "deliveries": deliveries, "turns": counts["turns"]}
    for kind in ("writes", "reads", "epoll_ctl"):
        number = figures[kind] = counts[kind]
        figures[f"{kind}_per_delivery"] = round(number / deliveries, 5)
        figures[f"{kind}_per_message"] = round(number / messages, 4)
    by_turn = counts["writes"] / max(counts["written_in_a_turn"], 1)
    figures["writes_per_member_and_turn"] = round(by_turn, 4)
    return figures


def redis(lab, row, load):
    """What Redis does a message, whatever the members are."""
    seconds = min(SECONDS, lab.seconds_of(load))
    with lab.started(row, load) as (_, urls, server):
        before = server.counted()
        # As many as can be, so that what the nodes say among themselves is lost in them.
        slowly = one_at_a_time(load)
        command = lab.generator(row, slowly, urls, [], warmup=0, seconds=seconds)
        messages = servers.run_json(command)["sent"]
        after = server.counted()
    figures = {"messages": messages}
    for name, number in after.items():
        figures[name] = number - before[name]
        figures[f"{name}_per_message"] = round(figures[name] / messages, 3)
    return figures


def metric(port, name):
    """The sum of a metric of fanwired over its labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
        lines = page.read().decode().splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.partition(" ")[0].partition("{")[0] == name
    )


def compressions(lab, row, load):
    """How often a message is compressed, whatever the members are."""
    port = servers.free_port()
    extra = {"http.listen": f"127.0.0.1:{port}"}
    seconds = min(SECONDS, lab.seconds_of(load))
    with lab.started(row, load, extra=extra) as (_, urls, _):
        command = lab.generator(row, load, urls, [], warmup=0, seconds=seconds)
        messages = servers.run_json(command)["sent"]
        deflates = metric(port, "fanwire_deflated_total")
    return {
        "messages": messages,
        "deflates": deflates,
        "deflates_per_message": round(deflates / messages, 3),
    }
