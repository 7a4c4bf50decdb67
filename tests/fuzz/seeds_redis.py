"""Seeds of what Redis says: replies, envelopes, maps, pages, and plays of the backplane.
For seeds.py."""

import struct

# Orders of redis.h, fuzz_redis_backplane.c and fuzz_redis_hub.c.
SAY, SAY_TEXT, SAY_HEARD, OPEN, ANSWER, FAIL = range(6)
(WAIT, PUBLISH, KEEP, READ_HISTORY, FORGET_HISTORY, SUBSCRIBE, UNSUBSCRIBE, ENTER, LEAVE,
 READ_PRESENCE, READ_NODES) = range(6, 17)
STEP = 6
LAST, BEFORE = 0, 1  # streams: the subscriber's, the command link's
DATA, LEFT = 1, 9


def field(kind, data):
    return struct.pack(">BH", kind, len(data)) + data


def envelope(payload, kind=DATA, flags=0, code=0, node=77, serial=1, fields=b""):
    return (b"\xffFW\x01" + struct.pack(">BBHQQH", kind, flags, code, node, serial,
                                         len(fields)) + fields + payload)


def position(epoch, offset):
    return field(6, struct.pack(">QQ", epoch, offset))


def said_by(user, node):
    return (field(3, struct.pack(">QQ", 77, 5)) + field(4, user) + field(5, node)
            + field(7, b'{"a":1}'))


def envelopes():
    return {
        "plain": envelope(b"hello"),
        "binary": envelope(b"\xff\xfe", flags=1),
        "with-all-fields": envelope(
            b"hello", fields=position(7, 3) + field(1, bytes(range(16)))
            + field(2, bytes(range(16))) + said_by(b"ann", b"node-1")),
        "of-a-later-version": envelope(b"x", fields=field(99, b"new")),
        "close": envelope(b"bye", kind=3, code=4000),
        "field-too-long": envelope(b"", fields=b"\x04\x01\x00a"),
        "no-utf8": envelope(b"\xc3"),
        "version-2": b"\xffFW\x02",
        "none": b"hello",
        "breaks-off": b"\xffFW\x01\x01",
    }


def replies():
    return {name: b"\x03" + text for name, text in {
        "status": b"+OK\r\n",
        "error": b"-ERR unknown command\r\n",
        "integers": b":1\r\n:-9223372036854775808\r\n",
        "string": b"$5\r\nhe\0lo\r\n",
        "nil": b"$-1\r\n*-1\r\n",
        "message": b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n",
        "array-in-array": b"*2\r\n*2\r\n:1\r\n$1\r\na\r\n:2\r\n",
        "too-many": b"*5\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n",
        "resp3": b"%1\r\n+a\r\n:1\r\n_\r\n#t\r\n,1.5\r\n>2\r\n+a\r\n:1\r\n",
        "length-too-large": b"$99999999999999999999\r\n",
        "below-zero": b"$-2\r\n",
        "not-redis": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    }.items()}


MAP = (b"07c37dfeb235213a872192d90877d0cd55635b91 a:1@11,name.example master - 0 0 1 "
       b"connected 0-8191\n"
       b"67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 :2@12 myself,master - 0 0 2 connected "
       b"8192-16382 16383\n"
       b"292f8b365bb7edb5e285caf0b7e6ddc7265d2f4f [::1]:3@13 slave "
       b"67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 0 0 2 connected\n")


def member(user):
    return b"1 1 " + envelope(b'{"age":5}', kind=LEFT, fields=said_by(user, b"node-1"))


def members(*users):
    entries = [member(user) for user in users]
    return b"%d 0\n" % len(users) + b"".join(b"%d\n%s" % (len(e), e) for e in entries)


def texts():
    return {
        "map": b"\x00" + MAP,
        "map-by-names": b"\x01" + MAP,
        "map-moving": b"\x00" + MAP.replace(b"16383\n", b"[16383->-292f8b365bb7edb5e285ca"
                                                       b"f0b7e6ddc7265d2f4f]\n"),
        "map-failed": b"\x00" + MAP.replace(b" master", b" master,fail?"),
        "map-overlapping": b"\x00" + MAP.replace(b"8192-", b"8000-"),
        "members": b"\x02" + members(b"ann", b"bob"),
        "members-none": b"\x020 0\n",
        "members-damaged": b"\x02" + members(b"ann").replace(b"1 1 ", b"1 x "),
        "role": b"\x03# Replication\r\nrole:master\r\nconnected_slaves:1\r\n",
        "master": b"\x04127.0.0.1\n6379",
        "master-no-port": b"\x04127.0.0.1\n",
    }


