"""Seeds of whole plays: streams of events, hooks and their answers, what other nodes say,
what Redis' scripts answer, requests to http.listen. For seeds.py."""

import hashlib
import hmac
import json
import struct

from seeds_redis import EPOCH, PAGE, envelope, field, in_page, members, piece, said_by
from seeds_web import MARK, client, handshake, signed


# --- streams of events ---

def events():
    room, epoch = b"8bd43a21", b"00c0ffee00c0ffee"
    one = room + b":" + epoch + b"/17"
    return {
        "id-one": b"\0" + one,
        "id-three": b"\0" + b",".join([
            one, b"e40c292c:0ddba11000000007/3",
            b"00000000:ffffffffffffffff/18446744073709551615"]),
        "id-too-large": b"\0" + room + b":" + epoch + b"/18446744073709551616",
        "id-breaks-off": b"\0" + one + b",",
        "id-other": b"\0" + b"event-17",
        "text": b"\1hello",
        "text-lines": b"\1a\nb\r\nc\rd\n",
        "text-ends": b"\1\r\n\r\r\n",
        "text-none": b"\1",
        "text-fields": b"\1data: x\n\nid: 5\nevent: close",
    }


def sse_sessions(keys):
    token = signed(keys["secret"], {"sub": "ann", "channels": ["b"], "subs": {
        "kept:a": {"data": 1}, "last:a": {}}})
    ends = signed(keys["secret"], {"sub": "ann", "exp": 1700000010})
    connect = b"Ccf_connect="
    said = [b"Pkept:a\n1", b"Pkept:a\n\"two\nlines\"", b"Pb\nnews"]
    return {
        "plain": b"\x00" + MARK.join([b"Broom=kept:a&user=ann", *said, b"B", *said]),
        "json": b"\x03" + MARK.join([b"Aroom=kept:a&user=bob", b"Broom=kept:a&room=b",
                                     b"ahello", b"a\x80binary", *said, b"A", b"B"]),
        "own-id": b"\x01" + MARK.join([
            b"Pkept:a\n1", b"Broom=kept:a\n8bd43a21:0123456789abcdef/0",
            b"Broom=kept:a&last_event_id=8bd43a21:0123456789abcdef/0\n ",
            b"Broom=kept:a\nof-somebody-else"]),
        "many-rooms": b"\x02" + MARK.join([
            b"Broom=kept:a&room=kept:b&room=kept:c&room=b", *said, b"Pkept:b\n{}",
            b"J\x01kept:d", b"Pkept:d\n[]", b"L\x01kept:a", b"B"]),
        "uni-token": b"\x0c" + MARK.join([
            connect + json.dumps({"token": token}).encode(), *said,
            connect + json.dumps({"token": token, "subs": {"kept:a": {
                "recover": True, "offset": 1, "epoch": "0123456789abcdef"}}}).encode(),
            b"Plast:a\n5", connect + json.dumps({"token": token}).encode()]),
        "uni-ends": b"\x08" + MARK.join([
            connect + json.dumps({"token": ends}).encode(), b"T\x50", b"T\xf0"]),
        "uni-given": b"\x04" + MARK.join([
            b"C", b"J\x02kept:a", *said, b"I\x02{\"n\":1}", b"S\x02{}", b"E\x02" + b"30",
            b"C", b"K\x02bye"]),
        "uni-bad": b"\x00" + MARK.join([
            connect + b"[]", connect + b"{", connect + b"%7B%22data%22:%00",
            connect + b'{"token":"a.b.c"}']),
        "user": b"\x01" + MARK.join([b"Broom=b&user=ann", b"U\x01bob", b"U\x01",
                                     b"Broom=" + b"x" * 256, b"B?user=%ff", b"T\xff"]),
        "forget": b"\x01" + MARK.join([b"Broom=kept:a", *said, b"F\x00kept:a", *said,
                                       b"B"]),
        "slow": b"\x10" + MARK.join([b"Broom=kept:a", b"Pkept:a\n" + b"x" * 3000] +
                                    [b"Pkept:a\n" + b"y" * 300] * 3),
    }


# --- hooks ---

