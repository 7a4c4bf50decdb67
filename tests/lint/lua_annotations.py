#!/usr/bin/python3
"""Makes the lists in lua/library/fanwire.lua, the annotations of the Lua package, and the
table of errors in docs/lua.md: options from the table of options, errors from
FW_ERROR_MAP in capi/include/fanwire/error.h.

  tests/lint/lua_annotations.py            prints the annotations as they should be
  tests/lint/lua_annotations.py --write    writes both files
  tests/lint/lua_annotations.py --check    exit status 1 if they aren't up to date
"""

import os
import re
import sys

import generated
import python_options
from errors_page import HEADER, rows
from generated import TOP, read, with_errors

ANNOTATIONS = os.path.join(TOP, "lua", "library", "fanwire.lua")
GUIDE = os.path.join(TOP, "docs", "lua.md")

# The first annotation stays: LuaCATS wants its lines together, without a mark between.
OPTIONS = re.compile(r"(-- options(.*)\n---@class .*\n)(?:.*\n)*?(-- end of options\n)")
ERRORS = re.compile(r"(-- errors\n---.*\n---@alias .*\n)(?:.*\n)*?(-- end of errors\n)")
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


def guide_table(errors):
    return TABLE_HEAD + "".join(
        "| `FW_ERR_%s` | %s | %s |\n" % (name, "yes" if again else "no", sentence)
        for name, _, again, sentence in errors)


def make():
    errors = list(rows(read(HEADER)))
    return {ANNOTATIONS: annotations(read(ANNOTATIONS), errors),
            GUIDE: with_errors(GUIDE, guide_table(errors))}


if __name__ == "__main__":
    generated.main(__doc__, make)
