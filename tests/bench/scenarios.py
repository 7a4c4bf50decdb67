"""What is measured: sections, their loads, and the rows of each load, as data. cells.py
runs them, report.py shows them and bars.py judges them; only the names connect these.
"""

import resource
from dataclasses import dataclass, field, replace

from peers import Row

# The clients have files of their own, as many as a server, and some are for other things.
MOST_SESSIONS = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 300

SEND = Row("floor send", "floor", mode="send")
JOINED = Row("floor joined", "floor", mode="joined")
FANWIRED = Row("fanwired", "fanwired")
BUN = Row("Bun", "Bun")
UWS = Row("uWebSockets", "uWebSockets")
WS = Row("ws", "ws")
SOCKETIO = Row("Socket.IO", "Socket.IO", arguments=["--socketio"])
NCHAN = Row("Nchan", "Nchan")
FAST = [SEND, JOINED, FANWIRED, BUN, UWS]
ALL = [*FAST, WS, SOCKETIO, NCHAN]


@dataclass
class Scale:
    """How large a run is: what the figures are for is in the first one only."""

    seconds: float = 2
    warmup: float = 0.5
    most_members: int = MOST_SESSIONS
    least_rate: int = 0
    heartbeat_s: int = 25
    storm: float = 1  # part of the clients of a storm
    rounds: int = 5
    tries: int = 1  # of a cell that fails; a smoke test must not depend on time

    def members(self, number):
        return min(number, self.most_members, MOST_SESSIONS)

    def rate(self, messages_per_s):
        return max(messages_per_s, self.least_rate)


QUICK = Scale(0.5, 0.2, 1000, 20, 2, 0.1, 1)
SMOKE = Scale(0.2, 0.1, 60, 100, 1, 0.005, 1, 3)


@dataclass
class Load:
    name: str
    rows: list
    members: int
    arguments: list
    role: str = "rooms"  # what the server does: rooms, echo or direct
    hearers: int = 0  # how many hear a message: all, if not said
    nodes: int = 1
    most_rounds: int = 99  # what doesn't scatter needn't be measured often
    seconds: float = 1  # so many times as long
    counted: list = field(default_factory=list)  # labels of rows run under strace, too
    redis_counted: bool = False  # or beside a Redis that counts
    redis_core: int = 1  # 0: the servers', 1: the generator's
    compressed: bool = False  # fanwired tells how often it compressed
    alike: bool = False  # another one but for its numbers, which a smoke test hasn't

    def hears(self):
        return self.hearers or self.members


@dataclass
class Section:
    letter: str
    title: str
    text: str
    loads: list


def labels(rows):
    return [row.label for row in rows]


def one_room(scale):
    loads = []

    def add(name, members, rows, arguments, **more):
        members = scale.members(members)
        loads.append(Load(name, rows, members, arguments, **more))

    def rate(number):
        return ["--rate", scale.rate(number)]

    add("100 members, 20 msg/s", 100, FAST, rate(20), alike=True)
    add("100 members, 300 msg/s", 100, FAST, rate(300))
    everybody = {"counted": labels(ALL), "seconds": 2}
    add("1,000 members, 20 msg/s", 1000, ALL, rate(20), **everybody)
    add("1,000 members, 60 msg/s", 1000, FAST, rate(60), alike=True)
    add("10,000 members, 3 msg/s", 10000, FAST, rate(3), seconds=2)
    add("1,000 members, 8 outstanding", 1000, FAST, ["--closed", 8], alike=True)
    closed = ["--closed", 64]
    add("100 members, 64 outstanding", 100, ALL, closed, counted=labels(FAST))
    add("1,000 members, 64 outstanding", 1000, ALL, closed, counted=labels(FAST))
    add("10,000 members, 64 outstanding", 10000, FAST, closed, seconds=2)
    text = (
        "128 bytes, 8 of the members talk. At a rate the messages come one by one, so"
        " that everybody pays one system call a delivery: compare with `floor send`."
        " With so many outstanding all the time, what comes in one turn of the loop can"
        " go out in one write a session: compare with `floor joined`, which does that"
        " too; latency is then that of the queue."
    )
    return Section("a", "One room", text, loads)


