#!/usr/bin/env python3
"""Measures fanwired against a bare epoll server, and writes docs/benchmarks.md.

Every cell is a ratio to the floor of the same run: the server has core 0, the generator
core 1, the variants take turns, and what is told is the median of several rounds. The
absolute figures belong to one machine on one day.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import resource
import subprocess
import sys

import python_bench
import servers
from servers import median, ratio

TOP = pathlib.Path(__file__).resolve().parents[2]
FLOORS = ("floor send", "floor joined")
VARIANTS = ("floor send", "floor joined", "fanwired")

# name, members, what the generator is told. In the open loops all servers have the same
# work, 30,000 deliveries a second, one message at a time; in the closed ones as much as
# they can do with 64 messages on their way.
LOADS = [
    ("open, 100", 100, ["--rate", "300"]),
    ("open, 1,000", 1000, ["--rate", "30"]),
    ("open, 10,000", 10000, ["--rate", "3"]),
    ("closed, 100", 100, ["--closed", "64"]),
    ("closed, 1,000", 1000, ["--closed", "64"]),
    ("closed, 10,000", 10000, ["--closed", "64"]),
]


@contextlib.contextmanager
def server(build, variant):
    """A fresh server process; gives its process number and URL."""
    port = servers.free_port()
    url = f"ws://127.0.0.1:{port}/ws"
    if variant in FLOORS:
        command = [build / "tests/bench/floor", port, variant.split()[1]]
    else:
        command = [build / "capi/server/fanwired", "--listen", url, "--log.level", "warn"]
    with servers.running(command, port) as pid:
        yield pid, url + "?room=bench"


def measure(build, variant, arguments):
    with server(build, variant) as (pid, url):
        return servers.generate(build, pid, url, arguments)


def run_loads(build, loads, rounds, seconds):
    """{load: {variant: [result of each round]}}, the variants taking turns."""
    results = {name: {v: [] for v in VARIANTS} for name, _, _ in loads}
    for number in range(rounds):
        for name, members, arguments in loads:
            for variant in VARIANTS:
                result = measure(
                    build,
                    variant,
                    ["--members", members, "--seconds", seconds, *arguments],
                )
                results[name][variant].append(result)
                print(
                    f"round {number + 1}  {name:15} {variant:13}"
                    f" {result['cpu_us_per_delivery']:8.3f} us/delivery"
                    f" {result['deliveries_per_s']:10,.0f} deliveries/s"
                    f"  lost {result['lost']}",
                    file=sys.stderr,
                )
    return results


def run_idle(build, members, rounds):
    return {
        v: [measure(build, v, ["--members", members, "--idle"]) for _ in range(rounds)]
        for v in ("floor send", "fanwired")
    }


def summarize(results, idle):
    loads = {}
    for name, of_load in results.items():
        loads[name] = {}
        for variant, runs in of_load.items():
            middle, low, high = ratio(of_load, variant, "floor send")
            loads[name][variant] = {
                "cpu_us_per_delivery": median(runs, "cpu_us_per_delivery"),
                "ratio_to_floor_send": middle,
                "ratio_low": low,
                "ratio_high": high,
                "ratio_to_floor_joined": ratio(of_load, variant, "floor joined")[0],
                "deliveries_per_s": median(runs, "deliveries_per_s"),
                "p50_us": median(runs, "latency_us", "p50"),
                "p99_us": median(runs, "latency_us", "p99"),
                "last_member_p50_us": median(runs, "last_member_us", "p50"),
                "frames_per_read": median(runs, "frames_per_read"),
                "lost": sum(r["lost"] for r in runs),
                "duplicated": sum(r["duplicated"] for r in runs),
                "out_of_order": sum(r["out_of_order"] for r in runs),
                "closed": sum(r["closed"] for r in runs),
            }
    memory = {
        v: {
            "members": runs[0]["members"],
            "bytes_per_session": median(runs, "bytes_per_session"),
        }
        for v, runs in idle.items()
    }
    return {"loads": loads, "idle": memory}


def first_match(path, key):
    with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith(key):
                return line.split(":" if ":" in line else "=", 1)[1].strip().strip('"')
    return "unknown"


def machine(build):
    memory = first_match("/proc/meminfo", "MemTotal").split()[0]
    fanwired = subprocess.run(
        [build / "capi/server/fanwired", "--version"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return {
        "cpu": first_match("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory) / 1048576, 1) if memory.isdigit() else None,
        "kernel": platform.release(),
        "system": first_match("/etc/os-release", "PRETTY_NAME"),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "fanwired": fanwired.stdout.strip(),
        "build_type": first_match(build / "CMakeCache.txt", "CMAKE_BUILD_TYPE:STRING"),
        "date": datetime.date.today().isoformat(),
    }


def page_of(report):
    m, conditions = report["machine"], report["conditions"]
    build_type = m["build_type"].split("=")[-1]
    lines = [
        "# Benchmarks",
        "",
        "What a delivery costs in CPU, and an idle session in memory, beside a bare "
        "epoll",
        "server that does nothing else (`tests/bench/floor.c`). This page is written by",
        "`./run bench`; so are the same figures as JSON, `docs/benchmarks.json`.",
        "",
        f"- Machine: {m['cpu']}, {m['cores']} cores, {m['memory_gib']} GiB;"
        f" {m['system']}, Linux {m['kernel']}.",
        f"- Server: {m['fanwired']}, {build_type} build, one loop, no Redis; on core 0,"
        " the load generator on core 1, over loopback.",
        f"- {m['date']}; {conditions['rounds']} rounds of {conditions['seconds']:g} s,"
        " variants in turn, a fresh process each; 128-byte messages, 8 of the members"
        " talk.",
        "",
        "CPU is that of the server process, kernel included: on loopback that is the"
        " receiving",
        "side of TCP too, about half of each `send()`. Ratios are medians of each round's"
        " own",
        "ratio (lowest and highest in brackets); below 1.25 they say nothing on a machine"
        " that",
        "others use too.",
    ]
    titles = {
        "open": (
            "One message at a time",
            "30,000 deliveries a second in all, whatever the number of members. Nothing"
            " can be\nput together, so everybody pays one system call a delivery: compare"
            " with `floor send`.",
        ),
        "closed": (
            "As much as it can",
            "64 messages on their way all the time. What comes in one turn of the loop"
            " goes out\nin one write a session: compare with `floor joined`, which does"
            " that too. The latency\nis that of the queue.",
        ),
    }
    for kind, (title, text) in titles.items():
        lines += ["", f"## {title}", "", text, ""]
        lines += [
            "| members | server | CPU us a delivery | ratio to floor send"
            " | ratio to floor joined | deliveries/s | p50 us | p99 us"
            " | frames a read | lost, twice, out of order |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]
        for name, variants in report["loads"].items():
            if not name.startswith(kind):
                continue
            for variant, f in variants.items():
                lines.append(
                    f"| {name.split(', ', 1)[1]} | {variant}"
                    f" | {f['cpu_us_per_delivery']:.2f}"
                    f" | {f['ratio_to_floor_send']:.2f}"
                    f" ({f['ratio_low']:.2f}-{f['ratio_high']:.2f})"
                    f" | {f['ratio_to_floor_joined']:.2f}"
                    f" | {f['deliveries_per_s']:,.0f} | {f['p50_us']:,.0f}"
                    f" | {f['p99_us']:,.0f} | {f['frames_per_read']:.1f}"
                    f" | {f['lost']}, {f['duplicated']}, {f['out_of_order']} |"
                )
    lines += [
        "",
        "## An idle session",
        "",
        "Proportional set size of the process, the first sessions left out, which pay"
        " for what\nis there once; the kernel's own part of a socket isn't in it.",
        "",
        "| server | sessions | bytes a session |",
        "|---|---|---|",
    ]
    for variant, f in report["idle"].items():
        lines.append(
            f"| {variant.split()[0]} | {f['members']:,} | {f['bytes_per_session']:,.0f} |"
        )
    if "python" in report:
        lines += python_bench.page_of(report["python"])
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--build",
        type=pathlib.Path,
        default=pathlib.Path(os.environ.get("BUILD_DIR", TOP / "build/dev")),
        help="where CMake has built (BUILD_DIR)",
    )
    parser.add_argument(
        "--python",
        metavar="PROGRAM",
        help="an interpreter that has fanwire and websockets; without it fanwire is"
        " installed from this tree into an environment in the build directory",
    )
    parser.add_argument(
        "--only", choices=("c", "python"), help="measure one half, keep the other"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one round of a second, without 10,000 members; changes no file",
    )
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        default=TOP / "docs/benchmarks.md",
        help="the page; the JSON goes beside it",
    )
    options = parser.parse_args()
    build = options.build.resolve()
    loads, idle_members = LOADS, 8000
    if options.quick:
        options.rounds, options.seconds = 1, 1
        loads, idle_members = [load for load in LOADS if load[1] < 10000], 2000
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 10100:
        print("fewer than 10,100 open files: without 10,000 members", file=sys.stderr)
        loads = [load for load in loads if load[1] < 10000]
        idle_members = 500
    kept = options.output.with_suffix(".json")
    report = {"loads": {}, "idle": {}}
    if options.only and not options.quick:
        report = json.loads(kept.read_text(encoding="utf-8"))
    if options.only != "python":
        results = run_loads(build, loads, options.rounds, options.seconds)
        report.update(summarize(results, run_idle(build, idle_members, options.rounds)))
        report["machine"] = machine(build)
        report["conditions"] = {"rounds": options.rounds, "seconds": options.seconds}
    if options.only != "c":
        python = options.python or python_bench.install(build)
        report["python"] = python_bench.run(
            build, python, options.rounds, options.seconds, idle_members
        )
    if options.quick:
        print(json.dumps(report, indent=2))
    else:
        options.output.write_text(page_of(report), encoding="utf-8")
        kept.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        print(f"written: {options.output}", file=sys.stderr)
    bad = [
        (name, variant)
        for name, variants in report["loads"].items()
        for variant, f in variants.items()
        if f["lost"] or f["duplicated"] or f["out_of_order"] or f["closed"]
    ]
    bad += python_bench.bad_loads(report.get("python", {}))
    for name, variant in bad:
        print(f"{variant}, {name}: messages lost, repeated or out of order",
              file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
