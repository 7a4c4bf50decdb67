"""Order and side by side: the events of one lane are handled one after the other, the
lanes at the same time, as many as there are slots.

The dispatcher gives each session and each room a lane for as long as there is something
to wait for: an async handler, or a task that receives from the session. Nothing here
knows what a handler is; how an event is handled and finished are two functions that are
given. All of it runs on one event loop.

A lane is in one of these states:
  running   a task handles what is queued; it has a slot
  waiting   a handler waits for the next message in receive(); no slot, so those who only
            wait don't keep others from running
  ready     something is queued, and all slots are taken: first come, first served
  lent      a task that is no handler receives from the session; no slot
"""

import asyncio
from collections import deque
from contextvars import ContextVar
from functools import partial
from typing import Any, Awaitable, Callable, Deque, Dict, List, Optional, Set, Tuple, cast

from . import native
from ._errors import GoneError, StateError

# What is to be done: kind, whose, the handler's arguments, the event, and a coroutine if
# the handler has been called already.
Work = Tuple[int, Any, Tuple[Any, ...], Any, Any]

MESSAGE: int = native.FW_EVENT_MESSAGE
CLOSE: int = native.FW_EVENT_CLOSE

# The work that this code is part of, in tasks that a handler has made, too.
current_work: "ContextVar[Optional[Work]]" = ContextVar("fanwire_work", default=None)


class Lane:
    """What waits for one session or room."""

    __slots__ = ("home", "key", "queue", "task", "current", "held", "side", "receiver",
                 "waiter", "reader", "on_reader_done", "lease", "claim", "claimant",
                 "joins", "has_slot", "is_ready")

    def __init__(self, home: "Dict[str, Lane]", key: str) -> None:
        self.home = home
        self.key = key
        self.queue: Deque[Work] = deque()
        self.task: "Optional[asyncio.Task[None]]" = None
        self.current: Optional[Work] = None
        self.held: Any = None  # the event that receive() gave last
        self.side: "Optional[asyncio.Task[None]]" = None  # handled within receive()
        self.receiver: "Optional[asyncio.Task[Any]]" = None  # who is inside receive()
        self.waiter: "Optional[asyncio.Future[None]]" = None  # of receive()
        self.reader: "Optional[asyncio.Task[Any]]" = None  # whom it is lent to
        self.on_reader_done: Any = None
        self.lease: Any = None  # which of the reader's loops has it
        self.claim: "Optional[asyncio.Future[None]]" = None  # of who wants it lent
        self.claimant: "Optional[asyncio.Task[Any]]" = None
        # Joins without an answer yet, by number: the room, and who of this lane asks.
        self.joins: Dict[int, Tuple[str, Any]] = {}
        self.has_slot = False
        self.is_ready = False


