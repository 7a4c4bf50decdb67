"""The checker sees what is wrong: it is fed by a server that makes each mistake once."""

import asyncio
import threading

import pytest
import websockets

from crowd import Crowd, wrong

WRONG_AT = 20  # the message with which the mistake is made


class Server:
    """Passes what is said on to everybody, but for its mistake, at member number 0."""

    def __init__(self, mistake):
        self.mistake, self.members, self.said, self.held = mistake, [], 0, None
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.loop.run_until_complete,
                                       args=(self.serve(),))
        self.thread.start()
        self.ready.wait()

    async def serve(self):
        self.stop = asyncio.Event()
        async with websockets.serve(self.session, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            self.ready.set()
            await self.stop.wait()

    async def session(self, ws, *_):
        self.members.append(ws)
        try:
            async for data in ws:
                self.said += 1
                first, *others = self.members
                for piece in self.for_first(data):
                    await first.send(piece)
                for other in others:
                    await other.send(data)
                if self.mistake == "close" and self.said == WRONG_AT:
                    self.members.remove(others[0])
                    others[0].transport.abort()
        except websockets.ConnectionClosed:
            pass

    def for_first(self, data):
        if self.said == WRONG_AT and self.mistake == "swap":
            self.held = data
            return []
        if self.said == WRONG_AT:
            return {"lose": [], "double": [data, data]}.get(self.mistake, [data])
        held, self.held = self.held, None
        return [data] if held is None else [data, held]

    def end(self):
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join()


@pytest.mark.parametrize("mistake, seen", [
    (None, {}),
    ("lose", {"lost": 1}),
    ("double", {"duplicated": 1}),
    ("swap", {"out_of_order": 1}),
    ("close", {"closed": 1}),
])
def test_the_checker_sees(mistake, seen):
    server = Server(mistake)
    try:
        crowd = Crowd([f"ws://127.0.0.1:{server.port}/"], members=3, seconds=0.6)
        found = wrong(crowd.found())
    finally:
        server.end()
    assert {name: found.get(name) for name in seen} == seen
    if mistake != "close":  # what was on its way to the one that left is lost, too
        assert found == seen
