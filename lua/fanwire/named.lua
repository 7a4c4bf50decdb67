--[[
What has a name and can be sent to: rooms and users, and sending to them. Neither needs to
be created. The hub's methods are made of this.
]]

local check = require "fanwire.check"
local data = require "fanwire.data"
local history = require "fanwire.history"
local native = require "fanwire.native"
local presence = require "fanwire.presence"

local named = {}

local function not_running()
  return nil, "the hub is not running", "FW_ERR_CLOSED"
end

-- send(handle, [name,] text, flags) or send_message(handle, [name,] message); what: what
-- the name is, in errors. Called by methods, so that the application is at level 3.
function named.send(self, send, send_message, what, name, value, how)
  check.type(name, "string", what, 3)
  local text, flags, message = data.prepare(value, how, 3)
  if text == false then
    return nil, flags, message
  end
  local ok, why, code = check.text(name, what)
  if not ok then
    return nil, why, code
  end
  local life = self._life
  if life == nil then
    return not_running()
  elseif text then
    return send(life.handle, name, text, flags)
  end
  return send_message(life.handle, name, message)
end

-- A room or a user: a name that can be sent to. Neither needs to be created.
local function class_of(class, methods)
  methods.__index = methods
  function methods.__tostring(self)
    return string.format("<fanwire.%s %q>", class, self.name)
  end
  return function(self, name)
    check.type(name, "string", "name", 2)
    local ok, why, code = check.text(name, "name")
    if ok then
      ok, why, code = native.fw_name_check(name)
    end
    if not ok then
      return nil, why, code
    end
    return setmetatable({name = name, _hub = self}, methods)
  end
end

local Room = {}

function Room:publish(value, how, callback)
  how, callback = history.arguments(how, callback)
  local ok, why, name
  if callback ~= nil then
    ok, why, name = history.publish(self._hub._life, self.name, value, how, callback)
  else
    ok, why, name = named.send(self._hub, native.fw_room_publish,
      native.fw_room_publish_message, "room", self.name, value, how)
  end
  return ok, why, name
end

function Room:send_here(value, how)
  local ok, why, name = named.send(self._hub, native.fw_room_send_here,
    native.fw_room_send_here_message, "room", self.name, value, how)
  return ok, why, name
end

function Room:history(how, callback)
  how, callback = history.arguments(how, callback)
  local ok, why, name = history.read(self._hub._life, self.name, how, callback)
  return ok, why, name
end

function Room:forget(callback)
  local ok, why, name = history.forget(self._hub._life, self.name, callback)
  return ok, why, name
end

function Room:presence(how, callback)
  how, callback = history.arguments(how, callback)
  local ok, why, name = presence.of_room(self._hub._life, self.name, how, callback)
  return ok, why, name
end

local User = {}

function User:send(value, how)
  local ok, why, name = named.send(self._hub, native.fw_user_send,
    native.fw_user_send_message, "user", self.name, value, how)
  return ok, why, name
end

--- Close every session of a user, on all nodes.
function User:disconnect(code, reason)
  local good, why, name = check.close(code, reason, 2)
  if not good then
    return nil, why, name
  elseif self._hub._life == nil then
    return not_running()
  end
  return native.fw_user_disconnect(self._hub._life.handle, self.name, good, why)
end

-- Called by methods, so that the application is at level 3.
local function move(self, call, room)
  check.type(room, "string", "room", 3)
  local ok, why, name = check.text(room, "room")
  if not ok then
    return nil, why, name
  elseif self._hub._life == nil then
    return not_running()
  end
  return call(self._hub._life.handle, self.name, room)
end

--- Put every session of a user, on all nodes, into a room: those that there are now.
--- Nobody there is not an error.
function User:join(room)
  local ok, why, name = move(self, native.fw_user_join, room)
  return ok, why, name
end

--- Take every session of a user, on all nodes, out of a room. Not being there is not an
--- error.
function User:leave(room)
  local ok, why, name = move(self, native.fw_user_leave, room)
  return ok, why, name
end

--- Ask whether a user is online, and where: as hub:presence(). nil, why and
--- "FW_ERR_STATE" if the option user.presence is off.
function User:sessions(how, callback)
  how, callback = history.arguments(how, callback)
  local ok, why, name = presence.of_user(self._hub._life, self.name, how, callback)
  return ok, why, name
end

--- hub:room(name)
named.room = class_of("Room", Room)
--- hub:user(name)
named.user = class_of("User", User)

return named
