#!/usr/bin/python3
"""Runs the unit and integration tests while calls of fanwire's fail: see inject.c.

  tests/inject/inject.py memory         the Nth allocation fails, in each test
  tests/inject/inject.py descriptors    EMFILE, ENFILE, ENOMEM where one is taken
  tests/inject/inject.py interruptions  EINTR and short counts, at all times

With the first two a test may fail, for what it needs couldn't be had; but it must fail by
one of its own checks, or pass: a signal, an error of a sanitizer and a hang are findings,
and make the exit status 1. With interruptions every test must pass.

BUILD_DIR names the build. FW_INJECT_SECONDS says how long to go on (a few seconds if it
isn't set): the tests take turns, each with another N, drawn from FW_INJECT_SEED. Of a
finding the command is shown that repeats it.
"""

import argparse
import os
import pathlib
import random
import re
import shlex
import subprocess
import sys
import tempfile
import time

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD_DIR", TREE / "build" / "dev")).resolve()
SECONDS = float(os.environ.get("FW_INJECT_SECONDS", "3"))
SEED = os.environ.get("FW_INJECT_SEED", "1")
SLOW = int(os.environ.get("FW_TEST_SLOW", "1"))
HANGS_S = 90 * SLOW

# Programs that are left out, and why.
UNFIT = {
    "test_calls": "lets memory run out by a malloc of its own",
    "test_redis_allocations": "counts allocations by a malloc of its own",
    "test_stop_race": "a race that goes on for seconds whatever fails",
}
# Integration tests of what is inside, which can be run each in a process of its own:
# nothing that all of them share, like a Redis, ends with the first.
APART = ("test_io", "test_io_listener", "test_io_stream", "test_io_tls")
# What is run where there are but seconds: quick, and together they touch most.
QUICK = {
    "memory": ("test_core", "test_centrifuge", "test_api_methods", "test_history_join",
               "test_options", "test_token_keys", "test_redis_backplane"),
    "descriptors": ("test_io_listener", "test_lifecycle"),
    "interruptions": ("test_io_stream", "test_sessions"),
}
# What was found once, and is tried first: a test of a hub, which calls fail, and whose.
# Those are few and always the same, where a number among all calls soon means another.
FOUND = {
    "descriptors": [  # contexts of libwebsockets that can't have their event pipe
        ("test_rooms", "joining_twice_is_no_error_and_gives_one_copy", inject,
         "libwebsockets") for inject in ("1:1", "3:1", "1:9")
    ],
}
# Whose calls: fanwire's own memory, and the descriptors and bytes of the libraries that
# it does its input and output by.
CALL_OBJECTS = "libfanwire,libuv,libwebsockets,libssl,libcrypto"
OBJECTS = {"memory": "libfanwire", "descriptors": CALL_OBJECTS,
           "interruptions": CALL_OBJECTS}

# A line of check about a test that didn't end by itself; and the end that a rig has put
# to it, since it had no memory for its own part.
UNCLEAN = re.compile(r":E:")
BY_A_RIG = re.compile(r"^fanwire: (?:\./)?tests/\S+: assertion failed", re.M)


def unclean_in(text):
    """The lines of check that no rig explains."""
    excuses = len(BY_A_RIG.findall(text))
    lines = []
    for line in text.splitlines():
        if UNCLEAN.search(line):
            if "Received signal 6" in line and excuses > 0:
                excuses -= 1
            else:
                lines.append(line)
    return lines


def fanwire_in(program):
    """FROM-TO: where in the program lies what is linked of fanwire; None: nothing is.

    The linker puts one object behind the other, the test's own first. Cold parts of
    functions lie elsewhere and have local names."""
    out = subprocess.run(["nm", "-S", "--defined-only", program], capture_output=True,
                         text=True, check=True).stdout
    first = last = None
    for line in out.splitlines():
        m = re.fullmatch(r"(\w{16}) (\w{16}) T (fwi?_\w+)", line)
        if m:
            at, size = int(m.group(1), 16), int(m.group(2), 16)
            first = at if first is None else min(first, at)
            last = max(last or 0, at + size)
    return None if first is None else f"{first:x}-{last:x}"


