"""Chapter 20: the opening handshake, good ones and bad ones.

A good one gets its 101 and then echoes; a bad one gets an HTTP status with a body of
known length, and a gentle end. Cases that are about HTTP itself follow RFC 9110 and 9112.
"""

import base64

from peer import TEXT, Violation, frame
from suite import NonStrict, case, expect, expect_clean_close, expect_refusal


def check_echo(peer):
    peer.send_frame(TEXT, b"Hello")
    expect(peer, "text", b"Hello")
    expect_clean_close(peer)


def register_good(id, sentence, section, refusal_is_non_strict=False, chop=0, also=None,
                  **head):
    """also(answer): a further look at the 101."""
    @case(id, sentence, section)
    def run(maker):
        peer = maker.raw()
        query = head.get("query", "") or maker.query()
        data = peer.head(**dict(head, query=query))
        peer.send_chopped(data, chop) if chop else peer.send(data)
        answer = peer.answer()
        if answer is None:
            raise Violation("the stream ended instead of an answer")
        if refusal_is_non_strict and 400 <= answer.status < 500:
            raise NonStrict("refused with %d" % answer.status)
        peer.check_accept(answer)
        if also:
            also(answer)
        check_echo(peer)


def register_bad(id, sentence, section, statuses, strict=None, change=None, also=None,
                 **head):
    """change(bytes): a last touch to the head."""
    @case(id, sentence, section)
    def run(maker):
        peer = maker.raw()
        data = peer.head(**dict(head, query=head.get("query") or maker.query()))
        peer.send(change(data) if change else data)
        answer = expect_refusal(peer, statuses, strict)
        if also:
            also(answer)
        if peer.heard().kind != "eof":
            raise Violation("the connection is kept after a refusal")


def absent(*names):
    def check(answer):
        for name in names:
            if answer.all(name):
                raise Violation("%s: %s was agreed on without us"
                                % (name, answer.all(name)))
    return check


def line(name, text):
    return {"replace": {name: text}}


# --- good ones ---

register_good("20.1", "A plain handshake gets 101 with the right accept key", "4.2.2",
              also=absent("sec-websocket-extensions", "sec-websocket-protocol"))
register_good("20.2", "Names of headers may be written in any case", "9110 5.1",
              replace={"Upgrade": "UPGRADE: websocket",
                       "Connection": "connection: upgrade",
                       "Sec-WebSocket-Version": "sec-websocket-version: 13"})
register_good("20.3", "Upgrade: WebSocket, in any case", "4.2.1",
              **line("Upgrade", "Upgrade: WebSocket"))
register_good("20.4", "Connection: keep-alive, Upgrade, as browsers send it", "4.2.1",
              **line("Connection", "Connection: keep-alive, Upgrade"))
register_good("20.5", "Connection in two lines", "9110 5.3",
              **line("Connection", "Connection: keep-alive\r\nConnection: Upgrade"))
register_good("20.6", "Blanks and tabs around a value", "9112 5",
              **line("Upgrade", "Upgrade: \t websocket \t "))
register_good("20.7", "No blank before a value", "9112 5",
              **line("Upgrade", "Upgrade:websocket"))
register_good("20.8", "A handshake written byte by byte", "TCP", chop=1)
register_good("20.9", "A cookie of 4 KiB", "9110 5.4", extra=["Cookie: a=" + "b" * 4096])
register_good("20.10", "Fifty unknown headers", "9110 5.1",
              extra=["X-Unknown-%d: %d" % (i, i) for i in range(50)])
register_good("20.11", "An unknown extension is left out of the answer", "9.1",
              extra=["Sec-WebSocket-Extensions: x-unknown; a=1, x-other"],
              also=absent("sec-websocket-extensions"))
register_good("20.12", "An unknown sub-protocol is left out of the answer", "4.2.2",
              extra=["Sec-WebSocket-Protocol: x-unknown, x-other"],
              refusal_is_non_strict=True, also=absent("sec-websocket-protocol"))
register_good("20.14", "An empty line before the request", "9112 2.2",
              refusal_is_non_strict=True, method="\r\nGET")
