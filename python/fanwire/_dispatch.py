"""The dispatcher: takes events from the hub's queue and calls handlers.

One for each life of a hub, on one event loop: the queue's descriptor wakes it, and it
takes events in batches. A sync handler of a session that isn't busy is called right
there; everything else goes to the session's lane. An event is given back to the hub when
its handler has finished, so a session whose handlers are slow is read more slowly.

It keeps the sessions of this node and the answers that are still to come; both go when
the hub says so. It doesn't know how a hub is started or stopped.
"""

import asyncio
import itertools
import threading
from functools import partial
from time import monotonic
from types import CoroutineType
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, TypeVar

from . import native
from ._answer import Answer
from ._errors import ClosedError, Error, by_number
from ._handlers import Handler, Handlers
from ._history import Joined, joined
from ._lanes import Lane, Lanes, Work, current_work
from ._log import Log
from ._presence import Member, node
from ._request import Request
from ._session import Session
from ._verdict import ASKS, cancelled, decide

BATCH = 1024
# How long handlers that are called without a task may hold the event loop before others
# have a turn: less than anybody sees, and more than a batch of quick ones needs.
SLICE_S = 0.01
# A session that was let in is open in no time. If it isn't, its client has gone, and
# nobody says so: then this is how long request.state is kept.
STATE_S = 60.0

CONNECT: int = native.FW_EVENT_CONNECT
OPEN: int = native.FW_EVENT_OPEN
MESSAGE: int = native.FW_EVENT_MESSAGE
CLOSE: int = native.FW_EVENT_CLOSE
JOIN: int = native.FW_EVENT_JOIN
LEAVE: int = native.FW_EVENT_LEAVE
ROOM_MESSAGE: int = native.FW_EVENT_ROOM_MESSAGE
BACKPLANE_UP: int = native.FW_EVENT_BACKPLANE_UP
BACKPLANE_DOWN: int = native.FW_EVENT_BACKPLANE_DOWN
RESULT: int = native.FW_EVENT_RESULT
HISTORY: int = native.FW_EVENT_HISTORY
PRESENCE: int = native.FW_EVENT_PRESENCE
ROOM_RESET: int = native.FW_EVENT_ROOM_RESET
PUBLISH: int = native.FW_EVENT_PUBLISH
REFRESH: int = native.FW_EVENT_REFRESH
SUB_REFRESH: int = native.FW_EVENT_SUB_REFRESH
RPC: int = native.FW_EVENT_RPC
ROOM_JOIN: int = native.FW_EVENT_ROOM_JOIN
ROOM_LEAVE: int = native.FW_EVENT_ROOM_LEAVE
NODE_UP: int = native.FW_EVENT_NODE_UP
NODE_DOWN: int = native.FW_EVENT_NODE_DOWN
LOG: int = native.FW_EVENT_LOG

# What the event loop passes on instead of going on after it.
ENDS_ALL = (KeyboardInterrupt, SystemExit)

_T = TypeVar("_T")

_poll = native.fw_hub_poll
_done = native.fw_events_done


