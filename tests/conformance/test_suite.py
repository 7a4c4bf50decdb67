"""The suite must be able to fail: a server that believes everything is run through it.

It answers any request with a good 101, echoes every data frame as it came, and answers
pings and Close frames without a look at them.
"""

import base64
import hashlib
import os
import re
import socket
import sys
import threading

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import cases  # noqa: E402
import suite  # noqa: E402
from peer import GUID, Target, frame, mask  # noqa: E402

cases.load()

# What must become of cases there. Those that need no judgement must pass.
VERDICTS = {
    "1.1.1": suite.OK, "1.2.7": suite.OK, "2.2": suite.OK, "2.10": suite.OK,
    "7.3.3": suite.OK, "20.1": suite.OK, "20.8": suite.OK, "21.26": suite.OK,
    "21.8": suite.NON_STRICT, "7.1.6": suite.INFO, "7.13.1": suite.FAIL,
    "2.5": suite.FAIL, "3.1": suite.FAIL, "4.1.1": suite.FAIL, "5.1": suite.FAIL,
    "5.9": suite.FAIL, "6.3.1": suite.FAIL, "7.3.2": suite.FAIL, "7.9.1": suite.FAIL,
    "20.19": suite.FAIL, "20.29": suite.FAIL, "20.41": suite.FAIL, "20.52": suite.FAIL,
    "21.1": suite.FAIL, "21.24": suite.FAIL,
    "12.1.1": suite.NON_STRICT, "13.3.1": suite.NON_STRICT, "23.1": suite.NON_STRICT,
    "23.7": suite.OK, "23.18": suite.FAIL, "23.54": suite.FAIL,
}


class Stream:
    def __init__(self, sock):
        self.sock, self.data = sock, b""

    def read(self, n):
        while len(self.data) < n:
            got = self.sock.recv(65536)
            if not got:
                raise ConnectionError
            self.data += got
        head, self.data = self.data[:n], self.data[n:]
        return head

    def frame(self):
        first, second = self.read(2)
        length = second & 127
        if length > 125:
            length = int.from_bytes(self.read(2 if length == 126 else 8), "big")
        key = self.read(4) if second & 128 else b"\0\0\0\0"
        return first, mask(self.read(length), key)


def serve(sock):
    stream, head = Stream(sock), b""
    try:
        while not head.endswith(b"\r\n\r\n"):
            head += stream.read(1)
        key = re.search(rb"(?i)sec-websocket-key: *(\S*)", head)
        digest = hashlib.sha1((key.group(1) if key else b"") + GUID).digest()
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     b"Connection: Upgrade\r\nSec-WebSocket-Accept: "
                     + base64.b64encode(digest) + b"\r\n\r\n")
        while True:
            first, payload = stream.frame()
            opcode = first & 15
            sock.sendall(frame(10 if opcode == 9 else opcode, payload, masked=False))
            if opcode == 8:
                break
    except (OSError, ValueError):
        pass
    finally:
        sock.close()


@pytest.fixture(scope="module")
def results():
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    target = Target("ws://127.0.0.1:%d/" % listener.getsockname()[1])
    yield suite.run_all(target, own_rooms=False, only=VERDICTS.__contains__)
    listener.close()


@pytest.mark.parametrize("id", sorted(VERDICTS, key=suite.sort_key))
def test_a_credulous_server_gets_its_verdict(results, id):
    assert results[id].verdict == VERDICTS[id], results[id].detail
