"""A session: one WebSocket connection, on this node or on another.

The dispatcher makes a Session for each connection of this node; a SessionHandle is made
of an id alone. Both only pass on to the C library what is to be done.
"""

import asyncio
from typing import (TYPE_CHECKING, Any, AsyncIterator, Callable, Coroutine, Dict,
                    Optional, Union)

from . import native
from ._answer import Answer
from ._data import Data, Message, encode, plain
from ._errors import GoneError
from ._history import Joined
from ._request import Facts, Query

if TYPE_CHECKING:
    from ._dispatch import Dispatcher

_send = native.fw_session_send


class SessionHandle:
    """A session by its id, wherever in the cluster it lives.

    It may be kept as long as one likes and used from any thread. What is sent to a
    session of another node is carried there.
    """

    __slots__ = ("_id", "_handle", "_dispatcher", "_gone", "__weakref__")

    def __init__(self, identity: str, dispatcher: "Dispatcher") -> None:
        self._id = identity
        self._dispatcher = dispatcher
        self._handle = dispatcher.handle
        self._gone = False  # the hub has said so; its CLOSE may still wait in the queue

    @property
    def id(self) -> str:
        """Its name, unique in the cluster: 32 hexadecimal digits."""
        return self._id

    @property
    def node(self) -> int:
        """The number of the node that it lives on."""
        return int(self._id[:16], 16)

    def send(self, data: Data) -> None:
        """Send bytes to one session.

        It returns when they are on their way. Raises GoneError for a session of this
        node that is closed, TooBigError, BusyError if too much waits already,
        ClosedError if the hub is not running.
        """
        try:
            if type(data) is str or type(data) is bytes:
                _send(self._handle, self._id, data)
            elif isinstance(data, Message):
                native.fw_session_send_message(self._handle, self._id, data._native)
            else:
                _send(self._handle, self._id, encode(data))
        except GoneError:
            self._gone = True
            raise

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close a session: what is queued for it goes first, then the Close frame.

        code is 1000 to 1003, 1007 to 1014 or 3000 to 4999; reason has at most 123 bytes.
        """
        self._call(native.fw_session_close, code, reason)

    def join(self, room: str, *, since: Optional[str] = None) -> Answer[Joined]:
        """Put a session into a room.

        It hears what is published once the join is complete, and what this node
        publishes to the room after this call waits for that: "join, then publish"
        always hears itself. The answer, which may be awaited and need not, tells when
        the join is complete or why it failed: RefusedError, LimitError, GoneError. For a
        session of another node it is there at once and tells nothing.

        In a room with history the answer has the position behind which the session hears
        everything. since: the position of the last message that it has seen; it is given
        what it has missed, and the answer's `recovered` says whether that was possible.
        "0/N" is the newest N messages.
        """
        try:
            return self._dispatcher.join(self._id, room, since)
        except GoneError:
            self._gone = True
            raise

    def leave(self, room: str) -> None:
        """Take a session out of a room. Not being there is not an error."""
        self._call(native.fw_session_leave, room)

    def set_user(self, user: Optional[str]) -> None:
        """Say whose session it is, later than at on_connect; None: nobody's."""
        self._call(native.fw_session_set_user, user)
        session = self._dispatcher.sessions.get(self._id)
        if session is not None:
            session._user = user

    def set_info(self, info: Data) -> None:
        """What presence tells of a session beside its user: a name to show, a colour,
        whatever you like.

        At most 1024 bytes. Every room where it is present tells the newest.
        """
        self._call(native.fw_session_set_info, plain(info))

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            function(self._handle, self._id, *arguments)
        except GoneError:
            self._gone = True
            raise

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SessionHandle) and other._id == self._id

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        return "<fanwire.%s %s>" % (type(self).__name__, self._id)


class Session(SessionHandle, Facts):
    """A session of this node, with the facts of its handshake."""

    __slots__ = ("_event", "_query", "_state", "_user", "_closed")

    def __init__(self, identity: str, dispatcher: "Dispatcher", event: Any,
                 state: Optional[Dict[str, Any]]) -> None:
        super().__init__(identity, dispatcher)
        self._event = native.fw_event_ref(event)
        self._query: Optional[Query] = None
        self._state = state
        self._user: Optional[str] = native.fw_event_user(event)
        self._closed = False

    @property
    def user(self) -> Optional[str]:
        """Whose session it is: what on_connect gave, or set_user() on this node."""
        return self._user

    @property
    def state(self) -> Dict[str, Any]:
        """A dict of your own; what on_connect put into request.state is in it."""
        if self._state is None:
            self._state = {}
        return self._state

    @property
    def closed(self) -> bool:
        """Has it ended? True as soon as the hub knows, before on_close is called."""
        return self._closed

    def receive(self) -> "Coroutine[Any, Any, Union[str, bytes]]":
        """The next message of the client, which then doesn't go to on_message.

        In a handler of this session messages come here until the handler returns; in
        another task until that task ends (better there: `async for`, which gives the
        session back when it is left). The message before counts as handled when the next
        is asked for. Raises GoneError when the session has ended.
        """
        # Not `async def`: whose call it is must be seen here. wait_for() before 3.12 runs
        # what it is given in a task of its own, which ends with each message.
        lanes = self._dispatcher.lanes
        return lanes.receive(self, lanes.caller())

    def __aiter__(self) -> "AsyncIterator[Union[str, bytes]]":
        return self._messages(self._dispatcher.lanes.caller())

    async def _messages(self, caller: "Optional[asyncio.Task[Any]]",
                        ) -> AsyncIterator[Union[str, bytes]]:
        lanes = self._dispatcher.lanes
        # A loop that was left by `break` ends later than the next one begins.
        lease = object()
        try:
            while True:
                try:
                    message = await lanes.receive(self, caller, lease)
                except GoneError:
                    return
                yield message
        finally:
            lanes.give_back(self._id, lease)
