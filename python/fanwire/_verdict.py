"""What a handler's outcome means where the hub asks: on_connect, on_join and on_rpc.

The dispatcher calls decide() when such a handler has returned or raised. Whatever goes
wrong on the way is a refusal: in doubt nobody is let in, and a call has failed.
"""

from typing import Any, Optional

from . import native
from ._data import Message, encode
from ._errors import ClosedError, GoneError
from ._log import Log
from ._request import Refuse

CONNECT: int = native.FW_EVENT_CONNECT
JOIN: int = native.FW_EVENT_JOIN
RPC: int = native.FW_EVENT_RPC
ASKS = frozenset((CONNECT, JOIN, RPC))

_NAMES = {CONNECT: "on_connect", JOIN: "on_join", RPC: "on_rpc"}


def decide(handle: Any, log: Log, kind: int, whose: Any, event: Any, outcome: Any,
           error: Optional[BaseException]) -> None:
    """Tell the hub what the handler has said; whose: the request or the session."""
    token = native.fw_event_token(event)
    try:
        if error is not None:
            _refuse(handle, log, kind, whose, token, error)
            return
        try:
            _accept(handle, kind, token, outcome)
        except (TypeError, ValueError, Refuse) as wrong:
            _refuse(handle, log, kind, whose, token, wrong)
    except (GoneError, ClosedError) as late:
        log.handlers.debug("%s decided too late: %s (session=%s)", _NAMES[kind], late,
                           whose.id)


def cancelled(handle: Any, log: Log, kind: int, whose: Any, event: Any) -> None:
    """The handler was cancelled: the client needn't wait for the time-out."""
    decide(handle, log, kind, whose, event, None, Refuse(503, "going away"))


def _refuse(handle: Any, log: Log, kind: int, whose: Any, token: int,
            error: BaseException) -> None:
    if not isinstance(error, Refuse):
        log.failed(_NAMES[kind], whose, error)
        error = Refuse(403 if kind == JOIN else 500, "the application failed")
    native.fw_reject(handle, token, error.status, error.reason)


def _accept(handle: Any, kind: int, token: int, outcome: Any) -> None:
    if kind == CONNECT:
        if outcome is not None and not isinstance(outcome, str):
            raise TypeError("on_connect returns None or the user's name, not %r; "
                            "to refuse, raise fanwire.Refuse" % (outcome,))
        native.fw_accept(handle, token, outcome)
    elif kind == RPC:
        said = outcome.data if isinstance(outcome, Message) else outcome
        native.fw_reply(handle, token, "null" if said is None else encode(said))
    elif outcome is False:
        raise Refuse
    elif outcome is None or outcome is True:
        native.fw_accept(handle, token, None)
    else:
        raise TypeError("on_join returns None or True to let in, False to refuse, not %r"
                        % (outcome,))