def piece(data):
    return struct.pack(">H", len(data)) + data


def say(stream, data, how=SAY):
    return bytes([how, stream]) + piece(data)


UP = bytes([OPEN, LAST, OPEN, BEFORE, *[ANSWER, LAST, ANSWER, BEFORE] * 3])
EPOCH = bytes(range(1, 9))
KEPT = b"*3\r\n$8\r\n" + EPOCH + b"\r\n:1\r\n:0\r\n"
PAGE = EPOCH + struct.pack(">Q", 2)


def in_page(text, offset):
    e = envelope(text, fields=position(int.from_bytes(EPOCH, "big"), offset))
    return struct.pack(">I", len(e)) + e


def plays():
    one, sentinel, cluster = b"\x00", b"\x01", b"\x02"
    return {
        "up": one + UP,
        "message": one + UP + say(LAST, envelope(b"hello"), SAY_HEARD),
        "plain-message": one + UP + say(LAST, b"hello", SAY_HEARD),
        "own-message": one + UP + bytes([PUBLISH, ANSWER, BEFORE]),
        "kept": one + UP + bytes([KEEP]) + say(BEFORE, KEPT),
        "kept-unknown-script": one + UP + bytes([KEEP])
        + say(BEFORE, b"-NOSCRIPT No matching script\r\n") + say(BEFORE, KEPT),
        "page": one + UP + bytes([READ_HISTORY])
        + say(BEFORE, PAGE + in_page(b"a", 1) + in_page(b"b", 2), SAY_TEXT),
        "page-damaged": one + UP + bytes([READ_HISTORY])
        + say(BEFORE, PAGE + in_page(b"a", 1)[:-3] + b"\xff\xff\xff\xff", SAY_TEXT),
        "page-too-short": one + UP + bytes([READ_HISTORY])
        + say(BEFORE, EPOCH, SAY_TEXT),
        "forget": one + UP + bytes([FORGET_HISTORY]) + say(BEFORE, PAGE, SAY_TEXT),
        "presence": one + UP + bytes([ENTER, WAIT, 9]) + say(BEFORE, b"0 1 1\n", SAY_TEXT)
        + say(BEFORE, b":1\r\n:1\r\n") + bytes([READ_PRESENCE])
        + say(BEFORE, members(b"ann"), SAY_TEXT) + bytes([LEAVE]),
        "nodes": one + UP + bytes([READ_NODES, WAIT, 40])
        + say(BEFORE, members(b"ann"), SAY_TEXT)
        + say(BEFORE, b"0 1 1\n0000000000000077 900 5\n", SAY_TEXT),
        "subscribe-fail": one + UP + bytes([SUBSCRIBE, FAIL, LAST, WAIT, 20, PUBLISH,
                                            OPEN, LAST, OPEN, BEFORE, UNSUBSCRIBE]),
        "read-only": one + UP + bytes([PUBLISH])
        + say(BEFORE, b"-READONLY You can't write against a read only replica.\r\n"),
        "sentinel": sentinel + bytes([OPEN, LAST, ANSWER, LAST])
        + say(LAST, b"*2\r\n$1\r\nm\r\n$4\r\n6379\r\n") + bytes([WAIT, 1]) + UP
        + say(BEFORE, b"$11\r\nrole:master\r\n"),
        "sentinel-knows-none": sentinel + bytes([OPEN, LAST, ANSWER, LAST])
        + say(LAST, b"*-1\r\n"),
        "cluster": cluster + bytes([OPEN, LAST, ANSWER, LAST]) + say(LAST, MAP, SAY_TEXT)
        + bytes([WAIT, 1, OPEN, 0, OPEN, 1, OPEN, 2, OPEN, 3, ANSWER, 0, ANSWER, 1,
                 ANSWER, 2, ANSWER, 3, ANSWER, 0, ANSWER, 1, PUBLISH])
        + say(1, b":1\r\n-MOVED 1 b:2\r\n"),
        "cluster-odd-map": cluster + bytes([OPEN, LAST, ANSWER, LAST])
        + say(LAST, b"nonsense", SAY_TEXT),
    }


