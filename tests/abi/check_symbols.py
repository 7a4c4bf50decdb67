#!/usr/bin/python3
"""What libfanwire exports is what the public headers declare, neither more nor less.

  tests/abi/check_symbols.py LIBFANWIRE.SO [INCLUDE_DIR]
  tests/abi/check_symbols.py --write      writes test_symbols.c from the headers

Also: test_symbols.c, which links against each function, names all of them, so a function
that was taken away breaks a build and not a user. Exit status 1 on any difference.
"""

import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
INCLUDE = os.path.join(HERE, "..", "..", "capi", "include")
USES = os.path.join(HERE, "test_symbols.c")

TEMPLATE = """/*
 * Takes the address of every public function, so that this program links only while the
 * library exports all of them. Written by check_symbols.py --write, which is also who
 * complains when a function is missing here.
 */
#include <stdio.h>

#include <fanwire/fanwire.h>

typedef void (*any_function)(void);

static const struct {
    const char *name;
    any_function function;
} symbols[] = {
%s
};

int main(void)
{
    size_t missing = 0;
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        /* Read through a volatile, or the compiler knows that an address isn't NULL. */
        any_function volatile function = symbols[i].function;
        if (function == NULL) {
            fprintf(stderr, "%%s is missing\\n", symbols[i].name);
            missing++;
        }
    }
    printf("%%zu functions\\n", sizeof symbols / sizeof symbols[0]);
    return missing == 0 ? 0 : 1;
}
"""


def declared(include):
    """The functions after FW_API in the public headers."""
    names = []
    for header in sorted(os.listdir(os.path.join(include, "fanwire"))):
        with open(os.path.join(include, "fanwire", header)) as f:
            text = re.sub(r"/\*.*?\*/", " ", f.read(), flags=re.S)
        text = re.sub(r"^\s*#.*$", "", text, flags=re.M)  # where FW_API itself is defined
        for declaration in re.findall(r"\bFW_API\b([^;{]*)", text):
            m = re.search(r"\b(fw_\w+)\s*\(", declaration)
            if not m:
                raise SystemExit("%s: FW_API without a function: %r"
                                 % (header, declaration))
            names.append(m.group(1))
    twice = {n for n in names if names.count(n) > 1}
    if twice:
        raise SystemExit("declared twice: " + ", ".join(sorted(twice)))
    return set(names)


def exported(library):
    out = subprocess.run(["nm", "-D", "--defined-only", library], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    names = set()
    for line in out.splitlines():
        kind, name = line.split()[-2:]
        if kind != "A":  # A is the name of a version node
            names.add(name.split("@")[0])
    return names


def used():
    with open(USES) as f:
        return set(re.findall(r'\{"(fw_\w+)", \(any_function\)\1\}', f.read()))


def compare(what, have, want):
    for name in sorted(have - want):
        print("%s, but not declared FW_API: %s" % (what, name))
    for name in sorted(want - have):
        print("declared FW_API, but not %s: %s" % (what, name))
    return have == want


def main():
    if sys.argv[1:] == ["--write"]:
        rows = ["    {\"%s\", (any_function)%s}," % (n, n)
                for n in sorted(declared(INCLUDE))]
        with open(USES, "w") as f:
            f.write(TEMPLATE % "\n".join(rows))
        return 0
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    want = declared(sys.argv[2] if len(sys.argv) > 2 else INCLUDE)
    good = compare("exported", exported(sys.argv[1]), want)
    good = compare("named in test_symbols.c", used(), want) and good
    print("%d functions, %s" % (len(want), "as declared" if good else "differing"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
