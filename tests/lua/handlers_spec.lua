-- Handlers: what calls them, with what, and what becomes of their failures.
local fanwire = require "fanwire"
local support = require "support"

describe("handlers:", function()
  after_each(support.end_all)

  it("connect is called with the request", function()
    local seen = support.seen()
    local hub = support.started{connect = seen}
    support.client(hub, "room=a")
    assert.equal("/ws", seen[1].path)
    assert.equal("a", seen[1].query.room)
  end)

  it("open is called with the session", function()
    local seen = support.seen()
    local hub = support.started{open = seen}
    support.client(hub)
    support.wait(function() return seen[1] end)
    assert.matches("^%x+$", seen[1].id)
    assert.equal(32, #seen[1].id)
  end)

  it("message gets what was said, and whether it is binary", function()
    local seen = support.seen()
    local hub = support.started{
      message = function(_, data, binary) seen(data, binary) end,
    }
    local client = support.client(hub)
    client:send("text \195\164")
    client:send_binary("\0\255")
    support.wait(function() return seen[2] end)
    assert.same({"text \195\164", false}, seen[1])
    assert.same({"\0\255", true}, seen[2])
  end)

  it("close is called with session, code and reason", function()
    local seen = support.seen()
    local hub = support.started{close = seen}
    support.client(hub):close(4001, "enough")
    support.wait(function() return seen[1] end)
    assert.equal(4001, seen[1][2])
    assert.equal("enough", seen[1][3])
    assert.is_true(seen[1][1].closed)
  end)

  it("join and leave are called with session and room", function()
    local joins, leaves = support.seen(), support.seen()
    local hub = support.started{
      join = function(s, room) joins(s, room) end,
      leave = leaves,
      open = function(s) s:join("a") end,
      message = function(s) s:leave("a") end,
    }
    local client = support.client(hub)
    support.wait(function() return joins[1] end)
    client:send("go")
    support.wait(function() return leaves[1] end)
    assert.equal("a", joins[1][2])
    assert.equal("a", leaves[1][2])
    assert.equal(joins[1][1], leaves[1][1])
  end)

  it("leave is called for each room before close", function()
    local seen = support.seen()
    local hub = support.started{
      open = function(s)
        s:join("a")
        s:join("b", function() s:send("in") end)
      end,
      leave = function(_, room) seen(room) end,
      close = function() seen("close") end,
    }
    local client = support.client(hub)
    client:receive()
    client:close()
    support.wait(function() return seen[3] end)
    table.sort(seen, function(x, y) return x < y and y ~= "close" or y == "close" end)
    assert.equal("close", seen[3])
  end)

  it("room_message is called with room and data", function()
    local seen = support.seen()
    local hub
    hub = support.started{
      open = function(s) s:join("a") end,
      room_message = seen,
      message = function(_, data, binary) assert(hub:publish("a", data, binary)) end,
    }
    local client = support.client(hub)
    client:send("said")
    client:send_binary("\1")
    support.wait(function() return seen[2] end)
    assert.same({"a", "said", false}, seen[1])
    assert.same({"a", "\1", true}, seen[2])
  end)

  it("backplane handlers tell when Redis goes and comes", function()
    local url, redis = support.redis()
    local seen = support.seen()
    support.started({
      backplane_up = function(...) seen("up", select("#", ...)) end,
      backplane_down = function(reason) seen("down", reason) end,
    }, {redis_url = url})
    support.wait(function() return seen[1] end)
    redis.stop()
    support.wait(function() return seen[2] end)
    redis.start()
    support.wait(function() return seen[3] end)
    assert.same({"up", 0}, seen[1])
    assert.equal("down", seen[2][1])
    assert.is_string(seen[2][2])
    assert.same({"up", 0}, seen[3])
  end)

  it("the session is the same object in every handler", function()
    local seen = support.seen()
    local hub = support.started{open = seen, message = function(s) seen(s) end,
      close = function(s) seen(s) end}
    local client = support.client(hub)
    client:send("x")
    client:close()
    support.wait(function() return seen[3] end)
    assert.is_true(rawequal(seen[1], seen[2]))
    assert.is_true(rawequal(seen[1], seen[3]))
  end)

  it("a hub without handlers takes everybody in and still fans out", function()
    local hub = support.started()
    local client = support.client(hub)
    support.wait(function()
      hub:send_all("hello")
      return client.received[1]
    end)
    assert.equal("hello", (client:receive()))
    assert.same({}, hub:sessions())
  end)

  it("only close is enough", function()
    local seen = support.seen()
    local hub = support.started{close = function(s, code) seen(s.path, code) end}
    support.client(hub):close(1000)
    support.wait(function() return seen[1] end)
    assert.same({"/ws", 1000}, seen[1])
  end)

  it("callable tables are handlers", function()
    local hub = support.started{message = setmetatable({},
      {__call = function(_, s, data) s:send(data) end})}
    assert.equal("x", (support.client(hub):ask("x")))
  end)

  it("what can't be called is an error that names the event", function()
    local hub = support.hub()
    support.raises("message: a function is wanted, not number",
      function() hub:on("message", 5) end)
    support.raises("message: a function is wanted, not nil",
      function() hub:on("message") end)
  end)

  it("an unknown event is an error that says which there are", function()
    local hub = support.hub()
    support.raises('event: no handler is called "mesage"; there are .*message',
      function() hub:on("mesage", print) end)
    support.raises("event: a string is wanted", function() hub:on(5, print) end)
  end)

  it("a second handler for the same event is an error where it is registered", function()
    local hub = support.hub()
    assert.equal(hub, hub:on("open", print))
    support.raises("open has a handler already$", function() hub:on("open", print) end)
    support.raises("open has a handler already$", function()
      hub:on("close", print):on("open", print):on("message", print)
    end)
  end)

  it("a handler that was refused leaves room for another", function()
    local seen = support.seen()
    local hub = support.hub()
    pcall(hub.on, hub, "open", 5)
    hub:on("open", seen)
    pcall(hub.on, hub, "open", print)
    assert(hub:start())
    support.client(hub)
    support.wait(function() return seen[1] end)
  end)

  it("a handler after the start is an error where it is registered", function()
    local hub = support.started()
    support.raises("the hub is running: .* before it is started$",
      function() hub:on("open", print) end)
  end)

  it("a handler that fails is logged with its traceback and the hub goes on", function()
    local hub, lines = support.started{message = function(s, data)
      if data == "fail" then
        error("boom")
      end
      s:send(data)
    end}
    local client = support.client(hub)
    client:send("fail")
    assert.equal("next", (client:ask("next")))
    local line = support.logged(lines, "boom")
    assert.equal("error", line[1])
    assert.equal("handlers", line[2])
    assert.matches("message handler failed: .*handlers_spec.lua:%d+: boom", line[3])
    assert.matches("stack traceback:", line[3])
  end)

  it("a traceback ends with the handler", function()
    local function deeper(fail)
      if fail then
        pcall(error, "caught in here")
        error("boom")
      end
      return fail
    end
    local hub, lines = support.started{message = function(s, data)
      s:send(tostring(deeper(data == "fail")))
    end}
    support.client(hub):send("fail")
    local trace = support.logged(lines, "boom")[3]
    assert.matches("handlers_spec.lua:%d+: in [^\n]*\n"
      .. "[^\n]*handlers_spec.lua:%d+: in [^\n]*$", trace)
    assert.is_nil(trace:find("xpcall", 1, true))
    assert.is_nil(trace:find("fanwire/[%w_]+%.lua:"))
  end)

  it("a failure is logged with session, user and event", function()
    local hub, lines = support.started{
      connect = function() return "ann" end,
      open = function() error({}) end,
      close = function()
        error(setmetatable({}, {__tostring = function() error("no") end}))
      end,
    }
    local client = support.client(hub)
    assert.matches("open handler failed: table: .* %(session=%x+ user=ann%)",
      support.logged(lines, "open handler failed")[3])
    client:close()
    assert.matches("no text", support.logged(lines, "close handler failed")[3])
  end)

  it("a failed connect handler is 500 and logged", function()
    local hub, lines = support.started{connect = function() error("boom") end}
    assert.equal(500, (support.refused(hub)))
    support.logged(lines, "connect handler failed")
  end)

  it("a backplane handler that fails is logged", function()
    local url = support.redis()
    local _, lines = support.started({backplane_up = function() error("boom") end},
      {redis_url = url})
    assert.matches("session=none",
      support.logged(lines, "backplane_up handler failed")[3])
  end)

  it("to send to one's own closed session is no failure", function()
    local hub, lines = support.started({message = function(s)
      s:close()
      support.wait(function() return not assert(s:send("late")) end, "gone", false)
    end}, {log_level = "debug"})
    support.client(hub):send("x")
    local line = support.logged(lines, "message handler failed")
    assert.equal("debug", line[1])
  end)

  it("a handler that asks to stop stops the hub", function()
    local seen = support.seen()
    local hub
    hub = support.started{message = function() hub:stop() end,
      close = function(_, code) seen(code) end}
    support.client(hub):send("x")
    support.wait(function() return not hub:running() end)
    assert.equal(1, #seen)
    assert.equal("FW_ERR_CLOSED", select(3, hub:poll()))
  end)

  it("a handler can't poll the hub", function()
    local seen = support.seen()
    local hub
    hub = support.started{message = function(s)
      seen(select(3, hub:poll()), select(3, hub:run()), select(3, hub:close()),
        (select(3, hub:drain())))
      s:send("done")
    end}
    assert.equal("done", (support.client(hub):ask("x")))
    assert.same({"FW_ERR_STATE", "FW_ERR_STATE", "FW_ERR_STATE", "FW_ERR_STATE"}, seen[1])
    assert.is_true(hub:running())
    assert.is_true(fanwire.is_retriable("FW_ERR_BUSY"))
  end)

  it("handlers may take variable arguments", function()
    local seen = support.seen()
    local hub = support.started{
      message = function(...) seen(select("#", ...), select(2, ...)) end,
    }
    support.client(hub):send("x")
    support.wait(function() return seen[1] end)
    assert.same({3, "x", false}, seen[1])
  end)
end)
