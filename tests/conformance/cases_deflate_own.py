"""Chapter 23, ours: what permessage-deflate (RFC 7692) leaves to go wrong. Offers that
are to be declined, where RSV1 may stand, every way to write a message down, broken ones,
and those that inflate to too much. Needs a server that takes messages of 16 MiB.
"""

import zlib

from peer import (BINARY, CLOSE, CONTINUATION, PING, PONG, RSV1, TEXT, Violation, deflate,
                  fragments, frame, pieces)
from suite import (NonStrict, case, expect, expect_clean_close, expect_failure,
                   expect_refusal)

OFFER = "permessage-deflate; client_max_window_bits"
HELLO = b"\xf2\x48\xcd\xc9\xc9\x07\x00"
LIMIT = 16 * 1024 * 1024
TEXTS = b"a text with words, and other words, and words again; " * 20


def agreed(maker, offer=OFFER):
    peer = maker.open(offer=offer)
    if peer.agreed is None:
        raise NonStrict("compression is declined")
    return peer


# --- offers ---

def register_offer(id, sentence, offer, wanted):
    """wanted: the parameters beside no_context_takeover that must be in the answer, or
    None: it is to be declined."""
    @case(id, sentence, "7692 5, 7.1")
    def run(maker):
        peer = maker.open(offer=offer)
        if wanted is None and peer.agreed is not None:
            raise Violation("agreed on %s" % peer.agreed)
        if wanted is not None:
            if peer.agreed is None:
                raise NonStrict("compression is declined")
            for name, value in wanted.items():
                if peer.agreed.get(name) != value:
                    raise Violation("%s is %s in the answer" % (name,
                                                                peer.agreed.get(name)))
            peer.send_compressed(TEXT, TEXTS)
        else:
            peer.send_frame(TEXT, TEXTS)
        expect(peer, "text", TEXTS)
        expect_clean_close(peer)


for number, (why, value, answer) in enumerate((
        ("An offer without parameters is taken", "permessage-deflate", {}),
        ("A value in quotes is a value",
         'permessage-deflate; server_max_window_bits="10"',
         {"server_max_window_bits": "10"}),
        ("The smallest window is taken", "permessage-deflate; server_max_window_bits=8",
         {"server_max_window_bits": "8"}),
        ("client_max_window_bits may have a value",
         "permessage-deflate; client_max_window_bits=10", {}),
        ("Another extension in front is passed over",
         "x-unknown; a=\"b\"; c, permessage-deflate", {}),
        ("The first good one of several is taken",
         "permessage-deflate; server_max_window_bits=7, permessage-deflate; "
         "server_max_window_bits=12, permessage-deflate",
         {"server_max_window_bits": "12"}),
        ("An unknown parameter declines", "permessage-deflate; unknown", None),
        ("A parameter said twice declines",
         "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
         None),
        ("server_no_context_takeover with a value declines",
         "permessage-deflate; server_no_context_takeover=1", None),
        ("client_no_context_takeover with a value declines",
         "permessage-deflate; client_no_context_takeover=true", None),
        ("server_max_window_bits without a value declines",
         "permessage-deflate; server_max_window_bits", None),
        ("server_max_window_bits=7 declines",
         "permessage-deflate; server_max_window_bits=7", None),
        ("server_max_window_bits=16 declines",
         "permessage-deflate; server_max_window_bits=16", None),
        ("server_max_window_bits=010 declines",
         "permessage-deflate; server_max_window_bits=010", None),
        ("client_max_window_bits=16 declines",
         "permessage-deflate; client_max_window_bits=16", None),
        ("Only extensions that nobody knows", "x-webkit-deflate-frame, permessage-bzip2",
         None)), 1):
    register_offer("23.%d" % number, why, value, answer)


for number, bits in enumerate(range(9, 16), 58):
    register_offer("23.%d" % number, "server_max_window_bits=%d is taken" % bits,
                   "permessage-deflate; server_max_window_bits=%d" % bits,
                   {"server_max_window_bits": str(bits)})
