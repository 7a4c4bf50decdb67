"""`python -m fanwire run --workers N`: one port, several processes, rooms across them."""

import asyncio
import json
import os
import signal
import socket

import pytest

import support
from run_support import APP, Command, free_port, free_ports, is_alive, write_app
from support import DEADLINE, wait_until

SUPERVISED = 4


class Cluster:
    """A supervisor, its workers and clients who know which worker serves them."""

    def __init__(self, command, connect):
        self.command = command
        self._connect = connect

    def wait_up(self, count=SUPERVISED):
        self.url = self.command.url
        wait_until(lambda: len(self.workers()) == count, f"{count} workers")

    def workers(self):
        return self.command.children()

    def client(self):
        """A client in the room `everybody`, and who serves it."""
        client = self._connect(self.url)
        client.server = json.loads(client.receive())
        return client

    def clients_of_each(self, count):
        """{pid: client}, for `count` different workers."""
        found = {}

        def enough():
            client = self.client()
            found.setdefault(client.server["pid"], client)
            return len(found) >= count

        wait_until(enough, f"clients of {count} workers")
        return found

    def speak(self, speaker, listeners, text):
        """Says it until all have heard it: nodes that have just started may not yet have
        heard of each other's rooms."""
        waiting = list(listeners)

        def heard():
            speaker.send(text)
            for client in list(waiting):
                try:
                    while client.receive(deadline=0.2 * support.SLOW) != text:
                        pass
                    waiting.remove(client)
                except (TimeoutError, asyncio.TimeoutError):
                    pass
            return not waiting

        wait_until(heard, f"all have heard {text!r}")


@pytest.fixture
def run(tmp_path):
    """run(*arguments): `python -m fanwire run ...`; at the end nothing of it is left."""
    started = []

    def start(*arguments, **keywords):
        started.append(Command(tmp_path, "run", *arguments, **keywords))
        return started[-1]

    yield start
    for command in started:
        workers = command.children() if is_alive(command.pid) else []
        command.end()
        wait_until(lambda: not any(map(is_alive, workers)), "the workers end, too")


@pytest.fixture
def settings(redis_options):
    """--set for everything that several workers need."""
    options = dict(redis_options, listen=f"ws://127.0.0.1:{free_port()}/ws")
    return [part for name, value in options.items()
            for part in ("--set", f"{name}={value}")]


@pytest.fixture
def cluster(run, settings, tmp_path, connect):
    write_app(tmp_path)
    cluster = Cluster(run("app:hub", "--workers", SUPERVISED, *settings), connect)
    cluster.wait_up()
    return cluster


# --- together ---

def test_a_room_spans_the_workers(cluster):
    clients = cluster.clients_of_each(SUPERVISED)
    assert set(clients) == set(cluster.workers())
    speaker = next(iter(clients.values()))
    cluster.speak(speaker, clients.values(), "hello")


def test_each_worker_has_a_name_of_its_own(cluster):
    names = {c.server["node"] for c in cluster.clients_of_each(SUPERVISED).values()}
    base = f"{socket.gethostname()}-{cluster.command.pid}"
    assert names == {f"{base}-{k}" for k in range(1, SUPERVISED + 1)}


def test_one_address_is_printed_once_all_are_up(cluster):
    assert [line for line in cluster.command.lines if line.startswith("listening ")] \
        == ["listening " + cluster.url]


def test_a_worker_that_was_killed_is_back_and_serves(cluster):
    clients = cluster.clients_of_each(SUPERVISED)
    dead = next(iter(clients))
    name = clients[dead].server["node"]
    os.kill(dead, signal.SIGKILL)
    assert clients[dead].wait_closed()[0] == 1006
    cluster.command.wait_err(f"pid {dead}, was ended by SIGKILL")

    def there_is_another():
        workers = cluster.workers()
        return len(workers) == SUPERVISED and dead not in workers

    wait_until(there_is_another, "another worker")
    successor = None

    def served_by_the_new_one():
        nonlocal successor
        successor = cluster.client()
        return successor.server["node"] == name

    wait_until(served_by_the_new_one, "the new worker has a client")
    assert successor.server["pid"] not in clients
    others = [c for pid, c in clients.items() if pid != dead]
    cluster.speak(successor, others + [successor], "back")
    cluster.speak(others[0], others + [successor], "welcome")


