--[[
A session: one WebSocket connection, on this node or on another.

The dispatcher makes a Session for each connection of this node; a handle is made of an id
alone, and has no facts. Both only pass on to the C library what is to be done.
]]

local check = require "fanwire.check"
local data = require "fanwire.data"
local native = require "fanwire.native"
local request = require "fanwire.request"

local session = {}
local methods = {}

-- What C has said, remembered: a handler that fails over it is no mistake.
local function noted(self, ok, why, name)
  if ok == nil and name == "FW_ERR_GONE" then
    rawset(self, "_gone", why)
  end
  return ok, why, name
end

--- Send to this session. It returns true when the message is on its way.
function methods.send(self, value, how)
  if how == nil and type(value) == "string" then
    return noted(self, native.fw_session_send(self._handle, self._id, value))
  end
  local text, flags, message = data.prepare(value, how, 2)
  if text then
    return noted(self, native.fw_session_send(self._handle, self._id, text, flags))
  elseif text == nil then
    return noted(self, native.fw_session_send_message(self._handle, self._id, message))
  end
  return nil, flags, message
end

--- Close it: what is queued for it goes first, then the Close frame. code is 1000 to
--- 1003, 1007 to 1014 or 3000 to 4999; reason has at most 123 bytes.
function methods.close(self, code, reason)
  local good, why, name = check.close(code, reason, 2)
  if not good then
    return nil, why, name
  end
  return noted(self, native.fw_session_close(self._handle, self._id, good, why))
end

--- Put it into a room. It hears what is published once the join is complete, and what
--- this node publishes to the room after this call waits for that: "join, then publish"
--- always hears itself. callback(true), or callback(nil, why, name), tells when it is
--- complete or why it failed; for a session of another node it is called at once and
--- tells nothing.
---
--- In a room with history it is callback(true, position, recovered): behind that position
--- the session hears everything. how: {since = position} of the last message that it has
--- seen; it is given what it has missed, and recovered says whether that was possible.
--- "0/N" is the newest N messages.
function methods.join(self, room, how, callback)
  check.type(room, "string", "room", 2)
  if callback == nil and (check.is_callable(how) or type(how) ~= "table") then
    how, callback = nil, how
  end
  if callback ~= nil then
    check.callable(callback, "callback", 2)
  end
  check.optional(how, "table", "how", 2)
  for key in pairs(how or {}) do
    if key ~= "since" then
      check.fail(2, "how: since is known, not %s", tostring(key))
    end
  end
  local since = how and how.since
  check.optional(since, "string", "since", 2)
  local ok, why, name = check.text(room, "room")
  if ok then
    ok, why, name = check.position(since, "since")
  end
  if not ok then
    return nil, why, name
  end
  return noted(self, self._life:join(self._id, room, since, callback))
end

--- Take it out of a room. Not being there is not an error.
function methods.leave(self, room)
  check.type(room, "string", "room", 2)
  local ok, why, name = check.text(room, "room")
  if not ok then
    return nil, why, name
  end
  return noted(self, native.fw_session_leave(self._handle, self._id, room))
end

--- Say whose session it is, later than in the connect handler; nil: nobody's.
function methods.set_user(self, user)
  check.optional(user, "string", "user", 2)
  local ok, why, name = check.text(user, "user")
  if not ok then
    return nil, why, name
  end
  ok, why, name = noted(self, native.fw_session_set_user(self._handle, self._id, user))
  local known = ok and self._life.sessions[self._id]
  if known then
    rawset(known, "_user", user)
  end
  return ok, why, name
end

--- What presence tells of a session beside its user: a name to show, a colour, whatever
--- you like; a string or, as JSON, a table. At most 1024 bytes.
function methods.set_info(self, value)
  local info, _, message = data.prepare(value, nil, 2)
  if info == nil then
    info = native.fw_message_data(message)
  end
  return noted(self, native.fw_session_set_info(self._handle, self._id, info))
end

--- The client of an attached session has said something.
function methods.feed(self, value, how)
  local text, flags, message = data.prepare(value, how, 2)
  if text == nil then
    text, flags = native.fw_message_data(message), native.fw_message_flags(message)
  elseif not text then
    return nil, flags, message
  end
  return noted(self, native.fw_session_feed(self._handle, self._id, text, flags))
end

--- The client of an attached session has closed: the code and reason that it gave, 1005
--- if none; or it has vanished: 1006, which it is if left out.
function methods.feed_close(self, code, reason)
  local good, why, name = check.close(code or 1006, reason, 2)
  if not good then
    return nil, why, name
  end
  return noted(self, native.fw_session_feed_close(self._handle, self._id, good, why))
end

local function equal(a, b)
  return a._id == b._id
end

local function node(self)
  return self._id:sub(1, 16)
end

local function read_only(_, key)
  check.fail(2, "%s: keep your own in session.state", tostring(key))
end

local function class(name, getters)
  local Class = {__eq = equal, __newindex = read_only}
  function Class.__index(self, key)
    if methods[key] ~= nil then
      return methods[key]
    end
    local get = getters[key]
    if get ~= nil then
      return get(self)
    end
    return nil
  end
  function Class.__tostring(self)
    return string.format("<fanwire.%s %s>", name, self._id)
  end
  return Class
end

local Handle = class("SessionHandle", {id = request.facts.id, node = node})

local facts = {
  node = node,
  user = function(self)
    return rawget(self, "_user")
  end,
  closed = function(self)
    return rawget(self, "_closed")
  end,
  query_list = function()
    return request.query_list
  end,
}
for name, get in pairs(request.facts) do
  facts[name] = get
end

local Session = class("Session", facts)

--- A session by its id, wherever in the cluster it lives.
function session.handle(id, life)
  return setmetatable({_id = id, _life = life, _handle = life.handle}, Handle)
end

--- A session of this node, with the facts of its handshake. state: what the connect
--- handler has put into the request's.
function session.new(id, life, event, state)
  return setmetatable({_id = id, _life = life, _handle = life.handle,
    _event = native.fw_event_ref(event), _user = native.fw_event_user(event),
    _state = state, _closed = false}, Session)
end

return session
