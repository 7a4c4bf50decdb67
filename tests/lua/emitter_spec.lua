-- Publishing from a process that serves no sessions.
local fanwire = require "fanwire"
local support = require "support"
local uv = require "luv"

describe("emitter:", function()
  after_each(support.end_all)

  local function two_nodes()
    local url = support.redis()
    local clients = {}
    for i = 1, 2 do
      local hub = support.started({
        connect = function() return "ann" end,
        open = function(s) s:join("r", function() s:send("in") end) end,
      }, {redis_url = url, redis_required = true})
      clients[i] = support.client(hub)
      assert.equal("in", (clients[i]:receive()))
    end
    return url, clients
  end

  it("data arrive on every node, a user's and everybody's", function()
    local url, clients = two_nodes()
    local emitter = assert(fanwire.emitter{redis_url = url})
    support.wait(function() return emitter:send_user("ann", "probe") == 2 end)
    assert.equal(2, emitter:publish("r", "text"))
    assert.equal(2, emitter:publish("r", "\0\255", "binary"))
    assert.equal(2, emitter:publish("r", {a = 1}))
    assert.is_number((emitter:send_user("ann", "for ann")))
    assert.is_number((emitter:send_all(fanwire.message("for all"))))
    for _, client in ipairs(clients) do
      assert.same({"text", false}, {client:receive_other("probe")})
      assert.same({"\0\255", true}, {client:receive_other("probe")})
      assert.equal('{"a":1}', (client:receive_other("probe")))
      assert.equal("for ann", (client:receive_other("probe")))
      assert.equal("for all", (client:receive()))
    end
  end)

  it("a user is disconnected everywhere", function()
    local url, clients = two_nodes()
    local emitter = assert(fanwire.emitter{redis_url = url})
    support.wait(function() return emitter:send_user("ann", "probe") == 2 end)
    assert.equal(2, emitter:disconnect_user("ann", 4001, "logged out"))
    for _, client in ipairs(clients) do
      assert.equal(4001, (client:wait_closed()))
    end
    support.raises("user: a string is wanted", function() emitter:disconnect_user() end)
    support.failed(".", "FW_ERR_INVALID", emitter:disconnect_user("ann", 999))
  end)

  it("nobody there is 0", function()
    local emitter = assert(fanwire.emitter{redis_url = support.redis()})
    assert.equal(0, emitter:publish("r", "x"))
  end)

  it("wrong arguments are errors and harm nothing", function()
    local emitter = assert(fanwire.emitter{redis_url = support.redis()})
    support.raises("room: a string is wanted", function() emitter:publish(5, "x") end)
    support.raises("user: a string is wanted", function() emitter:send_user(nil, "x") end)
    support.raises("data: a string", function() emitter:publish("r", 5) end)
    support.raises("data: a string", function() emitter:send_all() end)
    support.failed(".", "FW_ERR_INVALID", emitter:publish("a\nb", "x"))
    support.failed("UTF%-8", "FW_ERR_INVALID", emitter:publish("a", "\255"))
    assert.equal(0, emitter:publish("r", "x"))
  end)

  it("wrong options are errors", function()
    support.raises("options: a table is wanted", function()
      local _ = fanwire.emitter("redis://")
    end)
    support.failed(".", "FW_ERR_OPTION", fanwire.emitter{})
    support.failed(".", "FW_ERR_OPTION", fanwire.emitter{redis_url = "http://x"})
    support.raises("timeout: a number is wanted", function()
      local _ = fanwire.emitter{redis_url = "redis://x", timeout = "5s"}
    end)
    support.raises("timeout: 0: more than 0", function()
      local _ = fanwire.emitter{redis_url = "redis://x", timeout = 0}
    end)
  end)

  it("a closed emitter says so", function()
    local emitter = assert(fanwire.emitter{redis_url = support.redis()})
    assert.is_true(emitter:close())
    assert.is_true(emitter:close())
    support.failed("^the emitter is closed$", "FW_ERR_CLOSED", emitter:publish("r", "x"))
    assert.matches("closed", tostring(emitter))
  end)

  it("an unreachable Redis is a backplane error", function()
    local emitter = assert(fanwire.emitter{
      redis_url = "redis+unix:///nowhere/redis.sock",
    })
    support.failed(".", "FW_ERR_BACKPLANE", emitter:publish("r", "x"))
  end)

  it("a Redis that comes back is found again", function()
    local url, redis = support.redis()
    local emitter = assert(fanwire.emitter{redis_url = url})
    assert.equal(0, emitter:publish("r", "x"))
    redis.stop()
    assert.is_nil((emitter:publish("r", "x")))
    redis.start()
    support.wait(function() return emitter:publish("r", "x") end)
  end)

  it("all but who is skipped get what is sent to all", function()
    local url, clients = two_nodes()
    local ids = {}
    for i, hub in ipairs(support.hubs()) do
      ids[i] = hub:sessions()[1]
    end
    local emitter = assert(fanwire.emitter{redis_url = url})
    assert.equal(2, emitter:send_all("first", {skip = ids[1].id}))
    assert.equal(2, emitter:send_all("second", {skip = ids[2]}))
    assert.equal(2, emitter:send_all(fanwire.message("third", {skip = ids[1]})))
    assert.equal(2, emitter:send_all("end"))
    for i, heard in ipairs{{"second", "end"}, {"first", "third", "end"}} do
      for _, text in ipairs(heard) do
        assert.equal(text, (clients[i]:receive()))
      end
    end
  end)

  it("the prefix keeps clusters apart", function()
    local url = two_nodes()
    assert.equal(0, assert(fanwire.emitter{redis_url = url, redis_prefix = "other"})
      :send_all("x"))
    assert.equal(2, assert(fanwire.emitter{redis_url = url}):send_all("x"))
  end)

  it("a silent Redis is a time-out", function()
    local path = os.tmpname() .. ".sock"
    local silent = uv.new_pipe(false)
    assert(silent:bind(path))
    silent:listen(8, function() end)
    finally(function()
      silent:close()
      os.remove(path)
    end)
    local emitter = assert(fanwire.emitter{
      redis_url = "redis+unix://" .. path, timeout = 0.2,
    })
    local from = fanwire.native.fwb_now()
    support.failed(".", "FW_ERR_TIMEOUT", emitter:publish("r", "x"))
    local took = fanwire.native.fwb_now() - from
    assert.is_true(took >= 0.19 and took < support.DEADLINE)
  end)
end)
