#!/usr/bin/python3
"""Looks at the C code with tools that take minutes: ./run check [PART]...

  conversion  gcc's warnings, with more of signs and widths, and optimized, as errors
  clang       the same source by clang, warnings as errors, and its unit tests
  tidy        clang-tidy, by .clang-tidy
  cppcheck    a second opinion
  valgrind    unit tests and some of real sockets under memcheck
  coverage    which lines unit, integration and server tests run: build/coverage

All of them if none is named. A part fails on a finding, and the exit status is 1 then.
What is excused stands with its reason in .clang-tidy, cppcheck.txt and valgrind.supp, or
beside the line in the source.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
JOBS = len(os.sched_getaffinity(0))

# Beside the warnings of every build, which have -Wconversion, and optimized: with -O3 gcc
# sees more.
CONVERSION_FLAGS = "-Wsign-conversion -Warith-conversion -Wlogical-op -Wduplicated-cond"

# Programs that valgrind can't run as they are, or for minutes, and why.
UNFIT = {
    "unit.test_redis_allocations": "counts allocations by a malloc of its own",
    "unit.test_fanout_model": "plays at random what test_fanout does, for minutes",
    "unit.test_deflate": "most of it is zlib, which test_ws_codec_deflate calls, too",
}
# Tests that it can't run, and why, stand under this tag in their file.
UNFIT_TAG = "descriptors"
# Of the tests with sockets those that are quick, and together touch most. Not
# test_transport_starved: what libwebsockets can't take down there stays in memory.
SOCKETS = ("io", "io_listener", "io_stream", "io_tls", "transport", "transport_tls",
           "sessions", "rooms", "refusals", "history", "compression", "attached",
           "http_door")

PLAIN = HERE / "plain"  # headers that tools can follow

# The load generator isn't among them: tests/bench judges it by what it measures.
OURS = ("capi/src", "capi/server")

COVERAGE_PERCENT = 90  # of the lines of these folders must be run
COVERAGE_LABELS = "^(unit|integration|program|fuzz)$"
# They load the machine for minutes, and run no line that the others don't.
COVERAGE_WITHOUT = "^(program.soak|recovery[.].*|integration.test_stop_race)$"


def say(text):
    print(text, flush=True)


def run(*words, **more):
    """Did the command succeed? It says itself what it has to say."""
    return subprocess.run([str(word) for word in words], cwd=TREE, check=False,
                          **more).returncode == 0


def build(preset, *targets):
    return (run("cmake", "--preset", preset, stdout=subprocess.DEVNULL)
            and run("cmake", "--build", "--preset", preset,
                    *(["--target", *targets] if targets else [])))


def described():
    """A folder whose compile_commands.json names files that are there; None: failed."""
    return TREE / "build" / "clang" if build("clang", "capi/admin_files.c") else None


def compiled(folder):
    """The files of capi/src and capi/server that are compiled there."""
    rows = json.loads((folder / "compile_commands.json").read_text())
    own = tuple(f"{TREE}/{name}/" for name in OURS)
    return sorted({row["file"] for row in rows if row["file"].startswith(own)})


def each(items, work):
    """Done for each, some at a time; how many failed."""
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for item, (ok, text) in zip(items, pool.map(work, items)):
            if not ok:
                failed += 1
                say(f"{item}:\n{text}")
    return failed


def outcome(words, **more):
    """Whether a command succeeded, and what it said."""
    done = subprocess.run([str(word) for word in words], cwd=TREE, text=True, check=False,
                          errors="replace", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **more)
    return done.returncode == 0, done.stdout


# --- the parts: each returns whether nothing was found ---

def conversion():
    folder = TREE / "build" / "conversion"
    return (run("cmake", "-S", TREE, "-B", folder, "-G", "Ninja",
                "-DCMAKE_C_COMPILER=gcc", "-DCMAKE_BUILD_TYPE=Release", "-DFW_WERROR=ON",
                "-DFW_TESTS=OFF", "-DFW_PYTHON=OFF", "-DFW_LUA=OFF",
                f"-DCMAKE_C_FLAGS={CONVERSION_FLAGS}", stdout=subprocess.DEVNULL)
            and run("cmake", "--build", folder))


def clang():
    return build("clang") and run("ctest", "--preset", "clang", "-L", "^(unit|fuzz)$")


def tidy():
    folder = described()
    if folder is None:
        return False
    return each(compiled(folder), lambda file: outcome(
        ["clang-tidy", "-p", folder, "--quiet", "--warnings-as-errors=*",
         f"--extra-arg-before=-I{PLAIN}", file])) == 0


def cppcheck():
    folder, kept = described(), TREE / "build" / "cppcheck"
    if folder is None:
        return False
    kept.mkdir(exist_ok=True)
    return run("cppcheck", f"--project={folder}/compile_commands.json",
               f"--file-filter={TREE}/capi/*", f"--cppcheck-build-dir={kept}",
               "--enable=warning,performance,portability", "--inline-suppr", "--quiet",
               f"--suppressions-list={HERE}/cppcheck.txt",
               f"--include={PLAIN}/uthash.h", "--error-exitcode=1",
               "--template={file}:{line}: {message} [{id}]", "-j", JOBS)


def under_valgrind(program):
    return outcome(["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
                    "--show-leak-kinds=definite,possible",
                    "--errors-for-leak-kinds=definite,possible", "--num-callers=30",
                    f"--suppressions={HERE}/valgrind.supp", program],
                   env={**os.environ, "CK_FORK": "no", "CK_DEFAULT_TIMEOUT": "0",
                        "CK_EXCLUDE_TAGS": UNFIT_TAG})


def valgrind():
    units = sorted(path.stem for path in (TREE / "tests" / "unit").glob("test_*.c"))
    names = [f"unit.{name}" for name in units]
    names += [f"integration.test_{name}" for name in SOCKETS]
    names = [name for name in names if name not in UNFIT]
    if not build("dev", *names):
        return False
    return each(names, lambda name: under_valgrind(
        TREE / "build" / "dev" / "tests" / name)) == 0


def coverage():
    folder = TREE / "build" / "coverage"
    for old in folder.rglob("*.gcda"):
        old.unlink()
    if not build("coverage"):
        return False
    tested = run("ctest", "--preset", "coverage", "-L", COVERAGE_LABELS,
                 "-E", COVERAGE_WITHOUT)
    report = folder / "report"
    shutil.rmtree(report, ignore_errors=True)
    report.mkdir()
    filters = [word for name in OURS for word in ("--filter", f"{TREE}/{name}/")]
    return run("gcovr", "--root", TREE, *filters, "--object-directory", folder,
               "--exclude-unreachable-branches", "-j", JOBS, "--print-summary",
               "--fail-under-line", COVERAGE_PERCENT, "--txt", report / "lines.txt",
               "--html-details", report / "index.html", folder) and tested


PARTS = {part.__name__: part
         for part in (conversion, clang, tidy, cppcheck, valgrind, coverage)}


def main():
    parser = argparse.ArgumentParser(prog="./run check",
                                     formatter_class=argparse.RawTextHelpFormatter,
                                     description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART")
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error("no such part: " + ", ".join(sorted(unknown)))
    wrong = []
    for name in args.parts or PARTS:
        say(f"== {name}")
        began = time.monotonic()
        ok = PARTS[name]()
        say(f"{name}: {'clean' if ok else 'FINDINGS'}, "
            f"{time.monotonic() - began:.0f} s")
        if not ok:
            wrong.append(name)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
