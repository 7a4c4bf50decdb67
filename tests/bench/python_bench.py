"""Measures what Python costs: python_server.py beside the same in C (app.c) and beside
the package websockets, and python_queue.py from the inside. bench.py calls it, and puts
what it gives into the page and the JSON.

Everything of a server, the hub's thread and Python, is on one core, the generator on the
other; the variants take turns, and what is told is the median of several rounds.
"""

import contextlib
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys

import servers
from servers import median, ratio

HERE = pathlib.Path(__file__).resolve().parent
SYSTEM_PYTHON = "/usr/bin/python3"  # another one doesn't see the system's packages
ECHO_CLIENTS = 100
FLOOD = 480000  # with 64 bytes each: some 150 MiB of events

# variant of a table: what python_server.py or app.c is told.
ECHO = {
    "websockets": "websockets",
    "Python": "echo",
    "Python, async def": "echo-async",
    "C": "echo",
}
FAN_OUT = {"C": "rooms", "Python": "rooms"}
IDLE = {"C": "quiet", "Python": "quiet"}

# What python_queue.py measures, as the page calls it.
INSIDE = {
    "polled": "from the queue into lists, `native.fw_hub_poll`",
    "polled_and_done": "the same, and given back by `fw_events_done`",
    "handled": "from the queue to an `on_message` that does nothing",
    "published": "calls of `hub.publish`, to an empty room",
}

ECHO_LOADS = {"1": ["--closed", ECHO_CLIENTS], "16": ["--closed", 16 * ECHO_CLIENTS]}
FAN_OUT_LOADS = {
    "one at a time": ["--rate", 30],
    "64 on their way": ["--closed", 64],
}


def install(build):
    """The interpreter of an environment with fanwire as this tree has it. The system's
    packages are seen there too: websockets comes from one."""
    place, source = build / "bench-python", HERE.parents[1] / "python"
    make = [SYSTEM_PYTHON, "-m", "venv", "--clear", "--system-site-packages", place]
    subprocess.run([str(part) for part in make], check=True)
    python = place / "bin/python"
    fill = [python, "-m", "pip", "install", "--quiet", "--no-index", source]
    subprocess.run([str(part) for part in fill], check=True)
    return str(python)


@contextlib.contextmanager
def server(build, python, variant, role):
    port = servers.free_port()
    url = f"ws://127.0.0.1:{port}/ws"
    if variant == "C":
        command = [build / "tests/bench/app", url, role]
    else:
        command = [python, HERE / "python_server.py", role, "127.0.0.1", port]
    with servers.running(command, port) as pid:
        yield pid, url


def measure(build, python, variant, role, arguments):
    with server(build, python, variant, role) as (pid, url):
        return servers.generate(build, pid, url, arguments)


def measure_inside(build, python, what, *arguments):
    command = [python, HERE / "python_queue.py", what, *arguments]
    done = subprocess.run(
        [str(part) for part in command],
        preexec_fn=servers.pin(0),
        stdout=subprocess.PIPE,
        timeout=300,
        check=True,
    )
    return json.loads(done.stdout)


def take_turns(build, python, title, roles, arguments):
    """{variant: result}, one of each."""
    results = {}
    for variant, role in roles.items():
        result = results[variant] = measure(build, python, variant, role, arguments)
        print(
            f"{title:32} {variant:18} {result['cpu_us_per_delivery']:8.3f} us"
            f" {result['deliveries_per_s']:10,.0f} /s  lost {result['lost']}",
            file=sys.stderr,
        )
    return results


def append(all_rounds, one_round):
    for variant, result in one_round.items():
        all_rounds.setdefault(variant, []).append(result)


def run_servers(build, python, rounds, seconds):
    echo = {window: {} for window in ECHO_LOADS}
    fan_out = {name: {} for name in FAN_OUT_LOADS}
    for number in range(1, rounds + 1):
        for window, load in ECHO_LOADS.items():
            arguments = ["--echo", "--members", ECHO_CLIENTS, "--size", 64]
            arguments += ["--seconds", seconds, *load]
            title = f"round {number}  echo, window {window}"
            append(echo[window], take_turns(build, python, title, ECHO, arguments))
        for name, load in FAN_OUT_LOADS.items():
            arguments = ["--members", 1000, "--seconds", seconds, *load]
            title = f"round {number}  fan-out, {name}"
            append(fan_out[name], take_turns(build, python, title, FAN_OUT, arguments))
    return echo, fan_out


