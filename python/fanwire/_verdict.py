"""What a handler's outcome means where the hub asks: on_connect, on_join and others.

The dispatcher calls decide() when such a handler has returned or raised. Whatever goes
wrong on the way is a refusal: in doubt nobody is let in, and a call has failed. Only who
is in already isn't sent away for it: on_refresh is asked again.
"""

import math
from typing import Any, Optional

from . import native
from ._data import plain
from ._errors import ClosedError, GoneError
from ._log import Log
from ._request import Refuse

CONNECT: int = native.FW_EVENT_CONNECT
JOIN: int = native.FW_EVENT_JOIN
PUBLISH: int = native.FW_EVENT_PUBLISH
REFRESH: int = native.FW_EVENT_REFRESH
SUB_REFRESH: int = native.FW_EVENT_SUB_REFRESH
RPC: int = native.FW_EVENT_RPC

_NAMES = {CONNECT: "on_connect", JOIN: "on_join", PUBLISH: "on_publish",
          REFRESH: "on_refresh", SUB_REFRESH: "on_sub_refresh", RPC: "on_rpc"}
ASKS = frozenset(_NAMES)
STAYS = frozenset((REFRESH, SUB_REFRESH))

# An error is no end, as a refusal would be: the hub asks again in a minute.
_ASK_AGAIN = '{"error":{"code":100,"message":"the application failed","temporary":true}}'


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
        except (GoneError, ClosedError):
            raise
        except Exception as wrong:  # JSON that is nested too deeply, too
            _refuse(handle, log, kind, whose, token, wrong)
    except (GoneError, ClosedError) as late:
        log.handlers.debug("%s decided too late: %s (session=%s)", _NAMES[kind], late,
                           whose.id)


def cancelled(handle: Any, log: Log, kind: int, whose: Any, event: Any) -> None:
    """The handler was cancelled: the client needn't wait for the time-out."""
    if kind in STAYS:
        try:
            native.fw_answer(handle, native.fw_event_token(event), _ASK_AGAIN)
        except (GoneError, ClosedError):
            pass
        return
    decide(handle, log, kind, whose, event, None, Refuse(503, "going away"))


def _refuse(handle: Any, log: Log, kind: int, whose: Any, token: int,
            error: BaseException) -> None:
    if not isinstance(error, Refuse):
        log.failed(_NAMES[kind], whose, error)
        if kind in STAYS:
            native.fw_answer(handle, token, _ASK_AGAIN)
            return
        error = Refuse(403 if kind == JOIN else 500, "the application failed")
    native.fw_reject(handle, token, error.status, error.reason)


def _accept(handle: Any, kind: int, token: int, outcome: Any) -> None:
    if kind == CONNECT:
        if outcome is not None and not isinstance(outcome, str):
            raise TypeError("on_connect returns None or the user's name, not %r; "
                            "to refuse, raise fanwire.Refuse" % (outcome,))
        native.fw_accept(handle, token, outcome)
    elif kind == RPC:
        native.fw_reply(handle, token, "null" if outcome is None else plain(outcome))
    elif outcome is False:
        raise Refuse
    elif kind in STAYS:
        native.fw_answer(handle, token, '{"result":{"expire_at":%d}}'
                         % _seconds(kind, outcome))
    elif outcome is None or outcome is True:
        native.fw_accept(handle, token, None)
    elif kind == PUBLISH:
        native.fw_answer(handle, token, '{"result":{"data":%s}}' % _json(outcome))
    else:
        raise TypeError("on_join returns None or True to let in, False to refuse, not %r"
                        % (outcome,))


def _seconds(kind: int, outcome: Any) -> int:
    """Until when it may stay."""
    if isinstance(outcome, bool) or not isinstance(outcome, (int, float)):
        raise TypeError("%s returns until when it may stay, in seconds since 1970, or "
                        "False, not %r" % (_NAMES[kind], outcome))
    if not math.isfinite(outcome) or outcome < 0:
        raise ValueError("%s: a time in seconds since 1970 is wanted, not %r"
                         % (_NAMES[kind], outcome))
    return int(outcome)


def _json(outcome: Any) -> str:
    """What is to be said instead, as JSON."""
    said = plain(outcome)
    if not isinstance(said, str):
        raise TypeError("on_publish returns None or True to have it said, False to "
                        "refuse, or JSON to be said instead (str, dict or list), not %r"
                        % (outcome,))
    return said
