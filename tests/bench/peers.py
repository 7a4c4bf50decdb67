"""What a scenario may measure, each with the command that starts it: fanwired and the
library, the floors, and the peers. Those from npm are installed into the build folder,
nginx with Nchan is the distribution's (./run installs it). A peer that can't be had says
why, and the page says it on.
"""

import glob
import os
import pathlib
import platform
import resource
import shutil
import subprocess
from dataclasses import dataclass, field

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE / "peers"
NCHAN = "ngx_nchan_module.so"
MODULES = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules")

# As the tables call them: the package whose version is told, the program, the file.
NPM = {
    "Bun": ("@oven/bun-linux-{cpu}", None, "bun.js"),
    "uWebSockets": ("@trufflesuite/uws-js-unofficial", "node", "uws.js"),
    "ws": ("ws", "node", "ws.js"),
    "Socket.IO": ("socket.io", "node", "socketio.js"),
}
NAMES = (*NPM, "Nchan")

# How many files a server may have open: what the machine allows, but not a million, for
# which nginx would lay out memory.
FILES = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 65536)


@dataclass
class Row:
    """One line of a table: who is measured, and how it is set up."""

    label: str
    server: str  # "floor", "fanwired", "app", "Redis alone", "parser", or one of NAMES
    mode: str = ""  # of the floor: send, joined or echo
    redis: bool = False
    nodes: int = 0  # other than the load says
    deflate: bool = False
    tls: bool = False
    heartbeat_s: int = 0
    protocol: str = ""  # of fanwired: what its clients speak, if it isn't raw
    api: int = 0  # requests a second to its HTTP API meanwhile
    arguments: list = field(default_factory=list)  # for the generator, with this row only


def npm_cpu():
    return {"x86_64": "x64", "aarch64": "aarch64"}.get(platform.machine(), "none")


