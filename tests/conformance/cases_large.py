"""Chapter 9: large messages, many fragments, many pieces, many round trips.

Needs a server that takes messages of 16 MiB. No time is judged; the deadline only ends
the wait for a server that hangs.
"""

from peer import BINARY, PATIENCE, TEXT, Violation, fragments, frame, pieces
from suite import case, expect_clean_close

KIB, MIB = 1024, 1024 * 1024
LONG = 8 * PATIENCE
KINDS = {TEXT: "text", BINARY: "binary"}
SEED = {TEXT: b"BAsd7&jh23", BINARY: b"\x00\xfe\x23\xfa\xf0"}


def payload_of(opcode, length):
    return (SEED[opcode] * (length // len(SEED[opcode]) + 1))[:length]


def size_name(n):
    for unit, name in ((MIB, "MiB"), (KIB, "KiB")):
        if n >= unit:
            return "%d %s" % (n // unit, name)
    return "%d bytes" % n


def expect_echo(peer, opcode, payload):
    got = peer.heard(LONG)
    if got.kind != KINDS[opcode] or got.data != payload:
        raise Violation("got %s of %d bytes, not what was sent (%d)"
                        % (got.kind, len(got.data), len(payload)))


def register_large(id, opcode, length):
    @case(id, "A %s message of %s is echoed" % (KINDS[opcode], size_name(length)), "5.2",
          heavy=True)
    def run(maker):
        peer = maker.open()
        payload = payload_of(opcode, length)
        peer.send(frame(opcode, payload), timeout=LONG)
        expect_echo(peer, opcode, payload)
        expect_clean_close(peer)


def register_fragmented(id, opcode, size):
    @case(id, "4 MiB %s in fragments of %s are echoed" % (KINDS[opcode], size_name(size)),
          "5.4", heavy=True)
    def run(maker):
        peer = maker.open()
        payload = payload_of(opcode, 4 * MIB)
        peer.send(fragments(opcode, pieces(payload, size)), timeout=LONG)
        expect_echo(peer, opcode, payload)
        expect_clean_close(peer)


def register_chopped(id, opcode, size):
    @case(id, "1 MiB %s, written %d bytes at a time, is echoed" % (KINDS[opcode], size),
          "5.2", heavy=True)
    def run(maker):
        peer = maker.open()
        payload = payload_of(opcode, MIB)
        peer.send_chopped(frame(opcode, payload), size, timeout=LONG)
        expect_echo(peer, opcode, payload)
        expect_clean_close(peer)


def register_round_trips(id, opcode, length):
    @case(id, "1000 %s messages of %s, one after the other, are echoed"
          % (KINDS[opcode], size_name(length)), "5.6", heavy=True)
    def run(maker):
        peer = maker.open()
        payload = payload_of(opcode, length)
        for _ in range(1000):
            peer.send(frame(opcode, payload))
            expect_echo(peer, opcode, payload)
        expect_clean_close(peer)


for offset, opcode in enumerate((TEXT, BINARY)):
    for n, size in enumerate((64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB), 1):
        register_large("9.%d.%d" % (1 + offset, n), opcode, size)
    for n, size in enumerate((64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB,
                              4 * MIB), 1):
        register_fragmented("9.%d.%d" % (3 + offset, n), opcode, size)
    for n, size in enumerate((64, 128, 256, 512, 1024, 2048), 1):
        register_chopped("9.%d.%d" % (5 + offset, n), opcode, size)
    for n, size in enumerate((0, 16, 64, 256, KIB, 4 * KIB), 1):
        register_round_trips("9.%d.%d" % (7 + offset, n), opcode, size)
