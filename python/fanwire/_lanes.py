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
from typing import Any, Awaitable, Callable, Deque, Dict, List, Optional, Set, Tuple

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

    __slots__ = ("home", "key", "queue", "task", "current", "held", "side", "waiter",
                 "reader", "on_reader_done", "claim", "claimant", "has_slot", "is_ready")

    def __init__(self, home: "Dict[str, Lane]", key: str) -> None:
        self.home = home
        self.key = key
        self.queue: Deque[Work] = deque()
        self.task: "Optional[asyncio.Task[None]]" = None
        self.current: Optional[Work] = None
        self.held: Any = None  # the event that receive() gave last
        self.side: "Optional[asyncio.Task[None]]" = None  # handled within receive()
        self.waiter: "Optional[asyncio.Future[None]]" = None  # of receive()
        self.reader: "Optional[asyncio.Task[Any]]" = None  # whom it is lent to
        self.on_reader_done: Any = None
        self.claim: "Optional[asyncio.Future[None]]" = None  # of who wants it lent
        self.claimant: "Optional[asyncio.Task[Any]]" = None
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

    def is_current(self, key: str, work: Optional[Work]) -> bool:
        """Is that what the session's handler is busy with just now?"""
        lane = self.sessions.get(key)
        return work is not None and lane is not None and lane.current is work

    def runs(self, work: Work) -> bool:
        """Is that what some handler is busy with just now?"""
        return any(lane.current is work
                   for home in (self.sessions, self.rooms, self.others)
                   for lane in list(home.values()))

    def current(self, key: str) -> Optional[Work]:
        """What the session's handler is busy with."""
        lane = self.sessions.get(key)
        return lane.current if lane is not None else None

    async def _handle(self, lane: Lane) -> None:
        """The task of a lane: until nothing is left, or others want the slot."""
        queue = lane.queue
        while queue:
            await self._side(lane)
            lane.current = work = queue.popleft()
            current_work.set(work)
            try:
                await self._perform(work)
            finally:
                lane.current = None
                self._finish(work[3])
                self._finish_held(lane)
            if self._ready or lane.claim is not None:
                return

    def _left(self, lane: Lane, task: "asyncio.Task[None]") -> None:
        # A task that was cancelled before it began has had no chance to do this itself.
        lane.task = None
        if not task.cancelled():
            task.exception()  # KeyboardInterrupt has been seen where it matters
        self._give_slot(lane)
        if not self._lend(lane):
            self._go_on(lane)

    def _go_on(self, lane: Lane) -> None:
        if lane.queue and not self._ended:
            self._want_slot(lane)
        elif lane.home.get(lane.key) is lane:
            del lane.home[lane.key]
        self._look_quiet()

    async def _handle_alone(self, work: Work, on_behalf: Optional[Work]) -> None:
        current_work.set(on_behalf)
        await self._perform(work)

    def _left_alone(self, work: Work, task: "asyncio.Task[None]") -> None:
        self._alone.discard(task)
        if not task.cancelled():
            task.exception()
        self._finish(work[3])
        self._look_quiet()

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
            lane.task = self._loop.create_task(self._handle(lane))
            lane.task.add_done_callback(partial(self._left, lane))

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

    async def receive(self, session: Any) -> Any:
        """The session's next message; GoneError when it has ended."""
        if asyncio.get_running_loop() is not self._loop:
            raise StateError("messages are received on the hub's own event loop")
        work = current_work.get()
        lane = self.sessions.get(session.id)
        if lane is None or work is None or lane.current is not work:
            lane = await self._borrow(session, lane)
        elif work[0] == CLOSE:
            raise GoneError("the session has ended")
        if lane.waiter is not None:
            raise StateError("another task receives from this session")
        return await self._next(session, lane)

    def give_back(self, key: str, reader: Any) -> None:
        """The task doesn't receive from the session any more, if it did."""
        lane = self.sessions.get(key)
        if lane is not None and lane.reader is not None and lane.reader is reader:
            lane.reader.remove_done_callback(lane.on_reader_done)
            self._take_back(lane, reader)

    async def _next(self, session: Any, lane: Lane) -> Any:
        self._finish_held(lane)
        while True:
            await self._side(lane)
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
            lane.side.add_done_callback(partial(self._left_alone, work))

    async def _side(self, lane: Lane) -> None:
        # A task of its own: who stops waiting for a message must not stop a handler.
        if lane.side is not None:
            await asyncio.wait((lane.side,))
            lane.side = None

    async def _wait(self, session: Any, lane: Lane) -> None:
        if session.closed or self._ended:
            raise GoneError("the session has ended")
        lane.waiter = waiter = self._loop.create_future()
        self._give_slot(lane)
        try:
            await waiter
        finally:
            lane.waiter = None

    async def _borrow(self, session: Any, lane: Optional[Lane]) -> Lane:
        """The session's lane, for a task that isn't its handler."""
        task = asyncio.current_task()
        if lane is not None and lane.reader is not None and lane.reader is task:
            return lane
        if lane is not None and (lane.reader is not None or lane.claim is not None):
            raise StateError("another task receives from this session")
        assert task is not None
        if lane is None:
            if session.closed or self._ended:
                raise GoneError("the session has ended")
            lane = self.sessions[session.id] = Lane(self.sessions, session.id)
            lane.reader = task
        else:
            await self._claim(lane, task)
        lane.on_reader_done = partial(self._take_back, lane)
        task.add_done_callback(lane.on_reader_done)
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
            self._take_back(lane, task)  # it may have been lent just now
            raise

    def _lend(self, lane: Lane) -> bool:
        claim, lane.claim = lane.claim, None
        if claim is None or claim.done():
            return False
        lane.reader = lane.claimant
        claim.set_result(None)
        return True

    def _take_back(self, lane: Lane, task: Any) -> None:
        if lane.reader is task:
            lane.reader = lane.on_reader_done = None
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
                if lane.reader is not None and lane.waiter is not None:
                    if not lane.waiter.done():
                        lane.waiter.set_exception(GoneError("the hub has ended"))
        for task in tasks:
            task.cancel()
        return tasks

    def _look_quiet(self) -> None:
        if self._quiet is not None and self.is_quiet():
            self.stop_waiting()


def _wake(lane: Lane) -> None:
    if lane.waiter is not None and not lane.waiter.done():
        lane.waiter.set_result(None)
