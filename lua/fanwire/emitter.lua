--[[
Emitter: publishing from a process that serves no sessions. It knows nothing of hubs.
]]

local check = require "fanwire.check"
local data = require "fanwire.data"
local native = require "fanwire.native"
local options = require "fanwire.options"

local emitter = {}

--- Publishes over Redis to the sessions of all nodes: for jobs, scripts, web
--- applications. One connection, made at the first publish and again after a failure;
--- each call blocks until Redis has taken the message. For thousands a second use a hub
--- with listen = "off".
---@class fanwire.Emitter
local Emitter = {}
Emitter.__index = Emitter

local CLOSED = "the emitter is closed"

--- fanwire.emitter()
function emitter.new(keywords)
  check.type(keywords, "table", "options", 2)
  local rest, timeout = {}, 5
  for key, value in pairs(keywords) do
    if key == "timeout" then
      timeout = value
    else
      rest[key] = value
    end
  end
  check.type(timeout, "number", "timeout", 2)
  if not (timeout > 0 and timeout <= 86400) then
    check.fail(2, "timeout: %s: more than 0 and at most 86400 seconds", tostring(timeout))
  end
  local made, why, name = options.make(rest, nil, false, {"timeout"}, 2)
  local handle
  if made ~= nil then
    handle, why, name = native.fw_emitter_new(made)
  end
  if handle == nil then
    return nil, why, name
  end
  return setmetatable({_handle = handle, _ms = math.ceil(timeout * 1000),
    _url = native.fw_options_shown(made, "redis.url")}, Emitter)
end

-- send(handle, name, message, ms); the name is checked here, and may be none.
local function named(self, send, what, name, value, how)
  check.type(name, "string", what, 3)
  local message, why, code = data.message(value, how, 3)
  if message == nil then
    return nil, why, code
  end
  local ok
  ok, why, code = check.text(name, what)
  if not ok then
    return nil, why, code
  elseif self._handle == nil then
    return nil, CLOSED, "FW_ERR_CLOSED"
  end
  return send(self._handle, name, message, self._ms)
end

--- Publish to a room. How many nodes have received it, once Redis has taken it; or nil
--- and why. A call that fails isn't repeated: after FW_ERR_TIMEOUT Redis may have taken
--- it.
function Emitter:publish(room, value, how)
  local n, why, name = named(self, native.fw_emitter_publish, "room", room, value, how)
  return n, why, name
end

--- Send to all sessions of a user. As publish.
function Emitter:send_user(user, value, how)
  local n, why, name = named(self, native.fw_emitter_send_user, "user", user, value, how)
  return n, why, name
end

--- Send to every session of every node. As publish.
function Emitter:send_all(value, how)
  local message, why, name = data.message(value, how, 2)
  if message == nil then
    return nil, why, name
  elseif self._handle == nil then
    return nil, CLOSED, "FW_ERR_CLOSED"
  end
  return native.fw_emitter_send_all(self._handle, message, self._ms)
end

--- Close all sessions of a user, on all nodes. As publish.
function Emitter:disconnect_user(user, code, reason)
  check.type(user, "string", "user", 2)
  local good, why, name = check.close(code, reason, 2)
  if not good then
    return nil, why, name
  end
  local ok, problem, kind = check.text(user, "user")
  if not ok then
    return nil, problem, kind
  elseif self._handle == nil then
    return nil, CLOSED, "FW_ERR_CLOSED"
  end
  return native.fw_emitter_disconnect_user(self._handle, user, good, why, self._ms)
end

--- Close the connection. Closing twice is not an error.
function Emitter:close()
  self._handle = nil
  collectgarbage() -- the handle closes its connection when it is collected
  return true
end

function Emitter.__close(self)
  self:close()
end

function Emitter.__tostring(self)
  return string.format("<fanwire.Emitter %s%s>", self._url,
    self._handle and "" or ", closed")
end

return emitter
