"""`python -m fanwire`: the server fanwired, and `run` for a hub of one's own."""

import json
import os
import signal
import stat

import pytest

from run_support import APP, Command, write_app
from support import DEADLINE, wait_until


@pytest.fixture
def command(tmp_path):
    """command(*arguments): `python -m fanwire ...` in the test's folder."""
    started = []

    def start(*arguments, folder=tmp_path, **keywords):
        started.append(Command(folder, *arguments, **keywords))
        return started[-1]

    yield start
    for one in started:
        one.end()


def failure(command):
    """(exit status, lines on stderr) of a command that can't do what it should."""
    status = command.finish()
    return status, command.err.splitlines()


# --- fanwired ---

def test_without_run_it_is_fanwired(command):
    c = command("--version")
    assert c.finish() == 0
    assert c.lines[0].startswith("fanwired ")


def test_everything_is_passed_on_to_fanwired(command):
    c = command("serve", "--listen=ws://127.0.0.1:0/x y", "--check-config", "--no-such")
    status, lines = failure(c)
    assert status == 2
    assert len(lines) == 1 and lines[0].startswith("fanwired: ")


def test_fanwired_takes_the_place_of_python(command):
    c = command("--listen", "ws://127.0.0.1:0/ws")
    assert c.url.startswith("ws://127.0.0.1:")
    with open(f"/proc/{c.pid}/comm", encoding="ascii") as f:
        assert f.read().strip() == "fanwired"
    c.signal(signal.SIGTERM)
    assert c.finish() == 0


@pytest.fixture
def without_program(monkeypatch):
    """The module, as it would be in a package that has no program."""
    import fanwire
    from fanwire import __main__ as module

    def become(*what):
        raise AssertionError(what)

    monkeypatch.setattr(fanwire, "__path__", ["/nonexistent/fanwire"])
    monkeypatch.setattr(module.os, "execv", become)
    return module


