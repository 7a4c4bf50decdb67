"""What has an answer is waited for, where a request is served and in handlers."""

import json

import support

OPTIONS = "room_presence = true, room_history_size = 3,"

# GET /who?room=R: what presence gave, as a list. `ask` is what each location does.
LOCATIONS = """
    location /who { content_by_lua_block {
      ask("presence", ngx.var.arg_room, { limit = tonumber(ngx.var.arg_limit) }) } }
    location /nodes { content_by_lua_block { ask("nodes") } }
    location /history { content_by_lua_block { ask("history", "r", { limit = 2 }) } }
    location /forget { content_by_lua_block { ask("forget", "r") } }
    location /wrong { content_by_lua_block { ask("presence", "a\\nb") } }
    location /nonsense { content_by_lua_block {
      local resty, said = require "fanwire.resty", {}
      for _, arguments in ipairs({ {}, {5}, {"r", "how"}, {"r", {limmit = 1}} }) do
        local fine, why = pcall(function()
          local members = resty.presence(unpack(arguments, 1, 2))
          return members
        end)
        said[#said + 1] = tostring(why)
      end
      ngx.print(require("cjson").encode(said))
    } }
"""

INIT = """
    function ask(name, ...)
      local cjson, got = require "cjson", { require("fanwire.resty")[name](...) }
      for i = 1, 3 do
        got[i] = got[i] == nil and cjson.null or got[i]
      end
      ngx.print(cjson.encode(got))
    end
"""


def asked(nginx, path):
    return json.loads(nginx.get(path).body)


def test_a_request_waits_for_who_is_in_a_room_on_any_worker(serve, enter):
    nginx = serve(options=OPTIONS, locations=LOCATIONS, init=INIT)
    for worker in (0, 1):
        enter(nginx, f"room=r&user=u{worker}", worker)
    support.wait_until(lambda: asked(nginx, "/who?room=r")[1] == 2, "two members")
    members, total, cursor = asked(nginx, "/who?room=r&limit=10")
    assert {m["user"] for m in members} == {"u0", "u1"}
    assert len({m["node"] for m in members}) == 2
    assert (total, cursor) == (2, None)
    assert asked(nginx, "/who?room=r&limit=0") == [{}, 2, None]
    assert len(asked(nginx, "/nodes")[0]) == 2


def test_a_request_waits_for_what_a_room_remembers(serve):
    nginx = serve(options=OPTIONS, locations=LOCATIONS, init=INIT)
    for text in ("one", "two", "three"):
        assert nginx.post("/notify?room=r", text).status == 200
    support.wait_until(lambda: (asked(nginx, "/history")[1] or "").endswith("/3"),
                       "three messages")
    messages, position, _ = asked(nginx, "/history")
    assert [m["data"] for m in messages] == ["one", "two"]
    ok, begins, _ = asked(nginx, "/forget")
    assert ok and begins.endswith("/0") and begins[:16] != position[:16]


def test_a_handler_waits_for_an_answer_too(serve, enter):
    nginx = serve("""
      message = function(session, room)
        local members, total = resty.presence(room, { limit = 5 })
        session:send({ members[1].user, total })
      end,
      room_join = function(room, member)
        tell("join", { member.user, select(2, resty.presence(room)) })
      end,""", OPTIONS + "room_join_leave = true,", workers=1, redis=None)
    ann = enter(nginx, "room=r&user=ann")
    ann.send("r")
    assert json.loads(ann.receive()) == ["ann", 1]
    enter(nginx, "room=r&user=bob")
    assert nginx.wait_told("join")[-1] == ["bob", 2]


def test_what_is_wrong_with_a_question_is_said_to_who_asks(serve):
    nginx = serve(options=OPTIONS, locations=LOCATIONS, init=INIT, workers=1, redis=None)
    nothing, why, name = asked(nginx, "/wrong")
    assert (nothing, name) == (None, "FW_ERR_INVALID") and "control" in why
    for line in asked(nginx, "/nonsense"):
        assert "content_by_lua" in line and "wanted" in line or "limmit" in line, line


def test_where_nothing_can_be_waited_for_that_is_said(serve):
    locations = "".join("""
      location /%s { content_by_lua_block { ngx.say("x") } %s_by_lua_block {
        require("telling").tell("%s", { require("fanwire.resty").presence("r") }) } }
      """ % (phase, phase, phase) for phase in ("header_filter", "log"))
    nginx = serve(locations=locations, workers=1, redis=None)
    for phase in ("header_filter", "log"):
        assert nginx.get("/" + phase).status == 200
        nothing, why, name = nginx.wait_told(phase)[0]
        assert nothing is None and name == "FW_ERR_STATE" and phase in why
