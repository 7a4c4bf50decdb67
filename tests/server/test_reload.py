"""HUP: the configuration is read anew, sessions stay, what is wrong changes nothing."""

import asyncio
import http.client
import json
import re
import signal
import socket
import ssl

import pytest
import websockets

from conftest import DEADLINE, make_certificate, run, wait_until

OK, FAILED = 'result="ok"', 'result="failed"'


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "fanwired.ini"
    path.write_text("listen = ws://127.0.0.1:0/ws\n")
    return path


def reloads(f, result):
    metrics = f.get("/metrics")[2]
    return int(re.search(r"^fanwire_config_reloads_total\{%s\} (\d+)$" % result, metrics,
                         re.MULTILINE).group(1))


def reload(f, result=OK):
    before = reloads(f, result)
    f.signal(signal.SIGHUP)
    wait_until(lambda: reloads(f, result) == before + 1, "a reload that is " + result)


def start(fanwired, config, *args):
    return fanwired("--config", str(config), *args, listen=None)


async def in_thread(f, *args):
    return await asyncio.get_running_loop().run_in_executor(None, f, *args)


async def close_code(ws):
    await asyncio.wait_for(ws.wait_closed(), DEADLINE)
    return ws.close_code


def shake_hands(f, query="", origin=None, *lines):
    """(status, socket) of a handshake; lines are more of its head."""
    port = int(f.url.rsplit(":", 1)[1].split("/")[0])
    s = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
    head = [f"GET /ws{query} HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket",
            "Connection: Upgrade", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
    head += [*([f"Origin: {origin}"] if origin else []), *lines]
    s.sendall("\r\n".join([*head, "", ""]).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += s.recv(1)
    return int(answer.split()[1]), s


def status(f, query="", origin=None, *lines):
    number, s = shake_hands(f, query, origin, *lines)
    s.close()
    return number


def test_limits_hold_from_then_on_and_sessions_stay(fanwired, config):
    f = start(fanwired, config)

    async def scenario():
        async with websockets.connect(f.url + "?room=a") as before:
            config.write_text(config.read_text() + "message.max_bytes = 10\n"
                              "limit.sessions = 2\nlimit.rooms_per_session = 1\n")
            await in_thread(reload, f)
            await before.send("ten bytes!")
            assert await asyncio.wait_for(before.recv(), DEADLINE) == "ten bytes!"
            assert await in_thread(status, f, "?room=a&room=b") == 400
            async with websockets.connect(f.url + "?room=a"):
                assert await in_thread(status, f) == 503
            await before.send("eleven byte")
            assert await close_code(before) == 1009

    asyncio.run(scenario())


def test_origins_hold_from_then_on(fanwired, config):
    f = start(fanwired, config)
    assert status(f, origin="https://example.org") == 403
    config.write_text(config.read_text() + "origins = https://example.org\n")
    reload(f)
    assert status(f, origin="https://example.org") == 101


@pytest.mark.parametrize("before", ["0s", "1h"])
def test_sessions_that_are_there_are_pinged_by_a_new_interval(fanwired, config, before):
    config.write_text(config.read_text() + f"heartbeat.interval = {before}\n")
    f = start(fanwired, config)
    number, s = shake_hands(f)
    assert number == 101
    config.write_text(config.read_text().replace(before, "50ms"))
    reload(f)
    assert s.recv(2) == b"\x89\x00"
    s.close()


@pytest.mark.parametrize("line, says", [
    ("limit.sessions = many", "limit.sessions: many: a whole number"),
    ("no.such = 1", "no.such: no such option"),
    ("nonsense", "neither NAME = VALUE nor [SECTION]"),
])
def test_a_wrong_file_changes_nothing_and_says_why(fanwired, config, line, says):
    f = start(fanwired, config)
    config.write_text(config.read_text() + "limit.sessions = 1\n" + line + "\n")
    reload(f, FAILED)
    f.wait_for_log(f"error fanwired: reload: nothing has changed: {config}:3: {says}")
    assert reloads(f, OK) == 0

    number, s = shake_hands(f)
    assert number == 101 and status(f) == 101
    s.close()


def test_what_would_not_start_again_is_not_taken_over(fanwired, config):
    hooks = "hook.connect.url = http://127.0.0.1:1/\nhook.timeout = 1s\n"
    config.write_text(config.read_text() + hooks + "decision.timeout = 5s\n")
    f = start(fanwired, config)
    config.write_text(config.read_text().replace("5s", "2s"))
    reload(f, FAILED)
    f.wait_for_log("reload: nothing has changed: hook.timeout: 1s: a request may wait")
    assert run("--config", str(config), "--check-config").status == 2

    config.write_text(config.read_text().replace("2s", "3s"))
    reload(f)


def test_a_file_that_is_gone_changes_nothing(fanwired, config):
    f = start(fanwired, config)
    config.unlink()
    reload(f, FAILED)
    f.wait_for_log(f"nothing has changed: config: {config}: No such file")


def test_what_can_t_be_changed_is_said_in_a_line_each(fanwired, config):
    f = start(fanwired, config)
    config.write_text("listen = ws://127.0.0.1:1/ws\n[namespace.news]\npresence = on\n"
                      "[room]\nhistory.size = 5\n[limit]\nsessions = 10\n")
    reload(f)
    f.wait_for_log("options taken over")
    changed = re.findall(r" warn  reload: (\S+) has changed, which needs a restart",
                         f.err())
    assert changed == ["listen", "room.history.size", "namespace.news.presence"]


def test_flags_win_over_the_file_again(fanwired, config):
    f = start(fanwired, config, "--limit.sessions", "1")
    config.write_text(config.read_text() + "limit.sessions = 100\n")
    reload(f)

    number, s = shake_hands(f)
    assert number == 101 and status(f) == 503
    s.close()


def test_the_log_changes_level_format_and_file(fanwired, config, tmp_path):
    f = start(fanwired, config)
    log = tmp_path / "fanwired.log"
    config.write_text(config.read_text() + f"[log]\nlevel = trace\nformat = json\n"
                      f"file = {log}\n")
    reload(f)
    wait_until(lambda: log.exists() and "log reopened" in log.read_text(), "the new log")

    assert status(f) == 101
    wait_until(lambda: '"level":"trace"' in log.read_text(), "a line of level trace")
    config.write_text("listen = ws://127.0.0.1:0/ws\n")
    reload(f)
    f.signal(signal.SIGTERM)
    assert f.wait() == 0
    assert "stopped" in f.err() and "stopped" not in log.read_text()


# --- secrets ---

def post(f, path, body=None, **headers):
    """(status, cookie) of a request to http.listen."""
    connection = http.client.HTTPConnection(*f.http.split(":"), timeout=DEADLINE)
    try:
        connection.request("POST", path, json.dumps(body or {}), {
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()}})
        answer = connection.getresponse()
        answer.read()
        return answer.status, (answer.headers["Set-Cookie"] or "").split(";")[0]
    finally:
        connection.close()


def test_keys_of_the_api_hold_from_then_on(fanwired, config):
    f = start(fanwired, config)

    def status_with(key):
        return post(f, "/api/channels", X_API_Key=key)[0]

    def write(keys):
        config.write_text(f"listen = ws://127.0.0.1:0/ws\n{keys}")
        reload(f)

    assert status_with("one") == 404
    write("api.key = one, two\n")
    assert [status_with(key) for key in ("one", "two", "three")] == [200, 200, 401]
    write("api.key = two, three\n")
    assert [status_with(key) for key in ("one", "two", "three")] == [401, 200, 200]
    write("")
    assert status_with("two") == 404


def test_who_has_logged_in_with_the_old_password_must_do_it_again(fanwired, config):
    config.write_text(config.read_text() + "admin.password = the old one\n")
    f = start(fanwired, config)

    def log_in(password):
        return post(f, "/admin/login", {"password": password})

    def info(cookie):
        return post(f, "/admin/api/info", Cookie=cookie)[0]

    number, cookie = log_in("the old one")
    assert number == 200 and info(cookie) == 200
    config.write_text(config.read_text() + "limit.sessions = 9\n")
    reload(f)
    assert info(cookie) == 200  # the password is the same
    config.write_text(config.read_text().replace("the old", "the new"))
    reload(f)
    assert info(cookie) == 401 and log_in("the old one")[0] == 401
    number, cookie = log_in("the new one")
    assert number == 200 and info(cookie) == 200


# --- certificates ---

def served_certificate(url):
    host, port = re.match(r"wss://([^:]+):(\d+)", url).groups()
    return ssl.get_server_certificate((host, int(port)))


def test_certificates_are_read_anew_for_those_who_come_later(fanwired, config, tmp_path):
    make_certificate(tmp_path, "one")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    config.write_text(f"listen = wss://127.0.0.1:0/ws\nthreads = 2\ntls.cert = {cert}\n"
                      f"tls.key = {key}\n")
    f = start(fanwired, config)
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    first = cert.read_text()

    async def scenario():
        async with websockets.connect(f.url + "?room=a", ssl=anybody) as before:
            assert await in_thread(served_certificate, f.url) == first
            make_certificate(tmp_path, "two")
            await in_thread(reload, f)
            for _ in range(4):  # each loop has a context of its own
                served = await in_thread(served_certificate, f.url)
                assert served == cert.read_text() != first
            await before.send("still here")
            assert await asyncio.wait_for(before.recv(), DEADLINE) == "still here"

    asyncio.run(scenario())
    good = cert.read_text()
    key.write_text("half a key")
    reload(f, FAILED)
    f.wait_for_log(f"nothing has changed: tls.cert: key {key}: ")
    assert served_certificate(f.url) == good


def test_the_manual_says_which_options_hold_at_once():
    manual = run("--options-markdown").out.split("## While it runs")[1]
    named = set(re.findall(r"^- `(\S+)`$", manual, re.MULTILINE))
    assert {"log.level", "origins", "limit.sessions", "drain.rate"} <= named
    assert not {"listen", "threads", "redis.url", "room.presence"} & named
