"""Writes what was measured: docs/benchmarks.json, the page docs/benchmarks.md from it,
and the plots beside it. Knows the figures' names, and nothing of how they came.
"""

import json
import textwrap

import bars
import plots
import python_bench
from figures import Figures

LEAF_KEYS = {"median", "calls", "redis", "metrics", "load_average", "others_cores"}


class Column:
    """A column of a table: how it is headed, and what it shows of a row."""

    def __init__(self, head, show):
        self.head, self.show = head, show


def value(head, key, form="{:,.2f}", divide=1):
    def show(f, letter, load, label):
        number = f.median(letter, load, label, key)
        return "" if number is None else form.format(number / divide)

    return Column(head, show)


def to(base, key="cpu_us_per_delivery", head=None):
    def show(f, letter, load, label):
        ratio = f.ratio(letter, load, label, base, key)
        if not ratio:
            return ""
        if label == base:
            return "1"
        return f"{ratio.middle:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"

    return Column(head or f"to {base}", show)


def counted(head, key, of="calls", form="{:.3f}"):
    def show(f, letter, load, label):
        number = f.row(letter, load, label).get(of, {}).get(key)
        return "" if number is None else form.format(number)

    return Column(head, show)


def per_cpu_second(f, letter, load, label):
    cost = f.median(letter, load, label, "cpu_us_per_delivery")
    return f"{1e6 / cost:,.0f}" if cost else ""


def failed(f, letter, load, label):
    """Lost, repeated, out of order, closed, over all rounds; or why there is nothing."""
    rounds = f.row(letter, load, label).get("rounds", [])
    errors = [r["error"] for r in rounds if "error" in r]
    keys = ("lost", "duplicated", "out_of_order", "closed")
    sums = [sum(r.get(key, 0) for r in rounds) for key in keys]
    words = ", ".join(f"{n:,}" for n in sums)
    if errors:
        return f"{words}; failed {len(errors)} of {len(rounds)}"
    return words if any(sums) else "0"


CPU = value("CPU us a delivery", "cpu_us_per_delivery")
MESSAGE_CPU = value("CPU us a message", "cpu_us_per_message")
RATE = value("deliveries/s", "deliveries_per_s", "{:,.0f}")
P50 = value("p50 ms", "latency_us.p50", "{:,.2f}", 1000)
P99 = value("p99 ms", "latency_us.p99", "{:,.2f}", 1000)
READ = value("frames a read", "frames_per_read", "{:.1f}")
FAULTS = Column("lost, twice, out of order, closed", failed)
WRITES = counted("writes a delivery", "writes_per_delivery")
EPOLLS = counted("epoll_ctl a delivery", "epoll_ctl_per_delivery", form="{:.4f}")
TURN = counted("writes a member and turn", "writes_per_member_and_turn")

