"""One life of a hub, from start to end, on one event loop.

Hub makes one for each start. It starts the C library's hub, lets the dispatcher work,
and ends both in order: drain, let handlers finish, stop, and let them finish what the
stop has brought. What blocks is done in threads of its own: an executor may be full, and
at the interpreter's end it takes nothing any more.
"""

import asyncio
import atexit
import os
import threading
import warnings
import weakref
from concurrent.futures import Future, InvalidStateError
from time import monotonic
from typing import Any, Callable, Optional

from . import native
from ._dispatch import Dispatcher
from ._errors import Error, ForkedError, StateError, TimedOutError
from ._handlers import Handlers
from ._log import Log
from ._options import milliseconds

# Beyond the drain's time-out: for on_close of sessions that the stop has closed.
LAST_WORDS_S = 1.0
# What the C library takes: an int of milliseconds, and that is 24 days.
LONGEST_DRAIN_S = 2147483.0

_running: "weakref.WeakSet[Life]" = weakref.WeakSet()


class Life:
    """A hub of the C library, its dispatcher, and the loop that they are on."""

    def __init__(self, options: Any, handlers: Handlers, concurrency: int, log: Log,
                 on_start: Callable[["Life"], None],
                 on_end: Callable[["Life"], None]) -> None:
        self.pid = os.getpid()
        self.handle = native.fw_hub_new(options)
        for kind in sorted(handlers.kinds()):
            native.fw_hub_on(self.handle, kind)
        self.dispatcher = Dispatcher(self.handle, handlers, log)
        self.thread: Optional[threading.Thread] = None  # if it has one of its own
        self.is_started = False
        self.ended: "Future[None]" = Future()
        self._concurrency = concurrency
        self._log = log
        self._on_start = on_start
        self._on_end = on_end
        self._drain_s = milliseconds(
            native.fw_options_get(options, "drain.timeout")) / 1000
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._closing: "Optional[asyncio.Task[None]]" = None
        self._until = float("inf")
        self._stop_asked = False

    # --- starting ---

    async def start(self) -> None:
        """Start on the running loop. Raises what the C library says."""
        self._loop = asyncio.get_running_loop()
        starting = _in_thread(native.fw_hub_start, self.handle)
        try:
            await asyncio.shield(starting)
            self.dispatcher.begin(self._loop, self._concurrency)
        except BaseException:
            try:
                await self._give_up(starting)
            finally:
                self._end()
            raise
        self.is_started = True
        _running.add(self)
        self._on_start(self)
        if self._stop_asked:
            self._begin_close(None)

    async def _give_up(self, starting: "asyncio.Future[Any]") -> None:
        """Cancelled, or not heard, and the hub comes up all the same: its ports must be
        free again before anybody may start another one."""
        await _outlast(starting)
        if starting.cancelled():
            return
        if starting.exception() is None:
            await _outlast(_in_thread(native.fw_hub_stop, self.handle))
        elif isinstance(starting.exception(), Error):
            self.dispatcher.log_only()

    def run_in_thread(self) -> None:
        """Start on a loop in a thread of its own; returns when it is up."""
        started: "Future[None]" = Future()
        self.thread = threading.Thread(target=self._thread_main, args=(started,),
                                       name="fanwire", daemon=True)
        try:
            self.thread.start()
        except BaseException:  # there are too many threads
            self.thread = None
            self._end()
            raise
        try:
            started.result()
        except Exception:
            self.thread.join()
            raise
        except BaseException:
            self.stop()
            raise

    def _thread_main(self, started: "Future[None]") -> None:
        life = self._start_and_stay(started)
        try:
            asyncio.run(life)
        except BaseException as error:
            life.close()
            if started.done():
                raise
            self._end()  # there was no event loop to be had
            started.set_exception(error)

    async def _start_and_stay(self, started: "Future[None]") -> None:
        try:
            await self.start()
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(None)
        await self.stay()

    async def stay(self) -> None:
        """Return when it has ended; if this is cancelled, end it first."""
        if self.is_started and asyncio.get_running_loop() is self._loop:
            # This task reads no session before the end, which would wait for it.
            self.dispatcher.lanes.give_back_all()
        try:
            await asyncio.shield(asyncio.wrap_future(self.ended))
        except asyncio.CancelledError:
            self.stop()
            await self._insist(asyncio.wrap_future(self.ended))
            raise

    # --- ending ---

    def stop(self, timeout: Optional[float] = None) -> None:
        """Begin to end; returns at once. In any thread."""
        _check_timeout(timeout)
        self._stop_asked = True
        loop = self._loop
        if loop is None or self.ended.done():
            return
        try:
            loop.call_soon_threadsafe(self._begin_close, timeout)
        except RuntimeError:  # somebody has closed the loop: nobody is left to wait for
            self.kill()

    def hurry(self) -> None:
        """No more patience: what still drains is cut off. On any loop."""
        if monotonic() < self._until and not self.ended.done():
            self._until = monotonic()
            _in_thread(native.fw_hub_stop, self.handle)
            if self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self.dispatcher.hurry)

    def kill(self) -> None:
        """Stop without the loop. In any thread; blocks for a second at most."""
        native.fw_hub_stop(self.handle)
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self.dispatcher.detach)
        except RuntimeError:
            pass  # a closed loop has forgotten it already
        self.dispatcher.forget()
        self._end()

    def check_wait(self) -> None:
        """Raises StateError where waiting for the end would be waiting for itself."""
        if self.thread is threading.current_thread():
            raise StateError("in the hub's own thread this would wait for itself: "
                             "use stop()")
        if self.dispatcher.is_own_task():
            raise StateError("in a handler this would wait for itself: use stop()")

    def loop_is_closed(self) -> bool:
        return self._loop is None or self._loop.is_closed()

    def _begin_close(self, timeout: Optional[float]) -> None:
        if not self.is_started or self.ended.done():
            return
        if self._closing is None:
            patience = self._drain_s if timeout is None else max(timeout, 0)
            patience = min(patience, LONGEST_DRAIN_S)
            self._until = min(self._until, monotonic() + patience)
            assert self._loop is not None
            self._closing = self._loop.create_task(self._close())
        elif timeout is not None and self._loop is not None:
            self._loop.call_later(max(timeout, 0), self.hurry)

    async def _close(self) -> None:
        try:
            # Whatever becomes of one: a hub that has ended serves nobody any more.
            for step in (self._close_sessions, self._close_hub, self._close_handlers):
                try:
                    await step()
                except Exception:
                    self._log.hub.exception("the hub could not be ended in order")
        finally:
            self.dispatcher.forget()
            self._end()

    async def _close_sessions(self) -> None:
        left = max(self._until - monotonic(), 0)
        await self._insist(_in_thread(self._drain, int(left * 1000)))
        await self._settle(0)

    async def _close_hub(self) -> None:
        more = LAST_WORDS_S if self.dispatcher.sessions else 0
        await self._insist(_in_thread(native.fw_hub_stop, self.handle))
        await self._settle(more)

    async def _close_handlers(self) -> None:
        tasks = self.dispatcher.cancel()
        if tasks:
            await self._insist(asyncio.ensure_future(
                asyncio.wait(tasks, timeout=LAST_WORDS_S)))

    def _drain(self, timeout_ms: int) -> None:
        try:
            native.fw_hub_drain(self.handle, timeout_ms)
        except TimedOutError as error:
            self._log.hub.warning("the time for draining is over: %s", error)
        except StateError:
            pass  # hurry() has stopped it

    async def _settle(self, more: float) -> None:
        """Until nothing is left to handle, or the time is over; a cancel cuts it off."""
        least = monotonic() + more
        while True:
            try:
                await self.dispatcher.settle(
                    lambda: max(self._until, least) - monotonic())
                return
            except asyncio.CancelledError:
                self.hurry()

    async def _insist(self, future: "asyncio.Future[Any]") -> None:
        """Wait for it, cancelled or not: a cancel only makes it faster."""
        while not future.done():
            try:
                await asyncio.wait((future,))
            except asyncio.CancelledError:
                self.hurry()
        if not future.cancelled():
            future.result()

    def _end(self) -> None:
        _running.discard(self)
        self._on_end(self)
        try:
            self.ended.set_result(None)
        except InvalidStateError:
            pass  # killed while it was closing