def small_rooms(scale):
    members = scale.members(10000)
    rooms = max(members // 10, 1)
    common = ["--rooms", rooms, "--senders", members]
    loads = [
        Load(name, rows, members, common + arguments, hearers=members // rooms, seconds=2)
        for name, rows, arguments in (
            ("3,000 msg/s", FAST, ["--rate", 3000]),
            ("1,000 outstanding", ALL, ["--closed", min(1000, members)]),
        )
    ]
    text = (
        "1,000 rooms of 10 members, and every member publishes; 128 bytes. What dominates"
        " here is finding the room, and a read for each message."
    )
    return Section("b", "Many small rooms", text, loads)


def echoes(scale):
    rows = [
        Row("floor echo", "floor", mode="echo"),
        Row("libfanwire", "app"),
        BUN,
        UWS,
        WS,
    ]
    sizes = {"128 B": 128, "64 KiB": 65536}
    loads = []
    for members in (1, 1000):
        for size_name, size in sizes.items():
            number = scale.members(members)
            loads.append(
                Load(
                    f"{members:,} session{'s' * (members > 1)}, {size_name}",
                    rows,
                    number,
                    ["--echo", "--size", size, "--closed", number],
                    role="echo",
                    hearers=1,
                    counted=labels(rows[:4]) if members > 1 else [],
                    alike=(members > 1) != (size > 128),
                )
            )
    text = (
        "Each session gets its own messages back, and has one on its way at a time. The"
        " handler of `libfanwire` is inline, in C (`tests/bench/app.c`)."
    )
    return Section("c", "Echo", text, loads)


def several_nodes(scale):
    rows = [
        Row("fanwired", "fanwired", redis=True),
        Row("fanwired, one node, no Redis", "fanwired", nodes=1),
        Row("Nchan", "Nchan", redis=True),
        Row("Socket.IO", "Socket.IO", redis=True, arguments=["--socketio"]),
    ]
    loads = []
    for nodes in (2, 4):
        for name, members, arguments in (
            ("100 members, 64 outstanding", 100, ["--closed", 64]),
            ("1,000 members, 20 msg/s", 1000, ["--rate", scale.rate(20)]),
        ):
            load = Load(f"{nodes} nodes, {name}", rows, scale.members(members), arguments)
            load.nodes, load.redis_counted, load.alike = nodes, True, nodes > 2
            loads.append(load)
    text = (
        "The members are spread over the nodes, which share core 0; Redis is on the"
        " generator's core. CPU is that of all nodes together, without Redis'. The"
        " counts of Redis are those of a run of their own."
    )
    return Section("d", "Several nodes", text, loads)


def to_users(scale):
    rows = [
        Row("libfanwire", "app", redis=True),
        Row("Redis alone", "Redis alone", redis=True),
    ]
    members = scale.members(100)
    loads = [
        Load(
            name, rows, members, arguments,
            role="direct", hearers=1, nodes=2, redis_core=0,
        )
        for name, arguments in (
            ("1,000 msg/s", ["--direct", "--rate", 1000]),
            ("64 outstanding", ["--direct", "--closed", 64]),
        )
    ]
    text = (
        "Each message goes to one user, whose session is on the other one of two nodes;"
        " 100 users, 128 bytes. `Redis alone` is a bare PUBLISH and its way back on a"
        " second connection, through a Redis of the same kind: what the way between two"
        " nodes costs at least. Here Redis is on the servers' core, so that both ways go"
        " from one core to the other and back, which is most of what a round trip takes"
        " on an idle machine. With 64 outstanding it is no round trip but a queue: Redis"
        " alone reads and writes many messages in one call, where each user's socket"
        " needs calls of its own."
    )
    return Section("e", "Messages to users on another node", text, loads)


def idle(scale):
    rows = [
        Row("floor", "floor", mode="send"),
        FANWIRED,
        Row("fanwired, deflate", "fanwired", deflate=True, arguments=["--deflate"]),
        Row("fanwired, TLS", "fanwired", tls=True),
        BUN,
        Row("Bun, TLS", "Bun", tls=True),
        UWS,
        Row("uWebSockets, TLS", "uWebSockets", tls=True),
        WS,
        SOCKETIO,
        NCHAN,
    ]
    steps = sorted({scale.members(n) for n in (1000, 10000, 18000)})
    if len(steps) < 3:
        steps = [max(steps[-1] // part, 1) for part in (10, 2, 1)]
    arguments = ["--idle", "--steps", ",".join(map(str, steps))]
    load = Load("idle", rows, steps[-1], arguments, most_rounds=3)
    text = (
        "A session that has joined one room and says nothing, heartbeat on; bytes a"
        " session, of the process (proportional set size). The kernel's own memory of"
        " its connection, both ends, is beside it, and isn't in it."
    )
    return Section("f", "An idle session", text, [load])


def storms(scale):
    rows = [Row("floor", "floor", mode="send"), FANWIRED, BUN, UWS]
    members = scale.members(100)
    common = ["--rate", 50, "--senders", min(8, members), "--storm"]
    loads = [
        Load(name, rows, members, [*common, kind, max(int(count * scale.storm), 10)])
        for name, kind, count in (
            ("10,000 connect, join and are served", "connect", 10000),
            ("20,000 connect and reset", "reset", 20000),
        )
    ]
    text = (
        "Clients come, at most 256 of them at a time in their handshake, while 100"
        " members of a room talk, 50 messages a second, whose latency is told before"
        " and during the storm. CPU is the server's for each of those that come."
    )
    return Section("g", "A storm of connections", text, loads)


def heartbeats(scale):
    every = scale.heartbeat_s
    rows = [
        Row("floor", "floor", mode="send", heartbeat_s=every),
        Row("fanwired", "fanwired", heartbeat_s=every),
    ]
    members = scale.members(18000)
    # One whole interval, whatever the others measure.
    load = Load("heartbeat", rows, members, ["--heartbeat", "--seconds", every])
    text = (
        f"{members:,} idle sessions, each pinged every {every} seconds; the floor sends"
        " the same pings and reads the pongs."
    )
    return Section("h", "Heartbeat", text, [load])


def compressed(scale):
    rows = [
        FANWIRED,
        Row("fanwired, deflate", "fanwired", deflate=True, arguments=["--deflate"]),
        SEND,
        Row("Bun, deflate", "Bun", deflate=True, arguments=["--deflate"]),
        Row("uWebSockets, deflate", "uWebSockets", deflate=True, arguments=["--deflate"]),
    ]
    members = scale.members(1000)
    loads = [
        Load(
            f"{name} JSON",
            rows,
            members,
            ["--json", "--size", size, "--rate", scale.rate(rate)],
            seconds=2,
            compressed=True,
            alike=size > 1024,
        )
        for name, size, rate in (("1 KiB", 1024, 20), ("16 KiB", 16384, 5))
    ]
    text = (
        "JSON like that of a chat or of quotes to 1,000 members, with permessage-deflate"
        " or without; without context takeover, a message can be compressed once for"
        " everybody."
    )
    return Section("i", "Compression", text, loads)


def slow_members(scale):
    servers = [JOINED, FANWIRED, BUN, UWS]
    slow = ["--slow", 0.1]
    rows = []
    for row in servers:
        label = f"{row.label}, a tenth slow"
        rows += [row, replace(row, label=label, arguments=slow)]
    members = scale.members(100)
    arguments = ["--size", 8192, "--rate", 200]
    load = Load("200 msg/s", rows, members, arguments, seconds=2)
    text = (
        "100 members of a room hear 200 messages of 8 KiB a second; a tenth of them reads"
        " nothing for 200 ms at a time, and then a little. Latency is that of the"
        " others."
    )
    return Section("j", "Slow readers", text, [load])


def protocol(scale):
    clients = ["--protocol", "centrifuge"]
    rows = [
        FANWIRED,
        # What a publication of 128 bytes has with all that is around it.
        Row("fanwired, 233 bytes", "fanwired", arguments=["--size", 233]),
        Row("Centrifuge clients", "fanwired", protocol="centrifuge", arguments=clients),
    ]
    members = scale.members(1000)
    every = ["--rate", scale.rate(20)]
    loads = [
        Load("1,000 members, 20 msg/s", rows, members, every, seconds=2),
        Load("1,000 members, 64 outstanding", rows, members, ["--closed", 64]),
        Load("parsing", [Row("reader of commands", "parser")], 1, [], hearers=1),
        Load(
            "beside the HTTP API",
            [FANWIRED, Row("1,000 requests/s", "fanwired", api=1000)],
            members,
            every,
            seconds=2,
        ),
    ]
    text = (
        "What it costs that clients speak the Centrifuge protocol in JSON: the same"
        " messages to the same number of members, raw and as publications, each put into"
        " words once for all its members; 128 bytes, and around them the channel and who"
        " it is from, 233 bytes in all. One message at a time it is system calls that"
        " cost, with 64 outstanding the copying of bytes. Reading is that of publishes of"
        " 128 bytes by one thread that does nothing else (`tests/bench/parse.c`). Beside"
        " the HTTP API the raw members hear theirs while a back end publishes a thousand"
        " times a second to another room (`tests/bench/api_load.py`, on the generator's"
        " core)."
    )
    return Section("k", "The Centrifuge protocol, and the HTTP API", text, loads)


MAKERS = {
    "a": one_room,
    "b": small_rooms,
    "c": echoes,
    "d": several_nodes,
    "e": to_users,
    "f": idle,
    "g": storms,
    "h": heartbeats,
    "i": compressed,
    "j": slow_members,
    "k": protocol,
}
