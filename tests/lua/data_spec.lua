-- What can be sent, and how.
local fanwire = require "fanwire"
local support = require "support"

describe("data:", function()
  after_each(support.end_all)

  it("each way sends each kind", function()
    local s
    local hub = support.started{connect = function() return "ann" end,
      open = function(opened)
        opened:join("a", function() s = opened end)
      end}
    local client = support.client(hub)
    support.wait(function() return s end)
    local ways = {
      function(...) return s:send(...) end,
      function(...) return hub:session(s.id):send(...) end,
      function(...) return hub:publish("a", ...) end,
      function(...) return hub:room("a"):publish(...) end,
      function(...) return hub:send_user("ann", ...) end,
      function(...) return hub:user("ann"):send(...) end,
      function(...) return hub:send_all(...) end,
      function(...) return hub:broadcast(...) end,
      function(...) return hub:send_node(hub:node(), ...) end,
    }
    for _, way in ipairs(ways) do
      assert.is_true(way("text"))
      assert.same({"text", false}, {client:receive()})
      assert.is_true(way("\0\255", "binary"))
      assert.same({"\0\255", true}, {client:receive()})
      assert.is_true(way("b", true))
      assert.same({"b", true}, {client:receive()})
      assert.is_true(way({a = {1, 2}}))
      assert.same({'{"a":[1,2]}', false}, {client:receive()})
      assert.is_true(way(assert(fanwire.message("m", "binary"))))
      assert.same({"m", true}, {client:receive()})
      assert.is_true(way("", {binary = true}))
      assert.same({"", true}, {client:receive()})
      support.failed("UTF%-8", "FW_ERR_INVALID", way("\255"))
    end
  end)

  it("what can't be sent is an error that says what can", function()
    local hub = support.started()
    for _, bad in ipairs{5, true, print} do
      support.raises(
        "data: a string, a table for JSON or a message is wanted, not " .. type(bad),
        function() hub:publish("a", bad) end)
      support.raises("data: a string", function() hub:send_all(bad) end)
      support.raises("data: a string", function() hub:room("a"):publish(bad) end)
      support.raises("data: a string", function() fanwire.message(bad) end)
    end
    support.raises("data: a string.*not nil", function() hub:publish("a") end)
  end)

  it("what JSON can't say is an error", function()
    local hub = support.started()
    local loop = {}
    loop[1] = loop
    for _, bad in ipairs{{print}, {0 / 0}, {math.huge}, loop} do
      support.raises("data: no JSON can be made of this table",
        function() hub:send_all(bad) end)
    end
  end)

  it("JSON may be made by another function", function()
    local before = fanwire.json_encode
    finally(function() fanwire.json_encode = before end)
    fanwire.json_encode = function() return "mine" end
    assert.equal("mine", fanwire.message({}).data)
    fanwire.json_encode = nil
    support.raises("data: a table goes as JSON, and lua%-cjson", function()
      fanwire.message({})
    end)
  end)

  it("how is one of few", function()
    local hub = support.started()
    support.raises("how: .*not \"bin\"", function() hub:send_all("x", "bin") end)
    support.raises("how: .*not number", function() hub:send_all("x", 5) end)
    support.raises("how: binary, skip and key are known, not binry",
      function() hub:send_all("x", {binry = true}) end)
    support.raises("binary: a boolean is wanted",
      function() hub:send_all("x", {binary = 1}) end)
    support.raises("skip: a session or the id of one is wanted, not number",
      function() hub:send_all("x", {skip = 5}) end)
  end)

  it("a message tells its data", function()
    local message = fanwire.message("a\0b", "binary")
    assert.equal("a\0b", message.data)
    assert.is_true(message.binary)
    assert.is_false(fanwire.message("x").binary)
    assert.equal('{"a":1}', fanwire.message({a = 1}).data)
    assert.equal("a\0b", fanwire.message(message).data)
    assert.is_true(fanwire.message(message).binary)
    assert.is_nil(message.nothing)
    support.raises("data: a message can't be changed", function() message.data = "x" end)
    support.failed("UTF%-8", "FW_ERR_INVALID", fanwire.message("\255"))
  end)

  it("a message is used again and again", function()
    local opened = support.seen()
    local hub = support.started{open = opened}
    local clients = {support.client(hub), support.client(hub)}
    support.wait(function() return opened[2] end)
    local message = fanwire.message("tick")
    for _ = 1, 3 do
      for _, s in ipairs(hub:sessions()) do
        assert.is_true(s:send(message))
      end
    end
    for _, client in ipairs(clients) do
      for _ = 1, 3 do
        assert.equal("tick", (client:receive()))
      end
    end
  end)

  it("skip and a message do not change the message", function()
    local opened = support.seen()
    local hub = support.started{open = opened}
    local a = support.client(hub)
    support.wait(function() return opened[1] end)
    local b = support.client(hub)
    support.wait(function() return opened[2] end)
    local message = fanwire.message("m")
    assert.is_true(hub:send_all(message, {skip = opened[1]}))
    assert.is_true(hub:send_all(message))
    assert.equal("m", (a:receive()))
    assert.equal("m", (b:receive()))
    assert.equal("m", (b:receive()))
    assert.same({}, a.received)
  end)

  it("sizes go both ways", function()
    local hub = support.started({message = function(s, data) s:send(data) end},
      {message_max_bytes = "4MiB", outbox_max_bytes = "16MiB"})
    local client = support.client(hub)
    for _, n in ipairs{0, 1, 125, 126, 65535, 65536, 1000000} do
      local said = ("x"):rep(n)
      assert.equal(said, (client:ask(said)))
    end
  end)

  it("more than the limit is a too big error", function()
    local hub = support.started(nil, {message_max_bytes = "1KiB"})
    support.failed(".", "FW_ERR_TOO_BIG", hub:publish("a", ("x"):rep(1025)))
    assert.is_true(hub:publish("a", ("x"):rep(1024)))
  end)

  it("skip is a session or the id of one, wherever it is said", function()
    local hub = support.started()
    for _, bad in ipairs{5, print, {}, true} do
      local how = {skip = bad}
      for _, call in ipairs{
        function() local _ = fanwire.message("x", how) end,
        function() hub:publish("r", "x", how) end,
        function() hub:send_all("x", how) end,
        function() hub:broadcast("x", how) end,
        function() hub:send_user("ann", "x", how) end,
        function() hub:room("r"):publish("x", how) end,
        function() hub:user("ann"):send("x", how) end,
      } do
        support.raises("skip: a session or the id of one is wanted, not " .. type(bad),
          call)
      end
    end
    for _, bad in ipairs{"me", ("\195\169"):rep(16), ("0"):rep(31) .. "\0"} do
      local how = {skip = bad}
      support.failed("^skip: 32 hexadecimal digits are wanted", "FW_ERR_INVALID",
        fanwire.message("x", how))
      support.failed("^skip: 32 hexadecimal digits are wanted", "FW_ERR_INVALID",
        hub:send_all("x", how))
    end
  end)

  it("to leave nobody out", function()
    local hub = support.started{open = function(s) s:join("r") end}
    local client = support.client(hub)
    support.wait(function() return hub:sessions()[1] end)
    hub:publish("r", "x", {skip = nil})
    hub:publish("r", "y", {skip = ("0"):rep(32)})
    assert.equal("x", (client:receive()))
    assert.equal("y", (client:receive()))
  end)

  it("large JSON is the same at the other end", function()
    local hub = support.started({message = function(s) s:send(s.state.big) end,
      open = function(s)
        s.state.big = {}
        for i = 1, 20000 do
          s.state.big[i] = {n = i, text = "\195\164"}
        end
      end})
    local text = support.client(hub):ask("x")
    assert.equal(20000, select(2, text:gsub('"n":', "")))
    assert.equal(20000, select(2, text:gsub("\195\164", "")))
  end)

  it("a message of a message leaves out whom that leaves out", function()
    local s
    local hub = support.started{open = function(opened)
      opened:join("r", function() s = opened end)
    end}
    local client = support.client(hub)
    support.wait(function() return s end)
    local skips = assert(fanwire.message("m", {skip = s}))
    local nobody = ("0"):rep(32)
    assert.is_true(hub:publish("r", assert(fanwire.message(skips))))
    assert.is_true(hub:publish("r", assert(fanwire.message(skips, "binary"))))
    assert.is_true(hub:publish("r", skips, {key = "once"}))
    assert.is_true(hub:publish("r", assert(fanwire.message(skips, {skip = nobody}))))
    assert.is_true(hub:send_all("end"))
    assert.equal("m", (client:receive()))
    assert.equal("end", (client:receive()))
  end)

  it("a message of a message is kept once under its key", function()
    local hub = support.started({}, {room_history_size = 10, room_history_ttl = "1m"})
    local once, kept = assert(fanwire.message("m", {key = "k"})), nil
    assert.is_true(hub:publish("r", once))
    assert.is_true(hub:publish("r", assert(fanwire.message(once))))
    assert.is_true(hub:publish("r", once, {skip = ("0"):rep(32)}))
    assert.is_true(hub:publish("r", assert(fanwire.message(once, {key = "another"}))))
    assert.is_true(hub:history("r", {}, function(found) kept = found end))
    support.wait(function() return kept end)
    assert.equal(2, #kept)
  end)

  it("a message to a node leaves nobody out", function()
    local hub = support.started{open = function() end}
    local client = support.client(hub)
    support.wait(function() return hub:sessions()[1] end)
    local s = hub:sessions()[1]
    support.failed("skip", "FW_ERR_INVALID", hub:send_node(hub:node(), "m", {skip = s}))
    support.failed("skip", "FW_ERR_INVALID",
      hub:send_node(hub:node(), assert(fanwire.message("m", {skip = s}))))
    assert.is_true(hub:send_node(hub:node(), assert(fanwire.message("m", {key = "k"}))))
    assert.equal("m", (client:receive()))
  end)

  it("a hundred megabytes are refused and not kept", function()
    local hub = support.started{open = function() end}
    support.client(hub)
    support.wait(function() return hub:sessions()[1] end)
    local s, data = hub:sessions()[1], ("x"):rep(100000000)
    local before = support.own("VmRSS")
    for _ = 1, 5 do
      support.failed(".", "FW_ERR_TOO_BIG", s:send(data))
      support.failed(".", "FW_ERR_TOO_BIG", hub:send_all(data, "binary"))
    end
    -- One copy may be on its way to be freed; ten would be a gigabyte.
    assert.is_true(support.own("VmRSS") - before < 250000)
  end)

  it("the text of things names them", function()
    assert.equal('<fanwire.Message "hello">', tostring(fanwire.message("hello")))
    assert.equal("refused: 403 no", tostring(fanwire.refuse(403, "no")))
    local hub = support.started()
    assert.equal('<fanwire.User "ann">', tostring(hub:user("ann")))
    assert.equal('<fanwire.Room "r">', tostring(hub:room("r")))
  end)
end)
