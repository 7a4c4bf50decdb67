"""Streams of events as a browser's EventSource sees them: /sse for raw rooms, and
/connection/uni_sse of the Centrifuge protocol."""

import http.client
import json
import signal
import socket
import ssl
import urllib.parse

import pytest

from conftest import DEADLINE, make_certificate, run, wait_until

SECRET = "a secret of thirty-two bytes and no less"
KEY = "the-key-of-the-back-end"


class Stream:
    """A stream of events: its head, and the events one after the other."""

    def __init__(self, url, path, headers=None, method="GET", body=None, context=None):
        at = urllib.parse.urlsplit(url)
        kind = http.client.HTTPSConnection if context else http.client.HTTPConnection
        more = {"context": context} if context else {}
        self.connection = kind(at.hostname, at.port, timeout=DEADLINE, **more)
        self.connection.request(method, path, body=body,
                                headers={"Accept": "text/event-stream",
                                         **(headers or {})})
        self.answer = self.connection.getresponse()
        self.status, self.headers = self.answer.status, self.answer.headers
        self.id, self.retry = None, None

    def block(self):
        """The lines of the next event or comment; None at the stream's end."""
        lines = []
        while True:
            line = self.answer.readline()
            if not line.endswith(b"\n"):
                return None
            if line == b"\n":
                return lines
            lines.append(line[:-1].decode())

    def event(self):
        """(name, data) of the next one, as a browser hands it out; None at the end."""
        while True:
            lines = self.block()
            if lines is None:
                return None
            name, data = "message", []
            for line in lines:
                field, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if field == "data":
                    data.append(value)
                elif field == "event":
                    name = value
                elif field == "id":
                    self.id = value
                elif field == "retry":
                    self.retry = int(value)
            if data:
                return name, "\n".join(data)

    def joined(self, room):
        name, data = self.event()
        said = json.loads(data)
        assert (name, said["joined"]) == ("joined", room)
        return said

    def messages(self, n):
        got = [self.event() for _ in range(n)]
        assert {name for name, _ in got} <= {"message"}
        return [data for _, data in got]

    def values(self, n):
        return [json.loads(data) for data in self.messages(n)]

    def close(self):
        """Also under a read of another thread."""
        self.answer.close()
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def publish(f, room, *values):
    """As JSON, kept where the room has history, by the HTTP API of f."""
    at = urllib.parse.urlsplit(f"http://{f.http}")
    for value in values:
        connection = http.client.HTTPConnection(at.hostname, at.port, timeout=DEADLINE)
        connection.request("POST", "/api/publish",
                           json.dumps({"channel": room, "data": value}),
                           {"X-API-Key": KEY})
        answer = connection.getresponse()
        assert (answer.status, "error" in json.loads(answer.read())) == (200, False)
        connection.close()


@pytest.fixture
def node(fanwired, redis_url):
    """node("--name", "value", ...): one of a cluster whose rooms keep 100 messages."""
    def start(*args):
        return fanwired("--redis.url", redis_url, "--redis.required", "on",
                        "--room.history.size", "100", "--api.key", KEY, *args)
    return start


# --- the form --------------------------------------------------------------------------

def test_it_is_a_stream_that_ends_with_its_connection(fanwired):
    f = fanwired()
    with Stream(f.url, "/sse?room=a") as s:
        assert s.status == 200
        assert s.headers["Content-Type"] == "text/event-stream"
        assert s.headers["Cache-Control"] == "no-store, no-transform"
        assert s.headers["X-Accel-Buffering"] == "no"
        assert s.headers["Connection"] == "close"
        assert s.headers["Content-Length"] is None
        assert s.headers["Transfer-Encoding"] is None
        assert s.joined("a") == {"joined": "a"}
        assert 1000 <= s.retry <= 3000
        metrics = f.get("/metrics")[2]
        assert 'fanwire_protocol_sessions{protocol="sse"} 1\n' in metrics
        assert "fanwire_sessions 1\n" in metrics


