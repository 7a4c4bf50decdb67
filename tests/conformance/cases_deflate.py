"""Chapters 12 and 13: permessage-deflate (RFC 7692) with data of several kinds and sizes,
in one frame and in fragments, and with each set of parameters that a client may offer.

The numbers are Autobahn's, whose cases send a thousand messages each: these send a few,
one after the other so that a context that is taken over would show. The data is made
here, of the same kinds.
"""

import json
import random

from peer import BINARY, PATIENCE, TEXT, Violation
from suite import NonStrict, case, expect_clean_close

LONG = 8 * PATIENCE
KINDS = {TEXT: "text", BINARY: "binary"}

# Of a message, and of its fragments; 0: one frame. Autobahn's order.
SIZES = ([(n, 0) for n in (16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072)]
         + [(n, 256) for n in (8192, 16384, 32768, 65536, 131072)]
         + [(131072, 1024), (131072, 4096), (131072, 32768)])
SOME = (1, 4, 7, 10, 11, 15, 18)  # of them, for chapter 13

LENGTH = 300000
RANDOM = random.Random(7692)
WORDS = ("Habe nun ach Philosophie Juristerei und Medizin Und leider auch Theologie "
         "Durchaus studiert mit heißem Bemühn Da steh ich nun ich armer Tor").split()


def make_json():
    rows = [{"id": RANDOM.randrange(10 ** 6), "name": RANDOM.choice(WORDS),
             "value": RANDOM.random(), "ok": RANDOM.random() < 0.5}
            for _ in range(LENGTH // 50)]
    return json.dumps(rows).encode()


def make_bitmap():
    """Areas of nearly one shade."""
    out, shade = bytearray(), 128
    while len(out) < LENGTH:
        shade = (shade + RANDOM.randrange(-20, 21)) % 256
        out += bytes((shade + RANDOM.randrange(2)) % 256
                     for _ in range(RANDOM.randrange(1, 40)))
    return bytes(out)


def make_prose():
    return " ".join(RANDOM.choice(WORDS) for _ in range(LENGTH // 5)).encode()


def make_html():
    rows = ("<tr class=\"%s\"><td>%d</td><td>%s</td></tr>\n"
            % (RANDOM.choice(("odd", "even")), i, RANDOM.choice(WORDS))
            for i in range(LENGTH // 40))
    return "".join(rows).encode()


def make_packed():
    """As a PDF: mostly bytes that don't get smaller."""
    return b"".join(RANDOM.randbytes(3000) + b"endstream endobj stream\n" * 8
                    for _ in range(LENGTH // 3000))


DATA = (("JSON", TEXT, make_json), ("a bitmap", BINARY, make_bitmap),
        ("prose in UTF-8, as bytes", BINARY, make_prose), ("HTML", TEXT, make_html),
        ("packed bytes", BINARY, make_packed))
MADE = {}


def data_of(kind):
    if kind not in MADE:
        MADE[kind] = dict((name, make) for name, _, make in DATA)[kind]()
    return MADE[kind]


def messages(kind, opcode, size, number):
    """Consecutive pieces of the data; of text, whole characters."""
    data = data_of(kind)
    for i in range(number):
        at = i * size % (len(data) - size)
        piece = data[at:at + size]
        yield piece.decode("utf-8", "ignore").encode() if opcode == TEXT else piece


def number_of(size):
    return 40 if size <= 4096 else 10 if size <= 32768 else 4


def talk(maker, offers, kind, opcode, size, fragment):
    """Echoes, and whether they came compressed."""
    peer = maker.open(offer=offers)
    if peer.agreed is None:
        raise NonStrict("compression is declined")
    window = int(peer.agreed.get("client_max_window_bits") or 15)
    compressed = 0
    for message in messages(kind, opcode, size, number_of(size)):
        peer.send_compressed(opcode, message, fragment, window=window)
        got = peer.heard(LONG)
        if got.kind != KINDS[opcode] or got.data != message:
            raise Violation("got %s of %d bytes, not what was sent (%d)"
                            % (got.kind, len(got.data), len(message)))
        compressed += got.compressed is not None
    expect_clean_close(peer)
    return peer.agreed, compressed


def size_name(size, fragment):
    return "%d bytes%s" % (size, " in fragments of %d" % fragment if fragment else "")


def register_data(id, kind, opcode, size, fragment):
    @case(id, "%s: compressed messages of %s are echoed" % (kind, size_name(size,
                                                                              fragment)),
          "7692 6, 7.2", heavy=True)
    def run(maker):
        _, compressed = talk(maker, "permessage-deflate; client_max_window_bits", kind,
                             opcode, size, fragment)
        if not compressed and size >= 4096 and kind != "packed bytes":
            raise Violation("nothing came back compressed")


# What a client offers, and what the answer must have of it.
PARAMETERS = (
    ("", ()),
    ("; server_no_context_takeover", ("server_no_context_takeover",)),
    ("; server_max_window_bits=9", ("server_max_window_bits",)),
    ("; server_max_window_bits=15", ("server_max_window_bits",)),
    ("; server_no_context_takeover; server_max_window_bits=9",
     ("server_no_context_takeover", "server_max_window_bits")),
    ("; server_no_context_takeover; server_max_window_bits=15",
     ("server_no_context_takeover", "server_max_window_bits")),
    ("; server_no_context_takeover; server_max_window_bits=9, permessage-deflate; "
     "server_no_context_takeover, permessage-deflate", ("server_no_context_takeover",)),
)


def register_parameters(id, offered, wanted, size, fragment):
    @case(id, "Offer \"permessage-deflate%s\": messages of %s are echoed"
          % (offered, size_name(size, fragment)), "7692 7.1", heavy=True)
    def run(maker):
        agreed, _ = talk(maker, "permessage-deflate" + offered, "JSON", TEXT, size,
                         fragment)
        for name in wanted:
            if name not in agreed:
                raise Violation("agreed without %s" % name)


for chapter, (data_name, data_opcode, _) in enumerate(DATA, 1):
    for n, (length, part) in enumerate(SIZES, 1):
        register_data("12.%d.%d" % (chapter, n), data_name, data_opcode, length, part)
for chapter, (parameters, needed) in enumerate(PARAMETERS, 1):
    for n in SOME:
        register_parameters("13.%d.%d" % (chapter, n), parameters, needed, *SIZES[n - 1])
