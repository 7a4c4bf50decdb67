"""docs/openapi.json: it has every method that the server knows and every parameter, and
what the server answers is what stands there."""

import asyncio
import json
import pathlib
import re
import shlex

import pytest
import websockets

from conftest import DEADLINE, run, wait_until
from json_schema import Schemas, Unfit
from test_api import OPTIONS, Caller, examples, in_thread

TOP = pathlib.Path(__file__).resolve().parents[2]
SOURCES = sorted((TOP / "capi" / "src" / "http").glob("api_*.c"))
DOCUMENT = json.loads((TOP / "docs" / "openapi.json").read_text(encoding="utf-8"))
PATHS = DOCUMENT["paths"]
# Those that aren't methods of their own: several in one request.
FORMS = {"/api", "/api/batch"}
KINDS = {"string": "a string", "boolean": "true or false", "object": "an object",
         "array": "an array", "integer": "a number", "number": "a number"}


def request_of(path):
    """The schema of its request."""
    body = PATHS[path]["post"]["requestBody"]["content"]
    return Schemas(DOCUMENT, True).find(body["application/json"]["schema"]["$ref"])


def type_of(schema):
    """The type of a parameter; None: any value will do."""
    while "$ref" in schema or "allOf" in schema:
        reference = schema["$ref"] if "$ref" in schema else schema["allOf"][0]["$ref"]
        schema = Schemas(DOCUMENT, True).find(reference)
    return schema.get("type")


def in_sources(pattern):
    found = {name for path in SOURCES
             for name in re.findall(pattern, path.read_text(encoding="utf-8"))}
    assert found
    return found


def references(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inside in value.values():
            yield from references(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from references(inside)


@pytest.fixture
def call(fanwired):
    return Caller(fanwired(*OPTIONS))


def test_it_is_of_this_version_and_all_of_it_is_used():
    version = re.fullmatch(r"fanwired (\S+)\n", run("--version").out)[1]
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert DOCUMENT["info"]["version"] == version
    used = set(references(DOCUMENT))
    for reference in used:
        Schemas(DOCUMENT, True).find(reference)
    for part in ("schemas", "responses"):
        names = {f"#/components/{part}/{name}" for name in DOCUMENT["components"][part]}
        assert names <= used
    ids = [post["post"]["operationId"] for post in PATHS.values()]
    assert len(ids) == len(set(ids))


def test_every_method_that_the_server_knows_is_there(call):
    methods = in_sources(r'\{\s*\.name = "(\w+)"')
    assert set(PATHS) == {"/api/" + name for name in methods} | FORMS
    for path in PATHS:
        assert call(path.removeprefix("/api").strip("/"), "{")[0] == 400, path
    assert call("nothing", "{")[0] == 404
    batch = request_of("/api/batch")["properties"]["commands"]["items"]["properties"]
    replies = DOCUMENT["components"]["schemas"]["Replies"]["properties"]["replies"]
    assert set(batch) == methods
    assert set(replies["items"]["properties"]) == methods | {"error"}


def test_every_parameter_is_there_and_of_its_kind(call):
    named = set()
    for path in set(PATHS) - FORMS:
        method = path.removeprefix("/api/")
        for name, schema in request_of(path)["properties"].items():
            named.add(name)
            kind = type_of(schema)
            if kind is None:
                continue
            status, answer = call(method, {name: [] if kind != "array" else {}})
            assert status == 400, (method, name)
            assert (f'{method}: "{name}" must be {KINDS[kind]} '
                    in answer["error"]["message"])
    assert in_sources(r'\{"(\w+)", FWI_API_') <= named


def test_a_parameter_that_is_not_supported_is_said_to_be_so(call):
    says = {"string": "x", "number": 1, "object": {"a": 1}}
    for path in set(PATHS) - FORMS:
        method = path.removeprefix("/api/")
        for name, schema in request_of(path)["properties"].items():
            if type_of(schema) in says:
                _, answer = call(method, {name: says[type_of(schema)]})
                refused = answer.get("error", {})
                isnt_there = f'"{name}" is not supported' == refused.get("message")
                assert isnt_there == schema.get("deprecated", False), (method, name)


def check_answer(path, body, status, answer):
    """Against what the document says; the results' kinds, by the methods."""
    schemas = Schemas(DOCUMENT, True)
    post = PATHS[path]["post"]
    says = post["responses"][str(status)]
    says = schemas.find(says["$ref"]) if "$ref" in says else says
    schemas.check(says["content"]["application/json"]["schema"], answer)
    if status == 200 and "error" not in answer:
        try:
            schemas.check(request_of(path), json.loads(body))
        except Unfit as unfit:
            pytest.fail(f"{path}: the server takes what the document doesn't: {unfit}")
        return True
    return False


MORE = [
    ("publish", {"channel": "news:c", "b64data": "AAE="}),
    ("publish", {"channel": "news:c", "data": {"a": [1]}, "skip_history": True}),
    ("history", {"channel": "news:c", "limit": -1, "reverse": True}),
    ("history", {"channel": "news:nobody"}),
    ("channels", {}),
    ("presence", {"channel": "team:nobody"}),
    ("batch", {"commands": [{"info": {}}, {"history": {"channel": "lobby"}},
                            {"publish": {"channel": "news:c", "data": 1}}]}),
    ("publish", {"channel": "\n", "data": 1}),
    ("publish", {"channel": 1}),
]


def requests():
    """(path, body) of the manual's examples and of more, each with our key."""
    for command, _ in examples():
        words = shlex.split(command)
        if words[4] == "X-API-Key: $KEY":
            yield words[2].replace("$API", "/api"), words[6]
    for method, parameters in MORE:
        yield "/api/" + method, json.dumps(parameters)


def test_what_the_server_answers_is_what_stands_there(fanwired):
    f = fanwired(*OPTIONS)
    call, answered = Caller(f), set()

    def run_all():
        for path, body in requests():
            if path != "/api":
                status, answer = call(path.removeprefix("/api/"), body)
                if check_answer(path, body, status, answer):
                    answered.add(path)

    async def scenario():
        async with websockets.connect(f.url + "?room=team:a&user=ann") as ann:
            async with websockets.connect(f.url + "?room=news:c&user=bob") as bob:
                await bob.send("no JSON")
                await asyncio.wait_for(bob.recv(), DEADLINE)
                await in_thread(wait_until, lambda: call.result(
                    "presence_stats", channel="team:a")["num_clients"] == 1, "ann")
                await in_thread(run_all)
                await ann.close()

    asyncio.run(scenario())
    assert answered == set(PATHS) - {"/api"}
    status, answer = Caller(f, "wrong")("info", {})
    assert not check_answer("/api/info", "{}", status, answer) and status == 401


@pytest.mark.parametrize("value", [
    {}, {"result": 1}, {"result": {}}, {"error": {"code": 107}},
    {"error": {"code": 7, "message": ""}}, {"result": {"nodes": [{"name": "a"}]}},
    {"result": {"nodes": [{"uid": "1" * 16, "name": "a", "news": 1}]}},
    {"result": {"nodes": [{"uid": "x", "name": "a"}]}},
    {"result": {"nodes": [{"uid": "1" * 16, "name": "a", "uptime": True}]}},
])
def test_an_answer_of_another_shape_would_be_seen(value):
    with pytest.raises(AssertionError):
        check_answer("/api/info", "{}", 200, value)