def test_the_time_to_come_again_and_the_paths_are_options(fanwired):
    f = fanwired("--sse.path", "/events", "--sse.retry", "1ms",
                 "--centrifuge.uni_sse.path", "off")
    with Stream(f.url, "/events?room=a") as s:
        s.joined("a")
        assert s.retry in (1, 2)
    for path in ("/sse", "/connection/uni_sse", "/events/"):
        with Stream(f.url, path) as s:
            assert s.status == 404
    done = run("--sse.path", "/ws", "--check-config")
    assert done.status == 2
    assert done.err_lines == ["fanwired: sse.path: /ws: listen has that path, too"]
    done = run("--sse.path", "/connection/websocket", "--check-config")
    assert done.err_lines == ["fanwired: sse.path: /connection/websocket: "
                              "centrifuge.path has that path, too"]


@pytest.mark.parametrize("method, body, status", [
    ("HEAD", None, 200), ("OPTIONS", None, 204), ("POST", None, 405), ("POST", b"x", 405),
    pytest.param("PUT", b"x" * 100_000, 405, id="PUT-large-405"), ("DELETE", None, 405),
    ("GET", b"x", 413)])
def test_each_method_gets_its_status(fanwired, method, body, status):
    f = fanwired()
    for path in ("/sse?room=a", "/connection/uni_sse"):
        with Stream(f.url, path, method=method, body=body) as s:
            assert s.status == status
            assert s.headers["Connection"] == "close"
            if method == "HEAD":
                assert s.headers["Content-Type"] == "text/event-stream"
            if status in (204, 405):
                assert s.headers["Allow"] == "GET, HEAD, OPTIONS"
            s.answer.read()
    assert "fanwire_sessions 0\n" in f.get("/metrics")[2]


@pytest.mark.parametrize("query", ["room=a%0ab", "room=a&since=x", "user=%ff",
                                   "room=a&last_event_id=42"])
def test_a_wrong_query_is_refused_in_words(fanwired, query):
    f = fanwired()
    with Stream(f.url, "/sse?" + query) as s:
        assert s.status == 400
        assert s.headers["Content-Type"].startswith("text/plain")
        assert len(s.answer.read().splitlines()) == 1


def test_a_websocket_at_its_path_is_refused_and_a_stream_at_another_s(fanwired):
    f = fanwired()
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade",
               "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    with Stream(f.url, "/sse", upgrade) as s:
        assert s.status == 400 and b"no WebSocket" in s.answer.read()
    with Stream(f.url, "/ws?room=a") as s:
        assert s.status == 426


def test_what_the_client_sends_behind_its_request_is_thrown_away(fanwired):
    f = fanwired()
    at = urllib.parse.urlsplit(f.url)
    with socket.create_connection((at.hostname, at.port), DEADLINE) as s:
        s.sendall(b"GET /sse?room=a HTTP/1.1\r\nHost: a\r\n\r\n" + b"x" * 300_000)
        got = b""
        while b"joined" not in got:
            got += s.recv(4096)
        assert got.startswith(b"HTTP/1.1 200 OK\r\n")
        s.sendall(b"y" * 300_000)
        assert "fanwire_sessions 1\n" in f.get("/metrics")[2]
    wait_until(lambda: "fanwire_sessions 0\n" in f.get("/metrics")[2], "it is gone")


# --- who is let in ---------------------------------------------------------------------

def test_pages_of_other_origins_read_what_they_may_ask_for(fanwired):
    f = fanwired("--origins", "https://shop.example")
    host = urllib.parse.urlsplit(f.url).netloc
    ours = {"Origin": "https://shop.example"}
    with Stream(f.url, "/sse?room=a", ours) as s:
        assert s.status == 200
        assert s.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert s.headers["Access-Control-Allow-Credentials"] == "true"
    with Stream(f.url, "/sse?room=a", {"Origin": f"http://{host}"}) as s:
        assert s.headers["Access-Control-Allow-Origin"] == f"http://{host}"
    with Stream(f.url, "/sse?room=a", {"Origin": "https://evil.example"}) as s:
        assert s.status == 403
        assert s.headers["Access-Control-Allow-Origin"] is None
    with Stream(f.url, "/sse?room=a", {**ours, "Access-Control-Request-Method": "GET"},
                method="OPTIONS") as s:
        assert s.status == 204
        assert "Last-Event-ID" in s.headers["Access-Control-Allow-Headers"]
    with Stream(f.url, "/sse?since=x&room=a", ours) as s:
        assert s.status == 400
        assert s.headers["Access-Control-Allow-Origin"] == "https://shop.example"


