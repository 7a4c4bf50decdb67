--[[
A hub: this process' part of the cluster, as an application sees it. Its options, its
handlers' registration, its start and end, and the calls that send; dispatch.lua calls the
handlers.

One life of it, from start to end, is a `_life`; a hub that has ended may be started
again. All of it is for one thread, as a state of Lua is.
]]

local check = require "fanwire.check"
local data = require "fanwire.data"
local dispatch = require "fanwire.dispatch"
local handlers = require "fanwire.handlers"
local history = require "fanwire.history"
local Log = require "fanwire.log"
local native = require "fanwire.native"
local named = require "fanwire.named"
local options = require "fanwire.options"
local presence = require "fanwire.presence"
local session = require "fanwire.session"

local BATCH = 1024
-- How long run() sleeps in C at a time: Ctrl-C is heard by the lua program between two.
local NAP_MS = 1000
-- The same while draining, where events are to be handled meanwhile.
local DRAIN_STEP_MS = 20

local OWN_KEYS = {"config", "environment", "log", "runner"}

local hub = {}

local Hub = {}
Hub.__index = Hub

local function not_running()
  return nil, "the hub is not running", "FW_ERR_CLOSED"
end

local function refuse_events(keywords)
  if keywords.events ~= nil then
    return nil, "events: in Lua they always wait in a queue", "FW_ERR_OPTION"
  end
  return true
end

-- --- making it ---

-- What is wrong is an error at that level, as check.lua counts.
function hub.make(keywords, level)
  if keywords == nil then
    keywords = {}
  end
  check.type(keywords, "table", "options", level)
  local own, rest = {}, {}
  for key, value in pairs(keywords) do
    rest[key] = value
  end
  for _, key in ipairs(OWN_KEYS) do
    own[key], rest[key] = rest[key], nil
  end
  check.optional(own.config, "string", "config", level)
  check.optional(own.environment, "boolean", "environment", level)
  if own.log ~= nil then
    check.callable(own.log, "log", level)
  end
  if own.runner ~= nil then
    check.callable(own.runner, "runner", level)
  end
  local ok, why, name = refuse_events(rest)
  if not ok then
    return nil, why, name
  end
  local made
  made, why, name = options.make(rest, own.config, own.environment, OWN_KEYS, level)
  if made == nil then
    return nil, why, name
  end
  native.fw_options_set(made, "events", "queued")
  return setmetatable({_options = made, _log = own.log, _runner = own.runner,
    _handlers = handlers.new(), _depth = 0}, Hub)
end

--- fanwire.hub()
function hub.new(keywords)
  local made, why, name = hub.make(keywords, 3)
  return made, why, name
end

--- Change options before the hub is started; keys as those of fanwire.hub().
function Hub:configure(keywords)
  check.type(keywords, "table", "options", 2)
  if self._life ~= nil then
    return nil, "the hub is running: options are changed before it is started",
      "FW_ERR_STATE"
  end
  local ok, why, name = refuse_events(keywords)
  if ok then
    ok, why, name = options.change(self._options, keywords, nil, 2)
  end
  return ok, why, name
end

--- The present value of an option as text; a list is joined by commas.
function Hub:option(keyword)
  check.type(keyword, "string", "option", 2)
  local name, why, code = options.name_of(keyword)
  if name == nil then
    return nil, why, code
  end
  return native.fw_options_get(self._options, name)
end

--- Have events of that name handled; before the start, and once an event. Returns the
--- hub, so that calls may be chained; what is wrong with one is therefore an error().
function Hub:on(event, handler)
  if self._life ~= nil then
    check.fail(2, "the hub is running: handlers are registered before it is started")
  end
  self._handlers:add(event, handler, 2)
  return self
end

-- --- starting ---

-- What runs here was started before a fork: this process may start one of its own.
local function is_of_parent(name)
  return name == "FW_ERR_FORKED"
end

--- Listen, connect, start the threads. When it returns true every address is listened on;
--- Redis may still be away unless redis_required is on. Handlers are called by poll().
function Hub:start()
  local earlier = self._life
  if earlier ~= nil
      and not is_of_parent(select(3, native.fw_hub_event_fd(earlier.handle))) then
    return nil, "the hub is running", "FW_ERR_STATE"
  elseif earlier ~= nil then
    self:_end(earlier)
  end
  local handle, why, name = native.fw_hub_new(self._options)
  if handle == nil then
    return nil, why, name
  end
  local kinds = self._handlers:kinds()
  for kind in pairs(kinds) do
    native.fw_hub_on(handle, kind)
  end
  local log = Log.new(self._log, native.fw_options_get(self._options, "log.level"))
  local life = dispatch.new(handle, self._handlers.of,
    kinds[native.FW_EVENT_OPEN] == true, log, self._runner)
  local ok
  ok, why, name = native.fw_hub_start(handle)
  if not ok then
    life:poll(0, BATCH) -- it may have said more of it in its log
    return nil, why, name
  end
  self._life = life
  return true
