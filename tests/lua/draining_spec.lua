-- The end of a hub: what a drain waits for, and what comes after it.
local fanwire = require "fanwire"
local support = require "support"

describe("draining:", function()
  after_each(support.end_all)

  it("close with a timeout of its own", function()
    local seen = support.seen()
    local hub, lines = support.started({open = seen},
      {drain_timeout = "1h", drain_rate = 1})
    for _ = 1, 5 do
      support.client(hub)
    end
    support.wait(function() return seen[5] end)
    local from = fanwire.native.fwb_now()
    assert.is_true(hub:close(0.1))
    assert.is_true(fanwire.native.fwb_now() - from < support.DEADLINE)
    assert.is_false(hub:running())
    support.logged(lines, "the time for draining is over")
  end)

  it("messages read before the drain are handled", function()
    local seen = support.seen()
    local hub = support.started{message = function(_, data) seen(data) end}
    local client = support.client(hub)
    for i = 1, 50 do
      client:send(tostring(i))
    end
    support.wait(function() return hub:stats().fanwire_messages_in_total == 50 end,
      "all are read", false)
    hub:close()
    assert.equal(50, #seen)
    for i = 1, 50 do
      assert.equal(tostring(i), seen[i])
    end
  end)

  it("publishing while it closes is a closed error at the most", function()
    local seen = support.seen()
    local hub
    hub = support.started{
      open = function(s) s:join("r") end,
      close = function() seen(hub:publish("r", "x") or false) end,
    }
    for _ = 1, 3 do
      support.client(hub)
    end
    support.wait(function() return #hub:sessions() == 3 end)
    hub:close()
    assert.equal(3, #seen)
    support.failed(".", "FW_ERR_CLOSED", hub:publish("r", "x"))
  end)

  it("no handler is called when close has returned", function()
    local seen = support.seen()
    local hub = support.started({message = function(_, data)
      seen(data)
      if #seen == 1 then
        support.pump(false)
      end
    end, close = function() seen("close") end}, {events_per_session = 1000})
    local client = support.client(hub)
    for i = 1, 300 do
      client:send(tostring(i))
    end
    support.wait(function() return seen[1] end)
    hub:close(0)
    local called = #seen
    support.failed("not running", "FW_ERR_CLOSED", hub:poll(0))
    support.pass(0.05)
    assert.equal(called, #seen)
    assert.equal("close", seen[called])
  end)

  it("a handler that closes its session and the hub ends both once", function()
    local seen = support.seen()
    local hub
    hub = support.started{
      message = function(s)
        s:close(4000, "bye")
        hub:stop()
      end,
      close = function(_, code) seen(code) end,
    }
    local client = support.client(hub)
    client:send("x")
    support.wait(function() return not hub:running() end)
    assert.equal(1, #seen)
    assert.is_true(seen[1] == 4000 or seen[1] == 1001)
  end)

  if support.can_yield then
    it("a handler that still sleeps holds up a drain until it returns", function()
      local seen, sleeping = support.seen(), nil
      local hub = support.started({
        message = function()
          sleeping = coroutine.running()
          coroutine.yield()
          seen("finished")
        end,
        close = function(_, code) seen(code) end,
      }, {runner = function(f) assert(coroutine.resume(coroutine.create(f))) end})
      support.client(hub):send("x")
      support.wait(function() return sleeping end)
      support.wait(function()
        hub:drain(0.01)
        return hub:stats().fanwire_sessions == 0
      end)
      assert.equal(0, #seen)
      coroutine.resume(sleeping)
      support.wait(function() return seen[2] end)
      assert.same({"finished", 1001}, {seen[1], seen[2]})
    end)
  end
end)
