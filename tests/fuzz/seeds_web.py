"""Seeds of what clients and back ends say: heads, frames, commands, tokens, requests.
Keys and tokens are those of tests/unit/token_vectors.h. For seeds.py."""

import base64
import hashlib
import hmac
import json
import re
import struct
import zlib

MARK = b"\xff"


def vectors(here):
    """The constants of token_vectors.h, by name."""
    text = (here.parent / "unit" / "token_vectors.h").read_text()
    found = {}
    for name, parts in re.findall(r"char (\w+)\[\] =\s((?:\s*\"(?:\\.|[^\"\\])*\")+);",
                                  text):
        strings = re.findall(r'"((?:\\.|[^"\\])*)"', parts)
        found[name] = "".join(strings).encode().decode("unicode_escape").encode()
    return found


# --- frames, with a mask that changes nothing: what is in them can be changed at will ---

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode, data, fin=True, rsv=0, mask=b"\0\0\0\0"):
    first = (0x80 if fin else 0) | rsv | opcode
    if len(data) < 126:
        head = struct.pack("BB", first, 0x80 | len(data))
    elif len(data) < 65536:
        head = struct.pack(">BBH", first, 0x80 | 126, len(data))
    else:
        head = struct.pack(">BBQ", first, 0x80 | 127, len(data))
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data))


def deflated(data):
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (pack.compress(data) + pack.flush(zlib.Z_SYNC_FLUSH))[:-4]


def frames():
    plain, packed = b"\x00\x05", b"\x03\x05"
    return {
        "text": plain + frame(TEXT, b"hello"),
        "masked": plain + frame(TEXT, "zoë".encode(), mask=b"\x37\xfa\x21\x3d"),
        "fragments": plain + frame(TEXT, b"hel", fin=False) + frame(PING, b"p")
        + frame(0, b"lo"),
        "binary-126": plain + frame(BINARY, b"b" * 126),
        "binary-too-big": plain + frame(BINARY, b"b" * 65536)[:20],
        "control": plain + frame(PING, b"") + frame(PONG, b"x" * 125)
        + frame(CLOSE, b"\x03\xe8bye"),
        "close-empty": plain + frame(CLOSE, b"") + frame(TEXT, b"late"),
        "close-bad-code": plain + frame(CLOSE, b"\x03\xed"),
        "unmasked": plain + b"\x81\x05hello",
        "length-2-to-63": plain + b"\x82\xff\x7f" + b"\xff" * 7 + b"\0\0\0\0",
        "reserved": plain + frame(3, b"") + frame(TEXT, b"", rsv=0x20),
        "utf8-broken": plain + frame(TEXT, b"\xc3", fin=False) + frame(0, b"("),
        "compressed": packed + frame(TEXT, deflated(b"hello hello hello"), rsv=0x40),
        "compressed-fragments": packed
        + frame(TEXT, deflated(b"a" * 300)[:4], fin=False, rsv=0x40)
        + frame(0, deflated(b"a" * 300)[4:]),
        "compressed-bomb": packed + frame(BINARY, deflated(b"\0" * 100000), rsv=0x40),
        "compressed-broken": packed + frame(TEXT, b"\x07\xff\xff", rsv=0x40),
    }


def inflate():
    return {
        "text": b"\x0c" + deflated(b"hello hello hello"),
        "stored": b"\x0c\x00\x05\x00\xfa\xffhello",
        "empty": b"\x0c\x00",
        "final-block": b"\x0c\xf3\x48\xcd\xc9\xc9\x07\x00",
        "too-big": b"\x04" + deflated(b"a" * 1000),
        "dynamic": b"\x10" + deflated(bytes(range(256)) * 20),
        "breaks-off": b"\x0c" + deflated(b"hello hello hello")[:3],
    }


# --- heads ---

