-- Forks: what a child inherits of a hub neither keeps it alive nor lets it be used.
-- Each test runs a program of its own; nothing of luv's is forked. Children close their
-- state when they exit, as far as their Lua can: what it held is seen to be freed, then.
local support = require "support"

local PROGRAM = [[
  local fanwire, fork = require "fanwire", require "forking"

  local function tell(...)
    io.stdout:write(table.concat({...}, " "), "\n")
    io.stdout:flush()
  end

  local function make(url)
    return assert(fanwire.hub{
      listen = url or "ws://127.0.0.1:0/ws",
      log = function() end,
    })
      :on("open", function(s) s:send("hello") end)
      :on("message", function(s, data)
        if data == "close" then
          s:close(4000, "closed by the parent")
        else
          s:send(data)
        end
      end)
  end

  -- Until a file is there, which is how a test says what is next, or nobody waits for us.
  local uv = require "luv"
  local function serve(hub, path)
    local since = uv.os_getppid()
    repeat
      if hub then
        hub:poll(0.02)
      else
        uv.sleep(5)
      end
      local file = io.open(path)
      if file then
        file:close()
      elseif uv.os_getppid() ~= since then
        os.exit(1, true)
      end
    until file
  end
]]

-- A hub, and a child that sleeps and does something before.
local function sleeper(before)
  local files = {}
  local function path(name)
    files[name] = files[name] or os.tmpname()
    return files[name]
  end
  for _, name in ipairs{"fork", "stop", "leave"} do
    os.remove(path(name))
  end
  local child = support.lua(PROGRAM .. string.format([[
    local TO_FORK, TO_STOP, TO_LEAVE = %q, %q, %q
    local hub = make()
    assert(hub:start())
    tell("url", hub:urls()[1])
    serve(hub, TO_FORK)
    if fork() then
      %s
      tell("forked")
      serve(nil, TO_LEAVE)
      tell("left")
      os.exit(0, true)
    end
    serve(hub, TO_STOP)
    hub:close()
    tell("stopped")
    serve(nil, TO_LEAVE)
  ]], path("fork"), path("stop"), path("leave"), before or ""))
  local self = {url = child.wait_line("url (%S+)"), program = child}
  function self.may(name)
    io.open(path(name), "w"):close()
  end
  -- The child was there until now, and both end well.
  function self.finish()
    assert.is_nil(child.text:find("left", 1, true))
    self.may("stop")
    self.may("leave")
    assert.equal(0, (child.wait_end()))
    child.wait_line("left")
    for _, file in pairs(files) do
      os.remove(file)
    end
  end
  return self
end

-- TSan dies of a thread that is started in a forked child.
if (os.getenv("LD_PRELOAD") or ""):find("tsan") then
  return
end

