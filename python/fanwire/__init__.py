"""fanwire: many processes that act as one WebSocket server.

    import fanwire

    hub = fanwire.Hub(listen="ws://127.0.0.1:9090/ws")

    @hub.on_message
    def said(session, data):
        session.send(data)

    hub.run()

Everything public is a name of this module; `native`, the C library's own functions, is
what it is made of and rarely what one wants.
"""

try:
    from . import native
except ImportError as e:
    from . import _missing
    raise _missing.explain(e, __path__) from None

from ._answer import Answer
from ._build import VERSION as __version__
from ._data import Message
from ._emitter import Emitter
from ._errors import (BackplaneError, BusyError, ClosedError, Error, ForkedError,
                      GoneError, InvalidError, LimitError, ListenError, OptionError,
                      OutOfMemoryError, RefusedError, StateError, SystemCallError,
                      TimedOutError, TLSError, TooBigError)
from ._history import History, Joined, KeptMessage
from ._hub import Hub
from ._options import name_check, options
from ._presence import Member, Node, Presence
from ._request import Facts, Headers, Query, Refuse, Request
from ._room import Room, User
from ._session import Session, SessionHandle

# What users see in tracebacks and pickles is the public name.
for _public in (Answer, Emitter, Facts, Headers, History, Hub, Joined, KeptMessage,
                Member, Message, Node, Presence, Query, Refuse, Request, Room, Session,
                SessionHandle, User):
    _public.__module__ = "fanwire"
del _public