def check_fork(life: Life) -> None:
    """Raises ForkedError in a child of the process that started it."""
    if life.pid != os.getpid():
        raise ForkedError("this hub belongs to the parent process %d" % life.pid)


def _in_thread(function: Callable[..., Any], *arguments: Any) -> "asyncio.Future[Any]":
    """Call what blocks, without blocking the loop."""
    outcome: "Future[Any]" = Future()

    def work() -> None:
        try:
            outcome.set_result(function(*arguments))
        except BaseException as error:
            outcome.set_exception(error)

    try:
        threading.Thread(target=work, name="fanwire-wait", daemon=True).start()
    except RuntimeError:
        work()  # no thread is to be had: there are too many, or the interpreter ends
    return asyncio.wrap_future(outcome)


async def _outlast(future: "asyncio.Future[Any]") -> None:
    """Wait until it is done, cancelled or not."""
    while not future.done():
        try:
            await asyncio.wait((future,))
        except asyncio.CancelledError:
            pass


def _check_timeout(timeout: Any) -> None:
    # Looked at here and not on the loop, where nobody would hear of it.
    if timeout is not None and (not isinstance(timeout, (int, float))
                                or not timeout < float("inf")):
        raise TypeError("timeout: seconds are wanted, not %r" % (timeout,))


def _warn(life: Life) -> None:
    warnings.warn("a hub is still running: use `with hub:`, close() or aclose()",
                  ResourceWarning, source=life, stacklevel=2)


def stop_abandoned(life: Life) -> None:
    """The hub is collected, or the process ends: stop what should have been closed."""
    if life.pid == os.getpid() and life.is_started and not life.ended.done():
        _warn(life)
        life.kill()


@atexit.register
def _stop_all() -> None:
    for life in list(_running):
        stop_abandoned(life)


def weakly(method: Callable[[Life], None]) -> Callable[[Life], None]:
    """Called only if its hub is still there: one that is running and that nobody has any
    more could never be collected if its own thread held it."""
    reference = weakref.WeakMethod(method)

    def call(life: Life) -> None:
        found = reference()
        if found is not None:
            found(life)

    return call


def loop_is_running() -> bool:
    """In this thread, and so around the caller."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
