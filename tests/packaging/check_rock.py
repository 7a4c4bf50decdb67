#!/usr/bin/python3
"""Makes the rock of lua/fanwire-scm-1.rockspec, and looks whether it works.

  tests/packaging/check_rock.py BUILD_DIR [CMAKE]

LuaRocks makes it for each Lua version of BUILD_DIR from a copy of the sources, on the
library of BUILD_DIR, which is installed into a folder; each interpreter must then find
the module in the rock and run a hub. Everything lives in a temporary folder. Exit status
1 if anything is wrong.
"""

import os
import shutil
import sys
import tempfile

from check_debs import INTERPRETERS, TOP, call, fail, files_below, versions_of

PROGRAM = """
local tree, version = arg[1], _VERSION:match("%d.%d")
package.path = tree .. "/share/lua/" .. version .. "/?.lua;"
  .. tree .. "/share/lua/" .. version .. "/?/init.lua"
package.cpath = tree .. "/lib/lua/" .. version .. "/?.so"
local fanwire = require "fanwire"
local hub = assert(fanwire.hub{ listen = "ws://127.0.0.1:0/ws" })
assert(hub:start())
assert(hub:close())
print("version " .. fanwire.version)
"""


def check_contents(tree, version):
    sources = {"share/lua/%s/fanwire/%s" % (version, name)
               for name in files_below(os.path.join(TOP, "lua", "fanwire"))}
    wanted = sources | {"lib/lua/%s/fanwire/native.so" % version}
    missing = wanted - files_below(tree)
    if missing:
        fail("the rock for", version, "lacks", sorted(missing))


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    build, cmake = sys.argv[1], (sys.argv + ["cmake"])[2]
    with tempfile.TemporaryDirectory(prefix="fanwire-rock-") as work:
        prefix, sources, tree = (os.path.join(work, n) for n in ("prefix", "src", "tree"))
        for component in ("lib", "dev"):
            call(cmake, "--install", build, "--component", component, "--prefix", prefix)
        for name in ("bindings", "lua"):
            shutil.copytree(os.path.join(TOP, name), os.path.join(sources, name))
        before = files_below(sources)
        program = os.path.join(work, "program.lua")
        with open(program, "w") as out:
            out.write(PROGRAM)
        for version in versions_of(build):
            call("luarocks", "--lua-version", version, "--tree", tree, "make",
                 "lua/fanwire-scm-1.rockspec", "FANWIRE_DIR=" + prefix, cwd=sources)
            check_contents(tree, version)
            for interpreter in INTERPRETERS[version]:
                if "version " not in call(interpreter, program, tree, cwd=work):
                    fail(interpreter, "said something else")
        if files_below(sources) != before:
            fail("left behind:", sorted(files_below(sources) - before))
    print("Lua %s: the rock is right" % ", ".join(versions_of(build)))


if __name__ == "__main__":
    main()
