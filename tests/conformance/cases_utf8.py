"""Chapter 6: text is UTF-8, and a server says so as early as the bytes show it.

6.5 and up walk through Markus Kuhn's list of sequences that decoders get wrong; what is
valid is decided by RFC 3629, here by Python's own decoder.
"""

from peer import CONTINUATION, TEXT, Timeout, Violation, fragments, frame, mask, pieces
from suite import (NonStrict, case, expect, expect_clean_close, expect_failure,
                   expect_quiet)

GREEK = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"  # "kosme"
UMLAUTS = "Hello-µ@ßöäüàá-UTF-8!!".encode()
TOO_HIGH = b"\xf4\x90\x80\x80"   # 110000, one past the last code point
SURROGATE = b"\xed\xa0\x80"
EDITED = b"edited"


def register_good(id, sentence, parts):
    @case(id, sentence, "5.6")
    def run(maker):
        peer = maker.open()
        peer.send(fragments(TEXT, parts))
        expect(peer, "text", b"".join(parts))
        expect_clean_close(peer)


def register_bad(id, sentence, parts):
    @case(id, sentence, "8.1")
    def run(maker):
        peer = maker.open()
        peer.send(fragments(TEXT, parts))
        expect_failure(peer, (1007,))


register_good("6.1.1", "An empty text message is echoed", [b""])
register_good("6.1.2", "A text of three empty fragments is echoed", [b"", b"", b""])
register_good("6.1.3", "A text with empty first and last fragments is echoed",
              [b"", b"middle frame payload", b""])
register_good("6.2.1", "Valid UTF-8 is echoed", [UMLAUTS])
cut = UMLAUTS.index("ü".encode())
register_good("6.2.2", "Valid UTF-8, cut between two code points, is echoed",
              [UMLAUTS[:cut], UMLAUTS[cut:]])
register_good("6.2.3", "Valid UTF-8 in fragments of one byte is echoed",
              pieces(UMLAUTS, 1))
register_good("6.2.4", "Valid Greek in fragments of one byte is echoed", pieces(GREEK, 1))
register_bad("6.3.1", "A surrogate in the middle of a text is 1007",
             [GREEK + SURROGATE + EDITED])
register_bad("6.3.2", "The same in fragments of one byte is 1007",
             pieces(GREEK + SURROGATE + EDITED, 1))


# --- 6.4: as early as the bytes show it ---

def expect_refused_early(peer, rest):
    """The fault has been sent but not the end of the message."""
    try:
        first = peer.heard(timeout=2)
    except Timeout:
        peer.send(rest)
        expect_failure(peer, (1007,))
        raise NonStrict("finds the fault only at the end") from None
    if first.kind == "eof":
        raise NonStrict("drops TCP without a Close frame")
    if first.kind != "close" or first.code != 1007:
        raise Violation("expected Close 1007, got %s %s" % (first.kind, first.code))
    expect_failure_end(peer)


def expect_failure_end(peer):
    if peer.heard().kind != "eof":
        raise Violation("the stream goes on after Close")


def register_early_frames(id, sentence, parts):
    @case(id, sentence, "8.1")
    def run(maker):
        peer = maker.open()
        peer.send(frame(TEXT, parts[0], fin=False))
        expect_quiet(peer)
        peer.send(frame(CONTINUATION, parts[1], fin=False))
        expect_refused_early(peer, frame(CONTINUATION, parts[2]))


def register_early_pieces(id, sentence, parts):
    @case(id, sentence, "8.1")
    def run(maker):
        peer = maker.open()
        key = b"\x12\x34\x56\x78"
        whole = b"".join(parts)
        data = frame(TEXT, whole, key=key)
        cuts = [6 + len(parts[0]), 6 + len(parts[0]) + len(parts[1])]
        assert data[6:] == mask(whole, key)
        peer.send(data[:cuts[0]])
        try:
            peer.heard(timeout=0.1)
            raise Violation("something came after valid bytes")
        except Timeout:
            pass
        peer.send(data[cuts[0]:cuts[1]])
        expect_refused_early(peer, data[cuts[1]:])