def test_the_others_don_t_notice_when_one_is_killed(cluster):
    clients = cluster.clients_of_each(SUPERVISED)
    dead = next(iter(clients))
    os.kill(dead, signal.SIGKILL)
    clients[dead].wait_closed()
    for pid, client in clients.items():
        if pid != dead:
            assert json.loads(client.ask("where"))["pid"] == pid


# --- the end ---

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_supervisor_drains_all(cluster, number):
    clients = cluster.clients_of_each(SUPERVISED)
    workers = cluster.workers()
    cluster.command.signal(number)
    assert {c.wait_closed()[0] for c in clients.values()} == {1001}
    assert cluster.command.finish() == 0
    assert not any(map(is_alive, workers))
    assert "Traceback" not in cluster.command.err
    assert "killed" not in cluster.command.err


def test_ctrl_c_in_a_terminal_drains_once(cluster):
    # The terminal sends it to every process of the group. Would a worker be among them,
    # it had it twice and wouldn't drain.
    group = os.getpgid(cluster.command.pid)
    assert all(os.getpgid(worker) != group for worker in cluster.workers())


def test_a_second_signal_doesn_t_wait_for_anybody(run, settings, tmp_path, connect):
    # os.write(): print() without a buffer writes twice, and two workers' lines mix.
    write_app(tmp_path, APP + """
@hub.on_close
def closed(session, code, reason):
    import time
    os.write(1, b"blocked\\n")
    while True:
        time.sleep(0.1)
""")
    cluster = Cluster(run("app:hub", "--workers", 2, *settings,
                          "--set", "drain.timeout=5m"), connect)
    cluster.wait_up(2)
    workers = cluster.workers()
    cluster.clients_of_each(2)
    cluster.command.signal(signal.SIGTERM)
    cluster.command.wait_line("blocked", 2)
    cluster.command.signal(signal.SIGTERM)
    assert cluster.command.finish() == 0
    assert not any(map(is_alive, workers))


def test_workers_end_when_the_supervisor_is_killed(cluster):
    clients = cluster.clients_of_each(SUPERVISED)
    workers = cluster.workers()
    cluster.command.signal(signal.SIGKILL)
    assert {c.wait_closed()[0] for c in clients.values()} == {1001}
    wait_until(lambda: not any(map(is_alive, workers)), "the workers end")
    with socket.socket() as s:  # nobody listens there any more
        port = int(cluster.url.rpartition(":")[2].partition("/")[0])
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))


def test_workers_that_can_t_stop_end_when_the_supervisor_is_killed(
        run, settings, tmp_path, connect):
    # Its main thread is busy for ever: what remains is the thread that waits.
    write_app(tmp_path, APP.replace('drain_timeout="5s"', 'drain_timeout="0s"') + """
import fanwire._workers, time
fanwire._workers._GRACE = 0.5

@hub.on_join
def busy(session, room):
    os.write(1, b"blocked\\n")
    while True:
        time.sleep(0.1)
""")
    cluster = Cluster(run("app:hub", "--workers", 2, *settings), connect)
    cluster.wait_up(2)
    workers = cluster.workers()
    connect(cluster.url)
    cluster.command.wait_line("blocked")
    cluster.command.signal(signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, workers)), "the workers end")


# --- what is refused ---

def refused(command):
    assert command.finish() == 2
    lines = command.err.splitlines()
    assert len(lines) == 1, lines
    assert not command.lines
    return lines[0]


def test_several_workers_without_redis_are_refused(run, tmp_path):
    write_app(tmp_path)
    line = refused(run("app:hub", "--workers", 2, "--set",
                       f"listen=ws://127.0.0.1:{free_port()}/ws"))
    assert line == ("fanwire: more than one worker needs redis_url: without it a room"
                    " would end at its process")


@pytest.mark.parametrize("listen,sentence", [
    ("ws://127.0.0.1:0/ws", "several workers need a port of which they all know"),
    ("ws://[::1]:0/ws", "several workers need a port of which they all know"),
    ("unix:FOLDER/s:/ws", "several workers can't share a Unix socket; give a TCP port"),
])
def test_what_workers_can_t_share_is_refused(
        run, redis_options, tmp_path, listen, sentence):
    listen = listen.replace("FOLDER", str(tmp_path))
    write_app(tmp_path)
    line = refused(run("app:hub", "--workers", 2, "--set", f"listen={listen}", "--set",
                       f"listen=ws://127.0.0.1:{free_port()}/ws",
                       "--set", f"redis.url={redis_options['redis_url']}"))
    assert line == f"fanwire: listen: {listen}: {sentence}"


