-- Rooms with history over two nodes, with Redis and, both being the same hub, without.
local fanwire = require "fanwire"
local support = require "support"

for _, with in ipairs{"one node", "two nodes and Redis"} do
  describe("history, " .. with .. ":", function()
    local first, second, sessions, resets

    before_each(function()
      sessions, resets = {}, support.seen()
      local function node(options)
        options.room_history_size = 5
        return support.started({
          open = function(s) sessions[#sessions + 1] = s end,
          room_reset = function(room, position) resets(room, position) end,
        }, options)
      end
      if with == "one node" then
        first = node{}
        second = first
      else
        local redis = support.redis()
        first = node{redis_url = redis, redis_required = true}
        second = node{redis_url = redis, redis_required = true}
      end
    end)
    after_each(support.end_all)

    local function come(hub)
      local n = #sessions
      local client = support.client(hub)
      support.wait(function() return sessions[n + 1] end)
      return client, sessions[n + 1]
    end

    -- What a callback is called with.
    local function answer(ask)
      local said
      assert(ask(function(...) said = {...} end))
      support.wait(function() return said end)
      return said[1], said[2], said[3]
    end

    local function published(hub, text, how)
      local ok, position = answer(function(f) return hub:publish("r", text, how, f) end)
      assert.is_true(ok)
      return position
    end

    local function joined(s, since)
      local ok, position, recovered = answer(function(f)
        return s:join("r", {since = since}, f)
      end)
      assert.is_true(ok)
      return position, recovered
    end

    local function history(hub, how)
      local messages, position = answer(function(f) return hub:history("r", how, f) end)
      local said = {}
      for i, message in ipairs(messages) do
        said[i] = message.data
      end
      return table.concat(said, " "), position, messages
    end

    it("a publish tells its position and a key is kept once", function()
      local client, s = come(first)
      local epoch, offset = joined(s):match("^(%x+)/(%d+)$")
      assert.same({16, "0"}, {#epoch, offset})
      assert.equal(epoch .. "/1", published(second, "one", {key = "k"}))
      assert.equal(epoch .. "/1", published(first, "one", {key = "k"}))
      assert.equal(epoch .. "/2", published(first:room("r")._hub, "two", "binary"))
      assert.is_true(first:publish("r", "three", {key = "k3"}))
      assert.is_true(first:room("r"):publish("three", {key = "k3"}))
      assert.is_true(first:publish("r", assert(fanwire.message("four", {key = "k4"}))))
      for _, said in ipairs{"one", "two", "three", "four"} do
        assert.equal(said, (client:receive()))
      end
    end)

    it("a session that comes back is given what it missed", function()
      local client, s = come(second)
      local at = {}
      for i = 1, 4 do
        at[i] = published(first, tostring(i))
      end
      local position, recovered = joined(s, at[2])
      assert.same({at[4], true}, {position, recovered})
      first:publish("r", "5")
      for _, said in ipairs{"3", "4", "5"} do
        assert.equal(said, (client:receive()))
      end
      local newest, other = come(first)
      assert.is_true(select(2, joined(other, "0/1")))
      assert.equal("5", (newest:receive()))
    end)

    it("a session that cannot be recovered is told", function()
      local client, s = come(second)
      local at = {}
      for i = 1, 8 do
        at[i] = published(first, tostring(i))
      end
      local position, recovered = joined(s, at[1])
      assert.same({at[8], false}, {position, recovered})
      first:publish("r", "next")
      assert.equal("next", (client:receive()))
    end)

    it("the history is read both ways", function()
      local at = {}
      for i = 1, 4 do
        at[i] = published(first, tostring(i))
      end
      local said, position, messages = history(second)
      assert.same({"1 2 3 4", at[4]}, {said, position})
      assert.same({data = "2", binary = false, position = at[2]}, messages[2])
      assert.equal("3 4", (history(second, {since = at[2]})))
      assert.equal("2", (history(second, {since = at[1], limit = 1})))
      assert.equal("4 3", (history(second, {reverse = true, limit = 2})))
      assert.equal("", (history(second, {limit = 0})))
    end)

    it("a forgotten room begins anew and members are told", function()
      local client, s = come(first)
      joined(s)
      local before = published(second, "one")
      local ok, begins = answer(function(f) return second:room("r"):forget(f) end)
      assert.is_true(ok)
      assert.matches("/0$", begins)
      assert.are_not.equal(before:sub(1, 16), begins:sub(1, 16))
      second:publish("r", "two")
      assert.equal("one", (client:receive()))
      assert.equal("two", (client:receive()))
      support.wait(function() return resets[1] end)
      assert.same({"r", begins}, resets[1])
      local _, other = come(first)
      assert.is_false(select(2, joined(other, before)))
    end)

    it("what is wrong with a position or a key is said", function()
      local _, s = come(first)
      local function never() error("called") end
      support.failed("EPOCH/OFFSET", "FW_ERR_INVALID", s:join("r", {since = "today"}))
      support.failed("EPOCH/OFFSET", "FW_ERR_INVALID",
        first:history("r", {since = "1-2"}, never))
      support.failed("limit", "FW_ERR_INVALID",
        first:history("r", {limit = 10001}, never))
      support.failed("key", "FW_ERR_INVALID",
        first:publish("r", "x", {key = ("k"):rep(65)}))
      support.raises("how: since is known, not sence",
        function() s:join("r", {sence = "1/2"}) end)
      support.raises("callback: a function is wanted", function() first:history("r") end)
      support.raises("limit: a number is wanted",
        function() first:history("r", {limit = "1"}, never) end)
    end)
  end)
end

describe("history:", function()
  after_each(support.end_all)

  it("a room without history has no position", function()
    local hub = support.started({})
    local said
    hub:publish("r", "x", function(...) said = {n = select("#", ...), ...} end)
    support.wait(function() return said end)
    assert.same({true, nil}, {said[1], said[2]})
    support.failed("no history", "FW_ERR_STATE", hub:history("r", function() end))
    support.failed("no history", "FW_ERR_STATE", hub:room("r"):forget())
  end)
end)
