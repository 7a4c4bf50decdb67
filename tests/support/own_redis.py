"""A Redis of a test's own, on a Unix socket; also killed, stopped and started again.

What it keeps it keeps in memory: whoever restarts it has one that knows nothing.
"""

import os
import signal
import socket
import subprocess

from fanwired import DEADLINE, wait_until


class OwnRedis:
    """args: more of redis-server's, which may give it a port, too; config: what is in its
    configuration file, which a Sentinel can't do without."""

    def __init__(self, folder, *args, config=None):
        self.folder, self.path = str(folder), str(folder / "redis.sock")
        self.process, self.args = None, ["--port", "0", *map(str, args)]
        self.files = []
        if config is not None:
            (folder / "redis.conf").write_text(config, encoding="ascii")
            self.files = [str(folder / "redis.conf")]
        self.start()

    @property
    def url(self):
        return "redis+unix://" + self.path

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", *self.files, "--unixsocket", self.path, "--save", "",
             "--appendonly", "no", "--dir", self.folder, *self.args],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_until(self._answers, "redis-server answers")

    def _answers(self):
        try:
            return self.command("PING") == "PONG"
        except OSError:
            return False

    def command(self, *args):
        """One command, of texts, numbers and bytes, on a connection of its own; its
        reply: str, int, list or None."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(DEADLINE)
            s.connect(self.path)
            words = [a if isinstance(a, bytes) else str(a).encode() for a in args]
            s.sendall(b"*%d\r\n" % len(words) +
                      b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
            with s.makefile("rb") as f:
                return read_reply(f)

    def info(self, section):
        """The section as a dict of texts."""
        lines = self.command("INFO", section).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def calls(self):
        """How often each command has been called, by scripts, too."""
        return {name.removeprefix("cmdstat_"): int(value.split(",")[0].split("=")[1])
                for name, value in self.info("commandstats").items()}

    def signal(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        if self.process is not None:
            self.signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self):
        self.kill()
        self.start()


def read_reply(f):
    line = f.readline()
    if not line.endswith(b"\r\n"):
        raise OSError("redis-server hung up")
    kind, rest = line[:1], line[1:-2]
    if kind == b"-":
        raise RuntimeError("redis: " + rest.decode())
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return f.read(int(rest) + 2)[:-2].decode() if int(rest) >= 0 else None
    if kind == b"*":
        return [read_reply(f) for _ in range(int(rest))]
    return rest.decode()
