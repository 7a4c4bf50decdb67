-- What is wrong is nil and a sentence, or an error() at the line of the caller.
local fanwire = require "fanwire"
local support = require "support"
local uv = require "luv"

local BAD_TYPES = {5, true, print, {}}

describe("bad input:", function()
  after_each(support.end_all)

  it("an unknown option is an option error with a suggestion", function()
    support.failed("^no option is called redis_ulr; did you mean redis_url%?$",
      "FW_ERR_OPTION", fanwire.hub{redis_ulr = "redis://x"})
    support.failed("did you mean config%?", "FW_ERR_OPTION", fanwire.hub{confg = "x"})
    support.failed("did you mean redis_url%?", "FW_ERR_OPTION",
      fanwire.emitter{redis_urls = "x"})
  end)

  it("an option like no other has no suggestion but its name", function()
    support.failed("^no option is called zzzzzzzz$", "FW_ERR_OPTION",
      fanwire.hub{zzzzzzzz = 1})
  end)

  it("a wrong value is an option error that names it and the value", function()
    support.failed("heartbeat.interval: soon", "FW_ERR_OPTION",
      fanwire.hub{heartbeat_interval = "soon"})
    support.failed("heartbeat.interval: 25: ", "FW_ERR_OPTION",
      fanwire.hub{heartbeat_interval = 25})
  end)

  it("an option of a wrong type is an error that names it", function()
    support.raises(
      "listen: a string, a number, a boolean or a list is wanted, not function",
      function() fanwire.hub{listen = print} end)
    support.raises("listen: a list of strings is wanted, not of table",
      function() fanwire.hub{listen = {{}}} end)
    support.failed("^redis.prefix: one value, not several$", "FW_ERR_OPTION",
      fanwire.hub{redis_prefix = {"a", "b"}})
  end)

  it("a password is not in the error", function()
    local _, why = fanwire.hub{redis_url = "redis://:secret@host:port"}
    assert.is_string(why)
    assert.is_nil(why:find("secret"))
  end)

  it("events is not for the user", function()
    support.failed("^events: in Lua they always wait in a queue$", "FW_ERR_OPTION",
      fanwire.hub{events = "inline"})
  end)

  it("options are by name only", function()
    support.raises("options are given by name", function() fanwire.hub{"listen"} end)
    support.raises("options: a table is wanted, not string",
      function() fanwire.hub("x") end)
  end)

  it("what the package itself takes is checked, too", function()
    support.raises("config: a string or nil is wanted, not boolean",
      function() fanwire.hub{config = true} end)
    support.raises("environment: a boolean",
      function() fanwire.hub{environment = "yes"} end)
    support.raises("log: a function is wanted, not string",
      function() fanwire.hub{log = "x"} end)
    support.raises("runner: a function is wanted", function() fanwire.hub{runner = 1} end)
  end)

  it("values of Lua become what the option wants", function()
    local hub = assert(fanwire.hub{threads = 2, redis_required = true,
      message_max_bytes = 2^20, heartbeat_interval = "500ms",
      origins = {"https://a", "https://b"}})
    assert.equal("2", hub:option("threads"))
    assert.equal("on", hub:option("redis.required"))
    assert.equal("https://a,https://b", hub:option("origins"))
    assert.matches("^1", hub:option("message_max_bytes"))
    assert.equal("500ms", hub:option("heartbeat_interval"))
  end)

  it("an option is told by either of its names", function()
    local hub = fanwire.hub{redis_prefix = "p"}
    assert.equal("p", hub:option("redis_prefix"))
    assert.equal("p", hub:option("redis.prefix"))
    support.failed("no option is called nix", "FW_ERR_OPTION", hub:option("nix"))
  end)

  it("embedded NUL in an option is refused", function()
    support.failed("^redis.prefix: embedded NUL$", "FW_ERR_INVALID",
      fanwire.hub{redis_prefix = "a\0b"})
  end)

  it("options come from file, then environment, then keywords", function()
    local path = os.tmpname()
    local file = io.open(path, "w")
    file:write("[redis]\nprefix = file\n[node]\nname = file\n")
    file:close()
    local hub = assert(fanwire.hub{config = path, node_name = "keyword"})
    os.remove(path)
    assert.equal("file", hub:option("redis.prefix"))
    assert.equal("keyword", hub:option("node.name"))
    support.failed("/nowhere/x.ini", "FW_ERR_SYSTEM",
      fanwire.hub{config = "/nowhere/x.ini"})
    support.failed("config: embedded NUL", "FW_ERR_INVALID", fanwire.hub{config = "a\0"})
  end)

  it("one wrong option leaves all as they were", function()
    local hub = fanwire.hub{redis_prefix = "p"}
    support.failed("threads: many", "FW_ERR_OPTION",
      hub:configure{redis_prefix = "q", threads = "many"})
    assert.equal("p", hub:option("redis.prefix"))
    assert.is_true(hub:configure{redis_prefix = "q"})
    assert.equal("q", hub:option("redis.prefix"))
  end)

  it("options of a namespace are keys", function()
    local hub = assert(fanwire.hub{namespace_news_history_size = 100,
      namespace_my_news_presence = true, namespace_history_ttl_history_ttl = "5s"})
    assert.equal("100", hub:option("namespace.news.history.size"))
    assert.equal("300s", hub:option("namespace_news_history_ttl"))
    assert.equal("on", hub:option("namespace.my_news.presence"))
    assert.equal("5s", hub:option("namespace.history_ttl.history.ttl"))
    assert.equal("0", hub:option("namespace.other.history.size"))
    assert.is_true(hub:configure{["namespace.News-1.join_leave"] = "yes"})
    assert.equal("yes", hub:option("namespace.News-1.join_leave"))
  end)

  it("a wrong option of a namespace is an option error", function()
    for keyword, says in pairs{
      ["namespace_news_histroy_size"] = "did you mean namespace.news.history.size%?",
      ["namespace.news.histroy.size"] = "did you mean namespace.news.history.size%?",
      ["namespace_news_zzzzzzz"] = "^namespace_news_zzzzzzz: no such option",
      ["namespace_presence"] = "^namespace_presence: no such option",
      ["namespace.a.b.presence"] = "name of a namespace is 1 to 64 letters",
      ["namespace_a b_presence"] = "name of a namespace is 1 to 64 letters",
    } do
      support.failed(says, "FW_ERR_OPTION", fanwire.hub{[keyword] = "1"})
      support.failed(says, "FW_ERR_OPTION", fanwire.hub():configure{[keyword] = "1"})
    end
  end)

  it("configure after the start is a state error", function()
    support.failed("before it is started", "FW_ERR_STATE", support.started():configure{})
  end)

  it("an address in use is a listen error and the hub may start later", function()
    local first = support.started()
    local hub = support.hub{listen = first:urls()[1]}
    support.failed("address", "FW_ERR_LISTEN", hub:start())
    assert.is_false(hub:running())
    first:stop()
    assert.is_true(hub:start())
  end)

  it("a missing certificate is a TLS error that names the file", function()
    support.failed("/nowhere/cert.pem", "FW_ERR_TLS", support.hub{
      listen = "wss://127.0.0.1:0/ws", tls_cert = "/nowhere/cert.pem",
      tls_key = "/nowhere/key.pem"}:start())
  end)

  it("a Redis that is required and missing is a backplane error", function()
    support.failed(".", "FW_ERR_BACKPLANE", support.hub{
      redis_url = "redis+unix:///nowhere/redis.sock", redis_required = true}:start())
  end)

  it("a name that is not allowed is an invalid error", function()
    local hub = support.started()
    for _, name in ipairs{"", "a\nb", "\255", ("x"):rep(256), "a\0b"} do
      assert.equal("FW_ERR_INVALID", select(3, hub:publish(name, "x")))
      assert.equal("FW_ERR_INVALID", select(3, hub:send_user(name, "x")))
      assert.equal("FW_ERR_INVALID", select(3, hub:room(name)))
      assert.equal("FW_ERR_INVALID", select(3, hub:user(name)))
      assert.equal("FW_ERR_INVALID", select(3, fanwire.name_check(name)))
    end
    assert.is_true(fanwire.name_check("r\195\164ume"))
  end)

  it("a name of a wrong type is an error that says so", function()
    local hub = support.started()
    for _, bad in ipairs(BAD_TYPES) do
      support.raises("room: a string is wanted", function() hub:publish(bad, "x") end)
      support.raises("user: a string is wanted", function() hub:send_user(bad, "x") end)
      support.raises("name: a string is wanted", function() hub:room(bad) end)
      support.raises("name: a string is wanted", function() hub:user(bad) end)
      support.raises("name: a string is wanted", function() fanwire.name_check(bad) end)
      support.raises("id: a string is wanted", function() hub:session(bad) end)
      support.raises("node: a string is wanted", function() hub:send_node(bad, "x") end)
    end
    support.raises("room: a string is wanted, not nil", function() hub:publish() end)
  end)

  it("a malformed id is an invalid error that shows it", function()
    local hub = support.started()
    support.failed('id: 32 hexadecimal digits are wanted, not "zz"', "FW_ERR_INVALID",
      hub:session("zz"))
    support.failed("skip: 32 hexadecimal digits", "FW_ERR_INVALID",
      hub:publish("a", "x", {skip = "zz"}))
    support.failed("node: 16 hexadecimal digits", "FW_ERR_INVALID",
      hub:send_node("zz", "x"))
  end)

  it("a well-formed id of nobody", function()
    local hub = support.started()
    local nobody = assert(hub:session(hub:node() .. ("f"):rep(16)))
    assert.equal("FW_ERR_GONE", select(3, nobody:send("x")))
    assert.is_nil(nobody.user)
    assert.is_true(hub:session(("a"):rep(32)):send("into the void"))
    assert.is_true(hub:send_node(("a"):rep(16), "into the void"))
  end)

  it("a code that may not be sent is an invalid error", function()
    local s
    local hub = support.started{open = function(opened) s = opened end}
    support.client(hub)
    support.wait(function() return s end)
    for _, code in ipairs{0, 999, 1005, 1006, 2999, 5000, -1, 70000} do
      assert.equal("FW_ERR_INVALID", select(3, s:close(code)))
      assert.equal("FW_ERR_INVALID", select(3, hub:user("ann"):disconnect(code)))
    end
    support.raises("code: a number or nil is wanted, not string",
      function() s:close("1000") end)
    support.raises("code: a whole number is wanted", function() s:close(1000.5) end)
    support.raises("reason: a string or nil is wanted", function() s:close(1000, 5) end)
    assert.equal("FW_ERR_INVALID", select(3, s:close(1000, ("x"):rep(124))))
    assert.equal("FW_ERR_INVALID", select(3, s:close(1000, "\255")))
    assert.equal("FW_ERR_INVALID", select(3, s:close(1000, "a\0b")))
  end)

  it("join, leave and set_user check name and type at once", function()
    local s
    local hub = support.started{open = function(opened) s = opened end}
    support.client(hub)
    support.wait(function() return s end)
    for _, method in ipairs{"join", "leave", "set_user"} do
      for _, name in ipairs{"", "a\nb", "\255", "a\0b"} do
        assert.equal("FW_ERR_INVALID", select(3, s[method](s, name)))
      end
      for _, bad in ipairs(BAD_TYPES) do
        support.raises("%a+: a string .*is wanted",
          function() local _ = s[method](s, bad) end)
      end
    end
    support.raises("callback: a function is wanted", function() s:join("a", 5) end)
  end)

  it("a session has no fields by mistake", function()
    local s
    local hub = support.started{open = function(opened) s = opened end}
    support.client(hub)
    support.wait(function() return s end)
    support.raises("colour: keep your own in session.state", function() s.colour = 1 end)
    support.raises("id: keep your own", function() s.id = "x" end)
    assert.is_nil(s.colour)
  end)

  it("a hub that does not run is a closed error", function()
    local hub = support.hub()
    for _, call in ipairs{"publish", "send_user"} do
      support.failed("^the hub is not running$", "FW_ERR_CLOSED",
        hub[call](hub, "a", "x"))
    end
    support.failed("not running", "FW_ERR_CLOSED", hub:send_all("x"))
    support.failed("not running", "FW_ERR_CLOSED", hub:session(("a"):rep(32)))
    for _, call in ipairs{
      "poll", "fd", "drain", "node", "node_name", "metrics", "stats",
    } do
      support.failed("not running", "FW_ERR_CLOSED", hub[call](hub))
    end
    support.failed("not running", "FW_ERR_CLOSED", hub:attach{on_deliver = print})
    assert.is_true(hub:stop())
    assert.is_true(hub:close())
    assert.is_false(hub:running())
    assert.same({}, hub:urls())
    assert.is_nil(hub:http_address())
    assert.equal("<fanwire.Hub, not running>", tostring(hub))
  end)

  it("seconds are a number from 0 on", function()
    local hub = support.started()
    support.raises("timeout: a number is wanted", function() hub:poll("1") end)
    support.raises("timeout: seconds from 0 on are wanted", function() hub:poll(-1) end)
    support.raises("timeout: seconds from 0 on are wanted",
      function() hub:poll(0 / 0) end)
    support.raises("max: a number from 1 on", function() hub:poll(0, 0) end)
    support.raises("max: a whole number", function() hub:poll(0, 1.5) end)
    support.raises("timeout: a number is wanted", function() hub:close("x") end)
    support.raises("timeout: a number is wanted", function() hub:drain({}) end)
  end)

  it("the table of options is there", function()
    local options = fanwire.options()
    assert.equal("duration", options["heartbeat.interval"].type)
    assert.equal("25s", options["heartbeat.interval"].default)
    assert.is_string(options.listen.help)
  end)

  it("no nonsense ends the process", function()
    local hub = support.started()
    local nonsense = {"", "\0", "x", -1, 0, 2 ^ 60, 0 / 0, true, print, {}, {{}}, hub}
    for _, method in ipairs{"on", "configure", "option", "poll", "publish", "send_user",
        "send_all", "send_node", "room", "user", "session", "attach", "drain"} do
      for i = 0, #nonsense do
        for j = 0, #nonsense do
          pcall(hub[method], hub, nonsense[i], nonsense[j])
        end
      end
    end
    for _, f in ipairs{fanwire.hub, fanwire.emitter, fanwire.message, fanwire.refuse,
        fanwire.name_check, fanwire.is_retriable} do
      for i = 0, #nonsense do
        for j = 0, #nonsense do
          pcall(f, nonsense[i], nonsense[j])
        end
      end
    end
  end)

  it("durations", function()
    local function interval(value)
      return assert(fanwire.hub{heartbeat_interval = value}):option("heartbeat.interval")
    end
    assert.equal("25s", interval("25s"))
    assert.equal("1500ms", interval("1500ms"))
    assert.equal("2m", interval("2m"))
  end)

  it("an unknown option can't be told", function()
    local hub = fanwire.hub{}
    for _, name in ipairs{"no.such", "", "redis.ulr"} do
      support.failed("option", "FW_ERR_OPTION", hub:option(name))
    end
    support.raises("option: a string is wanted", function() hub:option(5) end)
  end)

  it("a wrong file is an error that names it", function()
    support.failed("missing.ini", "FW_ERR_SYSTEM",
      fanwire.hub{config = "/nowhere/missing.ini"})
    local path = os.tmpname()
    local file = io.open(path, "w")
    file:write("threads = 2\nnonsense = 3\n")
    file:close()
    finally(function() os.remove(path) end)
    support.failed(path .. ":2:.*nonsense", "FW_ERR_OPTION", fanwire.hub{config = path})
  end)

  it("a wrong variable is an error that names it", function()
    finally(function() uv.os_unsetenv("FANWIRE_THREADS") end)
    uv.os_setenv("FANWIRE_THREADS", "none")
    support.failed("THREADS", "FW_ERR_OPTION", fanwire.hub{environment = true})
    uv.os_setenv("FANWIRE_THREADS", "2")
    assert.equal("2", assert(fanwire.hub{environment = true}):option("threads"))
    assert.equal("1", assert(fanwire.hub{}):option("threads"))
    assert.equal("3",
      assert(fanwire.hub{environment = true, threads = 3}):option("threads"))
  end)

  it("an embedded NUL in an id is an invalid error", function()
    local hub = support.started()
    local id = ("0"):rep(31) .. "\0"
    support.failed("id: 32 hex", "FW_ERR_INVALID", hub:session(id))
    support.failed("id: 32 hex", "FW_ERR_INVALID", hub:session(("0"):rep(32) .. "\0"))
    support.failed("node: 16 hex", "FW_ERR_INVALID",
      hub:send_node(("0"):rep(16) .. "\0", "x"))
  end)

  it("a node that is none", function()
    local hub = support.started()
    for _, bad in ipairs{"-1", "1", "", ("g"):rep(16), ("0"):rep(17)} do
      support.failed("^node: 16 hexadecimal digits", "FW_ERR_INVALID",
        hub:send_node(bad, "x"))
    end
    support.raises("node: a string is wanted, not nil",
      function() hub:send_node(nil, "x") end)
  end)

  it("what is missing is an error that names it", function()
    local hub = support.started()
    support.raises("room: a string is wanted, not nil", function() hub:publish() end)
    support.raises("data: .*not nil", function() hub:publish("r") end)
    support.raises("data: .*not nil", function() hub:send_user("u") end)
    support.raises("event: a string is wanted, not nil",
      function() support.hub():on() end)
    support.raises("attach: a table is wanted, not nil", function() hub:attach() end)
    support.raises("options: a table is wanted, not nil", function() hub:configure() end)
  end)

  it("a hub with a wrong option leaves nothing behind", function()
    collectgarbage()
    local before = support.descriptors()
    for _ = 1, 20 do
      support.failed("threads", "FW_ERR_OPTION", fanwire.hub{threads = "many"})
    end
    collectgarbage()
    assert.is_true(support.descriptors() <= before)
  end)
end)
