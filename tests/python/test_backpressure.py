"""Handlers that are slower than their clients: what clients send waits where it is, in
their own buffers, and nobody pays for it but they. Servers and floods run in processes of
their own, so that neither measures the other."""

import asyncio
import os
import re
import resource
import urllib.request

import pytest

import fanwire
from support import (BINARY, DEADLINE, PING, PONG, SLOW, TEXT, Seen, frame, memory_of,
                     wait_until)

# What one read of a socket may bring beyond the limit; it is kept with its session.
READ = 128 * 1024
CLIENTS = int(os.environ.get("FW_FLOOD_CLIENTS", "1000"))
MIB = 1024 * 1024

# Handlers that sleep 2 s. It looks at the order of what each session said, at the start
# and at the end of each handler.
SLEEPY = """
    import asyncio, resource, sys, threading
    import fanwire
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    hub = fanwire.Hub(listen="ws://127.0.0.1:0/ws", heartbeat_interval="1s",
                      heartbeat_timeout="10s", log_level="error", drain_timeout="1s",
                      # Less than all sessions together may have of events.max_bytes, or
                      # those who come last wait until the first have used theirs up.
                      events_per_session=8)
    wrong, closes, handled = [], [], {}

    @hub.on_message
    async def said(session, data):
        n, expected = int(data[:8]), handled.get(session.id, 0)
        if n != expected:
            wrong.append([session.id, "start", n, expected])
        await asyncio.sleep(2)
        if handled.get(session.id, 0) != expected:
            wrong.append([session.id, "end", n, handled.get(session.id)])
        handled[session.id] = expected + 1

    @hub.on_close
    def closed(session, code, reason):
        closes.append([code, reason])

    hub.start()
    tell("url", hub.urls[0])
    for line in sys.stdin:
        counts = sorted(handled.values())
        stats = hub.stats()
        tell("now", {"wrong": wrong[:5], "closes": closes[:5], "sessions": len(counts),
                     "least": counts[0] if counts else 0, "total": sum(counts),
                     "stats": {k: v for k, v in stats.items() if "bucket" not in k}})
    hub.close()
"""

# Clients that send as fast as the server takes it, and answer pings.
FLOOD = """
    import resource, selectors, socket, sys, time
    from support import RawClient, TEXT, PING, PONG, frame
    url, count = sys.argv[1], int(sys.argv[2])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    class Flooder:
        def __init__(self):
            self.client = RawClient(url)
            self.socket = self.client.socket
            # What waits in the kernel, times all clients, is the machine's memory.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
            self.socket.setblocking(False)
            self.number, self.out, self.read = 0, b"", self.client._rest

        def write(self):
            while True:
                if not self.out:
                    text = b"%08d" % self.number + b"." * 1000
                    self.out = frame(TEXT, text)
                    self.number += 1
                try:
                    self.out = self.out[self.socket.send(self.out):]
                except BlockingIOError:
                    return

        def hear(self):
            data = self.socket.recv(65536)
            if not data:
                return False
            self.read += data
            while len(self.read) >= 2 and len(self.read) >= 2 + self.read[1]:
                opcode, n = self.read[0] & 15, self.read[1]
                if opcode == PING:  # behind what is begun, in front of what isn't
                    self.out += frame(PONG, self.read[2:2 + n])
                self.read = self.read[2 + n:]
            return True

    select = selectors.DefaultSelector()
    flooders, gone, told = [], 0, time.monotonic()

    def turn(timeout):
        global gone
        for key, what in select.select(timeout):
            f = key.data
            try:
                if what & selectors.EVENT_READ and not f.hear():
                    raise ConnectionError
                if what & selectors.EVENT_WRITE:
                    f.write()
            except ConnectionError:
                gone += 1
                select.unregister(f.socket)

    both = selectors.EVENT_READ | selectors.EVENT_WRITE
    while len(flooders) < count:
        flooders.append(Flooder())
        select.register(flooders[-1].socket, both, flooders[-1])
        turn(0)  # who is in already has pings to answer
    tell("connected")
    while True:
        turn(0.5)
        if time.monotonic() - told > 0.5:
            told = time.monotonic()
            tell("sent", [sum(f.number for f in flooders), gone])
"""