def said_by(command, **options):
    """What a program prints in a moment, or why it doesn't."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
            check=False,
            **options,
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        return None, str(e)
    lines = done.stdout.strip().splitlines() or [f"it ended with {done.returncode}"]
    return (lines[0], None) if done.returncode == 0 else (None, lines[-1])


class Peers:
    """Which of the peers are here: `versions` and `problems`, by name."""

    def __init__(self, build, wanted=NAMES):
        self.build = build
        self.place = build / "bench/peers"
        self.versions, self.problems = {}, {}
        for name in NAMES:
            if name not in wanted:
                self.problems[name] = "not asked for"
        self.wanted = [name for name in NAMES if name in wanted]

    def install(self):
        """From npm, what isn't there in the version that the tree names."""
        if not any(name in NPM for name in self.wanted):
            return
        self.copy_sources()
        lock = SOURCES / "package-lock.json"
        mark = self.place / "node_modules/.installed"
        if mark.exists() and mark.read_bytes() == lock.read_bytes():
            return
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
        done = subprocess.run(
            command, cwd=self.place, check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode == 0:
            mark.write_bytes(lock.read_bytes())

    def copy_sources(self):
        """Beside the packages, since that is where a program looks for them."""
        self.place.mkdir(parents=True, exist_ok=True)
        for source in SOURCES.iterdir():
            shutil.copy(source, self.place)

    def look(self):
        """Fills `versions` and `problems` with what is there; starts no server."""
        for name in self.wanted:
            version, problem = (
                self.look_for_nchan() if name == "Nchan" else self.look_for_npm(name)
            )
            if problem:
                self.problems[name] = problem
            else:
                self.versions[name] = version

    def look_for_npm(self, name):
        package = self.place / "node_modules" / NPM[name][0].format(cpu=npm_cpu())
        if not (package / "package.json").exists():
            return None, "npm could not install it"
        self.copy_sources()
        if name == "Bun":
            return said_by([self.bun(), "--version"])
        module = f"require('{NPM[name][0]}')"
        if name == "uWebSockets":
            file = "binaries/uws_${process.platform}_${process.arch}"
            file += "_${process.versions.modules}.node"
            module = f"require(`{NPM[name][0]}/{file}`)"
        version = f"require('./node_modules/{NPM[name][0]}/package.json').version"
        code = f"{module}; console.log({version} + ', Node ' + process.version)"
        return said_by(["node", "-e", code], cwd=self.place)

    def look_for_nchan(self):
        if not self.nchan_module():
            return None, "nginx has no module Nchan here (libnginx-mod-nchan)"
        nginx, problem = said_by(["nginx", "-v"])
        query = ["dpkg-query", "-W", "-f=${Version}", "libnginx-mod-nchan"]
        module = said_by(query)[0]
        return f"{module or 'unknown'}, {(nginx or '').split(': ')[-1]}", problem

    @staticmethod
    def nchan_module():
        found = [path for m in MODULES for path in glob.glob(f"{m}/{NCHAN}")]
        return found[0] if found else None

    def bun(self):
        return self.place / f"node_modules/@oven/bun-linux-{npm_cpu()}/bin/bun"

    def problem(self, row):
        """Why a row can't be measured, or None."""
        return self.problems.get(row.server)

    def command(self, row, role, port, redis=None, certificate=None, extra=None):
        """(command, environment, URL) of a server. `role`: rooms, echo or direct;
        `extra`: more options of fanwire."""
        scheme = "wss" if row.tls else "ws"
        url = f"{scheme}://127.0.0.1:{port}/ws"
        if row.server == "floor":
            return self.floor(row, port), {}, url + "?room={room}"
        if row.server == "fanwired":
            options = {**self.options_of(row, redis, certificate), **(extra or {})}
            command = [self.build / "capi/server/fanwired", "--listen", url]
            for name, value in options.items():
                command += [f"--{name}", value]
            if row.protocol == "centrifuge":
                path = "/connection/websocket"
                return command, {}, f"{scheme}://127.0.0.1:{port}{path}"
            return command, {}, url + "?room={room}"
        if row.server == "app":
            options = {**self.options_of(row, redis, certificate), **(extra or {})}
            command = [self.build / "tests/bench/app", url, role]
            command += [f"{name}={value}" for name, value in options.items()]
            return command, {}, url + "?user={user}"
        if row.server == "Nchan":
            return self.nchan(port, redis), {}, url + "?room={room}"
        _, program, file = NPM[row.server]
        command = [program or self.bun(), self.place / file]
        if row.server == "Socket.IO":
            url = f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket"
            url += "&room={room}"
        else:
            url += "?room={room}"
        return command, self.environment(row, role, port, redis, certificate), url

    def floor(self, row, port):
        command = [self.build / "tests/bench/floor", port, row.mode]
        if row.heartbeat_s:
            command += ["--ping", row.heartbeat_s]
        return command

    @staticmethod
    def options_of(row, redis, certificate):
        """fanwire's options, {name: value}."""
        options = {"log.level": "warn"}
        if row.protocol == "centrifuge":
            options["client.insecure"] = "on"
        if redis:
            options["redis.url"] = f"redis://127.0.0.1:{redis.port}"
            options["redis.required"] = "on"
        if row.tls:
            options["tls.cert"], options["tls.key"] = certificate
        if row.deflate:
            options["compression"] = "on"
        if row.heartbeat_s:
            options["heartbeat.interval"] = f"{row.heartbeat_s}s"
        return options

    @staticmethod
    def environment(row, role, port, redis, certificate):
        env = {"PORT": port, "ROLE": role, "DEFLATE": int(row.deflate)}
        env["NODE_ENV"] = "production"
        if redis:
            env["REDIS_PORT"] = redis.port
        if row.tls:
            env["TLS_CERT"], env["TLS_KEY"] = certificate
        return env

    def nchan(self, port, redis):
        place = self.build / f"bench/nginx/{port}"
        place.mkdir(parents=True, exist_ok=True)
        upstream = passing = ""
        if redis:
            server = f"nchan_redis_server redis://127.0.0.1:{redis.port};"
            # Its faster way: messages pass through Redis, and aren't kept there.
            mode = "nchan_redis_storage_mode nostore;"
            upstream = f"upstream redis {{ {server} {mode} }}"
            passing = "nchan_redis_pass redis;"
        text = (SOURCES / "nchan.conf.in").read_text(encoding="utf-8")
        filled = {
            "PORT": port,
            "PLACE": place,
            "MODULE": self.nchan_module(),
            "FILES": FILES,
            "UPSTREAM": upstream,
            "REDIS": passing,
            "KEPT": 1 if redis else 0,
        }
        for name, value in filled.items():
            text = text.replace(f"@{name}@", str(value))
        configuration = place / "nginx.conf"
        configuration.write_text(text, encoding="utf-8")
        command = ["nginx", "-p", place, "-c", configuration, "-e", place / "error.log"]
        return command + (["-g", "user root;"] if os.geteuid() == 0 else [])


def make_certificate(build):
    """(certificate, key) of 127.0.0.1, signed by itself; made once a build folder."""
    certificate, key = build / "bench/cert.pem", build / "bench/key.pem"
    if not key.exists():
        key.parent.mkdir(parents=True, exist_ok=True)
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "3650"]
        command += ["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=127.0.0.1"]
        command += ["-keyout", key, "-out", certificate]
        subprocess.run(
            [str(part) for part in command], check=True, stderr=subprocess.DEVNULL
        )
    return certificate, key
