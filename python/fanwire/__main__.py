"""`python -m fanwire`: the server fanwired, or `run` for an application in Python.

    python -m fanwire [OPTION]...                fanwired, with whatever it takes
    python -m fanwire run MODULE:ATTRIBUTE       a hub of one's own; see _run.py

It knows where fanwired may lie, and nothing of what it can do: everything is passed on,
and the program takes the place of this process, so that signals and the exit status are
its own.
"""

import os
import shutil
import signal
import sys
from typing import List, Optional

_NOT_FOUND = ("fanwire: the program fanwired is neither in this package nor on PATH;"
              " `python -m fanwire run MODULE:ATTRIBUTE` runs a hub without it")


def _is_script(path: str) -> bool:
    """A script called fanwired may well be a wrapper around this very module, which would
    then start itself for ever."""
    try:
        with open(path, "rb") as f:
            return f.read(2) == b"#!"
    except OSError:
        return False


def find_fanwired() -> Optional[str]:
    """Where the program is: in this package, else on PATH."""
    for folder in sys.modules["fanwire"].__path__:  # two, if it is installed editable
        own = os.path.join(folder, "bin", "fanwired")
        if os.access(own, os.X_OK):
            return own
    for folder in os.get_exec_path():
        found = shutil.which("fanwired", path=folder or os.curdir)
        if found is not None and not _is_script(found):
            return found
    return None


def _become_fanwired(arguments: List[str]) -> int:
    path = find_fanwired()
    if path is None:
        print(_NOT_FOUND, file=sys.stderr)
        return 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores these, and a program inherits that; `fanwired --help | head` is to
    # end as any other program does.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execv(path, ["fanwired", *arguments])
    except OSError as e:
        print(f"fanwire: {path}: {e.strerror}", file=sys.stderr)
        return 1


def fanwired() -> int:
    """The command `fanwired` that pip installs: the server, whatever the arguments."""
    return _become_fanwired(sys.argv[1:])


def main(arguments: Optional[List[str]] = None) -> int:
    """What `python -m fanwire` does; returns the exit status."""
    if arguments is None:
        arguments = sys.argv[1:]
    if arguments[:1] == ["run"]:
        from ._run import main as run
        return run(arguments[1:])
    return _become_fanwired(arguments)


if __name__ == "__main__":
    sys.exit(main())