def answers():
    def text(value):
        return json.dumps(value).encode()
    return {
        "result": text({"result": {"user": "ann", "expire_at": 1700000600,
                                   "info": {"a": [1]}, "data": {}, "channels": ["a"],
                                   "subs": {"b": {"data": 2, "override": {
                                       "presence": {"value": True}}}}}}),
        "result-base64": text({"result": {"b64data": "e30=", "b64info": "WzFd"}}),
        "result-empty": b'{"result":{}}',
        "result-expired": b'{"result":{"expired":true,"user":null}}',
        "error": text({"error": {"code": 1000, "message": "zo\u00eb",
                                 "temporary": True}}),
        "disconnect": text({"disconnect": {"code": 4500, "reason": "b\u00e4h"}}),
        "all-three": b'{"result":{},"error":{"code":1},"disconnect":{"code":4000}}',
        "control": b'{"error":{"code":100,"message":"a\\u0000b"}}',
        "html": b"<html><h1>502 Bad Gateway</h1>",
        "breaks-off": b'{"result":{"user":"ann"',
        "wrong-kinds": b'{"result":{"user":5,"channels":{},"subs":[],"expire_at":"x"}}',
    }


def hooks():
    yes = b'G{"result":{"user":"ann","channels":["kept:a"]}}'
    enter = client(b"a", {"id": 1, "connect": {"data": {"a": 1}}})
    to = client(b"a", {"id": 2, "subscribe": {"channel": "kept:a", "data": 5}})
    said = client(b"a", {"id": 3, "publish": {"channel": "kept:a", "data": {"t": 1}}})
    return {
        "let-in": b"\x00" + MARK.join([enter, yes, to, b'G{"result":{}}']),
        "publish": b"\x00" + MARK.join([enter, yes, to, b'G{"result":{"info":{}}}', said,
                                        b'H{"result":{"data":"changed"}}', said,
                                        b'H{"error":{"code":103,"message":"no"}}']),
        "rpc": b"\x02" + MARK.join([
            enter, yes, client(b"a", {"id": 4, "rpc": {"method": "m\u00eb\n",
                                                       "data": []}},
                               {"id": 5, "rpc": {"data": "x"}}),
            b'H{"result":{"b64data":"e30="}}', b'H{"disconnect":{"code":4000}}']),
        "refused": b"\x00" + MARK.join([
            enter, b'G{"error":{"code":401,"message":"who?"}}', b"A", enter,
            b'G{"disconnect":{"code":4500,"reason":"banned"}}']),
        "refresh": b"\x00" + MARK.join([
            enter, b'G{"result":{"user":"ann","expire_at":1700000003}}', b"T\x30",
            b'G{"result":{"expire_at":1700000060}}', b"T\xff",
            b'G{"result":{"expired":true}}']),
        "sub-refresh": b"\x00" + MARK.join([
            enter, yes, to, b'G{"result":{"expire_at":1700000003}}', b"T\x30",
            b'H{"result":{"expire_at":1700000060}}', b"T\xff"]),
        "raw": b"\x05" + MARK.join([
            b'Broom=kept:a&q="\\%ff&user=x', b'G{"result":{"user":"bob"}}', b"bhello",
            b'G{"result":{"data":5}}', b"b\x80binary", b"G{\"result\":{}}"]),
        "uni": b"\x00" + MARK.join([
            b'Ccf_connect={"data":{"zo":1}}', b'G{"result":{"user":"ann","data":[],'
            b'"subs":{"kept:a":{"data":1,"info":2}}}}', b"Pkept:a\n1", b"C", yes]),
        "late": b"\x00" + MARK.join([enter, b"T\x40", yes, b"J\x00b", b"U\x00bob",
                                     b"E\x009", b"K\x00bye"]),
        "malformed": b"\x08" + MARK.join([enter, b"G<html>", b'G{"result":5}', yes]),
    }


# --- what other nodes say: orders of fuzz_hub_sink.c ---

(STEP, MESSAGE, KEPT, PAGE_OF, MEMBERS, PUBLISHED, STATE, MISSED, NODE,
 REPORT) = range(10)
(ALL, OWN, ANN, KEPT_A, B, LAST_A, BOB, OTHER, PRIVATE, NAMELESS) = range(10)
SESSION, CLOSE, JOIN, LEAVE, SET_USER, PROBE, ENTERED, LEFT, SET_INFO = range(2, 11)
REFRESH, TRACE, TRACED = 12, 16, 17
A_OF = struct.pack(">QQ", 7, 1)  # client a, the first of loop 0