@pytest.mark.parametrize("arguments", [
    ["nosuch:hub"], ["app:nosuch"], ["app"], ["app:hub", "--set", "no.such=1"],
    ["app:hub", "--set", "drain.timeout=soon"], ["app:hub", "--set", "node.name=a\nb"],
    ["app:hub", "--set", "log.level=loud"],
])
def test_a_mistake_is_said_once_and_ends_everything(run, settings, tmp_path, arguments):
    write_app(tmp_path)
    refused(run(*arguments, "--workers", 3, *settings))


def test_an_exception_in_the_module_is_shown_once_and_ends_everything(run, settings,
                                                                      tmp_path):
    write_app(tmp_path, "raise ValueError('oh')\n")
    command = run("app:hub", "--workers", 3, *settings)
    assert command.finish() == 1
    assert command.err.count("ValueError: oh") == 1


def test_a_port_in_use_ends_everything(run, settings, tmp_path):
    write_app(tmp_path)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        command = run("app:hub", "--workers", 3, *settings, "--set",
                      f"listen=ws://127.0.0.1:{s.getsockname()[1]}/ws")
        assert command.finish() == 1
    assert command.err.count("in use") == 1


def test_a_worker_killed_before_it_was_up_ends_everything(run, settings, tmp_path):
    write_app(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    command = run("app:hub", "--workers", 3, *settings)
    assert command.finish() == 1
    assert "was ended by SIGKILL before it was up" in command.err


# --- accidents ---

def test_who_dies_young_again_and_again_is_started_later_and_later(cluster):
    # A module that has gone wrong meanwhile is not what was there when all began.
    with open(f"/proc/{cluster.command.pid}/cwd/app.py", "w", encoding="utf-8") as f:
        f.write("raise SystemExit(2)\n")
    victim = cluster.workers()[0]
    os.kill(victim, signal.SIGKILL)
    for delay in ("0.5", "1", "2"):
        cluster.command.wait_err(f"a new one starts in {delay} s")
    assert cluster.command.err.count("ended with status 2") >= 2
    assert len(cluster.clients_of_each(SUPERVISED - 1)) == SUPERVISED - 1
    cluster.command.signal(signal.SIGTERM)  # while it waits
    assert cluster.command.finish() == 0


def test_http_is_each_worker_s_own(run, settings, tmp_path, connect):
    write_app(tmp_path)
    port = free_ports(2)
    command = run("app:hub", "--workers", 2, *settings,
                  "--set", f"http.listen=127.0.0.1:{port}")
    assert {command.wait_line("http ", n) for n in (1, 2)} \
        == {f"127.0.0.1:{port}", f"127.0.0.1:{port + 1}"}


# --- HUP ---

def test_hup_replaces_the_workers_one_after_the_other(cluster, tmp_path):
    before = cluster.clients_of_each(SUPERVISED)
    # What is new in the module is what the new ones run.
    write_app(tmp_path, APP.replace('"node": hub.node_name', '"node": "new"'))
    most = 0
    cluster.command.signal(signal.SIGHUP)

    def done():
        nonlocal most
        most = max(most, len(cluster.workers()))
        return "all workers are new" in cluster.command.err

    wait_until(done, "all are replaced", 3 * DEADLINE)
    assert most == SUPERVISED + 1
    assert {c.wait_closed()[0] for c in before.values()} == {1001}
    after = cluster.clients_of_each(SUPERVISED)
    assert not set(after) & set(before)
    assert {c.server["node"] for c in after.values()} == {"new"}
    cluster.speak(next(iter(after.values())), after.values(), "renewed")


def test_hup_leaves_the_old_ones_if_new_ones_can_t_start(cluster, tmp_path):
    before = cluster.clients_of_each(SUPERVISED)
    workers = cluster.workers()
    write_app(tmp_path, "raise ValueError('half written')\n")
    cluster.command.signal(signal.SIGHUP)
    cluster.command.wait_err("the others stay as they are")
    for pid, client in before.items():
        assert json.loads(client.ask("where"))["pid"] == pid
    assert cluster.workers() == workers


def test_term_during_a_replacement_ends_all(cluster):
    clients = cluster.clients_of_each(SUPERVISED)
    cluster.command.signal(signal.SIGHUP)
    wait_until(lambda: len(cluster.workers()) > SUPERVISED, "a new one")
    cluster.command.signal(signal.SIGTERM)
    assert {c.wait_closed()[0] for c in clients.values()} == {1001}
    assert cluster.command.finish() == 0
