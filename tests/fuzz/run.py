#!/usr/bin/python3
"""Runs the fuzzers, one after the other: ./run fuzz [TARGET]... [--minutes N].

What a target has learnt is kept in FOLDER/corpus/TARGET, so the next run goes on where
this one has stopped; the first begins with tests/fuzz/learnt/TARGET.pack. What it finds
fault with is put into FOLDER/crashes, and the exit status is 1 then. To make such an
input a test, mend the fault, and put the input into tests/fuzz/corpus/TARGET under the
name found-WHAT. --keep packs what has been learnt, as little of it as reaches the same.
"""

import argparse
import hashlib
import os
import pathlib
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]

# Those that have a thread beside them: memory comes and goes there by itself.
THREADED = {"ws_socket", "redis_emitter"}
# How long an input may be where the usual 4096 bytes are of no use.
LONGEST = {"http_head": 20000, "ws_socket": 20000, "ws_frames": 10000, "inflate": 10000}
SLOWEST_S = 25  # for one input
# What is packed of a target stays below this: all is replayed with each test.
PACK_BYTES = 200_000
INPUT_BYTES = 2000


def unpack(path):
    """The inputs of a pack."""
    data = path.read_bytes()
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        yield data[at + 4:at + 4 + size]
        at += 4 + size


def pack(path, inputs):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(struct.pack(">I", len(one)) + one for one in inputs))


class Target:
    """A fuzzer, and what it knows."""

    def __init__(self, folder, name):
        self.name = name
        self.program = folder / "tests" / "fuzz" / f"fuzz_{name}"
        self.learnt = folder / "corpus" / name
        self.crashes = folder / "crashes"
        self.log = folder / "logs" / f"{name}.log"
        self.seeds = HERE / "corpus" / name
        self.pack = HERE / "learnt" / f"{name}.pack"
        for path in (self.learnt, self.crashes, self.log.parent):
            path.mkdir(parents=True, exist_ok=True)
        if self.pack.exists() and not any(self.learnt.iterdir()):
            for one in unpack(self.pack):
                (self.learnt / hashlib.sha1(one).hexdigest()).write_bytes(one)

    def run(self, *words):
        """The exit status; what the fuzzer says is in the log."""
        leaks = self.name not in THREADED
        command = [self.program, f"-timeout={SLOWEST_S}",
                   "-report_slow_units=999",  # or a machine that is busy makes findings
                   f"-max_len={LONGEST.get(self.name, 4096)}",
                   f"-artifact_prefix={self.crashes}/{self.name}-",
                   *([] if leaks else ["-detect_leaks=0"]), *words]
        with open(self.log, "w", encoding="utf-8") as log:
            done = subprocess.run([str(word) for word in command], cwd=TREE, stdout=log,
                                  stderr=subprocess.STDOUT, check=False,
                                  env=environment(leaks))
        return done.returncode


class Run:
    """A fuzzer at work, for so many seconds: of the clock, or of the processor."""

    def __init__(self, target, seconds, of_processor):
        self.target = target
        self.seconds = seconds
        self.of_processor = of_processor
        self.took_s = self.used_s = 0
        self.executions = self.edges = self.features = 0
        self.found = []

    def go(self):
        before = set(self.target.crashes.iterdir())
        left = self.seconds
        while left >= 1 and not self.found:
            began, used_before = time.monotonic(), processor_s()
            status = self.stretch(left)
            self.took_s += time.monotonic() - began
            self.used_s += processor_s() - used_before
            left = self.seconds - (self.used_s if self.of_processor else self.took_s)
            if not self.of_processor:
                left = 0
            self.found = sorted(set(self.target.crashes.iterdir()) - before)
            if status != 0 and not self.found:
                self.found = [f"exit status {status}"]

    def stretch(self, seconds):
        dictionary = HERE / "dict" / f"{self.target.name}.dict"
        status = self.target.run(
            f"-max_total_time={max(1, round(seconds))}", "-print_final_stats=1",
            *([f"-dict={dictionary}"] if dictionary.exists() else []),
            self.target.learnt, self.target.seeds)
        log = self.target.log.read_text(encoding="utf-8", errors="replace")
        self.executions += last_number(r"stat::number_of_executed_units:\s*(\d+)", log)
        self.edges = last_number(r"cov: (\d+)", log)
        self.features = last_number(r"ft: (\d+)", log)
        return status

    def report(self):
        kept = len(list(self.target.learnt.iterdir()))
        per_s = self.executions / max(1, self.used_s)
        print(f"{time.strftime('%F %T')} {self.target.name:20} "
              f"{self.took_s / 60:6.1f} min {self.used_s / 60:6.1f} CPU "
              f"{self.executions:12,} inputs {per_s:8,.0f}/s {self.edges:6} edges "
              f"{self.features:6} features {kept:5} kept {len(self.found):3} found",
              flush=True)
        for one in self.found:
            print(f"  {one}")
        if self.found:
            log = self.target.log.read_text(encoding="utf-8", errors="replace")
            told = [line for line in log.splitlines() if not line.startswith("#")]
            print("\n".join("    " + line for line in told[-60:]), flush=True)


