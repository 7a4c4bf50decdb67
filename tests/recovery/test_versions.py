"""Nodes of different versions side by side: what a node doesn't know is counted and
dropped, no client sees any of it, and nothing is lost beside it.

With FW_RECOVERY_CUTS (`./run test --all`) one of the nodes is an old one, which is built
from this repository's past.
"""

import itertools
import json
import pathlib
import shutil
import signal
import struct
import subprocess

import pytest

from bystanders import come, frame, read_until
from fanwired import DEADLINE, SLOW, binary, clean_environment, run, wait_until
from faults import FULL

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
ROOMS = ("a", "plain:a")  # with history and without
OPTIONS = ("--raw.format", "json", "--room.history.size", "10000", "--heartbeat.interval",
           "0s")
WITHIN = DEADLINE * SLOW
UNKNOWN, MALFORMED = "fanwire_messages_unknown_total", "fanwire_redis_malformed_total"


def enter(node, room, query):
    """A member who is in."""
    member, = come(node.url, [f"room={room}&{query}"])
    read_until([member], lambda: any("joined" in told for told in member.heard),
               lambda: f"somebody is in {room}", WITHIN)
    return member


def enter_all(nodes, *queries):
    """{room: one member a node}, each with what else its node's queries have."""
    return {room: [enter(node, room, query) for node, query in zip(nodes, queries)]
            for room in ROOMS}


def say(member, texts):
    member.socket.sendall(b"".join(frame(text.encode()) for text in texts))


def texts_of(member):
    return [told["data"] for told in member.heard if "data" in told]


def wait_until_heard(members, texts):
    """Each is told just these, in this order, and in a room with history one place behind
    the other."""
    def counts():
        return [len(texts_of(one)) for one in members]
    read_until(members, lambda: min(counts()) >= len(texts),
               lambda: f"{counts()} of {len(texts)} are heard", WITHIN)
    for one in members:
        assert texts_of(one) == texts
        places = [told["offset"] for told in one.heard if "offset" in told]
        assert places == list(range(len(places)))  # it joined at 0
        assert not one.closed


def end(rooms):
    for members in rooms.values():
        for one in members:
            one.end()


# --- what a later version might say -----------------------------------------------------

STRANGER = 7777
serials = itertools.count(1)


def envelope(text, version=1, kind=1, fields=b""):
    return struct.pack(">3sBBBHQQH", b"\xffFW", version, kind, 0, 0, STRANGER,
                       next(serials), len(fields)) + fields + text


STRANGE = [
    (MALFORMED, lambda: envelope(b"the next version", version=2)),
    (MALFORMED, lambda: envelope(b"another version", version=255)),
    (MALFORMED, lambda: envelope(b"", version=2)[:4]),
    (MALFORMED, lambda: envelope(b"")[:20]),
    (MALFORMED, lambda: envelope(b"", fields=b"\x63\xff\xff")),
    (UNKNOWN, lambda: envelope(b"no kind", kind=0)),
    (UNKNOWN, lambda: envelope(b"a kind between known ones", kind=14)),
    (UNKNOWN, lambda: envelope(b"a kind with a field", kind=13,
                               fields=b"\x63\x00\x01!")),
    (UNKNOWN, lambda: envelope(b"the last kind", kind=255)),
]


