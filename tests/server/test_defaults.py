"""What is open when nothing is said, and that docs/security.md is true: the tests that it
names are there, and the defaults that it goes through are those of the program."""

import asyncio
import json
import pathlib
import re
import urllib.request

import pytest
import websockets

from conftest import DEADLINE, run
from test_reload import status

TESTS = pathlib.Path(__file__).resolve().parents[1]
PAGE = (TESTS.parent / "docs" / "security.md").read_text(encoding="utf-8")
API = ("--api.key", "a-key", "--room.presence", "on")


# ---- the page --------------------------------------------------------------------------

def rows(heading):
    """The cells of the table behind a heading, without the table's own."""
    part = PAGE.split("\n## " + heading)[1].split("\n## ")[0]
    table = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1:]]


THREATS = rows("Threats")


@pytest.mark.parametrize("row", THREATS, ids=[t[0][:40] for t in THREATS])
def test_each_threat_has_tests_that_are_there(row):
    threat, defence, tests = row
    named = re.findall(r"`([\w/.]+)::(\w+)`", tests)
    assert threat and defence and named
    for path, name in named:
        text = (TESTS / path).read_text(encoding="utf-8")
        assert re.search(r"^(?:def %s\(|START_TEST\(%s\))" % (name, name), text, re.M), \
            f"{path} has no {name}"


def test_the_first_threat_is_that_anybody_can_be_anybody():
    assert len(THREATS) > 25
    assert THREATS[0][0] == "a client takes another user's name"
    assert PAGE.index("anybody can be anybody") < PAGE.index("## Who and what")


def test_the_defaults_are_those_of_the_program():
    page, seen = run("--options-markdown").out, 0
    there = dict(re.findall(r"^\| `([a-z_.0-9]+)` \| (.*?) \|", page, re.M))
    for names, said, _ in rows("The defaults, point by point"):
        for name in re.findall(r"`([a-z_.]+)`", names):
            name = {"history.size": "room.history.size"}.get(name, name)
            assert there[name] == ("(none)" if said == "none" else said), name
            seen += 1
    assert seen > 25


# ---- the program -----------------------------------------------------------------------

def call(f, method, **parameters):
    request = urllib.request.Request(f"http://{f.http}/api/{method}",
                                     json.dumps(parameters).encode(),
                                     {"X-API-Key": "a-key"})
    with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
        return json.loads(answer.read())["result"]


async def users_of(f, room, *queries):
    """Whom the server takes those for who come in with these queries."""
    clients = [await websockets.connect(f"{f.url}?room={room}{q}") for q in queries]
    try:
        await clients[0].send("hello")  # they are in the room when it comes back
        for client in clients:
            await asyncio.wait_for(client.recv(), DEADLINE)
        there = await asyncio.get_running_loop().run_in_executor(
            None, lambda: call(f, "presence", channel=room)["presence"])
        return [member.get("user", "") for member in there.values()]
    finally:
        for client in clients:
            await client.close()


def test_with_raw_user_query_anybody_is_anybody(fanwired):
    f = fanwired(*API, "--raw.user", "query")
    assert asyncio.run(users_of(f, "a", "&user=ann", "&user=ann")) == ["ann", "ann"]


def test_with_raw_user_none_nobody_is_anybody(fanwired):
    f = fanwired(*API, "--raw.user", "none")
    assert asyncio.run(users_of(f, "a", "&user=ann", "")) == ["", ""]


def test_a_client_of_the_centrifuge_protocol_needs_a_token(fanwired):
    f = fanwired()

    async def scenario():
        url = re.sub(r"/ws$", "/connection/websocket", f.url)
        async with websockets.connect(url) as ws:
            await ws.send('{"id":1,"connect":{}}')
            await asyncio.wait_for(ws.wait_closed(), DEADLINE)
            return ws.close_code

    assert asyncio.run(scenario()) == 3501


def test_api_and_admin_page_are_nowhere_without_their_keys(fanwired):
    f = fanwired()
    for path in ("/api", "/api/info", "/admin", "/admin/api/info", "/admin/login"):
        assert f.get(path)[0] == 404, path


def test_a_page_of_another_site_is_refused(fanwired):
    f = fanwired()
    assert status(f, "?room=a", "https://evil.example") == 403
    assert status(f, "?room=a", "http://127.0.0.1") == 101