end

-- --- handling ---

-- Of the life, as long as it is the hub's: poll, and note the end.
function Hub:_poll(life, timeout_ms, max)
  self._depth = self._depth + 1
  local fine, n, why, name = pcall(life.poll, life, timeout_ms, max)
  self._depth = self._depth - 1
  if not fine then
    error(n, 0) -- Ctrl-C
  end
  if n == nil and name == "FW_ERR_CLOSED" and self._life == life then
    self:_end(life)
  end
  return n, why, name
end

-- Within a handler's call: it would wait for itself.
function Hub:_is_inside()
  return self._depth > 0
end

--- Handle what waits, and wait so many seconds for it (0): how many events that were.
--- nil, why and "FW_ERR_CLOSED" when the hub is stopped and nothing is left. max: at most
--- so many (1024).
function Hub:poll(timeout, max)
  local timeout_ms = timeout == nil and 0 or check.milliseconds(timeout, "timeout", 2)
  max = max == nil and BATCH or check.whole(max, "max", 2)
  if max < 1 then
    check.fail(2, "max: a number from 1 on is wanted, not %d", max)
  end
  local life = self._life
  if life == nil then
    return not_running()
  elseif self:_is_inside() then
    return nil, "in a handler this would wait for itself", "FW_ERR_STATE"
  end
  local n, why, name = self:_poll(life, timeout_ms, math.min(max, BATCH))
  return n, why, name
end

--- A descriptor that is readable while events wait, for poll() or another loop; never to
--- be read or closed by you.
function Hub:fd()
  if self._life == nil then
    return not_running()
  end
  return native.fw_hub_event_fd(self._life.handle)
end

--- Start if needed, handle events, and return true when the hub has been stopped. Ctrl-C
--- is the lua program's own: it comes out of here as its error, and the hub stops at
--- once.
function Hub:run()
  if self._is_in_run or self:_is_inside() then
    return nil, "the hub is running", "FW_ERR_STATE"
  end
  if self._life == nil then
    local ok, why, name = self:start()
    if not ok then
      return nil, why, name
    end
  end
  self._is_in_run, self._stop_asked = true, false
  local fine, why = pcall(function()
    local life = self._life
    while not self._stop_asked and self._life == life do
      self:_poll(life, NAP_MS, BATCH)
    end
    self._is_in_run = false
    self:close()
  end)
  self._is_in_run = false
  if not fine then
    pcall(self.stop, self)
    error(why, 0)
  end
  return true
end

-- --- ending ---

function Hub:_end(life)
  self._life = nil
  life:forget()
end

-- All that is in the queue.
function Hub:_handle_rest(life)
  local n
  repeat
    n = self:_poll(life, 0, BATCH)
  until n == nil or n == 0
end

--- Ask run() to end: it drains, stops and returns. Without run(): close the sessions that
--- are left, stop, and handle what that brings; in a handler the last is left to poll().
--- Stopping twice is not an error.
function Hub:stop()
  if self._is_in_run then
    self._stop_asked = true
    return true
  end
  local life = self._life
  if life == nil then
    return true
  end
  local ok, why, name = native.fw_hub_stop(life.handle)
  if ok and not self:_is_inside() then
    self:_handle_rest(life)
  end
  if self._life == life and (is_of_parent(name) or ok and not self:_is_inside()) then
    self:_end(life)
  end
  return ok, why, name
end

--- Listen no more, close the sessions with 1001 at drain.rate a second, and go on
--- handling their events. true when all are gone; nil, why and "FW_ERR_TIMEOUT" after
--- that many seconds (option drain.timeout). stop() comes after it.
function Hub:drain(timeout)
  local left_ms
  if timeout == nil then
    left_ms = 1000
      * options.seconds(native.fw_options_get(self._options, "drain.timeout"))
  else
    left_ms = check.milliseconds(timeout, "timeout", 2)
  end
  local life = self._life
  if life == nil then
    return not_running()
  elseif self:_is_inside() then
    return nil, "in a handler this would wait for itself: use stop()", "FW_ERR_STATE"
  end
  local till = left_ms < 0 and math.huge or native.fwb_now() + left_ms / 1000
  while true do
    local left = math.max(0, till - native.fwb_now()) * 1000
    local ok, why, name = native.fw_hub_drain(life.handle,
      math.floor(math.min(left, DRAIN_STEP_MS)))
    self:_handle_rest(life)
    if ok or name ~= "FW_ERR_TIMEOUT" or native.fwb_now() >= till then
      return ok, why, name
    end
  end
