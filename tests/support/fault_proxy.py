"""A TCP proxy that does to links what networks do: cuts, refuses, stalls, delays.

It stands before a Redis, on a free port of loopback, and runs on a thread of its own.
All methods of FaultProxy may be called from any thread and have been done when they
return. A link is one connection of a client with the connection to the target behind it.

What has been taken in from a client when its link is cut still reaches the target, so
that a request is either executed or was never sent. The answers are what is lost.
"""

import asyncio
import collections
import socket
import struct
import threading

DEADLINE = 60.0
CHUNK = 256 * 1024
AHEAD = 4 * 1024 * 1024  # delayed bytes of a link before it isn't read any more


class Pattern:
    """Bytes that are waited for in a stream that comes in pieces."""

    def __init__(self, wanted):
        self.wanted = wanted
        self.tails = {}

    def is_in(self, link, data):
        seen = self.tails.get(link, b"") + data
        self.tails[link] = seen[-(len(self.wanted) - 1):] if len(self.wanted) > 1 else b""
        return self.wanted in seen


class Side(asyncio.Protocol):
    """One of the two connections of a link; what it gets is for the other."""

    def __init__(self, link, is_client):
        self.link, self.is_client = link, is_client
        self.transport = None
        # (when it is due, bytes): delayed, or there is nobody to give it to yet.
        self.waiting = collections.deque()
        self.waiting_bytes = 0
        self.reasons = set()  # why it isn't read now
        self.is_read = False  # asyncio has begun to

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(high=AHEAD)
        if self.is_client:
            self.link.client_came()
        else:
            self.link.target_came()
        # Until 3.12 asyncio begins to read behind this, even if it has been paused here.
        self.link.proxy.loop.call_soon(self.begin)

    def begin(self):
        self.is_read = True
        if self.reasons:
            self.transport.pause_reading()

    def data_received(self, data):
        self.link.took(self, data)

    def connection_lost(self, exc):
        self.link.ended(self)

    def pause_writing(self):
        self.link.other(self).stop_reading("full")

    def resume_writing(self):
        self.link.other(self).read_again("full")

    def stop_reading(self, reason):
        if self.is_read and not self.reasons:
            self.transport.pause_reading()
        self.reasons.add(reason)

    def read_again(self, reason):
        was = bool(self.reasons)
        self.reasons.discard(reason)
        if was and not self.reasons and self.is_read \
                and not self.transport.is_closing():
            self.transport.resume_reading()


class Link:
    """Knows its proxy's faults, and forwards under them."""

    def __init__(self, proxy, number):
        self.proxy, self.number = proxy, number
        self.client, self.target = Side(self, True), Side(self, False)
        self.is_subscriber = False  # has it sent SUBSCRIBE?
        self.is_doomed = False      # cut it when the next answer comes
        self.is_over = False
        self.dialling = None

    def other(self, side):
        return self.target if side is self.client else self.client

    def client_came(self):
        if self.is_over:
            self.client.transport.abort()
            return
        self.dialling = self.proxy.loop.create_task(self.dial())

    async def dial(self):
        target, loop = self.proxy.target, self.proxy.loop
        try:
            if isinstance(target, str):
                await loop.create_unix_connection(lambda: self.target, target)
            else:
                await loop.create_connection(lambda: self.target, *target)
        except OSError:
            self.cut("reset")

    def target_came(self):
        if self.is_over:
            self.target.transport.abort()
            return
        for side in (self.client, self.target):
            self.apply_stall(side)
        self.forward_due(self.client)

    def apply_stall(self, side):
        stalled = self.proxy.stalled
        if stalled == "both" or stalled == ("in" if side.is_client else "out"):
            side.stop_reading("stalled")
        else:
            side.read_again("stalled")

    def took(self, side, data):
        if self.is_over:
            return
        if side is self.target and self.is_doomed:
            self.proxy.counts["cut_before_reply"] += 1
            self.cut("reset")
            return
        if side is self.client:
            self.look(data)
        is_there = self.other(side).transport is not None
        if is_there and self.proxy.delay_s == 0 and not side.waiting:
            self.forward(side, data)
            return
        due = self.proxy.loop.time() + self.proxy.delay_s
        side.waiting.append((due, data))
        side.waiting_bytes += len(data)
        if side.waiting_bytes > AHEAD:
            side.stop_reading("delayed")
        self.proxy.loop.call_at(due, self.forward_due, side)

    def look(self, data):
        if not self.is_subscriber and b"SUBSCRIBE\r\n" in data:
            self.is_subscriber = True
        armed = self.proxy.armed
        if armed and not self.is_subscriber and armed[0].is_in(self.number, data):
            armed.popleft()
            self.is_doomed = True

    def forward_due(self, side):
        if self.other(side).transport is None:
            return  # it comes again when there is one
        now = self.proxy.loop.time()
        while side.waiting and side.waiting[0][0] <= now:
            _, data = side.waiting.popleft()
            side.waiting_bytes -= len(data)
            self.forward(side, data)
        if side.waiting_bytes <= AHEAD:
            side.read_again("delayed")

    def forward(self, side, data):
        transport = self.other(side).transport
        if transport is not None and not transport.is_closing():
            transport.write(data)

    def ended(self, side):
        """One side has hung up: so does the other, when it has what was for it."""
        if not self.is_over:
            other = self.other(side)
            while side.waiting:
                self.forward(side, side.waiting.popleft()[1])
            self.is_over = True
            self.proxy.links.pop(self.number, None)
            if other.transport is not None:
                other.transport.close()

    def cut(self, how):
        if self.is_over:
            return
        while self.client.waiting:
            self.forward(self.client, self.client.waiting.popleft()[1])
        self.is_over = True
        self.proxy.links.pop(self.number, None)
        self.proxy.counts["cut"] += 1
        if self.client.transport is None:
            return  # it hears of it in client_came
        if self.target.transport is not None:
            self.target.transport.close()
        if how == "reset":
            reset = struct.pack("ii", 1, 0)
            self.client.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, reset)
            self.client.transport.abort()
        else:
            self.client.transport.close()


