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


def _nothing() -> None:
    pass


class StopOnSignal:
    """Within it the first signal calls stop(), the second raises.

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
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
        else:
            raise SystemExit(128 + number)
