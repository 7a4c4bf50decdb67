#!/usr/bin/python3
"""A bare release of Debian, on which fanwire is built, tested and packaged, and its
packages are installed, used and removed again.

  tests/packaging/check_debian.py RELEASE [FOLDER]    bookworm (12), trixie (13)
  tests/packaging/check_debian.py --all-only RELEASE  only with FW_RELEASES, else it is
                                                      skipped with exit status 77

One bare Debian is copied: in the one copy `./run build` builds as on a new machine, and
the tests that need no more than a compiler, Redis and Lua are run; in the other are the
packages alone. It needs root, debootstrap and the mirror, and half an hour of two cores.
FOLDER is kept: Debian isn't fetched again, and of fanwire only what has changed is built.
"""

import asyncio
import contextlib
import filecmp
import os
import re
import shutil
import subprocess
import sys
import tempfile

import chroot
import websockets
from check_debs import PACKAGES, SKIPPED, is_for_all_only, packages_in

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CONSUMER = os.path.join(TOP, "tests", "consumer")
TUTORIAL = os.path.join(TOP, "docs", "tutorials", "c.md")
DEADLINE = 60
VERSIONS = ("5.1", "5.2", "5.3", "5.4")
LUAS = ("luajit", *("lua" + version for version in VERSIONS))
# Beside what `./run build` installs.
FOR_TESTS = ("check", "redis-server", "redis-tools", "openssl", "file", "liblua5.2-dev",
             "liblua5.3-dev", "liblua5.4-dev", *LUAS)
# Rows of ctest that need nothing else.
TESTS = "^(unit|fuzz|integration)$"

LUA = """
local hub = assert(require("fanwire").hub{ listen = "ws://127.0.0.1:0/ws" })
assert(hub:start())
print(hub:urls()[1])
assert(hub:close())
"""


# ---- where it is built -----------------------------------------------------------------

def copy_sources(root):
    """What git has, as it is in the folder. Only what differs is written, so only that is
    built again."""
    goal = os.path.join(root, "src")
    said = chroot.call("git", "-c", "safe.directory=*", "ls-files", "--cached",
                       "--others", "--exclude-standard", "-z", cwd=TOP)
    wanted = {n for n in said.split("\0") if n and os.path.exists(os.path.join(TOP, n))}
    for folder, below, names in os.walk(goal):
        if folder == goal:
            below[:] = [n for n in below if n != "build"]
        for path in (os.path.join(folder, n) for n in names):
            if os.path.relpath(path, goal) not in wanted:
                os.remove(path)
    for name in wanted:
        source, path = os.path.join(TOP, name), os.path.join(goal, name)
        if not os.path.exists(path) or not filecmp.cmp(source, path, shallow=False):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            shutil.copy(source, path)


def build(root):
    """The README's way, and then that of the tests, for the prefix of packages."""
    # In a folder that was kept, packages may be half installed, and what an earlier
    # version has set be in CMake's cache.
    chroot.shell(root, "dpkg --configure -a && cd /src && ./run build")
    chroot.install(root, *FOR_TESTS)
    without = " ".join("-DFW_%s=/bin/false" % what for what in ("NGINX", "NODE", "NPM"))
    chroot.shell(root, "cd /src && cmake --fresh --preset dev "
                 "-DCMAKE_INSTALL_PREFIX=/usr -DFW_PYTHON=OFF '-DFW_LUA_VERSIONS=%s' %s "
                 "&& cmake --build --preset dev" % (";".join(VERSIONS), without))


def test(root):
    said = chroot.shell(root, "cd /src && ctest --preset dev -L '%s'" % TESTS)
    print(re.search(r"\d+% tests passed.*", said).group(), flush=True)
    print(chroot.shell(root, "pkg-config --modversion libwebsockets hiredis libuv; "
                       "redis-server --version; cc --version | head -n 1"), flush=True)


def make_packages(root):
    # In a folder that was kept there may be those of another version.
    chroot.shell(root, "cd /src/build/dev && rm -f *.deb && cpack -G DEB")
    chroot.shell(root, "cd /src && python3 -B tests/packaging/check_debs.py "
                 "--made build/dev")
    chroot.install(root, "lintian")
    print(chroot.shell(root, "cd /src/build/dev && "
                       "lintian --allow-root --fail-on error *.deb"), flush=True)
    return packages_in(os.path.join(root, "src", "build", "dev"))


# ---- where the packages are ------------------------------------------------------------

def files_of(root):
    """Files that could be anybody's. Of /var only logs: dpkg and apt keep books there."""
    left_out = ("proc", "sys", "dev", "tmp", "run", "root", "var")
    found = set()
    for folder, names, files in os.walk(root):
        if folder == root:
            names[:] = [n for n in names if n not in left_out]
        names[:] = [n for n in names if n != "__pycache__"]
        found |= {os.path.relpath(os.path.join(folder, n), root) for n in files + names}
    logs = os.path.join(root, "var", "log")
    found |= {"var/log/" + n for n in os.listdir(logs) if "fanwire" in n}
    return found


def expect_address(text):
    if not re.search(r"^ws://127\.0\.0\.1:\d+/ws$", text, re.M):
        raise SystemExit("it said %r" % text)


