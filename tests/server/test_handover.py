"""A restart that never closes the port: the next fanwired takes the sockets from the one
that runs (handover.path), or has them from the service manager (LISTEN_FDS)."""

import array
import asyncio
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading

import pytest
import websockets

from conftest import DEADLINE, binary, run, wait_until

HEAD = (b"GET /ws?room=a HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
HELLO = b"fanwired 1 own"


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "handover")


def port_of(f):
    return int(f.url.rsplit(":", 1)[1].split("/")[0])


def shake_hands(port):
    """A connection whose session is open."""
    s = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
    s.sendall(HEAD)
    answer = s.recv(4096)
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    return s


class Visitors:
    """Clients that come and go without a pause, and what went wrong with any of them."""

    def __init__(self, port):
        self.port, self.came, self.wrong, self.over = port, 0, [], False
        self.thread = threading.Thread(target=self.come_and_go)

    def come_and_go(self):
        while not self.over and not self.wrong:
            try:
                shake_hands(self.port).close()
                self.came += 1
            except (OSError, AssertionError) as e:
                self.wrong.append(repr(e))

    def wait_for(self, more):
        until = self.came + more
        wait_until(lambda: self.came >= until or self.wrong, f"{more} more visitors")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive() and self.wrong == []


def test_five_restarts_and_nobody_is_refused(fanwired, path):
    f = fanwired("--handover.path", path)
    assert stat.S_IMODE(os.lstat(path).st_mode) == 0o600
    with Visitors(port_of(f)) as visitors:
        for _ in range(5):
            visitors.wait_for(50)
            successor = fanwired("--handover.path", path)
            assert (successor.url, successor.http) == (f.url, f.http)
            assert f.wait() == 0
            f = successor
        visitors.wait_for(50)
    assert json.loads(f.get("/health")[2])["name"].endswith(f"-{f.pid}")


def test_the_old_one_drains_its_sessions(fanwired, path):
    old = fanwired("--handover.path", path)

    async def scenario():
        async with websockets.connect(old.url + "?room=a") as ws:
            new = fanwired("--handover.path", path)
            await asyncio.wait_for(ws.wait_closed(), DEADLINE)
            assert ws.close_code == 1001
            async with websockets.connect(old.url + "?room=a") as again:
                await again.send("hello")
                assert await asyncio.wait_for(again.recv(), DEADLINE) == "hello"
            return new

    asyncio.run(scenario())
    assert old.wait() == 0
    assert "handed over" in old.err()


def test_a_service_manager_is_told_who_is_the_main_process(fanwired, path, tmp_path):
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        manager.settimeout(DEADLINE)
        old = fanwired("--handover.path", path, env={"NOTIFY_SOCKET": name})
        assert manager.recv(4096) == b"READY=1"
        new = fanwired("--handover.path", path)
        assert manager.recv(4096) == f"MAINPID={new.pid}".encode()
        assert old.wait() == 0


