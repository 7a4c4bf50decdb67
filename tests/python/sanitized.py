"""Runs a command with a sanitizer preloaded into its Pythons, and judges what was found.

  sanitized.py --preload LIBRARIES --reports FOLDER COMMAND...

ctest runs the tests of the package by it where the build has a sanitizer. An error of
ASan or UBSan ends the process that makes it, so its test fails. Leaks are looked for at
the end of each process, where the interpreter itself leaves much behind (it is compiled
without frame pointers, too, so that no list of functions would catch it). So a leak
counts if our code is in the stack that made it. Races that TSan sees count always.
"""

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys

OURS = re.compile(r"\bcapi/|\bbindings/|\bnative_wrap\.c|libfanwire\.so|/_native\.")
LEAK = re.compile(r"^(?:Direct|Indirect) leak of .*?(?=\n\n|\Z)", re.M | re.S)


def environment(preload, reports):
    log = "log_path=" + os.path.join(reports, "report")
    return dict(
        os.environ, LD_PRELOAD=preload,
        PYTHONMALLOC="malloc",  # the sanitizer is to see each object
        # A leak alone doesn't decide the exit status; an error aborts.
        # What is freed is kept aside, which tests that measure memory would see.
        ASAN_OPTIONS="detect_leaks=1:exitcode=0:abort_on_error=1:quarantine_size_mb=8:"
        + log,
        UBSAN_OPTIONS="print_stacktrace=1:abort_on_error=1:" + log,
        TSAN_OPTIONS=os.environ.get("TSAN_OPTIONS", "") + ":" + log)


def findings(text):
    """What of a report is our affair."""
    leaks = LEAK.findall(text)
    if not leaks:
        return [text] if "ERROR: " in text or "WARNING: " in text or \
            "runtime error: " in text else []
    return [leak for leak in leaks if OURS.search(leak)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preload", required=True)
    parser.add_argument("--reports", required=True)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    shutil.rmtree(args.reports, ignore_errors=True)
    os.makedirs(args.reports)
    status = subprocess.run(args.command,
                            env=environment(args.preload, args.reports)).returncode
    for path in sorted(glob.glob(os.path.join(args.reports, "report.*"))):
        with open(path, encoding="utf-8", errors="replace") as f:
            for found in findings(f.read()):
                print("%s:\n%s\n" % (path, found))
                status = status or 1
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main())
