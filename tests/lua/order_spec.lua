-- Handlers that take their time, run in coroutines by a runner: order, and side by side.
local support = require "support"
local uv = require "luv"

-- What a scheduler gives: coroutines that may sleep.
local function runner(f)
  assert(coroutine.resume(coroutine.create(f)))
end

local function sleep(seconds)
  local co, timer = coroutine.running(), uv.new_timer()
  timer:start(math.floor(seconds * 1000), 0, function()
    timer:close()
    assert(coroutine.resume(co))
  end)
  coroutine.yield()
end

describe("order:", function()
  after_each(support.end_all)

  it("a runner that only calls is as none", function()
    local hub = support.started({message = function(s, data) s:send(data) end},
      {runner = function(f) f() end})
    assert.equal("x", (support.client(hub):ask("x")))
  end)

  it("a runner that fails is logged, and the events are handled", function()
    local hub, lines = support.started({message = function(s, data) s:send(data) end},
      {runner = function() error("no threads") end})
    assert.equal("x", (support.client(hub):ask("x")))
    support.logged(lines, "the runner failed: ")
  end)

  it("a runner may call later", function()
    local later = {}
    local hub = support.started({message = function(s, data) s:send(data) end},
      {runner = function(f) later[#later + 1] = f end})
    local client = support.connecting(hub:urls()[1])
    local function run_all()
      while later[1] do
        table.remove(later, 1)()
      end
      return true
    end
    support.wait(function() return run_all() and client.status end)
    client:send("1")
    client:send("2")
    support.wait(function() return run_all() and client.received[2] end)
    assert.equal("1", client.received[1][1])
    assert.equal("2", client.received[2][1])
  end)

  -- xpcall of PUC's Lua 5.1 lets nobody yield.
  if not support.can_yield then
    return
  end

  it("events of a session are handled in order whatever they sleep, one at a time",
  function()
    local seen, inside, most = support.seen(), 0, 0
    local hub = support.started({message = function(_, data)
      inside = inside + 1
      most = math.max(most, inside)
      sleep(math.random() * 0.005)
      inside = inside - 1
      seen(tonumber(data))
    end}, {runner = runner})
    local client = support.client(hub)
    for i = 1, 100 do
      client:send(tostring(i))
    end
    support.wait(function() return seen[100] end)
    for i = 1, 100 do
      assert.equal(i, seen[i])
    end
    assert.equal(1, most)
  end)

  it("a slow handler delays no other session", function()
    local released = false
    local hub = support.started({message = function(s, data)
      while data == "slow" and not released do
        sleep(0.005)
      end
      s:send(data)
    end}, {runner = runner})
    local slow, quick = support.client(hub), support.client(hub)
    slow:send("slow")
    for i = 1, 20 do
      assert.equal(tostring(i), (quick:ask(tostring(i))))
    end
    assert.same({}, slow.received)
    released = true
    assert.equal("slow", (slow:receive()))
  end)

  it("connects are asked side by side", function()
    local inside, released = 0, false
    local hub = support.started({connect = function()
      inside = inside + 1
      while not released do
        sleep(0.005)
      end
    end}, {runner = runner})
    local a, b = support.connecting(hub:urls()[1]), support.connecting(hub:urls()[1])
    support.wait(function() return inside == 2 end)
    released = true
    support.wait(function() return a.status == 101 and b.status == 101 end)
  end)

  it("close comes after the handler that runs", function()
    local seen = support.seen()
    local hub = support.started({
      message = function()
        sleep(0.05)
        seen("message")
      end,
      close = function() seen("close") end,
    }, {runner = runner})
    local client = support.client(hub)
    client:send("x")
    client:close()
    support.wait(function() return seen[2] end)
    assert.same({"message", "close"}, {seen[1], seen[2]})
  end)

  it("a blocking handler pushes back and nothing is lost", function()
    local seen, released = support.seen(), false
    local hub = support.started({message = function(_, data)
      while not released do
        sleep(0.005)
      end
      seen(tonumber(data))
    end}, {runner = runner, events_per_session = 8})
    local client = support.client(hub)
    for i = 1, 200 do
      client:send(tostring(i))
    end
    support.pass(0.1)
    released = true
    support.wait(function() return seen[200] end)
    assert.equal(200, seen[200])
  end)

  it("a handler that waits for its own join is not stuck", function()
    local joins = support.seen()
    local hub = support.started({
      open = function(s)
        local done
        s:join("a", function(ok) done = tostring(ok) end)
        while not done do
          sleep(0.005)
        end
        s:send("joined " .. done)
      end,
      join = function(_, room)
        sleep(0.01)
        joins(room)
      end,
    }, {runner = runner})
    assert.equal("joined true", (support.client(hub):receive()))
    assert.same({"a"}, {joins[1]})
  end)

  it("messages of a room are handled in order", function()
    local seen, hub = support.seen(), nil
    hub = support.started({
      open = function(s) s:join("a", function() s:send("in") end) end,
      room_message = function(_, data)
        sleep(math.random() * 0.005)
        seen(tonumber(data))
      end,
    }, {runner = runner})
    support.client(hub):receive()
    for i = 1, 50 do
      hub:publish("a", tostring(i))
    end
    support.wait(function() return seen[50] end)
    for i = 1, 50 do
      assert.equal(i, seen[i])
    end
  end)

  it("deliveries to an attached session wait for each other, not for its handlers",
  function()
    local seen, s = support.seen(), nil
    local hub = support.started({message = function(session)
      session:send("1")
      session:send("2")
      while #seen < 2 do
        sleep(0.005)
      end
      seen("handler")
    end}, {runner = runner})
    hub:attach{on_attached = function(a) s = a end, on_deliver = function(data)
      if data == "1" then
        sleep(0.05)
      end
      seen(data)
    end}
    support.wait(function() return s end)
    s:feed("go")
    support.wait(function() return seen[3] end)
    assert.same({"1", "2", "handler"}, {seen[1], seen[2], seen[3]})
  end)

  it("an error after a sleep is logged, and the next is handled", function()
    local hub, lines = support.started({message = function(s, data)
      sleep(0.005)
      if data == "bad" then
        error("boom")
      end
      s:send(data)
    end}, {runner = runner})
    local client = support.client(hub)
    client:send("bad")
    assert.equal("good", (client:ask("good")))
    support.logged(lines, "order_spec.lua")
  end)

  it("all sessions are inside at once", function()
    local inside = 0
    local hub = support.started({message = function(s)
      inside = inside + 1
      while inside < 20 do
        sleep(0.005)
      end
      s:send("met")
    end}, {runner = runner})
    local clients = {}
    for i = 1, 20 do
      clients[i] = support.client(hub)
      clients[i]:send("x")
    end
    for i = 1, 20 do
      assert.equal("met", (clients[i]:receive()))
    end
  end)

  it("a slow room delays no other room", function()
    local seen, released = support.seen(), false
    local hub = support.started({
      open = function(s)
        s:join("slow")
        s:join("quick", function() s:send("in") end)
      end,
      room_message = function(room, data)
        while room == "slow" and not released do
          sleep(0.005)
        end
        seen(room .. data)
      end,
    }, {runner = runner})
    support.client(hub):receive()
    hub:publish("slow", "1")
    for i = 1, 5 do
      hub:publish("quick", tostring(i))
    end
    support.wait(function() return seen[5] end)
    released = true
    support.wait(function() return seen[6] end)
    assert.same({"quick1", "quick5", "slow1"}, {seen[1], seen[5], seen[6]})
  end)

  it("order holds with several loops", function()
    local seen = {}
    local hub = support.started({message = function(s, data)
      sleep(math.random() * 0.002)
      seen[s.id] = seen[s.id] or {}
      table.insert(seen[s.id], tonumber(data))
    end}, {runner = runner, threads = 3})
    for _ = 1, 6 do
      local client = support.client(hub)
      for i = 1, 30 do
        client:send(tostring(i))
      end
    end
    support.wait(function()
      local whole = 0
      for _, list in pairs(seen) do
        whole = whole + (#list == 30 and 1 or 0)
      end
      return whole == 6
    end)
    for _, list in pairs(seen) do
      for i = 1, 30 do
        assert.equal(i, list[i])
      end
    end
  end)

  it("a join that others ask for is asked in the session's order", function()
    local seen, inside, released = support.seen(), nil, false
    local hub = support.started({
      message = function(s)
        inside = s
        while not released do
          sleep(0.005)
        end
        seen("said")
      end,
      join = function(_, room) seen("asked " .. room) end,
    }, {runner = runner})
    support.client(hub):send("x")
    support.wait(function() return inside end)
    inside:join("r", function(ok) seen(ok) end)
    support.pass(0.05)
    assert.equal(0, #seen)
    released = true
    support.wait(function() return seen[3] end)
    assert.same({"said", "asked r", true}, {seen[1], seen[2], seen[3]})
  end)

  it("a handler's own join is asked beside it", function()
    local seen, asked = support.seen(), false
    local hub = support.started({
      message = function(s)
        s:join("r")
        while not asked do -- whether the answer is looked at or not
          sleep(0.005)
        end
        seen("said")
      end,
      join = function()
        asked = true
        seen("asked")
      end,
    }, {runner = runner})
    support.client(hub):send("x")
    support.wait(function() return seen[2] end)
    assert.same({"asked", "said"}, {seen[1], seen[2]})
  end)

  it("no verdict about a join in time is a time-out", function()
    local seen = support.seen()
    local hub = support.started({
      message = function(s)
        s:join("r", function(ok, why, name) seen(tostring(ok), why, name) end)
      end,
      join = function() sleep(0.5) end,
    }, {runner = runner, decision_timeout = "100ms"})
    support.client(hub):send("x")
    support.wait(function() return seen[1] end)
    assert.equal("FW_ERR_TIMEOUT", seen[1][3])
  end)

  it("who asks at the end of the hub is refused soon", function()
    local asked = false
    local hub = support.started({connect = function()
      asked = true
      coroutine.yield() -- for ever
    end}, {runner = runner, decision_timeout = "60s", drain_timeout = "60s"})
    local client = support.connecting(hub:urls()[1])
    support.wait(function() return asked end)
    hub:close(0.1)
    support.wait(function() return client.status end, "an answer", false)
    assert.equal(503, client.status)
  end)
end)
