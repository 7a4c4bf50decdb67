"""Debian's python3-websockets, a client that we did not write, against fanwired in rooms
mode: what is said in a room comes back to its sender. The same in JavaScript is in
tests/e2e/{clients,compression}.test.mjs. The client offers compression in any case: once
the server has it off, once on."""

import asyncio
import os
import pathlib
import re
import subprocess
import threading

import pytest
import websockets

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD_DIR", SOURCE / "build" / "dev"))
MIB = 1024 * 1024
DEADLINE = 60 * int(os.environ.get("FW_TEST_SLOW", "1"))


@pytest.fixture(scope="module", params=["off", "on"])
def compression(request):
    return request.param


@pytest.fixture(scope="module")
def url(compression):
    server = subprocess.Popen(
        [BUILD / "capi/server/fanwired", "--listen", "ws://127.0.0.1:0/ws",
         "--compression", compression],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watchdog = threading.Timer(DEADLINE, server.kill)  # ends the reading below
    watchdog.start()
    printed, found = "", None
    for line in server.stdout:
        printed += line
        found = re.search(r"ws://127\.0\.0\.1:[1-9]\d*/ws", line)
        if found:
            break
    watchdog.cancel()
    assert found, printed
    # Somebody has to read what it prints, or it would block one day.
    drain = threading.Thread(target=server.stdout.read, daemon=True)
    drain.start()
    yield found.group()
    server.terminate()
    try:
        assert server.wait(DEADLINE) == 0
    finally:
        server.kill()
        drain.join(DEADLINE)


def talk(url, conversation):
    """Runs a coroutine with a connection of its own, against the clock."""

    async def limited():
        async with websockets.connect(url, max_size=2 * MIB) as ws:
            await conversation(ws)

    asyncio.run(asyncio.wait_for(limited(), DEADLINE))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, MIB])
def test_text_and_binary_come_back(url, size):
    async def conversation(ws):
        for message in ("a" * size, os.urandom(size)):
            await ws.send(message)
            assert await ws.recv() == message

    talk(f"{url}?room=py-{size}", conversation)


def test_compression_is_agreed_on_where_it_is_on(url, compression):
    async def conversation(ws):
        names = [extension.name for extension in ws.extensions]
        assert names == (["permessage-deflate"] if compression == "on" else [])
        for i in range(20):  # nothing of one message is in the way of the next
            message = "the same words again and again, %d " % i * 50
            await ws.send(message)
            assert await ws.recv() == message

    talk(f"{url}?room=py-agreed", conversation)


def test_one_mib_in_fragments_comes_back_whole(url):
    data = os.urandom(MIB)

    async def conversation(ws):
        await ws.send([data[at : at + 50_000] for at in range(0, MIB, 50_000)])
        assert await ws.recv() == data

    talk(f"{url}?room=py-fragments", conversation)


def test_text_in_fragments_comes_back_whole(url):
    async def conversation(ws):
        await ws.send(["Gr", "ü", "ße ", "漢", "字 😀"])
        assert await ws.recv() == "Grüße 漢字 😀"

    talk(f"{url}?room=py-text", conversation)


@pytest.mark.parametrize("body", [b"", b"x", b"y" * 125])
def test_a_ping_is_answered_with_its_body(url, body):
    async def conversation(ws):
        await (await ws.ping(body))  # resolved by a pong that carries the same body

    talk(f"{url}?room=py-ping", conversation)


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_a_close_code_is_answered_with_the_same(url, code):
    async def conversation(ws):
        await ws.close(code, "why")
        assert ws.close_code == code

    talk(f"{url}?room=py-close", conversation)


def test_two_members_of_a_room_hear_each_other_in_order(url):
    async def conversation(first):
        async with websockets.connect(f"{url}?room=py-two") as second:
            await second.send("ready")
            assert await first.recv() == "ready"
            for i in range(100):
                await first.send(str(i))
            heard = [await second.recv() for _ in range(101)]
            assert heard == ["ready"] + [str(i) for i in range(100)]

    talk(f"{url}?room=py-two", conversation)