def step(text):
    return bytes([STEP]) + piece(text)


def brings(channel, data):
    return bytes([MESSAGE, channel]) + piece(data)


def order(kind, payload, target=A_OF, flags=0, code=0, more=b""):
    return envelope(payload, kind=kind, flags=flags, code=code,
                    fields=more + field(2, target))


def kept(offset, text, epoch=1, room=KEPT_A):
    return bytes([KEPT, room, epoch, offset]) + piece(text)


def page(epoch, top, *texts):
    entries = b"".join(bytes([i + 1]) + piece(t) for i, t in enumerate(texts))
    return bytes([PAGE_OF, len(texts), epoch, top]) + entries


def hub_sink():
    come = step(client(b"a", {"id": 1, "connect": {}}, {"id": 2, "subscribe": {
        "channel": "kept:a", "recover": True}})) + step(b"Broom=kept:a&user=ann") + step(
            b"C") + step(b"J\x02kept:a")
    asks = step(client(b"a", {"id": 5, "presence": {"channel": "kept:a"}}, {
        "id": 6, "history": {"channel": "kept:a", "limit": 3}}))
    record = bytes([4]) + struct.pack(">10Q", 77, 5, 3, 0, 2, 2, 1, 0, 0, 0)
    return {
        "rooms": b"\x01" + come + page(1, 0) + brings(B, b"plain") + brings(
            KEPT_A, envelope(b"{}", fields=said_by(b"bob", b"n2"))) + kept(1, b"1")
        + kept(2, b'"two"'),
        "gap": b"\x02" + come + page(1, 1, b"1") + kept(4, b"4") + kept(5, b"5")
        + page(1, 5, b"1", b"2", b"3"),
        "other-epoch": b"\x04" + come + page(1, 3) + kept(1, b"x", epoch=2) + page(
            2, 1, b"x") + kept(2, b"y", epoch=2),
        "lost-writes": b"\x00" + come + page(1, 9) + bytes([MISSED, KEPT_A]) + page(1, 3),
        "unanswered": b"\x08" + come + bytes([REPORT] * 6) + page(1, 0) + bytes(
            [STATE, 0, STATE, 1]),
        "all": b"\x00" + come + brings(ALL, b"{}") + brings(OWN, b"5") + brings(
            ANN, b'"to ann"') + brings(ALL, envelope(b"\xff\xfe", flags=1)),
        "orders": b"\x02" + come + b"".join(brings(OWN, order(kind, data)) for kind, data
                                            in [(SESSION, b"{}"), (JOIN, b"b"),
                                                (LEAVE, b"kept:a"), (SET_USER, b"bob"),
                                                (SET_INFO, b'{"n":1}'), (PROBE, b"")]),
        "close": b"\x00" + come + brings(OWN, order(CLOSE, b"bye", code=4000)),
        "refresh": b"\x00" + come + brings(OWN, order(
            REFRESH, b"", more=field(1, struct.pack(">QQ", 0, 1700000009)))) + step(
                b"T\xff"),
        "user-orders": b"\x01" + come + b"".join(
            brings(ANN, envelope(data, kind=kind, code=code)) for kind, data, code in [
                (JOIN, b"b", 0), (SET_INFO, b"5", 0), (LEAVE, b"b", 0),
                (CLOSE, b"bye", 4001)]),
        "unfit": b"\x00" + come + brings(OWN, order(JOIN, b"")) + brings(
            OWN, order(CLOSE, b"\xff", flags=1, code=1005)) + brings(
                OWN, order(99, b"x")) + brings(NAMELESS, b"x"),
        "news": b"\x01" + come + b"".join(
            brings(KEPT_A, envelope(b'{"a":1}', kind=kind, flags=1, fields=said_by(
                user, b"n2"))) for kind, user in [(ENTERED, b"bob"), (LEFT, b""),
                                                  (ENTERED, "zoë".encode())]),
        "members": b"\x00" + come + page(1, 0) + asks + bytes([MEMBERS]) + piece(
            members(b"ann", b"bob")) + page(1, 2, b"1", b"2"),
        "trace": b"\x00" + come + brings(ALL, order(TRACE, b"kept:a", code=9)) + page(
            1, 0) + kept(1, b"1") + brings(OWN, order(TRACED, record, flags=1,
                                                      more=said_by(b"bob", b"n2"))),
        "nodes": b"\x00" + bytes([NODE, 3]) + piece(b"n2") + bytes([NODE, 2]) + piece(
            b"n2"),
        "published": b"\x10" + come + page(1, 0) + step(client(b"a", {
            "id": 7, "publish": {"channel": "kept:a", "data": 1}})) + bytes(
                [PUBLISHED, 0, 1, 1, PUBLISHED, 3, 0, 0]),
        "forgotten": b"\x00" + come + page(1, 3) + step(b"F\x00kept:a") + bytes(
            [PUBLISHED, 0, 2, 0]) + page(2, 0),
        "cache": b"\x00" + step(client(b"a", {"id": 1, "connect": {}}, {
            "id": 2, "subscribe": {"channel": "last:a", "recover": True}})) + page(
                1, 2, b"1", b"2") + kept(3, b"3", room=LAST_A),
    }