register_good("20.15", "Upgrade that also offers something else", "9110 7.8",
              refusal_is_non_strict=True, **line("Upgrade", "Upgrade: foo/2, websocket"))


@case("20.13", "An absolute address in the request line", "9112 3.2.2")
def absolute_address(maker):
    peer = maker.raw()
    target = maker.target
    peer.send(peer.head(maker.query(), path="http://%s:%d%s" % (target.host, target.port,
                                                                 target.path)))
    peer.check_accept(peer.answer())
    check_echo(peer)


@case("20.16", "A first frame right behind the head is not lost", "4.1")
def early_frame(maker):
    peer = maker.raw()
    peer.send(peer.head(maker.query()) + frame(TEXT, b"early"))
    peer.check_accept(peer.answer())
    expect(peer, "text", b"early")
    check_echo(peer)


@case("20.17", "A head cut anywhere near its end, with a frame behind", "TCP")
def cut_head(maker):
    for cut in (1, 2, 3, 4, 5):
        peer = maker.raw()
        data = peer.head(maker.query())
        peer.send(data[:-cut])
        peer.send(data[-cut:] + frame(TEXT, b"early"))
        peer.check_accept(peer.answer())
        expect(peer, "text", b"early")
        expect_clean_close(peer)


@case("20.18", "Two connections with the same key are two connections", "4.1")
def same_key(maker):
    for _ in range(2):
        peer = maker.raw()
        peer.handshake(maker.query(), key="dGhlIHNhbXBsZSBub25jZQ==")
        check_echo(peer)


# --- version and key ---

def names_13(answer):
    versions = ",".join(answer.all("sec-websocket-version")).split(",")
    if "13" not in [version.strip() for version in versions]:
        raise NonStrict("doesn't say Sec-WebSocket-Version: 13")


VERSION = "Sec-WebSocket-Version"
register_bad("20.19", "No version", "4.2.1", (400, 426), also=names_13,
             **line(VERSION, None))
register_bad("20.20", "Version 8 is answered with the one spoken here", "4.4", (400, 426),
             also=names_13, **line(VERSION, VERSION + ": 8"))
register_bad("20.21", "Version 99", "4.4", (400, 426), also=names_13,
             **line(VERSION, VERSION + ": 99"))
register_bad("20.22", "Version 13x", "4.4", (400, 426),
             **line(VERSION, VERSION + ": 13x"))


def with_key(text):
    return line("Sec-WebSocket-Key", text and "Sec-WebSocket-Key:" + text)


register_bad("20.23", "No key", "4.2.1", (400,), **with_key(None))
register_bad("20.24", "An empty key", "4.2.1", (400,), **with_key(" "))
register_bad("20.25", "A key that isn't base64", "4.2.1", (400,),
             **with_key(" !!!!!!!!!!!!!!!!!!!!!!=="))
register_bad("20.26", "A key of 15 bytes", "4.2.1", (400,),
             **with_key(" " + base64.b64encode(b"x" * 15).decode()))
register_bad("20.27", "A key of 17 bytes", "4.2.1", (400,),
             **with_key(" " + base64.b64encode(b"x" * 17).decode()))
register_bad("20.28", "Two keys", "11.3.1", (400,),
             extra=["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="])

# --- is it an upgrade at all ---

register_bad("20.29", "POST", "4.2.1", (405, 400, 426, 501), strict=(405, 501),
             method="POST")
register_bad("20.30", "HTTP/1.0", "4.2.1", (505, 400, 426), version="HTTP/1.0")
register_bad("20.31", "No Host", "9112 3.2", (400,), **line("Host", None))
register_bad("20.32", "Two Hosts", "9112 3.2", (400,), extra=["Host: example.org"])
register_bad("20.33", "No Connection", "4.2.1", (400, 426), **line("Connection", None))
register_bad("20.34", "Connection: up", "4.2.1", (400, 426),
             **line("Connection", "Connection: up"))
register_bad("20.35", "Connection: keep-alive", "4.2.1", (400, 426),
             **line("Connection", "Connection: keep-alive"))


def offers_websocket(answer):
    if answer.status == 426 and (answer.one("upgrade") or "").lower() != "websocket":
        raise Violation("426 without Upgrade: websocket (9110 15.5.22)")