end

--- Drain, stop, and handle what that brings. timeout in seconds: option drain.timeout.
--- Closing twice is not an error.
function Hub:close(timeout)
  if timeout ~= nil then
    check.milliseconds(timeout, "timeout", 2)
  end
  if self._life == nil then
    return true
  elseif self:_is_inside() then
    return nil, "in a handler this would wait for itself: use stop()", "FW_ERR_STATE"
  end
  local life = self._life
  local ok, why, name = self:drain(timeout)
  if not ok and name == "FW_ERR_TIMEOUT" then
    life.log:say("warn", "the time for draining is over: " .. why)
  end
  ok, why, name = self:stop()
  return ok, why, name
end

function Hub.__close(self)
  self:close()
end

-- --- sending ---

--- Send to every session in a room, on all nodes. true when it is on its way. how may
--- have a key: in a room with history the message is kept once, however often it is
--- published with that key within 5 minutes. callback(true, position), or callback(nil,
--- why, name), tells what became of it; the position is of a room with history.
function Hub:publish(room, value, how, callback)
  how, callback = history.arguments(how, callback)
  local ok, why, name
  if callback ~= nil then
    ok, why, name = history.publish(self._life, room, value, how, callback)
  else
    ok, why, name = named.send(self, native.fw_room_publish,
      native.fw_room_publish_message, "room", room, value, how)
  end
  return ok, why, name
end

--- Send to the sessions in a room that are on this node, and to nobody elsewhere: for
--- what handlers have to tell that are called on every node, of room_leave, say.
function Hub:send_here(room, value, how)
  local ok, why, name = named.send(self, native.fw_room_send_here,
    native.fw_room_send_here_message, "room", room, value, how)
  return ok, why, name
end

--- Ask for messages that are kept of a room: callback(messages, position), each of them
--- {data, binary, position}, and the position of the newest that there is; or
--- callback(nil, why, name). how: since, a position (nil: from the beginning), limit
--- (100), reverse (from there, or from the end, backwards). There may be fewer: ask again
--- with the position of the last one until it is the newest, with reverse until there are
--- none.
--- nil, why and "FW_ERR_STATE" if the room has no history.
function Hub:history(room, how, callback)
  how, callback = history.arguments(how, callback)
  local ok, why, name = history.read(self._life, room, how, callback)
  return ok, why, name
end

--- Forget what is kept of a room. Members are told; who comes back with a position from
--- before isn't recovered. callback(true, position): where it begins anew.
function Hub:forget(room, callback)
  local ok, why, name = history.forget(self._life, room, callback)
  return ok, why, name
end

--- Ask who is in a room, on all nodes: callback(members, total, cursor), each of them
--- {session, user, node, info}; or callback(nil, why, name). how: limit, about so many a
--- page (1000; 0: the total alone), and the cursor of the page before: with the last page
--- comes none. Known are sessions where the room has the option presence or join_leave.
function Hub:presence(room, how, callback)
  how, callback = history.arguments(how, callback)
  local ok, why, name = presence.of_room(self._life, room, how, callback)
  return ok, why, name
end

--- Ask which nodes there are, this one too: callback(nodes), each of them {number, name,
--- facts}, which are JSON; or callback(nil, why, name).
function Hub:nodes(callback)
  local ok, why, name = presence.nodes(self._life, callback)
  return ok, why, name
end

--- Send to every session of a user, on all nodes. Nobody there is not an error.
function Hub:send_user(user, value, how)
  local ok, why, name = named.send(self, native.fw_user_send, native.fw_user_send_message,
    "user", user, value, how)
  return ok, why, name
end

--- Send to every session of every node.
function Hub:send_all(value, how)
  local text, flags, message = data.prepare(value, how, 2)
  local life = self._life
  if text == false then
    return nil, flags, message
  elseif life == nil then
    return not_running()
  elseif text then
    return native.fw_hub_send_all(life.handle, text, flags)
  end
  return native.fw_hub_send_all_message(life.handle, message)
end

--- send_all() by another name.
Hub.broadcast = Hub.send_all

