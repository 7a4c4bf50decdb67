"""Asks the HTTP API to publish, so many times a second, over one connection on which
requests are sent ahead; until standard input ends. Prints what came back as one JSON
object. cells.py runs it beside the load generator.
"""

import argparse
import json
import select
import socket
import sys
import time

TICK_S = 0.01
PATIENCE_S = 10


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--rate", type=int, required=True)
    return parser.parse_args()


def request(key):
    body = b'{"channel":"asked","data":{"text":"hello","n":1}}'
    head = f"POST /api/publish HTTP/1.1\r\nHost: bench\r\nX-API-Key: {key}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Answers:
    """Takes answers off a socket."""

    def __init__(self, sock):
        self.sock, self.rest = sock, b""

    def take(self):
        """Is the next one as it should be?"""
        while b"\r\n\r\n" not in self.rest:
            self.more()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        size = next(int(line.split(b":")[1]) for line in lines
                    if line.startswith(b"content-length:"))
        while len(self.rest) < size:
            self.more()
        body, self.rest = self.rest[:size], self.rest[size:]
        return lines[0].startswith(b"http/1.1 200") and body == b'{"result":{}}'

    def more(self):
        came = self.sock.recv(65536)
        if not came:
            raise ConnectionError("the API has hung up")
        self.rest += came


def is_over():
    return bool(select.select([sys.stdin], [], [], 0)[0])


def run(options):
    one, answers_us, refused = request(options.key), [], 0
    at_once = max(round(options.rate * TICK_S), 1)
    with socket.create_connection(("127.0.0.1", options.port), PATIENCE_S) as sock:
        answers = Answers(sock)
        began = due = time.monotonic()
        while not is_over():
            asked = time.monotonic()
            sock.sendall(one * at_once)
            for _ in range(at_once):
                refused += not answers.take()
                answers_us.append((time.monotonic() - asked) * 1e6)
            due += TICK_S
            time.sleep(max(due - time.monotonic(), 0))
        seconds = time.monotonic() - began
    answers_us.sort()
    return {
        "answered": len(answers_us),
        "answered_per_s": len(answers_us) / seconds,
        "refused": refused,
        "p99_us": answers_us[int(len(answers_us) * 0.99)] if answers_us else 0,
    }


print(json.dumps(run(arguments())))