class FaultProxy:
    """FaultProxy(target): target is the path of a Unix socket or (host, port)."""

    def __init__(self, target):
        self.target = target
        self.links = {}
        self.armed = collections.deque()
        self.counts = collections.Counter()
        self.stalled = None
        self.delay_s = 0.0
        self.numbers = 0
        self.door = self.closed_door = None
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.port = self.run(self._open_door(0))

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(DEADLINE)

    def call(self, function, *args):
        async def done():
            return function(*args)
        return self.run(done())

    # --- the faults ---

    def cut(self, how="reset", which=lambda link: True):
        """Cuts the links that `which` says yes to; how many. how: "reset" or "fin"."""
        def do():
            chosen = [link for link in self.links.values() if which(link)]
            for link in chosen:
                link.cut(how)
            return len(chosen)
        return self.call(do)

    def cut_before_reply(self, wanted):
        """Arms a cut: the link, no subscribed one, on which `wanted` passes in next
        is reset when the first answer behind it comes, which is lost. Armed twice, it
        happens twice."""
        self.call(self.armed.append, Pattern(wanted))

    def disarm(self):
        """How many cuts were still armed."""
        def do():
            n = len(self.armed)
            self.armed.clear()
            return n
        return self.call(do)

    def refuse(self):
        """From now on connections are refused; those that are there stay."""
        self.run(self._close_door())

    def admit(self):
        self.run(self._open_door(self.port))

    def stall(self, direction="both"):
        """Nothing is read any more: "in" from clients, "out" from the target, "both"."""
        self.call(self._set_stalled, direction)

    def go_on(self):
        self.call(self._set_stalled, None)

    def delay(self, seconds):
        """Each piece arrives so much later; 0 ends it for what comes then."""
        self.call(setattr, self, "delay_s", seconds)

    def link_count(self):
        return self.call(lambda: len(self.links))

    def stop(self):
        if not self.thread.is_alive():
            return
        self.run(self._close_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(DEADLINE)
        self.loop.close()

    # --- on its thread ---

    def _set_stalled(self, direction):
        self.stalled = direction
        for link in self.links.values():
            link.apply_stall(link.client)
            link.apply_stall(link.target)

    def _new_side(self):
        self.numbers += 1
        link = self.links[self.numbers] = Link(self, self.numbers)
        return link.client

    async def _open_door(self, port):
        if self.door is not None:
            return port
        s = self.closed_door
        if s is None:
            s = _bound(port)
        self.closed_door = None
        self.door = await self.loop.create_server(self._new_side, sock=s)
        return s.getsockname()[1]

    async def _close_door(self):
        if self.door is None:
            return
        self.door.close()
        # A socket that doesn't listen keeps the port, and connecting is refused.
        self.closed_door = _bound(self.port)
        self.door = None

    async def _close_all(self):
        if self.door is not None:
            self.door.close()
        if self.closed_door is not None:
            self.closed_door.close()
        for link in list(self.links.values()):
            link.cut("reset")
        await asyncio.sleep(0)


def _bound(port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    s.setblocking(False)
    return s