describe("fork:", function()
  after_each(support.end_all)

  it("a closed session's client sees the end while a child sleeps", function()
    local p = sleeper()
    local client = support.client(p.url)
    assert.equal("hello", (client:receive()))
    p.may("fork")
    p.program.wait_line("forked")
    client:send("close")
    local code, reason = client:wait_closed()
    assert.same({4000, "closed by the parent"}, {code, reason})
    -- The child has the descriptor, too; the end must come all the same.
    support.wait(function() return client.ended end, "the end of the stream")
    p.finish()
  end)

  it("those who came before the fork are served on", function()
    local p = sleeper()
    local client = support.client(p.url)
    assert.equal("hello", (client:receive()))
    p.may("fork")
    p.program.wait_line("forked")
    assert.equal("still there", (client:ask("still there")))
    assert.equal("hello", (support.client(p.url):receive()))
    p.finish()
  end)

  it("the port is free after the stop while a child sleeps", function()
    local p = sleeper()
    local client = support.client(p.url)
    client:receive()
    p.may("fork")
    p.program.wait_line("forked")
    p.may("stop")
    assert.equal(1001, (client:wait_closed()))
    support.wait(function() return client.ended end, "the end of the stream")
    p.program.wait_line("stopped")
    assert.is_true(support.hub{listen = p.url}:start())
    p.finish()
  end)

  it("a collection in the child leaves the parent's sessions alone", function()
    local p = sleeper("hub = nil collectgarbage() collectgarbage()")
    local client = support.client(p.url)
    client:receive()
    p.may("fork")
    p.program.wait_line("forked")
    assert.equal("still there", (client:ask("still there")))
    p.finish()
  end)

  it("closing in the child leaves the parent's sessions alone", function()
    local p = sleeper("hub:close()")
    local client = support.client(p.url)
    client:receive()
    p.may("fork")
    p.program.wait_line("forked")
    assert.equal("still there", (client:ask("still there")))
    p.finish()
  end)

  it("a child that exits leaves the parent's sessions alone", function()
    local p = sleeper([[
      tell("forked")
      os.exit(0, true)
    ]])
    local client = support.client(p.url)
    client:receive()
    p.may("fork")
    p.program.wait_line("forked")
    assert.equal("still there", (client:ask("still there")))
    p.may("stop")
    p.may("leave")
    assert.equal(0, (p.program.wait_end()))
  end)

  it("calls in the child are forked errors", function()
    local p = support.lua(PROGRAM .. [[
      local hub = make()
      assert(hub:start())
      local id = hub:node() .. ("0"):rep(16)
      local calls = {
        publish = function() return hub:publish("r", "x") end,
        send_user = function() return hub:send_user("u", "x") end,
        send_all = function() return hub:send_all("x") end,
        broadcast = function() return hub:broadcast(fanwire.message("x")) end,
        send_node = function() return hub:send_node(hub:node(), "x") end,
        room = function() return hub:room("r"):publish("x") end,
        user = function() return hub:user("u"):send("x") end,
        disconnect = function() return hub:user("u"):disconnect() end,
        session_send = function() return hub:session(id):send("x") end,
        session_close = function() return hub:session(id):close() end,
        session_join = function() return hub:session(id):join("r") end,
        session_leave = function() return hub:session(id):leave("r") end,
        session_set_user = function() return hub:session(id):set_user("u") end,
        attach = function() return hub:attach{on_deliver = print} end,
        stats = function() return hub:stats() end,
        metrics = function() return hub:metrics() end,
        poll = function() return hub:poll() end,
        drain = function() return hub:drain(0) end,
      }
      if fork() then
        for name, call in pairs(calls) do
          local ok, why, code = call()
          tell("call", name, tostring(ok), tostring(code), tostring(why))
        end
        local ok, why, code = hub:stop() -- nothing of it is left here
        tell("call", "stop", tostring(ok), tostring(code), tostring(why))
        tell("closed", tostring(hub:running()))
        os.exit(0, true)
      end
      io.read("*l") -- until the child has been heard
      tell("parent", tostring(hub:publish("r", "x")), tostring(hub:running()))
      hub:close()
    ]])
    p.wait_line("closed false")
    local n = 0
    for name, ok, code, why in p.text:gmatch("call (%S+) (%S+) (%S+) ([^\n]+)") do
      n = n + 1
      assert.same({name, "nil", "FW_ERR_FORKED"}, {name, ok, code})
      assert.matches("parent", why)
    end
    assert.equal(19, n)
    p.say("go on")
    p.wait_line("parent true true")
    assert.equal(0, (p.wait_end()))
  end)

  for how, text in pairs{
    ["another hub"] = "make()", ["the same hub, started anew"] = "hub",
  } do
    it("a child may have a hub of its own: " .. how, function()
      local p = support.lua(PROGRAM .. string.format([[
        local hub = make()
        assert(hub:start())
        local path = "/nowhere"
        tell("parent", hub:urls()[1])
        if fork() then
          local new = %s
          assert(new:start())
          tell("child", new:urls()[1])
          serve(new, path)
        end
        serve(hub, path)
      ]], text))
      local parent, child = p.wait_line("parent (%S+)"), p.wait_line("child (%S+)")
      assert.is_true(parent ~= child)
      for _, url in ipairs{parent, child} do
        local client = support.client(url)
        assert.equal("hello", (client:receive()))
        assert.equal("talk", (client:ask("talk")))
      end
    end)
  end

  it("a hub that was not started may be started in a child", function()
    local p = support.lua(PROGRAM .. [[
      local hub = make()
      if fork() then
        assert(hub:start())
        tell("url", hub:urls()[1])
        serve(hub, "/nowhere")
      end
      io.read("*l")
    ]])
    local client = support.client(p.wait_line("url (%S+)"))
    assert.equal("hello", (client:receive()))
    p.say("end")
  end)

  it("a child publishes over a connection of its own", function()
    local url = support.redis()
    local hub = support.started({open = function(s)
      s:join("r", function() s:send("in") end)
    end}, {redis_url = url, redis_required = true})
    local client = support.client(hub)
    assert.equal("in", (client:receive()))
    support.lua(PROGRAM .. string.format([[
      local emitter = assert(fanwire.emitter{redis_url = %q})
      assert(emitter:publish("r", "before") == 1)
      local who = fork() and "child" or "parent"
      for i = 1, 50 do -- both at the same time
        assert(emitter:publish("r", who .. " " .. i) == 1)
      end
      if who == "child" then
        emitter:close()
        assert(fanwire.emitter{redis_url = %q}:publish("r", "closed") == 1)
        os.exit(0, true)
      end
      io.read("*l")
      assert(emitter:publish("r", "end") == 1)
    ]], url, url)).say("once it reads this")
    assert.equal("before", (client:receive()))
    local next_of, left = {child = 1, parent = 1}, 102
    while left > 0 do
      local text = client:receive()
      local who, i = text:match("^(%a+) (%d+)$")
      if who then
        assert.equal(next_of[who], tonumber(i))
        next_of[who] = next_of[who] + 1
      else
        assert.is_true(text == "closed" or text == "end", text)
      end
      left = left - 1
    end
    assert.same({child = 51, parent = 51}, next_of)
  end)
end)
