--[[
fanwire in nginx: a hub in each worker, which begins with the worker and ends with it.

  init_worker_by_lua_block {
    local resty = require "fanwire.resty"
    assert(resty.start({
      listen = "ws://0.0.0.0:9090/ws",
      redis_url = "redis://127.0.0.1",
    }, {
      open = function(session) session:join("lobby") end,
      message = function(session, data, binary) resty.publish("lobby", data, binary) end,
    }))
  }

  location = /notify {
    content_by_lua_block {
      assert(require("fanwire.resty").send_user(ngx.var.arg_user, "you have mail"))
    }
  }

Sockets and fan-out are C's, on threads of the hub's own. Handlers are called in light
threads, so they may yield; resty_crew.lua has them. What publishes never waits, and may
be called in every phase that runs Lua.

  resty.start(options [, handlers])   in init_worker_by_lua: the hub, or nil, why, name;
                                      false in a process that is no worker
  resty.attach(websocket, how)        see resty_attach.lua
  resty.publish, .send_here, .send_user, .send_all, .broadcast, .send_node, .room, .user,
  .session, .sessions, .stats, .metrics, .node, .node_name, .urls, .http_address, .running
                                      the methods of the hub, without the hub
  resty.presence, .nodes, .history, .forget
                                      these wait for their answer, and return what the
                                      callback would get
  resty.hub()                         the hub
  resty.message, .refuse, .name_check, .is_retriable, .options, .version
                                      as in fanwire
]]

local attach = require "fanwire.resty_attach"
local call = require "fanwire.call"
local check = require "fanwire.check"
local crew = require "fanwire.resty_crew"
local fanwire = require "fanwire"
local hub = require "fanwire.hub"
local native = require "fanwire.native"
local options = require "fanwire.options"
local wait = require "fanwire.resty_wait"

-- nginx counts milliseconds in an int, so 20 days are nearly the most it can wait.
local LONG_S = 86400 * 20
local CONCURRENCY = 1000
local WAKE_DIR = "/tmp"
-- How often it is looked whether a drain is over.
local STEP_S = 0.02
-- How often attached connections are looked after where heartbeat.interval doesn't say.
local WATCH_S = 25

local resty = {}

for _, name in ipairs{"message", "refuse", "name_check", "is_retriable", "options",
    "version"} do
  resty[name] = fanwire[name]
end

-- Of this worker, from start() on: {hub =, life =, crew =, drain_s =}
local worker

-- --- the log ---

local LEVELS = {error = ngx.ERR, warn = ngx.WARN, info = ngx.NOTICE, debug = ngx.DEBUG,
  trace = ngx.DEBUG}

local function to_nginx(level, component, line)
  ngx.log(LEVELS[level] or ngx.NOTICE, "fanwire: ", component, ": ", line)
end

-- What a log function of the application says no more is in nginx's error log.
local function safe_log(log)
  return function(level, component, line)
    local ok, why = pcall(log, level, component, line)
    if not ok then
      to_nginx("error", "log", "the function log failed: " .. check.text_of(why))
      to_nginx(level, component, line)
    end
  end
end

-- --- ending ---

local function wait_until(is_so, till)
  while not is_so() do
    if native.fwb_now() >= till then
      return false
    end
    ngx.sleep(STEP_S)
  end
  return true
end

-- Has all been handled that the end of the sessions has brought, and told to connections
-- that nginx has, and does nobody wait for an answer? Or has it been stopped meanwhile?
local function is_settled(w)
  return w.is_at_rest or w.life:poll(0, 1024) == 0 and w.life:is_quiet()
    and not w.life:has_asked() and w.crew:is_idle() and next(w.boxes) == nil
end

-- Nobody handles events any more, so answers wouldn't be heard, either.
local function rest(w)
  w.is_at_rest = true
  native.fw_hub_event_wake(w.life.handle, -1)
  native.fwb_wake_close(w.wake) -- the reader sees the end of its socket
  w.crew:finish()
  w.life:forget()
