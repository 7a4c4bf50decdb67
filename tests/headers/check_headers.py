#!/usr/bin/python3
"""Each public header compiles alone, twice over, as C99, C11 and C++, without a warning.

  tests/headers/check_headers.py [INCLUDE_DIR]

INCLUDE_DIR is capi/include if it isn't given. The compilers are those of the environment
(CC, CXX), else gcc and g++; clang too if it is there. Exit status 1 if any header fails.
"""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
STRICT = ["-fsyntax-only", "-Wall", "-Wextra", "-pedantic", "-Werror", "-Wundef"]


def compilers():
    c = [os.environ.get("CC", "gcc"), "clang"]
    cxx = [os.environ.get("CXX", "g++"), "clang++"]
    for program in dict.fromkeys(c):
        if shutil.which(program):
            yield [program, "-std=c99", "-Wstrict-prototypes"], "c"
            yield [program, "-std=c11", "-Wstrict-prototypes"], "c"
    for program in dict.fromkeys(cxx):
        if shutil.which(program):
            yield [program, "-std=c++11"], "c++"
            yield [program, "-std=c++17"], "c++"


def main():
    include = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "..", "..", "capi",
                                                                 "include")
    headers = sorted(h for h in os.listdir(os.path.join(include, "fanwire"))
                     if h.endswith(".h"))
    if not headers:
        print("no headers in %s" % include)
        return 1
    done = failed = 0
    for command, language in compilers():
        for header in headers:
            source = "#include <fanwire/%s>\n" % header * 2 + "extern int fw_not_empty;\n"
            arguments = command + STRICT + ["-I", include, "-x", language, "-"]
            result = subprocess.run(arguments, input=source, text=True,
                                    capture_output=True)
            done += 1
            if result.returncode != 0:
                failed += 1
                print("%s %s: %s" % (" ".join(command[:2]), header,
                                     result.stderr.strip()))
    print("%d headers, %d compilations, %d failed" % (len(headers), done, failed))
    return 1 if failed or not done else 0


if __name__ == "__main__":
    sys.exit(main())
