-- Starting, running and ending a hub, and what it tells meanwhile.
local fanwire = require "fanwire"
local support = require "support"
local uv = require "luv"

describe("life cycle:", function()
  after_each(support.end_all)

  it("start and close", function()
    local hub = support.hub()
    assert.is_true(hub:start())
    assert.is_true(hub:running())
    assert.is_true(hub:close())
    assert.is_false(hub:running())
    assert.is_true(hub:close())
    assert.is_true(hub:stop())
  end)

  it("close before the start is no error", function()
    local hub = support.hub()
    assert.is_true(hub:close())
    assert.is_true(hub:stop())
    assert.is_true(hub:start())
  end)

  it("threads of a hub do not keep the process", function()
    local child = support.lua([[
      local hub = assert(require "fanwire".hub{listen = "ws://127.0.0.1:0/ws"})
      assert(hub:start())
      print("started")]])
    assert.equal(0, (child.wait_end()))
    assert.matches("started", child.text)
  end)

  it("running is true from start to end", function()
    local seen = support.seen()
    local hub
    hub = support.hub()
    hub:on("open", function() seen(hub:running()) end)
    hub:on("close", function() seen(hub:running()) end)
    assert.is_false(hub:running())
    assert(hub:start())
    seen(hub:running())
    support.client(hub)
    support.wait(function() return #seen == 2 end)
    hub:stop()
    assert.same({true, true, true}, {seen[1], seen[2], seen[3]})
    assert.is_false(hub:running())
    assert.same({}, hub:urls())
    assert.same({}, hub:sessions())
  end)

  it("start twice is a state error", function()
    support.failed("^the hub is running$", "FW_ERR_STATE", support.started():start())
  end)

  it("a hub is started again", function()
    local hub = support.hub()
    hub:on("message", function(s, data) s:send(data) end)
    for _ = 1, 3 do
      assert(hub:start())
      local client = support.client(hub)
      assert.equal("x", (client:ask("x")))
      client:cut()
      assert(hub:stop())
    end
  end)

  it("a session of an earlier run is gone", function()
    local s
    local hub = support.started{open = function(o) s = o end}
    support.client(hub)
    support.wait(function() return s end)
    hub:stop()
    assert.is_true(s.closed)
    assert(hub:start())
    assert.is_nil((s:send("x")))
    assert.equal("FW_ERR_CLOSED", select(3, s:send("x")))
  end)

  it("two hubs at a time", function()
    local a = support.started{message = function(s) s:send("a") end}
    local b = support.started{message = function(s) s:send("b") end}
    assert.equal("a", (support.client(a):ask("x")))
    assert.equal("b", (support.client(b):ask("x")))
  end)

  it("run starts, and returns after stop", function()
    local seen = support.seen()
    local hub
    hub = support.hub()
    hub:on("message", function() hub:stop() end)
    hub:on("close", function(_, code) seen(code) end)
    assert(hub:start())
    local client = support.foreign_client(hub:urls()[1], {"stop"})
    assert.is_true(hub:run())
    assert.is_false(hub:running())
    assert.same({1001}, {seen[1]})
    client.wait_line("closed 1001 going away")
  end)

  it("run gives what start gives", function()
    local first = support.started()
    support.failed("address", "FW_ERR_LISTEN",
      support.hub{listen = first:urls()[1]}:run())
  end)

  it("close drains, and each open has its close", function()
    local opens, closes = support.seen(), support.seen()
    local hub = support.started(
      {open = opens, close = function(_, code) closes(code) end}, {drain_rate = 100})
    local clients = {}
    for i = 1, 5 do
      clients[i] = support.foreign_client(hub:urls()[1])
    end
    support.wait(function() return opens[5] end)
    assert.is_true(hub:close())
    assert.equal(5, #closes)
    for _, client in ipairs(clients) do
      client.wait_line("closed 1001")
    end
  end)

  it("drain handles events meanwhile, and tells when some are left", function()
    local hub = support.started({message = function(s, data) s:send(data) end},
      {drain_rate = 1})
    local clients = {support.client(hub), support.client(hub), support.client(hub)}
    support.failed("are left", "FW_ERR_TIMEOUT", hub:drain(0.05))
    assert.is_true(hub:running())
    assert.equal("x", (clients[3]:ask("x")))
    support.wait(function() return hub:drain(0) end)
    for _, client in ipairs(clients) do
      assert.equal(1001, (client:wait_closed()))
    end
    assert.is_true(hub:stop())
  end)

  it("the descriptor is readable while events wait", function()
    local seen = support.seen()
    local hub = support.started{message = function(_, data) seen(data) end}
    local client = support.client(hub)
    support.wait(function() return hub:poll() == 0 end)
    local poll = uv.new_poll(hub:fd())
    poll:start("r", function() hub:poll() end)
    client:send("x")
    support.wait(function() return seen[1] end, "the message", false)
    poll:stop()
    poll:close()
  end)

  it("poll handles at most so many", function()
    local opened = false
    local hub = support.started{
      open = function() opened = true end, message = function() end}
    local client = support.client(hub)
    support.wait(function() return opened end)
    for i = 1, 10 do
      client:send(tostring(i))
    end
    local most, total = 0, 0
    support.wait(function()
      local n = hub:poll(0.01, 3)
      most, total = math.max(most, n), total + n
      return total == 10
    end, "10 events", false)
    assert.equal(3, most)
  end)

  it("poll waits so long", function()
    local hub = support.started()
    support.wait(function() return hub:poll() == 0 end)
    local from = fanwire.native.fwb_now()
    assert.equal(0, hub:poll(0.1))
    assert.is_true(fanwire.native.fwb_now() - from >= 0.09)
  end)

  it("an error that is Ctrl-C comes out, and nothing is lost", function()
    local seen = support.seen()
    local hub = support.started{message = function(_, data)
      seen(data)
      if data == "1" then
        error("interrupted!", 0)
      end
    end}
    local client = support.client(hub)
    support.wait(function() return hub:poll() == 0 end)
    client:send("1")
    client:send("2")
    local ok, why = pcall(support.wait, function() return seen[2] end)
    assert.is_false(ok)
    assert.equal("interrupted!", why)
    support.wait(function() return seen[2] end)
    assert.same({"1", "2"}, {seen[1], seen[2]})
  end)

  it("Ctrl-C ends run within a second, with a sentence", function()
    local child = support.lua([[
      local hub = assert(require "fanwire".hub{listen = "ws://127.0.0.1:0/ws",
        log = function(_, _, line) print(line) io.stdout:flush() end})
      local ok, why = pcall(hub.run, hub)
      print("ended", ok, why, hub:running())]])
    child.wait_line("started node")
    child.kill("sigint")
    child.wait_line("ended%s+false%s+[^\n]*interrupted!%s+false")
  end)

  it("a hub that is dropped while it runs stops", function()
    local hub = assert(fanwire.hub{listen = "ws://127.0.0.1:0/ws", log = function() end})
    assert(hub:start())
    local url = hub:urls()[1]
    hub = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_true(support.hub{listen = url}:start())
  end)

  it("nothing is left of many hubs", function()
    local before
    for i = 1, 12 do
      local hub = support.started{message = function(s, data) s:send(data) end}
      local client = support.client(hub)
      assert.equal("x", (client:ask("x")))
      support.end_all()
      if i == 2 then
        before = support.descriptors()
      end
    end
    assert.is_true(support.descriptors() <= before)
  end)

  it("what a running hub tells", function()
    local hub = support.started(nil, {http_listen = "127.0.0.1:0", node_name = "me"})
    assert.matches("^ws://127.0.0.1:%d+/ws$", hub:urls()[1])
    assert.matches("^127.0.0.1:%d+$", hub:http_address())
    assert.equal("me", hub:node_name())
    assert.matches("^%x+$", hub:node())
    assert.equal(16, #hub:node())
    assert.equal(0, hub:stats().fanwire_sessions)
    assert.matches("# HELP fanwire_sessions", hub:metrics())
    assert.equal("<fanwire.Hub " .. hub:urls()[1] .. ">", tostring(hub))
    assert.equal("0.1.0", fanwire.version)
  end)

  if _VERSION == "Lua 5.4" then
    it("<close> closes", function()
      local hub = support.hub()
      load([[local hub = ...
        local closing <close> = hub
        assert(hub:start())]])(hub)
      assert.is_false(hub:running())
    end)
  end

  it("the globals are left alone", function()
    assert.is_nil(rawget(_G, "swig_type"))
    assert.is_nil(rawget(_G, "swig_equals"))
    assert.is_nil(rawget(_G, "fanwire"))
    assert.is_nil(rawget(_G, "fanwire_native"))
  end)
end)

describe("logging:", function()
  after_each(support.end_all)

  it("lines have level, component and text", function()
    local _, lines = support.started()
    local line = support.logged(lines, "listening on")
    assert.equal("info", line[1])
    assert.equal("listen", line[2])
  end)

  it("the option decides what is sent", function()
    local hub, lines = support.started(nil, {log_level = "error"})
    support.client(hub):close()
    support.pass(0.05)
    hub:stop()
    assert.equal(0, #lines)
  end)

  it("a log that fails stops nothing", function()
    local before = io.stderr
    local said = {}
    finally(function() io.stderr = before end) -- luacheck: ignore
    io.stderr = {write = function(_, text) said[#said + 1] = text end} -- luacheck: ignore
    local hub = support.started({message = function(s, data) s:send(data) end},
      {log = function() error("no") end})
    assert.equal("x", (support.client(hub):ask("x")))
    hub:stop()
    assert.matches("the function log failed: .*no", table.concat(said))
  end)

  it("lines of the stop are logged, too", function()
    local hub, lines = support.started()
    hub:stop()
    support.logged(lines, "stopping")
  end)

  it("without a function they go to standard error", function()
    local before = io.stderr
    local said = {}
    finally(function() io.stderr = before end) -- luacheck: ignore
    io.stderr = {write = function(_, text) said[#said + 1] = text end} -- luacheck: ignore
    local hub = assert(fanwire.hub{listen = "ws://127.0.0.1:0/ws"})
    assert(hub:start())
    hub:stop()
    assert.matches("^%d+%-%d%d%-%d%dT[%d:]+Z info  listen: listening on", said[1])
  end)

  it("a warning of the library is a warning", function()
    local _, lines = support.started(nil, {redis_url = "redis+unix:///nowhere/none.sock"})
    assert.equal("warn", support.logged(lines, "none.sock")[1])
  end)

  it("levels are those of the library", function()
    local hub, lines = support.started({open = function() end}, {log_level = "trace"})
    support.client(hub):close()
    support.wait(function() return hub:stats().fanwire_sessions == 0 end)
    local known = {error = true, warn = true, info = true, debug = true, trace = true}
    local seen = {}
    for _, line in ipairs(lines) do
      assert.is_true(known[line[1]], line[1])
      seen[line[1]] = true
    end
    assert.is_true(seen.debug or seen.trace)
  end)

  it("percent signs in a line do no harm", function()
    local hub, lines = support.started({open = function() error("100%s %d %n") end},
      {log_level = "trace"})
    support.client(hub, "a=%25s%25d%25n"):close()
    support.logged(lines, "100%s %d %n")
  end)
end)
