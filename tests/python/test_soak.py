"""Connects, messages and closes for a while, in a process with `-X dev`, all warnings as
errors and tracemalloc: nothing may be left of them. FW_SOAK_SECONDS says for how long."""

import contextlib
import os
import threading
import time

from support import (CLOSE, DEADLINE, PING, PONG, RawClient, SLOW, TEXT, handshake,
                     memory_of, wait_until)

SECONDS = float(os.environ.get("FW_SOAK_SECONDS", "20"))
KIB = 1024
MIB = 1024 * KIB

SERVER = """
    import asyncio, collections, gc, logging, os, sys, tracemalloc, threading, warnings
    warnings.simplefilter("error")
    import fanwire
    problems = []
    sys.unraisablehook = lambda u: problems.append("%r %r" % (u.exc_value, u.object))
    threading.excepthook = lambda a: problems.append("thread: %r" % (a.exc_value,))

    class Watch(logging.Handler):
        def emit(self, record):
            text = record.getMessage()
            if record.name == "asyncio" and text.startswith("Executing <"):
                return  # how long something took says nothing on a busy machine
            if "expected" not in text and not (record.exc_info
                                               and "expected" in str(record.exc_info[1])):
                problems.append(record.name + ": " + text)

    watch = Watch(logging.WARNING)
    for name in ("fanwire", "asyncio", "py.warnings"):
        logging.getLogger(name).addHandler(watch)
        logging.getLogger(name).propagate = False

    hub = fanwire.Hub(listen="ws://127.0.0.1:0/ws", limit_rooms_per_session=3)
    counts = collections.Counter()

    @hub.on_connect
    async def asked(request):
        request.state["name"] = request.query.get("user")
        await asyncio.sleep(0)
        if request.query.get("refuse"):
            raise fanwire.Refuse(403, "no")
        return request.state["name"]

    @hub.on_open
    async def opened(session):
        counts["open"] += 1
        session.state["headers"] = session.headers.get("host")
        await session.join("all")
        session.join(session.user)
        if session.query.get("talk"):
            async for word in session:
                session.send("heard " + word)
                if word == "enough":
                    break
        session.send("in")

    @hub.on_join
    def joins(session, room):
        counts["join"] += 1
        return room != "never"

    @hub.on_leave
    async def left(session, room):
        counts["leave"] += 1

    @hub.on_room_message
    def heard(room, data):
        counts["heard"] += 1

    @hub.on_message
    async def said(session, data):
        counts["said"] += 1
        if data == "fail":
            raise ValueError("expected")
        if data == "refused":
            try:
                await session.join("never")
            except fanwire.RefusedError:
                session.send("refused")
        elif data == "kick":
            session.close(4000, "kicked")
        elif data == "publish":
            message = fanwire.Message({"from": session.user}, skip=session)
            hub.publish("all", message)
            hub.send_user(session.user, "done")
        else:
            session.send(data)

    @hub.on_close
    def closed(session, code, reason):
        counts["close"] += 1
        try:
            session.send("too late")
        except fanwire.GoneError:
            pass

    def figures():
        gc.collect()
        ours = collections.Counter(
            type(o).__qualname__ for o in gc.get_objects()
            if (type(o).__module__ or "").startswith("fanwire"))
        return {"traced": tracemalloc.get_traced_memory()[0], "ours": ours,
                "files": len(os.listdir("/proc/self/fd")), "counts": counts,
                "threads": threading.active_count(), "problems": problems[:10],
                "unclosed": counts["open"] - counts["close"]}

    with hub:
        tell("url", hub.urls[0])
        for line in sys.stdin:
            word = line.strip()
            if word == "again":  # a hub that comes and goes beside it
                with fanwire.Hub(listen="ws://127.0.0.1:0/ws") as short:
                    short.broadcast("x")
                del short
                tell("again")
            elif word == "top":
                tell("top", [str(s) for s in tracemalloc.take_snapshot()
                             .statistics("lineno")[:8]])
            else:
                tell("figures", figures())
    gc.collect()
    tell("end", problems)
"""


