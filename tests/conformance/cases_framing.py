"""Chapter 21: framing beyond what the Autobahn test suite asks: masks, lengths, floods of
small frames, UTF-8 across fragments with control frames between.
"""

from peer import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Violation, close_payload,
                  fragments, frame, pieces)
from suite import (NonStrict, case, describe, expect, expect_clean_close, expect_failure,
                   expect_failure_or_echo)

LIMIT = 16 * 1024 * 1024  # what the server under test is told
HELLO = b"Hello"


def register_fault(id, sentence, section, data, codes=(1002,), before=()):
    @case(id, sentence, section)
    def run(maker):
        peer = maker.open()
        peer.send(data)
        expect_failure(peer, codes, before)


def register_echo(id, sentence, section, data, want, size=0):
    """size: written in pieces of so many bytes."""
    @case(id, sentence, section)
    def run(maker):
        peer = maker.open()
        peer.send_chopped(data, size) if size else peer.send(data)
        for kind, payload in want:
            expect(peer, kind, payload)
        expect_clean_close(peer)


# --- masks ---

register_fault("21.1", "An unmasked text frame is 1002", "5.1",
               frame(TEXT, HELLO, masked=False))
register_fault("21.2", "An unmasked empty text frame is 1002", "5.1",
               frame(TEXT, masked=False))
register_fault("21.3", "An unmasked ping is 1002", "5.1",
               frame(PING, HELLO, masked=False))
register_fault("21.4", "An unmasked Close frame is 1002", "5.1",
               frame(CLOSE, close_payload(1000), masked=False))
register_fault("21.5", "An unmasked second fragment is 1002", "5.1",
               frame(TEXT, HELLO, fin=False) + frame(CONTINUATION, HELLO, masked=False))
register_echo("21.6", "A mask of zeros is a mask", "5.3",
              frame(TEXT, HELLO, key=b"\0\0\0\0"), [("text", HELLO)])
register_echo("21.7", "Each frame has its own mask", "5.3",
              frame(TEXT, HELLO, fin=False, key=b"\x01\x02\x03\x04")
              + frame(CONTINUATION, HELLO, key=b"\xff\xfe\xfd\xfc"),
              [("text", HELLO + HELLO)])

# --- lengths ---


def register_wide(id, sentence, section, opcode, payload, width):
    """A length in more bytes than it needs: forbidden to the sender (MUST), so a strict
    receiver refuses it."""
    @case(id, sentence, section)
    def run(maker):
        peer = maker.open()
        peer.send(frame(opcode, payload, width=width))
        expect_failure_or_echo(peer, {TEXT: "text", BINARY: "binary"}[opcode], payload)


register_wide("21.8", "5 bytes with a 16-bit length are 1002", "5.2", TEXT, HELLO, 16)
register_wide("21.9", "5 bytes with a 64-bit length are 1002", "5.2", TEXT, HELLO, 64)
register_wide("21.10", "65535 bytes with a 64-bit length are 1002", "5.2", BINARY,
              b"x" * 65535, 64)
register_fault("21.11", "A ping of 5 bytes with a 16-bit length is 1002", "5.2, 5.5",
               frame(PING, HELLO, width=16))
register_fault("21.12", "A length with its highest bit set is 1002 or 1009", "5.2",
               frame(BINARY, HELLO, announce=1 << 63, width=64), (1002, 1009))
register_fault("21.13", "A length of 2^63-1 is 1009 at once", "7.4.1",
               frame(BINARY, b"", announce=(1 << 63) - 1, width=64), (1009,))
register_fault("21.14", "A length one over the limit is 1009 at once", "7.4.1",
               frame(BINARY, b"", announce=LIMIT + 1), (1009,))
register_fault("21.15", "A fragment that takes the message over the limit is 1009 at "
               "once", "7.4.1",
               frame(BINARY, b"12", fin=False)
               + frame(CONTINUATION, b"", announce=LIMIT - 1), (1009,))


@case("21.16", "What the server sends is unmasked and of minimal length", "5.1, 5.2")
def own_frames(maker):
    peer = maker.open()
    for length in (0, 1, 125, 126, 127, 65535, 65536):
        peer.send_frame(BINARY, b"x" * length)
        expect(peer, "binary", b"x" * length)  # the reader judges each header
    expect_clean_close(peer)


