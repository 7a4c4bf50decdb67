"""A crowd whose every member writes down what it hears, and where it stood.

Members speak raw JSON and only listen; speakers speak Centrifuge, so that each message
has an answer, and are in no room. All of them live on one thread. The nodes need
raw.format=json, client.insecure=on and heartbeat.interval=0s.
"""

import itertools
import json
import selectors
import threading
import time

from bystanders import Bystander, frame, let_in
from books import Account, Book, Found, kept_in
from fanwired import DEADLINE, SLOW, wait_until

LONG = 10 * DEADLINE * SLOW  # a failover may take half a minute on a busy machine
TURN_S = 0.01
LATE_S = 0.2  # what couldn't be said for longer isn't made up for


class Witness(Bystander):
    def __init__(self, url, room):
        super().__init__(url, f"room={room}&user=witness")
        self.book = Book(room)

    def hear(self, text):
        self.book.hear(text)

    def is_in(self):
        return bool(self.book.parts)


class Speaker(Bystander):
    def __init__(self, url, room, number):
        super().__init__(url.removesuffix("/ws") + "/connection/websocket", "")
        self.account, self._unsent, self._is_in = Account(room, number), b"", False

    def enter(self):
        super().enter()
        self._unsent = frame(b'{"id":1,"connect":{}}')
        self.flush()

    def hear(self, text):
        reply = json.loads(text)
        if reply["id"] == 1:
            self._is_in = "connect" in reply
        else:
            self.account.answer(reply["id"], reply.get("error"))

    def is_in(self):
        return self._is_in

    def say(self):
        value = self.account.say()
        if value is not None:
            command = {"id": value, "publish": {"channel": self.account.room,
                                                "data": value}}
            self._unsent += frame(json.dumps(command).encode())

    def flush(self):
        """False: there is more, for which the socket has no room."""
        try:
            self._unsent = self._unsent[self.socket.send(self._unsent):]
        except BlockingIOError:
            pass
        return not self._unsent


class Hall:
    """with Hall(...) as hall: all are in, and talk. rate: of all, a second."""

    def __init__(self, urls, rooms, members, speakers, rate):
        self.rooms, self.rate = [f"r{n}" for n in range(rooms)], rate
        urls = itertools.cycle(urls)
        numbers = itertools.count(1)
        self.witnesses = let_in([
            lambda url=next(urls), room=room: Witness(url, room)
            for room in self.rooms for _ in range(members)])
        # The first of each room, then the second: neighbours in time are at other nodes.
        self.speakers = let_in([
            lambda url=next(urls), room=room, n=next(numbers): Speaker(url, room, n)
            for _ in range(speakers) for room in self.rooms])
        self.failed, self._due, self._spoken = None, 0.0, set()
        self._turns = itertools.cycle(self.speakers)
        self._talking, self._silent, self._over = (threading.Event() for _ in range(3))
        self._thread = threading.Thread(target=self._live, daemon=True)

    def everybody(self):
        return [*self.witnesses, *self.speakers]

    def books(self):
        return [one.book for one in self.witnesses]

    def accounts(self):
        return [one.account for one in self.speakers]

    def __enter__(self):
        self._thread.start()
        self.wait_until(lambda: all(one.is_in() for one in self.everybody()),
                        "all are in")
        self._talking.set()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(DEADLINE * SLOW)
        for one in self.everybody():
            one.end()

    # --- on its thread ---

    def _live(self):
        try:
            with selectors.DefaultSelector() as waiting:
                for one in self.everybody():
                    waiting.register(one.socket, selectors.EVENT_READ, one)
                    one.read()  # what came with the answer to its handshake
                while not self._over.is_set():
                    self._turn(waiting)
        except BaseException as e:
            self.failed = e

    def _turn(self, waiting):
        pause_s = TURN_S
        if self._talking.is_set():
            self._silent.clear()
            pause_s = self._speak()
        else:
            self._silent.set()
        self._spoken = {one for one in self._spoken if not one.flush()}
        for key, _ in waiting.select(pause_s):
            key.data.read()
            if key.data.closed:
                waiting.unregister(key.fileobj)

    def _speak(self):
        """Says what is due; returns how long there is nothing to say."""
        now = time.monotonic()
        self._due = max(self._due, now - LATE_S)
        while self._due <= now:
            self._due += 1 / self.rate
            speaker = next(self._turns)
            speaker.say()
            self._spoken.add(speaker)
        return min(self._due - now, TURN_S)

    # --- on the test's ---

    def wait_until(self, condition, what):
        def come_true():
            if self.failed is not None:
                raise AssertionError("the crowd has broken up") from self.failed
            closed = sum(one.closed for one in self.everybody())
            assert closed == 0, f"{closed} were closed"
            return condition()
        wait_until(come_true, what, LONG)

    def wait_for_more(self):
        """Until every member has heard something that was said from now on."""
        said = {account.number: account.said for account in self.accounts()}
        said[0] = 0

        def has_heard(book):
            speaker, n = book.newest()
            return n > said[speaker]
        self.wait_until(lambda: all(has_heard(book) for book in self.books()),
                        "more is heard in all rooms")

    def wait_until_told(self, times):
        self.wait_until(lambda: all(b.times_told() >= times for b in self.books()),
                        "all are told")

    def all_stand_at(self, tops):
        """{room: (epoch, offset)}"""
        return all((book.parts[-1].epoch, book.parts[-1].top) == tops[book.room]
                   for book in self.books())

    def said(self):
        return sum(account.said for account in self.accounts())

    def answered(self):
        return sum(account.answered() for account in self.accounts())

    def fall_silent(self):
        """Talks on for a moment, and then waits until all that was said is answered."""
        self.wait_for_more()
        self._talking.clear()
        self.wait_until(lambda: self._silent.is_set() and not any(
            account.unanswered for account in self.accounts()), "all is answered")

    def judge(self, redis):
        """Has fallen silent. redis: the server that has what is kept in the end."""
        kept = {room: kept_in(redis, room) for room in self.rooms}
        tops = {room: (part.epoch, part.top) for room, part in kept.items()}
        end = time.monotonic() + LONG / 2
        # Who doesn't come there is among the mistakes.
        self.wait_until(lambda: self.all_stand_at(tops) or time.monotonic() > end,
                        "all have heard all")
        return Found(self.books(), self.accounts(), kept)
