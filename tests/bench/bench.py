#!/usr/bin/env python3
"""Measures fanwired beside bare epoll servers and beside other WebSocket servers, and
writes docs/benchmarks.md, with its figures as JSON and its plots.

The sections (a) to (k) are those of scenarios.py. The absolute figures belong to one
machine on one day; what counts are ratios within a round, and counts.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import resource
import sys
import tempfile
from dataclasses import replace
from xml.etree import ElementTree

import bars
import peers
import python_bench
import report as reports
import scenarios
from cells import Lab
from figures import Figures

TOP = pathlib.Path(__file__).resolve().parents[2]
PYTHON = "python"


def first_match(path, key):
    with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith(key):
                return line.split(":" if ":" in line else "=", 1)[1].strip().strip('"')
    return "unknown"


def machine(build):
    memory = first_match("/proc/meminfo", "MemTotal").split()[0]
    fanwired, _ = peers.said_by([build / "capi/server/fanwired", "--version"])
    redis, _ = peers.said_by(["redis-server", "--version"])
    return {
        "cpu": first_match("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory) / 1048576, 1) if memory.isdigit() else None,
        "kernel": platform.release(),
        "system": first_match("/etc/os-release", "PRETTY_NAME"),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "fanwired": fanwired or "unknown",
        "redis": redis or "none",
        "build_type": first_match(build / "CMakeCache.txt", "CMAKE_BUILD_TYPE:STRING"),
        "date": datetime.date.today().isoformat(),
    }


def names_of(text, allowed, what):
    """A list with commas; an unknown name ends the program."""
    names = [name for name in text.split(",") if name]
    known = {name.lower(): name for name in allowed}
    unknown = [name for name in names if name.lower() not in known]
    if unknown:
        names = ", ".join(allowed)
        print(f"bench: {what}: {unknown[0]}: one of {names}", file=sys.stderr)
        sys.exit(2)
    return [known[name.lower()] for name in names]


def parse_options():
    about = __doc__.partition("\n\n")[0]
    parser = argparse.ArgumentParser(prog="./run bench", description=about)
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
    sections = ", ".join(f"{key} {make(scenarios.SMOKE).title}"
                         for key, make in scenarios.MAKERS.items())
    parser.add_argument(
        "--only",
        metavar="a,b,...",
        help=f"these sections, and keep the others: {sections}, {PYTHON}",
    )
    parser.add_argument("--rounds", type=int, help="how often each cell is measured (5)")
    parser.add_argument("--seconds", type=float, help="how long a cell is measured (2)")
    parser.add_argument(
        "--peers",
        metavar="NAME,...",
        help=f"beside these only, or none: {', '.join(peers.NAMES)}",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--quick",
        action="store_true",
        help="all once, short, at most 1,000 members; shows the page, changes no file",
    )
    how.add_argument(
        "--smoke",
        action="store_true",
        help="a few members for a moment, to see that all this works; measures nothing",
    )
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        default=TOP / "docs/benchmarks.md",
        help="the page; the JSON and the plots go beside it",
    )
    return parser.parse_args()


def scale_of(options):
    if options.smoke:
        return scenarios.SMOKE
    scale = scenarios.QUICK if options.quick else scenarios.Scale()
    if options.rounds:
        scale = replace(scale, rounds=options.rounds)
    if options.seconds:
        scale = replace(scale, seconds=options.seconds)
    return scale


def find_peers(options, build):
    """Installs what is missing, but for a smoke test, which takes what is there."""
    wanted = peers.NAMES
    if options.peers is not None:
        text = "" if options.peers == "none" else options.peers
        wanted = names_of(text, peers.NAMES, "--peers")
    friends = peers.Peers(build, wanted)
    if not options.smoke:
        friends.install()
    friends.look()
    if options.smoke and options.peers is None:
        for name in list(friends.versions)[1:]:
            friends.problems[name] = "one is enough"
            del friends.versions[name]
    for name, why in friends.problems.items():
        print(f"without {name}: {why}", file=sys.stderr)
    return friends


def measure(options, build, report):
    """Fills `report` with the sections that are asked for."""
    scale = scale_of(options)
    everything = [*scenarios.MAKERS, PYTHON]
    wanted = everything
    if options.only is not None:
        wanted = names_of(options.only, everything, "--only")
    elif options.smoke:
        wanted = list(scenarios.MAKERS)
    friends = find_peers(options, build)
    report["machine"] = machine(build)
    report["peers"] = {"versions": friends.versions, "problems": friends.problems}
    lab = Lab(build, friends, scale)
    for letter in wanted:
        if letter == PYTHON:
            continue
        section = scenarios.MAKERS[letter](scale)
        if options.smoke:
            section.loads = [load for load in section.loads if not load.alike]
        found = lab.run(section, scale.rounds)
        words = {"title": section.title, "text": section.text}
        report["sections"][letter] = {**words, **found}
        yield letter
    if PYTHON in wanted:
        python = options.python or python_bench.install(build)
        sessions = scale.members(8000)
        report["python"] = python_bench.run(
            build, python, scale.rounds, scale.seconds, sessions
        )
        yield PYTHON


def text_of(path):
    return path.read_text(encoding="utf-8")


def kept_report(options):
    """The sections of before, where only some are measured anew."""
    report = {"sections": {}}
    if options.only and not options.quick and not options.smoke:
        with contextlib.suppress(FileNotFoundError):
            kept = json.loads(text_of(options.output.with_suffix(".json")))
            report.update({k: kept[k] for k in ("sections", "python") if k in kept})
    return report


def complain(report):
    """What went wrong, on stderr; true if nothing did."""
    f = Figures(report["sections"])
    bad = [*f.errors(), *f.faults()]
    for letter, load, label, words in bad:
        print(f"({letter}) {load}, {label}: {words}", file=sys.stderr)
    for name, variant in python_bench.bad_loads(report.get("python", {})):
        bad.append(name)
        words = "messages lost, repeated or out of order"
        print(f"{variant}, {name}: {words}", file=sys.stderr)
    for words in bars.bad_floors(report["sections"]):
        print(f"void: {words}", file=sys.stderr)
    return not bad


def check_written(report):
    """For a smoke test: the page, the JSON and the plots can be made of it and read."""
    with tempfile.TemporaryDirectory(prefix="fanwire-bench.") as place:
        page = pathlib.Path(place) / "benchmarks.md"
        reports.write(report, page)
        again = json.loads(text_of(page.with_suffix(".json")))
        if again != json.loads(json.dumps(report)):
            raise RuntimeError("the JSON isn't what was measured")
        plots = list(page.with_suffix("").glob("*.svg"))
        for plot in plots:
            ElementTree.parse(plot)
        print(f"{len(plots)} plots, {len(text_of(page))} characters of page")


def main():
    options = parse_options()
    build = options.build.resolve()
    report = kept_report(options)
    for _ in measure(options, build, report):
        if not options.quick and not options.smoke:
            reports.write(report, options.output)  # a run that is ended keeps what it has
    if options.smoke:
        check_written(report)
    elif options.quick:
        print(reports.page_of(report))
    else:
        print(f"written: {options.output}", file=sys.stderr)
    return 0 if complain(report) else 1


if __name__ == "__main__":
    sys.exit(main())
