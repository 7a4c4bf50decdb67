"""`python -m fanwire run MODULE:ATTRIBUTE`: finds an application's hub and runs it.

Called by __main__.py. It knows how an application is found and named, what is wrong when
it isn't, and how log lines look on stderr; what several processes do together stands in
_workers.py, and what a hub does in _hub.py.

Exit status: 0 after a stop that was asked for, 2 for a mistake in the command or the
configuration, 1 for everything else. A mistake is one line on stderr; an exception inside
the application shows its own traceback.
"""

import argparse
import asyncio
import difflib
import importlib
import inspect
import os
import signal
import sys
import traceback
from types import ModuleType, TracebackType
from typing import Any, Callable, Dict, List, NoReturn, Optional

import fanwire

from . import _hub, _runlog, _workers
from ._signals import StopOnSignal

_MANUAL = """\
MODULE:ATTRIBUTE names a fanwire.Hub, or a function without arguments that returns one:
app:hub is the variable `hub` of app.py in the present directory.

With --workers N there are N processes on one port, started anew and never forked. They
need redis_url, which makes rooms span them, and fixed TCP ports. Each gets its own
node.name (NAME-1, NAME-2, ...) and, where http.listen has a port, the ports that follow
it. A worker that dies is started again.

Signals: TERM and INT close the sessions with 1001 and end; a second one ends at once.
With workers HUP replaces them one after the other: a new process serves before the old
one closes its sessions, and if it can't start, the old ones stay.
"""

_MOST_WORKERS = 256


class Problem(Exception):
    """What ends the command with one line for a person."""

    def __init__(self, text: str, status: int = 2) -> None:
        super().__init__(text)
        self.status = status


def report(text: str) -> None:
    """Arguments may hold anything; a line stays a line, and a short one."""
    line = "".join(c if c.isprintable() else "?" for c in text)
    print("fanwire: " + (line if len(line) <= 1000 else line[:1000] + "..."),
          file=sys.stderr, flush=True)


# --- the command ---

class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Problem(message + " (see python -m fanwire run --help)")


def _worker_count(text: str) -> int:
    try:
        count = int(text)
    except ValueError:
        count = 0
    if not 1 <= count <= _MOST_WORKERS:
        raise argparse.ArgumentTypeError(
            f"{text}: a whole number from 1 to {_MOST_WORKERS}")
    return count


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m fanwire run", description="Run a hub of Python.",
                     epilog=_MANUAL, allow_abbrev=False,
                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("app", metavar="MODULE:ATTRIBUTE", help="the hub to run")
    parser.add_argument("--workers", metavar="N", type=_worker_count, default=1,
                        help="how many processes (1)")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[],
                        help="an option of the hub, over what the code says; once more"
                             " for the next item of a list")
    parser.add_argument("--app-dir", metavar="DIR", default=".",
                        help="where modules are looked for first (.)")
    # What a supervisor tells its workers.
    parser.add_argument("--as-worker", type=_workers.Place.parse, help=argparse.SUPPRESS)
    return parser


def _settings(items: List[str]) -> Dict[str, List[str]]:
    """NAME=VALUE of --set as name: values, the names as the table of options has them."""
    known = {}
    for name in fanwire.options():
        known[name] = known[name.replace(".", "_")] = name
    found: Dict[str, List[str]] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise Problem(f"--set {item}: NAME=VALUE is expected")
        if name.startswith(("namespace.", "namespace_")):
            known[name] = name
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f", did you mean {known[near[0]]}?" if near else ""
            raise Problem(f"--set {name}: no such option{hint}")
        found.setdefault(known[name], []).append(value)
    return found


def _configure(hub: "fanwire.Hub", items: List[str]) -> None:
    table = fanwire.options()
    for name, values in _settings(items).items():
        one = name not in table or table[name]["type"] != "list"
        value: Any = values[-1] if one else values
        try:
            hub.configure(**{name: value})
        except UnicodeError:
            raise Problem(f"{name}: not valid UTF-8") from None


# --- finding the hub ---

def _trimmed(tb: Optional[TracebackType]) -> Optional[TracebackType]:
    """Without the frames of this file and of the import, at its beginning."""
    ours = {f.__code__.co_filename for f in (_trimmed, importlib.import_module)}
    while tb is not None:
        name = tb.tb_frame.f_code.co_filename
        if name not in ours and not name.startswith("<frozen "):
            break
        tb = tb.tb_next
    return tb


def _call_application(function: Callable[..., Any], *args: str) -> Any:
    """An exception in there is the application's: shown as Python would show it."""
    try:
        return function(*args)
    except Problem:
        raise
    except Exception as e:
        traceback.print_exception(type(e), e, _trimmed(e.__traceback__))
        raise SystemExit(2 if isinstance(e, fanwire.OptionError) else 1) from None


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as e:
        # Of the module itself, or of something that it imports?
        if e.name is None or not (name + ".").startswith(e.name + "."):
            raise
        near = "" if e.name == name else f" ({e})"
        raise Problem(f"{name}: no such module{near}, looked for in "
                      + (os.path.abspath(sys.path[0]) if sys.path else "nowhere")
                      + " and sys.path") from None


