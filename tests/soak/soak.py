#!/usr/bin/python3
"""Three nodes in three languages, nginx before them, a Redis that fails over, bad
clients, bad handlers and packets that get lost: for as long as one likes, with honest
clients whom nothing of it may cost a message. Exit status 1 if it did.

  FANWIRED=build/dev/capi/server/fanwired BUILD_DIR=build/dev tests/soak/soak.py
  ... --minutes 30       how long (10)
  ... --loss 0           percent of packets lost, where that is permitted (5)
  ... --seed N           repeats a run's faults, though not its every moment

Time goes by in periods of a minute. At the end of each all is calm for a moment: trouble
and rabble stop, nobody talks, and then everybody must have heard everything, all nodes
must agree on who is there, and what the processes hold is looked at. A line a period is
told, and each breach as soon as it is seen.
"""

import argparse
import asyncio
import collections
import pathlib
import random
import shutil
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
# The first on the path wins: other folders, too, have a test_http.
for folder in ("resty", "python", "recovery", "support", "conformance", "hostile",
               "soak"):
    sys.path.insert(0, str(TESTS / folder))

import network  # noqa: E402
import nodes as places  # noqa: E402
import watch  # noqa: E402
from fanwired import SLOW  # noqa: E402
from own_sentinels import OwnSentinels  # noqa: E402
from rabble import Rabble  # noqa: E402
from residents import Village  # noqa: E402
from server import REPORTS  # noqa: E402
from trouble import Trouble  # noqa: E402

ROOMS, MEMBERS, RABBLE = 4, 6, 3
PERIOD_S = 60.0
QUIET_S = 300.0 * SLOW  # within which a fault is over, whatever the machine does else
CALM_S = 60.0 * SLOW  # within which all is to be as it should be; a lease is 5 s of it


def say(text):
    print(text, flush=True)


class Wrongs(list):
    """Each breach, told as it is seen."""

    def __call__(self, sentence):
        if len(self) < 20:
            say("WRONG: " + sentence)
        self.append(sentence)


class Stage:
    """Whatever runs beside the honest clients."""

    def __init__(self, folder, seed):
        self.folder, self.seed = folder, seed
        self.started = []  # ended in reverse
        self.nodes, self.rabble = [], []
        self.sentinels = self.front = self.trouble = None

    def start(self, thing):
        self.started.append(thing)
        thing.start()
        return thing

    def begin(self):
        self.sentinels = sentinels = OwnSentinels(self.folder)
        self.started.append(sentinels)
        network.reserve(sentinels.ports + sentinels.watch_ports)
        for make in (places.fanwired_node, places.python_node, places.InNginx):
            self.nodes.append(self.start(make(sentinels.url, self.folder)))
        for node in self.nodes:
            node.wait_up()
        self.front = self.start(places.Front(self.nodes, self.folder))

    def unleash(self, rooms):
        urls = [self.front.url] + [node.url for node in self.nodes]
        self.rabble = [Rabble(urls, rooms, self.seed + n) for n in range(RABBLE)]
        self.trouble = Trouble(self.sentinels, self.nodes, self.seed)
        for thread in (*self.rabble, self.trouble):
            thread.start()

    def troublemakers(self):
        return [*self.rabble, *([self.trouble] if self.trouble else [])]

    def set_quiet(self, quiet):
        for one in self.troublemakers():
            one.quiet.set() if quiet else one.quiet.clear()

    def is_quiet(self):
        return all(one.idle.is_set() for one in self.troublemakers())

    def end(self):
        for one in self.troublemakers():
            one.over.set()
            one.quiet.set()
        for one in self.troublemakers():
            one.join(CALM_S)
        for thing in reversed(self.started):
            thing.end()

    def reports(self):
        """What a sanitizer or an assertion has said in a log."""
        for log in sorted(self.folder.glob("*.log")):
            text = log.read_text(encoding="utf-8", errors="replace")
            found = REPORTS.search(text)
            if found:
                yield f"{log}: {text[found.start():][:500]}"


