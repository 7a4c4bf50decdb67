"""The port of pages and the API: floods, slow bodies, and bodies that mean no good."""

import json
import threading
import time

from hostile import API_KEY, MIB, REFUSALS, attack, page_socket, read_to_end
from peer import PATIENCE
from test_http import STATUS_LINE, answers_in

UNAUTHORIZED = ["fanwire_api_unauthorized_total"]
COMMANDS = ["fanwire_api_commands_total"]
REQUESTS = ["fanwire_http_requests_total"]
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


def post(path, body=b"", *lines, key=API_KEY, length=True):
    """A request to the API; length: does it say how long the body is?"""
    head = [b"POST " + path + b" HTTP/1.1", b"Host: x", b"X-API-Key: " + key.encode()]
    if length:
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*head, *lines]) + b"\r\n\r\n" + body


def statuses(data):
    return [int(line.split()[1]) for line in STATUS_LINE.findall(data)]


def read_answers(s, count):
    """The bytes of so many answers on a kept connection; or what there is at its end."""
    data, seen = b"", 0
    deadline = time.monotonic() + 2 * PATIENCE
    while seen < count:
        s.settimeout(max(0.001, deadline - time.monotonic()))
        piece = s.recv(1 << 20)
        if not piece:
            break
        # A status line may be cut by the end of a piece, so that is looked at again.
        tail = data[-15:]
        seen += len(STATUS_LINE.findall(tail + piece)) - len(STATUS_LINE.findall(tail))
        data += piece
    return data


# --- floods ---

@attack("500 requests to the API with a wrong key, sent ahead on ten connections",
        "401 each; the body is never looked at")
def test_a_flood_with_a_wrong_key_is_refused(scene):
    flood = post(b"/api/publish", b'{"channel":"a","data":1}', key="wrong") * 50

    def run():
        for _ in range(10):
            with page_socket(scene.server) as s:
                s.sendall(flood)
                found = statuses(read_answers(s, 50))
                assert found and set(found) == {401}, found

    scene.attack(run, UNAUTHORIZED, 10)


@attack("A wrong key, a body of 4 MiB announced, and none sent",
        "401 at once, and the end: no body is waited for")
def test_a_wrong_key_is_refused_before_its_body(scene):
    head = post(b"/api/publish", b"", b"Content-Length: 4194304", key="wrong",
                length=False)

    def run():
        for _ in range(20):
            with page_socket(scene.server) as s:
                s.sendall(head)
                count, answer = answers_in(read_to_end(s))
                assert (count, answer.status) == (1, 401)

    scene.attack(run, UNAUTHORIZED, 20, runs=2)


@attack("2,000 requests for a page in one write",
        "2,000 answers, in order, one a turn: nobody else waits for them")
def test_requests_sent_ahead_are_answered_one_after_the_other(scene):
    def run():
        with page_socket(scene.server) as s:
            sender = threading.Thread(target=s.sendall, args=(HEALTH * 2000,))
            sender.start()
            found = statuses(read_answers(s, 2000))
            sender.join()
            assert found == [200] * 2000

    scene.attack(run, REQUESTS, 2000, runs=2)


@attack("64 MiB of requests sent ahead by a client that reads no answer",
        "it isn't read any more either; memory stays as it was")
def test_a_client_that_reads_no_answers_is_not_read(scene):
    def run():
        before = scene.server.rss()
        with page_socket(scene.server) as s:
            s.settimeout(0.3)
            sent = 0
            try:
                while sent < 64 * MIB:
                    sent += s.send(HEALTH * 2000)
            except TimeoutError:
                pass
            assert sent < 64 * MIB, "all of it was read"
            if not scene.server.sanitized:
                assert scene.server.rss() - before < 16 * MIB

    scene.attack(run, REQUESTS, 1, runs=2)


@attack("60 connections that say nothing, where 20 are allowed",
        "503 or a close for those beyond; those that are there are served")
def test_more_connections_than_allowed_are_turned_away(server_with):
    server = server_with("--limit.http_connections", "20")
    held = [page_socket(server) for _ in range(60)]
    away = 0
    for s in held[20:]:
        away += b" 503 " in read_to_end(s)[:20]
    assert away >= 35
    held[0].sendall(HEALTH)
    assert statuses(read_answers(held[0], 1)) == [200]
    for s in held:
        s.close()


# --- slow and endless bodies ---

@attack("The body of a request a byte at a time, by its length or in chunks",
        "408 after `http.request_timeout`, however much has come")
def test_a_slow_body_is_408(scene):
    ways = ((b"Content-Length: 1000", b" "),
            (b"Transfer-Encoding: chunked", b"1\r\n \r\n"))

    def run():
        waiting = []
        for header, piece in ways * 10:
            s = page_socket(scene.server)
            s.sendall(post(b"/api/publish", b"", header, length=False))
            waiting.append((s, piece))
        over, pause = time.monotonic() + PATIENCE, threading.Event()
        while waiting:
            assert time.monotonic() < over, "slow bodies are waited for"
            for s, piece in list(waiting):
                try:
                    s.sendall(piece)
                except OSError:
                    s.close()
                    waiting.remove((s, piece))
            pause.wait(0.1)

    scene.attack(run, ['fanwire_limit_hits_total{limit="http_request_timeout"}'], 20,
                 runs=1)


@attack("A body in chunks that never ends",
        "413 at `api.max_bytes`; a second later nothing is taken any more")
