"""Types: the stubs are what the package is, and the sources keep to them.

mypy and its stubtest look at the installed package; the sources of the package and the
examples are those of this tree.
"""

import importlib.util
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import fanwire
from fanwire import native

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
STUB = pathlib.Path(fanwire.__file__).with_name("__init__.pyi")

needs_mypy = pytest.mark.skipif(importlib.util.find_spec("mypy") is None,
                                reason="mypy isn't installed for this Python")


def mypy(tmp_path, *args):
    """Runs a module of mypy away from the source tree; its complaints as text."""
    done = subprocess.run([sys.executable, "-m", *args], cwd=tmp_path,
                          capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr if done.returncode else ""


@pytest.fixture(scope="session")
def mypy_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("mypy")


@pytest.fixture
def check(tmp_path, mypy_cache):
    """check(...): what mypy has to say, "" if nothing."""
    return lambda *args: mypy(tmp_path, "mypy", "--cache-dir", str(mypy_cache),
                              "--python-executable", sys.executable, *args)


@pytest.fixture
def snippet(tmp_path, check):
    def check_text(text):
        path = tmp_path / "snippet.py"
        path.write_text(text)
        return check("--strict", str(path))

    return check_text


@needs_mypy
def test_the_stubs_are_what_the_package_is(tmp_path):
    assert mypy(tmp_path, "mypy.stubtest", "fanwire", "--concise", "--allowlist",
                str(HERE / "stubtest_allowlist.txt")) == ""


@needs_mypy
def test_the_package_is_strictly_typed(tmp_path, check):
    # A copy: mypy overlooks mistakes in what is installed.
    shutil.copytree(STUB.parent, tmp_path / "fanwire",
                    ignore=shutil.ignore_patterns("*.so*", "bin", "__pycache__"))
    assert check("--strict", "fanwire") == ""


# What frameworks say of their own types is another matter, and changes with them.
WITHOUT_FRAMEWORKS = """
[mypy]
check_untyped_defs = True
[mypy-django.*,flask.*,starlette.*,uvicorn.*,asgiref.*]
follow_imports = skip
ignore_missing_imports = True
"""
EXAMPLES = [path for path in sorted((SOURCE / "docs" / "examples").rglob("*.py"))
            if "import fanwire" in path.read_text(encoding="utf-8")]


@needs_mypy
@pytest.mark.parametrize("path", EXAMPLES, ids=["/".join(p.parts[-2:]) for p in EXAMPLES])
def test_an_example_uses_the_package_as_the_stubs_say(tmp_path, check, path):
    settings = tmp_path / "mypy.ini"
    settings.write_text(WITHOUT_FRAMEWORKS)
    assert check("--config-file", str(settings), str(path)) == ""


HANDLERS = """
import asyncio
from typing import Optional, Union
import fanwire

hub = fanwire.Hub(listen="ws://127.0.0.1:0/ws", redis_url=None, log_level="warn",
                  listen_shared=True, threads="auto", origins=["https://a.example"])

@hub.on_connect
async def arrives(request: fanwire.Request) -> Optional[str]:
    if "user" not in request.query:
        raise fanwire.Refuse(403, "who?")
    return request.query["user"]

@hub.on_open
def opened(session: fanwire.Session) -> fanwire.Answer[fanwire.Joined]:
    return session.join(session.query["room"])

@hub.on_message
async def said(session: fanwire.Session, data: Union[str, bytes]) -> None:
    await session.join("a")
    hub.publish("a", data, skip=session)
    async for more in session:
        session.send(more)

@hub.on_join
def may(session: fanwire.Session, room: str) -> bool:
    return session.user is not None

@hub.on_close
def gone(session: fanwire.Session, code: int, reason: str) -> None:
    print(session.user, code, reason)

@hub.on_room_message
def heard(room: str, data: Union[str, bytes], position: Optional[str]) -> None:
    print(room, data, position)

@hub.on_room_leave
async def left(room: str, member: fanwire.Member) -> None:
    page = await hub.presence(room, cursor=None)
    users = [other.user async for other in hub.room(room).members()]
    print(member.user, page.total, users, [node.name for node in await hub.nodes()])

async def main() -> None:
    async with hub as same:
        same.user("ann").send({"a": [1, None]})

with fanwire.Emitter("redis://127.0.0.1", timeout=1) as emitter:
    nodes: int = emitter.publish("a", "b")
asyncio.run(main())
"""


@needs_mypy
def test_a_well_typed_program_is_accepted(snippet):
    assert snippet(HANDLERS) == ""


MISTAKES = [
    ("fanwire.Hub(lisen='off')", "lisen"),
    ("fanwire.Hub(heartbeat_interval=25)", "heartbeat_interval"),
    ("fanwire.Hub(events='queued')", "events"),
    ("hub.publish('room', 1)", "publish"),
    ("hub.publish('room')", "publish"),
    ("fanwire.Session.send(hub, 'a')", "Hub"),
    ("@hub.on_message\ndef f(session: fanwire.Session) -> None: ...", "on_message"),
    ("@hub.on_open\ndef f(session: fanwire.Session) -> int: return 1", "on_open"),
    ("@hub.on_close\ndef f(s: fanwire.Session, code: str, reason: str) -> None: ...",
     "on_close"),
]


@needs_mypy
@pytest.mark.parametrize("code, named", MISTAKES, ids=[m[0][:40] for m in MISTAKES])
def test_a_mistake_is_found_by_mypy(snippet, code, named):
    found = snippet("import fanwire\nhub = fanwire.Hub()\n" + code + "\n")
    assert re.search(r"snippet\.py:\d+: error: .*" + named, found), found
    assert found.count(" error: ") == 1, found


def table():
    index = 0
    while True:
        name = native.fw_options_name(index)
        if name is None:
            return
        yield name, native.fw_options_describe(name, "type")
        index += 1


KINDS = {"text": "_Text|_Path", "number": "_Number", "duration": "_Duration",
         "size": "_Number", "switch": "_Switch", "list": "_List",
         "choice": r"Union\[_Text, Literal\["}


@pytest.mark.parametrize("method", ["__init__", "configure"])
def test_every_option_is_a_keyword_of_its_kind(method):
    hub_class = STUB.read_text(encoding="utf-8").split("\nclass Hub:")[1]
    body = hub_class.split(f"def {method}(")[1].split(") -> None")[0]
    keywords = dict(re.findall(r"^ +(\w+): (.*)", body, re.MULTILINE))
    for own in ("concurrency", "config", "environment", "logger"):
        assert keywords.pop(own, None) or method == "configure", own
    options = {name.replace(".", "_"): kind for name, kind in table() if name != "events"}
    assert len(options) > 40
    assert set(keywords) == set(options)
    for name, kind in options.items():
        assert re.match(KINDS[kind], keywords[name]), name


def test_the_package_is_marked_as_typed():
    assert STUB.with_name("py.typed").exists()
    assert STUB.with_name("native.pyi").exists()
