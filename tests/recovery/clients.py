"""Members that speak raw JSON, and remember where they are in their room's history."""

import asyncio
import json

import websockets

from fanwired import DEADLINE, SLOW


class Member:
    """One connection to one room. `position` is (epoch, offset) of the last it heard."""

    def __init__(self, ws, room):
        self.ws, self.room = ws, room
        self.position = self.joined = None
        self.missed = []

    @classmethod
    async def enter(cls, url, room, since=None, user="u"):
        """Has joined when it returns. `joined` is what it was told then, and `missed` are
        the messages that it was given before, because of `since`."""
        query = f"?room={room}&user={user}"
        if since is not None:
            query += "&since=%s/%d" % since
        ws = await websockets.connect(url + query, open_timeout=DEADLINE * SLOW,
                                      ping_interval=None, close_timeout=0.2)
        self = cls(ws, room)
        self.position = since
        try:
            await self.come_in()
        except BaseException:
            await ws.close()
            raise
        return self

    async def come_in(self):
        told = await self.told()
        while "joined" not in told:
            self.missed.append(self.take(told))
            told = await self.told()
        assert told["joined"] == self.room
        self.joined = told
        at = (told["epoch"], told["offset"])
        assert not self.missed or at == self.position
        self.position = at

    async def told(self):
        return json.loads(await asyncio.wait_for(self.ws.recv(), DEADLINE * SLOW))

    async def hear(self):
        return self.take(await self.told())

    def take(self, told):
        """The message's data; its position must be the one behind the last."""
        assert told["room"] == self.room and "data" in told, told
        at = (told["epoch"], told["offset"])
        assert at == (self.position[0], self.position[1] + 1)
        self.position = at
        return told["data"]

    async def say(self, text):
        await self.ws.send(text)

    async def leave(self):
        await self.ws.close()


async def in_thread(f, *args):
    return await asyncio.get_running_loop().run_in_executor(None, f, *args)