def _text(client):
    """The next text; pings on the way are answered."""
    while True:
        opcode, payload = client.receive()
        if opcode == PING:
            client.send(PONG, payload)
        else:
            return payload.decode() if opcode == TEXT else None


def _until(client, wanted):
    """Reads up to a text; others on the way are of other clients in the same rooms."""
    while _text(client) != wanted:
        pass


def _one_round(url, name):
    """What clients do, in all the ways that they may end."""
    assert handshake(url + "?refuse=1").status == 403
    with contextlib.ExitStack() as ends:  # without a word, if they haven't ended before

        def come(query):
            client = RawClient(url + query)
            ends.callback(client.end)
            return client

        talker = come(f"?talk=1&user={name}-talk")
        talker.send(TEXT, b"a")
        _until(talker, "heard a")
        talker.send(TEXT, b"enough")
        _until(talker, "in")
        _talk([come(f"?user={name}-{i}") for i in range(4)])


def _talk(clients):
    """Whatever a session may say; two of them are closed by it."""
    for c in clients:
        _until(c, "in")
    for c in clients:
        for word in ("fail", "refused", "publish", "x" * 5000):
            c.send(TEXT, word.encode())
        _until(c, "refused")
        _until(c, "done")
    clients[0].send(TEXT, b"kick")
    clients[0].receive_close()
    clients[1].send(CLOSE, b"\x03\xe8bye")
    clients[1].receive_close()


def test_nothing_is_left_of_connects_messages_and_closes(program):
    server = program(SERVER, flags=("-X", "dev", "-X", "tracemalloc=1"))
    url = server.wait("url")
    stop, failures, rounds = threading.Event(), [], [0]

    def work(name):
        n = 0
        while not stop.is_set() and not failures:
            try:
                _one_round(url, f"{name}{n % 5}")
            except BaseException as e:  # told by the main thread
                failures.append(e)
                return
            n += 1
            rounds[0] += 1

    asked = {"figures": 0, "again": 0}

    def ask(word):
        server.say(word)
        asked[word] += 1
        return server.wait(word, asked[word], deadline=DEADLINE * 2)

    def run_for(seconds):
        stop.clear()
        threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
        for t in threads:
            t.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end and not failures:
            ask("again")
            stop.wait(0.5)
        stop.set()
        for t in threads:
            t.join(DEADLINE * 2)
        if failures:
            raise AssertionError("a client failed") from failures[0]

        files = None

        def settled():
            nonlocal files
            figures, before = ask("figures"), files
            files = figures["files"]  # also of those who were refused, and aren't counted
            busy = figures["unclosed"] or figures["ours"].get("Session")
            return not busy and files == before and figures

        return wait_until(settled, "all sessions have ended, and nothing holds them")

    before = run_for(max(3.0, SECONDS / 4))
    memory_before = memory_of(server.pid)
    after = run_for(max(3.0, SECONDS * 3 / 4))
    memory_after = memory_of(server.pid)
    print(f"\n{rounds[0]} rounds, {after['counts']['open']} sessions,"
          f" {after['counts']['said']} messages;"
          f" traced {before['traced'] // KIB} -> {after['traced'] // KIB} KiB,"
          f" resident {memory_before // MIB} -> {memory_after // MIB} MiB")
    server.say("top")
    top = "\n".join(server.wait("top"))
    assert after["problems"] == []
    assert after["ours"] == before["ours"]
    assert after["files"] == before["files"]
    assert after["threads"] == before["threads"]
    assert after["traced"] - before["traced"] < 256 * KIB, top
    assert memory_after - memory_before < 16 * MIB * SLOW
    counts = after["counts"]
    assert counts["open"] == counts["close"] > 20
    assert counts["join"] >= 2 * counts["open"] and counts["leave"] >= counts["open"]
    server.process.stdin.close()
    assert server.wait("end") == []
    assert server.finish() == 0
    assert server.err == ""
