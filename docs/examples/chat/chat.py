#!/usr/bin/env python3
"""A chat on as many nodes as you like: start this program several times with the same
redis.url and everybody can talk to everybody, wherever they are connected.

    python chat.py --listen ws://127.0.0.1:9090/ws --redis.url redis://127.0.0.1:6379

It speaks what README.md beside this file describes, word for word as chat.c does, so
nodes of both kinds are one chat. It keeps no state of its own: who is in which room, on
which node, is the library's business. The handlers begin at arrives(), main() is at the
end.
"""
import argparse
import asyncio
import contextlib
import json
import logging
import math
import os
import re
import signal
import sys
import time

import fanwire

NAME_CHARACTERS = 32  # what fits in a line of a small screen
ROOM_CHARACTERS = 64
TEXT_BYTES = 8192
ID_BYTES = 64
PEOPLE = 50  # about so many are shown to who comes into a room

# A chat needs no long messages: 8 KiB of text, escaped, and its envelope. Its people hear
# who comes and goes.
hub = fanwire.Hub(message_max_bytes="64KiB", room_join_leave=True)


class Fault(Exception):
    """Why a request is not taken; `about` says which one it was."""

    def __init__(self, code, text, **about):
        super().__init__(text)
        self.answer = message("error", code=code, text=text, **about)


def message(kind, **fields):
    return {"type": kind, **{k: v for k, v in fields.items() if v is not None}}


def who(session):
    return {"from": session.user, "session": session.id, "node": hub.node_name}


def tell(session, answer):
    with contextlib.suppress(fanwire.GoneError):  # which is nobody's fault
        session.send(answer)


def person(member):
    return {"from": member.user or "", "session": member.session, "node": member.node}


def announce(kind, room, member):
    """Somebody has come into a room or gone from it: who is there, on this node, is
    told."""
    with contextlib.suppress(fanwire.Error):  # if that fails, nobody waits for it
        hub.send_here(room, message(kind, room=room, **person(member)),
                      skip=member.session)


# ---- Checking what came in ------------------------------------------------------------

def name_fault(name, max_characters):
    """None if a person or a room may be called so, else the reason."""
    if not name:
        return "a name is missing"
    if len(name) > max_characters:
        return "the name is too long"
    if name != name.strip(" "):
        return "the name begins or ends with a blank"
    try:
        fanwire.name_check(name)
    except fanwire.InvalidError:
        return "the name has a control character"


def room_fault(room):
    return name_fault(room, ROOM_CHARACTERS)


def string(request, key):
    value = request.get(key)
    return value if isinstance(value, str) else None


def room_of(request):
    room = string(request, "room")
    if room_fault(room):
        raise Fault("bad_request", room_fault(room))
    return room


# Python's json takes more than JSON allows, and more than other languages can hold.
NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def number(text):
    if text.lstrip("-").isdigit() and not -2**63 <= int(text) < 2**63:
        raise ValueError("too large")
    if not math.isfinite(float(text)):
        raise ValueError("too large, or none")
    return float(text)


def object_of(pairs):
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def parse(data):
    """The request, if it is a JSON object in a text frame."""
    try:
        if isinstance(data, str) and not NUL.search(data):
            request = json.loads(data, object_pairs_hook=object_of, parse_int=number,
                                 parse_float=number, parse_constant=number)
            # Half a surrogate pair is no character, and can't be sent on.
            json.dumps(request, ensure_ascii=False).encode()
            if isinstance(request, dict):
                return request
    except (ValueError, RecursionError):
        pass
    raise Fault("bad_json", "a message is a JSON object in a text frame")


# ---- What clients ask for: one function a verb ----------------------------------------

@contextlib.contextmanager
def told(**about):
    """What the hub does not take is told to the client."""
    codes = {fanwire.InvalidError: "bad_request", fanwire.TooBigError: "bad_request",
             fanwire.LimitError: "limit", fanwire.BusyError: "busy"}
    try:
        yield
    except fanwire.GoneError:  # nobody is there to be told
        raise
    except fanwire.Error as error:
        raise Fault(codes.get(type(error), "failed"), str(error), **about) from error