for number, (why, value, answer) in enumerate((
        ("client_max_window_bits=8 is taken", "permessage-deflate; "
         "client_max_window_bits=8", {}),
        ("All four parameters are taken",
         "permessage-deflate; client_max_window_bits=15; server_max_window_bits=15; "
         "server_no_context_takeover; client_no_context_takeover",
         {"server_max_window_bits": "15"}),
        ("No blanks at all", "permessage-deflate;server_max_window_bits=10,x",
         {"server_max_window_bits": "10"}),
        ("Tabs and blanks everywhere", "\tpermessage-deflate \t; "
         "server_max_window_bits=10 \t, \tx ", {"server_max_window_bits": "10"}),
        ("The second offer is taken where the first can't be had",
         "permessage-deflate; unknown, permessage-deflate", {}),
        ("An offer that is there twice is taken once",
         "permessage-deflate, permessage-deflate", {}),
        ("client_max_window_bits=7 declines", "permessage-deflate; "
         "client_max_window_bits=7", None),
        ("client_max_window_bits said twice declines", "permessage-deflate; "
         "client_max_window_bits; client_max_window_bits=10", None),
        ("server_max_window_bits=1x declines", "permessage-deflate; "
         "server_max_window_bits=1x", None),
        ("server_max_window_bits=0 declines", "permessage-deflate; "
         "server_max_window_bits=0", None),
        ("server_max_window_bits=150 declines", "permessage-deflate; "
         "server_max_window_bits=150", None),
        ("A name that only begins so is another's", "permessage-deflate2", None)), 65):
    register_offer("23.%d" % number, why, value, answer)


def register_unreadable(id, list_of_extensions):
    @case(id, "The list of extensions \"%s\" is refused" % list_of_extensions, "9.1")
    def run(maker):
        peer = maker.raw()
        peer.send(peer.head(maker.query(), extra=[
            "Sec-WebSocket-Extensions: " + list_of_extensions]))
        expect_refusal(peer, (400,))


for number, value in enumerate(("permessage-deflate;", "permessage-deflate; a=",
                                'x; a="b', "; a", "a b", 'x; a=""', "x; a=b c", "x=1",
                                'x; a="b c"', "permessage/deflate"), 77):
    register_unreadable("23.%d" % number, value)


@case("23.17", "An offer in two lines", "9110 5.3")
def two_lines(maker):
    peer = maker.open(offer="x-unknown", extra=["Sec-WebSocket-Extensions: " + OFFER])
    if peer.agreed is None:
        raise NonStrict("compression is declined")
    peer.send_compressed(TEXT, TEXTS)
    expect(peer, "text", TEXTS)


@case("23.18", "A list of extensions that can't be read is refused", "9.1")
def unreadable(maker):
    peer = maker.raw()
    peer.send(peer.head(maker.query(), extra=[
        "Sec-WebSocket-Extensions: permessage-deflate; =1"]))
    expect_refusal(peer, (400,))


# --- ways to write a message down ---

def register_written(id, sentence, section, write, message):
    @case(id, sentence, section)
    def run(maker):
        peer = agreed(maker)
        for _ in range(3):  # nothing of the one before may be in the way
            peer.send(write())
            expect(peer, "text", message)
        expect_clean_close(peer)


def in_one(payload):
    return lambda: frame(TEXT, payload, rsv=RSV1)