def use_libraries(root):
    """As a program in C, by pkg-config and by CMake, and as scripts."""
    shutil.copytree(CONSUMER, os.path.join(root, "tmp", "consumer"), dirs_exist_ok=True)
    for line in ("cc -Wall -Wextra -Werror main.c -o by_pkg_config "
                 "$(pkg-config --cflags --libs fanwire) && ./by_pkg_config",
                 "cmake -B b >/dev/null && cmake --build b >/dev/null && b/consumer_c"):
        expect_address(chroot.shell(root, "cd /tmp/consumer && " + line))
    chroot.write(root, "tmp/server.lua", LUA)
    for lua in LUAS:
        expect_address(chroot.inside(root, lua, "/tmp/server.lua"))


async def talk(url, heard):
    async with websockets.connect(url) as ws:
        await ws.send("hello")
        if await asyncio.wait_for(ws.recv(), DEADLINE) != heard:
            raise SystemExit("the room doesn't answer")


@contextlib.contextmanager
def serving(root, *command, **env):
    """A server that nobody special runs; it tells where it listens, and ends well."""
    server = subprocess.Popen(
        ["chroot", "--userspec=nobody:nogroup", root, *command],
        env=dict(chroot.environment(), **env), text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE)
    try:
        yield re.search(r"ws://\S+", server.stdout.readline()).group()
        server.terminate()
        if server.wait(timeout=DEADLINE) != 0:
            raise SystemExit("%s ended with %d" % (command[0], server.returncode))
    finally:
        server.kill()
        server.communicate()


def use_tutorial(root):
    """The program that the tutorial in C begins with, built as it says."""
    with open(TUTORIAL, encoding="utf-8") as page:
        program = re.search(r"<!-- file: server.c -->\n```c\n(.*?)```", page.read(), re.S)
    chroot.write(root, "tmp/server.c", program.group(1))
    chroot.shell(root, "cd /tmp && cc -Wall -o server server.c "
                 "$(pkg-config --cflags --libs fanwire)")
    with serving(root, "/tmp/server", FANWIRE_LISTEN="ws://127.0.0.1:0/ws") as url:
        asyncio.run(talk(url + "?name=ann", "ann: hello"))


def use_server(root):
    config = "/etc/fanwire/fanwired.ini"
    chroot.inside(root, "fanwired", "--check-config", "--config", config)
    with serving(root, "fanwired", "--config", config, "--listen", "ws://127.0.0.1:0/ws",
                 "--http.listen", "127.0.0.1:0") as url:
        asyncio.run(talk(url + "?room=lobby", "hello"))
    for page in ("8 fanwired", "1 fanwire-bench", "7 fanwire"):
        if "SYNOPSIS" not in chroot.shell(root, "MANPAGER=cat man " + page):
            raise SystemExit("no page of the manual: " + page)


def use_unit(root):
    """There is no systemd that runs, but one that reads. The service is left enabled."""
    units = ("fanwired.service", "fanwired.socket")
    said = chroot.inside(root, "systemd-analyze", "verify", *units)
    if "fanwired" in said:
        raise SystemExit("systemd says:\n" + said)
    chroot.inside(root, "systemctl", "enable", *units)


def remove(root, before):
    """An administrator's changes survive a removal, and nothing survives a purge."""
    config = os.path.join(root, "etc/fanwire/fanwired.ini")
    with open(config, "a", encoding="utf-8") as out:
        out.write("# ours\n")
    chroot.write(root, "etc/fanwire/environment", "FANWIRE_REDIS_URL=redis://127.0.0.1\n")
    chroot.inside(root, "apt-get", "remove", "-y", "fanwired")
    if not os.path.exists(config) or os.path.exists(root + "/usr/bin/fanwired"):
        raise SystemExit("a removal left too much or too little")
    chroot.inside(root, "apt-get", "purge", "-y", "--autoremove", *PACKAGES)
    left = files_of(root) - before
    if left:
        raise SystemExit("a purge left %s" % sorted(left))


def use(bare, packages):
    """Installed, used and removed in a copy."""
    root = bare + "-used"
    shutil.rmtree(root, ignore_errors=True)
    chroot.call("cp", "-a", bare, root)
    chroot.install(root, "gcc", "g++", "libc6-dev", "pkgconf", "cmake", "make", "systemd",
                   "man-db", *LUAS)
    before = files_of(root)
    for path in packages.values():
        shutil.copy(path, os.path.join(root, "tmp"))
    chroot.install(root, *("/tmp/" + os.path.basename(p) for p in packages.values()))
    use_libraries(root)
    use_tutorial(root)
    use_server(root)
    use_unit(root)
    remove(root, before)


def check(release, folder):
    bare, work = os.path.join(folder, "bare"), os.path.join(folder, "work")
    if not os.path.exists(work):
        chroot.make(bare, release)
        chroot.call("cp", "-a", bare, work)
    copy_sources(work)
    build(work)
    test(work)
    use(bare, make_packages(work))
    print("%s: built, tested, packaged; installed, used and removed" % release)


def main():
    args = sys.argv[1:]
    if is_for_all_only(args, "FW_RELEASES"):
        return SKIPPED
    if not args:
        raise SystemExit(__doc__)
    why = chroot.why_not()
    if why:
        print("skipped: " + why)
        return SKIPPED
    if len(args) > 1:
        os.makedirs(args[1], exist_ok=True)
        check(args[0], os.path.realpath(args[1]))
        return 0
    with tempfile.TemporaryDirectory(prefix="fanwire-debian-") as folder:
        check(args[0], os.path.realpath(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
