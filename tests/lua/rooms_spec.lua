-- Rooms over two nodes, with Redis and, both being the same hub, without: the same tests.
local fanwire = require "fanwire"
local support = require "support"

for _, with in ipairs{"one node", "two nodes and Redis"} do
  describe("rooms, " .. with .. ":", function()
    local first, second, handlers

    before_each(function()
      handlers = {
        connect = function(request) return request.query.user end,
        open = function(s)
          local rooms = s:query_list("room")
          local left = #rooms
          local function joined(ok, why)
            assert(ok, why)
            left = left - 1
            if left <= 0 then
              s:send("in")
            end
          end
          for _, room in ipairs(rooms) do
            assert(s:join(room, joined))
          end
          if left == 0 then
            s:send("in")
          end
        end,
        message = function(s, data) s.state.hub:publish(s.query.room, data) end,
      }
    end)
    after_each(support.end_all)

    local function node(options)
      local hub
      local all = {}
      for name, handler in pairs(handlers) do
        all[name] = handler
      end
      local connect = all.connect
      all.connect = function(request)
        request.state.hub = hub
        return connect(request)
      end
      hub = support.started(all, options)
      return hub
    end

    local function start()
      local options
      if with ~= "one node" then
        options = {redis_url = support.redis(), redis_required = true}
      end
      first = node(options)
      second = options and node(options) or first
    end

    local function member(hub, ...)
      local client = support.client(hub, "room=" .. table.concat({...}, "&room="))
      assert.equal("in", (client:receive()))
      return client
    end

    it("members on both nodes hear what is published", function()
      start()
      local a, b = member(first, "r"), member(second, "r")
      for _, hub in ipairs{first, second} do
        for _, data in ipairs{"text \195\164", "\0bytes\255", ""} do
          assert(hub:publish("r", data, data:find("\255") and "binary"))
          assert.equal(data, (a:receive()))
          assert.equal(data, (b:receive()))
        end
      end
    end)

    it("members hear each other in order", function()
      start()
      local a, b = member(first, "r"), member(second, "r")
      for i = 1, 100 do
        a:send(tostring(i))
      end
      for i = 1, 100 do
        assert.equal(tostring(i), (a:receive()))
        assert.equal(tostring(i), (b:receive()))
      end
    end)

    it("rooms are apart", function()
      start()
      local a, b = member(first, "a"), member(second, "b")
      first:publish("a", "for a")
      first:publish("b", "for b")
      first:send_all("for all")
      assert.equal("for a", (a:receive()))
      assert.equal("for all", (a:receive()))
      assert.equal("for b", (b:receive()))
      assert.equal("for all", (b:receive()))
    end)

    it("who left hears no more", function()
      handlers.message = function(s)
        s:leave("r")
        s:send("out")
      end
      start()
      local client = member(first, "r")
      assert.equal("out", (client:ask("leave")))
      first:publish("r", "not heard")
      first:broadcast("end")
      assert.equal("end", (client:receive()))
    end)

    it("publish leaves one session out", function()
      start()
      local a = member(first, "r")
      local left_out = first:sessions()[1]
      local b = member(second, "r")
      second:publish("r", "1", {skip = left_out})
      second:publish("r", "2", {skip = left_out.id})
      second:room("r"):publish("3", {skip = left_out})
      local message = fanwire.message("4", {skip = left_out})
      second:publish("r", message)
      second:publish("r", message, "binary")
      second:publish("r", "end")
      assert.equal("end", (a:receive()))
      for _, said in ipairs{"1", "2", "3", "4", "4", "end"} do
        assert.equal(said, (b:receive()))
      end
    end)

    it("send_all and send_user leave one session out", function()
      start()
      local a = support.client(first, "user=ann")
      assert.equal("in", (a:receive()))
      local left_out = first:sessions()[1]
      local b = support.client(second, "user=ann")
      assert.equal("in", (b:receive()))
      support.wait(function() -- Redis has to know where the user is
        second:send_user("ann", "probe")
        return a.received[1] and b.received[1]
      end)
      second:send_all("1", {skip = left_out})
      second:send_user("ann", "2", {skip = left_out})
      second:user("ann"):send("3", {skip = left_out})
      second:send_all("end")
      local heard = {}
      for i = 1, 4 do -- users and all are different channels: in which order is open
        heard[i] = b:receive_other("probe")
      end
      table.sort(heard)
      assert.same({"1", "2", "3", "end"}, heard)
      assert.equal("end", (a:receive_other("probe")))
    end)

    it("a room is an object with a name", function()
      start()
      local client = member(first, "r")
      local room = second:room("r")
      assert.equal("r", room.name)
      assert.equal('<fanwire.Room "r">', tostring(room))
      assert.is_true(room:publish({a = 1}))
      assert.equal('{"a":1}', (client:receive()))
    end)

    it("a session of another node is reached by its id", function()
      start()
      local a = member(first, "r")
      local there = first:sessions()[1].id
      assert.is_true(second:session(there):send("over here"))
      assert.equal("over here", (a:receive()))
    end)

    it("send_node reaches the sessions of one node", function()
      start()
      local a, b = member(first, "r"), member(second, "r")
      assert.is_true(second:send_node(first:node(), "for the first"))
      assert.equal("for the first", (a:receive()))
      second:send_all("end")
      assert.equal(first == second and "for the first" or "end", (b:receive()))
    end)

    it("join then publish hears itself without waiting", function()
      handlers.message = function(s, room)
        assert(s:join(room))
        assert(s.state.hub:publish(room, "heard " .. room))
      end
      start()
      local client = support.client(first)
      assert.equal("in", (client:receive()))
      for i = 1, 20 do
        assert.equal("heard r" .. i, (client:ask("r" .. i)))
      end
    end)

    it("one message goes to many places", function()
      start()
      local a, b = member(first, "a", "all"), member(second, "b", "all")
      local message = fanwire.message{tick = 1}
      first:publish("a", message)
      second:publish("b", message)
      first:send_all(message)
      for _, client in ipairs{a, b} do
        assert.equal('{"tick":1}', (client:receive()))
        assert.equal('{"tick":1}', (client:receive()))
      end
    end)

    it("room_message runs where the room has members", function()
      local seen = support.seen()
      handlers.room_message = function(room, data) seen(room, data) end
      start()
      local client = member(second, "r")
      first:publish("r", "x")
      assert.equal("x", (client:receive()))
      support.wait(function() return seen[1] end)
      first:publish("r", "y")
      support.wait(function() return seen[2] end)
      -- not by the first as well
      assert.same({{"r", "x"}, {"r", "y"}}, {seen[1], seen[2]})
    end)

    it("names that rooms may have", function()
      start()
      for _, name in ipairs{"r", "a b", "\195\188:1/2?", "{x}*[y]", ("x"):rep(255)} do
        local client = support.client(first)
        assert.equal("in", (client:receive()))
        local s = first:sessions()[1]
        local joined
        s:join(name, function(ok, why) joined = assert(ok, why) end)
        support.wait(function() return joined end)
        second:publish(name, "x")
        assert.equal("x", (client:receive()))
        client:close()
        support.wait(function() return #first:sessions() == 0 end)
      end
    end)

    it("joining twice is no error", function()
      handlers.open = function(s)
        s:join("r", function()
          s:join("r", function(ok, why)
            assert(ok, why)
            s:send("in")
          end)
        end)
      end
      start()
      local client = member(first)
      first:publish("r", "once")
      first:publish("r", "end")
      assert.equal("once", (client:receive()))
      assert.equal("end", (client:receive()))
    end)
  end)
end

describe("joins:", function()
  after_each(support.end_all)

  local function opened(handlers, options)
    local s
    handlers = handlers or {}
    handlers.open = function(o) s = o end
    local hub, lines = support.started(handlers, options)
    local client = support.client(hub)
    support.wait(function() return s end)
    return s, client, hub, lines
  end

  it("a join over the limit fails", function()
    local seen = support.seen()
    local s = opened(nil, {limit_rooms_per_session = 1})
    assert.is_true(s:join("a", function(ok) seen(tostring(ok)) end))
    support.wait(function() return seen[1] end)
    assert.is_true(s:join("b", function(ok, why, name) seen(tostring(ok), why, name) end))
    support.wait(function() return seen[2] end)
    assert.equal("true", seen[1])
    assert.equal("nil", seen[2][1])
    assert.equal("FW_ERR_LIMIT", seen[2][3])
  end)

  it("a join that fails and that nobody looks at is a warning", function()
    local s, _, _, lines = opened({join = function() return false end})
    assert.is_true(s:join("a"))
    local line = support.logged(lines, 'join of room "a"')
    assert.equal("warn", line[1])
    assert.matches("and nobody looked at it", line[3])
  end)

  it("a join callback that fails is logged", function()
    local s, _, _, lines = opened()
    assert.is_true(s:join("a", function() error("boom") end))
    support.logged(lines, "join callback handler failed")
  end)

  it("the stop of the hub answers joins that wait", function()
    local seen = support.seen()
    local s, _, hub = opened()
    s:join("a", function(ok, why, name) seen(tostring(ok), why, name) end)
    hub:stop()
    assert.equal(1, #seen)
  end)

  it("a join for a session of another node is answered at once", function()
    local _, _, hub = opened()
    local seen = support.seen()
    assert.is_true(hub:session(("a"):rep(32)):join("r", seen))
    assert.is_true(seen[1])
  end)

  it("many joins at once are each answered", function()
    local seen = support.seen()
    local s = opened(nil, {limit_rooms_per_session = 1000})
    for i = 1, 500 do
      assert(s:join("r" .. i, function(ok) assert(ok); seen(i) end))
    end
    support.wait(function() return seen[500] end)
    table.sort(seen)
    assert.equal(500, seen[500])
  end)

  it("a join that succeeds and that nobody looks at says nothing", function()
    local s, client, hub, lines = opened()
    assert(s:join("r"))
    hub:publish("r", "x")
    assert.equal("x", (client:receive()))
    for _, line in ipairs(lines) do
      assert.is_true(line[1] ~= "warn" and line[1] ~= "error", line[3])
    end
  end)

  it("the answer of a session that goes is a gone error", function()
    local seen = support.seen()
    local s = opened({join = function(s) s:close() end})
    s:join("r", function(ok, why, name)
      seen(tostring(ok), tostring(why), tostring(name))
    end)
    support.wait(function() return seen[1] end)
    assert.equal("FW_ERR_GONE", seen[1][3])
  end)

  it("an answer is heard", function()
    local seen = support.seen()
    local s = opened{join = function(_, room) return room ~= "b" end}
    for _, room in ipairs{"a", "b"} do
      s:join(room, function(ok, why, name) seen[room] = {tostring(ok), why, name} end)
    end
    support.wait(function() return seen.a and seen.b end)
    assert.same({"true"}, seen.a)
    assert.equal("nil", seen.b[1])
    assert.equal("FW_ERR_REFUSED", seen.b[3])
  end)
end)
