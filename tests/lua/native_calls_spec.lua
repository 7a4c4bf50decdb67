-- The C library's own functions as Lua sees them: what they take, give and refuse.
local native = require("fanwire").native
local support = require "support"
local uv = require "luv"

local NOBODY = ("0"):rep(32)
local kept = {}

local function options(more)
  local made = assert(native.fw_options_new())
  assert(native.fw_options_set(made, "listen", "ws://127.0.0.1:0/ws"))
  assert(native.fw_options_set(made, "events", "queued"))
  for name, value in pairs(more or {}) do
    assert(native.fw_options_set(made, name, value))
  end
  return made
end

-- A hub that runs, with those events.
local function rig(kinds, more)
  local hub = assert(native.fw_hub_new(options(more)))
  for _, kind in ipairs(kinds or {}) do
    assert(native.fw_hub_on(hub, kind))
  end
  assert(native.fw_hub_start(hub))
  kept[#kept + 1] = hub
  return hub, native.fw_hub_listen_url(hub, 0)
end

-- The next event, of that kind.
local function poll(hub, kind)
  local found
  support.wait(function()
    found = assert(native.fw_hub_poll(hub, 1, 1))[1]
    return found
  end, native.fw_event_type_name(kind))
  assert.equal(kind, found[1])
  return found
end

describe("native calls:", function()
  after_each(function()
    support.end_all()
    for _, hub in ipairs(kept) do
      native.fw_hub_stop(hub)
    end
    kept = {}
  end)

  it("versions", function()
    assert.equal(require("fanwire").version, native.fw_version_string())
    assert.is_number(native.fw_version())
  end)

  it("event types and log levels have names", function()
    for name, value in pairs(native) do
      if type(name) == "string" and name:find("^FW_EVENT_") then
        assert.equal(name:sub(10), native.fw_event_type_name(value))
      end
    end
    assert.equal("?", native.fw_event_type_name(99))
    assert.equal("warn", native.fw_log_level_name(native.FW_LOG_WARN))
    assert.equal("?", native.fw_log_level_name(99))
  end)

  it("a name that is allowed, and one that is not", function()
    for _, name in ipairs{"a", "\195\188", ("x"):rep(255)} do
      assert.is_true(native.fw_name_check(name))
    end
    for _, name in ipairs{"", ("x"):rep(256), "a\n", "\255"} do
      support.failed(".", "FW_ERR_INVALID", native.fw_name_check(name))
    end
    for _, wrong in ipairs{true, {}, print} do
      assert.is_false(pcall(native.fw_name_check, wrong))
    end
  end)

  it("session ids are text", function()
    assert.equal(NOBODY, native.fw_session_none())
    assert.is_true(native.fw_session_id_equal(NOBODY, NOBODY))
    assert.is_false(native.fw_session_id_equal(NOBODY, ("0"):rep(31) .. "1"))
    assert.is_true(native.fw_session_id_equal(("ab"):rep(16), ("AB"):rep(16)))
  end)

  it("a malformed session id is an error", function()
    for _, wrong in ipairs{
      "", ("0"):rep(31), ("0"):rep(33), ("g"):rep(32), (" "):rep(32),
    } do
      local fine, ok = pcall(native.fw_session_id_equal, wrong, NOBODY)
      assert.is_true(not fine or ok == nil)
    end
    for _, wrong in ipairs{true, {}, print} do
      assert.is_false(pcall(native.fw_session_id_equal, wrong, NOBODY))
    end
  end)

  it("options are set and read", function()
    local o = native.fw_options_new()
    assert.equal("1", native.fw_options_get(o, "threads"))
    assert.is_true(native.fw_options_set(o, "threads", "4"))
    assert.equal("4", native.fw_options_get(o, "threads"))
    assert.is_nil((native.fw_options_get(o, "no.such")))
    assert.is_nil((native.fw_options_shown(o, "no.such")))
    for name, value in pairs{
      ["no.such"] = "1", threads = "many", ["heartbeat.interval"] = "25",
    } do
      support.failed(name, "FW_ERR_OPTION", native.fw_options_set(o, name, value))
    end
  end)

  it("a password is not shown", function()
    local o = native.fw_options_new()
    native.fw_options_set(o, "redis.url", "redis://ann:secret@localhost")
    assert.matches("secret", native.fw_options_get(o, "redis.url"))
    assert.is_nil(native.fw_options_shown(o, "redis.url"):find("secret"))
  end)

  it("the table of options can be walked", function()
    local n, seen = 0, {}
    while native.fw_options_name(n) do
      seen[native.fw_options_name(n)] = true
      for _, field in ipairs{"type", "default", "allowed", "since", "help", "group"} do
        assert.is_string(native.fw_options_describe(native.fw_options_name(n), field))
      end
      n = n + 1
    end
    assert.is_true(n > 20 and seen["redis.url"])
    assert.is_nil((native.fw_options_describe("threads", "nothing")))
    assert.is_nil((native.fw_options_describe("no.such", "type")))
  end)

  it("a message keeps what it was made of", function()
    for _, data in ipairs{"\195\188", "", "a\0b"} do
      local m = native.fw_message_new(data)
      assert.equal(data, (native.fw_message_data(m)))
      assert.equal(native.FW_TEXT, native.fw_message_flags(m))
      m = native.fw_message_new(data .. "\255", native.FW_BINARY)
      assert.equal(data .. "\255", (native.fw_message_data(m)))
      assert.equal(native.FW_BINARY, native.fw_message_flags(m))
    end
    support.failed("UTF%-8", "FW_ERR_INVALID", native.fw_message_new("\255"))
    for _, wrong in ipairs{true, {}, print} do
      assert.is_false(pcall(native.fw_message_new, wrong))
    end
  end)

  it("who is left out is said before a message is sent", function()
    local hub = rig()
    local m = native.fw_message_new("x")
    assert.is_true(native.fw_message_set_except(m, NOBODY))
    assert.is_true(native.fw_hub_send_all_message(hub, m))
    support.failed(".", "FW_ERR_STATE", native.fw_message_set_except(m, NOBODY))
  end)

  it("a hub has a node before its start", function()
    local hub = native.fw_hub_new(options{["node.name"] = "first"})
    assert.matches("^%x+$", native.fw_hub_node(hub))
    assert.equal("first", native.fw_hub_node_name(hub))
    assert.is_nil((native.fw_hub_listen_url(hub, 0)))
    assert.is_nil((native.fw_hub_http_address(hub)))
    assert.is_number(native.fw_hub_event_fd(hub))
  end)

  it("a hub of defaults is inline and has no queue", function()
    local hub = assert(native.fw_hub_new(nil))
    assert.is_string(native.fw_hub_node_name(hub))
    support.failed(".", "FW_ERR_STATE", native.fw_hub_event_fd(hub))
    support.failed(".", "FW_ERR_STATE", native.fw_hub_poll(hub, 1, 0))
  end)

  it("options that contradict each other are an error", function()
    local hub, why, name = native.fw_hub_new(options{listen = "wss://127.0.0.1:0/ws"})
    if hub then
      hub, why, name = native.fw_hub_start(hub)
    end
    assert.is_nil(hub)
    assert.is_string(why)
    assert.matches("^FW_ERR_", name)
  end)

  it("calls on a hub that does not run are closed errors", function()
    local hub = native.fw_hub_new(options())
    local m = native.fw_message_new("x")
    for name, arguments in pairs{fw_hub_send_all = {"x"}, fw_hub_send_all_message = {m},
        fw_node_send = {("0"):rep(15) .. "1", "x"}, fw_room_publish = {"r", "x"},
        fw_room_publish_message = {"r", m}, fw_user_send = {"u", "x"},
        fw_user_send_message = {"u", m}, fw_user_disconnect = {"u", 1000, ""},
        fw_stats_get = {"fanwire_sessions"}, fw_stats_text = {}} do
      support.failed(".", "FW_ERR_CLOSED",
        native[name](hub, (table.unpack or unpack)(arguments))) -- luacheck: ignore
    end
    support.failed(".", "FW_ERR_STATE", native.fw_hub_stop(hub))
    support.failed(".", "FW_ERR_STATE", native.fw_hub_drain(hub, 0))
    support.failed(".", "FW_ERR_INVALID", native.fw_hub_on(hub, 99))
  end)

  it("start twice is a state error and stop twice is none", function()
    local hub = rig()
    support.failed(".", "FW_ERR_STATE", native.fw_hub_start(hub))
    support.failed(".", "FW_ERR_STATE", native.fw_hub_on(hub, native.FW_EVENT_OPEN))
    assert.is_true(native.fw_hub_stop(hub))
    assert.is_true(native.fw_hub_stop(hub))
  end)

  it("a port in use is a listen error that names it", function()
    local _, url = rig()
    support.failed(url:match(":(%d+)/"), "FW_ERR_LISTEN",
      native.fw_hub_start(native.fw_hub_new(options{listen = url})))
  end)

  it("addresses are told", function()
    local hub, url = rig(nil, {["http.listen"] = "127.0.0.1:0"})
    assert.matches("^ws://127%.0%.0%.1:[1-9]%d*/ws$", url)
    assert.is_nil((native.fw_hub_listen_url(hub, 1)))
    assert.matches("^127%.0%.0%.1:[1-9]%d*$", native.fw_hub_http_address(hub))
  end)

  it("figures", function()
    local hub = rig()
    assert.equal(0, native.fw_stats_get(hub, "fanwire_sessions"))
    support.failed("no_such", "FW_ERR_INVALID", native.fw_stats_get(hub, "no_such"))
    assert.matches("fanwire_sessions 0", native.fw_stats_text(hub))
  end)

  it("a life of a session in events", function()
    local hub, url = rig{native.FW_EVENT_CONNECT, native.FW_EVENT_OPEN,
      native.FW_EVENT_MESSAGE, native.FW_EVENT_CLOSE, native.FW_EVENT_JOIN,
      native.FW_EVENT_LEAVE, native.FW_EVENT_ROOM_MESSAGE, native.FW_EVENT_RESULT}
    local client = support.connecting(url .. "?a=1&a=2&b=%FF", {["X-Token"] = "t"})
    local e = poll(hub, native.FW_EVENT_CONNECT)
    local id, event = e[2], e[3]
    assert.equal(native.FW_EVENT_CONNECT, native.fw_event_kind(event))
    assert.equal(id, native.fw_event_session(event))
    assert.equal("/ws", native.fw_event_fact(event, "path"))
    assert.equal("t", native.fw_event_header(event, "x-token"))
    assert.equal("2", native.fw_event_query(event, "a", 1))
    assert.is_nil((native.fw_event_query(event, "a", 2)))
    assert.is_nil((native.fw_event_query(event, "b", 0)))
    local token = native.fw_event_token(event)
    support.failed(".", "FW_ERR_INVALID", native.fw_reject(hub, token, 200, "no"))
    assert.is_true(native.fw_accept(hub, token, "ann"))
    support.failed(".", "FW_ERR_GONE", native.fw_accept(hub, token, "ann"))
    native.fw_events_done(hub, event)
    e = poll(hub, native.FW_EVENT_OPEN)
    assert.equal(id, e[2])
    assert.equal("ann", native.fw_event_user(e[3]))
    support.wait(function() return client.status == 101 end)
    client:send_binary("\0\255")
    e = poll(hub, native.FW_EVENT_MESSAGE)
    assert.equal("\0\255", e[4])
    assert.equal("\0\255", (native.fw_event_data(e[3])))
    assert.equal(native.FW_BINARY, native.fw_event_flags(e[3]))
    assert.is_true(native.fw_session_join(hub, id, "r", 77))
    e = poll(hub, native.FW_EVENT_JOIN)
    assert.equal("r", native.fw_event_room(e[3]))
    assert.is_true(native.fw_accept(hub, native.fw_event_token(e[3]), nil))
    e = poll(hub, native.FW_EVENT_RESULT)
    assert.same({77, 0}, {e[4], e[5]})
    assert.is_true(native.fw_room_publish(hub, "r", "to the room"))
    poll(hub, native.FW_EVENT_ROOM_MESSAGE)
    assert.equal("to the room", (client:receive()))
    assert.is_true(native.fw_session_leave(hub, id, "r"))
    poll(hub, native.FW_EVENT_LEAVE)
    assert.is_true(native.fw_session_close(hub, id, 4000, "because"))
    assert.same({4000, "because"}, {client:wait_closed()})
    e = poll(hub, native.FW_EVENT_CLOSE)
    assert.equal(4000, native.fw_event_code(e[3]))
    assert.equal("because", native.fw_event_reason(e[3]))
    support.failed(".", "FW_ERR_GONE", native.fw_session_send(hub, id, "x"))
  end)

  it("all ways to send", function()
    local hub, url = rig{native.FW_EVENT_OPEN, native.FW_EVENT_RESULT}
    local client = support.connecting(url)
    local id = poll(hub, native.FW_EVENT_OPEN)[2]
    assert(native.fw_session_set_user(hub, id, "ann"))
    assert(native.fw_session_join(hub, id, "r", 1))
    poll(hub, native.FW_EVENT_RESULT)
    local m = native.fw_message_new("m")
    for name, first in pairs{
      fw_session_send = id, fw_room_publish = "r", fw_user_send = "ann",
      fw_node_send = native.fw_hub_node(hub),
    } do
      assert.is_true(native[name](hub, first, name))
      assert.equal(name, (client:receive()))
      if native[name .. "_message"] then
        assert.is_true(native[name .. "_message"](hub, first, m))
        assert.equal("m", (client:receive()))
      end
    end
    assert.is_true(native.fw_hub_send_all(hub, "all"))
    assert.equal("all", (client:receive()))
    support.failed(".", "FW_ERR_INVALID", native.fw_session_send(hub, id, "\255"))
    assert.is_true(native.fw_session_send(hub, id, "\255", native.FW_BINARY))
    assert.same({"\255", true}, {client:receive()})
  end)

  it("log lines come as events", function()
    local hub = rig{native.FW_EVENT_LOG}
    local e = poll(hub, native.FW_EVENT_LOG)
    assert.equal(native.FW_LOG_INFO, e[4])
    assert.is_string(e[5])
    assert.is_string(e[6])
  end)

  it("events are polled after the stop, and then it is closed", function()
    local hub, url = rig{native.FW_EVENT_OPEN, native.FW_EVENT_CLOSE}
    support.connecting(url)
    poll(hub, native.FW_EVENT_OPEN)
    assert(native.fw_hub_stop(hub))
    poll(hub, native.FW_EVENT_CLOSE)
    support.failed(".", "FW_ERR_CLOSED", native.fw_hub_poll(hub, 1, 0))
  end)

  it("drain tells when some are left", function()
    local hub, url = rig({native.FW_EVENT_OPEN}, {["drain.rate"] = "1"})
    for _ = 1, 3 do
      support.connecting(url)
      poll(hub, native.FW_EVENT_OPEN)
    end
    support.failed("left", "FW_ERR_TIMEOUT", native.fw_hub_drain(hub, 10))
  end)

  it("a kept event is readable after it was given back", function()
    local hub, url = rig{native.FW_EVENT_OPEN}
    support.connecting(url)
    local event = poll(hub, native.FW_EVENT_OPEN)[3]
    local again = native.fw_event_ref(event)
    native.fw_events_done(hub, event)
    assert.is_false(pcall(native.fw_event_fact, event, "path"))
    assert.equal("/ws", native.fw_event_fact(again, "path"))
  end)

  it("credit comes back when an event is given back or dropped", function()
    for _, way in ipairs{"given back", "dropped"} do
      local hub, url = rig({native.FW_EVENT_MESSAGE}, {["events.per_session"] = "1"})
      local client = support.connecting(url)
      support.wait(function() return client.status == 101 end)
      for i = 1, 20 do
        client:send(tostring(i))
      end
      local function take(i)
        local e = poll(hub, native.FW_EVENT_MESSAGE)
        assert.equal(tostring(i), e[4])
        if way == "given back" then
          native.fw_events_done(hub, e[3])
        end
      end
      for i = 1, 20 do
        take(i)
        collectgarbage()
        collectgarbage()
      end
    end
  end)

  it("the handles of a freed hub are safe", function()
    local hub, url = rig{native.FW_EVENT_OPEN}
    support.connecting(url)
    local event = poll(hub, native.FW_EVENT_OPEN)[3]
    local again, m = native.fw_event_ref(event), native.fw_message_new("x")
    native.fw_hub_stop(hub)
    kept, hub = {}, nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    pcall(native.fw_event_fact, event, "path")
    assert.equal("/ws", native.fw_event_fact(again, "path"))
    assert.equal("x", (native.fw_message_data(m)))
  end)

  it("a hub is freed while events wait in its queue", function()
    local hub, url = rig{native.FW_EVENT_OPEN}
    local client = support.connecting(url)
    support.wait(function() return client.status == 101 end)
    kept, hub = {}, nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    support.wait(function() return client.ended end)
  end)

  it("handles can't be made by hand", function()
    for _, name in ipairs{"fw_hub", "fw_options", "fw_message", "fw_emitter", "fw_event",
        "fwb_event", "new_fw_hub"} do
      assert.is_false(pcall(native[name]))
    end
  end)

  it("an attached session without a head has no facts but the address", function()
    local hub = rig{native.FW_EVENT_OPEN, native.FW_EVENT_DELIVER, native.FW_EVENT_RESULT}
    assert.is_true(native.fw_session_attach(hub, "ann", nil, "192.0.2.1", 5))
    local e
    repeat
      e = assert(native.fw_hub_poll(hub, 1, 1000))[1]
    until e[1] == native.FW_EVENT_OPEN
    assert.equal("192.0.2.1", native.fw_event_fact(e[3], "address"))
    assert.is_nil((native.fw_event_fact(e[3], "host")))
    assert.equal("ann", native.fw_event_user(e[3]))
  end)

  it("a hub without deliver attaches nothing", function()
    local hub = rig{native.FW_EVENT_OPEN}
    support.failed(".", "FW_ERR_STATE", native.fw_session_attach(hub, nil, nil, nil, 5))
  end)

  it("options come from a file and the environment", function()
    local path, o = os.tmpname(), native.fw_options_new()
    finally(function()
      os.remove(path)
      uv.os_unsetenv("FANWIRE_REDIS_PREFIX")
    end)
    local function write(text)
      local file = io.open(path, "w")
      file:write(text)
      file:close()
    end
    write("[redis]\nprefix = filed\n")
    assert.is_true(native.fw_options_load(o, path))
    assert.equal("filed", native.fw_options_get(o, "redis.prefix"))
    write("nonsense = 1\n")
    support.failed(":1:", "FW_ERR_OPTION", native.fw_options_load(o, path))
    uv.os_setenv("FANWIRE_REDIS_PREFIX", "fromenv")
    assert.is_true(native.fw_options_load_env(o))
    assert.equal("fromenv", native.fw_options_get(o, "redis.prefix"))
  end)
end)
