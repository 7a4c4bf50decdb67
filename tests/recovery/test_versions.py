"""Nodes of different versions side by side: what a node doesn't know is counted and
dropped, no client sees any of it, and nothing is lost beside it."""

import itertools
import struct

from bystanders import come, frame, read_until
from fanwired import DEADLINE, SLOW

ROOMS = ("a", "plain:a")  # with history and without
OPTIONS = ("--raw.format", "json", "--room.history.size", "10000", "--heartbeat.interval",
           "0s")
WITHIN = DEADLINE * SLOW
UNKNOWN, MALFORMED = "fanwire_messages_unknown_total", "fanwire_redis_malformed_total"


def enter(node, room, query):
    """A member who is in."""
    member, = come(node.url, [f"room={room}&{query}"])
    read_until([member], lambda: any("joined" in told for told in member.heard),
               lambda: f"somebody is in {room}", WITHIN)
    return member


def enter_all(nodes, *queries):
    """{room: one member a node}, each with what else its node's queries have."""
    return {room: [enter(node, room, query) for node, query in zip(nodes, queries)]
            for room in ROOMS}


def say(member, texts):
    member.socket.sendall(b"".join(frame(text.encode()) for text in texts))


def texts_of(member):
    return [told["data"] for told in member.heard if "data" in told]


def wait_until_heard(members, texts):
    """Each is told just these, in this order, and in a room with history one place behind
    the other."""
    def counts():
        return [len(texts_of(one)) for one in members]
    read_until(members, lambda: min(counts()) >= len(texts),
               lambda: f"{counts()} of {len(texts)} are heard", WITHIN)
    for one in members:
        assert texts_of(one) == texts
        places = [told["offset"] for told in one.heard if "offset" in told]
        assert places == list(range(len(places)))  # it joined at 0
        assert not one.closed


def end(rooms):
    for members in rooms.values():
        for one in members:
            one.end()


# --- what a later version might say -----------------------------------------------------

STRANGER = 7777
serials = itertools.count(1)


def envelope(text, version=1, kind=1, fields=b""):
    return struct.pack(">3sBBBHQQH", b"\xffFW", version, kind, 0, 0, STRANGER,
                       next(serials), len(fields)) + fields + text


STRANGE = [
    (MALFORMED, lambda: envelope(b"the next version", version=2)),
    (MALFORMED, lambda: envelope(b"another version", version=255)),
    (MALFORMED, lambda: envelope(b"", version=2)[:4]),
    (MALFORMED, lambda: envelope(b"")[:20]),
    (MALFORMED, lambda: envelope(b"", fields=b"\x63\xff\xff")),
    (UNKNOWN, lambda: envelope(b"no kind", kind=0)),
    (UNKNOWN, lambda: envelope(b"a kind between known ones", kind=14)),
    (UNKNOWN, lambda: envelope(b"a kind with a field", kind=13,
                               fields=b"\x63\x00\x01!")),
    (UNKNOWN, lambda: envelope(b"the last kind", kind=255)),
]


def test_what_a_later_version_says_is_counted_and_shown_to_nobody(direct):
    nodes = direct.start(2, *OPTIONS)
    rooms = enter_all(nodes.nodes, "user=ann", "user=bob")
    texts, step = [str(n) for n in range(1000)], 100
    for n in range(0, len(texts), step):
        for room, members in rooms.items():
            say(members[0], texts[n:n + step])
            for _, make in STRANGE[n // step:n // step + 1]:
                nodes.redis.command("PUBLISH", "fanwire:r:" + room, make())
    for members in rooms.values():
        wait_until_heard(members, texts)
    # What has a field that nobody knows is understood without it.
    for room, members in rooms.items():
        nodes.redis.command("PUBLISH", "fanwire:r:" + room,
                            envelope(b"new", fields=b"\x63\x00\x03new"))
        wait_until_heard(members, [*texts, "new"])
        assert [len(one.heard) for one in members] == [1 + len(texts) + 1] * 2
    for counter in (UNKNOWN, MALFORMED):
        times = len(rooms) * sum(shown == counter for shown, _ in STRANGE)
        assert [nodes.metric(counter, i) for i in (0, 1)] == [times] * 2
    end(rooms)