for number, (why, where, writes, said) in enumerate((
        ("The example of the RFC", "7692 7.2.3.1", in_one(HELLO), b"Hello"),
        ("A block without compression", "7692 7.2.3.3",
         in_one(b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), b"Hello"),
        ("A block that says it is the last", "7692 7.2.3.4",
         in_one(b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), b"Hello"),
        ("Two blocks", "7692 7.2.3.5",
         in_one(b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), b"Hello"),
        ("An empty message", "7692 7.2.3.6", in_one(b"\x00"), b""),
        ("Fixed codes only", "7692 7.2.1", in_one(deflate(TEXTS, strategy=zlib.Z_FIXED)),
         TEXTS),
        ("Not compressed, level 0", "7692 7.2.1", in_one(deflate(TEXTS, 0)), TEXTS),
        ("The best that zlib can do", "7692 7.2.1", in_one(deflate(TEXTS, 9)), TEXTS),
        ("A small window of the client", "7692 7.1.2.2",
         in_one(deflate(TEXTS, window=9)), TEXTS),
        ("Full flushes", "7692 7.2.1",
         in_one(deflate(TEXTS, flush=zlib.Z_FULL_FLUSH)), TEXTS),
        ("Each byte a fragment", "7692 6.1",
         lambda: fragments(TEXT, pieces(deflate(TEXTS), 1), RSV1), TEXTS),
        ("Empty fragments around", "7692 6.1",
         lambda: fragments(TEXT, [b"", b"", deflate(TEXTS), b"", b""], RSV1), TEXTS),
        ("A fragment that is only the last byte", "7692 6.1",
         lambda: fragments(TEXT, [HELLO[:-1], HELLO[-1:]], RSV1), b"Hello"),
        ("A hundred empty blocks in front", "7692 7.2.3.5",
         in_one(b"\x00\x00\x00\xff\xff" * 100 + HELLO), b"Hello"),
        ("Compressed to more than it was", "7692 7.2.1",
         in_one(deflate(b"x", 0)), b"x"),
        ("Not compressed at all, which is allowed", "7692 6",
         lambda: frame(TEXT, TEXTS), TEXTS)), 19):
    register_written("23.%d" % number, why, where, writes, said)


@case("23.35", "Compressed and plain messages in turn", "7692 6")
def in_turn(maker):
    peer = agreed(maker)
    for i in range(50):
        message = b"%d " % i + TEXTS
        if i % 2:
            peer.send_compressed(BINARY, message)
        else:
            peer.send_frame(BINARY, message)
        expect(peer, "binary", message)
    expect_clean_close(peer)


@case("23.36", "Pings among the fragments of a compressed message are answered",
      "7692 6, 5.4")
def pings_between(maker):
    peer = agreed(maker)
    parts = pieces(deflate(TEXTS), 10)
    for i, part in enumerate(parts):
        peer.send_frame(CONTINUATION if i else TEXT, part, fin=i == len(parts) - 1,
                        rsv=0 if i else RSV1)
        peer.send_frame(PING, b"%d" % i)
    for i in range(len(parts) - 1):
        expect(peer, "pong", b"%d" % i)
    last = [(e.kind, e.data) for e in (peer.heard(), peer.heard())]
    if sorted(last) != [("pong", b"%d" % (len(parts) - 1)), ("text", TEXTS)]:
        raise Violation("got %r" % last)
    expect_clean_close(peer)


@case("23.37", "A compressed message written byte by byte", "7692 6")
def byte_by_byte(maker):
    peer = agreed(maker)
    peer.send_chopped(frame(TEXT, deflate(TEXTS), rsv=RSV1))
    expect(peer, "text", TEXTS)
    expect_clean_close(peer)


@case("23.38", "A hundred compressed messages in one write are echoed in order", "7692 6")
def many_in_one_write(maker):
    peer = agreed(maker)
    said = [b"message %d " % i * 20 for i in range(100)]
    peer.send(b"".join(frame(TEXT, deflate(m), rsv=RSV1) for m in said))
    for message in said:
        expect(peer, "text", message)
    expect_clean_close(peer)


# --- RSV1 where it mustn't be, and broken messages ---

def register_fault(id, sentence, section, data, codes, offer=OFFER):
    @case(id, sentence, section)
    def run(maker):
        peer = maker.open(offer=offer)
        if offer and peer.agreed is None:
            raise NonStrict("compression is declined")
        peer.send_frame(TEXT, b"before")
        expect(peer, "text", b"before")
        peer.send(data)
        expect_failure(peer, codes)


def first(payload=HELLO):
    return frame(TEXT, payload, rsv=RSV1, fin=False)


