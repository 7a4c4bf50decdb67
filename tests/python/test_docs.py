"""What is written about the package is true: examples run, the words are those of the C
headers where the thing is the same, and nothing of C is left out without a reason."""

import ast
import asyncio
import inspect
import pathlib
import re
import subprocess
import sys

import pytest
import websockets

import fanwire
from fanwire import native
from support import DEADLINE

SOURCE = pathlib.Path(__file__).resolve().parents[2]
HEADERS = SOURCE / "capi" / "include" / "fanwire"
GUIDE = SOURCE / "docs" / "python.md"
PAGES = [SOURCE / "README.md", SOURCE / "python" / "README.md", GUIDE]


def blocks(page):
    """The Python samples of a page, each with the line where it begins."""
    text = page.read_text(encoding="utf-8")
    for m in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, m.start(1)) + 1, m.group(1)


def ids(items):
    return [f"{page.relative_to(SOURCE)}:{line}" for page, line, _ in items]


SAMPLES = [(page, line, code) for page in PAGES for line, code in blocks(page)]
# A program of its own; the others are parts.
PROGRAMS = [s for s in SAMPLES if "hub.run()" in s[2]]


# ---- the samples -----------------------------------------------------------------------

async def connected(path, query, process):
    """A client of the Unix socket, as soon as the program listens there."""
    end = asyncio.get_running_loop().time() + DEADLINE
    while True:
        try:
            return await websockets.unix_connect(path, f"ws://localhost/ws?{query}")
        except OSError:
            assert process.poll() is None, process.stderr.read()
            assert asyncio.get_running_loop().time() < end, "it doesn't listen"
            await asyncio.sleep(0.01)


async def talk(path, process):
    ann = await connected(path, "room=lobby", process)
    bob = await connected(path, "room=lobby", process)
    eve = await connected(path, "room=elsewhere", process)
    for data in ("hello", b"\x00\xff"):
        await ann.send(data)
        for one in (ann, bob):
            assert await asyncio.wait_for(one.recv(), DEADLINE) == data
    await eve.send("mine")
    assert await asyncio.wait_for(eve.recv(), DEADLINE) == "mine"
    process.terminate()
    for one in (ann, bob, eve):
        await asyncio.wait_for(one.wait_closed(), DEADLINE)
        assert one.close_code == 1001


def test_each_page_begins_with_the_same_program():
    assert [page for page, _, _ in PROGRAMS] == PAGES
    programs = {tuple(line for line in re.sub(r" *#.*", "", code).splitlines() if line)
                for _, _, code in PROGRAMS}
    assert len(programs) == 1 and len(programs.pop()) <= 10


@pytest.mark.parametrize("page, line, code", PROGRAMS, ids=ids(PROGRAMS))
def test_the_example_is_a_server_whose_rooms_hear_each_other(tmp_path, page, line, code):
    socket = tmp_path / "s"
    listen = '"ws://127.0.0.1:9090/ws"'
    assert listen in code
    program = tmp_path / "example.py"
    program.write_text(code.replace(listen, f'"unix:{socket}:/ws"'))
    process = subprocess.Popen([sys.executable, "-X", "dev", "-W", "error", str(program)],
                               cwd=tmp_path, text=True, stderr=subprocess.PIPE)
    try:
        asyncio.run(talk(str(socket), process))
        _, said = process.communicate(timeout=DEADLINE)
        assert (process.returncode, said) == (0, "")
    finally:
        process.kill()
        process.communicate()


# What the samples call things by these names.
NAMES = {"fanwire": fanwire, "hub": fanwire.Hub, "session": fanwire.Session,
         "request": fanwire.Request, "emitter": fanwire.Emitter, "answer": fanwire.Answer,
         "error": fanwire.Error}


def unknown_names(code):
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if not hasattr(NAMES.get(node.value.id, node), node.attr):
                if node.value.id in NAMES:
                    yield f"{node.value.id}.{node.attr}"


@pytest.mark.parametrize("page, line, code", SAMPLES, ids=ids(SAMPLES))
def test_a_sample_names_only_what_is_there(page, line, code):
    assert list(unknown_names(code)) == []


