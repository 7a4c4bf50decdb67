"""Chapter 7, closing as the Autobahn test suite asks for it, and 22, what it doesn't ask.

After its own Close frame a client says nothing that counts, and the server ends TCP
first.
"""

import time

from peer import (BINARY, CLOSE, CONTINUATION, PATIENCE, PING, TEXT, Timeout, Violation,
                  close_payload, frame)
from suite import (Info, NonStrict, case, describe, expect, expect_clean_close,
                   expect_close_answer, expect_end, expect_failure)

HELLO = b"Hello World!"
BAD_REASON = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"


@case("7.1.1", "After a message and its echo a Close is answered", "5.5.1")
def message_then_close(maker):
    peer = maker.open()
    peer.send_frame(TEXT, HELLO)
    expect(peer, "text", HELLO)
    expect_clean_close(peer)


def register_after_close(id, sentence, after, before=b""):
    """What comes behind a Close frame, in the same write, is not looked at."""
    @case(id, sentence, "5.5.1, 1.4")
    def run(maker):
        peer = maker.open()
        peer.send(before + frame(CLOSE, close_payload(1000)) + after)
        expect_close_answer(peer, (1000,))


register_after_close("7.1.2", "A second Close frame is passed over", frame(CLOSE))
register_after_close("7.1.3", "A ping behind a Close frame gets no pong", frame(PING))
register_after_close("7.1.4", "A message behind a Close frame is not echoed",
                     frame(TEXT, HELLO))
register_after_close("7.1.5", "A Close frame among fragments is answered",
                     frame(CONTINUATION, b"fragment2"),
                     before=frame(TEXT, b"fragment1", fin=False))


@case("7.1.6", "256 KiB, a message and a Close, all in one write", "open")
def large_then_close(maker):
    peer = maker.open()
    large = (b"BAsd7&jh23" * 26215)[:262144]
    peer.send(frame(TEXT, large) + frame(TEXT, HELLO) + frame(CLOSE, close_payload(1000))
              + frame(PING))
    events = peer.drain()
    texts = [e.data for e in events if e.kind == "text"]
    if texts != [large, HELLO][:len(texts)]:
        raise Violation("echoes that weren't sent")
    closes = [e.code for e in events if e.kind == "close"]
    raise Info("%d of 2 messages echoed, then Close %s" % (
        len(texts), closes[0] if closes else "missing"))


def register_close(id, sentence, section, payload, codes):
    """codes: what the answer may carry; a Close frame that must fail has other codes."""
    @case(id, sentence, section)
    def run(maker):
        peer = maker.open()
        peer.send_frame(CLOSE, payload)
        expect_close_answer(peer, codes)


def register_bad_close(id, sentence, section, payload, codes=(1002,)):
    @case(id, sentence, section)
    def run(maker):
        peer = maker.open()
        peer.send_frame(CLOSE, payload)
        expect_failure(peer, codes)


register_close("7.3.1", "A Close frame without code is answered", "5.5.1", b"",
               (None, 1000))
register_bad_close("7.3.2", "A Close frame of one byte is 1002", "5.5.1", b"a")
register_close("7.3.3", "A Close frame with a code is answered", "5.5.1",
               close_payload(1000), (1000,))
register_close("7.3.4", "A Close frame with a reason is answered", "5.5.1",
               close_payload(1000, HELLO), (1000,))
register_close("7.3.5", "A Close frame with the longest reason is answered", "5.5.1",
               close_payload(1000, b"*" * 123), (1000,))
register_bad_close("7.3.6", "A Close frame of 126 bytes is 1002", "5.5",
                   close_payload(1000, b"*" * 124))
register_bad_close("7.5.1", "A reason that isn't UTF-8 is 1007 or 1002", "5.5.1, 8.1",
                   close_payload(1000, BAD_REASON), (1007, 1002))
for n, code in enumerate((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000,
                          3999, 4000, 4999), 1):
    register_close("7.7.%d" % n, "Close %d is answered with the same" % code, "7.4",
                   close_payload(code), (code, 1000))
for n, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1):
    register_bad_close("7.9.%d" % n, "Close %d is 1002" % code, "7.4.2",
                       close_payload(code))


def register_undefined(id, code):
    @case(id, "Close %d: no range of the RFC" % code, "open")
    def run(maker):
        peer = maker.open()
        peer.send_frame(CLOSE, close_payload(code))
        raise Info(", then ".join(describe(e) for e in peer.drain()))


register_undefined("7.13.1", 5000)
register_undefined("7.13.2", 65535)


# --- 22: ours ---

