"""What comes of a request that is answered later.

The dispatcher makes an Answer for each join and settles it when the hub has told the
outcome. Whoever asked may await it, wait for it in a thread, or not care.
"""

import asyncio
import threading
from concurrent.futures import Future
from typing import Any, Callable, Generator, Optional, TypeVar

from ._errors import StateError

_T = TypeVar("_T")


class Answer(Future[_T]):
    """What comes of a request: a concurrent.futures.Future that can be awaited, too.

    Nobody has to look at it: a failure that nobody has looked at is logged. What has
    been asked for can't be taken back, so cancel() has no effect.
    """

    def __init__(self, settling_thread: Optional[int] = None,
                 complain: Optional[Callable[[BaseException], None]] = None) -> None:
        super().__init__()
        self._settling_thread = settling_thread
        self._complain = complain
        self._seen = False
        self.set_running_or_notify_cancel()

    def result(self, timeout: Optional[float] = None) -> _T:
        """The outcome; waits for it, but never in the thread that it comes in."""
        self._look()
        return super().result(timeout)

    def exception(self, timeout: Optional[float] = None) -> Optional[BaseException]:
        """Why it failed, None if it didn't; waits as result() does."""
        self._look()
        return super().exception(timeout)

    def add_done_callback(self, fn: Callable[["Future[_T]"], Any]) -> None:
        """Have fn(answer) called when the outcome is known, in the hub's thread."""
        self._seen = True
        super().add_done_callback(fn)

    def __await__(self) -> Generator[Any, None, _T]:
        if not self.done():
            return (yield from asyncio.wrap_future(self).__await__())
        return self.result()

    def _look(self) -> None:
        self._seen = True
        if threading.get_ident() == self._settling_thread and not self.done():
            raise StateError("in the hub's own thread this would wait for itself: "
                             "await the answer in an async handler")

    def __del__(self) -> None:
        if self._complain is not None and not self._seen and self.done():
            error = super().exception()
            if error is not None:
                self._complain(error)
