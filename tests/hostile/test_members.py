"""Sessions in good order that harm others by what they do, or don't."""

import select
import time

import pytest

from hostile import GONE, MIB, OVERFLOWS, all_ended, attack, sock_to
from peer import (BINARY, CLOSE, PATIENCE, TEXT, Peer, Timeout, close_payload,
                  frame)

PIECE = 16 * 1024
COUNT = 1500  # 24 MiB: more than the kernel and an outbox hold for one who doesn't read


def deaf(server, room):
    """A member who never reads, with a small window."""
    peer = Peer(server.plain, sock_to(server.plain, receive_buffer=4096))
    peer.sock.setblocking(False)
    return peer.handshake("?room=" + room)


def talk(speaker, listener, count):
    """16 messages at a time, each heard by both in order: honest readers keep up."""
    for begin in range(0, count, 16):
        numbers = range(begin, min(begin + 16, count))
        texts = [(b"%08d" % n).ljust(PIECE, b".") for n in numbers]
        speaker.send(b"".join(frame(BINARY, t) for t in texts))
        for peer in (speaker, listener):
            for t in texts:
                got = peer.heard(2 * PATIENCE)
                assert got.data == t, "lost or out of order: %r" % (got.data[:20],)


@attack("1 and 30 members that read nothing, in a room where 24 MiB are said",
        "Close 1013 at `outbox.max_bytes`; the others hear all, in order")
@pytest.mark.parametrize("number", [1, 30])
def test_deaf_members_are_closed_and_the_others_hear_all(scene, number):
    def run():
        room = "deaf%d" % number
        speaker = Peer(scene.server.plain).handshake("?room=" + room)
        listener = Peer(scene.server.plain).handshake("?room=" + room)
        members = [deaf(scene.server, room) for _ in range(number)]
        scene.server.wait_for("all are in", lambda m:
                              m["fanwire_room_members"] == 4 + number)
        talk(speaker, listener, COUNT)
        scene.server.wait_for("the deaf are gone", lambda m: m["fanwire_sessions"] == 4)
        for peer in members:
            try:
                closes = [e for e in peer.drain(2 * PATIENCE) if e.kind == "close"]
                assert not closes or closes[0].code == 1013
            except AssertionError as e:
                # Where 1013 can't be written any more the stream is cut in a frame.
                assert "in the middle" in str(e), e
            peer.close()
        speaker.close()
        listener.close()

    scene.attack(run, OVERFLOWS, number, runs=2)


