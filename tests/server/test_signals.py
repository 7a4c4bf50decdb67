"""Signals: an orderly end, an end at once, a log that is moved away."""

import asyncio
import os
import signal
import socket

import pytest
import websockets

from conftest import DEADLINE, wait_until


@pytest.fixture(params=["file", "abstract"])
def notify_socket(request, tmp_path):
    """What a service manager listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        name = str(tmp_path / "notify")
        if request.param == "abstract":
            s.bind("\0" + name)
            name = "@" + name
        else:
            s.bind(name)
        s.settimeout(DEADLINE)
        yield s, name


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_that_was_asked_for_is_status_0(fanwired, number):
    f = fanwired()
    f.signal(number)
    assert f.wait() == 0


def test_sessions_are_closed_with_1001(fanwired):
    f = fanwired()

    async def scenario():
        async with websockets.connect(f.url + "?room=a") as ws:
            f.signal(signal.SIGTERM)
            await asyncio.wait_for(ws.wait_closed(), DEADLINE)
            assert ws.close_code == 1001

    asyncio.run(scenario())
    assert f.wait() == 0


def test_a_second_signal_stops_at_once(fanwired):
    # At one session a second, draining these would take longer than the test waits.
    f = fanwired("--drain.rate", "1", "--drain.timeout", "5m")

    async def scenario():
        sessions = [await websockets.connect(f.url) for _ in range(60)]
        f.signal(signal.SIGTERM)
        f.wait_for_log("draining")
        f.signal(signal.SIGTERM)
        for ws in sessions:
            await asyncio.wait_for(ws.wait_closed(), DEADLINE)
        return [ws.close_code for ws in sessions]

    assert set(asyncio.run(scenario())) == {1001}
    assert f.wait() == 0


def silent_session(port):
    """A client that shakes hands and then neither reads nor answers."""
    s = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
    s.sendall(b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
              b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
              b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
    assert s.recv(4096).startswith(b"HTTP/1.1 101 ")
    return s


@pytest.mark.parametrize("signals", [1, 2])
def test_clients_that_don_t_answer_don_t_keep_it_from_ending(fanwired, signals):
    f = fanwired("--drain.timeout", "1s" if signals == 1 else "5m")
    port = int(f.url.rsplit(":", 1)[1].split("/")[0])
    clients = [silent_session(port) for _ in range(3)]
    f.signal(signal.SIGTERM)
    f.wait_for_log("draining")
    if signals == 2:
        f.signal(signal.SIGTERM)
    assert f.wait() == 0
    for client in clients:
        client.close()


def test_hup_reopens_the_log(fanwired, tmp_path):
    path, moved = tmp_path / "fanwire.log", tmp_path / "fanwire.log.1"
    f = fanwired("--log.file", str(path))
    path.rename(moved)
    f.signal(signal.SIGHUP)
    wait_until(lambda: path.exists() and "log reopened" in path.read_text(),
               "the new file")
    f.signal(signal.SIGTERM)
    assert f.wait() == 0
    assert "stopped" in path.read_text() and "stopped" not in moved.read_text()


def test_hup_keeps_the_old_log_when_there_can_be_no_new_one(fanwired, tmp_path):
    directory = tmp_path / "log"
    directory.mkdir()
    path = directory / "fanwire.log"
    f = fanwired("--log.file", str(path))
    kept = os.open(path, os.O_RDONLY)
    path.unlink()
    directory.rmdir()
    f.signal(signal.SIGHUP)
    f.signal(signal.SIGTERM)
    assert f.wait() == 0
    text = os.read(kept, 1 << 20).decode()
    os.close(kept)
    assert "the log can't be reopened" in text and "stopped" in text


def test_hup_without_a_file_changes_nothing(fanwired):
    f = fanwired()
    f.signal(signal.SIGHUP)
    assert f.get("/health")[0] == 200
    f.signal(signal.SIGTERM)
    assert f.wait() == 0


def test_a_service_manager_is_told(fanwired, notify_socket):
    manager, name = notify_socket
    f = fanwired(env={"NOTIFY_SOCKET": name})
    assert manager.recv(4096) == b"READY=1"
    f.signal(signal.SIGHUP)
    assert manager.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    assert manager.recv(4096) == b"READY=1"
    f.signal(signal.SIGTERM)
    assert manager.recv(4096) == b"STOPPING=1"
    assert f.wait() == 0
