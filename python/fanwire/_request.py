"""What a client said when it came: the facts of its handshake.

A Request is decided on by on_connect; a Session has the same facts for as long as it
lives. They are read from the event that brought them when they are asked for.
"""

import re
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional
from urllib.parse import unquote_to_bytes

from . import native

_broken = re.compile("%(?![0-9A-Fa-f]{2})").search


class Refuse(Exception):
    """Raised by a handler that decides, on_connect say: let them not in, or don't do it.

    status is the HTTP status that the client sees, 400 to 599 (it is not passed on to
    who wanted to join a room, nor to who has to go), reason the text that goes with it,
    one line.
    """

    def __init__(self, status: int = 403, reason: str = "") -> None:
        if not isinstance(status, int) or not isinstance(reason, str):
            raise TypeError("Refuse takes a number and a text, not %r and %r"
                            % (status, reason))
        if not 400 <= status <= 599:
            raise ValueError("status is an HTTP status, 400 to 599, not %r" % (status,))
        if any(c in reason for c in "\n\r\0"):
            raise ValueError("reason is one line of text, not %r" % (reason,))
        reason.encode()  # a lone surrogate: ValueError, as of any call that takes text
        super().__init__(status, reason)
        self.status = status
        self.reason = reason

    def __str__(self) -> str:
        return ("refused with %d: %s" % (self.status, self.reason) if self.reason
                else "refused with %d" % self.status)


class Query(Mapping[str, str]):
    """The parameters of the query, percent-decoded: query["room"].

    Of several with one name it gives the first; getlist() gives them all. A value that
    isn't UTF-8 when decoded is left out; if it is the first, so is the name.
    """

    __slots__ = ("_values",)

    def __init__(self, text: str) -> None:
        found: Dict[str, List[Optional[str]]] = {}
        for part in text.split("&"):
            name, _, value = part.partition("=")
            key = _decode(name)
            if part and key is not None:
                found.setdefault(key, []).append(_decode(value))
        # A name whose first value is broken is absent, as for fw_event_query(): a check
        # of that name must not see another value than one elsewhere does.
        self._values: Dict[str, List[str]] = {
            key: [value for value in values if value is not None]
            for key, values in found.items() if values[0] is not None}

    def __getitem__(self, name: str) -> str:
        return self._values[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def getlist(self, name: str) -> List[str]:
        """All values of that name, in order; none is an empty list."""
        return list(self._values.get(name, ()))

    def __repr__(self) -> str:
        return "<fanwire.Query %r>" % (self._values,)


class Headers:
    """The headers of the handshake, by name in any case: headers["User-Agent"].

    Several of one name are joined by ", ".
    """

    __slots__ = ("_event",)

    def __init__(self, event: Any) -> None:
        self._event = event

    def __getitem__(self, name: str) -> str:
        value: Optional[str] = native.fw_event_header(self._event, name)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: object) -> bool:
        return (isinstance(name, str)
                and native.fw_event_header(self._event, name) is not None)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a header; default if there is none."""
        value = native.fw_event_header(self._event, name)
        return default if value is None else value


class Facts:
    """What is known of a client's handshake."""

    __slots__ = ()

    if TYPE_CHECKING:  # slots of those who are made of this
        _event: Any
        _query: Optional[Query]

    @property
    def path(self) -> str:
        """The path that was asked for, without the query: "/ws"."""
        return self._fact("path") or ""

    @property
    def query(self) -> Query:
        """The parameters of the query."""
        if self._query is None:
            self._query = Query(self.query_string)  # type: ignore[misc]  # a slot
        return self._query

    @property
    def query_string(self) -> str:
        """The query as it was sent: "room=a&user=b"; "" if there is none."""
        return self._fact("query") or ""

    @property
    def headers(self) -> Headers:
        """The headers, cookies among them."""
        return Headers(self._event)

    @property
    def address(self) -> str:
        """The client's address; behind a trusted proxy the one which that names."""
        return self._fact("address") or ""

    @property
    def peer(self) -> str:
        """The address of the socket's other end; "" for a Unix socket."""
        return self._fact("peer") or ""

    @property
    def host(self) -> Optional[str]:
        """The header Host."""
        return self._fact("host")

    @property
    def origin(self) -> Optional[str]:
        """The header Origin: which site the page is from; None if it is no browser."""
        return self._fact("origin")

    @property
    def scheme(self) -> str:
        """"ws", or "wss" with TLS."""
        return self._fact("scheme") or ""

    @property
    def protocol(self) -> Optional[str]:
        """The sub-protocol that was agreed on; None if none was."""
        return self._fact("protocol")

    def _fact(self, name: str) -> Optional[str]:
        value: Optional[str] = native.fw_event_fact(self._event, name)
        return value


class Request(Facts):
    """A client that asks to come in, as on_connect sees it."""

    __slots__ = ("_id", "_event", "_query", "_state")

    def __init__(self, identity: str, event: Any) -> None:
        self._id = identity
        self._event = event
        self._query = None
        self._state: Optional[Dict[str, Any]] = None

    @property
    def id(self) -> str:
        """The id that the session will have: 32 hexadecimal digits."""
        return self._id

    @property
    def user(self) -> Optional[str]:
        """Whom the client's token names, which has been verified; None without tokens.

        The session is that user's unless the handler returns another name.
        """
        user: Optional[str] = native.fw_event_user(self._event)
        return user

    @property
    def data(self) -> Optional[str]:
        """What a client of the Centrifuge protocol gave when it connected: JSON, as text.

        None if it gave nothing, and of raw connections.
        """
        said = native.fw_event_data(self._event)  # of text, so never bytes
        return said if said and isinstance(said, str) else None

    @property
    def state(self) -> Dict[str, Any]:
        """A dict of your own, which becomes the session's."""
        if self._state is None:
            self._state = {}
        return self._state

    def __repr__(self) -> str:
        return "<fanwire.Request %s from %s>" % (self.path, self.address)


def _decode(text: str) -> Optional[str]:
    """Percent-decoded, "+" is a blank; None if that gives no text."""
    if "%" not in text and "+" not in text:
        return text
    if _broken(text):
        return None
    try:
        decoded = unquote_to_bytes(text.replace("+", " ")).decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in decoded else decoded