register_bad("20.36", "No Upgrade is 426 with Upgrade: websocket", "9110 15.5.22",
             (426, 400), strict=(426,), also=offers_websocket, **line("Upgrade", None))
register_bad("20.37", "Upgrade: h2c", "4.2.1", (426, 400), also=offers_websocket,
             replace={"Upgrade": "Upgrade: h2c",
                      "Connection": "Connection: Upgrade, HTTP2-Settings"},
             extra=["HTTP2-Settings: AAMAAABkAAQAAP__"])
register_bad("20.38", "Upgrade: websocketx", "4.2.1", (426, 400),
             **line("Upgrade", "Upgrade: websocketx"))

# --- HTTP that isn't in order ---

register_bad("20.39", "Transfer-Encoding: chunked", "9112 6.1", (400, 411, 413, 501),
             extra=["Transfer-Encoding: chunked"])
register_bad("20.40", "A Content-Length that isn't 0", "4.2.1", (400, 413),
             extra=["Content-Length: 5"])
register_bad("20.41", "A NUL in the path", "9112 3", (400,), path="/w\0s")
register_bad("20.42", "A NUL in a value", "9110 5.5", (400,), extra=["X-Nul: a\0b"])
register_bad("20.43", "A bare CR in a value", "9112 2.2", (400,), extra=["X-Cr: a\rb"])
register_bad("20.44", "A blank before the colon", "9112 5.1", (400,),
             extra=["X-Blank : a"])
register_bad("20.45", "A folded line", "9112 5.2", (400,), extra=["X-Fold: a\r\n b"])
register_bad("20.46", "A header without a colon", "9112 5", (400,),
             extra=["no colon here"])
register_bad("20.47", "A head of 20 KiB is 431", "6585 5", (431, 400), strict=(431,),
             extra=["X-Long: " + "x" * 20480])
register_bad("20.48", "A resource of 20 KiB", "9110 15.5.15", (414, 431, 400),
             path="/ws" + "x" * 20480)
register_bad("20.49", "A method in lower case", "9110 9.1", (400, 405, 501), method="get")
register_bad("20.50", "CONNECT", "9110 9.3.6", (400, 405, 501), method="CONNECT",
             path="x:1", change=lambda data: data.replace(b"?room", b"", 1))
register_bad("20.51", "Another path is 404", "4.2.2", (404, 400), strict=(404,),
             path="/elsewhere")
register_bad("20.52", "A page of another origin is 403", "4.2.2", (403,),
             extra=["Origin: https://evil.example"])
register_bad("20.53", "A first line that makes no sense", "9112 3", (400, 501),
             change=lambda data: b"\x16\x03\x01 nonsense\r\n\r\n")
