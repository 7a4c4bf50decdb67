"""What fanwire must reach, each as a line: what was asked, what was measured, and whether
it is met. A figure that wasn't measured is neither. A run whose floor is a bad one is
void: ratios to it say nothing.
"""

from dataclasses import dataclass

from figures import Figures, summary

PEERS = ("Bun", "uWebSockets")
ONE = "1,000 members, 20 msg/s"
SMALL, LARGE = "100 members, 64 outstanding", "1,000 members, 64 outstanding"
OPEN_ENDS = ("100 members, 300 msg/s", "10,000 members, 3 msg/s")
CLOSED_ENDS = (SMALL, "10,000 members, 64 outstanding")
FLOOR_LIMIT = 1.1


@dataclass
class Bar:
    section: str
    what: str
    limit: str
    figure: str  # as it is shown; empty: not measured
    met: bool | None


def at_most(section, what, ratio, limit, times="x "):
    if ratio is None:
        return Bar(section, what, f"at most {times}{limit:g}", "", None)
    figure = f"{ratio.middle:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"
    return Bar(section, what, f"at most {times}{limit:g}", figure, ratio.middle <= limit)


def count_at_most(section, what, value, limit):
    shown = "" if value is None else f"{value:.3f}"
    met = None if value is None else value <= limit
    return Bar(section, what, f"at most {limit:g}", shown, met)


def count_none(section, what, value):
    """None at all but for some that the server's other work may cost."""
    shown = "" if value is None else f"{value:.4f}"
    return Bar(section, what, "none", shown, None if value is None else value <= 0.001)


def at_least(section, what, ratio, limit):
    if ratio is None:
        return Bar(section, what, f"at least x {limit:g}", "", None)
    figure = f"{ratio.middle:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"
    return Bar(section, what, f"at least x {limit:g}", figure, ratio.middle >= limit)


def within(section, what, ours, theirs, factor, extra_us):
    """At most `factor` times as much, or so much more."""
    limit = f"at most x {factor:g} or +{extra_us / 1000:g} ms"
    if ours is None or theirs is None:
        return Bar(section, what, limit, "", None)
    figure = f"{ours / 1000:,.2f} ms to {theirs / 1000:,.2f} ms"
    met = ours <= factor * theirs or ours <= theirs + extra_us
    return Bar(section, what, limit, figure, met)


def one_room(f):
    yield at_most("a", "CPU a delivery, 1,000 members, one message at a time, to the"
                  " better of Bun and uWebSockets",
                  f.ratio("a", ONE, "fanwired", PEERS), 1.10)
    yield at_most("a", "the same to the one-send floor",
                  f.ratio("a", ONE, "fanwired", "floor send"), 1.25)
    yield count_at_most("a", "write calls a delivery, the same load",
                        f.calls("a", ONE, "fanwired", "writes_per_delivery"), 1.01)
    yield count_none("a", "epoll_ctl a delivery, the same load",
                     f.calls("a", ONE, "fanwired", "epoll_ctl_per_delivery"))
    for load in (SMALL, LARGE):
        yield at_most("a", f"CPU a delivery, {load}, to the coalescing floor",
                      f.ratio("a", load, "fanwired", "floor joined"), 1.25)
        yield at_most("a", f"{load}, to Bun", f.ratio("a", load, "fanwired", "Bun"), 1.1)
        for peer in ("Nchan", "ws", "Socket.IO"):
            yield at_most("a", f"{load}, to {peer}",
                          f.ratio("a", load, "fanwired", peer), 0.1)
        value = f.calls("a", load, "fanwired", "writes_per_member_and_turn")
        yield count_at_most("a", f"write calls a member and turn, {load}", value, 1)
    for words, ends, floor in (
        ("one message at a time", OPEN_ENDS, "floor send"),
        ("64 outstanding", CLOSED_ENDS, "floor joined"),
    ):
        ours, theirs = f.growth("a", ends, "fanwired"), f.growth("a", ends, floor)
        grown = summary([a / b for a, b in zip(ours, theirs) if a and b])
        what = f"growth from 100 to 10,000 members, {words}, to that of {floor}"
        yield at_most("a", what, grown, 1.15)


def rooms_and_echoes(f):
    for load in f.loads("b"):
        ratio = f.ratio("b", load, "fanwired", PEERS)
        if ratio:  # deliveries a CPU second are the inverse of CPU a delivery
            ratio = summary([1 / ratio.high, 1 / ratio.middle, 1 / ratio.low])
        yield at_least("b", f"deliveries a CPU second, {load}, to the better of Bun and"
                       " uWebSockets", ratio, 0.9)
    for load in f.loads("c"):
        ratio = f.ratio("c", load, "libfanwire", "Bun", "cpu_us_per_message")
        yield at_most("c", f"CPU a message, {load}, to Bun", ratio, 1.15)


