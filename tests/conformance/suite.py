"""The list of conformance cases, their verdicts, and how they are run.

A case is a function of a connection maker; it says nothing if the server did right (OK),
and raises otherwise:

  NonStrict  allowed by RFC 6455, yet not what a strict server would do
  Info       RFC 6455 leaves it open; what happened is only noted
  anything   the server did wrong: FAIL

Cases register themselves by @case(id, sentence, expectation). Chapters 1 to 10 carry the
numbers of the Autobahn test suite, so that results can be compared with its; so do 12 and
13, permessage-deflate, with fewer messages a case. 20 to 23 are our own.
"""

import itertools
import threading
import time
import traceback
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

from peer import PATIENCE, Peer, Timeout, Violation

OK, NON_STRICT, INFO, FAIL = "OK", "NON-STRICT", "INFO", "FAIL"
VERDICTS = (OK, NON_STRICT, INFO, FAIL)

CHAPTERS = {
    1: "framing", 2: "ping and pong", 3: "reserved bits", 4: "opcodes", 5: "fragments",
    6: "UTF-8", 7: "closing", 9: "large and many messages", 10: "fragments of odd size",
    12: "compression: data", 13: "compression: parameters",
    20: "handshake, ours", 21: "framing, ours", 22: "closing, ours",
    23: "compression, ours",
}

Case = namedtuple("Case", "id sentence expectation run heavy")
Result = namedtuple("Result", "verdict detail seconds")

CASES = {}


class NonStrict(Exception):
    """Allowed, but not strict."""


class Info(Exception):
    """Only worth a note."""


def case(id, sentence, expectation, heavy=False):
    """Registers a case. heavy: moves megabytes, so it runs among few."""
    def register(run):
        if id in CASES:
            raise ValueError("case %s exists twice" % id)
        CASES[id] = Case(id, sentence, expectation, run, heavy)
        return run
    return register


def sort_key(id):
    return tuple(int(part) for part in id.split("."))


def chapter(id):
    return sort_key(id)[0]


class Maker:
    """Makes connections for one run of one case, and closes them."""

    counter = itertools.count()

    def __init__(self, target, own_rooms):
        self.target = target
        self.own_rooms = own_rooms
        self.peers = []

    def query(self):
        """A room nobody else is in: then the server is an echo server."""
        return "?room=c%d" % next(self.counter) if self.own_rooms else ""

    def raw(self):
        """Connected, nothing said yet."""
        peer = Peer(self.target)
        self.peers.append(peer)
        return peer

    def open(self, **how):
        """A WebSocket connection."""
        return self.raw().handshake(self.query(), **how)

    def close(self):
        for peer in self.peers:
            peer.close()


# --- what cases expect ---

def expect(peer, kind, data, timeout=PATIENCE):
    """The next thing heard is this."""
    got = peer.heard(timeout)
    if got.kind != kind:
        raise Violation("expected %s, got %s" % (kind, describe(got)))
    if got.data != data:
        raise Violation("the %s isn't what was sent: %s" % (kind, describe(got)))
    return got


def describe(e):
    if e.kind == "close":
        return "Close %s %r" % (e.code, e.data[:40])
    if e.kind == "eof":
        return "the end of the stream (%s)" % e.data.decode()
    return "%s of %d bytes %r" % (e.kind, len(e.data), e.data[:40])


def expect_quiet(peer):
    """Nothing was said: a ping is answered first."""
    peer.send_frame(9, b"are you there")
    expect(peer, "pong", b"are you there")


def expect_clean_close(peer, code=1000, reason=b"", answers=None):
    """Says Close; the server answers it and ends the stream first (5.5.1, 7.1.1)."""
    peer.send_close(code, reason)
    expect_close_answer(peer, answers or (code,))


def expect_close_answer(peer, answers, before=()):
    for kind, data in before:
        expect(peer, kind, data)
    got = peer.heard()
    if got.kind != "close":
        raise Violation("expected a Close frame, got " + describe(got))
    if got.code not in answers:
        raise Violation("expected Close %s, got %s" % (answers, describe(got)))
    expect_end(peer)


