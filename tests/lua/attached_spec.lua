-- Sessions whose connection is somebody else's.
local support = require "support"

local HEAD = "GET /ws?room=a&x=%41 HTTP/1.1\r\nHost: h\r\nX-Token: t\r\n\r\n"

for _, with in ipairs{"with session handlers", "without"} do
  describe("attached, " .. with .. ":", function()
    after_each(support.end_all)

    local function attached(handlers, how, options)
      local seen = support.seen()
      if with ~= "without" then
        handlers.open = handlers.open or function() end
      end
      local hub, lines = support.started(handlers, options)
      local all = {on_deliver = function() end, on_attached = function(s, why, name)
        seen(s or {why, name})
      end}
      for key, value in pairs(how or {}) do
        all[key] = value
      end
      assert.is_true(hub:attach(all))
      support.wait(function() return seen[1] end)
      return seen[1], hub, lines
    end

    it("what is sent is delivered", function()
      local got = support.seen()
      local s, hub = attached({}, {
        user = "ann",
        on_deliver = function(data, binary, code, why)
          got(data, binary, code, why, 1)
        end,
      })
      assert.is_true(s:send("text"))
      assert.is_true(s:send("\0\255", "binary"))
      assert.is_true(hub:send_user("ann", "by name"))
      support.wait(function() return got[3] end)
      assert.is_true(s:close(4000, "bye"))
      support.wait(function() return got[4] end)
      assert.same({"text", false, nil, nil, 1}, got[1])
      assert.same({"\0\255", true, nil, nil, 1}, got[2])
      assert.same({"by name", false, nil, nil, 1}, got[3])
      assert.same({nil, nil, 4000, "bye", 1}, got[4])
      assert.equal("FW_ERR_GONE", select(3, s:feed("late")))
    end)

    it("its client is told of the end of the hub", function()
      local codes = support.seen()
      local _, hub = attached({}, {on_deliver = function(_, _, code) codes(code) end})
      assert.is_true(hub:close())
      assert.same({1001}, {codes[1]})
    end)

    it("wrong arguments are refused", function()
      local hub = support.started()
      support.raises("attach: a table is wanted", function() hub:attach("ann") end)
      support.raises("on_deliver: a function is wanted, not nil",
        function() hub:attach{} end)
      support.raises("attach: usr is not known",
        function() hub:attach{usr = "ann", on_deliver = print} end)
      support.raises("user: a string is wanted",
        function() hub:attach{user = 5, on_deliver = print} end)
      support.failed(".", "FW_ERR_INVALID", hub:attach{user = "", on_deliver = print})
      support.failed("NUL", "FW_ERR_INVALID",
        hub:attach{user = "a\0", on_deliver = print})
      support.failed(".", "FW_ERR_INVALID",
        hub:attach{head = "nonsense", on_deliver = print})
    end)

    it("over the limit it is told why", function()
      local _, hub = attached({}, nil, {limit_sessions = 1})
      local seen = support.seen()
      assert.is_true(hub:attach{on_deliver = print, on_attached = function(s, why, name)
        seen(tostring(s), why, name)
      end})
      support.wait(function() return seen[1] end)
      assert.equal("nil", seen[1][1])
      assert.equal("FW_ERR_LIMIT", seen[1][3])
    end)

    it("an error in on_deliver is logged, and the next comes", function()
      local got = support.seen()
      local s, _, lines = attached({}, {on_deliver = function(data)
        if data == "bad" then
          error("boom")
        end
        got(data)
      end})
      s:send("bad")
      s:send("good")
      support.wait(function() return got[1] end)
      support.logged(lines, "on_deliver handler failed")
    end)

    it("more than the credit comes in order", function()
      local got = support.seen()
      local s = attached({}, {on_deliver = got})
      for i = 1, 500 do
        assert(s:send(tostring(i)))
      end
      support.wait(function() return got[500] end)
      for i = 1, 500 do
        assert.equal(tostring(i), got[i][1])
      end
    end)
  end)
end

describe("attached:", function()
  after_each(support.end_all)

  it("an attached session has the facts of its head, and its client is heard", function()
    local got, said, closed = support.seen(), support.seen(), support.seen()
    local hub = support.started{
      open = function(s) s:join(s.query.room) end,
      message = function(s, data, binary) said(s, data, binary) end,
      close = function(s, code) closed(s, code) end,
    }
    local s
    assert(hub:attach{user = "ann", head = HEAD, address = "192.0.2.1", on_deliver = got,
      on_attached = function(a) s = a end})
    support.wait(function() return s end)
    assert.equal("ann", s.user)
    assert.equal("A", s.query.x)
    assert.equal("t", s.headers["x-token"])
    assert.equal("192.0.2.1", s.address)
    assert.equal("/ws", s.path)
    assert.is_true(s:feed("hello"))
    assert.is_true(s:feed("\0\255", true))
    support.wait(function() return said[2] end)
    assert.is_true(rawequal(s, said[1][1]))
    assert.same({"hello", false}, {said[1][2], said[1][3]})
    assert.same({"\0\255", true}, {said[2][2], said[2][3]})
    hub:publish("a", "to the room")
    support.wait(function() return got[1] end)
    assert.equal("to the room", got[1][1])
    s:close()
    support.wait(function() return closed[1] end)
    assert.equal(1000, closed[1][2])
    assert.is_true(s.closed)
  end)
end)
