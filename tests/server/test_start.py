"""Starting: what is printed, and what keeps fanwired from it."""

import re
import socket

import pytest

from conftest import DEADLINE, run

HTTP_OFF = ("--http.listen", "off")
LISTEN = ("--listen", "ws://127.0.0.1:0/ws")


def assert_failed(done, *says):
    """Status 1, and the reason as the last line."""
    assert done.status == 1, done.err
    assert done.out == ""
    assert done.err_lines[-1].startswith("fanwired: ")
    for word in says:
        assert word in done.err_lines[-1]


def test_port_0_prints_the_port_that_was_taken(fanwired):
    f = fanwired()
    port = int(re.fullmatch(r"ws://127\.0\.0\.1:(\d+)/ws", f.url).group(1))
    assert port > 0
    socket.create_connection(("127.0.0.1", port), timeout=DEADLINE).close()
    assert re.fullmatch(r"127\.0\.0\.1:\d+", f.http) and not f.http.endswith(":0")


def test_several_addresses_are_printed_in_their_order(fanwired, tmp_path):
    path = tmp_path / "fw.sock"
    f = fanwired("--listen", f"unix:{path}:/unix")
    assert len(f.urls) == 2
    assert f.urls[0] == f"unix:{path}:/unix" and f.urls[1].endswith("/ws")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))


def test_a_port_in_use_is_named(used_port):
    url = f"ws://127.0.0.1:{used_port}/ws"
    assert_failed(run("--listen", url), url, "in use")


def test_a_port_in_use_for_http_is_named(used_port):
    address = f"127.0.0.1:{used_port}"
    assert_failed(run(*LISTEN, "--http.listen", address), address, "in use")


def test_a_missing_certificate_is_named():
    assert_failed(run("--listen", "wss://127.0.0.1:0/ws",
                      "--tls.cert", "/nonexistent/cert.pem",
                      "--tls.key", "/nonexistent/key.pem"), "/nonexistent/cert.pem")


def test_a_certificate_that_is_none_is_named(tmp_path):
    cert = tmp_path / "cert.pem"
    cert.write_text("not a certificate\n")
    assert_failed(run("--listen", "wss://127.0.0.1:0/ws", "--tls.cert", str(cert),
                      "--tls.key", str(cert)), str(cert))


def test_a_log_file_that_can_t_be_opened_is_named():
    assert_failed(run(*LISTEN, "--log.file", "/nonexistent/fanwire.log"),
                  "log.file: /nonexistent/fanwire.log: No such file or directory")


def test_without_redis_it_starts_says_so_and_keeps_trying(fanwired, closed_port):
    port = closed_port.getsockname()[1]
    f = fanwired("--redis.url", f"redis://:s3cret@127.0.0.1:{port}")
    assert f.redis == f"redis://:***@127.0.0.1:{port}"
    f.wait_for_log("redis")
    assert f.get("/ready")[0] == 503
    assert '"redis_up":false' in f.get("/health")[2]
    closed_port.listen()
    connection, _ = closed_port.accept()
    connection.close()
    assert "s3cret" not in f.err()


def test_redis_that_is_required_and_away_is_a_failed_start(closed_port):
    port = closed_port.getsockname()[1]
    assert_failed(run(*LISTEN, "--redis.url", f"redis://127.0.0.1:{port}",
                      "--redis.required", "on"), str(port))


@pytest.mark.parametrize("args, warned", [
    ((), False),
    (("--listen", "ws://0.0.0.0:0/ws"), True),
    (("--listen", "ws://0.0.0.0:0/ws", "--raw.user", "none"), False),
    (("--listen", "ws://0.0.0.0:0/ws", "--raw.mode", "app"), False),
    (("--listen", "ws://0.0.0.0:0/ws", "--token.hmac_secret", "s" * 32), False),
    (("--listen", "ws://0.0.0.0:0/ws", "--token.hmac_secret", "s" * 32,
      "--raw.user", "query"), True),
    (("--proxy.trusted", "10.0.0.0/8"), True),
], ids=lambda a: " ".join(a) if isinstance(a, tuple) else None)
def test_names_that_anybody_can_take_are_warned_of(fanwired, args, warned):
    f = fanwired(*args)
    f.signal(15)
    assert f.wait() == 0
    lines = [line for line in f.err().splitlines() if "raw.user=query" in line]
    assert len(lines) == (1 if warned else 0)
    assert all(" warn " in line for line in lines)


def test_publish_fails_when_redis_is_away(closed_port):
    port = closed_port.getsockname()[1]
    url = f"redis://:s3cret@127.0.0.1:{port}"
    assert_failed(run("publish", "lobby", "hello", "--redis.url", url),
                  f"fanwired: redis.url: redis://:***@127.0.0.1:{port}: ")