--- Send to every session of one node; hub:node() is this one's. A node that isn't there
--- is not an error. Nobody can be left out: with skip it is FW_ERR_INVALID.
function Hub:send_node(node, value, how)
  check.type(node, "string", "node", 2)
  local text, flags, message, skip = data.prepare(value, how, 2)
  local life = self._life
  if text == false then
    return nil, flags, message
  elseif skip ~= nil then
    return nil, "skip: a message to a node leaves nobody out", "FW_ERR_INVALID"
  elseif text == nil then
    text, flags = native.fw_message_data(message), native.fw_message_flags(message)
  end
  if #node ~= 16 or node:find("[^0-9a-f]") then
    return nil, string.format('node: 16 hexadecimal digits are wanted, not "%s"', node),
      "FW_ERR_INVALID"
  elseif life == nil then
    return not_running()
  end
  return native.fw_node_send(life.handle, node, text, flags)
end

--- A room by its name, to publish to.
Hub.room = named.room
--- A user by name, to send to.
Hub.user = named.user

--- A session by its id, of whichever node; the very session if it is one of ours.
function Hub:session(id)
  check.type(id, "string", "id", 2)
  local ok, why, name = check.id(id, "id")
  if not ok then
    return nil, why, name
  elseif self._life == nil then
    return not_running()
  end
  id = id:lower()
  return self._life.sessions[id] or session.handle(id, self._life)
end

--- The open sessions of this node, in no order. They are known to a hub that has handlers
--- for sessions.
function Hub:sessions()
  local list = {}
  for _, s in pairs(self._life and self._life.sessions or {}) do
    list[#list + 1] = s
  end
  return list
end

local ATTACH = {user = "string", head = "string", address = "string",
  on_deliver = "function", on_attached = "function"}

--- Make a session whose connection is somebody else's: nginx's, say, or nobody's. Keys:
--- user, head (of the HTTP request that it began with), address; on_deliver(data, binary)
--- is called with what is sent to it, and at its end on_deliver(nil, nil, code, reason);
--- on_attached(session), or on_attached(nil, why, name), tells how it went. What its
--- client says is told by session:feed(), its end by session:close().
function Hub:attach(how)
  check.type(how, "table", "attach", 2)
  for key, value in pairs(how) do
    if ATTACH[key] == nil then
      check.fail(2, "attach: %s is not known", tostring(key))
    elseif ATTACH[key] == "function" then
      check.callable(value, key, 2)
    else
      check.type(value, ATTACH[key], key, 2)
    end
  end
  check.callable(how.on_deliver, "on_deliver", 2)
  for _, key in ipairs{"user", "address"} do
    local ok, why, name = check.text(how[key], key)
    if not ok then
      return nil, why, name
    end
  end
  local life = self._life
  if life == nil then
    return not_running()
  end
  local ok, why, name = life:attach(how.user, how.head, how.address or "",
    {on_deliver = how.on_deliver, on_attached = how.on_attached})
  return ok, why, name
end

-- --- what it is ---

--- Has it been started, and not ended yet?
function Hub:running()
  return self._life ~= nil
end

--- This node's number: 16 hexadecimal digits.
function Hub:node()
  if self._life == nil then
    return not_running()
  end
  return native.fw_hub_node(self._life.handle)
end

--- This node's name (option node.name).
function Hub:node_name()
  if self._life == nil then
    return not_running()
  end
  return native.fw_hub_node_name(self._life.handle)
end

--- Where the hub listens, as URLs with the port that was really taken. Empty if it is not
--- running.
function Hub:urls()
  local urls = {}
  while self._life ~= nil do
    local url = native.fw_hub_listen_url(self._life.handle, #urls)
    if url == nil then
      break
    end
    urls[#urls + 1] = url
  end
  return urls
end

--- The same for option http.listen, as "127.0.0.1:9190"; nil: nowhere.
function Hub:http_address()
  return self._life and native.fw_hub_http_address(self._life.handle) or nil
end

--- All figures in Prometheus' text format, as /metrics gives them. It may wait a second.
function Hub:metrics()
  if self._life == nil then
    return not_running()
  end
  return native.fw_stats_text(self._life.handle)
end

--- All figures by their names, with labels in the name if there are any.
function Hub:stats()
  local text, why, name = self:metrics()
  if text == nil then
    return nil, why, name
  end
  local stats = {}
  for line in text:gmatch("[^\n]+") do
    local figure, value = line:match("^([^#].*) (%S+)$")
    if figure ~= nil then
      stats[figure] = tonumber(value)
    end
  end
  return stats
end

function Hub.__tostring(self)
  if self._life == nil then
    return "<fanwire.Hub, not running>"
  end
  local urls = self:urls()
  return string.format("<fanwire.Hub %s>", #urls > 0 and table.concat(urls, " ")
    or self:node_name())
end

return hub