def test_an_endless_body_in_chunks_is_413(scene):
    head = post(b"/api/publish", b"", b"Transfer-Encoding: chunked", length=False)
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"

    def run():
        with page_socket(scene.server) as s:
            s.sendall(head)
            try:
                for _ in range(65536):
                    s.sendall(chunk)
                raise AssertionError("it goes on reading")
            except ConnectionError:
                pass

    scene.attack(run, ['fanwire_limit_hits_total{limit="api_max_bytes"}'], 1, runs=1)


CHUNKS = [
    ("negative_size", b"-1\r\n"),
    ("prefix_0x", b"0x1\r\na\r\n"),
    ("size_of_2_64", b"10000000000000000\r\n"),
    ("size_of_2_63_1", b"7fffffffffffffff\r\n"),
    ("no_size", b"\r\n\r\n"),
    ("blank_before_size", b" 1\r\na\r\n"),
    ("bare_lf", b"1\na\n0\n\n"),
    ("longer_than_said", b"1\r\nab\r\n0\r\n\r\n"),
    ("endless_extension", b"1;" + b"x" * 70000),
    ("endless_trailers", b"0\r\n" + b"X-Trailer: x\r\n" * 6000),
    ("nul", b"1\0\r\na\r\n"),
]


@attack("Chunks whose size is negative, `0x1`, 2^64 or missing, that end otherwise than "
        "they should, or have extensions and trailers without end",
        "400 or 413, one answer, and the end")
def test_chunks_that_are_not_in_order_are_refused_once(scene):
    data = post(b"/api/publish", b"", b"Transfer-Encoding: chunked", length=False)

    def run():
        for name, chunks in CHUNKS:
            with page_socket(scene.server) as s:
                try:
                    s.sendall(data + chunks + HEALTH)
                except ConnectionError:
                    pass
                count, answer = answers_in(read_to_end(s))
                assert count == 1 and answer.status in (400, 413), (name, count, answer)

    scene.attack(run, REFUSALS, len(CHUNKS), runs=1)


# --- bodies ---

BODIES = [
    ("deep_lists", b"[" * 500000, (400,)),
    ("deep_data", b'{"channel":"a","data":' + b"[" * 300000 + b"]" * 300000 + b"}",
     (200, 400)),
    ("cut", b'{"channel":"a","data":', (400,)),
    ("two_objects", b'{"channel":"a","data":1}{"channel":"b","data":1}', (400,)),
    ("byte_order_mark", b'\xef\xbb\xbf{"channel":"a","data":1}', (400,)),
    ("utf_16", '{"channel":"a","data":1}'.encode("utf-16"), (400,)),
    ("bad_utf8", b'{"channel":"\xff","data":1}', (400,)),
    ("nul_in_name", b'{"channel":"a\\u0000b","data":1}', (200, 400)),
    ("half_a_surrogate", b'{"channel":"\\ud800","data":1}', (200, 400)),
    ("number_without_end", b'{"channel":"a","data":' + b"9" * 1000000 + b"}",
     (200, 400)),
    ("keys_without_end", b'{"channel":"a","data":1' + b',"x":1' * 200000 + b"}",
     (200, 400)),
    ("same_key", b'{"channel":"a"' + b',"channel":"a"' * 50000 + b',"data":1}',
     (200, 400)),
]


@attack("JSON that is deep, cut, twice, in another encoding, or endless in some way",
        "400, or the API's own error; the next request on the connection is served")
def test_a_body_that_means_no_good_is_answered(scene):
    def run():
        for name, body, allowed in BODIES:
            with page_socket(scene.server) as s:
                s.sendall(post(b"/api/publish", body) + HEALTH)
                first, second = statuses(read_answers(s, 2))
                assert first in allowed and second == 200, (name, first, second)

    scene.attack(run, REQUESTS, len(BODIES), runs=1)


@attack("A batch of 10,000 commands, and one of a command more",
        "10,000 replies; 106 (`api.max_items`), and none is done")
def test_a_batch_is_bounded(scene):
    command = {"publish": {"channel": "flood:api", "data": 1}}

    def ask(count):
        body = json.dumps({"commands": [command] * count}).encode()
        with page_socket(scene.server) as s:
            s.sendall(post(b"/api/batch", body, b"Connection: close"))
            head, _, text = read_to_end(s).partition(b"\r\n\r\n")
            assert statuses(head) == [200]
            return json.loads(text)

    def run():
        assert len(ask(10000)["replies"]) == 10000
        assert ask(10001)["error"]["code"] == 106

    scene.attack(run, COMMANDS, 10000, runs=2)


PATHS = [b"/api/../api/publish", b"/api//publish", b"//api/publish", b"/API/publish",
         b"/%61pi/publish", b"/api/publish%00", b"/api/publish/", b"/api/publish;x",
         b"/api%2fpublish", b"/api/PUBLISH", b"/apipublish"]


@attack("A method of the API by another spelling of its path",
        "404: a path is what it is, byte for byte")
def test_another_spelling_of_a_path_is_404(scene):
    def run():
        before = scene.server.metrics()[COMMANDS[0]]
        for path in PATHS:
            with page_socket(scene.server) as s:
                s.sendall(post(path, b'{"channel":"a","data":1}', b"Connection: close"))
                count, answer = answers_in(read_to_end(s))
                assert (count, answer.status) == (1, 404), path
        assert scene.server.metrics()[COMMANDS[0]] == before

    scene.attack(run, REQUESTS, 1, runs=1)