end

-- Close what is left, hear of it, and end what still doesn't return.
local function stop(w)
  if w.is_at_rest then
    return
  end
  native.fw_hub_stop(w.life.handle)
  w.crew:call()
  wait_until(function()
    return w.is_over
  end, native.fwb_now() + 1)
  w.hub:_end(w.life)
  wait_until(function() -- who waited for an answer is told by the crew
    return w.crew:has_begun_all()
  end, native.fwb_now() + 1)
  rest(w)
  local ended = w.crew:kill()
  if ended > 0 then
    w.life.log:say("warn", ended .. " handlers were still running and are ended")
  end
end

-- The worker is to exit. Listen no more, and close the sessions at drain.rate; the crew
-- goes on handling their events meanwhile. When all have gone the hub stays, since
-- requests that are served may still send; it stops when nginx closes Lua.
local function leave(w)
  local life = w.life
  local till = native.fwb_now() + w.drain_s
  local _, why, name
  if w.is_leaving or w.is_at_rest then
    return
  end
  w.is_leaving = true
  wait_until(function()
    _, why, name = native.fw_hub_drain(life.handle, 0)
    return name ~= "FW_ERR_TIMEOUT"
  end, till)
  local is_done = wait_until(function()
    return is_settled(w)
  end, till)
  if name == "FW_ERR_TIMEOUT" then
    life.log:say("warn", "the time for draining is over: " .. why)
  end
  if is_done and name ~= "FW_ERR_TIMEOUT" then
    rest(w)
  else
    stop(w) -- if that hasn't been done
  end
end

-- A timer far away is called early, as "premature", when the worker is to exit.
local function watch_exit(premature, w)
  if premature then
    leave(w)
  else
    ngx.timer.at(LONG_S, watch_exit, w)
  end
end

-- --- events ---

local function poll(w, max)
  local n, _, name = w.life:poll(0, max)
  if name == "FW_ERR_CLOSED" and not w.is_over then
    w.is_over = true
    w.hub:_end(w.life) -- who waits for an answer hears that none comes
  end
  return n
end

local function connect(path)
  local socket = ngx.socket.tcp()
  socket:settimeouts(1000, 1000, LONG_S * 1000)
  local ok, why = socket:connect("unix:" .. path)
  if not ok then
    return nil, "connecting to " .. path .. ": " .. why
  end
  return socket
end

-- The timer that says so may have been refused or dropped.
local function look_for_exit(w)
  if ngx.worker.exiting() and not w.is_leaving then
    ngx.thread.spawn(leave, w)
  end
end

-- Nobody else would ask again for what nginx has refused or dropped: a timer.
local function wait_for_shift(w)
  local pause = STEP_S / 2
  while not w.crew:has_shift() and not w.is_at_rest do
    ngx.sleep(pause)
    pause = math.min(2 * pause, 1)
    look_for_exit(w)
    w.crew:call()
  end
end

-- The request in which all handlers run: it reads the socket that the hub writes to when
-- events begin to wait.
local function serve(premature, w, path)
  local socket, why = connect(path)
  if socket ~= nil then
    local ok
    ok, why = native.fwb_wake_accept(w.wake, w.life.handle)
    socket = ok and socket
  end
  if not socket then
    to_nginx("error", "nginx", "no handler will be called: " .. why)
    native.fw_hub_stop(w.life.handle)
    rest(w)
    w.hub:_end(w.life)
    return
  end
  w.crew:begin(function(max)
    return poll(w, max)
  end, function()
    return w.life:has_more()
  end, function(f)
    w.life:lost(f)
  end)
  if premature then
    ngx.thread.spawn(leave, w)
  end
  local data
  repeat
    wait_for_shift(w)
    data, why = socket:receiveany(4096)
    look_for_exit(w)
    w.crew:call()
  until data == nil and why ~= "timeout"
  socket:close()
  if not w.is_at_rest then
    to_nginx("warn", "nginx", "worker_shutdown_timeout is over before drain.timeout")
    stop(w)
  end
