"""Sending from every phase in which nginx may run Lua."""

import pytest

import rig

HEAD = ' ngx.header["X-Worker"] = ngx.worker.id()'

# phase: the location. send(phase) sends to user ann and notes what that gave.
PHASES = {
    "set": 'set_by_lua_block $x { send("set") return "" }'
           ' content_by_lua_block { ngx.say("x") }',
    "rewrite": 'rewrite_by_lua_block { send("rewrite") }'
               ' content_by_lua_block { ngx.say("x") }',
    "access": 'access_by_lua_block { send("access") }'
              ' content_by_lua_block { ngx.say("x") }',
    "content": 'content_by_lua_block { send("content") ngx.say("x") }',
    "header_filter": 'content_by_lua_block { ngx.say("x") }'
                     ' header_filter_by_lua_block { send("header_filter")' + HEAD + ' }',
    "body_filter": 'content_by_lua_block { ngx.print("x") }'
                   ' body_filter_by_lua_block {'
                   ' if ngx.arg[2] then send("body_filter") end }',
    "log": 'content_by_lua_block { ngx.say("x") } log_by_lua_block { send("log") }',
    "timer": 'content_by_lua_block { ngx.timer.at(0, function() send("timer") end)'
             ' ngx.say("x") }',
    "balancer": 'proxy_pass http://balanced/alive; proxy_http_version 1.1;',
    "light_thread": 'content_by_lua_block { ngx.thread.wait(ngx.thread.spawn(function()'
                    ' ngx.sleep(0) send("light_thread") end)) ngx.say("x") }',
    "subrequest": 'content_by_lua_block { ngx.location.capture("/content")'
                  ' ngx.say("x") }',
}

INIT = """
    local resty = require "fanwire.resty"
    function send(phase)
      local fine, ok, why = pcall(resty.send_user, "ann", phase)
      if not fine or not ok then
        ngx.log(ngx.ERR, phase, ": ", fine and why or ok)
      end
    end
"""

HTTP = """
  upstream balanced { server 0.0.0.1; balancer_by_lua_block {
    send("balancer")
    require("ngx.balancer").set_current_peer("127.0.0.1", @HTTP@)
  } }
"""

LOCATIONS = "\n".join(f"location /{name} {{ {text} }}" for name, text in PHASES.items())


@pytest.fixture
def phases(serve):
    """An nginx with all the phases; the only global is for the locations' sake."""
    return serve(locations=LOCATIONS, init=INIT, http=HTTP)


def test_each_phase_reaches_all_workers_and_machines(phases, node, enter, connect):
    far = node()
    anns = [enter(phases, "user=ann", 0), enter(phases, "user=ann", 1),
            connect(far, "user=ann")]
    rig.wait_reached(phases, "ann", anns)
    for phase in PHASES:
        answer = phases.get("/" + phase)
        assert answer.status == 200, phase
        heard = "content" if phase == "subrequest" else phase
        assert [ann.receive() for ann in anns] == [heard] * 3


def test_what_is_asked_answers_in_every_phase(serve):
    # A phase that may not yield gets the same as one that may.
    ask = """
      local resty = require "fanwire.resty"
      local seen = {resty.running(), #resty.node(), type(resty.node_name()),
        #resty.urls(), type(resty.stats().fanwire_sessions), type(resty.metrics()),
        #resty.sessions()}
      tell("%s", seen)
    """
    locations = "".join(
        'location /%s { content_by_lua_block { ngx.say("x") } %s_by_lua_block {'
        ' local tell = require("telling").tell %s } }\n' % (phase, phase, ask % phase)
        for phase in ("rewrite", "access", "header_filter", "log"))
    nginx = serve(locations=locations)
    for phase in ("rewrite", "access", "header_filter", "log"):
        assert nginx.get("/" + phase).status == 200
        assert nginx.wait_told(phase) == [[True, 16, "string", 1, "number", "string", 0]]


def test_the_master_only_gets_a_sentence(serve):
    # Whoever requires the module there has started nothing, and workers do as ever.
    nginx = serve(init="""
      local resty = require "fanwire.resty"
      local tell = require("telling").tell
      for name, f in pairs({
        publish = function() return resty.publish("r", "x") end,
        send_user = function() return resty.send_user("ann", "x") end,
        send_all = function() return resty.send_all("x") end,
        broadcast = function() return resty.broadcast("x") end,
        send_node = function() return resty.send_node(("0"):rep(16), "x") end,
        start = function() return resty.start({ listen = "off" }) end,
      }) do
        local ok, why, code = f()
        tell("master", { name, ok == nil, why, code })
      end
      tell("running", resty.running())
    """)
    seen = {name: rest for name, *rest in nginx.wait_told("master", 6)}
    for name in ("publish", "send_user", "send_all", "broadcast", "send_node"):
        nothing, why, code = seen[name]
        assert nothing and why.startswith("the hub is not running"), name
        assert code == "FW_ERR_CLOSED"
    assert seen["start"][0] and seen["start"][2] == "FW_ERR_STATE"
    assert "init_worker_by_lua" in seen["start"][1]
    assert nginx.told("running") == [False]
    assert nginx.post("/notify?user=ann", "x").status == 200


def test_a_worker_without_a_start_gets_a_sentence(nginx):
    n = nginx("", rig.NOTIFY)
    answer = n.post("/notify?user=ann", "x")
    assert answer.status == 503
    assert answer.body.startswith("FW_ERR_CLOSED: the hub is not running")


def test_what_is_wrong_with_a_call_is_said_and_the_worker_goes_on(serve, enter):
    nginx = serve(locations="""
      location /wrong { content_by_lua_block {
        local resty, seen = require "fanwire.resty", {}
        for _, arguments in ipairs({ {"", "x"}, {"r", "\\255"}, {("r"):rep(256), "x"},
            {"r\\0", "x"}, {"r", "x", "sideways"}, {5, "x"}, {"r", 5}, {"r"}, {} }) do
          local fine, ok, why = pcall(function()
            local ok, why = resty.publish(unpack(arguments, 1, 3))
            return ok, why
          end)
          seen[#seen + 1] = fine and (ok == nil and "nil, " .. tostring(why) or "taken")
            or "error, " .. tostring(ok)
        end
        ngx.print(require("cjson").encode(seen))
      } }""")
    ann = enter(nginx, "user=ann")
    seen = rig.json.loads(nginx.get("/wrong").body)
    assert [line.split(",")[0] for line in seen] == ["nil"] * 4 + ["error"] * 5 or \
        [line.split(",")[0] for line in seen] == ["nil"] * 5 + ["error"] * 4, seen
    for line in seen:
        if line.startswith("error"):
            assert "content_by_lua" in line, line  # the caller's own line
        else:
            assert len(line) > 15
    assert nginx.post("/notify?user=ann", "still").status == 200
    assert ann.receive() == "still"