for number, (why, where, data, codes) in enumerate((
        ("RSV1 on a ping is 1002", "7692 6.1", frame(PING, HELLO, rsv=RSV1), (1002,)),
        ("RSV1 on a pong is 1002", "7692 6.1", frame(PONG, HELLO, rsv=RSV1), (1002,)),
        ("RSV1 on a Close frame is 1002", "7692 6.1",
         frame(CLOSE, b"\x03\xe8", rsv=RSV1), (1002,)),
        ("RSV1 on a later fragment is 1002", "7692 6.1",
         first(HELLO[:3]) + frame(CONTINUATION, HELLO[3:], rsv=RSV1), (1002,)),
        ("RSV1 on the second fragment of a plain message is 1002", "7692 6.1",
         frame(TEXT, b"a", fin=False) + frame(CONTINUATION, HELLO, rsv=RSV1), (1002,)),
        ("RSV2 beside RSV1 is 1002", "5.2", frame(TEXT, HELLO, rsv=RSV1 | 2), (1002,)),
        ("RSV3 beside RSV1 is 1002", "5.2", frame(TEXT, HELLO, rsv=RSV1 | 1), (1002,)),
        ("A block of the reserved kind is 1007", "1951 3.2.3",
         frame(TEXT, b"\x06", rsv=RSV1), (1007, 1002)),
        ("What was never compressed is 1007", "7692 7.2.2",
         frame(TEXT, b"Hello, plainly", rsv=RSV1), (1007, 1002)),
        ("A distance before the beginning of the message is 1007", "7692 7.1.1.2",
         frame(TEXT, b"\x4b\x04\x32\x00\x00", rsv=RSV1), (1007, 1002)),
        ("A block that is cut short is 1007", "7692 7.2.2",
         frame(TEXT, HELLO[:3], rsv=RSV1), (1007, 1002)),
        ("Text that isn't UTF-8 when inflated is 1007", "8.1",
         frame(TEXT, deflate(b"gr\xfc\xdfe"), rsv=RSV1), (1007,)),
        ("Text that ends inside a character when inflated is 1007", "8.1",
         frame(TEXT, deflate("größe €".encode()[:-1]), rsv=RSV1), (1007,)),
        ("One byte more than the limit, inflated, is 1009", "7.4.1",
         frame(BINARY, deflate(bytes(LIMIT + 1), 9), rsv=RSV1), (1009,)),
        ("A gigabyte of zeros is 1009", "7692 8",
         frame(BINARY, (deflate(bytes(64 << 20), 9) + b"\0\0\xff\xff") * 16, rsv=RSV1),
         (1009,))), 39):
    register_fault("23.%d" % number, why, where, data, codes)
register_fault("23.54", "RSV1 where nothing was agreed on is 1002", "5.2",
               frame(TEXT, HELLO, rsv=RSV1), (1002,), offer=None)


@case("23.55", "A message of just the limit, inflated, is echoed", "7692 8", heavy=True)
def just_the_limit(maker):
    peer = agreed(maker)
    message = bytes(LIMIT)
    peer.send(frame(BINARY, deflate(message, 9), rsv=RSV1))
    expect(peer, "binary", message, 120)
    expect_clean_close(peer)


@case("23.57", "Thirty messages in one write, 1 MiB each when inflated, are echoed",
      "7692 6", heavy=True)
def many_that_are_large(maker):
    peer = agreed(maker)
    said = [b"%d" % i + bytes(1024 * 1024) for i in range(30)]
    peer.send(b"".join(frame(BINARY, deflate(m, 9), rsv=RSV1) for m in said))
    for message in said:
        expect(peer, "binary", message, 60)
    expect_clean_close(peer)


@case("23.56", "What refers to the message before is 1007: nothing is taken over",
      "7692 7.1.1.2")
def takes_over(maker):
    peer = agreed(maker)
    if "client_no_context_takeover" not in peer.agreed:
        raise NonStrict("takes over from message to message")
    z = zlib.compressobj(6, zlib.DEFLATED, -15)
    for fails in (False, True):
        packed = (z.compress(TEXTS) + z.flush(zlib.Z_SYNC_FLUSH))[:-4]
        peer.send_frame(TEXT, packed, rsv=RSV1)
        if fails:
            expect_failure(peer, (1007, 1002))
        else:
            expect(peer, "text", TEXTS)
