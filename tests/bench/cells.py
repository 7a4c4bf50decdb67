"""Runs what scenarios.py lists. A cell is one row of one load in one round: fresh servers
on core 0, the generator on core 1. The rows take turns, and begin with another one each
round. What a cell gave is kept flat, {"latency_us.p50": ...}; a cell that failed is kept
too, as {"error": why}.
"""

import contextlib
import datetime
import os
import pathlib
import resource
import shutil
import statistics
import sys
import time
from functools import partial

import counted
import peers
import servers

SERVERS_OF_REDIS = ("Redis alone",)
PARSER = "parser"
API_KEY = "bench"
API_LOAD = pathlib.Path(__file__).resolve().parent / "api_load.py"


def flat(result, prefix=""):
    """The numbers of a result; of a list of steps each under its members."""
    figures = {}
    for key, value in result.items():
        name = f"{prefix}{key}"
        if key.endswith("_by_pid"):
            continue  # process numbers of servers that are gone
        if isinstance(value, dict):
            figures.update(flat(value, name + "."))
        elif isinstance(value, list):
            for step in value:
                if isinstance(step, dict) and "members" in step:
                    figures.update(flat(step, f"{name}.{step['members']}."))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            figures[name] = value if isinstance(value, int) else float(f"{value:.5g}")
    return figures


def medians(rounds):
    good = [figures for figures in rounds if "error" not in figures]
    names = {name for figures in good for name in figures}
    return {
        name: statistics.median(f[name] for f in good if name in f)
        for name in sorted(names)
    }


