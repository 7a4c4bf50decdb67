"""Several processes that serve one application on one port.

Called by _run.py on both sides. The supervisor starts the processes, new ones of Python
and never a fork of itself, and keeps their number; it doesn't import the application. A
worker learns its place from the command line and is otherwise an ordinary `run`. Between
the two there is a socket: over it the worker says that it is up, and its end tells the
worker that the supervisor is gone, however that came about.

The first worker starts alone: what is wrong with the application or its configuration is
then said once, and ends everything with that worker's exit status. Later the same is an
accident of one worker, which is tried again.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from typing import Any, Awaitable, Callable, Dict, List, NamedTuple, Optional, Set

from . import _options, _runlog

log = logging.getLogger("fanwire.workers")

_YOUNG = 10.0                           # seconds; who dies earlier is started later
_FIRST_DELAY, _LAST_DELAY = 0.5, 30.0   # before it is started again; doubled each time
_GRACE = 10.0       # seconds past drain.timeout until a process that should end is killed
_HURRY = 3.0        # the same after a second signal


class Place(NamedTuple):
    """Which worker this process is."""

    index: int       # type: ignore[assignment]  # 1 and up; hides a tuple's method
    fd: int          # the socket to the supervisor
    supervisor: int  # its process id

    @classmethod
    def parse(cls, text: str) -> "Place":
        index, fd, supervisor = map(int, text.split(","))
        return cls(index, fd, supervisor)

    def __str__(self) -> str:
        return ",".join(map(str, self))


# --- in a worker ---

class Lifeline:
    """A worker's end of the socket. When the supervisor is gone the process stops as on
    SIGTERM, and is ended the hard way if that takes too long."""

    def __init__(self, place: Place) -> None:
        self._socket = socket.socket(fileno=place.fd)
        self._socket.set_inheritable(False)
        self._grace = _GRACE
        # TERM and INT come from the supervisor. It has no use for a HUP that was meant
        # for all processes of the same name; a handler, unlike SIG_IGN, isn't inherited.
        signal.signal(signal.SIGHUP, lambda *_: None)
        threading.Thread(target=self._watch, name="fanwire-lifeline", daemon=True).start()

    def tell_started(self, urls: List[str], http: List[str], drain_timeout: str,
                     settings: _runlog.Settings) -> None:
        drain = _options.milliseconds(drain_timeout) / 1000
        self._grace = drain + _GRACE
        news = {"urls": urls, "http": http, "drain": drain, "log": settings}
        try:
            self._socket.sendall(json.dumps(news).encode() + b"\n")
        except OSError:
            pass  # nobody is there: the other thread knows, too

    def _watch(self) -> None:
        try:
            self._socket.recv(1)
        except OSError:
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(self._grace)
        os._exit(1)


def _problem_with_listener(url: str) -> Optional[str]:
    # SO_REUSEPORT is for TCP: a Unix socket's file leads to one process.
    if url.startswith("unix:"):
        return (f"listen: {url}: several workers can't share a Unix socket;"
                " give a TCP port")
    try:
        if urllib.parse.urlsplit(url).port == 0:
            return f"listen: {url}: several workers need a port of which they all know"
    except ValueError:
        pass  # the hub says it better
    return None


def _http_of(address: str, index: int) -> str:
    """Each worker's own: from a shared port nobody could tell whose metrics he reads."""
    host, _, port = address.rpartition(":")
    if not port.isdigit() or int(port) == 0:
        return address
    return f"{host}:{int(port) + index - 1}"


def prepare(hub: Any, place: Place) -> Optional[str]:
    """Make the hub one of several; the sentence to end with if it can't be."""
    if not hub.option("redis.url"):
        return ("more than one worker needs redis_url: without it a room would end at its"
                " process")
    for url in hub.option("listen").split(","):
        problem = _problem_with_listener(url)
        if problem:
            return problem
    name = hub.option("node.name") or f"{socket.gethostname()}-{place.supervisor}"
    hub.configure(listen_shared=True, node_name=f"{name}-{place.index}")
    http = hub.option("http.listen")
    if http:
        hub.configure(http_listen=_http_of(http, place.index))
    return None


# --- in the supervisor ---

async def _first_of(*what: "Awaitable[Any]", timeout: Optional[float] = None) -> None:
    """Until one of them is done. Futures go on, coroutines are given up."""
    tasks = [asyncio.ensure_future(w) for w in what]
    await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    for task, given in zip(tasks, what):
        if task is not given:
            task.cancel()