async def join(session, request):
    room = room_of(request)
    with told(room=room):
        await session.join(room)  # from now on it hears the room
    tell(session, message("joined", room=room))
    with contextlib.suppress(fanwire.Error):  # Redis may be away, say
        page = await hub.presence(room, limit=PEOPLE)
        tell(session, message("people", room=room, total=page.total,
                              people=[person(member) for member in page.members]))


async def leave(session, request):
    room = room_of(request)
    with told(room=room):
        session.leave(room)  # left() hears of it


def say_fault(request, room, user, everyone):
    """None if the request says something to exactly one address, else the reason."""
    text, ident = request.get("text"), request.get("id", "")
    if not isinstance(text, str) or not text:
        return "\"text\" must be a string that is not empty"
    if len(text.encode()) > TEXT_BYTES:
        return "\"text\" is too long"
    if not isinstance(ident, str) or len(ident.encode()) > ID_BYTES:
        return "\"id\" must be a short string"
    if [room is not None, user is not None, everyone].count(True) != 1:
        return "name one of \"room\", \"user\" and \"all\": true"
    if everyone:
        return None
    return name_fault(user, NAME_CHARACTERS) if room is None else room_fault(room)


async def say(session, request):
    room, user = string(request, "room"), string(request, "user")
    ident, everyone = string(request, "id"), request.get("all") is True
    fault = say_fault(request, room, user, everyone)
    if fault:
        raise Fault("bad_request", fault, id=ident)
    said = fanwire.Message(message(
        "message", room=room, user=user, all=everyone or None, **who(session), id=ident,
        time=time.time_ns() // 1_000_000, text=request["text"]))
    with told(id=ident):
        if everyone:
            hub.send_all(said)
        elif room is not None:
            hub.publish(room, said)
        else:
            hub.send_user(user, said)
            # Who speaks in a room hears it; so does who speaks to one person.
            if user != session.user:
                session.send(said)


VERBS = {"join": join, "leave": leave, "say": say}


# ---- Handlers of events ---------------------------------------------------------------

@hub.on_connect
def arrives(request):
    name = request.query.get("name")
    fault = name_fault(name, NAME_CHARACTERS)
    if fault:
        raise fanwire.Refuse(400, fault)
    return name


@hub.on_open
def opened(session):
    tell(session, message("welcome", name=session.user, session=session.id,
                          node=hub.node_name))


@hub.on_message
async def asked(session, data):
    try:
        request = parse(data)
        verb = VERBS.get(string(request, "type"))
        if not verb:
            raise Fault("bad_request", "\"type\" must be join, leave or say")
        await verb(session, request)
    except Fault as fault:
        tell(session, fault.answer)


@hub.on_leave
def left(session, room):
    if not session.closed:  # is still there to be told
        tell(session, message("left", room=room))


@hub.on_room_join
def came(room, member):
    announce("join", room, member)


@hub.on_room_leave
def gone(room, member):
    announce("leave", room, member)


# ---- Starting and stopping ------------------------------------------------------------

def read_options():
    """What the environment says and, over it, the command line."""
    parser = argparse.ArgumentParser(
        prog="chat", usage="chat [--OPTION VALUE | --OPTION=VALUE]...",
        allow_abbrev=False,
        description="A chat server. Nodes that share a redis.url are one chat. Every "
        "option can be set by the environment too: FANWIRE_REDIS_URL is --redis.url. "
        "TERM and INT close all sessions in good order.")
    for name, option in fanwire.options().items():
        variable = "FANWIRE_" + name.upper().replace(".", "_")
        parser.add_argument("--" + name, metavar="VALUE", help=option["help"],
                            action="append" if option["type"] == "list" else "store")
        if variable in os.environ:
            hub.configure(**{name.replace(".", "_"): os.environ[variable]})
    for name, values in vars(parser.parse_args()).items():
        if values is not None:
            hub.configure(**{name.replace(".", "_"): values})


async def serve():
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, hub.stop)
    async with hub:
        for url in hub.urls:
            # Whoever started us may wait for these lines.
            print(f"chat: node {hub.node_name} listens on {url}", flush=True)
        await hub.serve()


def main():
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("fanwire").setLevel(1)  # the option log.level chooses
    try:
        read_options()
        asyncio.run(serve())
    except fanwire.Error as error:
        print(f"chat: {error}", file=sys.stderr)
        return 2 if isinstance(error, fanwire.OptionError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