def nodes(f):
    load = "2 nodes, 100 members, 64 outstanding"
    yield at_least("d", f"deliveries/s, {load}, to Nchan with Redis",
                   f.ratio("d", load, "fanwired", "Nchan", "deliveries_per_s"), 20)
    yield at_most("d", "CPU a delivery, the same load, to one node without Redis",
                  f.ratio("d", load, "fanwired", "fanwired, one node, no Redis"), 1.4)
    for name in f.loads("d"):
        redis = f.row("d", name, "fanwired").get("redis", {})
        value = redis.get("publishes_per_message")
        # The nodes publish a little for themselves, too.
        bar = count_at_most("d", f"PUBLISH a message, {name}", value, 1.05)
        bar.limit = "one"
        yield bar
    # A round trip: with many outstanding it would be a queue.
    for name in (name for name in f.loads("e") if "msg/s" in name):
        pair = "libfanwire", "Redis alone"
        yield at_most("e", f"p50, {name}, to Redis alone",
                      f.ratio("e", name, *pair, "latency_us.p50"), 2)
        ours, theirs = (
            f.median("e", name, label, "latency_us.p99") for label in pair
        )
        yield within("e", f"p99, {name}, beside Redis alone", ours, theirs, 3, 2000)


def idle(f):
    for label in ("fanwired", "fanwired, deflate"):
        keys = sorted(
            (int(key.split(".")[1]), key)
            for key in f.row("f", "idle", label).get("median", {})
            if key.startswith("steps.") and key.endswith(".bytes_per_session")
        )
        for members, key in keys:
            value = f.median("f", "idle", label, key)
            # A few pages that are there once don't count for a thousand sessions.
            yield Bar("f", f"memory of a session, {label}, {members:,} sessions",
                      "at most 1,792 bytes", f"{value:,.0f}", value <= 1792)
        if not keys:
            what = f"memory of a session, {label}"
            yield Bar("f", what, "at most 1,792 bytes", "", None)
        if len(keys) > 1:
            ends = keys[0][1], keys[-1][1]
            first, last = (f.median("f", "idle", label, key) for key in ends)
            yield Bar("f", f"growth by session is linear, {label}", "at most x 1.1",
                      f"{last / first:.2f}", last <= 1.1 * first)


def storms_and_pings(f):
    storm = "10,000 connect, join and are served"
    yield at_most("g", "CPU a connect and join, to the floor's handshake",
                  f.ratio("g", storm, "fanwired", "floor", "storm.cpu_us_each"), 1.5)
    for load in (storm, "20,000 connect and reset"):
        value = f.median("g", load, "fanwired", "control_during_us.p99")
        shown = "" if value is None else f"{value / 1000:,.1f} ms"
        met = None if value is None else value <= 20000
        yield Bar("g", f"p99 of the others: {load}", "at most 20 ms", shown, met)
    yield at_most("h", "CPU of the heartbeat, to the floor's",
                  f.ratio("h", "heartbeat", "fanwired", "floor", "cpu_us_per_ping"), 1.3)


def compression_and_slowness(f):
    for load in ("1 KiB JSON", "16 KiB JSON"):
        yield at_most("i", f"CPU a delivery, {load}, compressed to uncompressed",
                      f.ratio("i", load, "fanwired, deflate", "fanwired"), 1.2)
        metrics = f.row("i", load, "fanwired, deflate").get("metrics", {})
        value = metrics.get("deflates_per_message")
        yield count_at_most("i", f"compressions a message, {load}", value, 1)
    with_slow, without = (
        f.median("j", "200 msg/s", label, "latency_us.p99")
        for label in ("fanwired, a tenth slow", "fanwired")
    )
    yield within("j", "p99 of the fast members, beside that without slow ones",
                 with_slow, without, 1.5, 2000)


def protocol(f):
    clients = "Centrifuge clients"
    for load, raw, words in ((ONE, "fanwired", "to raw ones"),
                             (LARGE, "fanwired, 233 bytes", "to raw ones of as many"
                              " bytes")):
        yield at_most("k", f"CPU a delivery, {clients}, {load}, {words}",
                      f.ratio("k", load, clients, raw), 1.15)
    value = f.median("k", "parsing", "reader of commands", "parses_per_cpu_s")
    shown = "" if value is None else f"{value:,.0f}"
    yield Bar("k", "publishes of 128 B read a CPU second", "at least 500,000", shown,
              None if value is None else value >= 500000)
    load, asked = "beside the HTTP API", "1,000 requests/s"
    value = f.median("k", load, asked, "api.answered_per_s")
    refused = f.median("k", load, asked, "api.refused")
    shown = "" if value is None else f"{value:,.0f}, {refused:,.0f} refused"
    yield Bar("k", "requests to the API answered a second, beside a fan-out",
              "at least 990, none refused", shown,
              None if value is None else value >= 990 and refused == 0)
    beside, alone = (
        f.median("k", load, label, "latency_us.p99") for label in (asked, "fanwired")
    )
    yield within("k", "p99 of the members, beside that without requests", beside, alone,
                 1.5, 2000)


def all_bars(sections):
    f = Figures(sections)
    makers = (one_room, rooms_and_echoes, nodes, idle, storms_and_pings,
              compression_and_slowness, protocol)
    return [bar for maker in makers for bar in maker(f)]


def bad_floors(sections):
    """Sentences about each floor that costs more than the better of Bun and uWebSockets
    by a tenth, where a bar looks at it."""
    f = Figures(sections)
    looked_at = (("a", ONE, "floor send"), ("a", SMALL, "floor joined"),
                 ("a", LARGE, "floor joined"))
    bad = []
    for letter, load, floor in looked_at:
        ratio = f.ratio(letter, load, floor, PEERS)
        if ratio and ratio.middle > FLOOR_LIMIT:
            bad.append(f"({letter}) {load}: {floor} costs {ratio.middle:.2f} times the"
                       " better of Bun and uWebSockets")
    return bad
