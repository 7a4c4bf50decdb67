-- Publishing from a process that serves no sessions.
local fanwire = require "fanwire"
local support = require "support"

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
    local emitter = assert(fanwire.emitter{redis_url = "redis+unix:///nowhere/redis.sock"})
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
end)