# --- what scripts answer: fuzz_redis_scripts.c ---

(WAIT, PUBLISH, KEEP, READ_HISTORY, FORGET_HISTORY, SUBSCRIBE, UNSUBSCRIBE, ENTER,
 LEAVE_ROOM, READ_PRESENCE, READ_NODES, BREAK, HEAR) = range(13)
TEXT, PARTS, NUMBER, ERROR, NIL = range(5)


def says(text, how=TEXT):
    return bytes([how]) + piece(text)


def scripts():
    one, cluster = b"\x00", b"\x01"
    beat = says(b"0 1 1\n0000000000000077 900 0\n")
    at = bytes([PARTS]) + EPOCH + b"\x01\x00"
    return {
        "kept": one + beat + bytes([KEEP]) + at,
        "page": one + beat + bytes([READ_HISTORY]) + says(
            PAGE + in_page(b"a", 1) + in_page(b"b", 2)),
        "page-damaged": one + beat + bytes([READ_HISTORY]) + says(
            PAGE + in_page(b"a", 1)[:-3] + b"\xff\xff\xff\xff"),
        "forget": one + beat + bytes([FORGET_HISTORY]) + says(PAGE),
        "presence": one + beat + bytes([ENTER, READ_PRESENCE]) + says(
            members(b"ann", b"bob")) + bytes([LEAVE_ROOM]),
        "node-dies": one + beat + bytes([WAIT, 60]) + says(
            b"0 1 2\n0000000000000077 0 3\n") + says(b"r:kept:a\nr:b\n")
        + says(b"0 2") + says(b"5 1") + says(b"0 1") + says(b"") + says(b""),
        "taken-for-dead": one + beat + bytes([ENTER, WAIT, 40]) + says(b"1 0 0\n") + says(
            b"0 1 1\n") + says(b"2"),
        "named": one + beat + says(members(b"n2")) + bytes([READ_NODES]) + says(
            members(b"n2", b"n3")),
        "unknown-script": one + beat + bytes([KEEP]) + says(
            b"NOSCRIPT No matching script", ERROR) + at,
        "errors": one + says(b"READONLY no", ERROR) + bytes([READ_PRESENCE]) + says(
            b"WRONGTYPE x", ERROR) + bytes([READ_HISTORY, NIL, READ_NODES, NUMBER, 5]),
        "broken": one + beat + bytes([READ_HISTORY, BREAK, 0, WAIT, 20]) + beat,
        "heard": one + beat + bytes([HEAR, 0]) + piece(envelope(b"hello")),
        "cluster": cluster + beat + bytes([KEEP]) + at + bytes([READ_PRESENCE]) + says(
            members(b"ann")),
    }


# --- requests to http.listen ---

SEALED_UNTIL = 1_000_000 + 12 * 3600 * 1000  # the clock's beginning, and what is given


def sealed():
    number = b"%016x" % SEALED_UNTIL
    mac = hmac.new(b"\7" * 32, number, hashlib.sha256).hexdigest()
    return b"fanwire_admin=" + number + b"." + mac.encode()


def request(way, lines=b"", body=None, method=b"GET"):
    head = method + b" " + way + b" HTTP/1.1\r\nHost: a\r\n" + lines
    if body is None:
        return head + b"\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def post(way, lines, body):
    return request(way, lines, body, b"POST")


