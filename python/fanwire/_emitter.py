"""Emitter: publishing from a process that serves no sessions.

Used by applications alone. It makes of the C library's emitter, which is one connection
and takes one call at a time, one that any thread may call and that a fork doesn't break;
it knows nothing of hubs.
"""

import math
import os
import threading
import time
import weakref
from datetime import timedelta
from types import TracebackType
from typing import Any, Callable, Optional, Type, Union

from . import _data, _options, native
from ._errors import ClosedError, StateError, TimedOutError

_LONGEST = 24 * 3600.0


class Emitter:
    """Publishes over Redis to the sessions of all nodes: for jobs, scripts, web
    applications.

    It is one connection, made at the first publish and again after a failure, and starts
    no thread. Each call blocks until Redis has taken the message; for thousands a second
    use a Hub with listen="off".

    redis_url and further options (redis_prefix, redis_tls_ca, ...) are those of the nodes
    to be reached. timeout is in seconds, or a timedelta: for connecting, for the answer
    and for other threads' calls that come first, all together.

    Any thread may call; one call is made at a time. A forked child may go on using what
    its parent made: it gets a connection of its own. So one emitter for each process is
    enough, as a variable of a module:

        emitter = fanwire.Emitter("redis://127.0.0.1")

        @celery.task                                        # Celery, whatever its pool
        def render(job, user):
            ...
            emitter.send_user(user, {"job": job, "done": True})

        def create_comment(request):                        # a view of Django
            comment = Comment.objects.create(...)
            transaction.on_commit(
                lambda: emitter.publish("comments", {"id": comment.pk}))
            return HttpResponse(status=201)

    on_commit, for else a page may ask for the comment before it is there. Where losing a
    message is better than failing a request, catch fanwire.Error around the call.
    """

    def __init__(self, redis_url: str, *, timeout: Union[float, timedelta] = 5.0,
                 **options: _options.OptionValue) -> None:
        self._timeout = _checked(timeout)
        # Those of C are copied by each connection; a child makes its own from them.
        self._options = _options.make({"redis_url": redis_url, **options},
                                      others=("timeout",))
        # A signal's handler may close what its own thread is just using.
        self._lock = threading.RLock()
        self._in_call = False
        self._native: Any = native.fw_emitter_new(self._options)
        self._closed = False
        _emitters.add(self)

    def publish(self, room: str, data: _data.Data, *, skip: _data.Skip = None) -> int:
        """Publish to a room; returns when Redis has taken it.

        Returns how many nodes have received it. A call that fails isn't repeated by
        itself: after TimedOutError Redis may have taken it.

        skip: a session, or the id of one, that is left out.

        Raises InvalidError for a name that no room may have, BackplaneError when Redis
        can't be reached or refuses, TimedOutError, ClosedError after close().
        """
        message = _data.message(data, skip)
        return self._call(lambda emitter, ms: native.fw_emitter_publish(
            emitter, room, message, ms))

    def send_user(self, user: str, data: _data.Data, *, skip: _data.Skip = None) -> int:
        """Send to all sessions of a user. As publish."""
        message = _data.message(data, skip)
        return self._call(lambda emitter, ms: native.fw_emitter_send_user(
            emitter, user, message, ms))

    def send_all(self, data: _data.Data, *, skip: _data.Skip = None) -> int:
        """Send to every session of every node. As publish."""
        message = _data.message(data, skip)
        return self._call(lambda emitter, ms: native.fw_emitter_send_all(
            emitter, message, ms))

    def disconnect_user(self, user: str, code: int = 1000, reason: str = "") -> int:
        """Close all sessions of a user, on all nodes. Returns and raises as publish."""
        return self._call(lambda emitter, ms: native.fw_emitter_disconnect_user(
            emitter, user, code, reason, ms))

    def close(self) -> None:
        """Close the connection, once a call that is under way has ended: of another
        thread it waits for that. Closing twice is not an error."""
        with self._lock:
            self._closed = True
            self._native = None

    def __enter__(self) -> "Emitter":
        self._check_open()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]],
                 error: Optional[BaseException],
                 where: Optional[TracebackType]) -> None:
        self.close()

    def __repr__(self) -> str:
        url = native.fw_options_shown(self._options, "redis.url")
        return "<fanwire.Emitter %s%s>" % (url, ", closed" if self._closed else "")

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the emitter is closed")

    def _call(self, call: Callable[[Any, int], int]) -> int:
        deadline = time.monotonic() + self._timeout
        if not self._lock.acquire(timeout=self._timeout):
            raise TimedOutError("publishes of other threads took the whole time")
        try:
            self._check_open()
            if self._in_call:
                raise StateError("in a signal's handler: it has interrupted a call of "
                                 "this emitter")
            return self._call_alone(call, deadline)
        finally:
            self._lock.release()

    def _call_alone(self, call: Callable[[Any, int], int], deadline: float) -> int:
        self._in_call = True
        try:
            # Ours until it returns, whatever a signal's handler closes meanwhile.
            emitter = self._native
            if emitter is None:
                emitter = self._native = native.fw_emitter_new(self._options)
            left_ms = math.ceil((deadline - time.monotonic()) * 1000)
            return call(emitter, max(left_ms, 1))
        finally:
            self._in_call = False
            if self._closed:
                self._native = None

    def _forget_parent(self) -> None:
        """In a forked child. The lock may be held by a thread that doesn't exist here.
        The connection is the parent's: letting go of it closes this process' descriptor
        and writes nothing; if a thread was just using it, that thread's frame keeps it.
        """
        self._lock = threading.RLock()
        self._in_call = False
        self._native = None


def _checked(timeout: Any) -> float:
    if isinstance(timeout, timedelta):
        timeout = timeout.total_seconds()
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError("timeout is a number of seconds or a timedelta, not "
                        + type(timeout).__name__)
    if not 0 < timeout <= _LONGEST:
        raise ValueError("timeout: %r: more than 0 and at most %d seconds"
                         % (timeout, _LONGEST))
    return float(timeout)


_emitters: "weakref.WeakSet[Emitter]" = weakref.WeakSet()


def _after_fork() -> None:
    for emitter in _emitters:
        emitter._forget_parent()


os.register_at_fork(after_in_child=_after_fork)