def test_a_flood_of_sleeping_handlers_keeps_order_sessions_and_memory(program):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < CLIENTS + 100:
        pytest.skip("the hard limit of open files is below what as many clients need")
    server = program(SLEEPY)
    flood = program(FLOOD, server.wait("url"), CLIENTS, tests_on_path=True)
    flood.wait("connected", deadline=4 * DEADLINE)
    asked, sizes = [0], []

    def now():
        server.say("now")
        asked[0] += 1
        sizes.append(memory_of(server.pid))
        return server.wait("now", asked[0], deadline=2 * DEADLINE)

    # Everybody has had a turn, and another: the queues are as full as they get.
    wait_until(lambda: now()["sessions"] == CLIENTS, "each has had a turn", 4 * DEADLINE)
    first = now()
    wait_until(lambda: now()["least"] >= first["least"] + 1, "one more turn",
               4 * DEADLINE)
    full = max(sizes)
    wait_until(lambda: now()["least"] >= first["least"] + 4, "three more turns",
               6 * DEADLINE)
    last = now()
    print(f"\n{CLIENTS} clients: memory {full // MIB} MiB when all had two turns,"
          f" {max(sizes) // MIB} MiB at most; {last['total']} handled,"
          f" {flood.all('sent')[-1][0]} sent")
    assert last["wrong"] == []
    assert last["closes"] == [] and flood.all("sent")[-1][1] == 0
    assert last["stats"]["fanwire_heartbeat_timeouts_total"] == 0
    assert last["stats"]["fanwire_events_dropped_total"] == 0
    assert last["stats"]["fanwire_sessions"] == CLIENTS
    hits = [v for k, v in last["stats"].items() if "limit_hits" in k and "events_" in k]
    assert sum(hits) > 0
    if "tsan" not in os.environ.get("LD_PRELOAD", ""):  # its own memory grows with time
        assert max(sizes) - full < (CLIENTS * READ + 8 * MIB) * SLOW


# --- a handler that blocks the whole loop ---

# A sync handler that doesn't come back until it is told. What it says before and after is
# told from other threads, which run on.
BLOCKING = """
    import sys, threading, time
    import fanwire
    hub = fanwire.Hub(listen="ws://127.0.0.1:0/ws", http_listen="127.0.0.1:0",
                      heartbeat_interval="200ms", heartbeat_timeout="5s",
                      log_level="error", **dict(a.split("=", 1) for a in sys.argv[2:]))
    go, numbers, closes = threading.Event(), [], []

    @hub.on_open
    def opened(session):
        session.join("r")
        session.send("in")

    @hub.on_message
    def said(session, data):
        if data == "block":
            tell("blocked")
            if sys.argv[1] == "spin":
                while not go.is_set():
                    pass
            go.wait()
            tell("released")
        else:
            numbers.append(int(data[:8]))

    @hub.on_close
    def closed(session, code, reason):
        closes.append(code)

    hub.start()
    tell("addresses", [hub.urls[0], hub.http_address])
    for line in sys.stdin:
        word = line.strip()
        if word == "publish":
            for i in range(100):
                hub.publish("r", "thread %d" % i)
        elif word == "go":
            go.set()
        elif word == "numbers":
            tell("numbers", [len(numbers), numbers == list(range(len(numbers))), closes])
    hub.close()
"""


def _figure(http, name):
    with urllib.request.urlopen(f"http://{http}/metrics", timeout=DEADLINE) as r:
        text = r.read().decode()
    found = re.findall(rf"^{re.escape(name)}(?:\S*)? (\S+)$", text, re.M)
    return sum(float(v) for v in found)


def _pings_until(client, n):
    """Reads until n pings came; texts on the way are returned."""
    texts = []
    while n > 0:
        opcode, payload = client.receive()
        if opcode == PING:
            n -= 1
            client.send(PONG, payload)
        elif opcode == TEXT:
            texts.append(payload)
    return texts


