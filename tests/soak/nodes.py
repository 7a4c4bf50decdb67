"""The soak's three nodes and the nginx before them.

A node is fanwired, an application in Python (app.py) or one in nginx (app.lua). All are
in rooms mode and have the same options, so they are one cluster whose clients don't
notice which of them they are at. Each has its ports for good: killed, drained or
restarted it comes back where it was.
"""

import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.error
import urllib.request

import rig
from fanwired import DEADLINE, SLOW, Running, clean_environment, wait_until
from run_support import free_ports, is_alive

HERE = pathlib.Path(__file__).resolve().parent
CHAT = HERE.parents[1] / "docs" / "examples" / "chat"
KEY = "the-soak-may-ask"
NOISE = "noise"  # the namespace of rooms without history, in which nobody is counted
DRAIN_S = 5

OPTIONS = {
    "raw.mode": "rooms", "raw.format": "json", "room.presence": "on",
    "room.history.size": "10000", f"namespace.{NOISE}.presence": "off",
    "heartbeat.interval": "5s", "heartbeat.timeout": "5s", "node.lease": "5s",
    "handshake.timeout": "3s", "drain.timeout": f"{DRAIN_S}s", "log.level": "warn",
    "api.key": KEY,
    # Longer than any failover on a busy machine: what waited too long is lost by promise.
    "redis.queue.deadline": "10m",
}


def build_dir():
    return pathlib.Path(os.environ.get("BUILD_DIR", HERE.parents[1] / "build/dev"))


class Node:
    """What all have in common. `restarts` counts the processes that took a dead one's
    place."""

    def __init__(self, name, redis_url, folder):
        self.name, self.folder = name, folder
        self.port = free_ports(2)
        self.http_port = self.port + 1
        self.restarts = 0
        self.options = {**OPTIONS, "node.name": name, "redis.url": redis_url,
                        "listen": f"ws://127.0.0.1:{self.port}/ws",
                        "http.listen": f"127.0.0.1:{self.http_port}"}

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/ws"

    def ask(self, path, body=None):
        """The text of a page, or what the API answers to an object."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", data,
                                         {"X-API-Key": KEY})
        with urllib.request.urlopen(request, timeout=DEADLINE * SLOW) as answer:
            return answer.read().decode()

    def metric(self, name):
        """Of a metric without labels."""
        for line in self.ask("/metrics").splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise AssertionError(f"{self.name} shows no {name}")

    def present(self, room):
        """The users in a room, as this node knows them."""
        told = json.loads(self.ask("/api/presence", {"channel": room}))
        if "result" not in told:
            raise OSError(f"{self.name}: {told}")  # Redis is away, say: ask again
        return [one.get("user", "") for one in told["result"]["presence"].values()]

    def is_up(self):
        try:
            return self.metric("fanwire_redis_up") == 1
        except (OSError, AssertionError):
            return False

    def wait_up(self):
        wait_until(self.is_up, f"{self.name} is up", 3 * DEADLINE * SLOW)

    def stand_still(self, seconds):
        pid = self.pid()
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)  # the fault itself; nothing is waited for
        os.kill(pid, signal.SIGCONT)


class Program(Node):
    """One that prints its addresses as fanwired does."""

    def __init__(self, name, redis_url, folder, program=(), flag="--{}={}", env=None):
        super().__init__(name, redis_url, folder)
        self.program, self.env, self.running = program, env, None
        self.args = [flag.format(*pair) for pair in self.options.items()]

    def start(self):
        log = self.folder / f"{self.name}-{self.restarts}.log"
        self.running = Running(self.args, self.env, log, command=self.program)
        # An interpreter may start slowly beside all that is going on.
        self.running.read_addresses("http", 10 * DEADLINE * SLOW)

    def pid(self):
        return self.running.pid

    def again(self):
        self.running.end()
        self.restarts += 1
        self.start()

    def kill(self):
        self.running.signal(signal.SIGKILL)
        self.running.wait()
        self.again()

    def drain(self):
        self.running.signal(signal.SIGTERM)
        status = self.running.wait(DRAIN_S + DEADLINE * SLOW)
        assert status == 0, f"{self.name}: {status}; {self.running.err()[-2000:]}"
        self.again()

    def has_died(self):
        return self.running.process.poll() is not None

    def end(self):
        if self.running is not None:
            self.running.end()


def fanwired_node(redis_url, folder):
    return Program("c", redis_url, folder)


def python_node(redis_url, folder):
    command = ["/usr/bin/python3", "-m", "fanwire", "run", "app:hub", "--app-dir",
               str(HERE)]
    env = {"PYTHONPATH": str(build_dir() / "python"), "PYTHONDONTWRITEBYTECODE": "1"}
    return Program("python", redis_url, folder, command, "--set={}={}", env)


class InNginx(Node):
    """A worker of an nginx of its own."""

    START = 'dofile("{}")({{ {} }})\n    tell("started", true)'

    def __init__(self, redis_url, folder):
        super().__init__("lua", redis_url, folder)
        pairs = ((name.replace(".", "_"), value) for name, value in self.options.items())
        options = ", ".join(f"{name} = {json.dumps(value)}" for name, value in pairs)
        self.nginx = rig.Nginx(self.START.format(HERE / "app.lua", options), workers=1)

    def start(self):
        self.nginx.start()
        self.nginx.wait_told_or_fail("started", 1)

    def pid(self):
        return self.nginx.workers()[0]

    def kill(self):
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        self.nginx.wait_respawned([pid], 1)
        self.restarts += 1

    def drain(self):
        self.nginx.reload(wait_for_end=True)
        self.restarts += 1

    def has_died(self):
        return not is_alive(self.nginx.master) or not self.nginx.workers()

    def end(self):
        self.nginx.end()
        log = self.folder / f"{self.name}.log"
        if (pathlib.Path(self.nginx.folder) / "logs/error.log").exists():
            log.write_text(self.nginx.log(), encoding="utf-8")
        self.nginx.remove()


class Front:
    """nginx before the nodes, set up as the chat's is."""

    def __init__(self, nodes, folder):
        self.folder, self.nodes = folder / "front", nodes
        self.port, self.process = free_ports(1), None
        for name in ("logs", "tmp", "run"):
            (self.folder / name).mkdir(parents=True)

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/ws"

    def configuration(self):
        servers = " ".join(f"server 127.0.0.1:{node.port} fail_timeout=2s;"
                           for node in self.nodes)
        text = (CHAT / "nginx.conf.in").read_text(encoding="utf-8")
        for name, value in (("PORT", str(self.port)), ("NODES", servers),
                            ("PAGE", str(CHAT / "page"))):
            text = text.replace(f"@{name}@", value)
        return text

    def start(self):
        (self.folder / "nginx.conf").write_text(self.configuration(), encoding="utf-8")
        user = " user root;" if os.geteuid() == 0 else ""
        self.process = subprocess.Popen(
            ["nginx", "-p", str(self.folder) + "/", "-c", "nginx.conf", "-e",
             "logs/error.log", "-g", "daemon off;" + user], env=clean_environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
        wait_until(self.is_up, "nginx is up")

    def is_up(self):
        assert self.process.poll() is None, "nginx has ended"
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=DEADLINE)
            return True
        except urllib.error.URLError:
            return False

    def end(self):
        if self.process is not None:
            # The group: its worker goes on where the master was killed.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
