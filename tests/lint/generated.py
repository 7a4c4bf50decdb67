"""What the scripts share that make files, or parts of them, from the C sources: the three
ways to call them, and the table of errors between the marks of a page. Each script says
what there is to be; nothing here knows of what."""

import argparse
import os
import re
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

ERRORS = re.compile(r"(<!-- errors: .* -->\n)(?:.*\n)*?(<!-- end of errors -->\n)")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def with_errors(path, table):
    """The page as it is, with that table of errors between its marks."""
    page, count = ERRORS.subn(lambda m: m.group(1) + table + m.group(2), read(path))
    if count != 1:
        sys.exit("%s has no marks for the table" % os.path.relpath(path, TOP))
    return page


def is_as(path, text):
    return os.path.exists(path) and read(path) == text


def main(doc, make):
    """make() gives {path: text as it should be}; the first is what is printed."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    want = make()
    script = os.path.relpath(sys.argv[0], TOP)
    if args.write:
        for path, text in want.items():
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
    elif args.check:
        for path, text in want.items():
            if not is_as(path, text):
                sys.exit("%s is not up to date: %s --write"
                         % (os.path.relpath(path, TOP), script))
    else:
        sys.stdout.write(next(iter(want.values())))