HOST = b"Host: a.example\r\n"
UPGRADE = (HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")


def handshake(way=b"/ws?room=a&user=ann", more=b""):
    return b"GET " + way + b" HTTP/1.1\r\n" + UPGRADE + more + b"\r\n"


DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"


def heads():
    return {
        "get": b"\x00\x10GET /health HTTP/1.1\r\n" + HOST + b"\r\n",
        "handshake": b"\x00\x10" + handshake(),
        "offers": b"\x00\x01" + handshake(more=(
            b'Sec-WebSocket-Extensions: x; y="z", permessage-deflate; '
            b"server_max_window_bits=10; client_no_context_takeover\r\n"
            b"Sec-WebSocket-Protocol: chat, superchat\r\n")),
        "behind-a-proxy": b"\x00\x20" + handshake(more=(
            b"Origin: https://a.example:8443\r\nX-Forwarded-For: 192.0.2.1, ::1, "
            b"127.0.0.1\r\nX-Forwarded-Host: a.example\r\nX-Real-IP: 192.0.2.7\r\n")),
        "query": b"\x00\x10GET /ws?room=a%2Bb&room=%c3%a9+&room&user HTTP/1.1\r\n" + HOST
        + b"\r\n",
        "body": b"\x01\x10POST /api HTTP/1.1\r\n" + HOST
        + b"Content-Length: 5\r\n\r\nhello",
        "body-asked": b"\x02\x10POST /api HTTP/1.1\r\n" + HOST
        + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
        "chunks": b"\x02\x03POST /api HTTP/1.1\r\n" + HOST
        + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\nA\r\n0123456789\r\n"
          b"0\r\nX: y\r\n\r\n",
        "absolute": b"\x00\x10GET http://a.example/x?y HTTP/1.1\r\n" + HOST + b"\r\n",
        "http-1-0": b"\x00\x10GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "smuggling": b"\x01\x10POST / HTTP/1.1\r\n" + HOST
        + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "folding": b"\x00\x10GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n",
        "two-requests": b"\x00\x10GET /a HTTP/1.1\r\n" + HOST
        + b"\r\nGET /b HTTP/1.1\r\n",
    }


def sockets():
    ws, http = b"\x00\x08", b"\x01\x08"
    api = (b"POST /api/publish HTTP/1.1\r\nHost: a\r\nX-API-Key: secret\r\n"
           b"Content-Length: 27\r\n\r\n" + b'{"channel":"a","data":"hi"}')
    connect = frame(TEXT, b'{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"a"}}')
    return {
        "echo": ws + handshake() + frame(TEXT, b"hello") + frame(PING, b"p")
        + frame(CLOSE, b"\x03\xe8"),
        "history": ws + handshake(b"/ws?room=kept:a&room=b") + frame(TEXT, b"hello"),
        "compressed": ws + handshake(more=DEFLATE)
        + frame(TEXT, deflated(b"hello hello"), rsv=0x40),
        "centrifuge": ws + handshake(b"/connection/websocket") + connect,
        "vanishes": ws + handshake() + frame(TEXT, b"hello")[:4],
        "bad-frame": ws + handshake() + b"\x81\x05hello",
        "half-a-head": ws + handshake()[:60],
        "refused": ws + handshake(b"/elsewhere"),
        "health": http + b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n",
        "pipelined": http + b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 3,
        "api": http + api + api,
        "body-missing": http + api[:-5],
    }


# --- the Centrifuge protocol ---

def commands(*objects):
    return b"\n".join(json.dumps(o, separators=(",", ":")).encode() for o in objects)


def batches():
    since = {"offset": 5, "epoch": "0123456789abcdef"}
    return {
        "connect": commands({"id": 1, "connect": {"token": "a.b.c", "data": {"a": [1]},
                                                  "subs": {"a": {"recover": True}}}}),
        "subscribe": commands({"id": 2, "subscribe": {"channel": "kept:a", "flag": 2,
                                                      "recover": True, **since}}),
        "publish": commands({"id": 3, "publish": {"channel": "a", "data": "zo\u00eb\n"}}),
        "history": commands({"id": 4, "history": {"channel": "a", "limit": -1,
                                                  "since": since, "reverse": True}}),
        "pong": b"{}",
        "several": commands({"id": 1, "ping": {}}, {"id": 2, "rpc": {"method": "m"}},
                            {"send": {"data": 5}}, {}),
        "unknown": commands({"id": 9, "newer": {"x": 1}}),
        "wrong-kinds": commands({"id": 1, "publish": {"channel": 5}}),
        "no-json": b"{\"id\":1,",
        "presence": commands({"id": 5, "presence": {"channel": "a"}},
                             {"id": 6, "presence_stats": {"channel": "a"}}),
        "refresh": commands({"id": 7, "refresh": {"token": "a.b.c"}},
                            {"id": 8, "sub_refresh": {"channel": "a", "token": "a.b.c"}}),
        "unsubscribe": commands({"id": 4294967295, "unsubscribe": {"channel": "a"}}),
        "delta": commands({"id": 1, "subscribe": {
            "channel": "a", "delta": "fossil", "tf": {"op": "eq", "key": "k", "val": "v"},
            "positioned": True, "recoverable": True, "join_leave": True, "data": "x"}}),
        "older-method": commands({"id": 1, "method": 1, "params": {"channel": "a"}},
                                 {"id": 2, "method": "publish", "params": {}}),
        "twice": b'{"id":1,"id":2,"ping":{},"ping":{}}',
        "two-verbs": commands({"id": 1, "ping": {}, "rpc": {"method": "m"}}),
        "numbers": b'{"id":-1,"ping":{}}\n{"id":1.5,"ping":{}}\n{"id":1e3,"ping":{}}\n'
                   b'{"id":99999999999999999999,"ping":{}}\n{"id":"1","ping":{}}',
        "array": b"[" + commands({"id": 1, "ping": {}}) + b"]",
        "cut-by-lines": b'{"id":1,\n"connect":\n{}}\n\n{}\r\n{"id":2,"ping":{}}',
    }


def client(who, *objects):
    return who + commands(*objects)


def centrifuge_sessions(keys):
    enter = {"id": 1, "connect": {}}
    to = [{"id": 2, "subscribe": {"channel": name}} for name in ("a", "kept:a")]
    token = keys["hs256"].decode()
    sub = signed(keys["secret"], {"sub": "ann", "channel": "kept:a", "exp": 1700000600})
    given = signed(keys["secret"], {"sub": "bob", "info": {"n": 1}, "channels": ["b"],
                                    "subs": {"kept:a": {"data": 1}}})
    return {
        "connect": b"\x00" + client(b"a", enter),
        "talk": b"\x00" + MARK.join([
            client(b"a", enter, to[0]), client(b"b", enter, to[0]),
            client(b"a", {"id": 3, "publish": {"channel": "a", "data": {"t": "hi"}}}),
            b"Pa\nnot JSON", client(b"b", {"id": 3, "unsubscribe": {"channel": "a"}})]),
        "recovery": b"\x02" + MARK.join([
            client(b"a", enter, to[1]), b"Pkept:a\n1", b"A", b"Pkept:a\n\"2\"",
            client(b"a", enter), client(b"a", {"id": 2, "subscribe": {
                "channel": "kept:a", "recover": True, "offset": 1,
                "epoch": "0123456789abcdef"}}),
            client(b"b", enter), client(b"b", {"id": 4, "history": {
                "channel": "kept:a", "limit": 10}})]),
        "presence": b"\x00" + MARK.join([
            client(b"a", enter, to[1]), client(b"b", enter, to[1]),
            client(b"a", {"id": 3, "presence": {"channel": "kept:a"}},
                   {"id": 4, "presence_stats": {"channel": "kept:a"}})]),
        "tokens": b"\x01" + MARK.join([
            client(b"a", {"id": 1, "connect": {"token": token}}),
            client(b"a", {"id": 2, "subscribe": {"channel": "kept:a", "token": sub}}),
            client(b"a", {"id": 3, "refresh": {"token": token}},
                   {"id": 4, "sub_refresh": {"channel": "kept:a", "token": sub}}),
            b"T\xff"]),
        "silent": b"\x00" + MARK.join([client(b"a", enter), b"T\xfe", b"a{}", b"T\xfe",
                                       b"T\xfe"]),
        "rpc": b"\x00" + MARK.join([
            client(b"a", enter, {"id": 2, "rpc": {"method": "m", "data": 1}},
                   {"id": 3, "ping": {}}), client(b"a", {"send": {"data": []}})]),
        "first-nonsense": b"\x00a{\"id\":1}",
        "cache": b"\x00" + MARK.join([
            client(b"a", enter, {"id": 2, "subscribe": {"channel": "last:a"}}),
            b"Plast:a\n1", b"Plast:a\n[2]", client(b"b", enter, {
                "id": 2, "subscribe": {"channel": "last:a", "recover": True}})]),
        "names": b"\x00" + MARK.join([client(b"a", enter, *[
            {"id": 9, "subscribe": {"channel": name}}
            for name in ("", "x" * 256, "a#ann,bob", "$a", "kept:\u00eb", "a\u0000b")])]),
        "server-side": b"\x01" + MARK.join([
            client(b"a", {"id": 1, "connect": {"token": given, "subs": {
                "kept:a": {"recover": True, "offset": 0, "epoch": "0123456789abcdef"}}}}),
            b"Pkept:a\n1", b"Pb\n2", client(b"a", {"id": 3, "history": {
                "channel": "kept:a", "limit": 1, "reverse": True}})]),
        "other-token": b"\x05" + MARK.join([
            client(b"a", {"id": 1, "connect": {"token": token}},
                   {"id": 2, "refresh": {"token": given}},
                   {"id": 3, "subscribe": {"channel": "b", "token": sub}})]),
    }


def emulation():
    def said(*objects, session="\2", node="\3"):
        text = commands(*objects).decode()
        # As it lies in a body: 2 and 3 are put in by the target, and are no JSON.
        return b"r" + ('{"session":"%s","node":"%s","data":%s}'
                       % (session, node, json.dumps(text))).encode()

    ping, enter = {"id": 2, "ping": {}}, {"id": 3, "subscribe": {"channel": "kept:a"}}
    return {
        "ping": b"\x00" + said(ping),
        "talk": b"\x01" + MARK.join([
            said(enter, {"id": 4, "publish": {"channel": "kept:a", "data": "zo\u00eb"}}),
            said({}, {"id": 5, "history": {"channel": "kept:a", "limit": 9}}), b"T\xfe"]),
        "passed-on": b"\x02" + MARK.join([b"m\2\n" + commands(ping), b"m\2",
                                          b"m\2\n" + b" " * 1100]),
        "of-others": b"\x03" + MARK.join([
            said(ping, session="0" * 81), said(ping, node="0" * 15 + "8"),
            said(ping, session="a"), said(ping, node="")]),
        "ends": b"\x00" + MARK.join([said({"id": 2, "connect": {}}), said(ping),
                                     b"T\xfe", b"T\xfe"]),
        "no-strings": b"\x01" + MARK.join([b"r", b"r[]", b'r{"session":1}',
                                           b'r{"data":"\\u0000","session":"\2\\u0000"}']),
    }


def raw_sessions(keys):
    token = keys["hs256"]
    return {
        "plain": b"\x44" + MARK.join([b"Aroom=a&user=ann", b"Broom=a&room=b", b"ahello",
                                      b"b\x80binary", b"Pb\nnews"]),
        "json": b"\x47" + MARK.join([b"Aroom=kept:a&user=zo%C3%AB", b"Broom=kept:a",
                                     b"ahello", b"Croom=kept:a", b"Pkept:a\n{}"]),
        "recovery": b"\x45" + MARK.join([
            b"Aroom=kept:a", b"Pkept:a\n1", b"Pkept:a\n2",
            b"Broom=kept:a&epoch=0123456789abcdef&offset=1", b"T\x20"]),
        "token": b"\x88" + MARK.join([b"Aroom=a&token=" + token, b"Broom=a&token=a.b.c",
                                      b"ahello"]),
        "nobody": b"\x0c" + MARK.join([b"Auser=ann&room=a", b"ahello"]),
        "latest": b"\x70" + MARK.join([b"Aroom=a&room=a&room=%00&room=%zz", b"ahello"]),
    }


# --- tokens ---

def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def signed(secret, claims):
    text = b64(b'{"alg":"HS256"}') + b"." + b64(json.dumps(claims).encode())
    mac = hmac.new(secret, text, hashlib.sha256).digest()
    return (text + b"." + b64(mac)).decode()


def tokens(keys):
    names = ["hs256", "hs512", "rs256", "rs256_kid", "rs256_unknown_kid", "es256",
             "es384", "eddsa", "hs256_by_public_key"]
    found = {name.replace("_", "-"): keys[name] for name in names}
    found["none"] = b64(b'{"alg":"none"}') + b"." + b64(b'{"sub":"ann"}') + b"."
    found["no-signature"] = keys["hs256"].rsplit(b".", 1)[0]
    head, claims_part, mac = keys["hs256"].split(b".")
    found["four-parts"] = keys["hs256"] + b"." + mac
    found["padded"] = head + b"=." + claims_part + b"." + mac
    found["swapped"] = claims_part + b"." + head + b"." + mac
    found["other-alphabet"] = b64(b'{"alg":"HS256","kid":"~~~"}').replace(b"-", b"+") \
        + b"." + claims_part + b"." + mac
    found["es256-zeros"] = keys["es256"].rsplit(b".", 1)[0] + b"." + b64(b"\0" * 64)
    found["es256-der"] = keys["es256"].rsplit(b".", 1)[0] + b"." + b64(
        b"\x30\x06\x02\x01\x01\x02\x01\x01")
    found["rs256-short"] = keys["rs256"].rsplit(b".", 1)[0] + b"." + b64(b"\1" * 255)
    return found


def claims():
    head = b'{"alg":"HS256"}' + MARK
    user = {"iss": "https://example.org", "aud": ["x", "fanwire"], "sub": "ann"}
    return {name: use + head + json.dumps({**user, **more}).encode()
            for name, use, more in [
                ("user", b"\0", {"exp": 1700000600, "info": {"a": [1]}, "meta": 5}),
                ("expired", b"\0", {"exp": 1}),
                ("not-yet", b"\0", {"nbf": 1800000000}),
                ("channels", b"\0", {"channels": ["a", "kept:a"], "b64info": "e30="}),
                ("subs", b"\0", {"subs": {"a": {"info": 1, "override": {
                    "presence": {"value": True}, "force_recovery": {"value": False}}},
                    "b": {"b64data": "WzFd"}}}),
                ("subscription", b"\1", {"channel": "kept:a", "client": "c",
                                         "expire_at": 1700000100, "data": [],
                                         "override": {"join_leave": {"value": True}}}),
                ("fractions", b"\0", {"exp": 1700000600.5, "iat": -1}),
                ("times", b"\0", {"exp": 1e300, "nbf": -1e300, "expire_at": 2 ** 63 - 1}),
                ("ends-first", b"\0", {"exp": 1700000600, "expire_at": 1}),
                ("nulls", b"\0", {"sub": None, "exp": None, "subs": None, "info": None}),
                ("kinds", b"\0", {"sub": 5, "channels": {"a": 1}, "subs": ["b"]}),
                ("base64-bad", b"\0", {"b64info": "e30"}),
                ("base64-no-json", b"\0", {"b64info": "AAE="}),
                ("same-channel", b"\0", {"channels": ["a", "a"], "subs": {"a": {}}}),
                ("audience", b"\0", {"aud": "fanwire"}),
                ("audience-other", b"\1", {"aud": ["x"], "channel": "a"}),
                ("overrides", b"\1", {"channel": "a", "override": {
                    name: {"value": True} for name in (
                        "presence", "join_leave", "force_recovery", "force_positioning",
                        "force_push_join_leave")}}),
            ]} | {
        "header-more": b'\0{"typ":"JWT","kid":"k","alg":"HS256","crit":["x"]}' + MARK
        + b'{"sub":"ann"}',
        "header-none": b'\0{"alg":"none"}' + MARK + b'{"sub":"ann"}',
        "no-object": b"\0" + head + b"[]",
        "same-claim": b"\0" + head + b'{"sub":"a","sub":"b","\\u0073ub":"c"}',
        "header-twice": b'\0{"alg":"HS256","alg":"none"}' + MARK + b'{"sub":"ann"}',
        "header-kinds": b'\0{"alg":5,"typ":[],"kid":null}' + MARK + b'{"sub":"ann"}',
    }


def key_sets(keys):
    one = {"kty": "oct", "k": "c2VjcmV0"}
    return {
        "jwks": b"\0" + keys["jwks"],
        "jwks-secret": b"\0" + json.dumps({"keys": [one]}).encode(),
        "jwks-unknown": b"\0" + json.dumps({"keys": [{"kty": "new"}, {
            "kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"}]}).encode(),
        "jwks-rsa-odd": b'\0{"keys":[{"kty":"RSA","n":"AA","e":"AQAB","alg":"RS256"}]}',
        "jwks-ec-off-curve": b'\0{"keys":[{"kty":"EC","crv":"P-256","x":"' + b"A" * 43
        + b'","y":"' + b"B" * 43 + b'"}]}',
        "pem-p256": b"\1" + keys["p256_pem"],
        "pem-two": b"\1" + keys["ed25519_pem"] + b"between\n" + keys["p384_pem"],
        "pem-weak": b"\1" + keys["weak_pem"],
        "pem-breaks-off": b"\1" + keys["rsa_pem"][:100],
        "secret": b"\2" + keys["secret"],
        "secret-short": b"\2short",
    }


# --- the HTTP API ---

def calls():
    def call(way, body):
        return way.encode() + b"\n" + json.dumps(body).encode()
    there = {"channel": "kept:a"}
    return {
        "publish": b"\0" + call("publish", {**there, "data": {"a": 1},
                                            "skip_history": False,
                                            "idempotency_key": "k"}),
        "publish-binary": b"\0" + call("publish", {"channel": "b", "b64data": "AAE="}),
        "broadcast": b"\1" + call("broadcast", {"channels": ["kept:a", "b"], "data": 5}),
        "history": b"\0" + MARK.join([
            call("publish", {**there, "data": 1}),
            call("publish", {**there, "data": "2"}),
            call("history", {**there, "limit": 10, "reverse": True}),
            call("history", {**there, "limit": 1, "since": {
                "offset": 1, "epoch": "0123456789abcdef"}}),
            call("history_remove", there)]),
        "presence": b"\1" + MARK.join([call("presence", there),
                                       call("presence_stats", there)]),
        "users": b"\1" + MARK.join([
            call("subscribe", {"user": "ann", "channel": "c"}),
            call("unsubscribe", {"user": "ann", "channel": "c"}),
            call("refresh", {"user": "ann", "expired": True}),
            call("disconnect", {"user": "bob", "disconnect": {"code": 4000,
                                                              "reason": "bye"}})]),
        "info": b"\1" + MARK.join([call("info", {}),
                                   call("channels", {"pattern": "k*"})]),
        "batch": b"\0" + call("batch", {"parallel": True, "commands": [
            {"publish": {"channel": "a", "data": 1}}, {"history": there}, {"info": {}}]}),
        "older-form": b"\0\n" + commands(
            {"method": "publish", "params": {"channel": "a", "data": 1}},
            {"method": "info", "params": {}}),
        "admin": b"\0" + MARK.join([
            call("!login", {"password": "wrong"}), call("!info", {}),
            call("!publish", {"channel": "b", "data": 1}), call("!logout", {}),
            call("!info", {})]),
        "no-json": b"\0publish\n{\"channel\":",
        "idempotent": b"\0" + MARK.join([call("publish", {
            **there, "data": 1, "idempotency_key": "k"})] * 2),
        "versions": b"\0" + MARK.join([
            call("publish", {**there, "data": 1, "version": 2, "version_epoch": "e"}),
            call("publish", {**there, "data": 1, "delta": True, "tags": {"a": "b"}})]),
        "refresh": b"\0" + MARK.join([
            call("refresh", {"user": "ann", "expire_at": 1700000600, "info": {"a": 1}}),
            call("refresh", {"user": "ann", "client": "7" * 32, "expired": False}),
            call("refresh", {"session": "00000000000000070000000000000001",
                             "expire_at": 1})]),
        "subscribe": b"\1" + MARK.join([
            call("subscribe", {"user": "bob", "channel": "kept:c", "info": {"n": 1},
                               "b64data": "e30=", "recover_since": {
                                   "offset": 0, "epoch": "0123456789abcdef"},
                               "override": {"presence": {"value": True}}}),
            call("connections", {"user": "bob"}),
            call("connections", {"expression": "x"}),
            call("disconnect", {"user": "ann", "whitelist": ["7" * 32]})]),
        "bounds": b"\0" + MARK.join([
            call("history", {**there, "limit": 2 ** 63}),
            call("history", {**there, "limit": -1, "since": {"offset": 2 ** 64,
                                                             "epoch": ""}}),
            call("broadcast", {"channels": ["c%d" % i for i in range(21)], "data": 1}),
            call("batch", {"commands": []}), call("channels", {"pattern": "*[a-"})]),
        "wrong-kinds": b"\0" + MARK.join([
            call("publish", {"channel": 5, "data": None}),
            call("broadcast", {"channels": "a"}), call("batch", {"commands": {}}),
            call("disconnect", {"user": [], "disconnect": 5}), b"info\n[]", b"info\n"]),
        "names": b"\0" + MARK.join([
            call("publish", {"channel": name, "data": 1})
            for name in ("", "x" * 256, "a\u0000b", "\ud800", "kept:\u00eb")]),
    }


def seeds(keys):
    return {
        "ws_frames": frames(), "inflate": inflate(), "http_head": heads(),
        "ws_socket": sockets(), "centrifuge": batches(),
        "centrifuge_sessions": centrifuge_sessions(keys),
        "emulation": emulation(), "raw_sessions": raw_sessions(keys),
        "token": tokens(keys), "claims": claims(),
        "keys": key_sets(keys), "http_api": calls(),
    }
