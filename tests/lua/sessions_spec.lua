-- Sessions: what they know of their clients, and how they end.
local support = require "support"

describe("sessions:", function()
  after_each(support.end_all)

  -- A session and its client; handlers: more of them.
  local function opened(query, headers, handlers, options)
    local seen, all = support.seen(), {open = nil}
    for name, handler in pairs(handlers or {}) do
      all[name] = handler
    end
    all.open = seen
    local hub, lines = support.started(all, options)
    local client = support.client(hub, query, headers)
    support.wait(function() return seen[1] end)
    return seen[1], client, hub, lines
  end

  it("facts of the handshake", function()
    local hub = support.started()
    hub:stop()
    local s, _, h = opened("room=a&x=1")
    assert.equal("/ws", s.path)
    assert.equal("room=a&x=1", s.query_string)
    assert.equal("127.0.0.1", s.address)
    assert.matches("^127.0.0.1", s.peer)
    assert.equal(h:urls()[1]:match("//(.-)/"), s.host)
    assert.equal("ws", s.scheme)
    assert.is_nil(s.protocol)
  end)

  it("what a handshake does not have", function()
    local s = opened()
    assert.equal("", s.query_string)
    assert.is_nil(s.origin)
    assert.is_nil(next(s.query))
  end)

  it("a trusted proxy names the address", function()
    local s = opened(nil, {["X-Forwarded-For"] = "192.0.2.7"})
    assert.equal("192.0.2.7", s.address)
  end)

  for query, expected in pairs{
    ["room=a"] = {room = {"a"}},
    ["a=1&b=2&a=3"] = {a = {"1", "3"}, b = {"2"}},
    ["name=K%C3%A4se"] = {name = {"K\195\164se"}},
    ["a+b=c+d"] = {["a b"] = {"c d"}},
    ["a=1%2B1"] = {a = {"1+1"}},
    ["a=%26%3D"] = {a = {"&="}},
    ["a"] = {a = {""}},
    ["a="] = {a = {""}},
    ["bad=%ff%fe&good=1"] = {good = {"1"}},
    ["%ff=1&good=1"] = {good = {"1"}},
    ["a=%00&b=%zz&good=1"] = {good = {"1"}},
  } do
    it("parameters of the query " .. query, function()
      local s = opened(query)
      local found = {}
      for name in pairs(s.query) do
        found[name] = s:query_list(name)
        assert.equal(found[name][1], s.query[name])
      end
      assert.same(expected, found)
    end)
  end

  it("a parameter that is not there", function()
    local s = opened("a=1")
    assert.is_nil(s.query.b)
    assert.same({}, s:query_list("b"))
    support.raises("name: a string is wanted", function() s:query_list(5) end)
  end)

  it("headers are found in any case", function()
    local s = opened(nil, {["x-ToKeN"] = "abc"})
    assert.equal("abc", s.headers["X-Token"])
    assert.equal("abc", s.headers["x-token"])
    assert.is_nil(s.headers["x-nothing"])
    assert.is_nil(s.headers[5])
    support.raises("headers can't be changed", function() s.headers.a = "b" end)
  end)

  it("facts are there after the close and the hub's end, too", function()
    local s, client, hub = opened("a=1")
    client:close()
    support.wait(function() return s.closed end)
    hub:stop()
    assert.equal("a=1", s.query_string)
    assert.equal("1", s.query.a)
    assert.equal("/ws", s.path)
  end)

  it("an id is 32 hexadecimal digits, and begins with its node", function()
    local s, _, hub = opened()
    assert.equal(32, #s.id)
    assert.is_nil(s.id:find("[^0-9a-f]"))
    assert.equal(hub:node(), s.node)
    assert.equal(s.node, s.id:sub(1, 16))
    assert.equal("<fanwire.Session " .. s.id .. ">", tostring(s))
  end)

  it("session gives the session that is known here", function()
    local s, _, hub = opened()
    assert.is_true(rawequal(s, hub:session(s.id)))
    assert.is_true(rawequal(s, hub:session(s.id:upper())))
    local handle = hub:session(("0"):rep(31) .. "1")
    assert.equal("<fanwire.SessionHandle " .. handle.id .. ">", tostring(handle))
    assert.is_true(handle ~= s)
    assert.is_true(handle == hub:session(handle.id))
  end)

  it("state is a table of its own", function()
    local s, _, hub = opened()
    s.state.n = 1
    assert.equal(1, s.state.n)
    assert.same({s}, hub:sessions())
  end)

  it("set_user later", function()
    local s, client, hub = opened()
    assert.is_nil(s.user)
    assert.is_true(s:set_user("ann"))
    assert.equal("ann", s.user)
    assert.is_true(hub:send_user("ann", "hello"))
    assert.equal("hello", (client:receive()))
    assert.is_true(s:set_user(nil))
    assert.is_nil(s.user)
  end)

  it("a user is disconnected", function()
    local s, client, hub = opened()
    s:set_user("ann")
    assert.is_true(hub:user("ann"):disconnect(4000, "bye"))
    assert.same({4000, "bye"}, {client:wait_closed()})
  end)

  it("close is seen by client and handler", function()
    local seen = support.seen()
    local s, client = opened(nil, nil, {close = seen})
    assert.is_true(s:close(4001, "enough"))
    assert.same({4001, "enough"}, {client:wait_closed()})
    support.wait(function() return seen[1] end)
    assert.equal(4001, seen[1][2])
  end)

  it("close without arguments is 1000", function()
    local s, client = opened()
    assert.is_true(s:close())
    assert.equal(1000, (client:wait_closed()))
  end)

  it("what was sent before the close arrives", function()
    local s, client = opened()
    for i = 1, 50 do
      s:send(tostring(i))
    end
    s:close()
    client:wait_closed()
    assert.equal(50, #client.received)
    assert.equal("50", client.received[50][1])
  end)

  it("a close frame without code is 1005, an end without one 1006", function()
    local seen = support.seen()
    local _, client, hub = opened(nil, nil, {close = function(_, code) seen(code) end})
    client:close()
    support.wait(function() return seen[1] end)
    support.client(hub):cut()
    support.wait(function() return seen[2] end)
    assert.same({1005, 1006}, {seen[1], seen[2]})
  end)

  it("a message over the limit ends the session with 1009", function()
    local _, client = opened(nil, nil, nil, {message_max_bytes = "1KiB"})
    client:send(("x"):rep(2000))
    assert.equal(1009, (client:wait_closed()))
  end)

  it("close comes once after all messages", function()
    local seen = support.seen()
    local _, client = opened(nil, nil, {message = function(_, data) seen(data) end,
      close = function() seen("close") end})
    for i = 1, 100 do
      client:send(tostring(i))
    end
    client:close()
    support.wait(function() return seen[101] end)
    support.pass(0.05)
    assert.equal("close", seen[101])
    assert.equal(101, #seen)
  end)

  it("calls on a closed session are gone errors", function()
    local s, client = opened()
    client:close()
    support.wait(function() return s.closed end)
    assert.equal("FW_ERR_GONE", select(3, s:send("x")))
    assert.equal("FW_ERR_GONE", select(3, s:close()))
    assert.equal("FW_ERR_GONE", select(3, s:join("a")))
    assert.equal("FW_ERR_GONE", select(3, s:leave("a")))
    assert.equal("FW_ERR_GONE", select(3, s:set_user("x")))
    assert.equal("FW_ERR_GONE", select(3, s:feed("x")))
  end)

  it("calls on a session of a stopped hub are errors", function()
    local s, client, hub = opened()
    client:cut()
    hub:stop()
    assert.is_true(s.closed)
    assert.is_nil((s:send("x")))
    assert.is_nil((s:join("a")))
  end)

  it("headers that are not there are nil, repeated ones are joined", function()
    local s = opened(nil, {["X-A"] = {"1", "2"}, ["X-Latin"] = "K\228se"})
    assert.is_nil(s.headers["x-nothing"])
    assert.equal("1, 2", s.headers["x-a"])
    assert.matches("^K.*se$", s.headers["x-latin"])
  end)

  it("names of a wrong type are nobody's", function()
    local s = opened("room=a")
    for _, wrong in ipairs{5, true, print, {}} do
      assert.is_nil(s.headers[wrong])
      assert.is_nil(s.query[wrong])
      assert.is_nil(s[wrong])
    end
  end)

  it("a session is equal to a handle of the same id", function()
    local s, _, hub = opened()
    local id = s.id
    local list = {[s] = "kept"}
    assert.equal("kept", list[hub:session(id)])
    local a, b = hub:session(("1"):rep(32)), hub:session(("1"):rep(32))
    assert.is_true(a == b)
    assert.is_false(rawequal(a, b))
    assert.is_true(a ~= hub:session(("2"):rep(32)))
  end)

  it("nobody else can be put in place of id, user or state", function()
    local s = opened()
    for _, key in ipairs{"id", "user", "state", "query", "closed"} do
      support.raises(key .. ": keep your own in session.state",
        function() s[key] = {} end)
    end
  end)

  it("sessions lists who is there", function()
    local a, client, hub = opened()
    local other = support.client(hub)
    support.wait(function() return #hub:sessions() == 2 end)
    client:close()
    support.wait(function() return #hub:sessions() == 1 end)
    assert.is_true(hub:sessions()[1] ~= a)
    other:close()
  end)

  it("a user has many sessions", function()
    local hub = support.started{connect = function() return "ann" end, open = function(s)
      s:send("in")
    end}
    local clients = {support.client(hub), support.client(hub), support.client(hub)}
    for _, client in ipairs(clients) do
      assert.equal("in", (client:receive()))
    end
    hub:user("ann"):send("for ann")
    for _, client in ipairs(clients) do
      assert.equal("for ann", (client:receive()))
    end
  end)

  it("send by an id that was kept as text", function()
    local s, client, hub = opened()
    local kept = tostring(s.id)
    assert.is_true(hub:session(kept):send("by its id"))
    assert.equal("by its id", (client:receive()))
  end)

  it("what is sent arrives in order", function()
    local s, client = opened()
    for i = 1, 500 do
      assert(s:send(tostring(i)))
    end
    for i = 1, 500 do
      assert.equal(tostring(i), (client:receive()))
    end
  end)

  it("a client that answers no ping is closed", function()
    local seen = support.seen()
    local _, client, hub = opened(nil, nil, {close = function(_, code) seen(code) end},
      {heartbeat_interval = "200ms", heartbeat_timeout = "200ms"})
    client.is_mute = true
    support.wait(function() return seen[1] end)
    assert.is_true(seen[1] == 1006 or seen[1] == 1011 or seen[1] == 1001)
    assert.equal(1, hub:stats().fanwire_heartbeat_timeouts_total)
  end)

  it("bytes that are no UTF-8 end the session with 1007", function()
    local _, client = opened()
    client:send("\255")
    assert.equal(1007, (client:wait_closed()))
  end)
end)
