"""What is written down by those who hear and by those who speak, and what is wrong with
it when it is compared with what Redis keeps in the end.

A message is a number: its speaker's times MANY, and its how-manieth of that speaker.
Places are those of its room's history, as members are told.
"""

import json
from array import array

MANY = 1000000
WINDOW = 100  # messages of a speaker that have no answer yet

# The epoch and the top of a room, and its messages, each behind its offset. What is said
# lies in an envelope behind 26 bytes and the fields, whose length the last two of these
# tell.
KEPT = """
local at = redis.call('HMGET', KEYS[1], 'e', 'o')
local function hex(c) return string.format('%02x', c:byte()) end
local out = {string.gsub(at[1], '.', hex) .. ' ' .. at[2]}
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '-', '+')) do
  local e = entry[2][2]
  out[#out + 1] = string.match(entry[1], '^%d+') .. ' ' ..
    e:sub(27 + e:byte(25) * 256 + e:byte(26))
end
return table.concat(out, '\\n')
"""


class Part:
    """Messages of one epoch, each behind the other, the first one behind `base`."""

    def __init__(self, epoch, base, values=()):
        self.epoch, self.base, self.values = epoch, base, array("q", values)

    @property
    def top(self):
        return self.base + len(self.values)

    def since(self, offset):
        return self.values[max(0, offset - self.base):]


def keys_of(room):
    return ["{fanwire:r:%s}:%s" % (room, kind) for kind in "ms"]


def kept_in(redis, room):
    """What that server keeps of the room, as a Part."""
    first, *lines = redis.command("EVAL", KEPT, 2, *keys_of(room)).split("\n")
    epoch, top = first.split()
    part = Part(epoch, int(top) - len(lines))
    for line in lines:
        offset, value = map(int, line.split())
        assert offset == part.top + 1, f"{room}: {offset} behind {part.top}"
        part.values.append(value)
    return part


class Book:
    """A member's: `parts` has a new one for each time that it was told that what follows
    isn't what came before; `strange` is what it should never have been told."""

    def __init__(self, room):
        self.room, self.parts, self.strange = room, [], []

    def hear(self, text):
        told = json.loads(text)
        if "data" in told and self.parts:
            self._take(told)
        elif "joined" in told and not self.parts:
            self.parts.append(Part(told["epoch"], told["offset"]))
        elif "reset" in told and self.parts:
            self.parts.append(Part(told["reset"]["epoch"], told["reset"]["offset"]))
        else:
            self.strange.append(told)

    def _take(self, told):
        part, epoch, offset = self.parts[-1], told["epoch"], told["offset"]
        if epoch != part.epoch or offset != part.top + 1:
            self.strange.append(told)
            part = Part(epoch, offset - 1)  # and what follows is judged from there
            self.parts.append(part)
        part.values.append(int(told["data"]))

    def newest(self):
        """(speaker, how-manieth) of what it heard last; (0, 0): of this part nothing."""
        values = self.parts[-1].values
        return divmod(values[-1], MANY) if values else (0, 0)

    def times_told(self):
        return len(self.parts) - 1


class Account:
    """A speaker's: how many it has said, and what became of them."""

    def __init__(self, room, number):
        self.room, self.number = room, number
        self.said, self.unanswered, self.refused = 0, set(), []

    def say(self):
        """The next message; None: too many have no answer."""
        if len(self.unanswered) >= WINDOW:
            return None
        self.said += 1
        value = self.number * MANY + self.said
        self.unanswered.add(value)
        return value

    def answer(self, value, error):
        self.unanswered.remove(value)
        if error is not None:
            self.refused.append(error)

    def answered(self):
        return self.said - len(self.unanswered)


# --- judging ---

def out_of_order(parts):
    """Each speaker's messages come in its order and once. Only where one was told that
    something is lost they may come again, if they had no answer by then."""
    before = {}
    for part in parts:
        newest = {}
        for value in part.values:
            speaker, n = divmod(value, MANY)
            if n <= newest.get(speaker, before.get(speaker, 0) - WINDOW):
                yield f"{n} of speaker {speaker} comes behind {newest.get(speaker)}"
            newest[speaker] = n
        before.update((s, max(n, before.get(s, 0))) for s, n in newest.items())


def mistakes_of(book, kept):
    """Whatever was heard in the end is what is kept, all of it; and what was heard and
    isn't kept was followed by a word about that."""
    last = book.parts[-1]
    low = max(last.base, kept.base)
    if (last.epoch, last.top) != (kept.epoch, kept.top):
        yield (f"it stands at {last.epoch}/{last.top}, the room at "
               f"{kept.epoch}/{kept.top}")
    elif last.since(low) != kept.since(low):
        yield "it heard what isn't kept, and wasn't told"
    for told in book.strange:
        yield f"it was told {told}"
    yield from out_of_order(book.parts)


def lost_of(account, kept, from_the_beginning):
    """What was answered and isn't kept: of all, or of what was said since the first that
    is."""
    there = {value % MANY for value in kept.values if value // MANY == account.number}
    begin = 1 if from_the_beginning else min(there, default=account.said + 1)
    return [n for n in range(begin, account.said + 1) if n not in there]


class Found:
    """`mistakes` are never right; `lost` has {speaker: its messages that were answered
    and aren't kept}; `told` how often each member was told of a loss."""

    def __init__(self, books, accounts, kept):
        """kept: {room: what Redis keeps of it}."""
        self.mistakes, self.lost = [], {}
        self.told = [book.times_told() for book in books]
        for book in books:
            self._add(book.room, mistakes_of(book, kept[book.room]))
        for room, part in kept.items():
            self._add(f"{room} in Redis", out_of_order([part]))
        first = {book.room: book.parts[0] for book in books}
        for account in accounts:
            part = kept[account.room]
            whole = part.base == 0 and part.epoch == first[account.room].epoch
            lost = lost_of(account, part, whole)
            if lost:
                self.lost[account.number] = lost
            self._add(f"speaker {account.number}",
                      (f"it was told {error}" for error in account.refused))

    def _add(self, who, sentences):
        self.mistakes += [f"{who}: {sentence}" for sentence in sentences]