register_bad("20.54", "HTTP/2 without asking", "9113 3.4", (400, 405, 501, 505),
             change=lambda data: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")


def register_origin(id, sentence, origin, let_in):
    """origin: %d stands for the server's port."""
    @case(id, sentence, "10.2")
    def run(maker):
        peer = maker.raw()
        header = "Origin: " + origin.replace("%d", str(maker.target.port))
        peer.send(peer.head(maker.query(), extra=[header]))
        if let_in:
            peer.check_accept(peer.answer())
            check_echo(peer)
        else:
            expect_refusal(peer, (403,))


register_origin("20.55", "A page of the same host and port is let in",
                "http://127.0.0.1:%d", True)
register_origin("20.56", "A page of another port of the same host is 403",
                "http://127.0.0.1:1", False)
register_origin("20.57", "A page whose host only begins like ours is 403",
                "http://127.0.0.1.evil.example:%d", False)
register_origin("20.58", "Origin: null is 403", "null", False)
register_origin("20.59", "Scheme and host of an origin may be in capitals",
                "HTTP://127.0.0.1:%d", True)
register_origin("20.60", "An empty Origin is 403", "", False)
register_origin("20.61", "An origin whose user is called as our host is 403",
                "http://127.0.0.1:%d@evil.example", False)
register_origin("20.62", "Two origins in one are 403",
                "http://127.0.0.1:%d, https://evil.example", False)


# --- more that is good ---

def upgrade_in(connection):
    return line("Connection", "Connection: " + connection)


for n, (sentence, section, head) in enumerate((
        ("Content-Length: 0 is no body", "9112 6.2", {"extra": ["Content-Length: 0"]}),
        ("Bytes beyond ASCII in a value nobody asks for", "9110 5.5",
         {"extra": ["X-Latin: gr\xfc\xdfe"]}),
        ("A header without a value", "9110 5.5", {"extra": ["X-Empty:"]}),
        ("All characters that a name may have", "9110 5.6.2",
         {"extra": ["!#$%&'*+-.^_`|~09azAZ: x"]}),
        ("A Host without a port", "9110 7.2", line("Host", "Host: example.org")),
        ("A Host that is an address of IPv6", "9110 7.2", line("Host", "Host: [::1]:80")),
        ("Connection with Upgrade twice", "9110 7.6.1",
         upgrade_in("Upgrade, keep-alive, upgrade")),
        ("Empty elements in Connection", "9110 5.6.1", upgrade_in(",, Upgrade ,")),
        ("Upgrade in two lines", "9110 5.3",
         line("Upgrade", "Upgrade: foo/2\r\nUpgrade: websocket")),
        ("Blanks and tabs around the key", "9112 5",
         {"key": "\t dGhlIHNhbXBsZSBub25jZQ== \t"}),
        ("HTTP/1.2 is served as HTTP/1.1", "9110 2.5", {"version": "HTTP/1.2"}),
        ("Sub-protocols in two lines", "9110 5.3",
         {"extra": ["Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Protocol: c"]}),
        ("Empty elements among sub-protocols", "9110 5.6.1",
         {"extra": ["Sec-WebSocket-Protocol: a,, b,"]}),
        ("Empty elements among extensions", "9110 5.6.1",
         {"extra": ["Sec-WebSocket-Extensions: , x-unknown,, x-other ,"]}),
        ("An extension with a value in quotes", "9.1",
         {"extra": ['Sec-WebSocket-Extensions: x-unknown; a="b"']}),
        ("Expect: 100-continue without a body", "9110 10.1.1",
         {"extra": ["Expect: 100-continue"]}),
        ("Three empty lines before the request", "9112 2.2",
         {"method": "\r\n\r\n\r\nGET"})), 63):
    register_good("20.%d" % n, sentence, section, refusal_is_non_strict=True,
                  **head)

# --- more that is bad ---

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
for n, (sentence, section, statuses, head) in enumerate((
        ("Version 13 in two lines", "11.3.5", (400, 426),
         {"extra": [VERSION + ": 13"]}),
        ("Version 13, 13", "11.3.5", (400, 426), line(VERSION, VERSION + ": 13, 13")),
        ("An empty version", "4.4", (400, 426), line(VERSION, VERSION + ":")),
        ("Version 013", "4.4", (400, 426), line(VERSION, VERSION + ": 013")),
        ("Version 256", "4.4", (400, 426), line(VERSION, VERSION + ": 256")),
        ("A key without padding", "4.2.1", (400,), with_key(" " + KEY[:-2])),
        ("A key in the alphabet of URLs", "4.2.1", (400,),
         with_key(" dGhlIHNhbXBsZSBub25_-Q==")),
        ("A key with a blank in it", "4.2.1", (400,),
         with_key(" dGh IHNhbXBsZSBub25jZQ==")),
        ("Two keys in a line", "11.3.1", (400,), with_key(" %s, %s" % (KEY, KEY))),
        ("Upgrade: xwebsocket", "4.2.1", (426, 400),
         line("Upgrade", "Upgrade: xwebsocket")),
        ("An empty Upgrade", "4.2.1", (426, 400), line("Upgrade", "Upgrade:")),
        ("Connection: Upgradex", "4.2.1", (400, 426), upgrade_in("Upgradex")),
        ("HEAD", "4.2.1", (400, 405, 426, 501), {"method": "HEAD"}),
        ("PUT", "4.2.1", (400, 405, 426, 501), {"method": "PUT"}),
        ("OPTIONS", "4.2.1", (400, 405, 426, 501), {"method": "OPTIONS"}),
        ("TRACE", "4.2.1", (400, 405, 426, 501), {"method": "TRACE"}),
        ("A method that doesn't exist", "9110 9.1", (400, 405, 501), {"method": "FETCH"}),
        ("A method of blanks", "9112 3", (400,), {"method": " GET"}),
        ("HTTP/2.0 in the request line", "9110 15.6.6", (505, 400),
         {"version": "HTTP/2.0"}),
        ("http/1.1 in lower case", "9112 2.3", (400, 505), {"version": "http/1.1"}),
        ("HTTP/1.1x", "9112 2.3", (400, 505), {"version": "HTTP/1.1x"}),
        ("A fragment in the target", "9112 3.2", (400,), {"path": "/ws#x"}),
        ("A byte beyond ASCII in the target", "9112 3.2", (400,), {"path": "/w\xe4"}),
        ("A target that is a star", "9112 3.2.4", (400, 404), {"path": "*"}),
        ("A target without a slash", "9112 3.2", (400,), {"path": "ws"}),
        ("A target of another host", "9112 3.2.2", (400, 421),
         {"path": "http://evil.example/ws"}),
        ("A target of another scheme", "9112 3.2.2", (400, 421), {"path": "ftp://x/ws"}),
        ("An empty Host", "9110 7.2", (400,), line("Host", "Host:")),
        ("A Host with a path", "9110 7.2", (400,), line("Host", "Host: 127.0.0.1/ws")),
        ("A Host with a user", "9110 7.2", (400,), line("Host", "Host: ann@127.0.0.1")),
        ("A list of Hosts", "9110 7.2", (400,), line("Host", "Host: a, b")),
        ("A name with a blank in it", "9112 5.1", (400,), {"extra": ["X Blank: a"]}),
        ("A header without a name", "9112 5", (400,), {"extra": [": a"]}),
        ("A name with a character that it may not have", "9110 5.6.2", (400,),
         {"extra": ["X(Y): a"]}),
        ("A DEL in a value", "9110 5.5", (400,), {"extra": ["X-Del: a\x7fb"]}),
        ("An ESC in a value", "9110 5.5", (400,), {"extra": ["X-Esc: a\x1bb"]}),
        ("200 headers", "6585 5", (431, 400),
         {"extra": ["X-%d: a" % i for i in range(200)]}),
        ("A sub-protocol twice", "4.1", (400,),
         {"extra": ["Sec-WebSocket-Protocol: a, b, a"]}),
        ("A sub-protocol with a blank in it", "4.1", (400,),
         {"extra": ["Sec-WebSocket-Protocol: a b"]}),
        ("No sub-protocol in the header", "4.1", (400,),
         {"extra": ["Sec-WebSocket-Protocol: ,"]}),
        ("A thousand sub-protocols", "4.1", (400, 431),
         {"extra": ["Sec-WebSocket-Protocol: " + ",".join(map(str, range(1000)))]}),
        ("A length and chunks", "9112 6.3", (400,),
         {"extra": ["Content-Length: 0", "Transfer-Encoding: chunked"]}),
        ("Two lengths of 0", "9112 6.3", (400,),
         {"extra": ["Content-Length: 0", "Content-Length: 0"]}),
        ("A length with a sign", "9110 8.6", (400,), {"extra": ["Content-Length: +0"]})),
        80):
    register_bad("20.%d" % n, sentence, section, statuses, **head)

register_bad("20.124", "Lines that end with a bare LF", "9112 2.2", (400,),
             change=lambda data: data.replace(b"\r\n", b"\n"))


@case("20.125", "Two blanks in the request line", "9112 3")
def two_blanks(maker):
    peer = maker.raw()
    peer.send(peer.head(maker.query(), method="GET "))
    answer = peer.answer()
    if answer.status == 101:
        raise NonStrict("is lenient about blanks, as a recipient may be")
    if answer.status != 400:
        raise Violation("status %d" % answer.status)


register_bad("20.126", "A tab in the request line", "9112 3", (400,),
             change=lambda data: data.replace(b"GET ", b"GET\t", 1))
register_bad("20.127", "No version in the request line", "9112 2.3", (400, 505),
             change=lambda data: data.replace(b" HTTP/1.1", b"", 1))
