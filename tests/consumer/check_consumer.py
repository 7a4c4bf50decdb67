#!/usr/bin/python3
"""Installs a build into an empty prefix and uses it as a stranger would.

  tests/consumer/check_consumer.py BUILD_DIR [CMAKE]

By find_package and by pkg-config, as C99 and as C++; each program is run. What was
installed is looked at too: the public headers and no others, and a fanwired that finds
its library. Everything lives in a temporary folder. Exit status 1 if anything fails.
"""

import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PUBLIC = os.path.join(HERE, "..", "..", "capi", "include", "fanwire")
BESIDE_SERVER = ("bash-completion/completions/fanwired", "fanwire/grafana.json",
                 "fanwire/openapi.json", "man/man8/fanwired.8")
STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror"]


def call(*command, **more):
    print("+ " + " ".join(command), flush=True)
    env = dict(os.environ, **more)
    done = subprocess.run(command, env=env, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=600)
    if done.returncode != 0:
        raise SystemExit("%s\nfailed with %d" % (done.stdout, done.returncode))
    return done.stdout


def find(prefix, name):
    """The folder of the file with this name; it is there once."""
    found = [folder for folder, _, names in os.walk(prefix) if name in names]
    if len(found) != 1:
        raise SystemExit("%s is installed %d times" % (name, len(found)))
    return found[0]


def check_installed(prefix):
    have = sorted(os.listdir(os.path.join(prefix, "include", "fanwire")))
    want = sorted(n for n in os.listdir(PUBLIC) if n.endswith(".h"))
    if have != want or os.listdir(os.path.join(prefix, "include")) != ["fanwire"]:
        raise SystemExit("installed headers are %s, public ones %s" % (have, want))
    if "listen" not in call(os.path.join(prefix, "bin", "fanwired"), "--help"):
        raise SystemExit("the installed fanwired doesn't know its options")
    for name in BESIDE_SERVER:
        if not os.path.isfile(os.path.join(prefix, "share", name)):
            raise SystemExit("share/%s isn't installed" % name)


def sanitizer_flags(build):
    """A stranger links a sanitized library only with the same sanitizer."""
    with open(os.path.join(build, "CMakeCache.txt")) as cache:
        for line in cache:
            if line.startswith("FW_SANITIZE:") and line.strip().split("=", 1)[1]:
                return ["-fsanitize=" + line.strip().split("=", 1)[1]]
    return []


def use_cmake(cmake, prefix, work, flags):
    tree = os.path.join(work, "consumer")
    shutil.copytree(HERE, tree)  # outside of ours, so that nothing leaks in
    call(cmake, "-S", tree, "-B", os.path.join(work, "b"),
         "-DCMAKE_PREFIX_PATH=" + prefix, "-DCMAKE_C_FLAGS=" + " ".join(flags),
         "-DCMAKE_CXX_FLAGS=" + " ".join(flags))
    call(cmake, "--build", os.path.join(work, "b"))
    for program in ("consumer_c", "consumer_cxx"):
        expect_address(call(os.path.join(work, "b", program)))


def use_pkg_config(prefix, work, flags):
    folder = find(prefix, "fanwire.pc")
    words = call("pkg-config", "--cflags", "--libs", "fanwire",
                 PKG_CONFIG_PATH=folder).split()
    print("pkg-config: " + " ".join(words))
    libdir = find(prefix, "libfanwire.so")
    for compiler, standard, language in (("CC", "c99", "c"), ("CXX", "c++11", "c++")):
        program = os.path.join(work, "by_pkg_config_" + standard)
        call(os.environ.get(compiler, {"CC": "gcc", "CXX": "g++"}[compiler]),
             "-std=" + standard, *STRICT, *flags, "-x", language,
             os.path.join(HERE, "main.c"), "-x", "none", *words, "-o", program)
        expect_address(call(program, LD_LIBRARY_PATH=libdir))


def expect_address(output):
    if "ws://127.0.0.1:" not in output:
        raise SystemExit("the program printed %r" % output)


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    build, cmake = os.path.abspath(sys.argv[1]), (sys.argv + ["cmake"])[2]
    with tempfile.TemporaryDirectory(prefix="fanwire-consumer-") as work:
        prefix = os.path.join(work, "prefix")
        call(cmake, "--install", build, "--prefix", prefix)
        flags = sanitizer_flags(build)
        check_installed(prefix)
        use_cmake(cmake, prefix, work, flags)
        use_pkg_config(prefix, work, flags)
    print("a stranger can use it")


if __name__ == "__main__":
    main()