def site():
    key, wrong = b"X-API-Key: secret\r\n", b"X-API-Key: Secret\r\n"
    as_json = b"Content-Type: application/json\r\n"
    admin = as_json + b"Cookie: a=b; " + sealed() + b"\r\n"
    publish = b'{"channel":"kept:a","data":{"a":1}}'
    return {
        "pages": b"\0" + request(b"/health") + request(b"/ready") + request(b"/metrics"),
        "api": b"\0" + post(b"/api/publish", key, publish) * 2,
        "api-authorization": b"\1" + post(
            b"/api/history", b"Authorization: ApiKey  secret\r\n",
            b'{"channel":"kept:a","limit":1}'),
        "api-wrong": b"\0" + post(b"/api/info", wrong, b"{}"),
        "api-two-keys": b"\0" + post(b"/api/info", wrong + key, b"{}"),
        "api-no-key": b"\0" + post(b"/api", b"", b"{}"),
        "api-get": b"\0" + request(b"/api/info", key) + request(b"/api/none", key),
        "api-chunks": b"\0" + request(
            b"/api/info", key + b"Transfer-Encoding: chunked\r\n", None, b"POST")
        + b"2\r\n{}\r\n0\r\n\r\n",
        "api-too-large": b"\0" + request(b"/api/info", key + b"Content-Length: 65537\r\n",
                                         None, b"POST"),
        "login": b"\0" + post(b"/admin/login", as_json, b'{"password":"open, sesame"}'),
        "login-wrong": b"\0" + post(b"/admin/login", as_json, b'{"password":"x"}') * 3,
        "login-foreign": b"\0" + post(b"/admin/login", as_json + b"Origin: http://b\r\n",
                                      b'{"password":"open, sesame"}'),
        "admin": b"\1" + post(b"/admin/api/info", admin, b"{}") + post(
            b"/admin/api/publish", admin, publish) + post(b"/admin/logout", admin, b""),
        "admin-forged": b"\0" + post(b"/admin/api/info", admin.replace(
            b"00000000", b"0000000f", 1), b"{}"),
        "admin-files": b"\0" + request(b"/admin") + request(b"/admin/../x")
        + request(b"/admin/admin.js"),
        "head": b"\0" + request(b"/health", method=b"HEAD") + request(b"/nowhere"),
    }


def stream_heads():
    host, origin = b"Host: a.example\r\n", b"Origin: https://a.example\r\n"

    def ask(method, way, lines=b""):
        return method + b" " + way + b" HTTP/1.1\r\n" + host + lines + b"\r\n"
    return {
        "get": b"\0\0" + ask(b"GET", b"/events?room=a", b"Accept: text/event-stream\r\n"),
        "named": b"\0\1" + ask(b"GET", b"/events", origin),
        "any": b"\1\2" + ask(b"GET", b"/events", b"Origin: http://b.example\r\n"),
        "foreign": b"\0\0" + ask(b"GET", b"/events", b"Origin: http://b.example\r\n"),
        "options": b"\0\1" + ask(b"OPTIONS", b"/events", origin),
        "head": b"\1\0" + ask(b"HEAD", b"/events"),
        "post": b"\0\0" + ask(b"POST", b"/events", b"Content-Length: 0\r\n"),
        "upgrade": b"\0\0" + handshake(b"/events"),
        "proxied": b"\0\0" + ask(b"GET", b"/events", origin
                                 + b"X-Forwarded-Host: a.example, b\r\n"),
    }


def log():
    return {
        "text": b"\xffzo\xc3\xab said hello",
        "controls": b"\x50a\r\nb\0\x1b[2J\x7f\\",
        "second-controls": b"\x50\xc2\x9b2J \xc2\x85",
        "no-utf8": b"\x50\xff\xfe\xc3",
        "cut": b"\x08" + "zoëëë".encode(),
        "no-room": b"\x00abc",
    }


def seeds(keys):
    return {
        "event_stream": events(), "sse_sessions": sse_sessions(keys), "answer": answers(),
        "hooks": hooks(), "hub_sink": hub_sink(), "redis_scripts": scripts(),
        "http_site": site(), "stream_head": stream_heads(), "log": log(),
    }
