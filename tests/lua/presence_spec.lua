-- Who is there, over two nodes, with Redis and, both being the same hub, without.
local fanwire = require "fanwire"
local support = require "support"

-- What a callback is called with.
local function answer(ask)
  local said
  assert(ask(function(...) said = {n = select("#", ...), ...} end))
  support.wait(function() return said end)
  return said[1], said[2], said[3]
end

for _, with in ipairs{"one node", "two nodes and Redis"} do
  describe("presence, " .. with .. ":", function()
    local first, second, sessions, handlers, options

    before_each(function()
      sessions, handlers = {}, {}
      options = {room_presence = true, room_join_leave = true}
    end)
    after_each(support.end_all)

    -- The handlers are those of the first.
    local function start()
      local function node(more, with_redis)
        local all, of = {}, {
          connect = function(request) return request.query.user end,
          open = function(s) sessions[#sessions + 1] = s end,
        }
        for name, handler in pairs(more) do
          of[name] = handler
        end
        for name, value in pairs(options) do
          all[name] = value
        end
        all.redis_url, all.redis_required = with_redis, with_redis and true or nil
        return support.started(of, all)
      end
      if with == "one node" then
        first = node(handlers)
        second = first
      else
        local redis = support.redis()
        first, second = node(handlers, redis), node({}, redis)
      end
    end

    -- A client and its session, which is in the room.
    local function come(hub, user, room)
      local n = #sessions
      local client = support.client(hub, user and "user=" .. user)
      support.wait(function() return sessions[n + 1] end)
      local s = sessions[n + 1]
      if room ~= nil then
        assert(answer(function(f) return s:join(room, f) end))
      end
      return client, s
    end

    -- The members of a room by user, once there are so many of them.
    local function all_of(hub, room, n)
      local found
      support.wait(function()
        local members, total = answer(function(f) return hub:presence(room, f) end)
        found = members
        return total == n
      end)
      local by_user = {}
      for _, member in ipairs(found) do
        by_user[member.user] = member
      end
      return by_user
    end

    it("who is in a room is told on every node", function()
      start()
      local _, ann = come(first, "ann", "r")
      local _, bob = come(second, "bob", "r")
      come(first, "cleo", "elsewhere")
      for _, hub in ipairs{first, second} do
        assert.same({
          ann = {session = ann.id, user = "ann", node = first:node_name(), info = ""},
          bob = {session = bob.id, user = "bob", node = second:node_name(), info = ""},
        }, all_of(hub, "r", 2))
      end
      local room = second:room("r")
      local members, total, cursor = answer(function(f)
        return room:presence({limit = 0}, f)
      end)
      assert.same({{}, 2, nil}, {members, total, cursor})
      members, total = answer(function(f) return first:presence("nobody", f) end)
      assert.same({{}, 0}, {members, total})
      bob:leave("r")
      assert.is_table(all_of(first, "r", 1).ann)
    end)

    it("what set_info says is told of a member", function()
      start()
      local _, ann = come(first, "ann", "r")
      for _, case in ipairs{{{1}, "[1]"}, {"text", "text"}, {"\0\255", "\0\255"},
          {assert(fanwire.message("m")), "m"}, {"", ""}} do
        assert(second:session(ann.id):set_info(case[1]))
        support.wait(function()
          return all_of(second, "r", 1).ann.info == case[2]
        end)
      end
      support.failed("1024", "FW_ERR_TOO_BIG", ann:set_info(("x"):rep(1025)))
      support.raises("data: a string, a table", function() ann:set_info(nil) end)
    end)

    it("members are told page after page", function()
      start()
      local ids = {}
      for i = 1, 5 do
        local _, s = come(i % 2 == 0 and first or second, nil, "r")
        ids[s.id] = true
      end
      support.wait(function()
        return select(2, answer(function(f) return first:presence("r", f) end)) == 5
      end)
      local found, pages, cursor = {}, 0, nil
      repeat
        local members
        members, _, cursor = answer(function(f)
          return first:presence("r", {limit = 2, cursor = cursor}, f)
        end)
        for _, member in ipairs(members) do
          found[member.session] = true
        end
        pages = pages + 1
      until cursor == nil
      assert.same(ids, found)
      if first == second then -- Redis gives few in one piece, whatever is asked
        assert.equal(3, pages)
      end
    end)

    it("who comes and goes is told in order with what is said", function()
      local seen = support.seen()
      for _, name in ipairs{"room_join", "room_leave", "room_message"} do
        handlers[name] = function(room, what)
          if room == "r" then
            seen(name, what)
          end
        end
      end
      start()
      come(first, "ann", "r")
      local client, bob = come(second, "bob", "r")
      come(second, "cleo", "elsewhere")
      second:publish("r", "x")
      client:close()
      support.wait(function() return seen[3] end)
      local who = {session = bob.id, user = "bob", node = second:node_name(), info = ""}
      assert.same({{"room_join", who}, {"room_message", "x"}, {"room_leave", who}},
        {seen[1], seen[2], seen[3]})
    end)

    it("what is sent here stays on this node", function()
      start()
      local ann, session = come(first, "ann", "r")
      local bob = come(second, "bob", "r")
      local cleo = come(first, "cleo")
      assert.is_true(first:send_here("r", {1}))
      assert.is_true(first:room("r"):send_here(assert(fanwire.message("\0", "binary"))))
      assert.is_true(first:send_here("nobody", "x"))
      assert.is_true(first:room("r"):send_here("for others", {skip = session}))
      first:publish("r", "end")
      first:send_all("end of all")
      assert.equal("[1]", (ann:receive()))
      assert.same({"\0", true}, {ann:receive()})
      assert.equal("end", (ann:receive()))
      if first == second then
        assert.equal("[1]", (bob:receive()))
        assert.equal("\0", (bob:receive()))
        assert.equal("for others", (bob:receive()))
      end
      assert.equal("end", (bob:receive()))
      assert.equal("end of all", (cleo:receive()))
      support.failed("control", "FW_ERR_INVALID", first:send_here("a\nb", "x"))
      support.raises("room: a string is wanted", function() first:send_here(5, "x") end)
    end)

    it("where a user is and out of a room with all of it", function()
      options.user_presence = true
      start()
      local ids = {}
      for _, hub in ipairs{first, second} do
        local _, s = come(hub, "ann", "r")
        ids[s.id] = true
      end
      come(first, "bob", "r")
      local found = {}
      support.wait(function()
        local ann = first:user("ann")
        local members, total = answer(function(f) return ann:sessions(f) end)
        for _, member in ipairs(members) do
          found[member.session] = true
        end
        return total == 2
      end)
      assert.same(ids, found)
      local _, total = answer(function(f)
        return second:user("nobody"):sessions({limit = 0}, f)
      end)
      assert.equal(0, total)
      all_of(second, "r", 3)
      assert.is_true(second:user("ann"):join("other"))
      assert.is_table(all_of(first, "other", 2).ann)
      assert.is_true(second:user("ann"):leave("r"))
      assert.is_table(all_of(first, "r", 1).bob)
      _, total = answer(function(f) return first:user("ann"):sessions(f) end)
      assert.equal(2, total) -- they are still online
    end)
  end)
end

describe("presence:", function()
  after_each(support.end_all)

  it("nodes come and go and say what they are", function()
    local redis, seen = support.redis(), support.seen()
    local function node(name, handlers)
      return support.started(handlers, {node_name = name, redis_url = redis,
        redis_required = true})
    end
    local first = node("first", {
      node_up = function(n) seen("up", n) end,
      node_down = function(n) seen("down", n) end,
    })
    local second = node("second", {})
    support.wait(function() return seen[1] end)
    local number = second:node()
    assert.same({"up", {number = number, name = "second"}}, seen[1])
    local by_name = {}
    for _, n in ipairs((answer(function(f) return first:nodes(f) end))) do
      by_name[n.name] = n
    end
    assert.equal(first:node(), by_name.first.number)
    assert.equal(number, by_name.second.number)
    assert.matches('^{"version":"' .. fanwire.version .. '","sessions":0,',
      by_name.second.facts)
    second:close()
    support.wait(function() return seen[2] end)
    assert.same({"down", {number = number, name = "second"}}, seen[2])
    local left = answer(function(f) return first:nodes(f) end)
    assert.same({1, "first"}, {#left, left[1].name})
  end)

  it("a handler of room messages is told positions", function()
    local seen = support.seen()
    local hub = support.started({
      open = function(s)
        s:join("news:a")
        s:join("plain")
        s:send("in")
      end,
      room_message = function(...) seen(select("#", ...), ...) end,
    }, {namespace_news_history_size = 5})
    support.client(hub):receive()
    local _, position = answer(function(f) return hub:publish("news:a", "x", nil, f) end)
    hub:publish("plain", "y")
    support.wait(function() return seen[2] end)
    assert.same({4, "news:a", "x", false, position}, seen[1])
    assert.same({3, "plain", "y", false}, seen[2])
  end)

  it("what is wrong with a question is said", function()
    local idle = support.hub()
    local function never() error("called") end
    support.failed("not running", "FW_ERR_CLOSED", idle:presence("r", never))
    support.failed("not running", "FW_ERR_CLOSED", idle:nodes(never))
    support.failed("not running", "FW_ERR_CLOSED", idle:user("ann"):leave("r"))
    local hub = support.started({})
    support.failed("limit", "FW_ERR_INVALID", hub:presence("r", {limit = 10001}, never))
    support.failed("limit", "FW_ERR_INVALID", hub:presence("r", {limit = -1}, never))
    for _, cursor in ipairs{-1, 0.5, 2 ^ 60, 0 / 0} do
      support.failed("cursor", "FW_ERR_INVALID",
        hub:presence("r", {cursor = cursor}, never))
    end
    support.failed("control", "FW_ERR_INVALID", hub:presence("a\nb", never))
    support.failed("NUL", "FW_ERR_INVALID", hub:presence("a\0b", never))
    support.failed("", "FW_ERR_INVALID", hub:user("ann"):leave(""))
    support.failed("user.presence", "FW_ERR_STATE", hub:user("ann"):sessions(never))
    support.raises("how: limit and cursor are known, not limmit",
      function() hub:presence("r", {limmit = 1}, never) end)
    support.raises("limit: a number is wanted",
      function() hub:presence("r", {limit = "1"}, never) end)
    support.raises("callback: a function is wanted", function() hub:presence("r") end)
    support.raises("callback: a function is wanted", function() hub:nodes() end)
    support.raises("room: a string is wanted", function() hub:presence(nil, never) end)
    support.raises("room: a string is wanted", function() hub:user("a"):leave() end)
    support.raises("callback: a function is wanted",
      function() hub:room("r"):presence() end)
    support.raises("how: limit and cursor are known",
      function() hub:user("u"):sessions({since = ""}, never) end)
  end)

  it("what is asked while Redis is away is an error", function()
    local url, redis = support.redis()
    local hub = support.started({}, {redis_url = url, redis_required = true})
    redis.stop()
    support.wait(function() return hub:stats().fanwire_redis_up == 0 end)
    local ok, why, name = answer(function(f) return hub:presence("r", f) end)
    assert.same({nil, "FW_ERR_BACKPLANE"}, {ok, name})
    assert.is_string(why)
  end)
end)
