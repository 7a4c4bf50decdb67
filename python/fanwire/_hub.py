"""A hub: this process' part of the cluster, as an application sees it.

What it does is elsewhere: _life starts and ends it, _dispatch calls the handlers. Here
are its options, its handlers' registration, and the calls that send.
"""

import asyncio
import logging
import os
import threading
from types import TracebackType
from typing import Any, Callable, Dict, List, Optional, Type, TypeVar, Union

from . import _options, native
from ._answer import Answer
from ._data import Data, Message, Skip, check_id, encode, message, whole
from ._errors import ClosedError, OptionError, StateError
from ._handlers import Handlers
from ._history import History, history, position_of
from ._life import Life, check_fork, loop_is_running, stop_abandoned, weakly
from ._log import Log
from ._options import OptionValue
from ._presence import Node, Presence, nodes, presence
from ._room import Room, User
from ._session import Session, SessionHandle
from ._signals import StopOnSignal

_F = TypeVar("_F", bound=Callable[..., Any])
_T = TypeVar("_T")

_OWN_KEYWORDS = ("concurrency", "config", "environment", "logger")

# `python -m fanwire run` sets it before it imports the application.
is_run_by_command = False

_publish = native.fw_room_publish


class Hub:
    """This process' part of the cluster: its sessions, its rooms, its link to the others.

        hub = fanwire.Hub(listen="ws://127.0.0.1:9090/ws")

    Every option of the table is a keyword (redis.url is redis_url=). Values are text as
    a person writes it ("25s", "1MiB"), numbers, True and False, timedelta, paths, and
    lists of them; None leaves the default. config names an INI file that is read first,
    environment=True the FANWIRE_ variables that come next; keywords win.

    concurrency: how many `async def` handlers run at a time. logger: whose children take
    what the hub says of itself, "fanwire" if none is given.

    Handlers are registered before it is started. All calls may be made from any thread.
    """

    _life: Optional[Life] = None

    def __init__(self, *, concurrency: int = 1000,
                 config: Union[None, str, "os.PathLike[str]"] = None,
                 environment: bool = False, logger: Optional[logging.Logger] = None,
                 **options: OptionValue) -> None:
        if not isinstance(concurrency, int) or concurrency < 1:
            raise OptionError("concurrency: %r: a whole number of 1 or more is wanted"
                              % (concurrency,))
        if logger is not None and not isinstance(logger, logging.Logger):
            raise TypeError("logger: a logging.Logger is wanted, not %r" % (logger,))
        _refuse_events(options)
        self._options = _options.make(options, config=config, environment=environment,
                                      others=_OWN_KEYWORDS)
        native.fw_options_set(self._options, "events", "queued")
        self._concurrency = concurrency
        self._log = Log(logger)
        self._handlers = Handlers()
        self._handle: Any = None
        self._pid = os.getpid()
        self._lock = threading.Lock()

    def configure(self, **options: OptionValue) -> None:
        """Change options before the hub is started; as the keywords of Hub()."""
        self._check_stopped("options are changed")
        _refuse_events(options)
        _options.change(self._options, options)

    def option(self, name: str) -> str:
        """The present value of an option as text; a list is joined by commas."""
        value: str = native.fw_options_get(self._options, _options.name_of(name))
        return value

    # --- handlers ---

    def on_connect(self, handler: _F) -> _F:
        """handler(request): a client asks to come in.

        It returns None, or the name of the user whose session it is; to refuse it raises
        Refuse. Until it has returned the client waits, for option decision.timeout.
        """
        return self._register("on_connect", handler)

    def on_open(self, handler: _F) -> _F:
        """handler(session): the session is open; it may be sent to."""
        return self._register("on_open", handler)

    def on_message(self, handler: _F) -> _F:
        """handler(session, data): the client said something, str or bytes."""
        return self._register("on_message", handler)

    def on_close(self, handler: _F) -> _F:
        """handler(session, code, reason): the session has ended.

        Once for each on_open. code is 1005 if none was given, 1006 if the connection
        broke.
        """
        return self._register("on_close", handler)

    def on_join(self, handler: _F) -> _F:
        """handler(session, room): a session is to enter a room, by its name.

        None or True lets it in; False, or raising Refuse, doesn't. It is called for
        every join, the application's own too.
        """
        return self._register("on_join", handler)

    def on_publish(self, handler: _F) -> _F:
        """handler(session, room, data): a client asks to say something in a room.

        data is str or bytes. Return None or True to have it said; JSON, as str, dict or
        list, to be said instead; False or raise Refuse to refuse.
        """
        return self._register("on_publish", handler)

    def on_refresh(self, handler: _F) -> _F:
        """handler(session): a client has been connected for as long as its token allowed.

        Of clients of the Centrifuge protocol. Return until when it may stay, in seconds
        since 1970; False, or raise Refuse, and its connection ends. If the handler fails,
        it stays and is asked about again in a minute.
        """
        return self._register("on_refresh", handler)

    def on_sub_refresh(self, handler: _F) -> _F:
        """handler(session, room): the same of its subscription to a room, which ends."""
        return self._register("on_sub_refresh", handler)

    def on_rpc(self, handler: _F) -> _F:
        """handler(session, method, data): a client of the Centrifuge protocol calls.

        data is the JSON that it gave, as text ("null" if it gave none). What is returned
        is the answer: JSON as text, any other text or bytes, a dict or a list, or None;
        raise Refuse for an error.
        """
        return self._register("on_rpc", handler)

    def on_leave(self, handler: _F) -> _F:
        """handler(session, room): a session that was in a room isn't any more."""
        return self._register("on_leave", handler)

    def on_room_message(self, handler: _F) -> _F:
        """handler(room, data): something was published to a room that has members here.

        A handler(room, data, position) is told the message's position, too: None in a
        room without history. What comes faster than it is handled is dropped at last, and
        counted.
        """
        return self._register("on_room_message", handler)

    def on_room_reset(self, handler: _F) -> _F:
        """handler(room, position): what was said in a room goes on behind this position.

        And not behind the last message that its members had: what was kept is lost, was
        forgotten, or reaches back too little.
        """
        return self._register("on_room_reset", handler)

    def on_room_join(self, handler: _F) -> _F:
        """handler(room, member): a session, of any node, has come into a room.

        Into one that has members here already, and the option join_leave.
        """
        return self._register("on_room_join", handler)

    def on_room_leave(self, handler: _F) -> _F:
        """handler(room, member): it isn't there any more; or its node is dead."""
        return self._register("on_room_leave", handler)

    def on_node_up(self, handler: _F) -> _F:
        """handler(node): another node is there."""
        return self._register("on_node_up", handler)

    def on_node_down(self, handler: _F) -> _F:
        """handler(node): it has stopped, or wasn't heard of for option node.lease."""
        return self._register("on_node_down", handler)

    def on_backplane_up(self, handler: _F) -> _F:
        """handler(): the backplane can be reached (again)."""
        return self._register("on_backplane_up", handler)

    def on_backplane_down(self, handler: _F) -> _F:
        """handler(reason): the backplane can't be reached."""
        return self._register("on_backplane_down", handler)

    # --- running ---

    def run(self) -> None:
        """Start, and return when the hub has been stopped.

        SIGINT and SIGTERM stop it in order: it drains, and handlers finish. A second
        signal ends it at once. In another thread than the main one it hears no signals.
        In a module that `python -m fanwire run` imports it does nothing.
        """
        if is_run_by_command:
            self._log.hub.warning(
                "hub.run() is left out: `fanwire run` runs the hub. "
                "Put it under `if __name__ == \"__main__\":`")
            return
        if loop_is_running():
            raise StateError("run() has an event loop of its own, and here one is "
                             "running: use `await hub.serve()`")
        asyncio.run(self._run())

    async def _run(self) -> None:
        with StopOnSignal(self.stop) as signals:
            life = await self._start_here()
            if signals.seen:  # perhaps before there was anything to stop
                life.stop()
            await life.stay()

    async def serve(self) -> None:
        """Start if needed, and return when the hub has been stopped.

        If it is cancelled the hub is drained and ended first.
        """
        life = None if self._is_forked() else self._life
        if life is None:
            life = await self._start_here()
        await life.stay()

    def stop(self) -> None:
        """Ask the hub to end: drain, then stop. Returns at once.

        In any thread, and in any handler. Whoever waits in run() or serve() returns when
        it is over.
        """
        life = self._life
        if life is not None:
            check_fork(life)
            life.stop()

    def start(self) -> None:
        """Listen, connect, start the threads. Handlers run in a thread of their own.

        When it returns every address is listened on; Redis may still be away unless
        redis_required is on. For programs that have no asyncio loop.
        """
        self._new_life().run_in_thread()

    def close(self, timeout: Optional[float] = None) -> None:
        """End what start() began: drain, stop, and wait until handlers have finished.

        timeout is in seconds; None: option drain.timeout. What still runs then is
        cancelled. Closing twice is not an error.
        """
        life = self._life
        if life is None or self._forget_parents():
            return
        life.check_wait()
        if life.thread is None and not life.loop_is_closed():
            raise StateError("the hub runs on an asyncio loop: use `await hub.aclose()`")
        life.stop(timeout)
        life.ended.result()
        if life.thread is not None:
            life.thread.join()

    def __enter__(self) -> "Hub":
        self.start()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]],
                 error: Optional[BaseException],
                 where: Optional[TracebackType]) -> None:
        self.close()

    async def astart(self) -> None:
        """Listen, connect, start the threads. Handlers run on the running asyncio loop.

        As start() otherwise.
        """
        await self._start_here()

    async def aclose(self, timeout: Optional[float] = None) -> None:
        """End the hub: drain, stop, and wait until handlers have finished. As close()."""
        life = self._life
        if life is None or self._forget_parents():
            return
        life.check_wait()
        life.stop(timeout)
        await life.stay()

    async def __aenter__(self) -> "Hub":
        await self.astart()
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]],
                        error: Optional[BaseException],
                        where: Optional[TracebackType]) -> None:
        await self.aclose()

    # --- sending ---

    def publish(self, room: str, data: Data, *, skip: Skip = None,
                key: Optional[str] = None) -> None:
        """Send bytes to every session in a room, on all nodes.

        It returns when they are on their way. str goes as text, bytes as binary, dict
        and list as JSON. skip: a session that is left out. key: in a room with history
        the message is kept once, however often it is published with that key within 5
        minutes. Raises InvalidError for a name that isn't allowed, TooBigError,
        BusyError if too much waits already, ClosedError if the hub is not running.
        """
        handle = self._handle
        if handle is None:
            raise _not_running()
        if skip is None and key is None and (type(data) is str or type(data) is bytes):
            _publish(handle, room, data)
        elif skip is None and key is None and not isinstance(data, Message):
            _publish(handle, room, encode(data))
        else:
            native.fw_room_publish_message(handle, room, message(data, skip, key))

    def apublish(self, room: str, data: Data, *, skip: Skip = None,
                 key: Optional[str] = None) -> Answer[Optional[str]]:
        """As publish(), and the answer, which may be awaited, tells what became of it.

        That the backplane has it: its position in a room with history, else None. Or why
        not: TimedOutError if it waited for Redis too long (redis.queue.deadline),
        BusyError, BackplaneError. With a key it may be published again without harm.
        """
        asked = message(data, skip, key)
        return self._ask("publish to room %r" % (room,), position_of,
                         native.fw_room_publish_ref, room, asked)

    def send_here(self, room: str, data: Data, *, skip: Skip = None) -> None:
        """Send bytes to the sessions in a room that are on this node, and to nobody
        elsewhere.

        That is for what handlers have to tell that are called on every node, of
        on_room_leave, say. No history keeps it. As publish() otherwise.
        """
        native.fw_room_send_here_message(self._running_handle(), room,
                                         message(data, skip))

    def history(self, room: str, *, since: Optional[str] = None, limit: int = 100,
                reverse: bool = False) -> Answer[History]:
        """Ask for messages that are kept of a room: those behind a position.

        since: None is the beginning, and with reverse the end, from where it goes
        backwards. At most limit messages, up to 10000, and there may be fewer: for more
        ask again with the position of the last one, until it is the history's own (with
        reverse, until there are none). Raises StateError if the room has no history.
        """
        order = native.FW_HISTORY_REVERSE if reverse else 0
        return self._ask("history of room %r" % (room,), history, native.fw_room_history,
                         room, since, limit, order)

    def forget(self, room: str) -> Answer[Optional[str]]:
        """Forget what is kept of a room; the answer is where it begins anew.

        Members are told. Who comes back with a position from before isn't recovered.
        """
        return self._ask("forgetting of room %r" % (room,), position_of,
                         native.fw_room_forget, room)

    def presence(self, room: str, *, limit: int = 1000,
                 cursor: Optional[int] = None) -> Answer[Presence]:
        """Ask who is in a room, on all nodes: a page of about so many members.

        limit: up to 10000; 0: only how many they are. cursor: the last page's, for the
        next. Who is there all the while is in one of the pages; who comes or goes
        meanwhile may be. Known are sessions where the room has the option presence or
        join_leave.
        """
        return self._ask_presence("presence of room %r" % (room,),
                                  native.fw_room_presence, room, limit, cursor)

    def nodes(self) -> Answer[List[Node]]:
        """Ask which nodes there are, this one too."""
        return self._ask("list of nodes", nodes, native.fw_hub_nodes)

    def send_user(self, user: str, data: Data, *, skip: Skip = None) -> None:
        """Send bytes to every session of a user, on all nodes.

        Nobody there is not an error. As publish() otherwise.
        """
        handle = self._running_handle()
        if skip is None and not isinstance(data, Message):
            native.fw_user_send(handle, user, encode(data))
        else:
            native.fw_user_send_message(handle, user, message(data, skip))

    def send_all(self, data: Data, *, skip: Skip = None) -> None:
        """Send bytes to every session of every node. As publish() otherwise."""
        handle = self._running_handle()
        if skip is None and not isinstance(data, Message):
            native.fw_hub_send_all(handle, encode(data))
        else:
            native.fw_hub_send_all_message(handle, message(data, skip))

    def broadcast(self, data: Data, *, skip: Skip = None) -> None:
        """Send bytes to every session of every node: send_all() by another name."""
        self.send_all(data, skip=skip)

    def send_node(self, node: int, data: Data) -> None:
        """Send bytes to every session of one node.

        A node that isn't there is not an error. Raises InvalidError for a Message that
        leaves a session out.
        """
        if not isinstance(node, int):
            raise TypeError("node: int is wanted, not %s" % type(node).__name__)
        native.fw_node_send(self._running_handle(), node, whole(data))

    def room(self, name: str) -> Room:
        """A room by its name, to publish to."""
        return Room(self, name)

    def user(self, name: str) -> User:
        """A user by name, to send to."""
        return User(self, name)

    def session(self, id: str) -> SessionHandle:
        """A session by its id, of whichever node; the Session itself if it is of ours.

        Raises InvalidError if the id isn't 32 hexadecimal digits.
        """
        life = self._running_life()
        id = check_id("id", id).lower()
        return life.dispatcher.sessions.get(id) or SessionHandle(id, life.dispatcher)

    @property
    def sessions(self) -> List[Session]:
        """The open sessions of this node.

        They are known to a hub that has handlers for sessions.
        """
        life = self._life
        if life is None:
            return []
        check_fork(life)
        return list(life.dispatcher.sessions.values())

    # --- what it is ---

    @property
    def running(self) -> bool:
        """Has it been started, and not ended yet?"""
        return self._handle is not None and not self._is_forked()

    @property
    def node(self) -> int:
        """This node's number."""
        number: int = native.fw_hub_node(self._running_handle())
        return number

    @property
    def node_name(self) -> str:
        """This node's name (option node.name)."""
        name: str = native.fw_hub_node_name(self._running_handle())
        return name

    @property
    def urls(self) -> List[str]:
        """Where the hub listens, as URLs with the port that was really taken.

        Empty if it is not running.
        """
        handle = self._running_handle() if self.running else None
        found: List[str] = []
        while handle is not None:
            url = native.fw_hub_listen_url(handle, len(found))
            if url is None:
                break
            found.append(url)
        return found

    @property
    def http_address(self) -> Optional[str]:
        """The same for option http.listen, as "127.0.0.1:9190"; None: nowhere."""
        if not self.running:
            return None
        address: Optional[str] = native.fw_hub_http_address(self._running_handle())
        return address

    def stats(self) -> Dict[str, float]:
        """All figures of the hub by their names, those of /metrics.

        With labels in the name, if there are any. It may wait a second for the
        backplane's.
        """
        lines = (line for line in self.metrics().splitlines()
                 if line and not line.startswith("#"))
        return {name: float(value)
                for name, _, value in (line.rpartition(" ") for line in lines)}

    def metrics(self) -> str:
        """All figures in Prometheus' text format, as /metrics gives them."""
        text: str = native.fw_stats_text(self._running_handle())
        return text

    def __repr__(self) -> str:
        if not self.running:
            return "<fanwire.Hub, not running>"
        return "<fanwire.Hub %s>" % (" ".join(self.urls) or self.node_name)

    def __del__(self) -> None:
        if self._life is not None:
            stop_abandoned(self._life)

    # --- inside ---

    def _ask(self, what: str, made: Callable[..., _T], function: Callable[..., None],
             *arguments: Any) -> Answer[_T]:
        handle = self._running_handle()
        return self._running_life().dispatcher.ask(
            what, made, lambda ref: function(handle, *arguments, ref))

    def _ask_presence(self, what: str, function: Callable[..., None], name: str,
                      limit: int, cursor: Optional[int]) -> Answer[Presence]:
        return self._ask(what, presence, function, name, cursor or 0, limit)

    def _register(self, name: str, handler: _F) -> _F:
        self._check_stopped("handlers are registered")
        self._handlers.add(name, handler)
        return handler

    def _check_stopped(self, what: str) -> None:
        if self._life is not None and not self._is_forked():
            raise StateError("the hub is running: %s before it is started" % what)

    def _running_handle(self) -> Any:
        life = self._life
        if self._handle is None or life is None:
            raise _not_running()
        check_fork(life)
        return self._handle

    def _running_life(self) -> Life:
        life = self._life
        if life is None or not life.is_started:
            raise _not_running()
        check_fork(life)
        return life

    def _is_forked(self) -> bool:
        return self._pid != os.getpid()

    def _forget_parents(self) -> bool:
        """In a child of the process that started it; False: it is no child."""
        if not self._is_forked():
            return False
        self._pid = os.getpid()
        self._lock = threading.Lock()  # a thread that isn't here may have held it
        self._life = self._handle = None
        return True

    def _new_life(self) -> Life:
        self._forget_parents()
        with self._lock:
            if self._life is not None:
                raise StateError("the hub is running")
            self._life = Life(self._options, self._handlers, self._concurrency, self._log,
                              weakly(self._has_started), weakly(self._forget))
            return self._life

    async def _start_here(self) -> Life:
        life = self._new_life()
        await life.start()
        return life

    def _has_started(self, life: Life) -> None:
        with self._lock:
            if self._life is life:
                self._handle = life.handle

    def _forget(self, life: Life) -> None:
        with self._lock:
            if self._life is life:
                self._life = self._handle = None


def _refuse_events(options: Dict[str, OptionValue]) -> None:
    if "events" in options:
        raise OptionError("events: in Python they always wait in a queue")


def _not_running() -> ClosedError:
    return ClosedError("the hub is not running")
