"""Secrets go in and never come out: not in the log, however talkative it is, nor on any
page, nor in what fanwired prints, nor in an error."""

import asyncio
import http.client
import json
import re
import signal
import socket
import subprocess

import pytest
import websockets

from conftest import DEADLINE, OwnRedis, run, wait_until
from test_reload import status
from test_token import make

SECRET = "hmac-secret-that-nobody-else-must-ever-see"
SECRETS = {
    "redis.url": "redis-passw0rd",
    "token.hmac_secret": SECRET,
    "api.key": "api-key-0f-the-back-end",
    "admin.password": "admin-passw0rd",
}
WRONG = {"api.key": "wr0ng-api-key", "admin.password": "wr0ng-passw0rd",
         "redis.url": "wr0ng-redis-passw0rd"}


@pytest.fixture
def redis(tmp_path):
    """(server, port): it asks for the password."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    r = OwnRedis(tmp_path, "--port", port)
    r.command("CONFIG", "SET", "requirepass", SECRETS["redis.url"])
    yield r, port
    r.kill()


def options_for(port, password=SECRETS["redis.url"]):
    return {"redis.url": f"redis://:{password}@127.0.0.1:{port}",
            **{name: value for name, value in SECRETS.items() if name != "redis.url"},
            "log.level": "trace"}


def as_flags(options):
    return [f"--{name}={value}" for name, value in options.items()]


def as_environment(options):
    return {"FANWIRE_" + name.upper().replace(".", "_"): value
            for name, value in options.items()}


def post(f, path, body, **headers):
    host, _, port = f.http.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=DEADLINE)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read().decode()
    finally:
        connection.close()


async def come_in(url, token):
    async with websockets.connect(f"{url}?room=a&token={token}") as ws:
        await ws.send("hello")
        assert await asyncio.wait_for(ws.recv(), DEADLINE) == "hello"


def use_all(f):
    """Each secret is used, rightly and wrongly. What came to light in the meantime and is
    no option: tokens, and the cookie."""
    good, bad = make({"sub": "ann"}, SECRET), make({"sub": "ann"}, "x" * 40)
    asyncio.run(come_in(f.url, good))
    assert status(f, "?room=a&token=" + bad) == 401
    assert status(f, "?room=a", None, "Authorization: Bearer " + bad) == 401
    key = {"X-API-Key": SECRETS["api.key"]}
    assert post(f, "/api/info", "{}", **key)[0] == 200
    assert post(f, "/api/info", "{}", **{"X-API-Key": WRONG["api.key"]})[0] == 401
    assert post(f, "/api/publish", '{"channel": "a", "data": ' + SECRET, **key)[0] == 400
    cookies = []
    for password in (SECRETS["admin.password"], WRONG["admin.password"]):
        _, headers, _ = post(f, "/admin/login", json.dumps({"password": password}),
                             **{"Content-Type": "application/json"})
        cookies += re.findall(r"=([^;]{8,})", headers.get("Set-Cookie", ""))
    assert cookies, "somebody has logged in"
    return [good, bad, *cookies, *(t.split(".")[2] for t in (good, bad))]


def shown(f):
    """All that it says to anybody who asks, and has said so far."""
    pages = [f.get(path)[2] for path in ("/health", "/ready", "/metrics", "/admin", "/x")]
    return "\n".join([f.err(), *f.lines, *pages])


def assert_shows_none(text, secrets):
    assert [s for s in secrets if s in text] == []


@pytest.mark.parametrize("where", ["flags", "environment"])
def test_no_secret_is_in_the_log_or_on_a_page(fanwired, redis, where):
    server, port = redis
    options = options_for(port)
    f = (fanwired(*as_flags(options), last="redis") if where == "flags" else
         fanwired(env=as_environment(options), last="redis"))
    wait_until(lambda: f.get("/ready")[0] == 200, "Redis takes the password")
    more = use_all(f)
    server.restart()  # it has no password any more, and says so to who shows one
    f.wait_for_log("away")
    assert_shows_none(shown(f), [*SECRETS.values(), *WRONG.values(), *more])
    f.signal(signal.SIGHUP)
    f.wait_for_log("reload")
    f.signal(signal.SIGTERM)
    assert f.wait() == 0
    assert_shows_none(f.err(), [*SECRETS.values(), *WRONG.values(), *more])


def test_a_wrong_redis_password_is_not_in_the_log(fanwired, redis):
    f = fanwired(*as_flags(options_for(redis[1], WRONG["redis.url"])), last="redis")
    f.wait_for_log("WRONGPASS")
    assert_shows_none(shown(f), [*SECRETS.values(), *WRONG.values()])
    assert f.redis == f"redis://:***@127.0.0.1:{redis[1]}"


@pytest.mark.parametrize("flag", ["--help", "--options-markdown", "--man-page",
                                  "--bash-completion", "--version"])
def test_no_secret_of_the_environment_is_in_what_describes_options(flag):
    done = run(flag, env=as_environment(options_for(6379)))
    assert done.status == 0
    assert_shows_none(done.out + done.err, SECRETS.values())


# What is wrong is near a secret, or is one.
@pytest.mark.parametrize("option, value, secret", [
    ("redis.url", "redis://:redis-passw0rd@127.0.0.1:99999", "redis-passw0rd"),
    ("redis.url", "redis//:redis-passw0rd@127.0.0.1", "redis-passw0rd"),
    ("redis.url", "redis+sentinel://h/m?sentinel_password=s3ntinel&db=x", "s3ntinel"),
    ("token.hmac_secret", "sh0rt-secret", "sh0rt-secret"),
    ("api.key", "a key with-blanks", "with-blanks"),
    ("admin.password", "sh0rt", "sh0rt"),
    ("admin.passwort", "misspelt-0ption", "misspelt-0ption"),
])
@pytest.mark.parametrize("where", ["flag", "environment", "file"])
def test_a_wrong_value_is_told_without_the_secret(tmp_path, where, option, value, secret):
    if where == "flag":
        done = run("--check-config", f"--{option}={value}")
    elif where == "environment":
        done = run("--check-config", env=as_environment({option: value}))
    else:
        config = tmp_path / "fanwired.ini"
        config.write_text(f"{option} = {value}\n")
        done = run("--check-config", "--config", str(config))
    assert done.status == 2 and len(done.err_lines) == 1, done.err
    assert secret not in done.err + done.out


def test_a_redis_that_is_away_is_told_without_the_password(closed_port):
    url = f"redis://ann:redis-passw0rd@127.0.0.1:{closed_port.getsockname()[1]}"
    for command in (("publish", "a", "x"), ("presence", "a"), ("history", "a"),
                    ("disconnect", "ann"), ("trace", "a")):
        done = run(*command, "--redis.url", url)
        assert done.status == 1 and "redis://ann" in done.err, done.err
        assert "redis-passw0rd" not in done.err + done.out


def test_flags_are_seen_by_others_and_the_environment_is_not(fanwired):
    """Why the manual would have secrets in the environment: nothing of that is ours."""
    f = fanwired(env={"FANWIRE_API_KEY": SECRETS["api.key"]})
    with open(f"/proc/{f.pid}/cmdline", encoding="utf-8") as file:
        assert SECRETS["api.key"] not in file.read()
    mode = subprocess.run(["stat", "-c", "%a", f"/proc/{f.pid}/environ"], check=True,
                          capture_output=True, text=True).stdout
    assert mode.strip() == "400"
