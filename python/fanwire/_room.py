"""Rooms and users: names that can be sent to. Neither needs to be created."""

from typing import TYPE_CHECKING, AsyncIterator, Optional

from . import native
from ._answer import Answer
from ._data import Data, Skip
from ._history import History
from ._presence import Member, Presence

if TYPE_CHECKING:
    from ._hub import Hub


class Room:
    """A room: whoever is in it, on whichever node, receives what is published to it."""

    __slots__ = ("_hub", "name")

    def __init__(self, hub: "Hub", name: str) -> None:
        native.fw_name_check(name)
        self._hub = hub
        self.name = name

    def publish(self, data: Data, *, skip: Skip = None,
                key: Optional[str] = None) -> None:
        """Send bytes to every session in a room, on all nodes. As Hub.publish."""
        self._hub.publish(self.name, data, skip=skip, key=key)

    def apublish(self, data: Data, *, skip: Skip = None,
                 key: Optional[str] = None) -> Answer[Optional[str]]:
        """The same, and the answer tells what became of it. As Hub.apublish."""
        return self._hub.apublish(self.name, data, skip=skip, key=key)

    def send_here(self, data: Data, *, skip: Skip = None) -> None:
        """Send bytes to its sessions on this node alone. As Hub.send_here."""
        self._hub.send_here(self.name, data, skip=skip)

    def history(self, *, since: Optional[str] = None, limit: int = 100,
                reverse: bool = False) -> Answer[History]:
        """Messages that are kept of the room. As Hub.history."""
        return self._hub.history(self.name, since=since, limit=limit, reverse=reverse)

    def forget(self) -> Answer[Optional[str]]:
        """Forget what is kept of the room. As Hub.forget."""
        return self._hub.forget(self.name)

    def presence(self, *, limit: int = 1000,
                 cursor: Optional[int] = None) -> Answer[Presence]:
        """Who is in the room, on all nodes. As Hub.presence."""
        return self._hub.presence(self.name, limit=limit, cursor=cursor)

    async def members(self) -> AsyncIterator[Member]:
        """All who are in the room, for `async for`: a page after the other."""
        cursor = None
        while True:
            page = await self.presence(cursor=cursor)
            for member in page.members:
                yield member
            cursor = page.cursor
            if cursor is None:
                return

    def __repr__(self) -> str:
        return "<fanwire.Room %r>" % self.name


class User:
    """A user: all sessions, on all nodes, that were given the same name."""

    __slots__ = ("_hub", "name")

    def __init__(self, hub: "Hub", name: str) -> None:
        native.fw_name_check(name)
        self._hub = hub
        self.name = name

    def send(self, data: Data, *, skip: Skip = None) -> None:
        """Send bytes to every session of a user, on all nodes. As Hub.send_user."""
        self._hub.send_user(self.name, data, skip=skip)

    def disconnect(self, code: int = 1000, reason: str = "") -> None:
        """Close every session of a user, on all nodes."""
        native.fw_user_disconnect(self._hub._running_handle(), self.name, code, reason)

    def join(self, room: str) -> None:
        """Put every session of a user, on all nodes, into a room.

        Those that there are now, each as by Session.join. Nobody there is not an error.
        """
        native.fw_user_join(self._hub._running_handle(), self.name, room)

    def leave(self, room: str) -> None:
        """Take every session of a user, on all nodes, out of a room.

        Not being there is not an error.
        """
        native.fw_user_leave(self._hub._running_handle(), self.name, room)

    def sessions(self, *, limit: int = 1000,
                 cursor: Optional[int] = None) -> Answer[Presence]:
        """Ask whether a user is online, and where: which sessions on which nodes.

        A page at a time, as Hub.presence. Raises StateError if the option user.presence
        is off.
        """
        return self._hub._ask_presence("sessions of user %r" % (self.name,),
                                       native.fw_user_sessions, self.name, limit, cursor)

    def __repr__(self) -> str:
        return "<fanwire.User %r>" % self.name