def emitters():
    """A kind of URL, and what each connection says."""
    hello, moved = b"+OK\r\n+PONG\r\n", b"-MOVED 1 127.0.0.1:1\r\n"
    here = MAP.splitlines()[0].replace(b"a:1@11,name.example", b"127.0.0.1:00000@0")
    here = here.replace(b"0-8191", b"0-16383") + b"\n"
    nodes = b"$%d\r\n%s\r\n" % (len(here), here)
    return {
        "published": b"\x00" + piece(b":3\r\n:0\r\n"),
        "refused": b"\x00" + piece(b"-READONLY no\r\n") + piece(b":1\r\n"),
        "odd": b"\x00" + piece(b"+OK\r\n") + piece(b"$2\r\nhi\r\n"),
        "negative": b"\x00" + piece(b":-1\r\n") + piece(b":-3\r\n"),
        "closed": b"\x00" + piece(b"") + piece(b":1"),
        "with-password": b"\x03" + piece(b"+OK\r\n+OK\r\n:1\r\n:1\r\n"),
        "sentinel": b"\x01" + piece(b"*2\r\n$9\r\n127.0.0.1\r\n$1\r\n1\r\n"),
        "sentinel-nil": b"\x01" + piece(b"*-1\r\n"),
        "cluster": b"\x02" + piece(nodes) + piece(b":1\r\n:1\r\n"),
        "cluster-negative": b"\x02" + piece(nodes) + piece(b":-1\r\n"),
        "cluster-moved": b"\x02" + piece(nodes) + piece(moved) + piece(nodes)
        + piece(hello),
        "cluster-odd": b"\x02" + piece(b"$3\r\nabc\r\n"),
    }


def step(text):
    return bytes([STEP]) + piece(text)


def hubs():
    """Plays of fuzz_redis_hub.c: a kind of URL, a configuration, orders."""
    plain, json_format, centrifuge = b"\x00\x00", b"\x00\x01", b"\x00\x02"
    come = step(b"Aroom=kept:a&user=ann") + step(b"Broom=kept:a")
    heard = bytes([ANSWER, LAST, ANSWER, BEFORE])

    def kept(text, offset, epoch=EPOCH):
        fields = position(int.from_bytes(epoch, "big"), offset) + said_by(b"bob", b"n2")
        return say(LAST, envelope(text, serial=offset, fields=fields), SAY_HEARD)

    return {
        "talk": plain + UP + come + heard + say(BEFORE, PAGE, SAY_TEXT) + step(b"ahello")
        + say(BEFORE, KEPT) + kept(b"1", 1) + kept(b"2", 2),
        "gap": json_format + UP + come + heard + say(BEFORE, PAGE, SAY_TEXT)
        + kept(b"3", 3) + kept(b"7", 7)
        + say(BEFORE, PAGE + in_page(b"5", 5) + in_page(b"6", 6), SAY_TEXT),
        "another-epoch": plain + UP + come + heard + say(BEFORE, PAGE, SAY_TEXT)
        + kept(b"x", 1, bytes(8 * [9])) + kept(b"y", 2 ** 64 - 1) + kept(b"z", 0),
        "lost": plain + UP + come + heard + bytes([FAIL, LAST]) + step(b"T\x14") + UP,
        "orders": plain + UP + come + heard
        + say(LAST, envelope(b"bye", kind=3, code=4000), SAY_HEARD)
        + say(LAST, envelope(b"c", kind=4), SAY_HEARD)
        + say(LAST, envelope(b"kept:a", kind=5), SAY_HEARD),
        "centrifuge": centrifuge + UP + step(b'a{"id":1,"connect":{}}') + step(
            b'a{"id":2,"subscribe":{"channel":"kept:a","recover":true}}') + heard
        + say(BEFORE, PAGE + in_page(b"[1]", 1), SAY_TEXT) + kept(b'{"n":3}', 3),
    }


def seeds():
    return {"redis_hub": hubs(), "redis_emitter": emitters(), "envelope": envelopes(),
            "redis_reply": replies(), "redis_texts": texts(), "redis_backplane": plays()}
