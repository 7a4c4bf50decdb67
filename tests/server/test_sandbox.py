"""The restrictions of docs/deploy/fanwired.service: how much they leave, that fanwired
does all its work under them, and that they hold. tests/support/sandbox.py says how they
are put on without a systemd, and what of them isn't."""

import asyncio
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys

import pytest
import websockets

from conftest import DEADLINE, OwnRedis, Running, wait_until

TOP = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = TOP / "docs" / "deploy"
UNIT = DEPLOY / "fanwired.service"
SANDBOX = TOP / "tests" / "support" / "sandbox.py"

with_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"),
                                  reason="systemd-analyze isn't installed")


def possible():
    """Why the restrictions can't be put on here, or None."""
    if os.geteuid() != 0 or platform.machine() != "x86_64":
        return "it needs root on x86-64"
    if os.environ.get("FW_TEST_SLOW", "1") != "1":
        return "what looks inside of programs needs what the unit forbids"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True)
    return tried.stderr.strip() or None


with_root = pytest.mark.skipif(possible() is not None, reason=str(possible()))


@pytest.fixture
def run_folder(tmp_path):
    """What is /run/fanwire inside."""
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def inside(folder, *command):
    build = pathlib.Path(os.environ["BUILD_DIR"]).resolve() / "capi"
    return [sys.executable, str(SANDBOX), str(UNIT), str(folder), str(build), *command]


@pytest.fixture
def sandboxed(run_folder, tmp_path):
    started = []

    def start(*args, last="redis"):
        f = Running(args, {}, tmp_path / f"err-{len(started)}",
                    command=inside(run_folder, "/run/build/server/fanwired"))
        started.append(f)
        f.read_addresses(last)
        return f

    yield start
    for f in started:
        f.end()


@with_systemd
@pytest.mark.parametrize("name", ["fanwired.service", "fanwired@.service"])
def test_systemd_finds_little_that_the_unit_leaves_open(name, tmp_path):
    unit = tmp_path / name.replace("@", "@one")  # an instance, as systemd wants it
    unit.write_text((DEPLOY / name).read_text(encoding="utf-8"))
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                           str(unit)], capture_output=True, text=True, timeout=60)
    figure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert figure and float(figure.group(1)) <= 1.2, done.stdout + done.stderr


@with_systemd
@pytest.mark.parametrize("name", ["fanwired.service", "fanwired@.service",
                                  "fanwired.socket"])
def test_systemd_has_nothing_to_say_against_a_unit(name, tmp_path):
    for each in DEPLOY.glob("fanwired*"):
        text = each.read_text(encoding="utf-8")
        # The program isn't installed where the tests run.
        text = re.sub(r"^(Exec\w+)=/usr/bin/fanwired.*$", r"\1=/bin/true", text,
                      flags=re.M)
        (tmp_path / each.name.replace("@", "@one")).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no",
                           str(tmp_path / name.replace("@", "@one"))],
                          capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost",
                    "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
                   check=True, capture_output=True, timeout=DEADLINE)
    os.chmod(folder / "key.pem", 0o644)  # it was root's


async def say_and_hear(url):
    async with websockets.connect(url + "?room=a") as ws:
        await ws.send("hello")
        assert await asyncio.wait_for(ws.recv(), DEADLINE) == "hello"


@with_systemd
@with_root
def test_fanwired_does_all_its_work_under_its_unit_s_restrictions(sandboxed, run_folder,
                                                                  tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    redis = OwnRedis(tmp_path, "--port", port)
    make_certificate(run_folder)
    (run_folder / "fanwired.ini").write_text(
        "listen = ws://127.0.0.1:0/ws, wss://127.0.0.1:0/ws, unix:/run/fanwire/ws:/ws\n"
        "threads = 2\ncompression = on\n"
        "tls.cert = /run/fanwire/cert.pem\ntls.key = /run/fanwire/key.pem\n"
        f"redis.url = redis://localhost:{port}\nhttp.listen = 127.0.0.1:0\n"
        "raw.user = none\nroom.presence = on\nroom.history.size = 10\n"
        "handover.path = /run/fanwire/next\n"
        "log.file = /run/fanwire/log\n")
    try:
        f = sandboxed("--config", "/run/fanwire/fanwired.ini")
        wait_until(lambda: f.get("/ready")[0] == 200, "Redis is found by its name")
        asyncio.run(say_and_hear(f.urls[0]))
        os.kill(f.pid, signal.SIGHUP)
        log = run_folder / "log"
        wait_until(lambda: "reload" in log.read_text(), "it reloads")
        successor = sandboxed("--config", "/run/fanwire/fanwired.ini")
        assert f.wait() == 0
        asyncio.run(say_and_hear(successor.urls[0]))
        successor.signal(signal.SIGTERM)
        assert successor.wait() == 0
        assert not re.search(r" (error|warn ) ", log.read_text()), log.read_text()
    finally:
        redis.kill()


# What a program tries there, and what comes of it: a line, or the signal's number.
HELD = [
    ("write to /etc", "open('/etc/x', 'w')", "Read-only file system"),
    ("see homes", "os.listdir('/root')", "Permission denied"),
    ("see what others have in /tmp", "print(os.listdir('/tmp'))", "[]"),
    ("see other processes", "print(os.path.exists('/proc/1'))", "False"),
    ("see the kernel's settings", "open('/proc/sys/kernel/osrelease')",
     "No such file or directory"),
    ("see devices", "print(os.path.exists('/dev/kmsg'))", "False"),
    ("become root", "os.setuid(0)", signal.SIGSYS),
    ("speak to the kernel", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
     "Address family not supported"),
    ("run what it has written", "mmap.mmap(-1, 4096, prot=7)", "Operation not permitted"),
    ("make namespaces", "print(libc.unshare(0x10000000))", "-1"),
    ("trace", "libc.ptrace(0, 0, 0, 0)", signal.SIGSYS),
    ("load a module", "libc.syscall(313, -1, b'', 0)", signal.SIGSYS),
    ("become idle only", "os.nice(1)", signal.SIGSYS),
    ("give files away", "os.chown('/run/fanwire', 0, 0)", signal.SIGSYS),
    ("make setuid files", "os.chmod('/run/fanwire', 0o4755)", "Operation not permitted"),
    ("write to its own folder", "open('/run/fanwire/x', 'w'); print('fine')", "fine"),
]


# Each is tried in a process of its own, which it may cost its life.
TRY_ALL = """
import ctypes, json, mmap, os, socket, sys
libc, found = ctypes.CDLL(None), []
for code in json.loads(sys.argv[1]):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(writer, 1)
        try:
            exec(code)
        except OSError as error:
            print(error)
        sys.stdout.flush()
        os._exit(0)
    os.close(writer)
    said = os.fdopen(reader).read()
    found.append([-os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said])
print(json.dumps(found))
"""


@with_systemd
@with_root
def test_the_restrictions_hold(run_folder):
    done = subprocess.run(
        inside(run_folder, "/usr/bin/python3", "-c", TRY_ALL,
               json.dumps([code for _, code, _ in HELD])),
        capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done
    for (what, _, wanted), (died, said) in zip(HELD, json.loads(done.stdout)):
        if isinstance(wanted, int):
            assert died == wanted, (what, died, said)
        else:
            assert died == 0 and wanted in said, (what, died, said)
