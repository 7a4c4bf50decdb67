"""The examples beside web frameworks, as their README says they are started: a message
goes in by HTTP and comes out at a WebSocket client.

Everything listens on Unix sockets in the test's own folder, so no port can be taken.
"""

import http.client
import json
import os
import pathlib
import re
import socket
import subprocess
import sys

import pytest

import support

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "docs" / "examples" / "python"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=support.DEADLINE)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _accepts(path):
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(path)
            return True
        except OSError:
            return False


class Site:
    """One site of an example: processes, an HTTP socket and a WebSocket socket."""

    def __init__(self, folder, example, connect):
        self.http = os.path.join(str(folder), "http.sock")
        self.live = os.path.join(str(folder), "live.sock")
        self._log_path = os.path.join(str(folder), "log")
        self._folder = EXAMPLES / example
        self._connect = connect
        self._processes = []

    def run(self, *command, **env):
        """A module of the interpreter's, by -m; HTTP is the place to listen on."""
        command = [self.http if word == "HTTP" else word for word in command]
        env = {"FANWIRE_LISTEN": f"unix:{self.live}:/ws", "PYTHONDONTWRITEBYTECODE": "1",
               "PYTHONWARNINGS": "default::ResourceWarning", **env}
        with open(self._log_path, "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=self._folder, stdout=log,
                stderr=log, stdin=subprocess.DEVNULL, env=support.clean_environment(env))
        self._processes.append(process)
        return process

    @property
    def log(self):
        with open(self._log_path, encoding="utf-8") as f:
            return f.read()

    def wait_for(self, path):
        def there():
            dead = [p for p in self._processes if p.poll() is not None]
            assert not dead, f"{dead[0].args} has ended:\n{self.log}"
            return _accepts(path)

        support.wait_until(there, f"somebody listens on {path}")

    def enter(self, query):
        self.wait_for(self.live)
        return self._connect("ws://localhost/ws", query, unix=True, path=self.live)

    def post(self, path, value):
        """(status, body) of the answer."""
        self.wait_for(self.http)
        connection = _UnixConnection(self.http)
        try:
            connection.request("POST", path, json.dumps(value),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def stop(self):
        """TERM to all, as a supervisor does; their exit statuses."""
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        return [process.wait(support.DEADLINE) for process in self._processes]

    def kill(self):
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture
def site(tmp_path, connect):
    """site("flask"): a Site, whose processes are gone after the test."""
    made = []

    def make(example):
        made.append(Site(tmp_path, example, connect))
        return made[-1]

    yield make
    for one in made:
        one.kill()


def needs(*modules):
    """Debian's packages of the frameworks are for Debian's own interpreter."""
    for name in modules:
        pytest.importorskip(name, reason=f"{name} is not installed for this interpreter")


def check_a_note_by_http_reaches_the_user(site, ann, bob):
    status, _ = site.post("/notify", {"user": "ann", "text": "dinner is ready"})
    assert status == 202
    assert ann.receive() == "dinner is ready"
    site.post("/notify", {"user": "bob", "text": "for bob"})
    assert bob.receive() == "for bob", "and what was for ann did not come before"


def check_a_stop_is_in_good_order(site, client):
    statuses = site.stop()
    assert client.wait_closed()[0] == 1001, site.log
    assert statuses == [0] * len(statuses), site.log
    assert "Traceback" not in site.log, site.log
    # Of ours: frameworks leave files of theirs open.
    assert not re.search("ResourceWarning: .*(fanwire|hub)", site.log), site.log


def test_the_echo_says_back_what_it_is_told(site):
    echo = site("")
    echo.run("fanwire", "run", "echo:hub", "--set", f"listen=unix:{echo.live}:/ws")
    client = echo.enter("")
    assert client.ask("hello") == "hello"
    assert client.ask(b"\0\xff") == b"\0\xff"
    check_a_stop_is_in_good_order(echo, client)


def test_a_starlette_application_has_a_hub_on_its_loop(site):
    needs("starlette", "uvicorn")
    starlette = site("starlette")
    starlette.run("uvicorn", "--uds", "HTTP", "app:app")
    ann, bob = starlette.enter("user=ann"), starlette.enter("user=bob")
    check_a_note_by_http_reaches_the_user(starlette, ann, bob)
    assert ann.ask("to my other pages") == "to my other pages"
    check_a_stop_is_in_good_order(starlette, ann)


def test_a_flask_application_has_a_hub_in_a_thread(site):
    needs("flask", "gunicorn")
    flask = site("flask")
    flask.run("gunicorn", "--bind", f"unix:{flask.http}", "--threads", "4", "app:app")
    ann, bob = flask.enter("user=ann"), flask.enter("user=bob")
    check_a_note_by_http_reaches_the_user(flask, ann, bob)
    assert ann.ask("to my other pages") == "to my other pages"
    check_a_stop_is_in_good_order(flask, ann)


def test_workers_of_flask_publish_to_the_process_of_the_clients(site, redis_server):
    needs("flask", "gunicorn")
    flask = site("flask")
    flask.run("fanwire", "run", "live:hub", FANWIRE_REDIS_URL=redis_server.url)
    flask.run("gunicorn", "--bind", f"unix:{flask.http}", "--workers", "2", "workers:app",
              FANWIRE_REDIS_URL=redis_server.url)
    ann, bob = flask.enter("user=ann"), flask.enter("user=bob")
    check_a_note_by_http_reaches_the_user(flask, ann, bob)
    check_a_stop_is_in_good_order(flask, ann)


def token_of(site, user):
    status, body = site.post("/token", {"user": user})
    assert status == 200, site.log
    return "token=" + json.loads(body)["token"]


def check_django(django):
    ann = django.enter(token_of(django, "ann"))
    bob = django.enter(token_of(django, "bob"))
    check_a_note_by_http_reaches_the_user(django, ann, bob)
    assert ann.ask("to my other pages") == "to my other pages"
    with pytest.raises(Exception, match="401"):
        django.enter("token=forged")
    check_a_stop_is_in_good_order(django, ann)


def test_workers_of_django_publish_to_the_process_of_the_clients(site, redis_server):
    needs("django", "gunicorn")
    django = site("django")
    django.run("fanwire", "run", "live:hub", FANWIRE_REDIS_URL=redis_server.url)
    django.run("gunicorn", "--bind", f"unix:{django.http}", "--workers", "2",
               "wsgi:application", FANWIRE_REDIS_URL=redis_server.url)
    check_django(django)


def test_django_by_asgi_has_a_hub_on_its_loop(site):
    needs("django", "uvicorn")
    django = site("django")
    django.run("uvicorn", "--uds", "HTTP", "asgi:application")
    check_django(django)
