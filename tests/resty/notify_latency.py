#!/usr/bin/python3
"""Measures how long a notice takes from a request at one worker of nginx to a user
elsewhere, and beside it the same through C. Run by hand:

    BUILD_DIR=build/release tests/resty/notify_latency.py --rounds 20

  worker   POST /notify on a kept connection to worker 0, ann at worker 1
  node     the same, ann at a chat in C (docs/examples/chat)
  C        a WebSocket message `say` to one chat in C, ann at another

All go through one Redis, on Unix sockets and loopback. Each is sent when the last has
been heard; the three take turns, so that what the machine does besides hits all alike.
"""

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../python"))

import rig  # noqa: E402
import support  # noqa: E402
from support import TEXT  # noqa: E402

PREFIX = "latency"
BODY = "x" * 64


class Chat:
    """A chat in C on a free port."""

    def __init__(self, redis):
        program = os.path.join(rig.BUILD, "docs/examples/chat/chat")
        self._process = subprocess.Popen(
            [program, "--listen", "ws://127.0.0.1:0/ws", "--redis.url", redis,
             "--redis.prefix", PREFIX], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=support.clean_environment())
        self.url = self._process.stdout.readline().split()[-1]

    def end(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


class Post:
    """Posts to worker 0 and doesn't wait for the answer before ann has heard it."""

    def __init__(self, nginx, user):
        self._user = user
        self._connection = nginx.on_worker(0)
        self._connection.http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self):
        head = (f"POST /notify?user={self._user} HTTP/1.1\r\nHost: x\r\n"
                f"Content-Length: {len(BODY)}\r\n\r\n")
        self._connection.http.sock.sendall((head + BODY).encode())

    def settle(self):
        answer = b""
        while not answer.endswith(b"0\r\n\r\n"):
            answer += self._connection.http.sock.recv(4096)
        assert b" 200 " in answer, answer


class Say:
    """Says it to a chat, which says it back to the speaker, too."""

    def __init__(self, chat, user):
        self._client = support.RawClient(chat.url + "?name=speaker")
        self._client.receive()
        self._text = json.dumps({"type": "say", "user": user, "text": BODY}).encode()

    def send(self):
        self._client.send(TEXT, self._text)

    def settle(self):
        self._client.receive()


class Way:
    """A sender, and the ann who hears it."""

    def __init__(self, name, sender, ann):
        self.name, self._sender, self._ann = name, sender, ann
        self.taken = []

    def once(self):
        began = time.perf_counter()
        self._sender.send()
        data = self._ann.receive()[1]
        taken = time.perf_counter() - began
        self._sender.settle()
        assert BODY.encode() in data, data
        return taken

    def round(self, count):
        self.taken.append([self.once() for _ in range(count)])


def ann_at_worker(nginx, number, user):
    while True:
        ann = support.RawClient(nginx.url + "?user=" + user)
        if json.loads(ann.receive()[1])["worker"] == number:
            return ann
        ann.end()


def ann_at_chat(chat, user):
    ann = support.RawClient(chat.url + "?name=" + user)
    ann.receive()
    return ann


def show(ways):
    print("| way | p50 | p99 | most | median p99 of a round |")
    print("|---|---|---|---|---|")
    for way in ways:
        everything = sorted(t * 1e6 for taken in way.taken for t in taken)

        def part(share, times):
            return times[min(len(times) - 1, int(share * len(times)))]

        rounds = [part(0.99, sorted(taken)) * 1e6 for taken in way.taken]
        print(f"| {way.name} | {part(0.5, everything):.0f} us |"
              f" {part(0.99, everything):.0f} us | {everything[-1]:.0f} us |"
              f" {statistics.median(rounds):.0f} us |")


def main():
    parser = argparse.ArgumentParser(description="latency of a notice")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--count", type=int, default=200, help="notices a round and way")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        redis = support.RedisServer(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.callback(redis.kill)
        redis.start()
        chats = [Chat(redis.url), Chat(redis.url)]
        for chat in chats:
            stack.callback(chat.end)
        start = rig.START.replace("@HANDLERS@", "").replace("@OPTIONS@", "")
        nginx = rig.Nginx(start, rig.NOTIFY, redis=redis.url, prefix=PREFIX)
        stack.callback(nginx.remove)
        stack.callback(nginx.end)
        nginx.start()
        ways = [Way("worker", Post(nginx, "ann"), ann_at_worker(nginx, 1, "ann")),
                Way("node", Post(nginx, "anne"), ann_at_chat(chats[0], "anne")),
                Way("C", Say(chats[0], "anna"), ann_at_chat(chats[1], "anna"))]
        for way in ways:  # warm, and the nodes know of each other
            way.round(20)
            way.taken.clear()
        for number in range(arguments.rounds):
            for k in range(len(ways)):
                ways[(number + k) % len(ways)].round(arguments.count)
        show(ways)


if __name__ == "__main__":
    main()