@pytest.mark.parametrize("way", ["sleep", "spin"])
def test_a_blocking_handler_delays_no_fan_out_and_no_heartbeat(
        program, connect, raw_connect, make_hub, redis_options, way):
    server = program(BLOCKING, way, *(f"{k}={v}" for k, v in redis_options.items()))
    url, http = server.wait("addresses")
    other = make_hub(**redis_options)
    other.start()
    for up in (lambda: other.stats()["fanwire_redis_up"] == 1,
               lambda: _figure(http, "fanwire_redis_up") == 1):
        wait_until(up, "both nodes are connected")
    members = [connect(url) for _ in range(5)]
    raw = raw_connect(url)
    for member in members:
        assert member.receive() == "in"
    assert raw.receive() == (TEXT, b"in")
    wait_until(lambda: _figure(http, "fanwire_room_members") == 6, "all are in the room")

    connect(url).send("block")
    server.wait("blocked")
    try:
        # By another node, through Redis; then by a thread of the blocked process.
        for i in range(100):
            other.publish("r", f"node {i}")
        for member in members:
            assert member.receive_many(100) == [f"node {i}" for i in range(100)]
        server.say("publish")
        for member in members:
            assert member.receive_many(100) == [f"thread {i}" for i in range(100)]
        # Pings are sent to who is silent, and answered to who asks.
        texts = _pings_until(raw, 3)
        raw.send(PING, b"are you there")
        while True:
            opcode, payload = raw.receive()
            if opcode == PONG:
                break
            if opcode == PING:
                raw.send(PONG, payload)
            else:
                texts.append(payload)
        assert payload == b"are you there"
        assert not server.all("released")
        assert _figure(http, "fanwire_sessions") >= 6
        assert _figure(http, "fanwire_heartbeat_timeouts_total") == 0
    finally:
        server.say("go")
    server.wait("released")
    server.say("numbers")
    assert server.wait("numbers")[2] == []


def test_a_blocking_handler_pushes_back_and_nothing_is_lost(program, connect,
                                                            raw_connect):
    server = program(BLOCKING, "sleep", "events_per_session=16", "events_max_bytes=1MiB")
    url, http = server.wait("addresses")
    connect(url).send("block")
    server.wait("blocked")
    flooder = raw_connect(url)
    before = memory_of(server.pid)
    sent = 0
    try:
        # As much as both sockets' buffers take, and not a byte more.
        while True:
            message = b"%08d" % sent + b"." * 100_000
            if flooder.fill(frame(TEXT, message), 1) == 0:
                if _figure(http, "fanwire_limit_hits_total{limit=\"events_") > 0:
                    break
                continue  # who reads has only had to wait for the CPU
            sent += 1
            assert sent < 1000, "a hundred megabytes are in: nothing pushes back"
        # The last one is begun and not yet out; it's the next in order.
        assert _figure(http, "fanwire_events_bytes") < 4 * MIB
        assert memory_of(server.pid) - before < 16 * MIB
        assert _figure(http, "fanwire_sessions") == 2
    finally:
        server.say("go")
    server.wait("released")
    rest = flooder._left
    flooder.socket.settimeout(DEADLINE)
    flooder.socket.sendall(rest)
    asked = [0]

    def all_handled():
        server.say("numbers")
        asked[0] += 1
        return server.wait("numbers", asked[0])[0] == sent + 1

    wait_until(all_handled, "all that was sent is handled")
    count, in_order, closes = server.all("numbers")[-1]
    assert in_order and closes == []
    assert _figure(http, "fanwire_events_dropped_total") == 0


def test_a_session_that_waits_for_its_handler_is_not_judged_by_the_heartbeat(make_hub,
                                                                             raw_connect):
    """It is full, so its pongs lie unread; that isn't its fault."""
    hub = make_hub(heartbeat_interval="100ms", heartbeat_timeout="2s",
                   events_per_session=2)
    entered, gate, closes, seen = Seen(), [], Seen(), Seen()

    async def said(session, data):
        if not gate:
            gate.append(asyncio.Event())
            entered(asyncio.get_running_loop())
        await gate[0].wait()
        seen(data)

    hub.on_message(said)
    hub.on_close(lambda session, code, reason: closes(code))
    with hub:
        client = raw_connect(hub)
        for i in range(10):
            client.send(BINARY, b"%d" % i)
        loop = entered.one()
        other = raw_connect(hub)
        _pings_until(other, 25)  # that much time has passed for the other one
        assert not closes.items
        assert hub.stats()["fanwire_heartbeat_timeouts_total"] == 0
        loop.call_soon_threadsafe(gate[0].set)
        assert seen.wait(10) == [b"%d" % i for i in range(10)]


def test_a_publisher_over_the_inbox_is_told_to_try_again(make_hub):
    """From another thread messages wait in the inbox; over its size is BusyError."""
    hub = make_hub(inbox_max_bytes="64KiB", message_max_bytes="1MiB")
    with hub:
        with pytest.raises(fanwire.BusyError) as caught:
            for _ in range(100_000):
                hub.publish("r", b"x" * 60_000)
        assert caught.value.is_retriable
        wait_until(lambda: hub.stats()["fanwire_inbox_bytes"] == 0, "the inbox is empty")
        hub.publish("r", "again")