COLUMNS = {
    "a": [CPU, to("floor send"), to("floor joined"), RATE, P50, P99, READ, WRITES,
          EPOLLS, TURN, FAULTS],
    "b": [CPU, to("floor joined"), Column("deliveries a CPU second", per_cpu_second),
          RATE, P50, P99, FAULTS],
    "c": [MESSAGE_CPU, to("Bun", "cpu_us_per_message"),
          to("floor echo", "cpu_us_per_message"),
          value("messages/s", "messages_per_s", "{:,.0f}"), P50, P99,
          counted("writes a message", "writes_per_message"),
          counted("reads a message", "reads_per_message"),
          counted("epoll_ctl a message", "epoll_ctl_per_message"), FAULTS],
    "d": [CPU, RATE, to("Nchan", "deliveries_per_s", "deliveries/s to Nchan's"), P50, P99,
          counted("PUBLISH a message", "publishes_per_message", "redis"),
          counted("commands a message", "commands_per_message", "redis"),
          counted("bytes into Redis", "bytes_in_per_message", "redis", "{:,.0f}"),
          counted("out of it", "bytes_out_per_message", "redis", "{:,.0f}"), FAULTS],
    "e": [P50, to("Redis alone", "latency_us.p50", "p50 to Redis alone"), P99,
          to("Redis alone", "latency_us.p99", "p99 to Redis alone"), MESSAGE_CPU,
          value("messages/s", "messages_per_s", "{:,.0f}"), FAULTS],
    "g": [value("CPU us each", "storm.cpu_us_each", "{:,.1f}"),
          to("floor", "storm.cpu_us_each"), value("seconds", "storm.seconds"),
          value("refused", "storm.refused", "{:,.0f}"),
          value("others' p99 before, ms", "control_before_us.p99", "{:,.2f}", 1000),
          value("during, ms", "control_during_us.p99", "{:,.2f}", 1000), FAULTS],
    "h": [value("pings", "pings", "{:,.0f}"),
          value("CPU us a ping", "cpu_us_per_ping"),
          to("floor", "cpu_us_per_ping"),
          value("CPU us a session and s", "cpu_us_per_session_s", "{:,.3f}"),
          FAULTS],
    "i": [CPU, to("fanwired"), P50, P99,
          value("frames compressed", "compressed_frames", "{:,.0f}"),
          value("bytes on the wire, MiB", "wire_bytes", "{:,.1f}", 1 << 20),
          value("of, MiB", "payload_bytes", "{:,.1f}", 1 << 20),
          counted("compressions a message", "deflates_per_message", "metrics"), FAULTS],
    "j": [CPU, P50, P99, value("p99.9 ms", "latency_us.p999", "{:,.2f}", 1000),
          value("slow ones closed", "slow_closed", "{:,.0f}"), FAULTS],
    "k": [CPU, to("fanwired"), RATE, P50, P99,
          value("read a CPU second", "parses_per_cpu_s", "{:,.0f}"),
          value("API requests/s", "api.answered_per_s", "{:,.0f}"),
          value("refused", "api.refused", "{:,.0f}"),
          value("their p99 ms", "api.p99_us", "{:,.2f}", 1000), FAULTS],
}


def idle_columns(f):
    """One for each number of sessions that was measured."""
    names = {
        int(key.split(".")[1])
        for row in f.loads("f").get("idle", {}).get("rows", {}).values()
        for key in row.get("median", {})
        if key.startswith("steps.")
    }
    columns = [
        value(f"{members:,} sessions", f"steps.{members}.bytes_per_session", "{:,.0f}")
        for members in sorted(names)
    ]
    if names:
        # With few sessions it says nothing: the kernel counts pages, of all sockets.
        key = f"steps.{max(names)}.kernel_bytes_per_session"
        columns.append(value(f"kernel, {max(names):,}", key, "{:,.0f}"))
    return [*columns, Column("failed", failed)]


def table(f, letter, columns):
    """All loads of a section in one table; columns that nobody fills are left out."""
    lines, rows = [], []
    for load, of_load in f.loads(letter).items():
        for label, row in of_load["rows"].items():
            cells = [column.show(f, letter, load, label) for column in columns]
            if "problem" in row:
                cells = [f"not measured: {row['problem']}"] + [""] * (len(columns) - 1)
            rows.append([load, label, *cells])
    kept = [n for n in range(len(columns) + 2) if n < 2 or any(row[n] for row in rows)]
    heads = ["load", "server", *(column.head for column in columns)]
    lines.append("| " + " | ".join(heads[n] for n in kept) + " |")
    lines.append("|" + "---|" * len(kept))
    lines += ["| " + " | ".join(row[n] for n in kept) + " |" for row in rows]
    return lines