end

-- A request ends with all its light threads: that of the handlers must not.
local function keep_from_exit(w)
  local exit = ngx.exit
  ngx.exit = function(...)
    if w.crew:is_member() then
      error("ngx.exit() in a handler of fanwire: there is no request to end", 2)
    end
    return exit(...)
  end
end

-- --- starting ---

local function own_number(keywords, key, default)
  local value = keywords[key]
  keywords[key] = nil
  if value == nil then
    return default
  end
  check.whole(value, key, 3)
  if value < 1 then
    check.fail(3, "%s: a number from 1 on is wanted, not %d", key, value)
  end
  return value
end

local function own_text(keywords, key, default)
  local value = keywords[key]
  keywords[key] = nil
  check.optional(value, "string", key, 3)
  return value or default
end

local function refused(text, ...)
  return nil, string.format(text, ...), "FW_ERR_OPTION"
end

-- Make the hub one of several, that come and go on one port; nil and why if it can't be.
local function share(made, id, count)
  local set, get = native.fw_options_set, native.fw_options_get
  local o = made._options
  if count > 1 and get(o, "redis.url") == "" then
    return refused("more than one worker needs redis_url: without it a room would end at "
      .. "its process")
  end
  for url in get(o, "listen"):gmatch("[^,]+") do
    if url:find("^unix:") then
      return refused("listen: %s: workers come and go, and can't share a Unix socket; "
        .. "give a TCP port", url)
    elseif count > 1 and url:find(":0/") then
      return refused("listen: %s: several workers need a port of which they all know",
        url)
    end
  end
  set(o, "listen.shared", "on")
  local name, http = get(o, "node.name"), get(o, "http.listen")
  if name ~= "" then
    set(o, "node.name", name .. "-" .. id)
  end
  local host, port = http:match("^(.*):(%d+)$")
  if port ~= nil and tonumber(port) > 0 then -- of a shared one nobody knew whose it is
    set(o, "http.listen", host .. ":" .. tonumber(port) + id)
  end
  return true
end

-- What resty does, the application can't.
local OURS = {"on", "configure", "start", "run", "poll", "fd", "drain", "close", "stop"}

local function guard(made)
  for _, name in ipairs(OURS) do
    made[name] = function()
      return nil, name .. ": in nginx this is done by fanwire.resty", "FW_ERR_STATE"
    end
  end
end

local function begin(made, w, wake_dir)
  local wake, path, name = native.fwb_wake_listen(wake_dir)
  if wake == nil then
    return nil, "wake_dir: " .. path, name
  end
  w.wake = wake
  local ok, why
  ok, why, name = made:start()
  if not ok then
    native.fwb_wake_close(wake)
    return nil, why, name
  end
  w.life = made._life
  local function seconds(option)
    return options.seconds(native.fw_options_get(made._options, option))
  end
  w.drain_s, w.boxes = seconds("drain.timeout"), {}
  w.watch_s = seconds("heartbeat.interval")
  w.watch_s = w.watch_s > 0 and w.watch_s or WATCH_S
  ok, why = ngx.timer.at(LONG_S, watch_exit, w)
  if ok then
    ok, why = ngx.timer.at(0, serve, w, path)
  end
  if not ok then
    native.fw_hub_stop(w.life.handle)
    rest(w)
    return nil, "ngx.timer.at: " .. why, "FW_ERR_SYSTEM"
  end
  return true
end

