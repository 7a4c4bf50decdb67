#!/usr/bin/python3
"""Makes Debian's packages, and looks at them.

  tests/packaging/check_debs.py BUILD_DIR [CMAKE]
  tests/packaging/check_debs.py --made BUILD_DIR      those that cpack has made there
  tests/packaging/check_debs.py --all-only BUILD_DIR [CMAKE]
                                  only with FW_PACKAGES (`./run test --all`), else it is
                                  skipped with exit status 77: it takes a minute or two

They are made by cpack in a build of their own, for the prefix /usr and the Lua versions
of BUILD_DIR, and unpacked into a root that is a folder. Each interpreter of this machine
must find the module where it looks by itself, were that folder its root, and fanwired
must find its library and like its configuration. Nothing is installed; everything lives
in a temporary folder. Exit status 1 if anything is wrong. check_debian.py installs them.
"""

import glob
import gzip
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGES = ["fanwired", "libfanwire-dev", "libfanwire0", "lua-fanwire"]
SKIPPED = 77
EVERY_PACKAGE_HAS = ("copyright", "changelog.gz", "changelog.Debian.gz")
INTERPRETERS = {"5.1": ("lua5.1", "luajit"), "5.2": ("lua5.2",), "5.3": ("lua5.3",),
                "5.4": ("lua5.4",)}

# Prints what it is and from where, after a hub has run: its thread needs the plug-in of
# libwebsockets that no linker knows of.
PROGRAM = """
local root = arg[1]
for _, key in ipairs{ "path", "cpath" } do
  local places = {}
  for place in package[key]:gmatch("[^;]+") do
    if place:find("^/usr/") and not place:find("^/usr/local/") then
      places[#places + 1] = root .. place
    end
  end
  package[key] = table.concat(places, ";")
end
local fanwire = require "fanwire"
local hub = assert(fanwire.hub{ listen = "ws://127.0.0.1:0/ws" })
assert(hub:start())
assert(hub:close())
for line in io.lines("/proc/self/maps") do
  local library = line:match("/[^ ]*libfanwire[^ ]*$") or line:match("/[^ ]*/native%.so$")
  if library then
    print(library)
  end
end
print("version " .. fanwire.version)
"""


def fail(*words):
    raise SystemExit(" ".join(str(word) for word in words))


def environment():
    """The caller's, without what would steer CMake or Lua."""
    return {k: v for k, v in os.environ.items()
            if not k.startswith(("CMAKE_", "CPACK_", "LUA_", "FANWIRE_"))
            and k not in ("CFLAGS", "LDFLAGS", "LD_LIBRARY_PATH", "DESTDIR")}


