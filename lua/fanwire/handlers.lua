--[[
The handlers of a hub: which there are, and which events they need.
]]

local check = require "fanwire.check"
local native = require "fanwire.native"

local handlers = {}

-- Of each handler the event that it is for.
local KINDS = {
  connect = native.FW_EVENT_CONNECT,
  open = native.FW_EVENT_OPEN,
  message = native.FW_EVENT_MESSAGE,
  close = native.FW_EVENT_CLOSE,
  join = native.FW_EVENT_JOIN,
  publish = native.FW_EVENT_PUBLISH,
  refresh = native.FW_EVENT_REFRESH,
  sub_refresh = native.FW_EVENT_SUB_REFRESH,
  rpc = native.FW_EVENT_RPC,
  leave = native.FW_EVENT_LEAVE,
  room_message = native.FW_EVENT_ROOM_MESSAGE,
  room_reset = native.FW_EVENT_ROOM_RESET,
  room_join = native.FW_EVENT_ROOM_JOIN,
  room_leave = native.FW_EVENT_ROOM_LEAVE,
  node_up = native.FW_EVENT_NODE_UP,
  node_down = native.FW_EVENT_NODE_DOWN,
  backplane_up = native.FW_EVENT_BACKPLANE_UP,
  backplane_down = native.FW_EVENT_BACKPLANE_DOWN,
}

local OF_SESSIONS = {"connect", "open", "message", "close", "join", "leave", "publish",
  "refresh", "sub_refresh", "rpc"}

--- Their names by the events.
handlers.names = {}
for name, kind in pairs(KINDS) do
  handlers.names[kind] = name
end

local Handlers = {}
Handlers.__index = Handlers

function handlers.new()
  return setmetatable({of = {}}, Handlers)
end

local function all_names()
  local names = {}
  for name in pairs(KINDS) do
    names[#names + 1] = name
  end
  table.sort(names)
  return table.concat(names, ", ")
end

--- An event has one handler: a second one would be a mistake of the program.
function Handlers:add(event, handler, level)
  check.type(event, "string", "event", level + 1)
  local kind = KINDS[event]
  if kind == nil then
    check.fail(level + 1, "event: no handler is called %q; there are %s", event,
      all_names())
  end
  check.callable(handler, event, level + 1)
  if self.of[kind] ~= nil then
    check.fail(level + 1, "%s has a handler already", event)
  end
  self.of[kind] = handler
end

--- The events that have to be switched on.
function Handlers:kinds()
  local wanted = {
    [native.FW_EVENT_RESULT] = true,
    [native.FW_EVENT_HISTORY] = true,
    [native.FW_EVENT_PRESENCE] = true,
    [native.FW_EVENT_LOG] = true,
    [native.FW_EVENT_DELIVER] = true, -- raised for attached sessions alone
  }
  for kind in pairs(self.of) do
    wanted[kind] = true
  end
  for _, name in ipairs(OF_SESSIONS) do
    if self.of[KINDS[name]] ~= nil then
      wanted[native.FW_EVENT_OPEN], wanted[native.FW_EVENT_CLOSE] = true, true
    end
  end
  return wanted
end

return handlers
