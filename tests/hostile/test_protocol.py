"""Clients of the Centrifuge protocol: batches, floods, commands that make no sense."""

import json

from hostile import GONE, MIB, PROTOCOL, attack
from peer import PATIENCE, TEXT, Peer, Timeout, frame

PATH = "/connection/websocket"
MESSAGES = ["fanwire_messages_in_total"]
COMMANDS_WAIT = ['fanwire_limit_hits_total{limit="commands"}']
ROOMS_LIMIT = ['fanwire_limit_hits_total{limit="rooms_per_session"}']


def opened(target):
    return Peer(target).handshake(path=PATH)


def connected(target):
    peer = opened(target)
    peer.send_frame(TEXT, b'{"id":1,"connect":{}}')
    [reply] = replies(peer, 1)
    assert reply["connect"]["client"]
    return peer


def batch(commands):
    return frame(TEXT, "\n".join(json.dumps(c, separators=(",", ":"))
                                 for c in commands).encode())


def replies(peer, count):
    """So many replies; pushes and pings on the way are left out."""
    found = []
    while len(found) < count:
        got = peer.heard(2 * PATIENCE)
        assert got.kind == "text", got
        objects = [json.loads(line) for line in got.data.splitlines()]
        found += [o for o in objects if "id" in o]
    return found


# --- batches ---

ASKED = [{"ping": {}}, {"presence": {"channel": "flood:a"}},
         {"history": {"channel": "flood:a", "limit": 1}},
         {"presence_stats": {"channel": "flood:a"}}, {"unsubscribe": {"channel": "x"}},
         {"publish": {"channel": "flood:b", "data": 1}}, {"nonsense": {}}]


def ten_thousand():
    return batch({"id": i + 2, **ASKED[i % len(ASKED)]} for i in range(10000))


@attack("10,000 commands of all kinds in one message",
        "10,000 replies; never more than 128 are under way, the rest waits unread")
def test_a_batch_of_ten_thousand_commands_is_answered(scene):
    def run():
        peer = connected(scene.server.plain)
        peer.send(ten_thousand())
        found = replies(peer, 10000)
        assert sorted(r["id"] for r in found) == list(range(2, 10002))
        peer.close()

    scene.attack(run, COMMANDS_WAIT, 1, runs=2)


@attack("The same again and again, from a client that reads no reply",
        "it isn't read any more, or closed; what waits for it is bounded")
def test_a_deaf_client_with_batches_stays_within_its_bounds(scene):
    data = ten_thousand()

    def run():
        before = scene.server.rss()
        peer = connected(scene.server.plain)
        try:
            for _ in range(40):
                if not peer.send(data, reading=False, timeout=0.5):
                    break
            else:
                raise AssertionError("400,000 commands were taken")
        except Timeout:
            pass  # it stopped reading
        grown = scene.server.rss() - before
        peer.reset()
        if not scene.server.sanitized:
            assert grown < 24 * MIB, "%.0f MiB for one" % (grown / MIB)

    scene.attack(run, GONE, 1, runs=1)


@attack("1,000 commands with one and the same id", "each gets a reply with that id")
def test_one_id_for_many_commands(scene):
    def run():
        peer = connected(scene.server.plain)
        peer.send(batch({"id": 7, **ASKED[i % len(ASKED)]} for i in range(1000)))
        assert {r["id"] for r in replies(peer, 1000)} == {7}
        peer.close()

    scene.attack(run, MESSAGES, 1, runs=2)


@attack("1,000 methods that don't exist", "error 104 each; the connection stays")
def test_unknown_methods_are_errors(scene):
    def run():
        peer = connected(scene.server.plain)
        peer.send(batch({"id": i + 2, "method-%d" % i: {}} for i in range(1000)))
        assert {r["error"]["code"] for r in replies(peer, 1000)} == {104}
        peer.send(batch([{"id": 5000, "ping": {}}]))
        assert replies(peer, 1) == [{"id": 5000, "ping": {}}]
        peer.close()

    scene.attack(run, MESSAGES, 2, runs=2)


# --- what makes no sense ---

CONNECT = '{"id":1,"connect":{"data":%s}}'
SENSELESS = [
    ("nothing", b""), ("blanks", b" \n \n"), ("cut", b'{"id":1,"connect":{'),
    ("a_list", b'[{"id":1,"connect":{}}]'), ("a_number", b"1"), ("null", b"null"),
    ("deep", (CONNECT % ("[" * 400000)).encode()),
    ("deep_and_whole", (CONNECT % ("[" * 400000 + "]" * 400000)).encode()),
    ("deep_objects", ('{"id":1,"connect":{"data":' + '{"a":' * 150000).encode()),
    ("byte_order_mark", b'\xef\xbb\xbf{"id":1,"connect":{}}'),
    ("nul_behind", b'{"id":1,"connect":{}}\0'),
    ("no_id", b'{"connect":{}}'), ("negative_id", b'{"id":-1,"connect":{}}'),
    ("id_of_2_32", b'{"id":4294967296,"connect":{}}'),
    ("id_of_many_digits", b'{"id":' + b"9" * 100000 + b',"connect":{}}'),
    ("id_as_text", b'{"id":"1","connect":{}}'), ("id_1e1", b'{"id":1e1,"connect":{}}'),
    ("request_as_list", b'{"id":1,"connect":[]}'),
    ("subs_as_list", b'{"id":1,"connect":{"subs":[]}}'),
    ("position_as_text", b'{"id":1,"connect":{"subs":{"a":{"offset":"1"}}}}'),
    ("subscribe_first", b'{"id":1,"subscribe":{"channel":"a"}}'),
    ("publish_first", b'{"id":1,"publish":{"channel":"a","data":1}}'),
    ("connect_twice", b'{"id":1,"connect":{}}\n{"id":2,"connect":{}}'),
    ("trailing_comma", b'{"id":1,"connect":{},}'),
    ("single_quotes", b"{'id':1,'connect':{}}"),
    ("bad_escape", b'{"id":1,"connect":{"data":"\\x41"}}'),
]