def test_where_all_origins_are_let_in_no_cookies_are_shared(fanwired):
    f = fanwired("--origins", "*")
    with Stream(f.url, "/sse?room=a", {"Origin": "https://any.example"}) as s:
        assert s.status == 200
        assert s.headers["Access-Control-Allow-Origin"] == "*"
        assert s.headers["Access-Control-Allow-Credentials"] is None


def test_a_token_says_who_it_is(fanwired):
    f = fanwired("--token.hmac_secret", SECRET)
    token = run("token", "--user", "ann", "--token.hmac_secret", SECRET).out.strip()
    with Stream(f.url, "/sse?room=a&token=" + token) as s:
        s.joined("a")
    with Stream(f.url, "/sse?room=a", {"Authorization": "Bearer " + token}) as s:
        s.joined("a")
    for path in ("/sse?room=a", "/sse?room=a&token=x", "/connection/uni_sse",
                 "/connection/uni_sse?cf_connect={%22token%22:%22x%22}"):
        with Stream(f.url, path) as s:
            assert s.status == 401
            assert s.headers["WWW-Authenticate"] == "Bearer"


def test_who_can_t_be_let_in_now_is_told_to_come_again(fanwired):
    f = fanwired("--limit.sessions", "1")
    with Stream(f.url, "/sse?room=a") as first:
        first.joined("a")
        with Stream(f.url, "/sse?room=a") as s:
            assert s.status == 200 and s.event() is None
            assert 1000 <= s.retry <= 3000
        with Stream(f.url, "/sse?room=a", {"Accept": "*/*"}) as s:
            assert s.status == 503


# --- coming back -----------------------------------------------------------------------

def test_who_comes_back_to_any_node_gets_what_it_missed_of_all_rooms(node):
    one, two = node(), node()
    path = "/sse?room=news&room=chat"
    with Stream(one.url, path) as s:
        s.joined("news")
        s.joined("chat")
        publish(one, "news", "n1", "n2\nwith a second line")
        publish(one, "chat", "c1")
        assert s.values(3) == ["n1", "n2\nwith a second line", "c1"]
        assert s.id.count(",") == 1
    publish(two, "chat", "c2", "c3")
    publish(two, "news", "n3")
    with Stream(two.url, path, {"Last-Event-ID": s.id}) as again:
        got = [again.event() for _ in range(5)]
        said = sorted(json.loads(data) for name, data in got if name == "message")
        assert said == ["c2", "c3", "n3"]
        told = [json.loads(data) for name, data in got if name == "joined"]
        assert [(t["recovered"], t["offset"]) for t in told] == [(True, 3), (True, 3)]
        publish(two, "news", "n4")
        assert again.values(1) == ["n4"]
    with Stream(one.url, path + "&last_event_id=" + urllib.parse.quote(again.id)) as s:
        assert s.joined("news")["recovered"] and s.joined("chat")["recovered"]


def test_what_cannot_be_recovered_is_said(node):
    f = node()
    with Stream(f.url, "/sse?room=a") as s:
        s.joined("a")
        publish(f, "a", *"12345")
        assert s.values(5) == list("12345")
        number, epoch, top = s.id.replace("/", ":").split(":")
    wrong = f"{number}:{int(epoch, 16) ^ 1:016x}/{top}"
    with Stream(f.url, "/sse?room=a", {"Last-Event-ID": wrong}) as s:
        assert s.joined("a")["recovered"] is False
    with Stream(f.url, "/sse?room=a", {"Last-Event-ID": "somebody else's: 42"}) as s:
        assert s.joined("a")["recovered"] is False
        publish(f, "a", "6")
        assert s.values(1) == ["6"]


