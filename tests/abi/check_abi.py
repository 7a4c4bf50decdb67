#!/usr/bin/python3
"""Compares libfanwire with the stored picture of its binary interface.

  tests/abi/check_abi.py LIBFANWIRE.SO             exit status 1 if something breaks
  tests/abi/check_abi.py LIBFANWIRE.SO --update    after an addition, or a new SONAME

Needs abidw and abidiff (abigail-tools). An addition is no break, but the picture has to
be brought up to date in the same commit, so that the next change is compared with it;
what was taken away or changed needs a new SONAME. Functions and sizes are compared by
name, so the library must have debug information (RelWithDebInfo has).
"""

import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BASELINE = os.path.join(HERE, "libfanwire.abi")
PRIVATE = os.path.join(HERE, "private.suppr")
INCLUDE = os.path.join(HERE, "..", "..", "capi", "include")

# Bits of abidiff's exit status.
ERROR, CHANGE, INCOMPATIBLE = 1 | 2, 4, 8


def picture(library, out):
    subprocess.run(["abidw", "--headers-dir", INCLUDE, "--drop-private-types",
                    "--drop-undefined-syms", "--no-corpus-path",
                    "--no-comp-dir-path", "--out-file", out, library], check=True)


def verdict(before, now):
    """What is wrong with a picture beside another; None: nothing."""
    status = subprocess.run(["abidiff", "--suppressions", PRIVATE, before,
                             now]).returncode
    if status & ERROR:
        return "abidiff could not compare them"
    if status & INCOMPATIBLE:
        return "incompatible: needs a new SONAME, or another way"
    if status & CHANGE:
        return ("changed: if users' programs still run, --update the picture in this "
                "commit")
    return None


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    if not shutil.which("abidiff"):
        raise SystemExit("abidiff isn't installed (package abigail-tools)")
    library = sys.argv[1]
    if "--update" in sys.argv:
        picture(library, BASELINE)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        now = os.path.join(folder, "now.abi")
        picture(library, now)
        wrong = verdict(BASELINE, now)
    if wrong:
        print(wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