# (file, section, load, what, key, base): rows of one load, as ratios to a base if there
# is one.
CHARTS = [
    ("one-at-a-time", "a", "1,000 members, 20 msg/s",
     "One message at a time to 1,000 members: CPU a delivery", "cpu_us_per_delivery",
     "floor send"),
    ("outstanding", "a", "1,000 members, 64 outstanding",
     "64 messages outstanding, 1,000 members: CPU a delivery", "cpu_us_per_delivery",
     "floor joined"),
    ("small-rooms", "b", "1,000 outstanding",
     "1,000 rooms of 10, all publish: CPU a delivery", "cpu_us_per_delivery",
     "floor joined"),
    ("echo", "c", "1,000 sessions, 128 B", "Echo, 1,000 sessions, 128 B: CPU a message",
     "cpu_us_per_message", "floor echo"),
    ("nodes", "d", "2 nodes, 100 members, 64 outstanding",
     "Two nodes joined by Redis, 100 members, 64 outstanding: deliveries a second",
     "deliveries_per_s", None),
    ("idle", "f", "idle", "An idle session: bytes of the process",
     "steps.10000.bytes_per_session", None),
    ("storm", "g", "10,000 connect, join and are served",
     "10,000 clients connect, join and are served: CPU each", "storm.cpu_us_each",
     "floor"),
]
LINES = [
    ("members-one", "One message at a time: CPU us a delivery over members",
     [(100, "100 members, 300 msg/s"), (1000, "1,000 members, 20 msg/s"),
      (10000, "10,000 members, 3 msg/s")]),
    ("members-outstanding", "64 messages outstanding: CPU us a delivery over members",
     [(n, f"{n:,} members, 64 outstanding") for n in (100, 1000, 10000)]),
]
LINE_ROWS = ("floor send", "floor joined", "fanwired", "Bun", "uWebSockets")


def chart_rows(f, letter, load, key, base):
    for label in f.loads(letter).get(load, {}).get("rows", {}):
        if base:
            ratio = f.ratio(letter, load, label, base, key)
            if ratio:
                yield label, ratio.middle, ratio.low, ratio.high
        else:
            middle = f.median(letter, load, label, key)
            if middle:
                each = [v for v in f.by_round(letter, load, label, key) if v]
                yield label, middle, min(each), max(each)


def draw(sections):
    """{(file, section): (title, SVG)} of what was measured."""
    f = Figures(sections)
    drawn = {}
    for file, letter, load, title, key, base in CHARTS:
        what = f"Ratio to {base}, of each round; " if base else ""
        note = f"{what}median, lowest and highest. Less is better."
        if key == "deliveries_per_s":
            note = "Median, lowest and highest. More is better."
        rows = list(chart_rows(f, letter, load, key, base))
        svg = plots.row_chart(title, note, rows, 1 if base else None)
        if svg:
            drawn[file, letter] = title, svg
    for file, title, points in LINES:
        lines, key = {}, "cpu_us_per_delivery"
        for label in LINE_ROWS:
            found = [(x, f.median("a", load, label, key)) for x, load in points]
            lines[label] = [(x, y) for x, y in found if y]
        svg = plots.line_chart(title, "Medians.", lines)
        if svg:
            drawn[file, "a"] = title, svg
    return drawn


def wrapped(words, bullet=""):
    indent = " " * len(bullet)
    return textwrap.wrap(words, 90, initial_indent=bullet, subsequent_indent=indent,
                         break_long_words=False, break_on_hyphens=False)


ABOUT = (
    "What a delivery costs in CPU, and a session in memory, beside bare epoll servers"
    " that do nothing else (`tests/bench/floor.c`) and beside other WebSocket servers."
    " This page is written by `./run bench`; so are all its figures, round by round, as"
    " `docs/benchmarks.json`. What `fanwire-bench`, the load generator, can do is in the"
    " guide."
)
READ_IT = (
    "Servers are started afresh for each cell, and the rows of a load take turns. Ratios"
    " are those of one round, of which the median is told, with the lowest and highest in"
    " brackets. On a machine that others use too a difference below 1.25 says nothing,"
    " but counts (system calls, commands of Redis) don't scatter: they come from runs of"
    " their own, under strace.",
    "CPU is the server process', kernel included: on loopback that is the receiving side"
    " of TCP too, about half of each `send()`.",
)