@attack("What is no command: no JSON, JSON nested 400,000 deep, ids that are no numbers "
        "of 32 bits, a command before `connect`, `connect` twice", "Close 3501")
def test_what_is_no_command_is_3501(scene):
    def run():
        for name, data in SENSELESS:
            with opened(scene.server.plain) as peer:
                peer.send_frame(TEXT, data)
                closes = [e for e in peer.drain(2 * PATIENCE) if e.kind == "close"]
                assert closes and closes[0].code == 3501, (name, closes)

    scene.attack(run, PROTOCOL, len(SENSELESS), runs=2)


CHANNELS = ["", "x" * 256, "a\x01b", "a\x00b", "\x7f", "x" * 100000]


@attack("Names of channels that are empty, too long, or have control characters",
        "error 107, or Close 3501 where there is none")
def test_bad_names_of_channels_are_errors(scene):
    def run():
        for channel in CHANNELS:
            peer = connected(scene.server.plain)
            peer.send(batch([{"id": 2, "subscribe": {"channel": channel}}]))
            got = peer.heard(PATIENCE)
            if got.kind == "text":
                assert json.loads(got.data)["error"]["code"] == 107, channel
            else:
                assert got.code == 3501, got
            peer.close()

    scene.attack(run, MESSAGES, len(CHANNELS), runs=2)


POSITIONS = [{"offset": 2 ** 64 - 1, "epoch": "x"}, {"offset": 2 ** 63, "epoch": ""},
             {"offset": 1, "epoch": "e" * 500000}, {"offset": 0, "epoch": "\u0000"},
             {"offset": 5, "epoch": "ffffffffffffffff"}]


@attack("Recovery from positions that never were: offsets up to 2^64-1, an epoch of "
        "500 kB", "subscribed, and told that nothing was recovered")
def test_positions_that_never_were_recover_nothing(scene):
    def run():
        for position in POSITIONS:
            peer = connected(scene.server.plain)
            peer.send(batch([{"id": 2, "subscribe": {
                "channel": "flood:c", "recover": True, "recoverable": True,
                **position}}]))
            [reply] = replies(peer, 1)
            assert not reply["subscribe"].get("recovered"), position
            peer.close()

    scene.attack(run, MESSAGES, len(POSITIONS), runs=2)


@attack("`connect` with 14,000 positions of channels", "connected; 128 are remembered")
def test_more_positions_than_rooms_are_forgotten(scene):
    seen = {"c%d" % i: {"recover": True, "offset": 1, "epoch": "0123456789abcdef"}
            for i in range(14000)}
    data = batch([{"id": 1, "connect": {"subs": seen}}])

    def run():
        before = scene.server.rss()
        peers = [opened(scene.server.plain) for _ in range(10)]
        for peer in peers:
            peer.send(data)
        for peer in peers:
            [reply] = replies(peer, 1)
            assert reply["connect"]["client"]
        if not scene.server.sanitized:
            assert scene.server.rss() - before < 24 * MIB
        for peer in peers:
            peer.close()

    scene.attack(run, MESSAGES, 10, runs=2)


# --- rooms ---

@attack("1,000 subscriptions of one client, where 128 are allowed",
        "128 subscriptions, error 106 for the others")
def test_more_rooms_than_allowed_are_errors(scene):
    def run():
        peer = connected(scene.server.plain)
        peer.send(batch({"id": i + 2, "subscribe": {"channel": "r%d" % i}}
                        for i in range(1000)))
        codes = [r.get("error", {}).get("code") for r in replies(peer, 1000)]
        assert codes.count(None) == 128 and codes.count(106) == 872
        peer.close()

    scene.attack(run, ROOMS_LIMIT, 872, runs=2)


@attack("2,000 joins and leaves of each of three clients, in rooms with presence and "
        "history, in one message",
        "each is answered; no room and nobody's presence are left")
def test_a_flood_of_joins_and_leaves_leaves_nothing(scene):
    commands = [{"id": 2 * i + 2 + leave, ("unsubscribe" if leave else "subscribe"):
                 {"channel": "flood:j%d" % (i % 50)}}
                for i in range(1000) for leave in (False, True)]

    def run():
        peers = [connected(scene.server.plain) for _ in range(3)]
        for peer in peers:
            peer.send(batch(commands))
        for peer in peers:
            found = replies(peer, 2000)
            assert not any("error" in r for r in found), found[:3]
            peer.close()

    scene.attack(run, MESSAGES, 3, runs=2)
