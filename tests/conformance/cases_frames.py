"""Chapters 1 to 5: framing, ping and pong, reserved bits, opcodes, fragments.

The numbers and what is sent follow the Autobahn test suite; where that waits a second for
nothing to happen, these ask by a ping whether the server still is there.
"""

from peer import BINARY, CONTINUATION, PING, PONG, TEXT, fragments, frame
from suite import case, expect, expect_clean_close, expect_failure, expect_quiet

HELLO = b"Hello, world!"
WILD = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"


def register_echo(id, opcode, length, chop):
    kind, byte = ("text", b"*") if opcode == TEXT else ("binary", b"\xfe")
    how = ", written in pieces of %d" % chop if chop else ""

    @case(id, "A %s message of %d bytes%s is echoed" % (kind, length, how), "5.2, 5.6")
    def run(maker):
        peer = maker.open()
        peer.send_frame(opcode, byte * length, chop=chop)
        expect(peer, kind, byte * length)
        expect_clean_close(peer)


for part, opcode in ((1, TEXT), (2, BINARY)):
    for n, (length, chop) in enumerate(((0, 0), (125, 0), (126, 0), (127, 0), (128, 0),
                                        (65535, 0), (65536, 0), (65536, 997)), 1):
        register_echo("1.%d.%d" % (part, n), opcode, length, chop)


# --- 2: ping and pong ---

def register_ping(id, sentence, payload, chop=0):
    @case(id, sentence, "5.5.2, 5.5.3")
    def run(maker):
        peer = maker.open()
        peer.send_frame(PING, payload, chop=chop)
        expect(peer, "pong", payload)
        expect_clean_close(peer)


register_ping("2.1", "An empty ping gets an empty pong", b"")
register_ping("2.2", "A ping with text gets it back", HELLO)
register_ping("2.3", "A ping with bytes that are not UTF-8 gets them back", WILD)
register_ping("2.4", "A ping of 125 bytes gets them back", b"\xfe" * 125)


@case("2.5", "A ping of 126 bytes is 1002", "5.5")
def ping_too_long(maker):
    peer = maker.open()
    peer.send_frame(PING, b"\xfe" * 126)
    expect_failure(peer)


register_ping("2.6", "A ping of 125 bytes written byte by byte gets them back",
              b"\xfe" * 125, chop=1)


def register_pong(id, sentence, payload):
    @case(id, sentence, "5.5.3")
    def run(maker):
        peer = maker.open()
        peer.send_frame(PONG, payload)
        expect_clean_close(peer)


register_pong("2.7", "An unasked empty pong is passed over", b"")
register_pong("2.8", "An unasked pong with payload is passed over", b"unasked")


@case("2.9", "After an unasked pong a ping is answered", "5.5.3")
def pong_then_ping(maker):
    peer = maker.open()
    peer.send_frame(PONG, b"unasked")
    peer.send_frame(PING, b"asked")
    expect(peer, "pong", b"asked")
    expect_clean_close(peer)


def register_pings(id, sentence, chop):
    @case(id, sentence, "5.5.3")
    def run(maker):
        peer = maker.open()
        for i in range(10):
            peer.send_frame(PING, b"payload-%d" % i, chop=chop)
        for i in range(10):
            expect(peer, "pong", b"payload-%d" % i)
        expect_clean_close(peer)


register_pings("2.10", "Ten pings get ten pongs in order", 0)
register_pings("2.11", "Ten pings written byte by byte get ten pongs in order", 1)


# --- 3 and 4: what is reserved ---

def register_reserved(id, sentence, section, opcode, payload, rsv=0, chop=0, sync=False,
                      after_text=False):
    """after_text: a good message goes before, and a ping after it."""
    @case(id, sentence, section)
    def run(maker):
        peer = maker.open()
        if not after_text:
            peer.send_frame(opcode, payload, rsv=rsv, chop=chop)
            expect_failure(peer)
            return
        frames = [frame(TEXT, HELLO), frame(opcode, payload, rsv=rsv), frame(PING)]
        for data in frames if sync else [b"".join(frames)]:
            peer.send_chopped(data, chop) if chop else peer.send(data)
        expect_failure(peer, before=[("text", HELLO)])


for row in (
        ("3.1", "RSV 1 on a text frame is 1002", TEXT, HELLO, 1, 0, False, False),
        ("3.2", "RSV 2 on the second text frame is 1002, the first is echoed", TEXT,
         HELLO, 2, 0, False, True),
        ("3.3", "RSV 3 on the second text frame, written frame by frame, is 1002", TEXT,
         HELLO, 3, 0, True, True),
        ("3.4", "RSV 4 on the second text frame, written byte by byte, is 1002", TEXT,
         HELLO, 4, 1, False, True),
        ("3.5", "RSV 5 on a binary frame is 1002", BINARY, WILD, 5, 0, False, False),
        ("3.6", "RSV 6 on a ping is 1002", PING, HELLO, 6, 0, False, False),
        ("3.7", "RSV 7 on a Close frame is 1002", 8, b"", 7, 0, False, False)):
    id, sentence, opcode, payload, rsv, chop, sync, after = row
    register_reserved(id, sentence, "5.2", opcode, payload, rsv, chop, sync, after)

