--[[
What is asked of rooms, and answered by a callback: what became of a publish, and what is
kept of a room with history. The hub's methods call in here, so that the application is at
level 3. life is the hub's, or nil if it doesn't run.
]]

local check = require "fanwire.check"
local data = require "fanwire.data"
local native = require "fanwire.native"

local history = {}

local KNOWN = {since = "string", limit = "number", reverse = "boolean"}

local function not_running()
  return nil, "the hub is not running", "FW_ERR_CLOSED"
end

local function of_room(room)
  return string.format("room %q", room)
end

--- how, which may be left out, and the callback.
function history.arguments(how, callback)
  if callback == nil and check.is_callable(how) then
    return nil, how
  end
  return how, callback
end

--- callback(true, position), or callback(nil, why, name).
function history.publish(life, room, value, how, callback)
  check.callable(callback, "callback", 3)
  check.type(room, "string", "room", 3)
  local message, why, name = data.message(value, how, 3)
  if message == nil then
    return nil, why, name
  end
  local ok
  ok, why, name = check.text(room, "room")
  if not ok then
    return nil, why, name
  elseif life == nil then
    return not_running()
  end
  return life:ask("publish", of_room(room), callback, function(handle, ref)
    return native.fw_room_publish_ref(handle, room, message, ref)
  end)
end

local function understand(how, level)
  check.optional(how, "table", "how", level + 1)
  how = how or {}
  for key, value in pairs(how) do
    if KNOWN[key] == nil then
      check.fail(level + 1, "how: since, limit and reverse are known, not %s",
        tostring(key))
    end
    check.type(value, KNOWN[key], key, level + 1)
  end
  local limit = how.limit == nil and 100 or check.whole(how.limit, "limit", level + 1)
  return how.since, limit, how.reverse and native.FW_HISTORY_REVERSE or 0
end

--- callback(messages, position), or callback(nil, why, name).
function history.read(life, room, how, callback)
  check.type(room, "string", "room", 3)
  local since, limit, order = understand(how, 3)
  check.callable(callback, "callback", 3)
  local ok, why, name = check.text(room, "room")
  if ok then
    ok, why, name = check.position(since, "since")
  end
  if ok and limit < 0 then -- to C that is another number
    ok, why, name = nil, "limit: at most 10000", "FW_ERR_INVALID"
  end
  if not ok then
    return nil, why, name
  elseif life == nil then
    return not_running()
  end
  return life:ask("history", of_room(room), callback, function(handle, ref)
    return native.fw_room_history(handle, room, since, limit, order, ref)
  end)
end

--- callback(true, position), or callback(nil, why, name).
function history.forget(life, room, callback)
  check.type(room, "string", "room", 3)
  if callback ~= nil then
    check.callable(callback, "callback", 3)
  end
  local ok, why, name = check.text(room, "room")
  if not ok then
    return nil, why, name
  elseif life == nil then
    return not_running()
  end
  return life:ask("forgetting", of_room(room), callback, function(handle, ref)
    return native.fw_room_forget(handle, room, ref)
  end)
end

return history