class _Worker:
    """One process and what it has said."""

    def __init__(self, index: int, process: asyncio.subprocess.Process,
                 reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.index = index
        self.pid = process.pid
        self.lived = 0.0
        self.news: Dict[str, Any] = {}
        self._since = time.monotonic()
        self._asked = False
        self._process = process
        self._reader, self._writer = reader, writer
        self.exited = asyncio.ensure_future(self._wait())
        self.started = asyncio.ensure_future(self._read_news())

    async def _wait(self) -> int:
        status = await self._process.wait()
        self.lived = time.monotonic() - self._since
        self.started.cancel()
        self._writer.close()
        return status

    async def _read_news(self) -> None:
        """Given up when the process ends without a word."""
        try:
            line = await self._reader.readline()
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            await asyncio.get_running_loop().create_future()
        self.news = json.loads(line)
        _runlog.start(_runlog.Settings(*self.news["log"]))
        log.info("worker %d is up, pid %d", self.index, self.pid)

    async def came_up(self) -> bool:
        """Does it serve? False: it has ended before."""
        await _first_of(self.exited, self.started)
        return not self.exited.done()

    def how_it_ended(self) -> str:
        status = self.exited.result()
        if status >= 0:
            return f"ended with status {status}"
        try:
            return f"was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"was ended by signal {-status}"

    def _signal(self, number: int) -> None:
        if not self.exited.done():
            try:
                self._process.send_signal(number)
            except ProcessLookupError:
                pass

    def ask_to_end(self) -> None:
        """Have it drain. Asked once, for a second signal means something else."""
        if not self._asked:
            self._asked = True
            self._signal(signal.SIGTERM)

    async def end(self) -> None:
        """Until it has drained and is gone."""
        self.ask_to_end()
        await self._gone_within(self.news.get("drain", 0.0) + _GRACE)

    async def end_at_once(self) -> None:
        """Until it is gone, without draining."""
        self._signal(signal.SIGTERM)
        await self._gone_within(_HURRY)

    async def _gone_within(self, seconds: float) -> None:
        await _first_of(self.exited, timeout=seconds)
        if not self.exited.done():
            log.error("worker %d, pid %d, doesn't end and is killed", self.index,
                      self.pid)
            self._signal(signal.SIGKILL)
            await self.exited


def _longer(delay: float) -> float:
    return min(max(2 * delay, _FIRST_DELAY), _LAST_DELAY)


class _Slot:
    """The place of one worker, whoever fills it at present."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.worker: Optional[_Worker] = None
        self.changed = asyncio.Event()  # somebody else fills it now
        self.lock = asyncio.Lock()      # held while that is done
        self.delay = 0.0

    def fill(self, worker: _Worker) -> None:
        self.worker = worker
        self.changed.set()


class _Supervisor:
    def __init__(self, arguments: List[str], count: int) -> None:
        self._arguments = arguments
        self._slots = [_Slot(index) for index in range(1, count + 1)]
        self._alive: Set[_Worker] = set()
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._renew = asyncio.Event()

    # Signals.

    def catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop)
        loop.add_signal_handler(signal.SIGHUP, self._renew.set)

    def _on_stop(self) -> None:
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()
        for worker in self._alive:
            worker.ask_to_end()

    # Starting.

    async def _spawn(self, index: int) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            place = Place(index, theirs.fileno(), os.getpid())
            # -X, -W, -O and the like are meant for the workers, too; nothing public tells
            # how this interpreter was started.
            flags = subprocess._args_from_interpreter_flags()  # type: ignore
            try:
                # A session of its own: Ctrl-C is for the supervisor, which passes it on.
                process = await asyncio.create_subprocess_exec(
                    sys.executable, *flags, "-m", "fanwire", "run", *self._arguments,
                    "--as-worker", str(place), stdin=subprocess.DEVNULL,
                    pass_fds=(place.fd,), start_new_session=True)
            except BaseException:
                ours.close()
                raise
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        worker = _Worker(index, process, reader, writer)
        self._alive.add(worker)
        worker.exited.add_done_callback(lambda _: self._alive.discard(worker))
        if self._stopping.is_set():
            worker.ask_to_end()
        return worker

    def _status_of(self, worker: _Worker) -> int:
        """The exit status when a worker has ended before it was up for the first time."""
        if self._stopping.is_set():
            return 0
        status: int = worker.exited.result()
        if status <= 0:  # else it has said itself what is wrong
            log.error("worker %d, pid %d, %s before it was up", worker.index, worker.pid,
                      worker.how_it_ended())
        return status if status > 0 else 1

    async def start(self) -> Optional[int]:
        """All workers, the first one alone; an exit status if that can't be."""
        for group in (self._slots[:1], self._slots[1:]):
            if self._stopping.is_set():
                return 0
            for slot in group:
                slot.fill(await self._spawn(slot.index))
            for slot in group:
                if slot.worker is not None and not await slot.worker.came_up():
                    return self._status_of(slot.worker)
        return None

    def addresses(self, kind: str) -> List[str]:
        """"urls" or "http" of all workers, each once."""
        found = [a for slot in self._slots if slot.worker
                 for a in slot.worker.news.get(kind, ())]
        return list(dict.fromkeys(found))

    # Keeping their number.

    async def _spawn_or_log(self, slot: _Slot) -> None:
        try:
            slot.fill(await self._spawn(slot.index))
        except OSError as e:
            log.error("worker %d can't be started: %s", slot.index, e)

    async def _revive(self, slot: _Slot, dead: _Worker) -> None:
        slot.delay = 0.0 if dead.lived >= _YOUNG else _longer(slot.delay)
        log.warning("worker %d, pid %d, %s; a new one starts %s", slot.index, dead.pid,
                    dead.how_it_ended(),
                    f"in {slot.delay:g} s" if slot.delay else "now")
        while slot.worker is dead and not self._stopping.is_set():
            await _first_of(slot.changed.wait(), self._stopping.wait(),
                            timeout=slot.delay)
            async with slot.lock:
                if slot.worker is dead and not self._stopping.is_set():
                    await self._spawn_or_log(slot)
            if slot.worker is dead:
                slot.delay = _longer(slot.delay)

    async def keep(self, slot: _Slot) -> None:
        """While nobody stops: a worker that has ended is followed by another."""
        while not self._stopping.is_set():
            worker = slot.worker
            assert worker is not None
            slot.changed.clear()
            await _first_of(worker.exited, slot.changed.wait(), self._stopping.wait())
            if worker.exited.done() and slot.worker is worker:
                await self._revive(slot, worker)

    # Replacing them.

    async def _replace(self, slot: _Slot) -> bool:
        """A new worker serves before the old one drains; if it can't, the old one stays.
        """
        old = slot.worker
        assert old is not None
        async with slot.lock:
            if self._stopping.is_set():
                return False
            new = await self._spawn(slot.index)
            if not await new.came_up():
                if not self._stopping.is_set():
                    log.error("the new worker %d, pid %d, %s; the others stay as they"
                              " are", slot.index, new.pid, new.how_it_ended())
                return False
            slot.fill(new)
        await old.end()
        return True

    async def _replace_all(self) -> None:
        log.info("replacing the workers, one after the other")
        for slot in self._slots:
            if not await self._replace(slot):
                return
        log.info("all workers are new")

    async def replace_when_asked(self) -> None:
        while not self._stopping.is_set():
            await _first_of(self._renew.wait(), self._stopping.wait())
            if not self._renew.is_set():
                continue
            self._renew.clear()
            try:
                await self._replace_all()
            except OSError as e:
                log.error("a new worker can't be started: %s", e)

    # The end.

    async def end(self) -> None:
        """Every worker drains; who can't end is killed."""
        self._stopping.set()
        everybody = [asyncio.ensure_future(worker.end()) for worker in self._alive]
        if not everybody:
            return
        gone = asyncio.ensure_future(asyncio.wait(everybody))
        await _first_of(gone, self._hurry.wait())
        if not gone.done():
            await asyncio.gather(*(w.end_at_once() for w in list(self._alive)))
        await gone

    async def serve(self, print_addresses: Callable[[List[str], List[str]], None]) -> int:
        try:
            status = await self.start()
            if status is not None:
                return status
            print_addresses(self.addresses("urls"), self.addresses("http"))
            await asyncio.gather(self.replace_when_asked(), *map(self.keep, self._slots))
            return 0
        finally:
            await self.end()
            log.info("stopped")


def supervise(arguments: List[str], count: int,
              print_addresses: Callable[[List[str], List[str]], None]) -> int:
    """Run `count` workers with these arguments of `run` until a signal ends it; returns
    the exit status."""
    async def run() -> int:
        supervisor = _Supervisor(arguments, count)
        supervisor.catch_signals()
        return await supervisor.serve(print_addresses)

    return asyncio.run(run())
