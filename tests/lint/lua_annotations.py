#!/usr/bin/python3
"""Makes the lists in lua/library/fanwire.lua, the annotations of the Lua package, and the
table of errors in docs/lua.md: options from the table of options, errors from
FW_ERROR_MAP in capi/include/fanwire/error.h.

  tests/lint/lua_annotations.py            prints the annotations as they should be
  tests/lint/lua_annotations.py --write    writes both files
  tests/lint/lua_annotations.py --check    exit status 1 if they aren't up to date
"""

import argparse
import os
import re
import sys

import python_options
from errors_page import HEADER, TOP, read, rows

ANNOTATIONS = os.path.join(TOP, "lua", "library", "fanwire.lua")
GUIDE = os.path.join(TOP, "docs", "lua.md")

# The first annotation stays: LuaCATS wants its lines together, without a mark between.
OPTIONS = re.compile(r"(-- options(.*)\n---@class .*\n)(?:.*\n)*?(-- end of options\n)")
ERRORS = re.compile(r"(-- errors\n---.*\n---@alias .*\n)(?:.*\n)*?(-- end of errors\n)")
TABLE = re.compile(r"(<!-- errors: .* -->\n)(?:.*\n)*?(<!-- end of errors -->\n)")
TABLE_HEAD = """| name | worth trying again | in general |
|---|---|---|
"""

# python_options says how Python writes a value.
KINDS = {
    "_Text": "string",
    "_Path": "string",
    "_Number": "fanwire.Number",
    "_Duration": "fanwire.Duration",
    "_Switch": "fanwire.Switch",
    "_List": "fanwire.List",
}


def kind_of(annotation):
    choices = re.search(r"Literal\[(.*)\]\]", annotation)
    return choices.group(1).replace(", ", "|") if choices else KINDS[annotation]


def annotations(text, errors):
    def options(match):
        prefixes = tuple(match.group(2).split())
        fields = "".join(
            "---@field %s? %s\n" % (name.replace(".", "_"), kind_of(annotation))
            for name, annotation in python_options.table()
            if name not in python_options.FIXED
            and (not prefixes or name.startswith(prefixes)))
        return match.group(1) + fields + match.group(3)

    names = "".join('---| "FW_ERR_%s" # %s\n' % (name, sentence)
                    for name, _, _, sentence in errors)
    text, count = OPTIONS.subn(options, text)
    text, more = ERRORS.subn(lambda m: m.group(1) + names + m.group(2), text)
    if count == 0 or more != 1:
        sys.exit("lua_annotations.py: lua/library/fanwire.lua has no marks")
    return text


def guide(page, errors):
    """The page with its table made anew."""
    table = TABLE_HEAD + "".join(
        "| `FW_ERR_%s` | %s | %s |\n" % (name, "yes" if again else "no", sentence)
        for name, _, again, sentence in errors)
    page, count = TABLE.subn(lambda m: m.group(1) + table + m.group(2), page)
    if count != 1:
        sys.exit("lua_annotations.py: docs/lua.md has no marks for the table")
    return page


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    errors = list(rows(read(HEADER)))
    want = {ANNOTATIONS: annotations(read(ANNOTATIONS), errors),
            GUIDE: guide(read(GUIDE), errors)}
    if args.write:
        for path, text in want.items():
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
    elif args.check:
        for path, text in want.items():
            if read(path) != text:
                sys.exit("%s is not up to date: tests/lint/lua_annotations.py --write"
                         % os.path.relpath(path, TOP))
    else:
        sys.stdout.write(want[ANNOTATIONS])


if __name__ == "__main__":
    main()