# --- reserved bits where they hide ---

register_fault("21.17", "RSV 1 on a continuation is 1002", "5.2",
               frame(TEXT, HELLO, fin=False) + frame(CONTINUATION, HELLO, rsv=4))
register_fault("21.18", "RSV 1 on a ping is 1002", "5.2", frame(PING, HELLO, rsv=4))

# --- fragments ---

register_fault("21.19", "A text frame in a fragmented binary message is 1002", "5.4",
               frame(BINARY, HELLO, fin=False) + frame(TEXT, HELLO))
register_echo("21.20", "A thousand empty fragments are a message", "5.4",
              fragments(TEXT, [b""] * 1000 + [HELLO]), [("text", HELLO)])
register_echo("21.21", "A ping behind each of a hundred fragments is answered, in order",
              "5.4, 5.5.2",
              b"".join(frame(CONTINUATION if i else TEXT, b"%02d" % i, fin=False)
                       + frame(PING, b"ping %d" % i) for i in range(100))
              + frame(CONTINUATION),
              [("pong", b"ping %d" % i) for i in range(100)]
              + [("text", b"".join(b"%02d" % i for i in range(100)))])

# --- UTF-8 and control frames ---

SPLIT = pieces("grün €uro 𤭢".encode(), 1)
register_echo("21.22", "Pings with bytes that are no UTF-8 among the bytes of a "
              "character don't disturb a text", "5.4, 5.6",
              b"".join(frame(CONTINUATION if i else TEXT, byte, fin=False)
                       + frame(PONG, b"\xff\xfe") + frame(PING, b"\xc3")
                       for i, byte in enumerate(SPLIT)) + frame(CONTINUATION),
              [("pong", b"\xc3")] * len(SPLIT) + [("text", b"".join(SPLIT))])
register_fault("21.23", "A character cut off by an empty last fragment is 1007", "8.1",
               frame(TEXT, b"gr\xc3", fin=False) + frame(CONTINUATION), (1007,))
register_fault("21.24", "A character cut off at the end of a text is 1007", "8.1",
               frame(TEXT, b"gr\xc3"), (1007,))
register_echo("21.25", "A text right after one with a split character begins anew", "8.1",
              fragments(TEXT, [b"gr\xc3", b"\xbcn"]) + frame(BINARY, b"\xc3")
              + frame(TEXT, b"new"),
              [("text", "grün".encode()), ("binary", b"\xc3"), ("text", b"new")])

# --- many in one write, one in many writes ---

MANY = [b"message %d" % i for i in range(1000)]
register_echo("21.26", "A thousand messages in one write are echoed in order", "5.6",
              b"".join(frame(TEXT, m) for m in MANY), [("text", m) for m in MANY])
register_echo("21.27", "A hundred messages written byte by byte are echoed in order",
              "5.6",
              b"".join(frame(TEXT, m) for m in MANY[:100]),
              [("text", m) for m in MANY[:100]], size=1)
register_echo("21.28", "Text and binary in turn keep their kinds", "5.6",
              b"".join(frame(TEXT if i % 2 else BINARY, b"%d" % i) for i in range(100)),
              [("text" if i % 2 else "binary", b"%d" % i) for i in range(100)])


@case("21.29", "A frame header may be cut anywhere", "5.2")
def cut_headers(maker):
    peer = maker.open()
    for length in (5, 126, 65536):
        data = frame(BINARY, b"x" * length)
        for cut in range(1, 15):
            peer.send(data[:cut])
            peer.send(data[cut:])
            expect(peer, "binary", b"x" * length)
    expect_clean_close(peer)


@case("21.30", "A hundred pings in one write get pongs in order, at least the last",
      "5.5.3")
def hundred_pings(maker):
    peer = maker.open()
    peer.send(b"".join(frame(PING, b"%d" % i) for i in range(100)))
    heard = []
    while not heard or heard[-1] != 99:
        e = peer.heard()
        if e.kind != "pong":
            raise Violation("got " + describe(e))
        heard.append(int(e.data))
    if heard != sorted(set(heard)):
        raise Violation("pongs out of order or twice")
    if len(heard) < 100:
        raise NonStrict("%d of 100 pings answered" % len(heard))
    expect_clean_close(peer)
