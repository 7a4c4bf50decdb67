#!/usr/bin/python3
"""A page read as somebody reads it who does what it says: files are written, commands are
run, terminals are typed in, and what comes out must be what the page shows.

  BUILD_DIR=build/dev tests/docs/scene.py docs/tutorials/c.md

All of a page happens in a shell of its own, in a network of its own that has nothing but
loopback, so that pages may use the ports that everybody uses; and in a process namespace
of its own, so that nothing of it is left afterwards.

  $ command        is run; what follows is its output: ... stands for anything, a line
                   that is only ... for any lines. A command that ends with & goes on
  > words          are typed into the terminal (python3 -m websockets), < words come back
                   (curl -sN is a terminal, too, in which one only reads)
"""

import functools
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time

from blocks import TOP, blocks

SLOW = int(os.environ.get("FW_TEST_SLOW", "1"))
DEADLINE = 60.0 * SLOW
FLAGS = ["--net", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc"]
TERMINALS = ("python3 -m websockets ", "curl -sN ")


def build():
    return pathlib.Path(os.environ["BUILD_DIR"]).resolve()


def unshare():
    """The command that opens the namespaces; the superuser needs no other user's."""
    return ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]),
            *FLAGS]


def alone(*command):
    """The command in a network and with processes of its own."""
    return [*unshare(), "sh", "-c", 'ip link set lo up && exec "$@"', "sh",
            *(str(word) for word in command)]


@functools.lru_cache(maxsize=None)
def why_not():
    """Why there can be no scenes here; "" if there can."""
    tried = subprocess.run([*unshare(), "true"], capture_output=True, text=True)
    return tried.stderr.strip()


def environment(folder):
    """What an installed fanwire would be found by, without an installation."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("FANWIRE", "LUA_", "CK_"))}
    at, capi = folder / "bin", build() / "capi"
    at.mkdir()
    (at / "fanwired").symlink_to(capi / "server" / "fanwired")
    for name in ("python", "python3"):
        (at / name).symlink_to("/usr/bin/python3")
    pc = folder / "pkgconfig"
    pc.mkdir()
    (pc / "fanwire.pc").write_text(
        "Name: fanwire\nDescription: the build's\nVersion: 0\n"
        f"Cflags: -I{TOP}/capi/include\nLibs: -L{capi} -Wl,-rpath,{capi} -lfanwire\n")
    lua = {f"LUA_PATH{suffix}": "".join(f"{build()}/lua/{v}/{p};" for p in
                                        ("?.lua", "?/init.lua")) + ";"
           for suffix, v in (("", "5.1"), ("_5_4", "5.4"))}
    lua |= {f"LUA_CPATH{suffix}": f"{build()}/lua/{v}/?.so;;"
            for suffix, v in (("", "5.1"), ("_5_4", "5.4"))}
    if os.geteuid() == 0:  # its workers must be able to read what is root's
        (at / "nginx").write_text("#!/bin/sh\nexec /usr/sbin/nginx -g 'user root;' "
                                  '"$@"\n')
        (at / "nginx").chmod(0o755)
    return {**env, **lua, "PATH": f"{at}:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin",
            "PYTHONPATH": str(build() / "python"), "PKG_CONFIG_PATH": str(pc),
            "PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8", "HOME": str(folder)}


def pattern(expected):
    """Of output, where ... stands for anything."""
    parts = []
    for line in expected:
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(re.escape(line).replace(r"\.\.\.", ".*") + r"[ ]*\n")
    return "".join(parts)


class Failed(Exception):
    """What the page says isn't so."""