class Test:
    """A program of check: whole, each of its tests in a process of its own, or one test
    of it alone where the program is made for that."""

    def __init__(self, program, case=None, objects=None):
        self.program, self.case, self.objects = program, case, objects
        self.name = program.name + (f" {case}" if case else "")
        self.range = fanwire_in(program)
        self.tried = 0

    def command(self, kind, inject, count=None):
        env = {"LD_PRELOAD": str(BUILD / "tests" / "libfw_inject.so"),
               "FW_INJECT": f"{kind}:{inject}",
               "FW_INJECT_PROGRAM": self.program.name, "FW_TEST_SLOW": str(SLOW),
               "CK_FORK": "no" if self.case or kind == "interruptions" else "yes",
               "CK_DEFAULT_TIMEOUT": str(HANGS_S // 2), "CK_VERBOSITY": "normal",
               "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0:exitcode=86",
               "UBSAN_OPTIONS": "print_stacktrace=1",
               "FW_INJECT_OBJECTS": self.objects or OBJECTS[kind]}
        if self.range:
            env["FW_INJECT_RANGE"] = self.range
        if self.case:
            env["CK_RUN_CASE"] = self.case
        if count:
            env["FW_INJECT_COUNT"] = count
        return env

    def run(self, kind, inject, count=None):
        """What is wrong; None if nothing is."""
        env = self.command(kind, inject, count)
        try:
            done = subprocess.run([self.program], env={**os.environ, **env}, text=True,
                                  errors="replace", stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=HANGS_S, check=False)
        except subprocess.TimeoutExpired as late:
            text = late.stdout or b""
            return "it hangs\n" + text.decode(errors="replace")[-3000:]
        unclean = unclean_in(done.stdout)
        allowed = (0,) if kind == "interruptions" else (0, 1)
        if done.returncode in allowed and not unclean:
            return None
        return "\n".join([f"exit status {done.returncode}", *unclean,
                          done.stdout[-3000:]])

    def count(self, kind):
        """How many calls there are in the process that has most of them."""
        with tempfile.NamedTemporaryFile("r", prefix="fanwire-inject-") as file:
            wrong = self.run(kind, "0", file.name)
            if wrong:
                print(f"{self.name}: left out, for it fails as it is: {wrong}")
                return 0
            return max((int(line) for line in file), default=0)

    def shown(self, kind, inject):
        env = self.command(kind, inject)
        words = " ".join(f"{name}={shlex.quote(value)}" for name, value in env.items())
        return f"env {words} {self.program}"


def source_of(program):
    label, name = program.name.split(".", 1)
    return TREE / "tests" / label / f"{name}.c"


def is_of_hubs(program):
    """Made with hub_fixture.h: the library as users have it, tests that are cases."""
    return "support/hub_fixture.h" in source_of(program).read_text()


def programs(kind, only):
    labels = ("unit", "integration") if kind == "memory" else ("integration",)
    for label in labels:
        for program in sorted((BUILD / "tests").glob(f"{label}.test_*")):
            name = program.name.split(".", 1)[1]
            if name in UNFIT or not os.access(program, os.X_OK):
                continue
            if only and name not in only:
                continue
            yield program


def tests(kind, only):
    for program in programs(kind, only):
        text = source_of(program).read_text()
        if kind != "interruptions" and is_of_hubs(program):
            for case in re.findall(r"START_TEST\((\w+)\)", text):
                yield Test(program, case)
        elif kind == "interruptions" or program.name.startswith("unit.") \
                or program.name.split(".", 1)[1] in APART:
            yield Test(program)


def found_once(kind, only):
    """The tests of FOUND, and what is to fail in them."""
    for name, case, inject, objects in FOUND.get(kind, ()):
        program = BUILD / "tests" / f"integration.{name}"
        if os.access(program, os.X_OK) and (not only or name in only):
            yield Test(program, case, objects), inject


class Campaign:
    """One kind, over all tests, until the time is over; first what was found before."""

    def __init__(self, kind, only, found):
        self.kind, self.findings, self.runs = kind, 0, 0
        self.random = random.Random(SEED)
        self.until = time.monotonic() + SECONDS
        self.tests = list(tests(kind, only))
        self.random.shuffle(self.tests)
        self.found = list(found)

    def is_over(self):
        return time.monotonic() >= self.until

    def tell(self, test, inject, wrong):
        self.findings += 1
        print(f"{test.name}, {self.kind}:{inject}: {wrong}\n  again: "
              f"{test.shown(self.kind, inject)}", flush=True)

    def run(self, test, inject):
        wrong = test.run(self.kind, inject)
        self.runs += 1
        test.tried += 1
        if wrong:
            self.tell(test, inject, wrong)

    def numbers(self, test):
        """Which calls fail, in a test's turns: each once, or all from one on."""
        total = test.count(self.kind)
        every = list(range(1, total + 1))
        self.random.shuffle(every)
        return [f"{n}:{1 if i % 4 else total}" for i, n in enumerate(every)]

    def go(self):
        for test, inject in self.found:
            self.run(test, inject)
        if self.kind == "interruptions":
            turns = ([(test, str(seed)) for test in self.tests]
                     for seed in range(1, 1000))
        else:
            turns = self.rounds()
        for row in turns:
            for test, inject in row:
                self.run(test, inject)
                if self.is_over():
                    return

    def rounds(self):
        """Each test has its turn, and then each another one."""
        waiting = []
        for test in self.tests:
            if self.runs > len(self.found) and self.is_over():
                break
            numbers = self.numbers(test)
            if numbers:
                yield [(test, numbers.pop())]
                waiting.append((test, numbers))
        while waiting and not self.is_over():
            waiting = [(test, numbers) for test, numbers in waiting if numbers]
            yield [(test, numbers.pop()) for test, numbers in waiting]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=sorted(QUICK))
    parser.add_argument("programs", nargs="*", metavar="PROGRAM",
                        help="test_core, say; if none is named all, or a few where "
                             "FW_INJECT_SECONDS isn't set")
    args = parser.parse_args()
    quick = QUICK[args.kind] if "FW_INJECT_SECONDS" not in os.environ else ()
    campaign = Campaign(args.kind, set(args.programs or quick),
                        found_once(args.kind, args.programs))
    campaign.go()
    tried = sum(test.tried > 0 for test in campaign.tests)
    print(f"{args.kind}: {campaign.runs} runs of {tried} of {len(campaign.tests)} tests, "
          f"{campaign.findings} found")
    return 1 if campaign.findings or not campaign.runs else 0


if __name__ == "__main__":
    sys.exit(main())