def executable(folder, text):
    folder.mkdir(exist_ok=True)
    path = folder / "fanwired"
    path.write_bytes(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_program_on_PATH_will_do(without_program, tmp_path, monkeypatch):
    path = executable(tmp_path / "bin", b"\x7fELF")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert without_program.find_fanwired() == path


def test_a_script_on_PATH_is_passed_over_lest_it_starts_this_again(
        without_program, tmp_path, monkeypatch):
    executable(tmp_path / "one", b"#!/usr/bin/python3\n")
    path = executable(tmp_path / "two", b"\x7fELF")
    monkeypatch.setenv("PATH", f"{tmp_path}/one:{tmp_path}/two")
    assert without_program.find_fanwired() == path


def test_a_missing_program_is_a_sentence(without_program, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert without_program.main(["--version"]) == 1
    assert "fanwired" in capsys.readouterr().err


# --- run: what is wrong is one line ---

BROKEN = [
    ("nosuch:hub", "nosuch: no such module"),
    ("app.sub:hub", "app.sub: no such module"),
    ("app:nosuch", "app has no attribute 'nosuch'; hubs in it: hub"),
    ("app:text", "app:text is a str, not a fanwire.Hub"),
    ("app:returns_text", "app:returns_text returned a str, not a fanwire.Hub"),
    ("app:wants", "app:wants() is called without arguments"),
    ("app:sleepy", "app:sleepy is async"),
    ("app", "app: MODULE:ATTRIBUTE is expected"),
    ("app:", "app:: MODULE:ATTRIBUTE is expected"),
    (":hub", ":hub: MODULE:ATTRIBUTE is expected"),
    (".app:hub", ".app:hub: MODULE:ATTRIBUTE is expected"),
    ("app.py:hub", "app.py:hub: a module's name is expected"),
    ("./app:hub", "./app:hub: a module's name is expected"),
    ("app:hub()", "app:hub(): MODULE:ATTRIBUTE is expected"),
    ("app:started", "app:started runs already"),
]
BROKEN_APP = APP + """
text = "hub"
def returns_text(): return text
def wants(path): return hub
async def sleepy(): return hub
class _Started(fanwire.Hub):
    running = True
started = _Started()
"""


@pytest.mark.parametrize("target,sentence", BROKEN)
def test_what_is_no_hub_is_one_line(command, tmp_path, target, sentence):
    write_app(tmp_path, BROKEN_APP)
    status, lines = failure(command("run", target))
    assert status == 2
    assert len(lines) == 1, lines
    assert lines[0].startswith("fanwire: " + sentence)


@pytest.mark.parametrize("arguments,sentence", [
    ([], "MODULE:ATTRIBUTE"),
    (["app:hub", "more"], "more"),
    (["app:hub", "--no-such"], "--no-such"),
    (["app:hub", "--workers", "0"], "0: a whole number from 1"),
    (["app:hub", "--workers", "-1"], "-1: a whole number from 1"),
    (["app:hub", "--workers", "many"], "many: a whole number from 1"),
    (["app:hub", "--workers", "9" * 400], "a whole number from 1"),
    (["app:hub", "--work", "2"], "--work"),
    (["app:hub", "--app-dir", "/nonexistent"],
     "--app-dir /nonexistent: no such directory"),
])
def test_a_wrong_command_is_one_line(command, tmp_path, arguments, sentence):
    write_app(tmp_path)
    status, lines = failure(command("run", *arguments))
    assert status == 2
    assert len(lines) == 1, lines
    assert lines[0].startswith("fanwire: ") and sentence in lines[0]


HOSTILE = [
    ("listen", "NAME=VALUE"),
    ("=x", "NAME=VALUE"),
    ("=", "NAME=VALUE"),
    ("", "NAME=VALUE"),
    ("lisen=x", "lisen: no such option, did you mean listen?"),
    ("redis.ulr=x", "did you mean redis.url?"),
    ("self=1", "self: no such option"),
    ("__class__=1", "__class__: no such option"),
    ("concurrency=5", "concurrency: no such option"),
    ("config=/etc/passwd", "config: no such option"),
    ("logger=x", "logger: no such option"),
    ("LISTEN=x", "LISTEN: no such option"),
    (" listen=x", "no such option"),
    ("events=inline", "events"),
    ("heartbeat.interval=25", "heartbeat.interval: 25"),
    ("heartbeat.interval=-1s", "heartbeat.interval: -1s"),
    ("message.max_bytes=1e9", "message.max_bytes: 1e9"),
    ("threads=99999999999999999999", "threads: 99999999999999999999"),
    ("listen=http://x", "listen"),
    ("listen=ws://127.0.0.1:99999/", "listen"),
    ("drain.timeout=\x1b[31mred\nline", "drain.timeout: \\x1b[31mred\\x0aline:"),
    ("drain.timeout=" + "9" * 50000, "drain.timeout: 999"),
    ("x\nfanwire: all is well=1", "x?fanwire: all is well: no such option"),
    (b"node.name=\xff\xfe", "node.name"),
    (b"\xff\xfe=1", "no such option"),
]


@pytest.mark.parametrize("item,sentence", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_setting_is_one_line(command, tmp_path, item, sentence):
    write_app(tmp_path)
    if isinstance(item, bytes):
        item = os.fsdecode(item)
    c = command("run", "app:hub", "--set", item)
    status, lines = failure(c)
    assert status == 2, lines
    assert len(lines) == 1, lines
    assert lines[0].startswith("fanwire: ") and sentence in lines[0]
    assert len(lines[0]) < 1200
    assert not c.lines


def test_a_password_is_not_shown_in_an_error(command, tmp_path):
    write_app(tmp_path)
    c = command("run", "app:hub", "--set", "redis.url=redis://u:geheim@[:1/")
    status, lines = failure(c)
    assert status == 2 and len(lines) == 1
    assert "redis.url" in lines[0] and "geheim" not in lines[0]


# --- run: what goes wrong inside the application is Python's to show ---

@pytest.mark.parametrize("source", [
    "import nosuchthing\n",
    "def f():\n    raise ValueError('oh')\nf()\n",
    "from os import nosuchname\n",
    "hub = (\n",
    "import app.sub\n",
], ids=["import", "exception", "name", "syntax", "submodule"])
def test_an_exception_inside_the_module_shows_its_own_traceback(
        command, tmp_path, source):
    write_app(tmp_path, source)
    status, lines = failure(command("run", "app:hub"))
    assert status == 1
    assert any("app.py" in line for line in lines), lines
    assert not any("_run.py" in line or "importlib" in line for line in lines), lines
    assert lines[-1].split(":")[0] in ("ModuleNotFoundError", "ImportError", "ValueError",
                                       "SyntaxError")


def test_an_exception_inside_the_function_shows_its_own_traceback(command, tmp_path):
    write_app(tmp_path, "def make():\n    raise KeyError('settings')\n")
    status, lines = failure(command("run", "app:make"))
    assert status == 1
    assert lines[-1] == "KeyError: 'settings'"
    assert not any("_run.py" in line for line in lines)


def test_a_wrong_option_in_the_code_is_a_mistake_of_the_configuration(command, tmp_path):
    write_app(tmp_path, "import fanwire\nhub = fanwire.Hub(drain_timeout='soon')\n")
    status, lines = failure(command("run", "app:hub"))
    assert status == 2
    assert "drain.timeout: soon" in lines[-1]


def test_a_module_may_end_the_command_itself(command, tmp_path):
    write_app(tmp_path, "import sys\nsys.exit(7)\n")
    assert command("run", "app:hub").finish() == 7


def test_a_port_in_use_is_one_line_and_status_1(command, tmp_path):
    write_app(tmp_path)
    first = command("run", "app:hub")
    second = command("run", "app:hub", "--set", "listen=" + first.url)
    status, lines = failure(second)
    assert status == 1
    said = [line for line in lines if line.startswith("fanwire: ")]
    assert len(said) == 1 and "in use" in said[0] and first.url in said[0]


# --- run: what works ---

def stop(c, number=signal.SIGTERM):
    c.signal(number)
    return c.finish()


def test_a_hub_is_found_and_run(command, tmp_path, connect):
    write_app(tmp_path)
    c = command("run", "app:hub")
    client = connect(c.url)
    assert json.loads(client.receive())["pid"] == c.pid
    assert client.ask("hello") == "hello"
    assert stop(c) == 0


@pytest.mark.parametrize("target", ["app:make", "app:Kept.hub", "pack.inner:hub"])
def test_a_hub_may_be_made_by_a_function_or_lie_deeper(
        command, tmp_path, connect, target):
    write_app(tmp_path, APP + "\ndef make(path=''):\n    return hub\n"
              "class Kept: pass\nKept.hub = hub\n")
    write_app(tmp_path, APP, "pack/inner.py")
    c = command("run", target)
    assert connect(c.url).ask("hello")
    assert stop(c) == 0


def test_modules_are_looked_for_in_app_dir(command, tmp_path, connect):
    write_app(tmp_path, "raise SystemExit('the wrong app')")
    write_app(tmp_path, APP, "deep er/app.py")
    c = command("run", "app:hub", "--app-dir", "deep er")
    assert connect(c.url).ask("hello")
    assert stop(c) == 0


def test_settings_win_over_the_code(command, tmp_path):
    write_app(tmp_path)
    c = command("run", "app:hub", "--set", "listen=ws://127.0.0.1:0/one",
                "--set", "listen=ws://127.0.0.1:0/two", "--set", "node.name=a=b",
                "--set", "http_listen=127.0.0.1:0")
    urls = [c.wait_line("listening ", n) for n in (1, 2)]
    assert [url.rpartition("/")[2] for url in urls] == ["one", "two"]
    assert c.wait_line("http ").startswith("127.0.0.1:")
    assert stop(c) == 0
    assert len([line for line in c.lines if line.startswith("listening ")]) == 2


def test_the_log_goes_to_stderr_as_fanwired_writes_it(command, tmp_path):
    write_app(tmp_path)
    c = command("run", "app:hub")
    c.wait_err(" info  listen: listening on " + c.url)
    assert stop(c) == 0


def test_the_log_may_be_json(command, tmp_path):
    write_app(tmp_path)
    c = command("run", "app:hub", "--set", "log.format=json", "--set", "log.level=debug")
    c.wait_err("listening on " + c.url)
    assert stop(c) == 0
    records = [json.loads(line) for line in c.err.splitlines()]
    assert {"time", "level", "component", "message"} <= set(records[0])


def test_the_log_may_be_a_file_that_is_moved_away(command, tmp_path, connect):
    write_app(tmp_path)
    file = tmp_path / "log"
    c = command("run", "app:hub", "--set", f"log.file={file}")
    url = c.url
    wait_until(lambda: file.exists() and url in file.read_text(), "a line in the file")
    file.rename(tmp_path / "log.1")
    assert stop(c) == 0
    assert file.exists() and url not in file.read_text()
    assert c.err == ""


def test_a_log_file_that_can_t_be_opened_is_one_line(command, tmp_path):
    write_app(tmp_path)
    file = "/nonexistent/log"
    status, lines = failure(command("run", "app:hub", "--set", "log.file=" + file))
    assert status == 1
    assert len(lines) == 1 and lines[0].startswith(f"fanwire: log.file: {file}: ")


def test_the_log_of_an_application_that_has_set_it_up_is_its_own(command, tmp_path):
    write_app(tmp_path, """
import logging
logging.basicConfig(level=logging.INFO, format="mine %(message)s")
""" + APP)
    c = command("run", "app:hub")
    c.wait_err("mine listening on " + c.url)
    assert stop(c) == 0


# --- signals ---

@pytest.mark.parametrize("how", ["run", "hub.run()"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_leaves_nothing(
        command, program, tmp_path, connect, how, number):
    if how == "run":
        write_app(tmp_path)
        c = command("run", "app:hub")
        url = c.url
    else:
        c = program(APP + """
import threading
def watch():
    while not hub.urls:
        pass
    tell("url", hub.urls[0])
threading.Thread(target=watch).start()
hub.run()
tell("after", [hub.running, threading.active_count()])
""")
        url = c.wait("url")
    clients = [connect(url) for _ in range(5)]
    for client in clients:
        client.receive()
    c.signal(number)
    assert [client.wait_closed()[0] for client in clients] == [1001] * 5
    assert c.finish() == 0, c.err
    assert "Traceback" not in c.err
    if how == "hub.run()":
        assert c.wait("after")[0] is False


def test_a_second_signal_ends_at_once(command, tmp_path, connect):
    write_app(tmp_path, APP + """
@hub.on_close
async def closed(session, code, reason):
    import asyncio
    await asyncio.sleep(3600)
""")
    # Draining would go on for as long as it may: no handler comes back.
    c = command("run", "app:hub", "--set", "drain.rate=1", "--set", "drain.timeout=5m")
    clients = [connect(c.url) for _ in range(40)]
    for client in clients:
        client.receive()
    c.signal(signal.SIGTERM)
    wait_until(lambda: any(client.ws.closed for client in clients), "the draining begins")
    c.signal(signal.SIGTERM)
    assert c.finish(DEADLINE) == 0
    assert {client.wait_closed()[0] for client in clients} == {1001}


def test_a_signal_before_the_hub_has_begun_to_start_is_not_lost(command, tmp_path):
    """It comes when there is nothing yet that could be stopped."""
    (tmp_path / "app.py").write_text("""
import os, signal, fanwire

class Early(fanwire.Hub):
    async def astart(self):
        os.kill(os.getpid(), signal.SIGTERM)
        await super().astart()

hub = Early(listen="ws://127.0.0.1:0/ws")
""", encoding="utf-8")
    c = command("run", "app:hub")
    assert c.finish() == 0


def test_an_application_that_would_run_its_hub_itself_is_run_all_the_same(command,
                                                                         tmp_path):
    write_app(tmp_path, APP + "\nhub.run()\nhub.run()\n")
    c = command("run", "app:hub")
    assert c.url.startswith("ws://127.0.0.1:")
    c.wait_err("hub.run() is left out", 2)
    c.signal(signal.SIGTERM)
    assert c.finish() == 0