class Scene:
    def __init__(self, folder):
        self.folder, self.notes = folder, folder / ".scene"
        self.work = folder / "work"
        for one in (self.notes, self.work):
            one.mkdir()
        self.count, self.terminals = 0, {}
        self.shell = subprocess.Popen(
            [*unshare(), "bash", "--norc"], cwd=self.work, env=environment(folder),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True)
        self.tell("ip link set lo up")

    def end(self):
        self.shell.kill()
        self.shell.communicate()

    def tell(self, line):
        """Runs a line in the page's shell; its status."""
        self.count += 1
        mark = f"done-{self.count}-{os.getpid()}"
        # With the shell all that it has started ends.
        watch = threading.Timer(2 * DEADLINE, self.shell.kill)
        watch.start()
        try:
            self.shell.stdin.write(f"{line}\necho {mark} $?\n")
            self.shell.stdin.flush()
            for said in self.shell.stdout:
                if said.startswith(mark):
                    return int(said.split()[1])
        finally:
            watch.cancel()
        raise Failed(f"the shell has ended, or took too long: {line}")

    def run(self, command, expected, fails):
        """A command of the page in the page's own shell."""
        number = self.count
        script, out = self.notes / f"{number}", self.notes / f"{number}.out"
        script.write_text(command + "\n")
        goes_on = command.rstrip().endswith("&")
        end = time.monotonic() + DEADLINE
        while True:
            self.wait_for_port(command)
            status = self.tell(f". {script} </dev/null >{out} 2>&1")
            if self.is_as(out, expected, goes_on, end):
                break
            if not command.startswith("redis-cli ") or time.monotonic() > end:
                raise Failed(f"$ {command}\n{out.read_text()}--- instead of\n"
                             + "\n".join(expected))
            time.sleep(0.05)  # a server that was started a moment ago
        if (status != 0) != fails:
            raise Failed(f"$ {command}\n{out.read_text()}--- status {status}")
        if command.startswith("kill "):  # who reads this types the next line later
            self.tell(f"wait {command.split()[-1]} 2>/dev/null")

    def wait_for_port(self, command):
        """Until there is somebody where a client is to go; a person is slower, too."""
        where = re.search(r"\b(?:ws|http)://127\.0\.0\.1:(\d+)/", command)
        if where and command.startswith(("curl ", *TERMINALS)):
            self.tell(f"for i in $(seq {int(DEADLINE * 20)}); do "
                      f"(exec 3<>/dev/tcp/127.0.0.1/{where[1]}) 2>/dev/null && break; "
                      "sleep 0.05; done")

    def is_as(self, out, expected, goes_on, end):
        """Does the file hold what is expected? A command that goes on has its time."""
        wanted = pattern(expected)
        while goes_on and expected:
            if re.match(r"(?:.*\n)*?" + wanted, out.read_text()):
                return True
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        text = out.read_text().rstrip("\n")
        return not expected or re.fullmatch(wanted, text + "\n") is not None

    def open_terminal(self, name, command):
        self.wait_for_port(command)
        pipe, out = self.notes / f"{name}.in", self.notes / f"{name}.out"
        os.mkfifo(pipe)
        descriptor = 10 + len(self.terminals)
        self.terminals[name] = [out, 0, descriptor]
        self.tell(f"{command} <{pipe} >{out} 2>&1 & exec {descriptor}>{pipe}")

    def type(self, name, words):
        self.tell(f"printf '%s\\n' {shlex.quote(words)} >&{self.terminals[name][2]}")

    def wait_for(self, name, line):
        """Until the terminal shows the line, behind what it has shown before."""
        terminal, end = self.terminals[name], time.monotonic() + DEADLINE
        wanted = re.compile(r"(?:^|[\r\n]|\x1b\[[A-Z])" + re.escape(line.strip())
                            .replace(r"\.\.\.", ".*"))
        while True:
            text = terminal[0].read_text() if terminal[0].exists() else ""
            found = wanted.search(text, terminal[1])
            if found:
                terminal[1] = found.end()
                return
            if time.monotonic() > end:
                raise Failed(f"terminal {name} shows {text!r} and not {line!r}")
            time.sleep(0.02)

    def transcript(self, block):
        """A block with commands and what they print."""
        lines, name = block.text.splitlines(), block.mark == "terminal" and block.word
        at = 0
        while at < len(lines):
            line = lines[at]
            at += 1
            if line.startswith("$ ") and line[2:].startswith(TERMINALS):
                name = name or f"t{len(self.terminals)}"
                self.open_terminal(name, line[2:])
            elif line.startswith("$ "):
                command = line[2:]
                while command.endswith("\\"):
                    command, at = command[:-1] + lines[at], at + 1
                expected = []
                while at < len(lines) and not lines[at].startswith("$ "):
                    expected.append(lines[at])
                    at += 1
                while expected and not expected[-1].strip():
                    expected.pop()
                self.run(command, expected, block.mark == "fails" and at == len(lines))
            elif line.startswith("> "):
                self.type(name or list(self.terminals)[-1], line[2:])
            elif line.strip():
                self.wait_for(name or list(self.terminals)[-1], line)

    def perform(self, block):
        if block.mark == "file":
            path = self.work / block.word
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        elif block.language == "console":
            self.transcript(block)
        elif block.language == "sh":
            self.run(block.text.rstrip(), [], block.mark == "fails")
        else:
            raise Failed("nobody knows what to do with it: a file? not run?")


def perform(page, folder):
    """Everything on a page that is done where it stands, in its order."""
    scene = Scene(folder)
    try:
        for block in blocks(page):
            if block.of_a_scene:
                try:
                    scene.perform(block)
                except Failed as failed:
                    raise AssertionError(f"{block.name}: {failed}") from None
    finally:
        scene.end()


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        with tempfile.TemporaryDirectory(prefix="fanwire-scene-") as name:
            perform(pathlib.Path(argument).resolve(), pathlib.Path(name))
