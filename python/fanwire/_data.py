"""What can be sent, in the one form that the C library takes it.

Whatever sends calls encode() and session_id(). Nothing here knows where it goes.
"""

import json
import re
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Union

from . import native
from ._errors import InvalidError

if TYPE_CHECKING:
    from ._session import SessionHandle

Data = Union[str, bytes, bytearray, memoryview, Dict[str, Any], List[Any], "Message"]
Skip = Union[None, str, "SessionHandle"]

_ID = re.compile("[0-9a-fA-F]{32}")

_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"),
                         allow_nan=False).encode  # browsers refuse NaN


class Message:
    """Something to send, built once: it is encoded once, however often it is sent.

    skip is a session, or the id of one, that is left out: whoever else is addressed
    receives the message. key: in a room with history the message is kept once, however
    often it is published with that key, within 5 minutes. Made of another message it has
    that one's, but for what is given.
    """

    __slots__ = ("_native", "_skip", "_key", "__weakref__")

    def __init__(self, data: Data, *, skip: Skip = None,
                 key: Optional[str] = None) -> None:
        if isinstance(data, Message):
            skip = data._skip if skip is None else skip
            key = data._key if key is None else key
            data = data.data
        self._native = native.fw_message_new(encode(data))
        self._skip: Optional[str] = None if skip is None else session_id(skip)
        self._key: Optional[str] = key
        if self._skip is not None:
            native.fw_message_set_except(self._native, self._skip)
        if key is not None:
            native.fw_message_set_key(self._native, key)

    @property
    def data(self) -> Union[str, bytes]:
        """What it says: str for text, bytes for binary."""
        said: Union[str, bytes] = native.fw_message_data(self._native)
        return said

    def __repr__(self) -> str:
        data = self.data
        return "<fanwire.Message %r%s>" % (data[:40], "..." if len(data) > 40 else "")


def encode(data: Any) -> Any:
    """Text or bytes of what isn't a Message yet: a dict or a list becomes JSON."""
    if isinstance(data, (str, bytes, bytearray, memoryview)):
        return data
    if isinstance(data, (dict, list)):
        return _json(data)
    raise TypeError("data is str for text; bytes, bytearray or memoryview for binary; "
                    "dict or list for JSON; or a Message; not " + type(data).__name__)


def plain(data: Data) -> Any:
    """The same of a Message, too: for what takes none."""
    return data.data if isinstance(data, Message) else encode(data)


def whole(data: Data) -> Any:
    """As plain(), for what reaches all that it is addressed to."""
    if isinstance(data, Message) and data._skip is not None:
        raise InvalidError("skip: a message to a node leaves nobody out")
    return plain(data)


def message(data: Data, skip: Skip = None, key: Optional[str] = None) -> Any:
    """The C library's message; what was built before isn't built again."""
    if skip is None and key is None and isinstance(data, Message):
        return data._native
    return Message(data, skip=skip, key=key)._native


def check_id(what: str, text: Any) -> str:
    """The text, if it is a session's id."""
    if not isinstance(text, str):
        raise TypeError("%s: str is wanted, not %s" % (what, type(text).__name__))
    if not _ID.fullmatch(text):
        raise InvalidError("%s: 32 hexadecimal digits are wanted, not %.60r"
                           % (what, text))
    return text


def session_id(session: Any) -> str:
    """The id of a session, or of what is one already."""
    if isinstance(session, str):
        return check_id("skip", session)
    try:
        found: str = session.id
    except AttributeError:
        raise TypeError("skip: a session or the id of one is wanted, not "
                        + type(session).__name__) from None
    return found