class Soak:
    def __init__(self, stage, seconds):
        self.stage, self.wrongs = stage, Wrongs()
        self.period_s = min(PERIOD_S, seconds / 3)
        self.periods = max(3, round(seconds / self.period_s))
        self.samples = collections.defaultdict(list)
        self.slowest_s = 0.0  # of the calms

    async def run(self):
        self.village = Village(self.stage.front.url, ROOMS, MEMBERS, self.wrongs)
        self.village.begin()
        try:
            await self.until(lambda: all(r.member for r in self.village.residents),
                             "the honest clients are in")
            self.stage.unleash([book.room for book in self.village.books])
            for number in range(1, self.periods + 1):
                await self.stormy(self.period_s)
                if not await self.calm(number):
                    break
        finally:
            await self.village.end()

    async def until(self, condition, what, seconds=CALM_S):
        """False, and told, if it doesn't come true."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                self.wrongs("never came true: " + what)
                return False
            await asyncio.sleep(0.05)
        return True

    async def stormy(self, seconds):
        self.stage.set_quiet(False)
        self.village.quiet = False
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.has_failed():
            await asyncio.sleep(0.2)

    def has_failed(self):
        return self.stage.trouble.failed or self.village.failed()

    async def calm(self, number):
        """False: there is no use in going on."""
        self.stage.set_quiet(True)
        if not await self.until(self.stage.is_quiet, "trouble and rabble have stopped",
                                QUIET_S):
            return False
        if self.has_failed():
            self.wrongs(f"the soak can't go on: {self.stage.trouble.failed!r} "
                        f"{self.village.failed()}")
            return False
        self.village.quiet = True
        began = time.monotonic()
        all_heard = await self.until(self.village.all_heard_all,
                                     "everybody has heard everything")
        loop = asyncio.get_running_loop()
        present = await self.agree(loop)
        calm_s = time.monotonic() - began
        self.slowest_s = max(self.slowest_s, calm_s)
        for node in self.stage.nodes:
            if node.has_died():
                self.wrongs(f"{node.name} has died by itself")
                return False
            sample = await loop.run_in_executor(None, watch.look, node)
            self.samples[node].append(sample)
        self.tell(number, calm_s)
        return all_heard and present

    async def agree(self, loop):
        """Each node says of each room that just its residents are there."""
        end = time.monotonic() + CALM_S
        while True:
            differ = await loop.run_in_executor(None, self.differences)
            if not differ:
                return True
            if time.monotonic() > end:
                self.wrongs("presence does not converge: " + "; ".join(differ))
                return False
            await asyncio.sleep(0.2)

    def differences(self):
        found = []
        for node in self.stage.nodes:
            for book in self.village.books:
                want = self.village.people(book)
                try:
                    there = collections.Counter(node.present(book.room))
                except OSError as e:
                    return [f"{node.name}: {e}"]
                if there != want:
                    found.append(f"{node.name}: {book.room}: "
                                 f"missing {dict(want - there)}, too many "
                                 f"{dict(there - want)}")
        return found

    # --- telling ---

    def tell(self, number, calm_s):
        held = ", ".join(watch.told(node, samples[-1])
                         for node, samples in self.samples.items())
        say(f"{number * self.period_s / 60:5.1f} min  {self.figures()}; calm after "
            f"{calm_s:.1f} s; {held}")

    def figures(self):
        village = self.village
        return (f"said {village.said()}, heard {village.heard()}, came back "
                f"{village.returns()}, faults {sum(self.stage.trouble.done.values())}, "
                f"rabble {sum(one.acts for one in self.stage.rabble)}, wrong "
                f"{len(self.wrongs)}")

    def summarize(self):
        for node, samples in self.samples.items():
            for sentence in watch.grown(node.name, samples):
                self.wrongs(sentence)
        for report in self.stage.reports():
            self.wrongs(report)
        faults = ", ".join(f"{name} {n}" for name, n in
                           sorted(self.stage.trouble.done.items()))
        say(f"all in all: {self.figures()}")
        say(f"  faults: {faults}")
        say(f"  the longest until all was well again: {self.slowest_s:.1f} s")
        for node, samples in self.samples.items():
            say(f"  {watch.told(node, samples[0])} -> {watch.told(node, samples[-1])}, "
                f"{node.restarts} restarts")


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--loss", type=float, default=5, metavar="PERCENT")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    args = parser.parse_args()
    if not 0 < args.minutes or not 0 <= args.loss <= 50:
        parser.error("minutes are more than 0, and a loss of 0 to 50 % is possible")
    return args


def prepare_network(loss):
    """What there is to say about lost packets, once all is up."""
    if not network.is_own():
        why = network.move_in()
        return lambda: f"packet loss: NONE, there is no network of our own: {why}"
    why = network.begin()
    if why is not None:
        sys.exit("soak: " + why)
    return lambda: network.lose(loss)


def main():
    args = read_arguments()
    lose = prepare_network(args.loss)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fanwire-soak-"))
    say(f"soak of {args.minutes:g} min, seed {args.seed}, in {folder}")
    stage = Stage(folder, args.seed)
    soak = Soak(stage, 60 * args.minutes)
    try:
        stage.begin()
        say(lose())
        asyncio.run(soak.run())
    finally:
        stage.end()
    soak.summarize()
    if soak.wrongs:
        say(f"WRONG: {len(soak.wrongs)} breaches; seed {args.seed}, logs in {folder}")
        return 1
    shutil.rmtree(folder)
    say("nothing was lost, nothing came twice, and nothing grew")
    return 0


if __name__ == "__main__":
    sys.exit(main())
