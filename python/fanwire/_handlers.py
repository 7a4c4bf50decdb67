"""The handlers of a hub: which there are, and whether a function fits.

A function that can't be called as it will be is refused here, when it is registered, and
not by the first client.
"""

import functools
import inspect
from typing import Any, Callable, Dict, Optional, Set, Tuple

from . import native
from ._errors import StateError

# Of each handler the event that it is for, and what it is called with.
ARGUMENTS = {
    "on_connect": (native.FW_EVENT_CONNECT, ("request",)),
    "on_open": (native.FW_EVENT_OPEN, ("session",)),
    "on_message": (native.FW_EVENT_MESSAGE, ("session", "data")),
    "on_close": (native.FW_EVENT_CLOSE, ("session", "code", "reason")),
    "on_join": (native.FW_EVENT_JOIN, ("session", "room")),
    "on_publish": (native.FW_EVENT_PUBLISH, ("session", "room", "data")),
    "on_refresh": (native.FW_EVENT_REFRESH, ("session",)),
    "on_sub_refresh": (native.FW_EVENT_SUB_REFRESH, ("session", "room")),
    "on_rpc": (native.FW_EVENT_RPC, ("session", "method", "data")),
    "on_leave": (native.FW_EVENT_LEAVE, ("session", "room")),
    "on_room_message": (native.FW_EVENT_ROOM_MESSAGE, ("room", "data")),
    "on_room_reset": (native.FW_EVENT_ROOM_RESET, ("room", "position")),
    "on_room_join": (native.FW_EVENT_ROOM_JOIN, ("room", "member")),
    "on_room_leave": (native.FW_EVENT_ROOM_LEAVE, ("room", "member")),
    "on_node_up": (native.FW_EVENT_NODE_UP, ("node",)),
    "on_node_down": (native.FW_EVENT_NODE_DOWN, ("node",)),
    "on_backplane_up": (native.FW_EVENT_BACKPLANE_UP, ()),
    "on_backplane_down": (native.FW_EVENT_BACKPLANE_DOWN, ("reason",)),
}
# What else it is called with if it has a parameter of that name behind these.
MORE = {"on_room_message": "position"}

OF_SESSIONS = {
    native.FW_EVENT_CONNECT, native.FW_EVENT_OPEN, native.FW_EVENT_MESSAGE,
    native.FW_EVENT_CLOSE, native.FW_EVENT_JOIN, native.FW_EVENT_LEAVE,
    native.FW_EVENT_PUBLISH, native.FW_EVENT_REFRESH, native.FW_EVENT_SUB_REFRESH,
    native.FW_EVENT_RPC,
}


class Handler:
    """A function and what is known of it."""

    __slots__ = ("name", "function", "is_async", "wants_more")

    def __init__(self, name: str, function: Callable[..., Any], wants_more: bool) -> None:
        self.name = name
        self.function = function
        self.is_async = is_async(function)
        self.wants_more = wants_more


class Handlers:
    """At most one handler for each kind of event."""

    def __init__(self) -> None:
        self._of: Dict[int, Handler] = {}

    def add(self, name: str, function: Callable[..., Any]) -> None:
        kind, arguments = ARGUMENTS[name]
        if kind in self._of:
            raise StateError("%s has a handler already: %s()"
                             % (name, name_of(self._of[kind].function)))
        wants_more = name in MORE and has_behind(function, arguments, MORE[name])
        if not wants_more:
            check(name, function, arguments)
        self._of[kind] = Handler(name, function, wants_more)

    def table(self) -> Dict[int, Optional[Handler]]:
        """What handles each kind of event; None: nothing does."""
        return {kind: self._of.get(kind) for kind, _ in ARGUMENTS.values()}

    def kinds(self) -> Set[int]:
        """The events that have to be switched on."""
        wanted = set(self._of)
        if wanted & OF_SESSIONS:
            wanted |= {native.FW_EVENT_OPEN, native.FW_EVENT_CLOSE}
        if native.FW_EVENT_OPEN in self._of:
            wanted.add(native.FW_EVENT_MESSAGE)  # it may iterate over the session
        return wanted | {native.FW_EVENT_RESULT, native.FW_EVENT_HISTORY,
                         native.FW_EVENT_PRESENCE, native.FW_EVENT_LOG}


def is_async(function: Callable[..., Any]) -> bool:
    """Is it, or what it wraps, `async def`?"""
    while isinstance(function, functools.partial):
        function = function.func
    return (inspect.iscoroutinefunction(function)
            or inspect.iscoroutinefunction(getattr(function, "__call__", None)))


def name_of(function: Callable[..., Any]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", None) or type(function).__name__


def check(name: str, function: Any, arguments: Tuple[str, ...]) -> None:
    """Raises TypeError if the function can't be called with so many arguments."""
    if not callable(function):
        raise TypeError("%s: a function is wanted, not %r" % (name, function))
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError("%s: %s() is a generator: a handler has no yield"
                        % (name, name_of(function)))
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # of some functions made in C nothing is known
    try:
        signature.bind(*arguments)
    except TypeError:
        raise TypeError("%s: %s() takes %s, it is called with (%s)" % (
            name, name_of(function), _parameters(signature),
            ", ".join(arguments))) from None


def has_behind(function: Any, arguments: Tuple[str, ...], more: str) -> bool:
    """Has the function a parameter called so, where it comes behind these arguments?"""
    try:
        bound = inspect.signature(function).bind(*arguments, more)
    except (TypeError, ValueError):
        return False
    return bound.arguments.get(more) == more


def _parameters(signature: inspect.Signature) -> str:
    bare = [p.replace(annotation=inspect.Parameter.empty)
            for p in signature.parameters.values()]
    return str(signature.replace(parameters=bare,
                                 return_annotation=inspect.Signature.empty))
