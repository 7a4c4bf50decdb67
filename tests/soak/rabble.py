"""The clients of the soak that mean no good: they break the rules of HTTP and WebSocket,
are deaf or slow, shout, flood, and vanish without a word. What becomes of each is judged
by tests/hostile; here it counts that nobody else notices.
"""

import contextlib
import random
import threading
import time

from hostile import reset, sock_to
from nodes import NOISE
from peer import BINARY, PING, Peer, Target, frame
from test_frames import FAULTS
from test_http import SMUGGLING

HELD_MOST = 20        # connections that one of the rabble keeps at a time
HELD_S = (2.0, 20.0)  # and for how long: longer than a heartbeat waits
# What may happen to who behaves so: a refusal, a violation that its own doing provokes, a
# node that has just gone.
USUAL = (OSError, AssertionError, ValueError)


class Rabble(threading.Thread):
    """One of them. While `quiet` is set it lets go of everything; `idle` says that it
    has."""

    def __init__(self, urls, rooms, seed):
        super().__init__(daemon=True)
        self.targets = [Target(url) for url in urls]
        self.rooms, self.rng = rooms, random.Random(seed)
        self.quiet, self.idle, self.over = (threading.Event() for _ in range(3))
        self.held, self.acts = [], 0

    def run(self):
        while not self.over.is_set():
            if self.quiet.is_set():
                self.let_go(everything=True)
                self.idle.set()
                self.over.wait(0.05)
                continue
            self.idle.clear()
            with contextlib.suppress(*USUAL):
                self.rng.choice(ACTS)(self)
                self.acts += 1
            self.let_go()
            self.over.wait(0.02)
        self.let_go(everything=True)

    def let_go(self, everything=False):
        now, kept = time.monotonic(), []
        for till, peer in self.held:
            if everything or till < now or len(kept) >= HELD_MOST:
                peer.reset()
            else:
                kept.append((till, peer))
        self.held = kept

    def hold(self, peer):
        self.held.append((time.monotonic() + self.rng.uniform(*HELD_S), peer))

    def target(self):
        return self.rng.choice(self.targets)

    def in_room(self, room=None, **how):
        room = room or self.rng.choice(self.rooms)
        return Peer(self.target(), **how).handshake(f"?room={room}&user=rabble")

    # --- what they do ---

    def break_rules_of_frames(self):
        with self.in_room() as peer:
            peer.send(self.rng.choice(FAULTS)[1])
            peer.drain(5)

    def break_rules_of_http(self):
        with Peer(self.target()) as peer:
            peer.send(self.rng.choice(SMUGGLING)[1])
            peer.answer(5)

    def hang_up_half_way(self):
        s = sock_to(self.target())
        probe = Peer(self.target(), sock=s)
        head = probe.head("?room=" + self.rng.choice(self.rooms))
        s.sendall(head[:self.rng.randrange(len(head))])
        reset(s)

    def say_half_a_head(self):
        peer = Peer(self.target())
        peer.send(b"GET /ws?room=x HTTP/1.1\r\n")
        self.hold(peer)

    def listen_to_nothing(self):
        """In a noisy room, with a window of hardly anything."""
        target = self.target()
        peer = Peer(target, sock_to(target, receive_buffer=4096))
        peer.sock.setblocking(False)
        self.hold(peer.handshake(f"?room={NOISE}:a&user=rabble"))

    def shout(self):
        with self.in_room(f"{NOISE}:a") as peer:
            for n in range(20):
                peer.send(frame(BINARY, bytes([n]) * 16384), timeout=5)

    def flood_with_pings(self):
        with self.in_room() as peer:
            peer.send(frame(PING, b"x" * 100) * 500, timeout=5)
            peer.heard(5)

    def vanish(self):
        """In an honest room, and never answers a ping."""
        self.hold(self.in_room())

    def come_and_go(self):
        with self.in_room() as peer:
            peer.send_close(1000)
            peer.drain(5)

    def go_in_the_middle_of_a_frame(self):
        peer = self.in_room()
        peer.send(frame(BINARY, b"x" * 1000)[:500])
        peer.reset()


ACTS = (Rabble.break_rules_of_frames, Rabble.break_rules_of_http, Rabble.hang_up_half_way,
        Rabble.say_half_a_head, Rabble.listen_to_nothing, Rabble.shout,
        Rabble.flood_with_pings, Rabble.vanish, Rabble.come_and_go,
        Rabble.go_in_the_middle_of_a_frame)
