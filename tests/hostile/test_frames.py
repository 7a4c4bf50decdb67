"""Frames that break RFC 6455, or keep to it and mean no good."""

import pytest

from hostile import GONE, MIB, PROTOCOL, TOO_LARGE, all_ended, attack
from peer import (BINARY, CLOSE, CONTINUATION, PATIENCE, PING, PONG, TEXT, Peer, Timeout,
                  close_payload, frame)

LIMIT = MIB  # message.max_bytes as it is by default
HELLO = b"Hello"

FAULTS = [
    ("unmasked_text", frame(TEXT, HELLO, masked=False), (1002,)),
    ("unmasked_ping", frame(PING, masked=False), (1002,)),
    ("rsv_1", frame(TEXT, HELLO, rsv=4), (1002,)),
    ("rsv_2", frame(TEXT, HELLO, rsv=2), (1002,)),
    ("rsv_3", frame(TEXT, HELLO, rsv=1), (1002,)),
    ("opcode_3", frame(3, HELLO), (1002,)),
    ("opcode_15", frame(15, HELLO), (1002,)),
    ("ping_of_126", frame(PING, b"x" * 126), (1002,)),
    ("pong_of_70000", frame(PONG, b"x" * 70000), (1002,)),
    ("ping_without_fin", frame(PING, HELLO, fin=False), (1002,)),
    ("continuation_of_nothing", frame(CONTINUATION, HELLO), (1002,)),
    ("text_amid_fragments", frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), (1002,)),
    ("bad_utf8", frame(TEXT, b"\xff\xfe"), (1007,)),
    ("cut_utf8", frame(TEXT, b"\xc3"), (1007,)),
    ("bad_close_code", frame(CLOSE, close_payload(1005)), (1002,)),
    ("close_code_0", frame(CLOSE, close_payload(0)), (1002,)),
    ("close_of_1", frame(CLOSE, b"x"), (1002,)),
    ("bad_utf8_in_reason", frame(CLOSE, close_payload(1000, b"\xff")), (1002, 1007)),
    ("length_not_minimal", frame(TEXT, HELLO, width=64), (1002,)),
    ("length_2_64_1", frame(BINARY, announce=(1 << 64) - 1, width=64), (1002, 1009)),
]
LARGE = [
    ("length_2_63_1", frame(BINARY, announce=(1 << 63) - 1, width=64)),
    ("one_over_the_limit", frame(BINARY, announce=LIMIT + 1)),
    ("fragments_over_the_limit", frame(BINARY, b"x" * 65536, fin=False)
     + frame(CONTINUATION, b"x" * 65536, fin=False) * 15 + frame(CONTINUATION, b"x")),
]


def many(target, number, data):
    peers = [Peer(target).handshake("?room=attack") for _ in range(number)]
    for peer in peers:
        peer.send(data)
    return peers


def expect_close(peers, codes):
    for peer in peers:
        got = [e for e in peer.drain() if e.kind == "close"]
        assert got, "no Close frame came"
        assert got[0].code in codes, "Close %s" % got[0].code
        peer.close()


@attack("Each way to break the rules of frames: no mask, reserved bits and opcodes, long "
        "or cut control frames, fragments out of order, bad UTF-8, bad close codes, "
        "lengths that aren't minimal", "Close 1002 or 1007, and the end")
@pytest.mark.parametrize("data,codes", [f[1:] for f in FAULTS],
                         ids=[f[0] for f in FAULTS])
def test_a_fault_is_closed_with_its_code(scene, target, data, codes):
    scene.attack(lambda: expect_close(many(target, 20, data), codes), PROTOCOL, 20)


@attack("A length of 2^63-1, or one byte over the limit, announced or in fragments",
        "Close 1009 before a byte of it is waited for")
@pytest.mark.parametrize("data", [f[1] for f in LARGE], ids=[f[0] for f in LARGE])
def test_too_much_is_1009_at_once(scene, target, data):
    scene.attack(lambda: expect_close(many(target, 20, data), (1009,)), TOO_LARGE, 20)


@attack("300 clients that announce 1 MiB each, and send 10 bytes of it",
        "they are waited for; memory is what has come, not what was announced")
def test_a_large_length_takes_no_memory_in_advance(scene):
    if scene.server.sanitized:
        pytest.skip("a sanitizer's heap says nothing about memory")

    def run():
        before = scene.server.rss()
        peers = many(scene.server.plain, 300, frame(BINARY, b"x" * 10, announce=LIMIT))
        for peer in peers:  # an answer shows that the bytes before it were read
            peer.send(b"")
        scene.server.wait_for("all are here", lambda m: m["fanwire_sessions"] == 302)
        grown = scene.server.rss() - before
        for peer in peers:
            peer.reset()
        assert grown < 60 * MIB, "%.0f MiB for bytes never sent" % (grown / MIB)

    scene.attack(run, GONE, 300)


@attack("Fragments without end, whatever the server says",
        "Close 1009; soon nothing is taken any more")