class Dispatcher:
    """Between the queue of a hub and the handlers."""

    def __init__(self, handle: Any, handlers: Handlers, log: Log) -> None:
        self.handle = handle
        self.log = log
        self.sessions: Dict[str, Session] = {}
        self.lanes: Lanes = None  # type: ignore[assignment]  # from begin() on
        self._handlers: Dict[int, Optional[Handler]] = handlers.table()
        self._said = self._direct(MESSAGE)
        published = self._handlers[ROOM_MESSAGE]
        self._published_n = 3 if published is not None and published.wants_more else 2
        self._batch: Iterator[Tuple[int, str, Any, Any]] = iter(())
        self._in_batch = False
        self._turn_waits = False
        self._is_detached = False
        self._states: Dict[str, Tuple[float, Dict[str, Any]]] = {}
        self._refs = itertools.count(1)
        # Of each answer to come: what is made of the event, and of a join that the
        # session's own handler or reader has asked for, the lane that notes it. Whoever
        # asks may be in any thread, or in a signal's handler that has interrupted just
        # this: so there is no lock, and each change is one call of a dict.
        self._answers: Dict[int, Tuple[Answer[Any], Callable[..., Any],
                                       Optional[Lane]]] = {}
        self._on: Dict[int, Callable[[str, Any, Any], bool]] = {
            CONNECT: self._on_connect,
            OPEN: self._on_open,
            MESSAGE: self._on_message,
            CLOSE: self._on_close,
            JOIN: self._on_join,
            LEAVE: self._on_leave,
            ROOM_MESSAGE: self._on_room_message,
            BACKPLANE_UP: self._on_backplane_up,
            BACKPLANE_DOWN: self._on_backplane_down,
            RESULT: self._on_answer,
            HISTORY: self._on_answer,
            PRESENCE: self._on_answer,
            ROOM_RESET: self._on_room_reset,
            PUBLISH: self._on_publish,
            REFRESH: self._on_refresh,
            SUB_REFRESH: self._on_sub_refresh,
            RPC: self._on_rpc,
            ROOM_JOIN: partial(self._on_member, ROOM_JOIN),
            ROOM_LEAVE: partial(self._on_member, ROOM_LEAVE),
            NODE_UP: partial(self._on_node, NODE_UP),
            NODE_DOWN: partial(self._on_node, NODE_DOWN),
            LOG: self._on_log,
        }

    # --- life ---

    def begin(self, loop: asyncio.AbstractEventLoop, concurrency: int) -> None:
        """The hub is running: take events from now on, on this loop."""
        self._loop = loop
        self._thread = threading.get_ident()
        self._node = "%016x" % native.fw_hub_node(self.handle)
        self.lanes = Lanes(loop, concurrency, self._perform, self._finish)
        self._busy: Dict[str, Lane] = self.lanes.sessions
        loop.add_reader(native.fw_hub_event_fd(self.handle), self.turn)

    async def settle(self, left: Callable[[], float]) -> None:
        """Handle what waits until nothing is, or no time is left."""
        while True:
            while self.turn():
                if left() <= 0 and self.sessions:
                    return  # they may go on sending for ever
                await asyncio.sleep(0)
            if self.lanes.is_quiet() or left() <= 0:
                return
            await self.lanes.quiet(left())

    def hurry(self) -> None:
        """There is less time left than was said."""
        self.lanes.stop_waiting()

    def cancel(self) -> "List[asyncio.Task[None]]":
        """Take no more events, and cancel the handlers that run."""
        self.detach()
        tasks = self.lanes.end()
        if tasks:
            self.log.handlers.warning("%d handlers were still running and are cancelled",
                                      len(tasks))
        return tasks

    def detach(self) -> None:
        """Leave the loop, and what is left of a batch: no handler is called any more."""
        self._is_detached = True
        self._in_batch = False
        self._batch = iter(())
        self._loop.remove_reader(native.fw_hub_event_fd(self.handle))

    def forget(self) -> None:
        """Nothing of this hub will be heard any more."""
        for session in list(self.sessions.values()):
            session._closed = True
        self.sessions.clear()
        self._states.clear()
        for ref in list(self._answers):
            answer, _ = self._take_answer(ref)
            if answer is not None:
                answer.set_exception(ClosedError("the hub has stopped"))

    def log_only(self) -> None:
        """A hub that couldn't start may have said why."""
        for kind, _, payload, _ in _poll(self.handle, BATCH, 0):
            if kind == LOG:
                self.log.line(*payload)

    # --- events ---

    def turn(self) -> bool:
        """Handle a batch, or as much of it as is fair; False: there was nothing."""
        if self._is_detached:
            return False
        if not self._in_batch:
            try:
                batch = _poll(self.handle, BATCH, 0)
            except ClosedError:
                return False
            if not batch:
                return False
            self._batch = iter(batch)
            self._in_batch = True
        finished: List[Any] = []
        try:
            self._in_batch = self._handle_some(finished)
        finally:
            # After KeyboardInterrupt the rest of the batch is still to be handled.
            if finished:
                _done(self.handle, finished)
            if self._in_batch and not self._turn_waits:
                self._turn_waits = True
                self._loop.call_soon(self._next_turn)
        return True

    def _next_turn(self) -> None:
        self._turn_waits = False
        self.turn()

    def _handle_some(self, finished: List[Any]) -> bool:
        """True: some of the batch is left for the next turn."""
        done = finished.append
        said, sessions, busy, on = self._said, self.sessions, self._busy, self._on
        until = monotonic() + SLICE_S
        for kind, identity, payload, event in self._batch:
            if kind == MESSAGE and said is not None and identity not in busy:
                session = sessions.get(identity) or self._meet(identity, event)
                try:
                    outcome = said(session, payload)
                except ENDS_ALL:
                    done(event)
                    raise
                except BaseException as error:
                    self._failed(MESSAGE, session, error)
                    done(event)
                else:
                    if outcome is None or self._is_over(
                            busy, identity, MESSAGE, session, event, outcome):
                        done(event)
            elif on[kind](identity, payload, event):
                done(event)
            if monotonic() > until:
                return True
        return False

    # Each of these says whether the event is finished.

    def _on_connect(self, identity: str, payload: None, event: Any) -> bool:
        request = Request(identity, native.fw_event_ref(event))
        return self._submit(self._busy, identity, CONNECT, request, (request,), event)

    def _on_open(self, identity: str, payload: None, event: Any) -> bool:
        session = self._meet(identity, event)
        return self._submit(self._busy, identity, OPEN, session, (session,), event)

    def _on_message(self, identity: str, payload: Any, event: Any) -> bool:
        session = self.sessions.get(identity) or self._meet(identity, event)
        return self._submit(self._busy, identity, MESSAGE, session, (session, payload),
                            event)

    def _on_close(self, identity: str, payload: Tuple[int, str], event: Any) -> bool:
        session = self.sessions.get(identity) or self._meet(identity, event)
        session._closed = True
        del self.sessions[identity]
        return self._submit(self._busy, identity, CLOSE, session, (session, *payload),
                            event)

    def _on_join(self, identity: str, room: str, event: Any) -> bool:
        session = self.sessions.get(identity) or self._meet(identity, event)
        if self.lanes.waits_for_join(identity, room):
            handler = self._handlers[JOIN]
            if handler is not None and handler.is_async:
                self.lanes.put_alone((JOIN, session, (session, room), event, None),
                                     self.lanes.current(identity))
                return False
            return self._call(self._busy, identity, JOIN, session, (session, room), event)
        return self._submit(self._busy, identity, JOIN, session, (session, room), event)

    def _on_publish(self, identity: str, payload: Tuple[str, Any], event: Any) -> bool:
        session = self.sessions.get(identity) or self._meet(identity, event)
        return self._submit(self._busy, identity, PUBLISH, session, (session, *payload),
                            event)

    def _on_refresh(self, identity: str, payload: None, event: Any) -> bool:
        session = self.sessions.get(identity) or self._meet(identity, event)
        return self._submit(self._busy, identity, REFRESH, session, (session,), event)

    def _on_sub_refresh(self, identity: str, room: str, event: Any) -> bool:
        session = self.sessions.get(identity) or self._meet(identity, event)
        return self._submit(self._busy, identity, SUB_REFRESH, session, (session, room),
                            event)

    def _on_rpc(self, identity: str, payload: Tuple[str, str], event: Any) -> bool:
        session = self.sessions.get(identity) or self._meet(identity, event)
        return self._submit(self._busy, identity, RPC, session, (session, *payload),
                            event)

    def _on_leave(self, identity: str, payload: Tuple[str, int], event: Any) -> bool:
        session = self.sessions.get(identity) or self._meet(identity, event)
        return self._submit(self._busy, identity, LEAVE, session, (session, payload[0]),
                            event)

    def _on_room_message(self, identity: str, payload: Tuple[str, Any, Optional[str]],
                         event: Any) -> bool:
        return self._submit(self.lanes.rooms, payload[0], ROOM_MESSAGE, None,
                            payload[:self._published_n], event)

    def _on_room_reset(self, identity: str, payload: Tuple[str, str],
                       event: Any) -> bool:
        return self._submit(self.lanes.rooms, payload[0], ROOM_RESET, None, payload,
                            event)

    def _on_member(self, kind: int, identity: str,
                   payload: Tuple[str, Optional[str], str, bytes], event: Any) -> bool:
        room, user, node_name, info = payload
        member = Member(identity, user, node_name, info)
        return self._submit(self.lanes.rooms, room, kind, None, (room, member), event)

    def _on_node(self, kind: int, identity: str, name: str, event: Any) -> bool:
        return self._submit(self.lanes.others, "nodes", kind, None,
                            (node(identity, name),), event)

    def _on_backplane_up(self, identity: str, payload: None, event: Any) -> bool:
        return self._submit(self.lanes.others, "backplane", BACKPLANE_UP, None, (), event)

    def _on_backplane_down(self, identity: str, reason: str, event: Any) -> bool:
        return self._submit(self.lanes.others, "backplane", BACKPLANE_DOWN, None,
                            (reason,), event)

    def _on_answer(self, identity: str, payload: Tuple[Any, ...], event: Any) -> bool:
        ref, code, reason, *told = payload
        answer, made = self._take_answer(ref)
        if answer is None or made is None:
            pass
        elif code == native.FW_OK:
            answer.set_result(made(*told))
        else:
            error = by_number.get(code, Error)
            answer.set_exception(error(reason or native.fw_strerror(code)))
        return True

    def _on_log(self, identity: str, payload: Tuple[int, str, str], event: Any) -> bool:
        self.log.line(*payload)
        return True

    # --- handlers ---

    def _submit(self, home: Dict[str, Lane], key: str, kind: int, whose: Any,
                arguments: Tuple[Any, ...], event: Any) -> bool:
        handler = self._handlers[kind]
        if key in home or (handler is not None and handler.is_async):
            self.lanes.put(home, key, (kind, whose, arguments, event, None))
            return False
        return handler is None or self._call(home, key, kind, whose, arguments, event)

    def _call(self, home: Dict[str, Lane], key: str, kind: int, whose: Any,
              arguments: Tuple[Any, ...], event: Any) -> bool:
        """Call a sync handler, here and now."""
        handler = self._handlers[kind]
        assert handler is not None
        try:
            outcome = handler.function(*arguments)
        except ENDS_ALL:
            if kind in ASKS:
                cancelled(self.handle, self.log, kind, whose, event)
            raise
        except BaseException as error:
            self._conclude(kind, whose, event, None, error)
            return True
        if outcome is not None and not self._is_over(home, key, kind, whose, event,
                                                     outcome):
            return False
        self._conclude(kind, whose, event, outcome, None)
        return True

    def _is_over(self, home: Dict[str, Lane], key: str, kind: int, whose: Any, event: Any,
                 outcome: Any) -> bool:
        """False: it wasn't `async def`, but what it returned must be awaited as if."""
        if not isinstance(outcome, CoroutineType):
            return True
        handler = self._handlers[kind]
        assert handler is not None
        handler.is_async = True
        if kind == MESSAGE:
            self._said = None
        work = (kind, whose, (whose,), event, outcome)
        if key in home:
            self.lanes.put_alone(work, self.lanes.current(key))
        else:
            self.lanes.put(home, key, work)
        return False

    async def _perform(self, work: Work) -> None:
        """Handle one event in a task; raises nothing but what ends the task."""
        kind, whose, arguments, event, started = work
        handler = self._handlers[kind]
        if handler is None:
            return
        try:
            outcome = started if started is not None else handler.function(*arguments)
            if handler.is_async or isinstance(outcome, CoroutineType):
                outcome = await outcome
        except (asyncio.CancelledError, GeneratorExit, *ENDS_ALL) as error:
            if isinstance(error, asyncio.CancelledError) and not self._is_detached:
                self._failed(kind, whose, error)  # not we have cancelled it
            if kind in ASKS:
                cancelled(self.handle, self.log, kind, whose, event)
            raise
        except BaseException as error:
            self._conclude(kind, whose, event, None, error)
        else:
            self._conclude(kind, whose, event, outcome, None)

    def _conclude(self, kind: int, whose: Any, event: Any, outcome: Any,
                  error: Optional[BaseException]) -> None:
        """The handler has returned, or raised."""
        if kind in ASKS:
            if kind == CONNECT and error is None and whose._state is not None:
                self._keep_state(whose)
            decide(self.handle, self.log, kind, whose, event, outcome, error)
        elif error is not None:
            self._failed(kind, whose, error)

    def _failed(self, kind: int, whose: Any, error: BaseException) -> None:
        handler = self._handlers[kind]
        assert handler is not None
        self.log.failed(handler.name, whose, error)

    def _direct(self, kind: int) -> Optional[Callable[..., Any]]:
        handler = self._handlers[kind]
        return None if handler is None or handler.is_async else handler.function

    def _finish(self, event: Any) -> None:
        _done(self.handle, event)

    # --- sessions ---

    def _meet(self, identity: str, event: Any) -> Session:
        """The session is seen for the first time, by its OPEN if nothing went wrong."""
        kept = self._states.pop(identity, None) if self._states else None
        session = Session(identity, self, event, kept[1] if kept else None)
        self.sessions[identity] = session
        return session

    def _keep_state(self, request: Request) -> None:
        now = monotonic()
        states = self._states
        while states:
            oldest = next(iter(states))
            if states[oldest][0] > now - STATE_S:
                break
            del states[oldest]
        states[request.id] = (now, request.state)

    # --- joins ---

    def is_own_task(self) -> bool:
        """Is this code part of a handler that runs?"""
        work = current_work.get()
        return work is not None and self.lanes is not None and self.lanes.runs(work)

    def join(self, identity: str, room: str, since: Optional[str]) -> Answer[Joined]:
        """Ask for a join. In any thread."""
        if not identity.startswith(self._node):
            native.fw_session_join_since(self.handle, identity, room, since, 0)
            there: Answer[Joined] = Answer()
            there.set_result(Joined(None, False))
            return there
        return self.ask(
            "join of room %r (session=%s)" % (room, identity), joined,
            lambda ref: native.fw_session_join_since(self.handle, identity, room, since,
                                                     ref),
            self.lanes.holder(identity), room)

    def ask(self, what: str, made: Callable[..., _T], call: Callable[[int], None],
            holder: Optional[Tuple[Lane, Any]] = None, room: str = "") -> Answer[_T]:
        """call(ref) asks something, and made() of what the event tells is its answer.

        holder: who of the session's own asks for a join, and of which room it is. In any
        thread.
        """
        answer: Answer[_T] = Answer(
            self._thread, lambda error: self.log.unheard(what, error))
        ref = next(self._refs)
        lane = None
        if holder is not None:
            lane, who = holder
            lane.joins[ref] = (room, who)
        self._answers[ref] = (answer, made, lane)
        try:
            call(ref)
        except BaseException:
            self._take_answer(ref)
            raise
        return answer

    def _take_answer(self, ref: int,
                     ) -> Tuple[Optional[Answer[Any]], Optional[Callable[..., Any]]]:
        answer, made, lane = self._answers.pop(ref, (None, None, None))
        if lane is not None:
            lane.joins.pop(ref, None)
        return answer, made