def intro(report, sections):
    m, peers = report["machine"], report["peers"]
    versions = "; ".join(f"{name} {v}" for name, v in peers["versions"].items())
    missing = "; ".join(f"{name}: {why}" for name, why in peers["problems"].items())
    bullets = [
        f"Machine: {m['cpu']}, {m['cores']} cores, {m['memory_gib']} GiB; {m['system']},"
        f" Linux {m['kernel']}; {m['files']:,} open files.",
        f"Server: {m['fanwired']}, {m['build_type'].split('=')[-1]} build, one loop; on"
        " core 0, the load generator on core 1, over loopback. Several nodes share core"
        f" 0; a Redis is on core 1 ({m['redis']}).",
        f"Peers: {versions or 'none'}. Of uWebSockets.js npm has newer ones, too, which"
        " want a newer C library than Debian 12 has.",
    ]
    if missing:
        bullets.append(f"Not measured: {missing}.")
    lines = ["# Benchmarks", "", *wrapped(ABOUT), ""]
    for bullet in [*bullets, *READ_IT]:
        lines += wrapped(bullet, "- ")
    for words in bars.bad_floors(sections):
        void = f"**This run is void**: {words}. Ratios to a bad floor say nothing."
        lines += ["", *wrapped(void)]
    return lines


def bars_table(sections):
    found = bars.all_bars(sections)
    words = {True: "yes", False: "**no**", None: "not measured"}
    counts = [sum(1 for bar in found if bar.met is met) for met in (True, False, None)]
    lines = [
        "",
        "## Bars",
        "",
        f"What fanwire sets itself: {counts[0]} met, {counts[1]} not met, {counts[2]} not"
        " measured.",
        "",
        "| section | what | bar | figure | met |",
        "|---|---|---|---|---|",
    ]
    for bar in found:
        lines.append(
            f"| {bar.section} | {bar.what} | {bar.limit} | {bar.figure}"
            f" | {words[bar.met]} |"
        )
    return lines


def section_of(f, letter, section, drawn, folder):
    loads = ", ".join(f"{n:g}" for n in section["load_average"])
    others = max(section["others_cores"], default=0)
    lines = ["", f"## ({letter}) {section['title']}", "", *wrapped(section["text"]), ""]
    lines += table(f, letter, COLUMNS.get(letter) or idle_columns(f))
    when = (
        f"{section['date']}; rounds: {section['rounds']}, of {section['seconds']:g} s;"
        f" load average after each: {loads}; other programs used {others:g} cores at"
        " most."
    )
    lines += ["", *wrapped(when)]
    for (file, owner), (title, _) in drawn.items():
        if owner == letter:
            lines += ["", f"![{title}]({folder}/{file}.svg)"]
    return lines


def page_of(report, folder="benchmarks"):
    sections = report["sections"]
    f, drawn = Figures(sections), draw(sections)
    lines = intro(report, sections) + bars_table(sections)
    for letter in sorted(sections):
        lines += section_of(f, letter, sections[letter], drawn, folder)
    if "python" in report:
        lines += python_bench.page_of(report["python"])
    return "\n".join(lines) + "\n"


def dump(thing, depth=0, key=None):
    """JSON, with what is one result on one line."""
    space = "  " * (depth + 1)
    if isinstance(thing, dict) and thing and key not in LEAF_KEYS:
        inside = [
            f"{space}{json.dumps(k)}: {dump(v, depth + 1, k)}" for k, v in thing.items()
        ]
        return "{\n" + ",\n".join(inside) + "\n" + "  " * depth + "}"
    if isinstance(thing, list) and thing and isinstance(thing[0], dict):
        inside = [space + json.dumps(v) for v in thing]
        return "[\n" + ",\n".join(inside) + "\n" + "  " * depth + "]"
    return json.dumps(thing)


def write(report, page):
    """The page, the JSON beside it, and the plots in a folder of its name."""
    page.write_text(page_of(report, page.stem), encoding="utf-8")
    page.with_suffix(".json").write_text(dump(report) + "\n", encoding="utf-8")
    folder = page.with_suffix("")
    folder.mkdir(exist_ok=True)
    for (file, _), (_, svg) in draw(report["sections"]).items():
        (folder / f"{file}.svg").write_text(svg, encoding="utf-8")