WHOLE = GREEK + TOO_HIGH + EDITED
AT_SEQUENCE = [GREEK, TOO_HIGH, EDITED]
AT_BYTE = [WHOLE[:12], WHOLE[12:13], WHOLE[13:]]
register_early_frames("6.4.1", "A bad sequence in the second of three fragments is 1007 "
                      "before the third comes", AT_SEQUENCE)
register_early_frames("6.4.2", "The very byte that can't be right is 1007 before the "
                      "next fragment comes", AT_BYTE)
register_early_pieces("6.4.3", "A bad sequence in the middle of a frame is 1007 before "
                      "the rest comes", AT_SEQUENCE)
register_early_pieces("6.4.4", "The very byte that can't be right is 1007 before the "
                      "rest of its frame comes", AT_BYTE)


# --- 6.5 and up: sequence by sequence ---

LONELY = [b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80",
          b"\xfc\x80\x80\x80\x80", b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf",
          b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf"]
NON_CHARACTERS = [b"\xef\xbf\xbe", b"\xef\xbf\xbf"] + [
    chr(plane << 16 | low).encode() for plane in range(1, 17) for low in (0xfffe, 0xffff)]


def lonely_starts(first, last):
    return b"".join(bytes([byte]) + b" " for byte in range(first, last))


GROUPS = (
    ("good sequences", [b"hello" + c.encode() + b"world" for c in "$¢€𤭢"] + [GREEK]),
    ("prefix of a text", [GREEK[:n] for n in range(1, len(GREEK) + 1)]),
    ("first of its length", [b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"]),
    ("first of length 5 and 6", [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"]),
    ("last of its length", [b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"]),
    ("last of length 4 to 6", [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf",
                               b"\xfd\xbf\xbf\xbf\xbf\xbf"]),
    ("at a border", [b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd",
                     b"\xf4\x8f\xbf\xbf", TOO_HIGH]),
    ("unexpected continuation", [b"\x80", b"\xbf"]
     + [(b"\x80\xbf" * 3)[:n] for n in range(2, 7)] + [bytes(range(0x80, 0xbf))]),
    ("lonely start", [lonely_starts(*r) for r in (
        (0xc0, 0xdf), (0xe0, 0xef), (0xf0, 0xf7), (0xf8, 0xfb), (0xfc, 0xfd))]),
    ("last byte missing", LONELY),
    ("unfinished ones joined", [b"".join(LONELY)]),
    ("impossible bytes", [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]),
    ("overlong slash", [b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf",
                        b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf"]),
    ("longest overlong", [b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf",
                          b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf"]),
    ("overlong NUL", [b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80",
                      b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80"]),
    ("surrogate", [b"\xed" + s for s in (b"\xa0\x80", b"\xad\xbf", b"\xae\x80",
                                         b"\xaf\xbf", b"\xb0\x80", b"\xbe\x80",
                                         b"\xbf\xbf")]),
    ("pair of surrogates", [b"\xed" + high + b"\xed" + low
                            for high in (b"\xa0\x80", b"\xad\xbf", b"\xae\x80",
                                         b"\xaf\xbf")
                            for low in (b"\xb0\x80", b"\xbf\xbf")]),
    ("non-character", NON_CHARACTERS),
    ("special", [b"\xef\xbf" + bytes([last]) for last in range(0xb9, 0xc0)]),
)


def is_valid(data):
    try:
        data.decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False


def hexed(data):
    text = data.hex(" ")
    return text if len(text) <= 36 else text[:33] + "..."


for g, (name, sequences) in enumerate(GROUPS, 5):
    for n, sequence in enumerate(sequences, 1):
        if is_valid(sequence):
            register_good("6.%d.%d" % (g, n), "Echoed: %s, %s" % (name, hexed(sequence)),
                          [sequence])
        else:
            register_bad("6.%d.%d" % (g, n), "1007: %s, %s" % (name, hexed(sequence)),
                         [sequence])