def test_the_guide_names_only_what_is_there():
    text = re.sub(r"^```.*?^```$", "", GUIDE.read_text(encoding="utf-8"),
                  flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"`@?(%s)\.(\w+)" % "|".join(NAMES), text)
    assert len(found) > 40
    loggers = {"hub", "redis", "session", "handlers"}
    assert [f"{owner}.{name}" for owner, name in found
            if not hasattr(NAMES[owner], name)
            and not (owner == "fanwire" and name in loggers)] == []


def test_the_guide_names_every_method():
    text = GUIDE.read_text(encoding="utf-8")
    missing = []
    for name, owner in NAMES.items():
        if name in ("fanwire", "answer"):
            continue
        for member in vars(owner):
            if not member.startswith("_") and f"`{member}" not in text \
                    and not re.search(rf"\b(?:{name}\.|@)\S*\b{member}\b", text) \
                    and not re.search(rf"\.{member}\b", text):
                missing.append(f"{name}.{member}")
    assert missing == []


# ---- docstrings ------------------------------------------------------------------------

def public_things():
    """(name, thing) of all that has a docstring of its own."""
    for name in sorted(vars(fanwire)):
        thing = getattr(fanwire, name)
        if name.startswith("_") or inspect.ismodule(thing):
            continue
        yield name, thing
        if inspect.isclass(thing):
            for member, value in sorted(vars(thing).items()):
                if not member.startswith("_") and (callable(value)
                                                   or isinstance(value, property)):
                    yield f"{name}.{member}", value


THINGS = dict(public_things())


def test_everything_public_has_a_docstring():
    assert len(THINGS) > 80
    bare = [name for name, thing in THINGS.items() if not (thing.__doc__ or "").strip()]
    assert bare == []


def first_sentence(text):
    paragraph = re.split(r"\n\s*\n|@\w+", inspect.cleandoc(text).strip())[0]
    words = " ".join(paragraph.split())
    return re.split(r"(?<=[.?!])\s", words)[0]


def header_sentences():
    for path in sorted(HEADERS.glob("*.h")):
        text = path.read_text(encoding="utf-8")
        for m in re.finditer(r"/\*\*((?:(?!\*/).)*?)\*/\s*FW_API [^;]*?(fw_\w+)\(", text,
                             re.DOTALL):
            comment = re.sub(r"^ *\* ?", "", m.group(1), flags=re.MULTILINE)
            yield m.group(2), first_sentence(comment)


SENTENCES = dict(header_sentences())

SAME_AS_IN_C = {
    "Hub.publish": "fw_room_publish",
    "Hub.send_here": "fw_room_send_here",
    "Hub.send_user": "fw_user_send",
    "Hub.send_all": "fw_hub_send_all",
    "Hub.send_node": "fw_node_send",
    "Hub.metrics": "fw_stats_text",
    "Room.publish": "fw_room_publish",
    "User.send": "fw_user_send",
    "User.disconnect": "fw_user_disconnect",
    "SessionHandle.send": "fw_session_send",
    "SessionHandle.close": "fw_session_close",
    "SessionHandle.join": "fw_session_join",
    "SessionHandle.leave": "fw_session_leave",
    "SessionHandle.set_info": "fw_session_set_info",
    "User.leave": "fw_user_leave",
    "User.sessions": "fw_user_sessions",
    "Emitter.publish": "fw_emitter_publish",
    "Emitter.send_user": "fw_emitter_send_user",
    "Emitter.send_all": "fw_emitter_send_all",
    "name_check": "fw_name_check",
}


@pytest.mark.parametrize("ours, theirs", SAME_AS_IN_C.items())
def test_a_docstring_begins_as_the_header_does(ours, theirs):
    assert first_sentence(THINGS[ours].__doc__) == SENTENCES[theirs]


# ---- all of C --------------------------------------------------------------------------

def functions_of_c():
    found = set()
    for path in HEADERS.glob("*.h"):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        found |= set(re.findall(r"FW_API\b[^;(]*?\b(fw_\w+)\(", text))
    return found


def test_every_function_of_c_is_reachable_or_listed_with_a_reason():
    text = GUIDE.read_text(encoding="utf-8").split("### Not reachable, and why")[1]
    listed = dict(re.findall(r"^\| `(fw_\w+)` \| (.+) \|$", text, re.MULTILINE))
    functions = functions_of_c()
    assert len(functions) > 75
    reachable = {name for name in functions if callable(getattr(native, name, None))}
    assert functions - reachable == set(listed)