def test_what_a_later_version_says_is_counted_and_shown_to_nobody(direct):
    nodes = direct.start(2, *OPTIONS)
    rooms = enter_all(nodes.nodes, "user=ann", "user=bob")
    texts, step = [str(n) for n in range(1000)], 100
    for n in range(0, len(texts), step):
        for room, members in rooms.items():
            say(members[0], texts[n:n + step])
            for _, make in STRANGE[n // step:n // step + 1]:
                nodes.redis.command("PUBLISH", "fanwire:r:" + room, make())
    for members in rooms.values():
        wait_until_heard(members, texts)
    # What has a field that nobody knows is understood without it.
    for room, members in rooms.items():
        nodes.redis.command("PUBLISH", "fanwire:r:" + room,
                            envelope(b"new", fields=b"\x63\x00\x03new"))
        wait_until_heard(members, [*texts, "new"])
        assert [len(one.heard) for one in members] == [1 + len(texts) + 1] * 2
    for counter in (UNKNOWN, MALFORMED):
        times = len(rooms) * sum(shown == counter for shown, _ in STRANGE)
        assert [nodes.metric(counter, i) for i in (0, 1)] == [times] * 2
    end(rooms)


# --- an old node ------------------------------------------------------------------------

def git(*words, **how):
    return subprocess.run(["git", "-C", str(REPOSITORY), *words], check=False,
                          capture_output=True, **how)


@pytest.fixture(scope="module")
def old_fanwired(tmp_path_factory):
    """Of the last commit that put nothing into an envelope about who has spoken but its
    names: it knows neither the fields 7 and 8 nor traces."""
    if not FULL:
        pytest.skip("an old node is built with --all")
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    found = git("log", "-1", "--format=%H", "-S", "INFO = 7", "--",
                "capi/src/wire/envelope.c", text=True)
    commit = found.stdout.strip() + "^"
    if git("cat-file", "-e", commit).returncode != 0:
        pytest.skip("this repository's past isn't here: " + found.stderr.strip())
    folder = tmp_path_factory.mktemp("old")
    subprocess.run(["tar", "-x", "-C", str(folder)], check=True,
                   input=git("archive", commit).stdout)
    for words in (["cmake", "-S", folder, "-B", folder / "build", "-G", "Ninja",
                   "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DFW_TESTS=OFF",
                   "-DFW_EXAMPLES=OFF", "-DFW_PYTHON=OFF", "-DFW_LUA=OFF"],
                  ["cmake", "--build", folder / "build", "--target", "fanwired"]):
        done = subprocess.run(words, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return str(folder / "build" / "capi" / "server" / "fanwired")


SECRET = "a secret that is shared with nobody but the tests"
INFO = '{"shoes":"red"}'


def present(program, redis_url):
    """{user: its node}, as that program's `presence` tells it of the room "a"."""
    done = subprocess.run(
        [program, "presence", "a", "--json", "--redis.url", redis_url], check=True,
        env=clean_environment(), timeout=WITHIN, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["user"]: line["node"] for line in lines}


@pytest.fixture
def mixed(direct, old_fanwired):
    """nodes[0] is today's, nodes[1] the old one."""
    more = (*OPTIONS, "--room.presence", "on", "--room.join_leave", "on", "--node.lease",
            "2s")
    direct.add([*more, "--token.hmac_secret", SECRET, "--raw.user", "token"])
    direct.add(more, command=[old_fanwired])
    return direct


def query_of(user):
    """Of a session that has info."""
    done = run("token", "--user", user, "--info", INFO, "--token.hmac_secret", SECRET)
    assert done.status == 0, done.err
    return "token=" + done.out.strip()


@pytest.fixture
def members(mixed):
    """Ann on today's node, Bob on the old one, in each room."""
    rooms = enter_all(mixed.nodes, query_of("ann"), "user=bob")
    yield rooms
    end(rooms)


def test_a_room_is_one_on_nodes_of_two_versions(mixed, members):
    texts = []
    for n in range(200):
        texts.append(str(n))
        for room in ROOMS:
            say(members[room][n % 2], texts[-1:])
            wait_until_heard(members[room], texts)
    assert [mixed.metric(UNKNOWN), mixed.metric(MALFORMED)] == [0, 0]


def test_who_moves_between_versions_misses_nothing(mixed, members):
    say(members["a"][0], ["1", "2"])
    wait_until_heard(members["a"], ["1", "2"])
    epoch = members["a"][0].heard[0]["epoch"]
    for node, query in zip(mixed.nodes, (query_of("carl"), "user=carl")):
        carl = enter(node, "a", f"{query}&since={epoch}/1")
        assert texts_of(carl) == ["2"]
        assert [t["recovered"] for t in carl.heard if "joined" in t] == [True]
        carl.end()


def test_presence_is_one_on_nodes_of_two_versions(mixed, members, old_fanwired):
    for program in (binary(), old_fanwired):
        assert present(program, mixed.redis.url) == {"ann": "n0", "bob": "n1"}
    ann, bob = members["a"]
    enter(mixed.nodes[0], "a", query_of("carl")).end()
    read_until([ann, bob], lambda: all(set(one.news("join")) & set(one.news("leave"))
                                       for one in (ann, bob)),
               lambda: "Carl has come and gone", WITHIN)
    came = set(ann.news("join"))  # Bob, too
    mixed.nodes[1].signal(signal.SIGKILL)
    read_until([ann], lambda: set(ann.news("leave")) == came,
               lambda: "Bob is gone, too", WITHIN)
    assert present(binary(), mixed.redis.url) == {"ann": "n0"}


def test_an_old_node_drops_and_counts_what_is_new(mixed, members):
    trace = subprocess.Popen([binary(), "trace", "a", "--redis.url", mixed.redis.url],
                             env=clean_environment(), stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: mixed.metric(UNKNOWN, 1) > 0, "it was asked for a trace",
                   WITHIN)
    finally:
        trace.kill()
        trace.wait()
    assert mixed.metric(UNKNOWN, 0) == 0
    for room in ROOMS:
        say(members[room][0], ["behind it"])
        wait_until_heard(members[room], ["behind it"])