for n, code in enumerate((1012, 1013, 1014), 1):
    register_close("22.%d" % n, "Close %d, registered after the RFC, is answered" % code,
                   "7.4.2, IANA", close_payload(code), (code, 1000))
register_bad_close("22.4", "Close 1015 is 1002", "7.4.1", close_payload(1015))
register_bad_close("22.5", "A reason cut inside a character is 1007 or 1002", "5.5.1",
                   close_payload(1000, "grün".encode()[:3]), (1007, 1002))


@case("22.6", "A Close frame without FIN is 1002", "5.5")
def fragmented_close(maker):
    peer = maker.open()
    peer.send(frame(CLOSE, close_payload(1000), fin=False))
    expect_failure(peer)


@case("22.7", "A Close frame written byte by byte is answered", "5.5.1")
def chopped_close(maker):
    peer = maker.open()
    peer.send_close(1001, b"going away", chop=1)
    expect_close_answer(peer, (1001, 1000))


@case("22.8", "Of messages and a Close in one write, echoes and answer come whole and in "
      "order", "5.5.1")
def many_then_close(maker):
    peer = maker.open()
    messages = [b"message %d" % i for i in range(200)]
    peer.send(b"".join(frame(TEXT, m) for m in messages)
              + frame(CLOSE, close_payload(1000)))
    events = peer.drain()
    texts = [e.data for e in events if e.kind == "text"]
    if texts != messages[:len(texts)]:
        raise Violation("the echoes are out of order")
    if events[-2].kind != "close" or events[-2].code != 1000:
        raise Violation("no Close answer, but " + describe(events[-2]))
    if len(texts) < len(messages):
        raise Info("%d of %d messages echoed before Close" % (len(texts), len(messages)))


@case("22.9", "A Close while 4 MiB of echo are half sent cuts no frame", "5.5.1",
      heavy=True)
def close_amid_echo(maker):
    peer = maker.open()
    payload = b"x" * (4 * 1024 * 1024)
    peer.send_frame(BINARY, payload)
    # The echo begins, and now its sender reads no more: the rest waits at the server.
    deadline = time.monotonic() + PATIENCE
    while not peer.buffer:
        if not peer._fill(deadline - time.monotonic()):
            raise Timeout("no echo")
    peer.send(frame(CLOSE, close_payload(1000)), reading=False)
    events = peer.drain(4 * PATIENCE)
    if [e.kind for e in events] != ["binary", "close", "eof"]:
        raise Violation("expected echo, Close, end; got %s"
                        % ", ".join(describe(e) for e in events))
    if events[0].data != payload or events[1].code != 1000:
        raise Violation("the echo or the code is wrong")


@case("22.10", "Behind the Close frame of a failure comes nothing", "7.1.7, 5.5.1")
def nothing_after_failure(maker):
    peer = maker.open()
    good = b"".join(frame(TEXT, b"message %d" % i) for i in range(200))
    peer.send(good + frame(3) + good + frame(PING))
    before = [("text", b"message %d" % i) for i in range(200)]
    expect_failure(peer, before=before)


@case("22.11", "What is still sent after a failure is thrown away, and the Close frame "
      "arrives", "7.1.7", heavy=True)
def failure_amid_flood(maker):
    peer = maker.open()
    peer.send(frame(TEXT, HELLO, masked=False) + b"\xff" * (4 * 1024 * 1024),
              reading=False)
    events = peer.drain()
    if [e.kind for e in events] == ["eof"]:
        raise NonStrict("the reset ate the Close frame")
    if [e.kind for e in events] != ["close", "eof"] or events[0].code != 1002:
        raise Violation("got " + ", ".join(describe(e) for e in events))


@case("22.12", "A client that ends TCP without a Close frame is let go", "7.1.5")
def end_without_close(maker):
    peer = maker.open()
    peer.half_close()
    for e in peer.drain():
        if e.kind not in ("eof", "close"):
            raise Violation("came " + describe(e))


@case("22.13", "A client that ends TCP in the middle of a frame is let go", "7.1.5")
def end_amid_frame(maker):
    peer = maker.open()
    peer.send(frame(TEXT, b"x" * 1000)[:500])
    peer.half_close()
    for e in peer.drain():
        if e.kind not in ("eof", "close"):
            raise Violation("came " + describe(e))


@case("22.14", "A client that doesn't end TCP after a failure is cut off", "7.1.1, 7.1.7")
def failure_then_wait(maker):
    peer = maker.open()
    peer.send(frame(3))
    expect_failure(peer)
    # The server's end is said. Soon nobody takes what is still sent.
    deadline = time.monotonic() + PATIENCE
    while peer.send(b"\0" * 1024):
        if time.monotonic() > deadline:
            raise Violation("the connection is kept though it failed")
        try:
            peer.sock.getpeername()
        except OSError:
            return
        time.sleep(0.05)  # only the pace of writing


