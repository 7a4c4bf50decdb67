"""What rooms with history cost Redis, how long 10,000 rooms take to catch up, and how
long a failover is felt: the figures of docs/scaling.md, as lines for its tables.

Run: FANWIRED=build/release/capi/server/fanwired BUILD_DIR=build/release \\
     /usr/bin/python3 tests/bench/redis_figures.py [publish] [return] [failover]

All run on this machine, over loopback, so they share its cores: what a CPU-second carries
says more than what a second does. It takes about three minutes.
"""

import asyncio
import contextlib
import itertools
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

import websockets

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from fanwired import Running, wait_until  # noqa: E402
from fault_proxy import FaultProxy  # noqa: E402
from own_redis import read_reply  # noqa: E402

SECONDS = float(os.environ.get("FW_FIGURES_SECONDS", "10"))
HISTORY = ("--room.history.size", "1000")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A redis-server on TCP, as nodes meet it; or a Sentinel, if it has a config."""

    numbers = itertools.count()

    def __init__(self, folder, *args, config=None):
        self.port = free_port()
        command = ["redis-server"]
        if config is not None:
            path = folder / f"sentinel-{next(self.numbers)}.conf"
            path.write_text(config, encoding="ascii")
            command += [str(path), "--sentinel"]
        command += ["--port", str(self.port), "--save", "", "--dir", str(folder), *args]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL)
        wait_until(self.answers, "redis-server answers")

    def answers(self):
        try:
            return self.command("PING") == "PONG"
        except OSError:
            return False

    def command(self, *words):
        with socket.create_connection(("127.0.0.1", self.port), 20) as s:
            parts = [str(w).encode() for w in words]
            s.sendall(b"*%d\r\n" % len(parts) +
                      b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
            with s.makefile("rb") as f:
                return read_reply(f)

    def info(self, section):
        lines = self.command("INFO", section).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def cpu_s(self):
        used = self.info("cpu")
        return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])

    def published(self):
        said = self.info("commandstats").get("cmdstat_publish", "calls=0,")
        return int(said.split(",")[0].split("=")[1])

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def place():
    """A folder, and a list whose members are ended behind it."""
    ended = []
    with tempfile.TemporaryDirectory(prefix="fanwire-figures.") as folder:
        try:
            yield pathlib.Path(folder), ended
        finally:
            for end in reversed(ended):
                end()


def start_node(folder, ended, url, *options):
    node = Running(["--listen", "ws://127.0.0.1:0/ws", "--http.listen", "127.0.0.1:0",
                    "--redis.url", url, "--redis.required", "on", *options], None,
                   folder / f"stderr-{len(ended)}")
    ended.append(node.end)
    node.read_addresses("redis")
    return node


def start_redis(folder, ended, *args, config=None):
    server = Server(folder, *args, config=config)
    ended.append(server.kill)
    return server


# --- publishing ---


def publish_figures(kind, options):
    """128 bytes each, said by 50 members to themselves in a room each, 512 on their way.
    """
    bench = pathlib.Path(os.environ["BUILD_DIR"]) / "capi" / "bench" / "fanwire-bench"
    with place() as (folder, ended):
        redis = start_redis(folder, ended)
        node = start_node(folder, ended, f"redis://127.0.0.1:{redis.port}", *options)
        load = subprocess.Popen(
            [bench, "--url", node.url + "?room={room}", "--rooms", "50", "--members",
             "50", "--senders", "50", "--closed", "512", "--settle", "1", "--warmup",
             "0", "--seconds", str(SECONDS + 4)], stdout=subprocess.PIPE)
        wait_until(lambda: redis.published() > 1000, "it is under load")
        cpu, n, begin = redis.cpu_s(), redis.published(), time.monotonic()
        time.sleep(SECONDS)
        cpu, n = redis.cpu_s() - cpu, redis.published() - n
        took = time.monotonic() - begin
        found = json.loads(load.communicate()[0])
        assert found["lost"] == 0 and found["closed"] == 0, found
        print(f"| {kind} | {n / took:,.0f} | {n / cpu:,.0f} | {cpu / took:.0%} |")


def publish():
    print("| publish | a second | a CPU-second of Redis | of a core Redis had |")
    publish_figures("plain", ())
    publish_figures("with history", HISTORY)


# --- the return ---

ROOMS, CLIENTS = 10000, 100


async def enter_rooms(url):
    """Clients that are in a hundred rooms each; plain, so that they say one thing to
    all of theirs."""
    rooms = [[f"r{c}-{k}" for k in range(ROOMS // CLIENTS)] for c in range(CLIENTS)]
    return [await websockets.connect(url + "?" + "&".join("room=" + r for r in mine),
                                     ping_interval=None, max_queue=None)
            for mine in rooms]


async def hear_all(members, text):
    async def hear(member):
        for _ in range(ROOMS // CLIENTS):
            assert await member.recv() == text

    await asyncio.gather(*(hear(m) for m in members))


async def cut_and_return(node, proxy, here, there, round_number):
    ups = node.err().count(" up: ")
    proxy.refuse()
    proxy.cut()
    for member in there:
        await member.send(f"missed {round_number}")
    await hear_all(there, f"missed {round_number}")
    begin = time.monotonic()
    proxy.admit()
    hearing = asyncio.create_task(hear_all(here, f"missed {round_number}"))
    while node.err().count(" up: ") == ups:
        await asyncio.sleep(0.002)
    up = time.monotonic()
    await hearing
    return up - begin, time.monotonic() - begin


async def return_figures():
    with place() as (folder, ended):
        redis = start_redis(folder, ended)
        proxy = FaultProxy(("127.0.0.1", redis.port))
        ended.append(proxy.stop)
        options = (*HISTORY, "--limit.rooms_per_session", "1000", "--log.level", "info")
        node = start_node(folder, ended, f"redis://127.0.0.1:{proxy.port}", *options)
        other = start_node(folder, ended, f"redis://127.0.0.1:{redis.port}", *options)
        here, there = await enter_rooms(node.url), await enter_rooms(other.url)
        for member in there:
            await member.send("first")
        await hear_all([*here, *there], "first")
        print("| a message missed in each of 10,000 rooms | until up | until all heard |"
              " CPU of Redis |")
        for n in range(3):
            cpu = redis.cpu_s()
            up, heard = await cut_and_return(node, proxy, here, there, n)
            cpu = redis.cpu_s() - cpu
            print(f"| return {n + 1} | {up:.2f} s | {heard:.2f} s | {cpu:.2f} s |")
        for member in [*here, *there]:
            await member.close()


# --- a failover ---


def start_sentinels(folder, ended, down_ms):
    master = start_redis(folder, ended)
    replica = start_redis(folder, ended, "--replicaof", f"127.0.0.1 {master.port}")
    wait_until(lambda: replica.info("replication").get("master_link_status") == "up",
               "the replica follows")
    config = (f"sentinel monitor m 127.0.0.1 {master.port} 2\n"
              f"sentinel down-after-milliseconds m {down_ms}\n"
              "sentinel failover-timeout m 10000\n")
    sentinels = [start_redis(folder, ended, config=config) for _ in range(3)]

    def all_known(sentinel):
        said = sentinel.command("SENTINEL", "MASTER", "m")
        facts = dict(zip(said[::2], said[1::2]))
        return facts["num-slaves"] == "1" and facts["num-other-sentinels"] == "2"

    wait_until(lambda: all(all_known(s) for s in sentinels), "the Sentinels know all")
    return master, sentinels


async def failover_figures(down_ms):
    with place() as (folder, ended):
        master, sentinels = start_sentinels(folder, ended, down_ms)
        hosts = ",".join(f"127.0.0.1:{s.port}" for s in sentinels)
        url = f"redis+sentinel://{hosts}/m"
        nodes = [start_node(folder, ended, url, *HISTORY) for _ in range(2)]
        speaker, hearer = [await websockets.connect(n.url + "?room=a", ping_interval=None)
                           for n in nodes]
        said, heard = 0, []

        async def talk():
            nonlocal said
            while True:
                await speaker.send(str(said))
                said += 1
                await asyncio.sleep(0.02)

        async def listen():
            while True:
                heard.append((time.monotonic(), int(await hearer.recv())))

        async def hear_until(n):
            while not heard or heard[-1][1] < n:
                await asyncio.sleep(0.002)

        tasks = [asyncio.create_task(f()) for f in (talk, listen)]
        await hear_until(50)
        begin = time.monotonic()
        master.kill()
        while sentinels[0].command("SENTINEL", "get-master-addr-by-name",
                                   "m")[1] == str(master.port):
            await asyncio.sleep(0.01)
        told = time.monotonic() - begin
        await hear_until(said)
        back = next(when for when, _ in heard if when > begin + down_ms / 1000) - begin
        tasks[0].cancel()
        await asyncio.sleep(1)
        tasks[1].cancel()
        numbers = [n for _, n in heard]
        lost = said - numbers[0] - len(set(numbers))  # it may have come behind the first
        in_order = numbers == sorted(set(numbers))
        print(f"| {down_ms} ms | {told:.2f} s | {back:.2f} s | {back - told:.2f} s |"
              f" {lost} of {said}{'' if in_order else ', out of order'} |")
        for member in (speaker, hearer):
            await member.close()


async def failovers():
    print("| down-after-milliseconds | until Sentinel tells | until it is heard again |"
          " of that, fanwire | lost |")
    for down_ms in (1000, 5000):
        await failover_figures(down_ms)


def main():
    wanted = sys.argv[1:] or ["publish", "return", "failover"]
    if "publish" in wanted:
        publish()
    if "return" in wanted:
        asyncio.run(return_figures())
    if "failover" in wanted:
        asyncio.run(failovers())


if __name__ == "__main__":
    main()