def test_an_endless_message_is_cut_off(scene, target):
    def run():
        peer = Peer(target).handshake("?room=attack")
        peer.send(frame(BINARY, b"x" * 65536, fin=False))
        more = frame(CONTINUATION, b"x" * 65536, fin=False)
        sent = 0
        try:
            while peer.send(more, timeout=2 * PATIENCE):
                sent += len(more)
                assert sent < 4096 * MIB, "it goes on reading"
        except Timeout:
            pass  # it reads no more: just as good
        if peer.closed is None:
            closes = [e for e in peer.drain() if e.kind == "close"]
            assert not closes or closes[0].code == 1009
        peer.close()

    scene.attack(run, TOO_LARGE, 1)


@attack("200,000 empty fragments of one message", "one message, heard")
def test_a_flood_of_empty_fragments_is_one_message(scene, target):
    def run():
        peer = Peer(target).handshake("?room=attack")
        peer.send(frame(TEXT, b"begin ", fin=False))
        piece = frame(CONTINUATION, b"", fin=False) * 10000
        for _ in range(20):
            peer.send(piece)
        peer.send(frame(CONTINUATION, b"end"))
        assert peer.heard(4 * PATIENCE).data == b"begin end"
        peer.close()

    scene.attack(run, ["fanwire_messages_in_total"], 1)


@attack("30,000 empty messages", "all are heard")
def test_a_flood_of_empty_messages_is_echoed(scene, target):
    def run():
        peer = Peer(target).handshake("?room=attack")
        flood, heard = frame(TEXT, b"") * 500, 0
        for _ in range(60):  # a reader who keeps up: 500 at a time
            peer.send(flood)
            for _ in range(500):
                got = peer.heard()
                assert (got.kind, got.data) == ("text", b"")
                heard += 1
        assert heard == 30000
        peer.close()

    scene.attack(run, ["fanwire_messages_in_total"], 30000)


@attack("300,000 pings by a client that reads no pong",
        "it isn't read any more, or closed; pongs wait within the outbox's limit")
def test_a_ping_flood_from_a_deaf_client_stays_within_the_outbox(scene, target):
    """Nobody reads the pongs. It may be closed or some pongs may be left out; what may
    not be is that they all wait in memory."""
    def run():
        before = scene.server.rss()
        peer = Peer(target).handshake("?room=attack")
        flood = frame(PING, b"x" * 125, key=b"abcd") * 1000
        try:
            for _ in range(300):
                if not peer.send(flood, reading=False, timeout=1):
                    break
        except Timeout:
            pass  # it stopped reading: that is a way too
        grown = scene.server.rss() - before
        peer.reset()
        if not scene.server.sanitized:
            assert grown < 24 * MIB, "%.0f MiB of pongs" % (grown / MIB)

    scene.attack(run, GONE, 1)


@attack("20,000 pings by a client that reads", "pongs, the last one in any case")
def test_a_ping_flood_from_a_reader_is_answered(scene, target):
    def run():
        peer = Peer(target).handshake("?room=attack")
        for i in range(200):
            peer.send(b"".join(frame(PING, b"%d" % (i * 100 + n)) for n in range(100)))
            last = -1
            while last != i * 100 + 99:
                got = peer.heard()
                assert got.kind == "pong"
                last = int(got.data)
        peer.close()

    scene.attack(run, GONE, 1)


@attack("4 MiB of nonsense behind a fault, from 10 clients who never read",
        "it is thrown away; the end within seconds")
def test_what_follows_a_fault_is_not_looked_at(scene, target):
    def run():
        peers = many(target, 10, b"")
        for peer in peers:
            peer.send(frame(3) + b"\xff" * (4 * MIB), reading=False, timeout=2 * PATIENCE)
        all_ended(peers)

    scene.attack(run, PROTOCOL, 10)


@attack("200,000 empty pongs that nobody asked for, and 20,000 long ones",
        "they are passed over; the session goes on")
@pytest.mark.parametrize("size", [0, 125])
def test_a_flood_of_pongs_is_passed_over(scene, target, size):
    flood = frame(PONG, b"x" * size, key=b"abcd") * (1000 if size == 0 else 100)

    def run():
        peer = Peer(target).handshake("?room=attack")
        for _ in range(200):
            peer.send(flood)
        peer.send_frame(TEXT, HELLO)
        assert peer.heard(4 * PATIENCE).data == HELLO
        peer.close()

    scene.attack(run, ["fanwire_messages_in_total"], 1, runs=2)


@attack("A message in 1,000 fragments with a ping in each gap, one byte a write at its "
        "headers", "the message, and a pong for each ping, in order")
def test_pings_in_each_gap_of_a_message_are_answered(scene):
    def run():
        peer = Peer(scene.server.plain).handshake("?room=attack")
        for i in range(1000):
            peer.send(frame(CONTINUATION if i else BINARY, b"x", fin=i == 999)[:1])
            peer.send(frame(CONTINUATION if i else BINARY, b"x", fin=i == 999,
                            key=b"\0\0\0\0")[1:] + frame(PING, b"%d" % i))
        heard = [peer.heard(2 * PATIENCE) for _ in range(1001)]
        pongs = [e.data for e in heard if e.kind == "pong"]
        assert pongs == [b"%d" % i for i in range(1000)]
        assert [e.data for e in heard if e.kind == "binary"] == [b"x" * 1000]
        peer.close()

    scene.attack(run, ["fanwire_messages_in_total"], 1, runs=1)