class Lanes:
    """All lanes of a hub. concurrency: how many may run at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, concurrency: int,
                 perform: Callable[[Work], Awaitable[None]],
                 finish: Callable[[Any], None]) -> None:
        self.sessions: Dict[str, Lane] = {}
        self.rooms: Dict[str, Lane] = {}
        self.others: Dict[str, Lane] = {}
        self._loop = loop
        self._free = concurrency
        self._ready: Deque[Lane] = deque()
        self._perform = perform
        self._finish = finish
        self._alone: "Set[asyncio.Task[None]]" = set()
        self._lent: "Dict[asyncio.Task[Any], Set[Lane]]" = {}
        self._quiet: "Optional[asyncio.Future[None]]" = None
        self._ended = False

    # --- work ---

    def put(self, home: Dict[str, Lane], key: str, work: Work) -> None:
        """Have it handled when what came before it in that lane has been."""
        lane = home.get(key)
        if lane is None:
            lane = home[key] = Lane(home, key)
        lane.queue.append(work)
        if lane.reader is not None:
            _wake(lane)
        elif lane.waiter is not None or lane.task is None:
            self._want_slot(lane)

    def put_alone(self, work: Work, on_behalf: Optional[Work]) -> None:
        """Have it handled now, whatever its lane does: a handler there waits for it."""
        task = self._loop.create_task(self._handle_alone(work, on_behalf))
        self._alone.add(task)
        task.add_done_callback(partial(self._left_alone, work))

    def holder(self, key: str) -> Optional[Tuple[Lane, Any]]:
        """Who asks this, if the session's events wait for it: its lane, and what its
        handler is busy with, or the task that it is lent to; otherwise None. In any
        thread."""
        lane = self.sessions.get(key)
        if lane is None:
            return None
        work = current_work.get()
        if work is not None and lane.current is work:
            return lane, work
        reader = lane.reader
        return (lane, reader) if reader is not None and reader is current_task() else None

    def waits_for_join(self, key: str, room: str) -> bool:
        """Has somebody asked for it that the session's events wait for even now?"""
        lane = self.sessions.get(key)
        return lane is not None and any(
            asked == room and (lane.current is who or lane.reader is who)
            for asked, who in list(lane.joins.values()))

    def runs(self, work: Work) -> bool:
        """Is that what some handler is busy with just now?"""
        return any(lane.current is work
                   for home in (self.sessions, self.rooms, self.others)
                   for lane in list(home.values()))

    def current(self, key: str) -> Optional[Work]:
        """What the session's handler is busy with."""
        lane = self.sessions.get(key)
        return lane.current if lane is not None else None

    def _start(self, lane: Lane) -> None:
        left = partial(self._left, lane)
        lane.task = task = self._loop.create_task(self._handle(lane, left))
        # A task that is cancelled before it begins has no chance to leave by itself. The
        # others take this away: a callback costs a turn of the loop.
        task.add_done_callback(left)

    async def _handle(self, lane: Lane,
                      left: "Callable[[asyncio.Task[None]], None]") -> None:
        """The task of a lane: until nothing is left, or others want the slot."""
        task = lane.task  # None: a task factory that starts tasks at once
        if task is not None:
            task.remove_done_callback(left)
        try:
            await self._handle_queue(lane)
        except (KeyboardInterrupt, SystemExit):
            # The loop passes it on; that nobody has asked the task for it is no news.
            cast("asyncio.Task[None]", current_task()).add_done_callback(_look)
            raise
        finally:
            if task is not None:
                self._left(lane, task)

    async def _handle_queue(self, lane: Lane) -> None:
        queue = lane.queue
        while queue:
            if lane.side is not None:
                await self._side(lane)
            lane.current = work = queue.popleft()
            current_work.set(work)
            try:
                await self._perform(work)
            finally:
                lane.current = None
                self._finish(work[3])
                self._let_go(lane)
            if self._ready or lane.claim is not None:
                return

    def _let_go(self, lane: Lane) -> None:
        """A handler has returned: what it read, and where, isn't its own any more."""
        if lane.held is not None:
            self._finish_held(lane)
        if lane.receiver is not None:
            self._dismiss(lane)
        if self._lent:
            self.give_back_all()

    def _left(self, lane: Lane, task: "asyncio.Task[None]") -> None:
        if lane.task is not task:
            return  # one that was started at once has done it by itself
        lane.task = None
        self._give_slot(lane)
        if not self._lend(lane):
            self._go_on(lane)

    def _go_on(self, lane: Lane) -> None:
        if lane.queue and not self._ended:
            self._want_slot(lane)
        elif lane.side is None and lane.home.get(lane.key) is lane:
            del lane.home[lane.key]
        self._look_quiet()

    async def _handle_alone(self, work: Work, on_behalf: Optional[Work]) -> None:
        current_work.set(on_behalf)
        await self._perform(work)

    def _left_alone(self, work: Work, task: "asyncio.Task[None]") -> None:
        self._alone.discard(task)
        _look(task)  # KeyboardInterrupt has been seen where it matters
        self._finish(work[3])
        self._look_quiet()

    def _left_side(self, lane: Lane, work: Work, task: "asyncio.Task[None]") -> None:
        _look(task)
        self._finish(work[3])
        if lane.side is task:
            lane.side = None
        # It may have outlasted who was inside receive(): then the lane was kept for it.
        if lane.task is None and lane.reader is None and not self._lend(lane):
            self._go_on(lane)

    def _finish_held(self, lane: Lane) -> None:
        if lane.held is not None:
            held, lane.held = lane.held, None
            self._finish(held)

    # --- slots ---

    def _want_slot(self, lane: Lane) -> None:
        if lane.is_ready or lane.has_slot:
            return
        if self._free > 0:
            self._grant_slot(lane)
        else:
            lane.is_ready = True
            self._ready.append(lane)

    def _grant_slot(self, lane: Lane) -> None:
        self._free -= 1
        lane.has_slot = True
        if lane.waiter is not None:
            _wake(lane)
        else:
            self._start(lane)

    def _give_slot(self, lane: Lane) -> None:
        if not lane.has_slot:
            return
        lane.has_slot = False
        self._free += 1
        while self._ready and self._free > 0:
            other = self._ready.popleft()
            other.is_ready = False
            # A handler that has given up waiting goes on without a slot.
            if other.waiter is not None or (other.task is None and other.queue):
                self._grant_slot(other)

    # --- receiving ---

    @staticmethod
    def caller() -> "Optional[asyncio.Task[Any]]":
        """For receive(): whose call it is."""
        return current_task()

    async def receive(self, session: Any, caller: "Optional[asyncio.Task[Any]]",
                      lease: Any = None) -> Any:
        """The session's next message; GoneError when it has ended. caller: the task that
        is lent the session; lease: the loop in it, None: none."""
        if asyncio.get_running_loop() is not self._loop:
            raise StateError("messages are received on the hub's own event loop")
        work = current_work.get()
        lane = self.sessions.get(session.id)
        if lane is None or work is None or lane.current is not work:
            lane = await self._borrow(session, lane, caller)
            lane.lease = lease
        elif work[0] == CLOSE:
            raise GoneError("the session has ended")
        if lane.receiver is not None:
            raise _somebody_else()
        lane.receiver = me = asyncio.current_task()
        try:
            return await self._next(session, lane, me)
        except GoneError:
            if lane.reader is not None and lane.receiver is me:
                self._take_back(lane)  # it has seen the end: now on_close may
            raise
        finally:
            if lane.receiver is me:
                lane.receiver = None

    def give_back(self, key: str, lease: Any) -> None:
        """The loop doesn't receive from the session any more, if it did."""
        lane = self.sessions.get(key)
        if lane is not None and lane.reader is not None and lane.lease is lease:
            self._take_back(lane)

    def give_back_all(self) -> None:
        """The task that calls this receives no more, from whatever session."""
        task = current_task()
        if task is not None:
            for lane in list(self._lent.get(task, ())):
                self._take_back(lane)

    async def _next(self, session: Any, lane: Lane, me: Any) -> Any:
        self._finish_held(lane)
        while True:
            await self._side(lane)
            if lane.receiver is not me:
                raise StateError("the handler that wanted the message has returned")
            if not lane.queue:
                await self._wait(session, lane)
                continue
            work = lane.queue[0]
            if work[0] == CLOSE:
                raise GoneError("the session has ended")
            lane.queue.popleft()
            if work[0] == MESSAGE:
                lane.held = work[3]
                return work[2][1]
            lane.side = self._loop.create_task(self._handle_alone(work, lane.current))
            lane.side.add_done_callback(partial(self._left_side, lane, work))

    def _dismiss(self, lane: Lane) -> None:
        """Who is inside receive() gets no message any more."""
        lane.receiver = None
        _wake(lane)
        lane.waiter = None

    async def _side(self, lane: Lane) -> None:
        # A task of its own: who stops waiting for a message must not stop a handler.
        if lane.side is not None:
            side = lane.side
            await asyncio.wait((side,))
            if lane.side is side:
                lane.side = None

    async def _wait(self, session: Any, lane: Lane) -> None:
        if session.closed or self._ended:
            raise GoneError("the session has ended")
        lane.waiter = waiter = self._loop.create_future()
        self._give_slot(lane)
        try:
            await waiter
        finally:
            if lane.waiter is waiter:
                lane.waiter = None

    async def _borrow(self, session: Any, lane: Optional[Lane],
                      caller: "Optional[asyncio.Task[Any]]") -> Lane:
        """The session's lane, for a task that isn't its handler."""
        task = caller if caller is not None and not caller.done() else current_task()
        if lane is not None and lane.reader is not None and lane.reader is task:
            return lane
        if lane is not None and (lane.reader is not None or lane.claim is not None):
            raise _somebody_else()
        assert task is not None
        if lane is None:
            if session.closed or self._ended:
                raise GoneError("the session has ended")
            lane = self.sessions[session.id] = Lane(self.sessions, session.id)
            self._lend_to(lane, task)
        else:
            await self._claim(lane, task)
        return lane

    async def _claim(self, lane: Lane, task: "asyncio.Task[Any]") -> None:
        """Wait until the handler that runs has returned."""
        lane.claim = claim = self._loop.create_future()
        lane.claimant = task
        try:
            await claim
        except asyncio.CancelledError:
            if lane.claim is claim:
                lane.claim = None
            elif lane.reader is task:
                self._take_back(lane)  # it was lent just now
            raise

    def _lend(self, lane: Lane) -> bool:
        claim, lane.claim = lane.claim, None
        if claim is None or claim.done():
            return False
        assert lane.claimant is not None
        self._lend_to(lane, lane.claimant)
        claim.set_result(None)
        return True

    def _lend_to(self, lane: Lane, task: "asyncio.Task[Any]") -> None:
        lane.reader = task
        lane.on_reader_done = partial(self._reader_done, lane)
        task.add_done_callback(lane.on_reader_done)
        self._lent.setdefault(task, set()).add(lane)

    def _unlend(self, lane: Lane) -> None:
        task, lane.reader = lane.reader, None
        assert task is not None
        task.remove_done_callback(lane.on_reader_done)
        lane.on_reader_done = lane.lease = None
        self._lent[task].discard(lane)
        if not self._lent[task]:
            del self._lent[task]

    def _reader_done(self, lane: Lane, task: "asyncio.Task[Any]") -> None:
        heir = lane.receiver
        if heir is None:
            self._take_back(lane)
        else:  # it has left its receive() to another task
            self._unlend(lane)
            self._lend_to(lane, heir)

    def _take_back(self, lane: Lane) -> None:
        self._unlend(lane)
        self._dismiss(lane)
        self._finish_held(lane)
        self._go_on(lane)

    # --- the end ---

    def is_quiet(self) -> bool:
        """Is nothing being handled, and nothing waiting for it?"""
        return not (self.sessions or self.rooms or self.others or self._alone)

    async def quiet(self, timeout: float) -> None:
        """Wait until nothing is being handled, for so long, or until stop_waiting()."""
        if not self.is_quiet():
            self._quiet = self._loop.create_future()
            await asyncio.wait((self._quiet,), timeout=timeout)

    def stop_waiting(self) -> None:
        """Have quiet() return."""
        if self._quiet is not None and not self._quiet.done():
            self._quiet.set_result(None)

    def end(self) -> "List[asyncio.Task[None]]":
        """Cancel all handlers, and give back what waits: nothing begins any more."""
        self._ended = True
        tasks = list(self._alone)
        for home in (self.sessions, self.rooms, self.others):
            for lane in list(home.values()):
                tasks += [t for t in (lane.task, lane.side) if t is not None]
                while lane.queue:
                    self._finish(lane.queue.popleft()[3])
                waits = lane.claim if lane.reader is None else lane.waiter
                if waits is not None and not waits.done():
                    waits.set_exception(GoneError("the hub has ended"))
        for task in tasks:
            task.cancel()
        return tasks

    def _look_quiet(self) -> None:
        if self._quiet is not None and self.is_quiet():
            self.stop_waiting()


def _wake(lane: Lane) -> None:
    if lane.waiter is not None and not lane.waiter.done():
        lane.waiter.set_result(None)


def _look(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        task.exception()


def current_task() -> "Optional[asyncio.Task[Any]]":
    """None where no loop runs, too."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _somebody_else() -> StateError:
    return StateError("another task receives from this session")
