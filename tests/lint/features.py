#!/usr/bin/python3
"""Holds the table of docs/centrifuge.md and the tests together: each feature of the
protocol names a test that shows it, and each test that is named is there.

  tests/lint/features.py    says what is wrong; exit status 1 if anything is
"""

import os
import re
import sys

from generated import TOP, read

PAGE = os.path.join("docs", "centrifuge.md")
HEAD = "| feature | | shown by |"
LEAST = 20  # rows; less means that the table wasn't found
NAMED = re.compile(r"`([^`]+)`")
# Where tests are, and how each is called there.
KINDS = (
    ("tests/unit", ".c", re.compile(r"^START_TEST\((\w+)\)", re.MULTILINE)),
    ("tests/integration", ".c", re.compile(r"^START_TEST\((\w+)\)", re.MULTILINE)),
    ("tests/server", ".py", re.compile(r"^def (test_\w+)\(", re.MULTILINE)),
    ("tests/e2e", ".test.mjs", re.compile(r"^ *test\('([^']+)'", re.MULTILINE)),
)


def tests_of(root):
    found = set()
    for folder, ending, pattern in KINDS:
        for file in sorted(os.listdir(os.path.join(root, folder))):
            if file.endswith(ending):
                found.update(pattern.findall(read(os.path.join(root, folder, file))))
    return found


def rows_of(page):
    """(line number, feature, what shows it) of the table."""
    lines = page.splitlines()
    start = lines.index(HEAD) if HEAD in lines else len(lines)
    for number, line in enumerate(lines[start + 2:], start + 3):
        if not line.startswith("|"):
            return
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        yield number, cells[0], cells[-1]


def check(root):
    there, wrong, rows = tests_of(root), [], 0
    for rows, (number, feature, shown) in enumerate(
            rows_of(read(os.path.join(root, PAGE))), 1):
        named = NAMED.findall(shown)
        if not named:
            wrong.append("%s:%d: no test shows: %s" % (PAGE, number, feature))
        wrong += ["%s:%d: there is no test of the name: %s" % (PAGE, number, name)
                  for name in named if name not in there]
    if rows < LEAST:
        wrong.append("%s: the table of features has %d rows" % (PAGE, rows))
    return wrong


def main():
    wrong = check(TOP)
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