--- Start this worker's hub. options: as of fanwire.hub(), and concurrency: how many
--- handlers may be in the middle of something; wake_dir: where a Unix socket may lie for
--- a moment. handlers: functions by the names of their events.
function resty.start(keywords, handlers)
  check.type(keywords, "table", "options", 2)
  check.optional(handlers, "table", "handlers", 2)
  if ngx.get_phase() ~= "init_worker" then
    return nil, "start() belongs into init_worker_by_lua, not into " .. ngx.get_phase(),
      "FW_ERR_STATE"
  elseif worker ~= nil then
    return nil, "this worker has been given its hub already", "FW_ERR_STATE"
  end
  local own = {}
  for key, value in pairs(keywords) do
    own[key] = value
  end
  local concurrency = own_number(own, "concurrency", CONCURRENCY)
  local wake_dir = own_text(own, "wake_dir", WAKE_DIR)
  if own.runner ~= nil then
    check.fail(2,
      "runner: in nginx handlers run in light threads, whatever else there is")
  end
  local id = ngx.worker.id()
  if id == nil then
    return false
  end
  local w = {}
  w.crew = crew.new(concurrency, function()
    native.fwb_wake_now(w.wake)
  end, function(why)
    to_nginx("error", "nginx", why)
  end)
  if own.log == nil then
    own.log = to_nginx
  elseif check.is_callable(own.log) then
    own.log = safe_log(own.log)
  end
  own.runner = function(f, at_once)
    w.crew:run(f, at_once)
  end
  local made, why, name = hub.make(own, 3)
  if made == nil then
    return nil, why, name
  end
  for event, handler in pairs(handlers or {}) do
    made._handlers:add(event, handler, 2)
  end
  local ok
  ok, why, name = share(made, id, ngx.worker.count())
  if ok then
    ok, why, name = begin(made, w, wake_dir)
  end
  if not ok then
    return nil, why, name
  end
  w.hub, worker = made, w
  call.is_interruptible = false
  guard(made)
  keep_from_exit(w)
  return made
end

-- --- what can be done anywhere later ---

local function not_started()
  return nil, "the hub is not running in this worker: resty.start() belongs into "
    .. "init_worker_by_lua, with lua_code_cache on", "FW_ERR_CLOSED"
end

for _, name in ipairs{"publish", "send_here", "send_user", "send_all", "broadcast",
    "send_node", "room", "user", "session", "sessions", "stats", "metrics", "node",
    "node_name", "urls", "http_address"} do
  resty[name] = function(...)
    if worker == nil then
      return not_started()
    end
    -- A tail call: what is wrong is an error at the line of the application.
    return worker.hub[name](worker.hub, ...)
  end
end

-- What has an answer is waited for here, and the answer returned. n: how many arguments
-- come before the callback that the hub's method takes.
local function waiting(name, n)
  return function(...)
    if worker == nil then
      return not_started()
    elseif not wait.is_possible() then
      return nil, name .. ": its answer can't be waited for in " .. ngx.get_phase(),
        "FW_ERR_STATE"
    end
    local arguments, fine = {...}, true
    local ok, why, code = wait.answer(function(answered)
      arguments[n + 1] = answered
      local a, b, c
      fine, a, b, c = pcall(worker.hub[name], worker.hub, unpack(arguments, 1, n + 1))
      if not fine then
        return nil, a
      end
      return a, b, c
    end)
    if not fine then
      error(why, 2) -- at the line of the application
    end
    return ok, why, code
  end
end

resty.presence = waiting("presence", 2)
resty.nodes = waiting("nodes", 0)
resty.history = waiting("history", 2)
resty.forget = waiting("forget", 1)

--- Has this worker a hub that runs?
function resty.running()
  return worker ~= nil and worker.hub:running()
end

--- This worker's hub.
function resty.hub()
  if worker == nil then
    return not_started()
  end
  return worker.hub
end

--- Make a session of a connection that lua-resty-websocket has; how: {user =, rooms =}.
--- It yields until the session is there.
function resty.attach(websocket, how)
  if worker == nil then
    return not_started()
  elseif worker.is_leaving or not worker.hub:running() then
    return nil, "the worker is to exit", "FW_ERR_CLOSED"
  end
  local session, why, name = attach.attach(worker, websocket, how or {})
  return session, why, name
end

return resty
