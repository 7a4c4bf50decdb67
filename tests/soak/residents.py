"""The honest clients of the soak, and the book that is kept of what they hear.

A resident lives in one room with history, and comes back where it was whenever its
connection ends, for whatever reason. Some of them talk. In the book each message has one
place, the same for all; each is there once; and none is missing, since everybody's
positions follow each other (Member.take) and in the end all stand at the same one.
"""

import asyncio
import collections
import random
import time

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from clients import Member
from fanwired import DEADLINE, SLOW

# What ends a connection and is no fault: the node is gone, nginx has nobody to ask, a
# handshake took too long.
COMES_BACK = (OSError, asyncio.TimeoutError, ConnectionClosed, InvalidHandshake)
SILENT_S = DEADLINE * SLOW  # how long Member.hear waits


class Book:
    """What was said in a room. `wrong` is told each breach as a sentence."""

    def __init__(self, room, wrong):
        self.room, self.wrong = room, wrong
        self.texts = {}                    # (epoch, offset) -> text
        self.places = {}                   # text -> the offsets that it has
        self.said = collections.Counter()  # text -> how often it was sent
        self.top = None                    # the last place there is
        self.heard, self.last = 0, time.monotonic()  # by whomever

    def note(self, who, at, text):
        self.heard += 1
        self.last = time.monotonic()
        if at in self.texts:
            if self.texts[at] != text:
                self.wrong(f"{self.room} {at}: {who} heard {text!r}, others "
                           f"{self.texts[at]!r}")
            return
        self.texts[at] = text
        self.top = max(self.top or at, at, key=lambda place: place[1])
        places = self.places.setdefault(text, [])
        places.append(at[1])
        if len(places) > self.said[text]:
            self.wrong(f"{self.room}: {text!r} at {places}, and was said "
                       f"{self.said[text]} times")

    def check_order(self, talker, number):
        """Who waits until it has heard itself has its words in order."""
        before, after = (self.places.get(f"{talker} {n}") for n in (number - 1, number))
        if before and after and min(before) > min(after):
            self.wrong(f"{self.room}: what {talker} said first stands at {before}, and "
                       f"what it said next at {after}")


class Resident:
    def __init__(self, url, book, name):
        self.url, self.book, self.name = url, book, name
        self.member = self.position = None
        self.changed = asyncio.Event()
        self.number, self.returns, self.last = 0, 0, time.monotonic()

    def note(self, text, at):
        self.book.note(self.name, at, text)
        self.position, self.last = at, time.monotonic()
        self.changed.set()

    async def enter(self):
        member = await Member.enter(self.url, self.book.room, self.position, self.name)
        self.member = member
        if self.position is not None:
            self.returns += 1
            assert member.joined["recovered"], "what was missed could not be had"
            epoch, offset = self.position
            for n, text in enumerate(member.missed, 1):
                self.note(text, (epoch, offset + n))
        self.position, self.last = member.position, time.monotonic()
        self.changed.set()

    async def hear(self):
        try:
            return await self.member.hear()
        except asyncio.TimeoutError:
            if self.book.last > self.last + SILENT_S / 2:
                self.book.wrong(f"{self.book.room}: {self.name} at {self.position} heard "
                                "nothing, and others did")
            raise

    async def live(self):
        """Until it is cancelled. What breaks a promise is told, and a new life begins."""
        while True:
            try:
                await self.enter()
                while True:
                    text = await self.hear()
                    self.note(text, self.member.position)
            except COMES_BACK:
                pass
            except AssertionError as e:
                self.book.wrong(f"{self.book.room}: {self.name} at {self.position}: "
                                f"{e or 'positions that do not follow each other'}")
                self.position = None
            member, self.member = self.member, None
            self.changed.set()
            if member is not None:
                await member.leave()
            await asyncio.sleep(random.uniform(0.05, 0.3))

    async def say(self):
        """One message more, until it has heard itself. Who was sent away meanwhile says
        it again, unless it is among what was missed."""
        self.number += 1
        text = f"{self.name} {self.number}"
        tried = None
        while text not in self.book.places:
            self.changed.clear()
            if self.member is not None and self.member is not tried:
                tried = self.member
                self.book.said[text] += 1
                try:
                    await tried.say(text)
                except COMES_BACK:
                    pass
            await self.changed.wait()
        self.book.check_order(self.name, self.number)

    async def talk(self, pause_s, is_quiet):
        while True:
            while is_quiet():
                await asyncio.sleep(pause_s)
            await self.say()
            await asyncio.sleep(pause_s)

    def is_done(self):
        """Has it heard all, and has all that it said been heard?"""
        told = self.number == 0 or f"{self.name} {self.number}" in self.book.places
        return told and self.member is not None and self.position is not None \
            and self.book.top in (None, self.position)


class Village:
    """Rooms with their residents, of whom the first two of each talk."""

    def __init__(self, url, rooms, members, wrong):
        self.books = [Book(f"room-{r}", wrong) for r in range(rooms)]
        self.residents = [Resident(url, book, f"{book.room}-{m}")
                          for book in self.books for m in range(members)]
        self.members, self.quiet, self.tasks = members, False, []

    def begin(self, pause_s=0.1):
        talkers = [r for i, r in enumerate(self.residents) if i % self.members < 2]
        self.tasks = [asyncio.ensure_future(r.live()) for r in self.residents]
        self.tasks += [asyncio.ensure_future(r.talk(pause_s, lambda: self.quiet))
                       for r in talkers]

    def failed(self):
        """The exceptions of lives that ended: mistakes of the soak itself."""
        return [t.exception() for t in self.tasks
                if t.done() and not t.cancelled() and t.exception()]

    def people(self, book):
        return collections.Counter(r.name for r in self.residents if r.book is book)

    def all_heard_all(self):
        return all(r.is_done() for r in self.residents)

    def said(self):
        return sum(len(book.places) for book in self.books)

    def heard(self):
        return sum(book.heard for book in self.books)

    def returns(self):
        return sum(r.returns for r in self.residents)

    async def end(self):
        """Until Python 3.12 a cancellation that meets a wait_for which has just ended is
        lost, so it is said again."""
        left = self.tasks
        while left:
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=1)
