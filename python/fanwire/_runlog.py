"""Where log lines go when `python -m fanwire run` runs a hub: to stderr or a file, in the
form that fanwired has.

Called by _run.py and _workers.py. An application that has set up `logging` itself is left
alone. It knows nothing of hubs.

text: 2026-11-23T18:12:56.123Z info  hub: message
json: {"time":"2026-11-23T18:12:56.123Z","level":"info","component":"hub","message":"..."}
"""

import json
import logging
import logging.handlers
import time
from typing import NamedTuple, Optional

_TRACE = 5
_LEVELS = {"error": logging.ERROR, "warn": logging.WARNING, "info": logging.INFO,
           "debug": logging.DEBUG, "trace": _TRACE}


class Settings(NamedTuple):
    """The options log.level, log.format and log.file."""

    level: str = "info"
    format: str = "text"
    file: str = ""


def _level_name(number: int) -> str:
    for name, least in _LEVELS.items():
        if number >= least:
            return name
    return "trace"


class _Formatter(logging.Formatter):
    converter = time.gmtime

    def __init__(self, as_json: bool, worker: Optional[int]) -> None:
        super().__init__()
        self._json = as_json
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        seconds = self.formatTime(record, "%Y-%m-%dT%H:%M:%S")
        when = f"{seconds}.{int(record.msecs):03}Z"
        level = _level_name(record.levelno)
        name = record.name
        component = name[len("fanwire."):] if name.startswith("fanwire.") else name
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + self.formatException(record.exc_info)
        if not self._json:
            who = f"worker {self._worker} " if self._worker else ""
            return f"{when} {level:5} {who}{component}: {message}"
        line = {"time": when, "level": level, "component": component, "message": message}
        if self._worker:
            line["worker"] = str(self._worker)
        return json.dumps(line, separators=(",", ":"))


def start(settings: Settings, worker: Optional[int] = None) -> None:
    """Have lines written; `worker` is the number of this process among several."""
    root, ours = logging.getLogger(), logging.getLogger("fanwire")
    if root.handlers or ours.handlers:
        return
    handler: logging.Handler = logging.StreamHandler()
    if settings.file:
        # It opens the file again when that was moved away.
        handler = logging.handlers.WatchedFileHandler(settings.file, encoding="utf-8")
    handler.setFormatter(_Formatter(settings.format == "json", worker))
    root.addHandler(handler)
    level = _LEVELS.get(settings.level, logging.INFO)
    root.setLevel(max(level, logging.INFO))
    ours.setLevel(level)