def spread(values):
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def run_inside(build, python, rounds, messages):
    """{name: {"per_s": {"median", "low", "high"}, "cpu_us": ...}}"""
    generator = servers.generator(build)
    figures = {}
    for number in range(1, rounds + 1):
        results = {
            **measure_inside(build, python, "poll", generator, messages),
            **measure_inside(build, python, "dispatch", generator, messages),
            **measure_inside(build, python, "publish", messages // 2),
        }
        for name in INSIDE:
            for unit in ("per_s", "cpu_us"):
                values = figures.setdefault(name, {}).setdefault(unit, [])
                values.append(results[f"{name}_{unit}"])
        print(
            f"round {number}  " + "  ".join(f"{k} {v:,.2f}" for k, v in results.items()),
            file=sys.stderr,
        )
    return {
        name: {unit: spread(values) for unit, values in units.items()}
        for name, units in figures.items()
    }


def run_idle(build, python, members, rounds):
    arguments = ["--members", members, "--idle"]
    results = {}
    for _ in range(rounds):
        for variant, role in IDLE.items():
            results.setdefault(variant, []).append(
                measure(build, python, variant, role, arguments)
            )
    return {
        variant: {
            "members": members,
            "bytes_per_session": median(runs, "bytes_per_session"),
        }
        for variant, runs in results.items()
    }


def summarize(of_load, base):
    """{variant: figures} of one load; the ratios are those to the variant `base`."""
    figures = {}
    for variant, runs in of_load.items():
        cpu, cpu_low, cpu_high = ratio(of_load, variant, base)
        figures[variant] = {
            "deliveries_per_s": median(runs, "deliveries_per_s"),
            "cpu_us_per_delivery": median(runs, "cpu_us_per_delivery"),
            "rate_ratio": ratio(of_load, variant, base, "deliveries_per_s")[0],
            "cpu_ratio": cpu,
            "cpu_ratio_low": cpu_low,
            "cpu_ratio_high": cpu_high,
            "p50_us": median(runs, "latency_us", "p50"),
            "p99_us": median(runs, "latency_us", "p99"),
            "lost": sum(r["lost"] for r in runs),
            "duplicated": sum(r["duplicated"] for r in runs),
            "out_of_order": sum(r["out_of_order"] for r in runs),
            "closed": sum(r["closed"] for r in runs),
        }
    return figures


def versions(python):
    code = (
        "import json, platform, websockets.version as w;"
        " print(json.dumps([platform.python_version(), w.version]))"
    )
    done = subprocess.run([python, "-c", code], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def run(build, python, rounds, seconds, idle_members):
    """Everything, as it goes into the report under "python"."""
    interpreter, websockets = versions(python)
    messages = FLOOD if rounds > 1 else FLOOD // 4
    load = os.getloadavg()[0]
    inside = run_inside(build, python, rounds, messages)
    echo, fan_out = run_servers(build, python, rounds, seconds)
    return {
        "python": interpreter,
        "websockets": websockets,
        "date": datetime.date.today().isoformat(),
        "load_before": load,
        "rounds": rounds,
        "seconds": seconds,
        "messages": messages,
        "inside": inside,
        "echo": {
            window: summarize(of_load, "websockets")
            for window, of_load in echo.items()
        },
        "fan_out": {
            name: summarize(of_load, "C")
            for name, of_load in fan_out.items()
        },
        "idle": run_idle(build, python, idle_members, rounds),
    }


def bad_loads(report):
    """(load, variant) of those that lost, repeated or mixed up messages."""
    return [
        (f"{kind}, {name}", variant)
        for kind in ("echo", "fan_out")
        for name, variants in report.get(kind, {}).items()
        for variant, f in variants.items()
        if f["lost"] or f["duplicated"] or f["out_of_order"] or f["closed"]
    ]


def inside_table(report):
    yield "| what | a second | lowest-highest | CPU us of the thread, each |"
    yield "|---|---|---|---|"
    for name, f in report["inside"].items():
        rate, cpu = f["per_s"], f["cpu_us"]
        yield (
            f"| {INSIDE[name]} | {rate['median']:,.0f}"
            f" | {rate['low']:,.0f}-{rate['high']:,.0f} | {cpu['median']:.2f} |"
        )


def load_rows(name, variants):
    for variant, f in variants.items():
        yield (
            f"| {name} | {variant} | {f['deliveries_per_s']:,.0f}"
            f" | {f['rate_ratio']:.2f} | {f['cpu_us_per_delivery']:.2f}"
            f" | {f['cpu_ratio']:.2f}"
            f" ({f['cpu_ratio_low']:.2f}-{f['cpu_ratio_high']:.2f})"
            f" | {f['p50_us']:,.0f} | {f['p99_us']:,.0f}"
            f" | {f['lost']}, {f['duplicated']}, {f['out_of_order']} |"
        )


def page_of(report):
    lines = [
        "",
        "## From Python",
        "",
        f"Python {report['python']}, the hub's thread and Python on one core together;"
        f" {report['date']},\n{report['rounds']} rounds of {report['seconds']:g} s."
        f" The machine's load before was {report['load_before']:.1f}: over 0.5 others"
        " were at work,\nand what is a second says less than CPU does.",
        "",
        "### The queue and publishing",
        "",
        f"{report['messages']:,} messages of 64 bytes are in the queue before the clock"
        " starts.",
        "",
        *inside_table(report),
        "",
        "### Echo",
        "",
        f"{ECHO_CLIENTS} clients, 64-byte messages, each client with so many on their"
        f" way.\n`websockets` is {report['websockets']}, on asyncio, without compression;"
        " `C` has its handlers in C\n(`tests/bench/app.c`). Ratios are those to"
        " `websockets`.",
        "",
        "| on their way | server | messages/s | ratio | CPU us a message | ratio"
        " | p50 us | p99 us | lost, twice, out of order |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for window, variants in report["echo"].items():
        lines += load_rows(window, variants)
    lines += [
        "",
        "### A room of 1,000",
        "",
        "Each message is published to the room by the handler that hears it, in C or in"
        " Python;\n128 bytes. Ratios are those to `C`.",
        "",
        "| messages | handlers in | deliveries/s | ratio | CPU us a delivery | ratio"
        " | p50 us | p99 us | lost, twice, out of order |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, variants in report["fan_out"].items():
        lines += load_rows(name, variants)
    lines += [
        "",
        "### An idle session of a hub in Python",
        "",
        "As above; `on_open` and `on_message` are registered, and the `Session` objects"
        " counted in.",
        "",
        "| handlers in | sessions | bytes a session |",
        "|---|---|---|",
    ]
    for variant, f in report["idle"].items():
        lines.append(f"| {variant} | {f['members']:,} | {f['bytes_per_session']:,.0f} |")
    return lines