def expect_end(peer):
    """The server, having said Close, ends TCP first (7.1.1)."""
    try:
        end = peer.heard(timeout=5)
    except Timeout:
        raise NonStrict("leaves TCP open after the closing handshake") from None
    if end.kind != "eof":
        raise Violation("after its Close frame came " + describe(end))
    if end.data == b"reset":
        raise NonStrict("resets TCP after the closing handshake")


def expect_failure(peer, codes=(1002,), before=()):
    """The server fails the connection (7.1.7): Close with one of these codes, then the
    end. before: what it may still have to say, [(kind, data)]."""
    events = peer.drain()
    said = [(e.kind, e.data) for e in events if e.kind not in ("close", "eof")]
    closes = [e for e in events if e.kind == "close"]
    if said != list(before)[:len(said)]:
        raise Violation("before it failed the connection came %s"
                        % ", ".join(describe(e) for e in events[:4]))
    if closes and closes[0].code not in codes:
        raise Violation("expected Close %s, got %s" % (codes, describe(closes[0])))
    if not closes:
        raise NonStrict("drops TCP (%s) without a Close frame" % events[-1].data.decode())
    if len(said) < len(before):
        raise NonStrict("what was said just before the fault isn't answered any more")


def expect_failure_or_echo(peer, kind, data, codes=(1002,)):
    """For faults of a sender that a receiver may overlook."""
    first = peer.heard()
    if first.kind == kind and first.data == data:
        raise NonStrict("overlooks it")
    if first.kind == "eof":
        raise NonStrict("drops TCP without a Close frame")
    if first.kind != "close" or first.code not in codes:
        raise Violation("expected Close %s, got %s" % (codes, describe(first)))
    expect_end(peer)


def expect_refusal(peer, statuses, strict=None):
    """The handshake is answered with an HTTP status, and the stream ends gently."""
    answer = peer.answer()
    if answer is None:
        raise Violation("the stream ended (%s) without an HTTP answer"
                        % peer.at_end.decode())
    if answer.status not in statuses:
        raise Violation("expected status %s, got %d" % (statuses, answer.status))
    check_body(peer, answer)
    if strict and answer.status not in strict:
        raise NonStrict("status %d" % answer.status)
    return answer


def check_body(peer, answer):
    """The body is as long as the head says, or goes on to the end of the stream."""
    length = answer.one("content-length")
    if length is None and "close" in (answer.one("connection") or "").lower():
        return
    if length is None or not length.isdigit():
        raise Violation("nobody can tell where the body of the refusal ends")
    if peer.read_exactly(int(length), deadline(PATIENCE)) is None:
        raise Violation("the body of the refusal is shorter than it says")


def deadline(seconds):
    return time.monotonic() + seconds


# --- running ---

def run_case(c, target, own_rooms):
    maker = Maker(target, own_rooms)
    begin = time.monotonic()
    try:
        c.run(maker)
        verdict, detail = OK, ""
    except NonStrict as e:
        verdict, detail = NON_STRICT, str(e)
    except Info as e:
        verdict, detail = INFO, str(e)
    except (AssertionError, OSError, UnicodeDecodeError) as e:
        verdict, detail = FAIL, "%s: %s" % (type(e).__name__, e)
    except Exception:  # a mistake of the case itself: show where
        verdict, detail = FAIL, traceback.format_exc()
    finally:
        maker.close()
    return Result(verdict, detail, time.monotonic() - begin)


def run_all(target, own_rooms=True, only=None, workers=16, on_result=None):
    """{id: Result}. Light cases run many at a time, heavy ones two at a time, and both
    side by side."""
    chosen = [CASES[i] for i in sorted(CASES, key=sort_key) if only is None or only(i)]
    results, lock = {}, threading.Lock()

    def one(c):
        result = run_case(c, target, own_rooms)
        with lock:
            results[c.id] = result
            if on_result:
                on_result(c, result)

    with ThreadPoolExecutor(workers) as light, ThreadPoolExecutor(2) as heavy:
        for done in [(heavy if c.heavy else light).submit(one, c) for c in chosen]:
            done.result()
    return results
