"""The soak's node in Python: `python -m fanwire run app:hub`. What clients say reaches
their rooms without it, in C; its handlers only watch, and not well: they raise, they
block the thread that all of them share, they dawdle. Nothing of that may be noticed by
who is in a room.
"""

import asyncio
import itertools
import time

import fanwire

hub = fanwire.Hub()
calls = itertools.count(1)


class Expected(Exception):
    """What a handler of a bad application raises."""


def stumble():
    n = next(calls)
    if n % 200 == 0:
        raise Expected(n)
    if n % 97 == 0:
        time.sleep(0.2)
    return n


async def dawdle():
    if stumble() % 31 == 0:
        await asyncio.sleep(0.5)


@hub.on_connect
def arrives(request):
    name = request.query.get("user")
    if name == "rabble":  # honest clients are to be let in
        stumble()
    return name


@hub.on_open
async def opened(session):
    await dawdle()


@hub.on_message
async def said(session, data):
    await dawdle()


@hub.on_leave
async def left(session, room):
    await dawdle()


@hub.on_close
async def closed(session, code, reason):
    await dawdle()


@hub.on_room_message
def heard(room, data):
    stumble()
