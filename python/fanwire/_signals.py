"""SIGINT and SIGTERM while Hub.run() runs: the first ends the hub in order, the second
at once.

Handlers of Python's, not of the event loop's: a second signal gets through to a handler
that blocks the loop.
"""

import asyncio
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Callable, Dict, Optional, Type

WANTED = (signal.SIGINT, signal.SIGTERM)

# By the first part of a module's name. Interrupted there, the loop comes to its next
# callback soon; and what an exception left half done would be waited for for ever.
_LOOP_S = ("asyncio", "fanwire")
# Either's: it depends on who has called them.
_ANYBODY_S = ("concurrent", "contextlib", "contextvars", "queue", "selectors",
              "threading", "weakref")


def _nothing() -> None:
    pass


def _is_in_loop(frame: Optional[FrameType]) -> bool:
    """Is it the event loop's own code, and nothing that a handler has called?"""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", "")).split(".")[0]
        if module in _LOOP_S:
            return True
        if module not in _ANYBODY_S:
            return False
        frame = frame.f_back
    return False


class StopOnSignal:
    """Within it the first signal calls stop(), the second raises: there and then in the
    application's code, which may block the loop, and else in the loop's next callback.

    Only the main thread may set handlers; in another one nothing is done.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._before: Dict[int, Any] = {}
        self.seen = False

    def __enter__(self) -> "StopOnSignal":
        if threading.current_thread() is threading.main_thread():
            self._loop = asyncio.get_running_loop()
            for number in WANTED:
                self._before[number] = signal.getsignal(number)
                # It also has a signal wake the loop: one that came in the moment before
                # the loop waits would be noticed only with the next event.
                self._loop.add_signal_handler(number, _nothing)
                signal.signal(number, self._on_signal)
        return self

    def __exit__(self, kind: Optional[Type[BaseException]],
                 error: Optional[BaseException],
                 where: Optional[TracebackType]) -> None:
        for number, handler in self._before.items():
            self._loop.remove_signal_handler(number)
            # None: it was set by somebody who isn't Python, and can't be put back.
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _on_signal(self, number: int, frame: Optional[FrameType]) -> None:
        if not self.seen:
            self.seen = True
            self._stop()
        elif _is_in_loop(frame):
            self._loop.call_soon_threadsafe(_exit, number)
        else:
            _exit(number)


def _exit(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
