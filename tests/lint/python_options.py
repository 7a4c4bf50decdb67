#!/usr/bin/python3
"""Makes the keywords of python/fanwire/__init__.pyi from the table of options.

  tests/lint/python_options.py            prints the stub as it should be
  tests/lint/python_options.py --write    writes it
  tests/lint/python_options.py --check    exit status 1 if the stub isn't up to date

The table is FWI_OPTION_MAP in capi/src/core/options.h, its types are in options_value.c.
Between the marks of the stub stands what is made here; a mark may name prefixes, and then
only options that begin with one of them are listed: `# options redis.prefix redis.tls`.
"""

import os
import re
import sys

import generated
from generated import TOP, read

CORE = os.path.join(TOP, "capi", "src", "core")
STUB = os.path.join(TOP, "python", "fanwire", "__init__.pyi")

ROW = re.compile(r'XX\(\w+,\s*"([a-z_.]+)",\s*(\w+),')
TYPE = re.compile(r'\[FWI_TYPE_(\w+)\] = \{\.name = "(\w+)",'
                  r'(?:[^}]*?\.allowed =\s*"([^"]*)")?')
BLOCK = re.compile(r"( *)# options(.*)\n(?:.*\n)*?\1# end of options\n")

# What a value of that kind may be written as, beside text: _options.py does it.
KINDS = {
    "text": "_Text",
    "number": "_Number",
    "duration": "_Duration",
    "size": "_Number",
    "switch": "_Switch",
    "list": "_List",
}
# The bindings receive events by their own means: the queue.
FIXED = {"events"}


def table():
    """Yields (name, annotation) for each option, in the table's order."""
    types = read(os.path.join(CORE, "options_value.c"))
    kinds = {symbol: (kind, allowed) for symbol, kind, allowed in TYPE.findall(types)}
    header = read(os.path.join(CORE, "options.h")).replace("\\\n", "\n")
    found = ROW.findall(header[header.index("#define FWI_OPTION_MAP(XX)"):])
    if len(found) < 40:
        sys.exit("python_options.py: FWI_OPTION_MAP can't be read")
    for name, symbol in found:
        kind, allowed = kinds[symbol]
        if kind == "choice":
            # Any str goes, so that settings read as texts can be passed on; an editor
            # offers what is allowed.
            choices = ", ".join('"%s"' % choice for choice in allowed.split("|"))
            yield name, "Union[_Text, Literal[%s]]" % choices
        elif symbol == "FILE_NAME":
            yield name, "_Path"
        else:
            yield name, KINDS[kind]


def keyword(indent, name, annotation):
    line = "%s%s: %s = ...,\n" % (indent, name.replace(".", "_"), annotation)
    if len(line) <= 91:
        return line
    head, tail = line.split("Literal[")
    return "%sLiteral[\n%s    %s" % (head, indent, tail)


def filled(stub):
    options = [row for row in table() if row[0] not in FIXED]

    def block(match):
        indent, prefixes = match.group(1), tuple(match.group(2).split())
        lines = [keyword(indent, name, annotation) for name, annotation in options
                 if not prefixes or name.startswith(prefixes)]
        return "%s# options%s\n%s%s# end of options\n" % (
            indent, match.group(2), "".join(lines), indent)

    stub, count = BLOCK.subn(block, stub)
    if count == 0:
        sys.exit("python_options.py: the stub has no marks")
    return stub


def make():
    return {STUB: filled(read(STUB))}


if __name__ == "__main__":
    generated.main(__doc__, make)