def call(*command, cwd=None):
    print("+ " + " ".join(command[:6]), flush=True)
    done = subprocess.run(command, cwd=cwd, env=environment(), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    if done.returncode != 0:
        fail("%s\n%s\nfailed with %d" % (" ".join(command), done.stdout, done.returncode))
    return done.stdout


def versions_of(build):
    with open(os.path.join(build, "CMakeCache.txt")) as cache:
        found = re.search(r"^FW_LUA_VERSIONS:\w+=(.*)$", cache.read(), re.M)
    return found.group(1).split(";")


def make_packages(cmake, versions, work):
    build = os.path.join(work, "build")
    call(cmake, "-S", TOP, "-B", build, "-G", "Ninja", "-DCMAKE_INSTALL_PREFIX=/usr",
         "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DFW_TESTS=OFF", "-DFW_EXAMPLES=OFF",
         "-DFW_PYTHON=OFF", "-DFW_LUA=ON", "-DFW_LUA_VERSIONS=" + ";".join(versions))
    call(cmake, "--build", build, "--parallel", "2")
    cpack = os.path.join(os.path.dirname(cmake), "cpack")
    call(cpack, "-G", "DEB", cwd=build)
    return packages_in(build)


def packages_in(build):
    """name -> path"""
    made = {os.path.basename(p).split("_")[0]: p
            for p in glob.glob(os.path.join(os.path.realpath(build), "*.deb"))}
    if sorted(made) != PACKAGES:
        fail("cpack made", sorted(made))
    return made


def field(deb, name):
    return call("dpkg-deb", "--field", deb, name).strip()


def check_dependencies(made, versions):
    version = field(made["lua-fanwire"], "Version")
    on_library = "libfanwire0 (= %s)" % version
    for package, wanted in (
            ("lua-fanwire", [on_library, "libc6"]),
            ("fanwired", [on_library, "libc6"]),
            ("libfanwire-dev", [on_library]),
            # The first is for libwebsockets to load, the others are linked with.
            ("libfanwire0", ["libwebsockets-evlib-uv", "libwebsockets", "libhiredis",
                             "libuv1", "libssl", "zlib1g"])):
        depends = field(made[package], "Depends").split(", ")
        for one in wanted:
            if not any(have.startswith(one) for have in depends):
                fail(package, "depends on", depends, "and not on", one)
    provides = field(made["lua-fanwire"], "Provides")
    if provides != ", ".join("lua%s-fanwire" % v for v in versions):
        fail("lua-fanwire provides", provides)


def check_policy(deb, root):
    """What Debian's policy asks of a package, as far as one sees it; root: unpacked."""
    package = field(deb, "Package")
    for name in ("Maintainer", "Section", "Priority", "Installed-Size", "Architecture"):
        if not field(deb, name):
            fail(package, "has no", name)
    if len(field(deb, "Description").splitlines()) < 2:
        fail(package, "isn't described")
    if "md5sums" not in call("dpkg-deb", "--info", deb):
        fail(package, "has no md5sums")
    for line in call("dpkg-deb", "--contents", deb).splitlines():
        mode, owner, _, _, _, path = line.split()[:6]
        right = re.fullmatch(r"[-d]rw[-x]r-[-x]r-[-x]|l.*", mode)
        if not right or owner != "root/root" or "/usr/local" in path \
                or not re.match(r"\./(?:usr/|etc/|$)", path):
            fail(package, "has", line)
    docs = os.path.join(root, "usr/share/doc", package)
    for name in EVERY_PACKAGE_HAS:
        if not os.path.exists(os.path.join(docs, name)):
            fail(package, "is without", name)
    with gzip.open(os.path.join(docs, "changelog.Debian.gz"), "rt") as file:
        newest = file.readline()
    if not newest.startswith("fanwire (%s) " % field(deb, "Version")):
        fail(package, "is", field(deb, "Version"), "and its changelog begins", newest)
    for name in files_below(root):
        path = os.path.join(root, name)
        if "/man/" in name and not name.endswith(".gz"):
            fail(name, "isn't compressed")
        if re.search(r"/bin/|\.so[.\d]*$", name) and not os.path.islink(path):
            if re.search(r"\.(?:symtab|debug_info)\b", call("readelf", "-SW", path)):
                fail(name, "isn't stripped")


def files_below(folder):
    return {os.path.relpath(os.path.join(where, name), folder)
            for where, _, names in os.walk(folder) for name in names}


def check_contents(root, versions, multiarch):
    """Just what is to be there: the sources and a native.so for each version, and what
    editors read."""
    sources = {name for name in files_below(os.path.join(TOP, "lua", "fanwire"))
               if name.endswith(".lua")}
    wanted = {"usr/share/fanwire/lua-library/" + name
              for name in files_below(os.path.join(TOP, "lua", "library"))}
    wanted |= {"usr/share/doc/lua-fanwire/" + name for name in EVERY_PACKAGE_HAS}
    for version in versions:
        wanted |= {"usr/share/lua/%s/fanwire/%s" % (version, name) for name in sources}
        wanted.add("usr/lib/%s/lua/%s/fanwire/native.so" % (multiarch, version))
    have = files_below(root)
    if have != wanted:
        fail("lua-fanwire has too much:", sorted(have - wanted),
             "and lacks:", sorted(wanted - have))


def check_server(made, root, multiarch):
    """The files of fanwired and of libfanwire-dev that are neither program nor header,
    and that fanwired runs from where they lie."""
    conffiles = call("dpkg-deb", "--info", made["fanwired"], "conffiles").split()
    if conffiles != ["/etc/fanwire/fanwired.ini"]:
        fail("fanwired's conffiles are", conffiles)
    if "ldconfig" not in call("dpkg-deb", "--info", made["libfanwire0"], "triggers"):
        fail("libfanwire0 doesn't ask for ldconfig")
    for script in ("postinst", "prerm", "postrm"):
        call("sh", "-n", write(root, script, call("dpkg-deb", "--info", made["fanwired"],
                                                  script)))
    for package in ("fanwired", "libfanwire-dev"):
        call("dpkg-deb", "--extract", made[package], root)
    wanted = {"etc/fanwire/fanwired.ini", "usr/bin/fanwired",
              "usr/lib/systemd/system/fanwired.service",
              "usr/lib/systemd/system/fanwired.socket",
              "usr/share/doc/fanwired/examples/fanwired@.service",
              "usr/share/man/man8/fanwired.8.gz", "usr/share/man/man7/fanwire.7.gz",
              "usr/share/man/man1/fanwire-bench.1.gz",
              "usr/include/fanwire/fanwire.h",
              "usr/lib/%s/pkgconfig/fanwire.pc" % multiarch,
              "usr/lib/%s/libfanwire.so" % multiarch}
    if wanted - files_below(root):
        fail("fanwired and libfanwire-dev lack", sorted(wanted - files_below(root)))
    call(os.path.join(root, "usr", "bin", "fanwired"), "--check-config", "--config",
         os.path.join(root, "etc", "fanwire", "fanwired.ini"))


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as out:
        out.write(text)
    return path


def check_loads(interpreter, root, work, version):
    program = write(work, "program.lua", PROGRAM)
    said = call(interpreter, program, root, cwd=work).split()
    mapped = {word for word in said if word.startswith("/")}
    strangers = {word for word in mapped if not word.startswith(root + "/usr/lib/")}
    if said[-1] != version or strangers or len(mapped) != 2:
        fail(interpreter, "said", said)


def look(made, versions, work):
    check_dependencies(made, versions)
    for package, deb in made.items():
        alone = os.path.join(work, package)
        call("dpkg-deb", "--extract", deb, alone)
        check_policy(deb, alone)
    root = os.path.join(work, "root")
    call("dpkg-deb", "--extract", made["lua-fanwire"], root)
    multiarch = call("dpkg-architecture", "-qDEB_HOST_MULTIARCH").strip()
    check_contents(root, versions, multiarch)
    call("dpkg-deb", "--extract", made["libfanwire0"], root)
    upstream = field(made["lua-fanwire"], "Version").rpartition("-")[0]
    for interpreter in [i for v in versions for i in INTERPRETERS[v]]:
        check_loads(interpreter, root, work, upstream)
    check_server(made, root, multiarch)


def is_for_all_only(args, variable="FW_PACKAGES"):
    """Takes the word from the arguments: is it for a run of all, which this is not?"""
    asked = args[:1] == ["--all-only"]
    del args[:asked]
    if asked and variable not in os.environ:
        print(f"skipped: {variable}=1 ./run test --all does it")
        return True
    return False


def main():
    args = sys.argv[1:]
    if is_for_all_only(args):
        return SKIPPED
    ready = args[:1] == ["--made"]
    if len(args) < 1 + ready:
        raise SystemExit(__doc__)
    build = args[ready]
    versions = versions_of(build)
    with tempfile.TemporaryDirectory(prefix="fanwire-deb-") as work:
        work = os.path.realpath(work)  # as /proc says it
        if ready:
            made = packages_in(build)
        else:
            made = make_packages((args + ["cmake"])[1], versions, work)
        look(made, versions, work)
    print("Lua %s: the packages are right" % ", ".join(versions))
    return 0


if __name__ == "__main__":
    sys.exit(main())