def _split(target: str) -> List[str]:
    module, colon, attribute = target.partition(":")
    if module.endswith(".py") or "/" in module:
        raise Problem(f"{target}: a module's name is expected, not a file's: app:hub")
    if not colon or not all(part.isidentifier()
                            for part in (module + "." + attribute).split(".")):
        raise Problem(f"{target}: MODULE:ATTRIBUTE is expected, as in app:hub")
    return [module, attribute]


def _attribute(module: ModuleType, path: str) -> Any:
    found: Any = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            hubs = sorted(k for k, v in vars(module).items()
                          if isinstance(v, fanwire.Hub))
            hint = f"; hubs in it: {', '.join(hubs)}" if hubs else ""
            raise Problem(f"{module.__name__} has no attribute {path!r}{hint}") from None
    return found


def _made_by(function: Callable[..., Any], target: str) -> Any:
    if inspect.iscoroutinefunction(function):
        raise Problem(f"{target} is async: an ordinary function that returns a"
                      " fanwire.Hub is expected")
    try:
        inspect.signature(function).bind()
    except TypeError as e:
        raise Problem(f"{target}() is called without arguments: {e}") from None
    except ValueError:  # a callable of C without a signature
        pass
    return _call_application(function)


def load_hub(target: str, app_dir: str) -> "fanwire.Hub":
    """The hub that `target` names; a Problem, or the application's traceback."""
    _hub.is_run_by_command = True
    module_name, path = _split(target)
    if not os.path.isdir(app_dir):
        raise Problem(f"--app-dir {app_dir}: no such directory")
    folder = os.path.abspath(app_dir)
    if folder not in sys.path[:1]:
        sys.path.insert(0, folder)
    found = _attribute(_call_application(_import, module_name), path)
    how = "is"
    if not isinstance(found, fanwire.Hub) and callable(found):
        found = _made_by(found, target)
        how = "returned"
    if not isinstance(found, fanwire.Hub):
        raise Problem(f"{target} {how} a {type(found).__name__}, not a fanwire.Hub")
    return found


# --- running it ---

def print_addresses(urls: List[str], http: List[str]) -> None:
    """For people and scripts: what was really taken where port 0 was asked for."""
    for url in urls:
        print("listening", url)
    for address in http:
        print("http", address)
    sys.stdout.flush()


def _run_until_stopped(hub: "fanwire.Hub", started: Callable[[], None]) -> None:
    """As hub.run(), but it says when the hub is up; a second signal is no failure."""
    async def serve() -> None:
        with StopOnSignal(hub.stop) as signals:
            await hub.astart()
            started()
            if signals.seen:  # perhaps before there was anything to stop
                hub.stop()
            await hub.serve()

    try:
        asyncio.run(serve())
    except KeyboardInterrupt:
        pass
    except SystemExit as e:
        if e.code != 128 + signal.SIGTERM:
            raise


def _run_here(args: argparse.Namespace) -> int:
    place = args.as_worker
    lifeline = place and _workers.Lifeline(place)
    hub = load_hub(args.app, args.app_dir)
    if hub.running:
        raise Problem(f"{args.app} runs already: the module must not start it itself")
    _configure(hub, args.set)
    if place:
        problem = _workers.prepare(hub, place)
        if problem:
            raise Problem(problem)
    log = _runlog.Settings(*(hub.option("log." + x) for x in ("level", "format", "file")))
    try:
        _runlog.start(log, place.index if place else None)
    except OSError as e:
        raise Problem(f"log.file: {log.file}: {e.strerror}", 1) from None

    def started() -> None:
        http = [hub.http_address] if hub.http_address else []
        if lifeline:
            lifeline.tell_started(hub.urls, http, hub.option("drain.timeout"), log)
        else:
            print_addresses(hub.urls, http)

    _run_until_stopped(hub, started)
    return 0


def _dispatch(arguments: List[str]) -> int:
    args = _parser().parse_args(arguments)
    if args.workers > 1 and args.as_worker is None:
        _split(args.app)
        _settings(args.set)
        return _workers.supervise(arguments, args.workers, print_addresses)
    return _run_here(args)


def main(arguments: List[str]) -> int:
    """Runs the command and returns its exit status."""
    try:
        return _dispatch(arguments)
    except Problem as e:
        report(str(e))
        return e.status
    except fanwire.OptionError as e:
        report(str(e))
        return 2
    except fanwire.Error as e:
        report(str(e))
        return 1