@attack("A member that reads 100 bytes of every 256 KiB", "Close 1013, in the end")
def test_a_slow_reader_harms_nobody(scene):
    def run():
        speaker = Peer(scene.server.plain).handshake("?room=slow")
        listener = Peer(scene.server.plain).handshake("?room=slow")
        slow = deaf(scene.server, "slow")
        scene.server.wait_for("all are in", lambda m: m["fanwire_room_members"] == 5)
        for _ in range(COUNT // 16):
            talk(speaker, listener, 16)
            try:
                slow.sock.recv(100)
            except OSError:
                pass
        scene.server.wait_for("it is gone", lambda m: m["fanwire_sessions"] == 4)
        for peer in (slow, speaker, listener):
            peer.close()

    scene.attack(run, OVERFLOWS, 1, runs=2)


@attack("A member that takes ten seconds over one message, and a heartbeat of six",
        "it is waited for: who reads isn't dead")
def test_a_slow_reader_is_not_taken_for_dead(server_with):
    server = server_with("--heartbeat.interval", "1s", "--heartbeat.timeout", "5s",
                         "--outbox.max_bytes", "64MiB", "--message.max_bytes", "16MiB",
                         "--raw.echo_to_sender", "off")
    size = 12 * MIB
    long = frame(BINARY, b"x" * size)  # made before anybody has to answer pings
    with Peer(server.plain) as speaker, deaf(server, "slow") as slow:
        speaker.handshake("?room=slow").send(long)
        got, begin = 0, time.monotonic()
        while got < size:
            assert select.select([slow.sock], [], [], PATIENCE)[0]
            data = slow.sock.recv(size // 100)
            assert data, "closed after %d bytes" % got
            got += len(data)
            time.sleep(max(0, begin + 10 * got / size - time.monotonic()))


@attack("64 MiB said by a member that doesn't read its own echo",
        "it isn't read any more, or closed; what waits is bounded")
def test_a_publisher_without_pause_stays_within_its_bounds(scene):
    def run():
        before = scene.server.rss()
        peer = deaf(scene.server, "alone")
        data = frame(BINARY, b"x" * 65536)
        try:
            for _ in range(1024):
                if not peer.send(data, reading=False, timeout=1):
                    break
        except Timeout:
            pass
        grown = scene.server.rss() - before
        peer.reset()
        if not scene.server.sanitized:
            assert grown < 32 * MIB, "%.0f MiB wait for one" % (grown / MIB)

    scene.attack(run, GONE, 1)


@attack("200 messages and the end in one write: a Close, a FIN, or a fault",
        "the others hear all 200")
@pytest.mark.parametrize("last", ["close", "fin", "fault"])
def test_what_was_said_before_leaving_is_heard_by_the_others(scene, last):
    end = {"close": frame(CLOSE, close_payload(1000)), "fin": b"",
           "fault": frame(3)}[last]

    def run():
        listener = Peer(scene.server.plain).handshake("?room=hurry")
        speaker = Peer(scene.server.plain).handshake("?room=hurry")
        scene.server.wait_for("both are in", lambda m: m["fanwire_room_members"] == 4)
        texts = [b"message %d" % i for i in range(200)]
        speaker.send(b"".join(frame(TEXT, t) for t in texts) + end)
        if last == "fin":
            speaker.half_close()
        for t in texts:
            got = listener.heard()
            assert got.data == t, got
        speaker.drain()
        for peer in (speaker, listener):
            peer.close()

    scene.attack(run, GONE, 1)


@attack("1,000 messages of a session that is in no room", "they are counted, and gone")
def test_messages_to_no_room_go_nowhere_and_are_counted(scene):
    def run():
        peer = Peer(scene.server.plain).handshake("")
        peer.send(frame(TEXT, b"anybody?") * 1000)
        peer.send_close(1000)
        assert [e.kind for e in peer.drain()] == ["close", "eof"]
        peer.close()

    scene.attack(run, ["fanwire_messages_unrouted_total"], 1000)


ROOMS = [
    ("129_rooms", "?" + "&".join("room=r%d" % i for i in range(129))),
    ("long_name", "?room=" + "x" * 256),
    ("control_character", "?room=a%01b"),
    ("nul", "?room=a%00b"),
    ("bad_utf8", "?room=%ff%fe"),
    ("broken_percent", "?room=%zz"),
    ("empty_name", "?room="),
]


@attack("Rooms that may not be: 129 of them, long or empty names, control characters, "
        "bad UTF-8, broken percent-encoding", "400, or let in without them")
@pytest.mark.parametrize("query", [r[1] for r in ROOMS], ids=[r[0] for r in ROOMS])
def test_a_room_that_may_not_be_does_no_harm(scene, query):
    def run():
        peers = [Peer(scene.server.plain) for _ in range(20)]
        for peer in peers:
            peer.send(peer.head(query))
        for peer in peers:
            answer = peer.answer()
            assert answer is not None, "no answer"
            assert answer.status in (101, 400, 403, 414, 431), answer.status
            if answer.status == 101:
                peer.send_close(1000)
        all_ended(peers) if answer.status == 101 else [p.close() for p in peers]

    scene.attack(run, ["fanwire_refused_total", "fanwire_http_errors_total"] + GONE, 20)


@attack("100 sessions in 128 rooms each, 12,800 rooms in all, that end at once",
        "no room is left")
def test_thousands_of_rooms_end_with_their_members(scene):
    def run():
        peers = []
        for i in range(100):
            rooms = "&".join("room=m%d-%d" % (i, n) for n in range(128))
            peers.append(Peer(scene.server.plain).handshake("?" + rooms))
        scene.server.wait_for("all are in", lambda m:
                              m["fanwire_rooms"] == 12801)
        for peer in peers:
            peer.reset()

    scene.attack(run, GONE, 100, runs=2)
