"""The hub's words and the handlers' failures, as Python's logging.

The dispatcher hands over each line of the C library and each exception of a handler.
Which lines there are is decided by the option log.level; who reads them by logging.
"""

import logging
from typing import Any, Dict, Optional

from . import native
from ._errors import ClosedError, GoneError

TRACE = 5

LEVELS = {
    native.FW_LOG_ERROR: logging.ERROR,
    native.FW_LOG_WARN: logging.WARNING,
    native.FW_LOG_INFO: logging.INFO,
    native.FW_LOG_DEBUG: logging.DEBUG,
    native.FW_LOG_TRACE: TRACE,
}


class Log:
    """The loggers of a hub: "fanwire", or another one, and its children."""

    def __init__(self, base: Optional[logging.Logger] = None) -> None:
        self.hub = base if base is not None else logging.getLogger("fanwire")
        self.handlers = self.hub.getChild("handlers")
        self._components: Dict[str, logging.Logger] = {}

    def line(self, level: int, component: str, text: str) -> None:
        """A line of the C library, to the logger of the component that it is from."""
        logger = self._components.get(component)
        if logger is None:
            logger = self._components[component] = self.hub.getChild(component)
        logger.log(LEVELS.get(level, logging.DEBUG), "%s", text)

    def failed(self, name: str, session: Any, error: BaseException,
               level: int = logging.ERROR) -> None:
        """The handler `name` has failed; session: whose event it was, None if nobody's.

        That a session has ended, or the hub, is no mistake of a handler that was busy
        with it just then.
        """
        identity = getattr(session, "id", None)
        user = getattr(session, "user", None)
        ended = isinstance(error, GoneError) and getattr(session, "_gone", False)
        if ended or isinstance(error, ClosedError):
            level = logging.DEBUG
        self.handlers.log(
            level, "%s failed: %s: %s (session=%s user=%s)", name,
            type(error).__name__, _text(error), identity, user, exc_info=error,
            extra={"event": name, "session": identity, "user": user})

    def unheard(self, what: str, error: BaseException) -> None:
        """A request has failed, and nobody has looked at its answer."""
        ended = isinstance(error, (GoneError, ClosedError))
        self.handlers.log(logging.DEBUG if ended else logging.WARNING,
                          "%s failed, and nobody looked at it: %s: %s", what,
                          type(error).__name__, error)


def _text(error: BaseException) -> str:
    """What it says; one that can't even say it must not take the line with it."""
    try:
        return str(error)
    except Exception:
        return "(no text: its __str__ failed)"
