#!/usr/bin/python3
"""Runs the fuzzers, one after the other: ./run fuzz [TARGET]... [--minutes N].

What a target has learnt is kept in FOLDER/corpus/TARGET, so the next run goes on where
this one has stopped. What it finds fault with is put into FOLDER/crashes, and the exit
status is 1 then. To make such an input a test, mend the fault, and put the input into
tests/fuzz/corpus/TARGET under the name found-WHAT.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]

# Those that have a thread beside them: memory comes and goes there by itself.
THREADED = {"ws_socket", "redis_emitter"}
# How long an input may be where the usual 4096 bytes are of no use.
LONGEST = {"http_head": 20000, "ws_socket": 20000, "ws_frames": 10000, "inflate": 10000}
SLOWEST_S = 25  # for one input


class Run:
    """A fuzzer at work."""

    def __init__(self, folder, target, seconds):
        self.target = target
        self.learnt = folder / "corpus" / target
        self.crashes = folder / "crashes"
        self.learnt.mkdir(parents=True, exist_ok=True)
        self.crashes.mkdir(parents=True, exist_ok=True)
        dictionary = HERE / "dict" / f"{target}.dict"
        self.command = [
            folder / "tests" / "fuzz" / f"fuzz_{target}",
            f"-max_total_time={seconds}", f"-timeout={SLOWEST_S}",
            "-report_slow_units=999",  # or a machine that is busy makes findings
            f"-max_len={LONGEST.get(target, 4096)}",
            f"-artifact_prefix={self.crashes}/{target}-", "-print_final_stats=1",
            *([f"-dict={dictionary}"] if dictionary.exists() else []),
            *(["-detect_leaks=0"] if target in THREADED else []),
            self.learnt, HERE / "corpus" / target]

    def go(self):
        """The log, and what was found."""
        before = set(self.crashes.iterdir())
        began = time.monotonic()
        done = subprocess.run([str(word) for word in self.command], cwd=TREE, text=True,
                              errors="replace", stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False,
                              env=environment(self.target not in THREADED))
        self.seconds = time.monotonic() - began
        found = sorted(set(self.crashes.iterdir()) - before)
        if done.returncode != 0 and not found:
            found = [f"exit status {done.returncode}"]
        return done.stdout, found


def environment(leaks):
    env = dict(os.environ)
    env["ASAN_OPTIONS"] = f"detect_leaks={leaks:d}:allocator_may_return_null=1"
    env["LSAN_OPTIONS"] = f"suppressions={TREE}/tests/lsan.supp:print_suppressions=0"
    env["UBSAN_OPTIONS"] = "print_stacktrace=1"
    symbolizer = shutil.which("llvm-symbolizer")
    if symbolizer:
        env["ASAN_SYMBOLIZER_PATH"] = symbolizer
    return env


def last_number(pattern, log):
    found = re.findall(pattern, log)
    return int(found[-1]) if found else 0


def report(run, log, found):
    executions = last_number(r"stat::number_of_executed_units:\s*(\d+)", log)
    edges, features = last_number(r"cov: (\d+)", log), last_number(r"ft: (\d+)", log)
    kept = len(list(run.learnt.iterdir()))
    print(f"{run.target:20} {run.seconds / 60:6.1f} min {executions:12,} inputs "
          f"{edges:6} edges {features:6} features {kept:5} kept {len(found):3} found",
          flush=True)
    for one in found:
        print(f"  {one}")
    if found:
        told = [line for line in log.splitlines() if not line.startswith("#")]
        print("\n".join("    " + line for line in told[-60:]), flush=True)


def main():
    every = sorted(path.stem[len("fuzz_"):] for path in HERE.glob("fuzz_*.c"))
    parser = argparse.ArgumentParser(prog="./run fuzz", epilog="targets: "
                                     + ", ".join(every),
                                     description=__doc__.split("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET",
                        help="all if none is named")
    parser.add_argument("--minutes", type=float, default=1,
                        help="for each target (1)")
    parser.add_argument("--folder", type=pathlib.Path, default=TREE / "build" / "fuzz",
                        help="where they were built (build/fuzz)")
    args = parser.parse_args()
    unknown = set(args.targets) - set(every)
    if unknown:
        parser.error("no such target: " + ", ".join(sorted(unknown)))
    findings = 0
    for target in args.targets or every:
        run = Run(args.folder.resolve(), target, max(1, round(args.minutes * 60)))
        log, found = run.go()
        report(run, log, found)
        findings += len(found)
    print(f"{findings} found" + (f", in {args.folder}/crashes" if findings else ""))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