def test_unix_sockets_and_pages_go_along(fanwired, path, tmp_path):
    file = tmp_path / "fw.sock"
    args = ("--handover.path", path, "--listen", f"unix:{file}:/ws")
    old = fanwired(*args)
    new = fanwired(*args)
    assert old.wait() == 0
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(file))
        s.sendall(HEAD)
        assert s.recv(4096).startswith(b"HTTP/1.1 101 ")
    assert new.http == old.http and new.get("/ready")[0] == 200
    new.signal(signal.SIGTERM)
    assert new.wait() == 0
    assert not file.exists() and not os.path.exists(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_only_its_own_user_can_take_over(fanwired):
    with tempfile.TemporaryDirectory() as folder:  # those of pytest are its user's alone
        path = os.path.join(folder, "handover")
        f = fanwired("--handover.path", path)
        assert stat.S_IMODE(os.lstat(path).st_mode) == 0o600
        os.chmod(folder, 0o755)
        os.chmod(path, 0o666)
        code = ("import socket, sys; s = socket.socket(socket.AF_UNIX, "
                "socket.SOCK_SEQPACKET); s.connect(sys.argv[1]); s.settimeout(20); "
                "sys.exit(len(s.recv(64)))")
        peer = subprocess.run([sys.executable, "-c", code, path], user=65534,
                              timeout=DEADLINE)
        assert peer.returncode == 0  # hung up without a word
        f.wait_for_log("hand-over: refused to user 65534")
        shake_hands(port_of(f)).close()
        f.end()


# --- who fails in the middle ---

def call(path):
    """As a successor does, up to the sockets: (connection, message, sockets)."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(DEADLINE)
    s.connect(path)
    text, fds, _, _ = socket.recv_fds(s, 64, 8)
    return s, text, fds


@pytest.mark.parametrize("last_words", [None, b"nonsense", b"x" * 500],
                         ids=["none", "nonsense", "long"])
def test_a_successor_that_fails_disturbs_nobody(fanwired, path, last_words):
    f = fanwired("--handover.path", path)
    with Visitors(port_of(f)) as visitors:
        s, text, fds = call(path)
        assert text == HELLO and len(fds) == 2
        visitors.wait_for(20)
        if last_words:
            s.send(last_words)
            assert s.recv(64) == b""
        s.close()
        for fd in fds:
            os.close(fd)
        f.wait_for_log("hand-over: given up")
        visitors.wait_for(20)
        new = fanwired("--handover.path", path)  # and the next one may
        assert f.wait() == 0
        visitors.wait_for(20)
    assert new.url == f.url


def test_a_successor_with_a_wrong_configuration_disturbs_nobody(fanwired, path):
    f = fanwired("--handover.path", path)
    done = run("--handover.path", path, "--listen", "wss://127.0.0.1:0/ws", "--tls.cert",
               "/nonexistent", "--tls.key", "/nonexistent")
    assert done.status == 1 and "/nonexistent" in done.err_lines[-1]
    f.wait_for_log("hand-over: given up")
    shake_hands(port_of(f)).close()


def switches(pid):
    """How often the main thread has waited for something."""
    with open(f"/proc/{pid}/task/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status
                    if line.startswith("voluntary_ctxt_switches"))


def test_a_call_without_descriptors_waits_and_costs_nothing(fanwired, path):
    f = fanwired("--handover.path", path)
    pid = f.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    taken = {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")}
    next_one = min(set(range(len(taken) + 1)) - taken)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (next_one, limits[1]))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as successor:
        successor.settimeout(DEADLINE)
        successor.connect(path)
        f.wait_for_log("hand-over: a call can't be answered: Too many open files")
        before = switches(pid)  # who looks again and again without waiting has none
        wait_until(lambda: switches(pid) >= before + 5, "a main thread that waits")

        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        assert successor.recv(100) == HELLO
    assert f.err().count("a call can't be answered") == 1


def test_who_is_told_to_stop_leaves_the_sockets_to_his_successor(fanwired, path):
    f = fanwired("--handover.path", path)
    s, _, fds = call(path)
    f.signal(signal.SIGTERM)
    assert f.wait() == 0 and s.recv(64) == b""
    with socket.socket(fileno=fds[0]) as listener:
        listener.settimeout(DEADLINE)
        client = socket.create_connection(("127.0.0.1", port_of(f)), timeout=DEADLINE)
        listener.accept()[0].close()
        client.close()
    os.close(fds[1])


class Forerunner:
    """Plays the one that runs."""

    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.s.bind(path)
        self.s.listen(1)
        self.s.settimeout(DEADLINE)
        self.port = socket.create_server(("127.0.0.1", 0))

    def answer(self, text, with_port, until_ready):
        peer, _ = self.s.accept()
        peer.settimeout(DEADLINE)
        if text:
            fds = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                    array.array("i", [self.port.fileno()]))] if with_port else []
            peer.sendmsg([text], fds)
        if until_ready:
            assert peer.recv(64) == b"ready"
        peer.close()
        self.s.close()
        self.port.close()


@pytest.mark.parametrize("text, until_ready", [(HELLO, False), (HELLO, True),
                                               (b"fanwired 1 lent", True)])
def test_a_forerunner_that_dies_leaves_the_sockets_to_the_new_one(fanwired, path, text,
                                                                  until_ready):
    old = Forerunner(path)
    port = old.port.getsockname()[1]
    dying = threading.Thread(target=old.answer, args=(text, True, until_ready))
    dying.start()
    f = fanwired("--handover.path", path, listen=f"ws://127.0.0.1:{port}/ws")
    dying.join(DEADLINE)
    shake_hands(port).close()
    f.signal(signal.SIGTERM)
    assert f.wait() == 0


def test_a_forerunner_that_dies_before_a_word_is_none(fanwired, path):
    old = Forerunner(path)
    dying = threading.Thread(target=old.answer, args=(None, False, False))
    dying.start()
    f = fanwired("--handover.path", path)
    dying.join(DEADLINE)
    f.wait_for_log("the running one has hung up")
    shake_hands(port_of(f)).close()


def test_another_version_s_language_is_said_so(path):
    old = Forerunner(path)
    talking = threading.Thread(target=old.answer, args=(b"fanwired 2", True, False))
    talking.start()
    done = run("--handover.path", path, "--listen", "ws://127.0.0.1:0/ws")
    talking.join(DEADLINE)
    assert done.status == 1
    assert done.err_lines[-1] == (f"fanwired: handover.path: {path}: it speaks another "
                                  "version's language")


def test_a_path_that_can_t_be_used_is_named(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    for path, why in ((file, "a file that is no socket is there already"),
                      ("/nonexistent/h", "No such file or directory"),
                      ("/tmp/" + "x" * 110, "longer than 96 bytes")):
        done = run("--handover.path", str(path), "--listen", "ws://127.0.0.1:0/ws")
        assert done.status in (1, 2)
        assert done.err_lines[-1] == f"fanwired: handover.path: {path}: {why}"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_stale_path_is_replaced(fanwired, path):
    f = fanwired("--handover.path", path)
    f.signal(signal.SIGKILL)
    f.wait()
    assert os.path.exists(path)
    f = fanwired("--handover.path", path)
    new = fanwired("--handover.path", path)
    assert f.wait() == 0 and new.url == f.url


# --- the service manager's sockets ---

def test_sockets_of_the_service_manager_are_served_and_kept_open(fanwired):
    with socket.create_server(("127.0.0.1", 0)) as ws, \
            socket.create_server(("127.0.0.1", 0)) as http:
        port, pages = ws.getsockname()[1], http.getsockname()[1]
        args = ("--http.listen", f"127.0.0.1:{pages}")
        url = f"ws://127.0.0.1:{port}/ws"
        f = fanwired(*args, listen=url, sockets=(http, ws))  # any order: by address
        assert (f.url, f.http) == (url, f"127.0.0.1:{pages}")
        shake_hands(port).close()
        f.signal(signal.SIGTERM)
        assert f.wait() == 0
        waiting = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        waiting.sendall(HEAD)
        f = fanwired(*args, listen=url, sockets=(http, ws))
        assert waiting.recv(4096).startswith(b"HTTP/1.1 101 ")
        assert f.get("/ready")[0] == 200
        waiting.close()


def test_a_restart_of_the_service_manager_refuses_nobody(fanwired):
    with socket.create_server(("127.0.0.1", 0)) as ws, \
            Visitors(ws.getsockname()[1]) as visitors:
        url = f"ws://127.0.0.1:{ws.getsockname()[1]}/ws"
        for _ in range(3):
            f = fanwired(listen=url, sockets=(ws,))
            visitors.wait_for(20)
            f.signal(signal.SIGTERM)
            assert f.wait() == 0
        fanwired(listen=url, sockets=(ws,))
        visitors.wait_for(20)


def test_the_service_manager_s_sockets_are_handed_over_too(fanwired, path):
    with socket.create_server(("127.0.0.1", 0)) as ws:
        args = ("--handover.path", path, "--http.listen", "off")
        url = f"ws://127.0.0.1:{ws.getsockname()[1]}/ws"
        with Visitors(ws.getsockname()[1]) as visitors:
            old = fanwired(*args, listen=url, sockets=(ws,), last="listening")
            new = fanwired(*args, listen=url, sockets=(ws,), last="listening")
            assert old.wait() == 0
            visitors.wait_for(20)
        new.signal(signal.SIGTERM)
        assert new.wait() == 0
        assert "no option wants" not in new.err()
        # It is still the service manager's: nobody has shut it down.
        socket.create_connection(ws.getsockname(), timeout=DEADLINE).close()


def test_a_socket_that_no_option_wants_is_warned_of(fanwired):
    with socket.create_server(("127.0.0.1", 0)) as other:
        # Port 0 of its own address would take it.
        f = fanwired("--http.listen", "127.0.0.2:0", listen="ws://127.0.0.2:0/ws",
                     sockets=(other,))
        f.wait_for_log("no option wants address=127.0.0.1:%d" % other.getsockname()[1])
        assert " warn " in [x for x in f.err().splitlines() if "no option" in x][0]


def test_what_is_no_listening_socket_is_a_wrong_configuration():
    with socket.socket() as s:
        done = run("--listen", "ws://127.0.0.1:0/ws", sockets=(s,), names="web")
    assert done.status == 2
    assert done.err_lines[-1] == ("fanwired: LISTEN_FDS: web: descriptor 3 is no stream "
                                  "socket that listens")


def test_it_is_named_as_it_is_called_in_the_unit():
    with socket.create_server(("127.0.0.1", 0)) as good, socket.socket() as bad:
        args = ("--http.listen", "off", "--listen", "ws://127.0.0.1:0/ws")
        for names, named in (("http:web", "web: "), ("http", ""), ("http:", "")):
            done = run(*args, sockets=(good, bad), names=names)
            assert done.status == 2
            assert done.err_lines[-1] == (f"fanwired: LISTEN_FDS: {named}descriptor 4 is "
                                          "no stream socket that listens")


def test_more_sockets_than_anybody_has_are_a_wrong_configuration():
    script = 'exec env LISTEN_PID=$$ LISTEN_FDS=1025 "$@"'
    done = subprocess.run(["sh", "-c", script, "sh", binary(), "--listen",
                           "ws://127.0.0.1:0/ws"], capture_output=True, text=True,
                          timeout=DEADLINE)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2, "fanwired: LISTEN_FDS: 1025: at most 1024")


def test_sockets_for_another_process_are_left_alone(fanwired):
    f = fanwired(env={"LISTEN_FDS": "3", "LISTEN_PID": "1"})
    shake_hands(port_of(f)).close()
