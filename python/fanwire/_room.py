"""Rooms and users: names that can be sent to. Neither needs to be created."""

from typing import TYPE_CHECKING, Optional

from . import native
from ._answer import Answer
from ._data import Data, Skip
from ._history import History

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

    def history(self, *, since: Optional[str] = None, limit: int = 100,
                reverse: bool = False) -> Answer[History]:
        """Messages that are kept of the room. As Hub.history."""
        return self._hub.history(self.name, since=since, limit=limit, reverse=reverse)

    def forget(self) -> Answer[Optional[str]]:
        """Forget what is kept of the room. As Hub.forget."""
        return self._hub.forget(self.name)

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

    def __repr__(self) -> str:
        return "<fanwire.User %r>" % self.name
