"""Compressed messages that are broken, or mean no good: bombs, floods, nonsense."""

import random

import pytest

from hostile import GONE, MIB, PROTOCOL, TOO_LARGE, all_ended, attack
from peer import (BINARY, CONTINUATION, PATIENCE, RSV1, TEXT, Peer, Timeout, deflate,
                  fragments, frame, pieces)

OFFER = "permessage-deflate; client_max_window_bits"
HELLO = b"\xf2\x48\xcd\xc9\xc9\x07\x00"
BOMB = deflate(bytes(64 * MIB), 9)    # 64 KiB
LIMIT = deflate(bytes(MIB), 9)        # message.max_bytes, in 1 KiB
INFLATED = ["fanwire_inflated_total"]


def joined(target):
    return Peer(target).handshake("?room=attack", offer=OFFER)


def expect_codes(peers, codes):
    for peer in peers:
        closes = [e for e in peer.drain(2 * PATIENCE) if e.kind == "close"]
        assert closes and closes[0].code in codes, closes
        peer.close()


@attack("40 bombs at once, of 64 KiB that inflate to 64 MiB, whole or in fragments",
        "Close 1009; no more than `message.max_bytes` is ever inflated")
@pytest.mark.parametrize("size", [len(BOMB), 100], ids=["one_frame", "fragments"])
def test_bombs_are_1009_and_never_inflated(scene, target, size):
    def run():
        before = scene.server.rss()
        peers = [joined(target) for _ in range(40)]
        for peer in peers:
            peer.send(fragments(BINARY, pieces(BOMB, size), RSV1))
        expect_codes(peers, (1009,))
        if not scene.server.sanitized:
            grown = scene.server.rss() - before
            assert grown < 40 * MIB, "%.0f MiB" % (grown / MIB)

    scene.attack(run, TOO_LARGE, 40)


@attack("A flood of messages of 1 KiB that inflate to just the limit",
        "one after the other, and others have their turn between them")
def test_a_flood_of_messages_that_inflate_to_the_limit_starves_nobody(scene, target):
    """A thousandth of what they are; nobody but the sender hears them, and it doesn't
    listen. The control pair is to have its turn between them."""
    def run():
        peer = joined(target)
        flood = frame(BINARY, LIMIT, rsv=RSV1) * 20
        talked = len(scene.control.times)
        enough = scene.server.metrics()[INFLATED[0]] + 20
        try:
            for _ in range(10):
                if not peer.send(flood, reading=False, timeout=2):
                    break
        except Timeout:
            pass  # it stopped reading: that is a way too
        scene.server.wait_for("some were taken", lambda m: m[INFLATED[0]] >= enough,
                              4 * PATIENCE)
        peer.reset()
        scene.server.wait_for("the control pair goes on",
                              lambda m: len(scene.control.times) > talked, 4 * PATIENCE)

    scene.attack(run, INFLATED, 20, runs=2)


@attack("20,000 tiny compressed messages", "all are heard")
def test_a_flood_of_tiny_compressed_messages_is_echoed(scene, target):
    def run():
        peer = joined(target)
        flood, heard = frame(TEXT, HELLO, rsv=RSV1) * 500, 0
        for _ in range(40):  # a reader who keeps up: 500 at a time
            peer.send(flood)
            for _ in range(500):
                got = peer.heard()
                assert (got.kind, got.data) == ("text", b"Hello")
                heard += 1
        assert heard == 20000
        peer.close()

    scene.attack(run, INFLATED, 20000)


@attack("200,000 empty blocks in one message of 1 MB", "one message, heard")
def test_a_flood_of_empty_blocks_is_one_message(scene, target):
    def run():
        peer = joined(target)
        peer.send(frame(TEXT, b"\x00\x00\x00\xff\xff" * 200000 + HELLO, rsv=RSV1))
        assert peer.heard(2 * PATIENCE).data == b"Hello"
        peer.close()

    scene.attack(run, INFLATED, 1)


@attack("100 clients, each with all but the end of a compressed message",
        "they are waited for, within the limit of a message each")
def test_compressed_messages_that_never_end_are_kept_within_the_limit(scene):
    def run():
        before = scene.server.rss()
        peers = [joined(scene.server.plain) for _ in range(100)]
        for peer in peers:
            peer.send(frame(BINARY, b"\x00" * 100000, rsv=RSV1, fin=False))
        scene.server.wait_for("all are here", lambda m: m["fanwire_sessions"] == 102)
        if not scene.server.sanitized:
            grown = scene.server.rss() - before
            assert grown < 60 * MIB, "%.0f MiB" % (grown / MIB)
        for peer in peers:
            peer.reset()

    scene.attack(run, GONE, 100)


@attack("A compressed message without end", "Close 1009")
def test_an_endless_compressed_message_is_cut_off(scene, target):
    def run():
        peer = joined(target)
        peer.send(frame(BINARY, b"\x00" * 65536, rsv=RSV1, fin=False))
        more = frame(CONTINUATION, b"\x00" * 65536, fin=False)
        for _ in range(40):
            try:
                if not peer.send(more, timeout=PATIENCE):
                    break
            except Timeout:
                break
        expect_codes([peer], (1009,))

    scene.attack(run, TOO_LARGE, 1)


@attack("Broken compressed messages: reserved blocks, bad distances, cut, never "
        "compressed", "Close 1007")
@pytest.mark.parametrize("data", [b"\x06", b"\xff" * 1000, b"never compressed",
                                  HELLO[:-3], b"\x4b\x04\x32\x00\x00", BOMB[1000:2000]],
                         ids=["reserved_kind", "ones", "plain", "cut", "distance",
                              "middle_of_a_bomb"])
def test_a_broken_message_is_closed(scene, target, data):
    def run():
        peers = [joined(target) for _ in range(20)]
        for peer in peers:
            peer.send(frame(BINARY, data, rsv=RSV1))
        expect_codes(peers, (1007,))

    scene.attack(run, PROTOCOL, 20)


@attack("100 good compressed messages with some bits changed (from a seed)",
        "each is a message, or Close 1007")
def test_nonsense_behind_rsv1_ends_or_is_taken(scene, target):
    rng = random.Random(1951)

    def run():
        good = deflate(b"a message of words, and of words again " * 30)
        peers = []
        for _ in range(100):
            data = bytearray(good)
            for _ in range(rng.randrange(1, 6)):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            peer = joined(target)
            peer.send(frame(BINARY, bytes(data), rsv=RSV1))
            peer.send_close(1000)
            peers.append(peer)
        all_ended(peers)

    scene.attack(run, GONE, 100)