for part, first in ((1, 3), (2, 11)):
    for n in range(5):
        opcode, after = first + n, n >= 2
        payload = (b"", b"payload", b"", HELLO, HELLO)[n]
        chop = 1 if n == 4 else 0
        register_reserved(
            "4.%d.%d" % (part, n + 1),
            "Opcode %d%s%s is 1002%s" % (
                opcode, " with payload" if payload else "",
                ", written byte by byte," if chop else "",
                ", a message before it is echoed" if after else ""),
            "5.2", opcode, payload, chop=chop, after_text=after)


# --- 5: fragments ---

def register_stream(id, sentence, frames, how, want=None, before=()):
    """how: "one" write, "frames" or "bytes". want: what is heard, None for a failure."""
    section = "5.4" if want is not None else "5.4, 5.5"

    @case(id, sentence, section)
    def run(maker):
        peer = maker.open()
        if how == "one":
            peer.send(b"".join(frames))
        for data in frames if how != "one" else ():
            peer.send_chopped(data, 1) if how == "bytes" else peer.send(data)
        if want is None:
            expect_failure(peer, before=before)
            return
        for kind, data in want:
            expect(peer, kind, data)
        expect_clean_close(peer)


def part(opcode, payload, fin=True):
    return frame(opcode, payload, fin=fin)


TWO = [part(TEXT, b"fragment1", False), part(CONTINUATION, b"fragment2")]
WITH_PING = [TWO[0], part(PING, b"ping payload"), TWO[1]]
WHOLE = [("text", b"fragment1fragment2")]
PONG_WHOLE = [("pong", b"ping payload")] + WHOLE
HOWS = (("one", "in one write"), ("frames", "frame by frame"), ("bytes", "byte by byte"))

register_stream("5.1", "A ping in two fragments is 1002",
                [part(PING, b"fragment1", False), TWO[1]], "one")
register_stream("5.2", "A pong in two fragments is 1002",
                [part(PONG, b"fragment1", False), TWO[1]], "one")
for n, (how, words) in enumerate(HOWS):
    register_stream("5.%d" % (3 + n), "A text in two fragments, %s, is echoed whole"
                    % words, TWO, how, WHOLE)
    register_stream("5.%d" % (6 + n), "A ping between two fragments, %s, is answered "
                    "before the text is" % words, WITH_PING, how, PONG_WHOLE)
    register_stream("5.%d" % (9 + n), "A final continuation of nothing, %s, is 1002"
                    % words, [part(CONTINUATION, b"nothing"), part(TEXT, HELLO)], how)
    register_stream("5.%d" % (12 + n), "A continuation of nothing, %s, is 1002" % words,
                    [part(CONTINUATION, b"nothing", False), part(TEXT, HELLO)], how)

register_stream("5.15", "After a fragmented text a continuation of nothing is 1002",
                TWO + [part(CONTINUATION, b"fragment3", False), part(TEXT, HELLO)], "one",
                before=WHOLE)
for n, fin in ((16, False), (17, True)):
    register_stream("5.%d" % n, "A continuation (FIN %d) before any text is 1002" % fin,
                    [part(CONTINUATION, b"fragment1", fin),
                     part(TEXT, b"fragment2", False),
                     part(CONTINUATION, b"fragment3")] * 2, "one")
register_stream("5.18", "A second fragment with opcode text is 1002",
                [TWO[0], part(TEXT, b"fragment2")], "one")


def register_two_pings(id, sentence, sync):
    @case(id, sentence, "5.4, 5.5.2")
    def run(maker):
        peer = maker.open()
        parts = [part(TEXT, b"1", False)] + [part(CONTINUATION, b"%d" % i, False)
                                             for i in (2, 3, 4)]
        first = parts[:2] + [part(PING, b"ping 1")]
        second = parts[2:] + [part(PING, b"ping 2"), part(CONTINUATION, b"5")]
        for frames, heard in ((first, [("pong", b"ping 1")]),
                              (second, [("pong", b"ping 2"), ("text", b"12345")])):
            for data in frames if sync else [b"".join(frames)]:
                peer.send(data)
            for kind, data in heard:
                expect(peer, kind, data)
        expect_clean_close(peer)


register_two_pings("5.19", "Pings among five fragments are answered at once", False)
register_two_pings("5.20", "The same, written frame by frame", True)


# --- 10: fragments of odd size ---

@case("10.1.1", "65536 bytes in fragments of 1300 are echoed", "5.4")
def odd_fragments(maker):
    peer = maker.open()
    payload = b"*" * 65536
    peer.send(fragments(TEXT, [payload[i:i + 1300] for i in range(0, 65536, 1300)]))
    expect(peer, "text", payload)
    expect_quiet(peer)
    expect_clean_close(peer)
