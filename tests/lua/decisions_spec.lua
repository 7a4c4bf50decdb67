-- What connect and join handlers decide.
local fanwire = require "fanwire"
local support = require "support"

describe("decisions:", function()
  after_each(support.end_all)

  local function user_of(verdict)
    local seen = support.seen()
    local hub = support.started{
      connect = verdict,
      open = function(s) seen(tostring(s.user)) end,
    }
    support.client(hub)
    support.wait(function() return seen[1] end)
    return seen[1]
  end

  it("nothing lets in without a user", function()
    assert.equal("nil", user_of(function() end))
    assert.equal("nil", user_of(function() return nil end))
  end)

  it("a returned name is the session's user", function()
    assert.equal("ann", user_of(function() return "ann" end))
  end)

  -- Of ann, for ever, signed with this secret.
  local secret = "a secret of the tests with 32 bytes"
  local token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4ifQ."
    .. "VlZfbvF0_qDCtqSzRK7uF7pcQ_WwEtdZRu1nmbqwTS4"

  it("whom a token names is known when the handler decides", function()
    local asked, opened = support.seen(), support.seen()
    local hub = support.started({
      connect = function(request)
        asked(tostring(request.user))
        return request.query.as
      end,
      open = function(s) opened(tostring(s.user)) end,
    }, {token_hmac_secret = secret})
    support.client(hub, "token=" .. token)
    support.client(hub, "as=bob", {Authorization = "Bearer " .. token})
    support.wait(function() return opened[2] end)
    assert.same({"ann", "bob"}, {opened[1], opened[2]})
    assert.equal(401, (support.refused(hub, "token=x")))
    assert.equal(401, (support.refused(hub)))
    assert.same({"ann", "ann"}, {asked[1], asked[2], asked[3]})
  end)

  it("without keys for tokens a request has no user", function()
    local asked = support.seen()
    local hub = support.started{connect = function(r) asked(tostring(r.user)) end}
    support.client(hub, "user=ann&token=" .. token)
    assert.equal("nil", asked[1])
  end)

  it("refuse is seen by the client with status and body", function()
    local hub = support.started{
      connect = function() return fanwire.refuse(418, "tea only") end,
    }
    local status, body = support.refused(hub)
    assert.equal(418, status)
    assert.matches("tea only", body)
  end)

  it("refuse may be thrown, too", function()
    local hub, lines = support.started{
      connect = function() error(fanwire.refuse(401)) end,
    }
    assert.equal(401, (support.refused(hub)))
    for _, line in ipairs(lines) do
      assert.not_equal("handlers", line[2])
    end
  end)

  it("refuse without arguments is 403", function()
    local hub = support.started{connect = function() return fanwire.refuse() end}
    assert.equal(403, (support.refused(hub)))
  end)

  it("refuse tells its status and reason", function()
    local refusal = fanwire.refuse(404, "no")
    assert.equal(404, refusal.status)
    assert.equal("no", refusal.reason)
    assert.equal("refused: 404 no", tostring(refusal))
  end)

  it("a refusal that is none is an error where it is written", function()
    support.raises("status: an HTTP status, 400 to 599, is wanted, not 200",
      function() local _ = fanwire.refuse(200) end)
    support.raises("status: a number or nil is wanted, not string",
      function() local _ = fanwire.refuse("403") end)
    support.raises("reason: a string or nil is wanted, not table",
      function() local _ = fanwire.refuse(403, {}) end)
    support.raises("reason: one line of text is wanted",
      function() local _ = fanwire.refuse(403, "a\nb") end)
  end)

  it("a reason that is no text is logged and 500", function()
    local hub, lines = support.started{
      connect = function() return fanwire.refuse(403, "caf\233") end,
    }
    assert.equal(500, (support.refused(hub)))
    support.logged(lines, "connect handler failed: the reason is not UTF-8")
  end)

  it("a verdict of a wrong type is logged and 500", function()
    for _, wrong in ipairs{true, false, 5, {}} do
      local hub, lines = support.started{connect = function() return wrong end}
      assert.equal(500, (support.refused(hub)))
      support.logged(lines,
        "connect handler failed: it returns nothing or the user's name")
    end
  end)

  it("nil and why, as functions say that they failed, lets nobody in", function()
    local hub, lines = support.started{connect = function() return nil, "no database" end}
    assert.equal(500, (support.refused(hub)))
    support.logged(lines, "connect handler failed: no database")
  end)

  local function join_with(verdict)
    local seen = support.seen()
    local hub, lines = support.started{join = verdict, open = function(s)
      assert(s:join("a", function(ok, why, name) seen(ok, why, name, 1) end))
    end}
    support.client(hub)
    support.wait(function() return seen[1] end)
    return seen[1][1], seen[1][2], seen[1][3], lines
  end

  it("what has no text lets nobody in, however it is returned or raised", function()
    local function nothing()
      return setmetatable({}, {__tostring = function() end})
    end
    local function failing()
      return setmetatable({}, {__tostring = function() error(failing()) end})
    end
    for _, make in ipairs{nothing, failing} do
      for _, handler in ipairs{
        function() return nil, make() end,
        function() return make() end,
        function() error(make()) end,
      } do
        local hub, lines = support.started{connect = handler}
        assert.equal(500, (support.refused(hub)))
        support.logged(lines, "connect handler failed: ")
        assert.is_nil((join_with(handler)))
      end
    end
  end)

  it("who runs out of memory or stack lets nobody in, and the log says so", function()
    local function too_deep() return 1 + too_deep() end
    -- Lua says this itself, since there is no memory to ask where it was. Lua 5.1 would
    -- first use up what there is.
    local function too_long() return ("x"):rep(1000):rep(1e9) end
    for _, verdict in ipairs{too_deep, _VERSION == "Lua 5.1" and not jit and too_deep
        or too_long} do
      local hub, lines = support.started{connect = verdict}
      local client = support.connecting(hub:urls()[1])
      support.wait(function() return client.status end, "an answer")
      assert.equal(500, client.status)
      local said = support.logged(lines, "connect handler failed: ")[3]
      assert.falsy(said:find("failed: nil", 1, true), said)
    end
  end)

  it("a user name that is not allowed is logged and 500", function()
    for _, wrong in ipairs{"", "a\nb", "a\0b", "\255"} do
      local hub, lines = support.started{connect = function() return wrong end}
      assert.equal(500, (support.refused(hub)))
      support.logged(lines, "connect handler failed")
    end
  end)

  it("no verdict in time is 503", function()
    local hub = support.started({connect = function() end}, {decision_timeout = "100ms"})
    local client = support.connecting(hub:urls()[1])
    support.wait(function() return client.ended end, "the end", false)
    assert.equal(503, client.status)
  end)

  it("a verdict that comes too late is no error", function()
    local hub, lines = support.started({connect = function()
      support.wait(function() return os.getenv("HOME") end)
      local till = fanwire.native.fwb_now() + 0.3
      while fanwire.native.fwb_now() < till do end
    end}, {decision_timeout = "100ms", log_level = "debug"})
    assert.equal(503, (support.refused(hub)))
    assert.equal("debug", support.logged(lines, "connect handler decided too late")[1])
  end)

  it("the state of the request becomes the session's", function()
    local seen = support.seen()
    local hub = support.started{
      connect = function(request) request.state.account = request.query.a end,
      open = function(s) seen(s.state.account) end}
    support.client(hub, "a=1")
    support.client(hub, "a=2")
    support.wait(function() return seen[2] end)
    table.sort(seen)
    assert.equal("1", seen[1])
    assert.equal("2", seen[2])
  end)

  it("the request has the id that the session will have", function()
    local ids = {}
    local hub = support.started{connect = function(r) ids[1] = r.id end,
      open = function(s) ids[2] = s.id end}
    support.client(hub)
    support.wait(function() return ids[2] end)
    assert.equal(ids[1], ids[2])
  end)

  it("nothing and true let into the room", function()
    assert.is_true((join_with(function() end)))
    assert.is_true((join_with(function() return true end)))
  end)

  it("false and refuse keep out of the room", function()
    support.failed(".", "FW_ERR_REFUSED", join_with(function() return false end))
    support.failed("not you", "FW_ERR_REFUSED",
      join_with(function() return fanwire.refuse(403, "not you") end))
  end)

  it("an error in join is logged and refuses", function()
    local ok, _, name, lines = join_with(function() error("boom") end)
    assert.is_nil(ok)
    assert.equal("FW_ERR_REFUSED", name)
    support.logged(lines, "join handler failed")
  end)

  it("a wrong verdict of join is logged and refuses", function()
    local ok, _, name, lines = join_with(function() return "yes" end)
    assert.is_nil(ok)
    assert.equal("FW_ERR_REFUSED", name)
    support.logged(lines, "join handler failed: it returns nothing or true to let in")
    assert.is_nil((join_with(function() return nil, "no database" end)))
  end)

  it("each request has a state of its own", function()
    local seen = support.seen()
    local hub = support.started{
      connect = function(request)
        assert(next(request.state) == nil)
        request.state.n = request.query.n
      end,
      open = function(s) seen(s.query.n, s.state.n) end,
    }
    for n = 1, 5 do
      support.client(hub, "n=" .. n)
    end
    support.wait(function() return seen[5] end)
    for i = 1, 5 do
      assert.equal(seen[i][1], seen[i][2])
    end
  end)

  it("the state of refused requests is not kept", function()
    local kept = setmetatable({}, {__mode = "k"})
    local hub = support.started{connect = function(request)
      request.state.big = {}
      kept[request.state.big] = true
      return fanwire.refuse(403)
    end}
    for _ = 1, 10 do
      assert.equal(403, (support.refused(hub)))
    end
    support.wait(function()
      collectgarbage()
      return next(kept) == nil
    end, "the states of refused requests are gone")
  end)
end)