def test_a_killed_node_s_clients_go_on_at_another(node):
    one, two = node(), node()
    n = 20
    streams = [Stream(one.url, "/sse?room=a") for _ in range(n)]
    for s in streams:
        s.joined("a")
    publish(one, "a", "before")
    for s in streams:
        assert s.values(1) == ["before"]
    one.signal(signal.SIGKILL)
    for s in streams:
        try:
            assert s.event() is None
        except OSError:
            pass
        s.close()
    publish(two, "a", "1", "2", "3")
    for s in streams:
        with Stream(two.url, "/sse?room=a", {"Last-Event-ID": s.id}) as again:
            assert again.values(3) == ["1", "2", "3"]
            assert again.joined("a")["recovered"] is True


def test_a_drain_spreads_those_who_come_again(fanwired):
    f = fanwired("--sse.retry", "10s")
    streams = [Stream(f.url, "/sse?room=a") for _ in range(10)]
    for s in streams:
        s.joined("a")
    f.signal(signal.SIGTERM)
    for s in streams:
        s.retry = None
        name, data = s.event()
        assert name == "close"
        assert json.loads(data) == {"code": 1001, "reason": "going away"}
        assert 5000 <= s.retry <= 15000
        assert s.event() is None
        s.close()
    assert len({s.retry for s in streams}) > 5
    assert f.wait() == 0


def test_a_slow_reader_is_ended_and_harms_no_other(node, redis_url):
    f = node("--outbox.max_bytes", "64KiB", "--api.key", "key")
    slow = Stream(f.url, "/sse?room=a")
    slow.joined("a")
    text = "x" * 60_000

    def pour():
        body = json.dumps({"channel": "a", "data": text}).encode()
        at = http.client.HTTPConnection(f.http, timeout=DEADLINE)
        at.request("POST", "/api/publish", body, {"X-API-Key": "key"})
        assert at.getresponse().status == 200
        at.close()
        return "fanwire_protocol_sessions{protocol=\"sse\"} 1\n" in f.get("/metrics")[2]

    with Stream(f.url, "/sse?room=a") as quick:
        quick.joined("a")
        told = 0
        while not pour():
            assert quick.messages(1) == [json.dumps(text)]
            told += 1
        assert quick.messages(1) == [json.dumps(text)]
        assert told > 1
    slow.close()


# --- the Centrifuge protocol -----------------------------------------------------------

def test_unidirectional_clients_are_given_rooms_by_their_token(node):
    f = node("--token.hmac_secret", SECRET)
    token = run("token", "--user", "ann", "--channels", "news", "--token.hmac_secret",
                SECRET).out
    request = urllib.parse.quote(json.dumps({"token": token.strip()}))
    path = "/connection/uni_sse?cf_connect=" + request

    def connect(headers=None):
        s = Stream(f.url, path, headers)
        assert s.status == 200
        name, data = s.event()
        said = json.loads(data)
        assert name == "message" and set(said) == {"connect"}
        return s, said["connect"]

    s, told = connect()
    assert told["ping"] == 25 and "pong" not in told
    assert told["subs"]["news"]["recoverable"] is True
    publish(f, "news", {"n": 1})
    assert [json.loads(m) for m in s.messages(1)] == [
        {"channel": "news", "pub": {"data": {"n": 1}, "offset": 1}}]
    s.close()
    publish(f, "news", {"n": 2}, {"n": 3})
    again, told = connect({"Last-Event-ID": s.id})
    sub = told["subs"]["news"]
    assert sub["recovered"] and [p["data"]["n"] for p in sub["publications"]] == [2, 3]
    publish(f, "news", {"n": 4})
    assert json.loads(again.messages(1)[0])["pub"]["data"] == {"n": 4}
    f.signal(signal.SIGTERM)
    assert json.loads(again.event()[1]) == {
        "disconnect": {"code": 3001, "reason": "shutdown"}}
    assert again.event() is None
    again.close()


# --- TLS -------------------------------------------------------------------------------

def test_a_stream_goes_over_tls(fanwired, tmp_path):
    make_certificate(tmp_path, "localhost")
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    f = fanwired("--tls.cert", cert, "--tls.key", key, listen="wss://127.0.0.1:0/ws")
    context = ssl.create_default_context(cafile=cert)
    context.check_hostname = False
    with Stream(f.url, "/sse?room=a", context=context) as s:
        s.joined("a")
        f.signal(signal.SIGTERM)
        assert s.event()[0] == "close" and s.event() is None