@case("22.15", "An answer to a Close is at most as long as a control frame may be", "5.5")
def long_reason(maker):
    peer = maker.open()
    peer.send_close(4000, "ä".encode() * 61)
    got = peer.heard()
    if got.kind != "close" or got.code not in (4000, 1000):
        raise Violation("got " + describe(got))
    expect_end(peer)


for n, code in enumerate((3001, 3500, 4001, 4500), 16):
    register_close("22.%d" % n, "Close %d, of the private ranges, is answered" % code,
                   "7.4.2", close_payload(code), (code, 1000))
for n, code in enumerate((1, 998, 1017, 1099, 1999), 20):
    register_bad_close("22.%d" % n, "Close %d, reserved, is 1002" % code, "7.4.2",
                       close_payload(code))
register_close("22.25", "A reason may have NUL in it", "5.5.1",
               close_payload(1000, b"a\0b"), (1000,))
register_close("22.26", "A reason of characters of four bytes is taken", "5.5.1",
               close_payload(1000, "𤭢".encode() * 30), (1000,))
for n, (what, reason) in enumerate((("An overlong slash", b"\xc0\xaf"),
                                    ("A surrogate", b"\xed\xa0\x80"),
                                    ("A lonely continuation", b"a\x80"),
                                    ("What lies beyond Unicode", b"\xf4\x90\x80\x80")),
                                   27):
    register_bad_close("22.%d" % n, what + " in a reason is 1007 or 1002", "5.5.1, 8.1",
                       close_payload(1000, reason), (1007, 1002))
register_after_close("22.31", "A fault behind a Close frame is not looked at", frame(3))
register_after_close("22.32", "An unmasked frame behind a Close frame is not looked at",
                     frame(TEXT, HELLO, masked=False))
register_after_close("22.33", "Half a frame behind a Close frame is not waited for",
                     frame(TEXT, b"x" * 1000)[:10])


@case("22.34", "A hundred pings and a Close in one write: pongs, the last one in any "
      "case, then the Close", "5.5.1, 5.5.3")
def pings_then_close(maker):
    peer = maker.open()
    peer.send(b"".join(frame(PING, b"%d" % i) for i in range(100))
              + frame(CLOSE, close_payload(1000)))
    *pongs, close, end = peer.drain()
    numbers = [int(e.data) for e in pongs if e.kind == "pong"]
    if len(numbers) != len(pongs) or numbers != sorted(set(numbers)):
        raise Violation("got " + ", ".join(describe(e) for e in pongs[:4]))
    if close.kind != "close" or close.code != 1000 or end.data != b"fin":
        raise Violation("then came %s, %s" % (describe(close), describe(end)))
    if len(numbers) < 100:
        raise Info("%d of 100 pings answered before Close" % len(numbers))


@case("22.35", "A client that ends its half of TCP right behind its Close gets the "
      "answer", "5.5.1, 7.1.1")
def close_then_fin(maker):
    peer = maker.open()
    peer.send_close(1000)
    peer.half_close()
    expect_close_answer(peer, (1000,))


@case("22.36", "A second Close frame, behind the answer, is passed over", "5.5.1")
def close_again(maker):
    peer = maker.open()
    peer.send_close(1000)
    got = peer.heard()
    if got.kind != "close" or got.code != 1000:
        raise Violation("got " + describe(got))
    peer.send_close(4000)
    expect_end(peer)


@case("22.37", "A Close frame with the longest reason, written byte by byte, is answered",
      "5.5.1")
def chopped_long_close(maker):
    peer = maker.open()
    peer.send_close(4321, b"*" * 123, chop=1)
    expect_close_answer(peer, (4321, 1000))


@case("22.38", "Where compression was agreed on a Close frame is what it is elsewhere",
      "7692 6")
def close_with_compression(maker):
    peer = maker.open(offer="permessage-deflate")
    peer.send_compressed(TEXT, HELLO * 100)
    expect(peer, "text", HELLO * 100)
    expect_clean_close(peer, 1001, b"away")


@case("22.39", "A Close frame among the fragments of a compressed message is answered",
      "7692 6, 5.5.1")
def close_amid_compressed(maker):
    peer = maker.open(offer="permessage-deflate")
    rsv = 4 if peer.agreed is not None else 0
    peer.send(frame(TEXT, b"\xf2\x48", fin=False, rsv=rsv)
              + frame(CLOSE, close_payload(1000)))
    expect_close_answer(peer, (1000,))