class Others:
    """How much of the machine others use meanwhile, in cores."""

    def __init__(self):
        self.began = self.now()

    @staticmethod
    def now():
        with open("/proc/stat", encoding="ascii") as file:
            jiffies = [int(n) for n in file.readline().split()[1:9]]
        tick = os.sysconf("SC_CLK_TCK")
        busy = (sum(jiffies) - jiffies[3] - jiffies[4]) / tick  # not idle, not iowait
        mine = sum(
            sum(resource.getrusage(who)[:2])
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        return time.monotonic(), busy - mine

    def cores(self):
        ended = self.now()
        share = (ended[1] - self.began[1]) / (ended[0] - self.began[0])
        return round(max(share, 0), 2)


class Lab:
    """What all cells share."""

    def __init__(self, build, friends, scale):
        self.build = build
        self.peers = friends
        self.scale = scale
        self.certificate = peers.make_certificate(build)
        self.patience = 1  # times that a cell lasts longer than is said
        self.traces = True
        if why := counted.problem():
            print(f"without counts of system calls: {why}", file=sys.stderr)
            self.traces = False

    @contextlib.contextmanager
    def started(self, row, load, wrap=None, extra=None):
        """(process numbers, URLs, the Redis or None) of the servers of a row. `wrap` is a
        command to start them with, `extra` are more options of fanwire."""
        with contextlib.ExitStack() as stack:
            redis = None
            if row.redis:
                redis = stack.enter_context(servers.redis(load.redis_core))
            pids, urls = [], []
            nodes = 0 if row.server in SERVERS_OF_REDIS else row.nodes or load.nodes
            for _ in range(nodes):
                port = servers.free_port()
                command, env, url = self.peers.command(
                    row, load.role, port, redis, self.certificate, extra
                )
                running = servers.running([*(wrap or []), *command], port, env=env)
                pid = stack.enter_context(running)
                # Who traces is one more, and nginx' worker, which comes after its port.
                least = 1 + bool(wrap) + (row.server == "Nchan")
                pids += servers.family(pid, least)
                urls.append(url)
                if row.server == "Nchan" and redis:
                    servers.wait_until_open(port, "/ws?room=probe")
            yield pids, urls, redis

    def seconds_of(self, load):
        return self.scale.seconds * load.seconds * self.patience

    def generator(self, row, load, urls, pids, **times):
        """The generator's command line; `times` replace those of the scale."""
        command = [servers.generator(self.build)]
        for url in urls:
            command += ["--url", url]
        for pid in pids:
            command += ["--pid", pid]
        settings = {
            "members": load.members,
            "warmup": self.scale.warmup,
            "seconds": self.seconds_of(load),
            "senders": min(8, load.members),
            # Until the nodes have heard of each other who is in a room.
            "settle": 0.3 if len(urls) > 1 else 0,
            **times,
        }
        for name, value in settings.items():
            command += [f"--{name}", value]
        return [*command, *load.arguments, *row.arguments]

    def redis_alone(self, load, redis):
        command = [self.build / "tests/bench/redis_floor", "--port", redis.port]
        command += ["--warmup", self.scale.warmup, "--seconds", self.seconds_of(load)]
        return command + [a for a in load.arguments if a != "--direct"]

    def measure_with_api(self, row, load):
        """The figures of the fan-out, and those of the API under its requests."""
        port = servers.free_port()
        extra = {"http.listen": f"127.0.0.1:{port}", "api.key": API_KEY}
        asking = [sys.executable, API_LOAD, "--port", port, "--key", API_KEY]
        asking += ["--rate", row.api]
        with self.started(row, load, extra=extra) as (pids, urls, _):
            with servers.beside(asking) as api:
                result = servers.run_json(self.generator(row, load, urls, pids))
        return flat({**result, "api": api})

    def measure(self, row, load):
        if row.server == PARSER:
            parse = self.build / "tests/bench/parse"
            return flat(servers.run_json([parse, "--seconds", self.seconds_of(load)]))
        if row.api:
            return self.measure_with_api(row, load)
        with self.started(row, load) as (pids, urls, redis):
            if row.server in SERVERS_OF_REDIS:
                command = self.redis_alone(load, redis)
            else:
                command = self.generator(row, load, urls, pids)
            return flat(servers.run_json(command))

    def try_to(self, measure, row, load):
        """The figures, or {"error": why} if the last try failed, too. Each lasts twice as
        long as the one before."""
        error = None
        for number in range(self.scale.tries):
            self.patience = 2**number
            try:
                return measure(row, load)
            except (RuntimeError, OSError, ValueError, KeyError, counted.TimedOut) as e:
                error = str(e)[:300]
        return {"error": error}

    def run(self, section, rounds):
        """A section's part of the report."""
        loads = {}
        for load in section.loads:
            rows = loads[load.name] = {"members": load.members, "rows": {}}
            for row in load.rows:
                problem = self.peers.problem(row)
                kept = {"problem": problem} if problem else {"rounds": []}
                rows["rows"][row.label] = kept
        averages, others = [], []
        for number in range(rounds):
            watch = Others()
            for load in section.loads:
                if number < load.most_rounds:
                    self.take_turns(section, load, number, loads[load.name]["rows"])
            averages.append(round(os.getloadavg()[0], 2))
            others.append(watch.cores())
        for load in section.loads:
            of_load = loads[load.name]
            for kept in of_load["rows"].values():
                if "rounds" in kept:
                    kept["median"] = medians(kept["rounds"])
            self.count(section, load, of_load)
        shutil.rmtree(self.build / "bench/nginx", ignore_errors=True)
        return {
            "date": datetime.date.today().isoformat(),
            "rounds": rounds,
            "seconds": self.scale.seconds,
            "load_average": averages,
            "others_cores": others,
            "loads": loads,
        }

    def take_turns(self, section, load, number, kept):
        rows = [row for row in load.rows if "rounds" in kept[row.label]]
        first = number % len(rows) if rows else 0
        for row in rows[first:] + rows[:first]:
            result = self.try_to(self.measure, row, load)
            kept[row.label]["rounds"].append(result)
            say(f"{number + 1} ({section.letter}) {load.name:32} {row.label:28}", result)

    def count(self, section, load, of_load):
        """Calls of the kernel, commands of Redis and the like, in runs of their own."""
        for row in load.rows:
            kept = of_load["rows"][row.label]
            if "problem" in kept:
                continue
            wanted = {
                "calls": self.traces and row.label in load.counted and counted.calls,
                "redis": row.redis and load.redis_counted and counted.redis,
                "metrics": row.server == "fanwired" and row.deflate and load.compressed
                and counted.compressions,
            }
            for kind, measure in wanted.items():
                if measure:
                    kept[kind] = self.try_to(partial(measure, self), row, load)
                    say(f"# ({section.letter}) {load.name:32} {row.label:28}", kept[kind])


SHOWN = {
    "cpu_us_per_delivery": "{:9.3f} us/delivery",
    "deliveries_per_s": "{:11,.0f} /s",
    "cpu_us_per_message": "{:9.2f} us/message",
    "storm.cpu_us_each": "{:8.1f} us each",
    "cpu_us_per_ping": "{:8.1f} us/ping",
    "bytes_per_session": "{:8,.0f} bytes/session",
    "parses_per_cpu_s": "{:11,.0f} /CPU s",
    "api.answered_per_s": "{:8,.0f} requests/s",
    "writes_per_delivery": "{:8.4f} writes/delivery",
    "epoll_ctl_per_delivery": "{:8.4f} epoll_ctl/delivery",
    "deflates_per_message": "{:8.3f} compressions/message",
    "publishes_per_message": "{:8.3f} PUBLISH/message",
    "lost": "lost {}",
}


def say(what, figures):
    if "error" in figures:
        shown = [figures["error"]]
    else:
        shown = [form.format(figures[k]) for k, form in SHOWN.items() if k in figures]
    print(what, "  ".join(shown), file=sys.stderr, flush=True)