def environment(leaks):
    env = dict(os.environ)
    # What was freed is remembered for as long as an input takes, not for ever: memory
    # that is used again is in the processor's cache.
    env["ASAN_OPTIONS"] = (f"detect_leaks={leaks:d}:allocator_may_return_null=1:"
                           "quarantine_size_mb=16:malloc_context_size=12")
    env["LSAN_OPTIONS"] = f"suppressions={TREE}/tests/lsan.supp:print_suppressions=0"
    env["UBSAN_OPTIONS"] = "print_stacktrace=1"
    symbolizer = shutil.which("llvm-symbolizer")
    if symbolizer:
        env["ASAN_SYMBOLIZER_PATH"] = symbolizer
    return env


def processor_s():
    """What the fuzzers have used until now."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def last_number(pattern, log):
    found = re.findall(pattern, log)
    return int(found[-1]) if found else 0


def keep(target):
    """Packs what leads to each edge, smallest inputs first. How many inputs that is."""
    with tempfile.TemporaryDirectory() as least:
        status = target.run("-merge=1", "-use_counters=0", least, target.learnt)
        if status != 0:
            sys.exit(f"{target.name}: can't be merged: see {target.log}")
        inputs = sorted((path.read_bytes() for path in pathlib.Path(least).iterdir()),
                        key=lambda one: (len(one), one))
    packed, size = [], 0
    for one in inputs:
        if len(one) <= INPUT_BYTES and size + len(one) <= PACK_BYTES:
            packed.append(one)
            size += len(one)
    pack(target.pack, packed)
    print(f"{target.name:20} {len(packed):5} of {len(inputs):5} inputs, {size:7,} bytes",
          flush=True)


def arguments(every):
    parser = argparse.ArgumentParser(prog="./run fuzz", epilog="targets: "
                                     + ", ".join(every),
                                     description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET",
                        help="all if none is named")
    parser.add_argument("--minutes", type=float, default=1,
                        help="for each target (1)")
    parser.add_argument("--cpu", action="store_true",
                        help="minutes are of the processor, not of the clock")
    parser.add_argument("--keep", action="store_true",
                        help="run none, but pack what they have learnt")
    parser.add_argument("--folder", type=pathlib.Path, default=TREE / "build" / "fuzz",
                        help="where they were built (build/fuzz)")
    args = parser.parse_args()
    unknown = set(args.targets) - set(every)
    if unknown:
        parser.error("no such target: " + ", ".join(sorted(unknown)))
    return args


def main():
    every = sorted(path.stem[len("fuzz_"):] for path in HERE.glob("fuzz_*.c"))
    args = arguments(every)
    findings = 0
    for name in args.targets or every:
        target = Target(args.folder.resolve(), name)
        if args.keep:
            keep(target)
            continue
        run = Run(target, max(1, round(args.minutes * 60)), args.cpu)
        run.go()
        run.report()
        findings += len(run.found)
    if not args.keep:
        print(f"{findings} found" + (f", in {args.folder}/crashes" if findings else ""))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
