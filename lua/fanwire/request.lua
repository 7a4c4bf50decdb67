--[[
What a client said when it came: the facts of its handshake.

A request is decided on by the connect handler; a session has the same facts for as long
as it lives. They are read from the event that brought them when they are asked for.
]]

local check = require "fanwire.check"
local native = require "fanwire.native"

local request = {}

---@class fanwire.Refuse
---@field status integer
---@field reason string
local Refuse = {}
Refuse.__index = Refuse

function Refuse.__tostring(self)
  return string.format("refused: %d %s", self.status, self.reason)
end

--- What a connect or join handler returns: let them not in. status is the HTTP status
--- that the client sees, reason the text that goes with it, one line.
---@param status? integer 400 to 599; 403
---@param reason? string
---@return fanwire.Refuse
function request.refuse(status, reason)
  check.optional(status, "number", "status", 2)
  check.optional(reason, "string", "reason", 2)
  status, reason = check.whole(status or 403, "status", 2), reason or ""
  if status < 400 or status > 599 then
    check.fail(2, "status: an HTTP status, 400 to 599, is wanted, not %d", status)
  end
  if reason:find("[\r\n%z]") then
    check.fail(2, "reason: one line of text is wanted, not %q", reason)
  end
  return setmetatable({status = status, reason = reason}, Refuse)
end

function request.is_refusal(value)
  return getmetatable(value) == Refuse
end

-- A percent-decoded name, nil if that gives no text. Values are decoded by C.
local function decode(text)
  if text:find("%%%X") or text:find("%%%x%X") or text:find("%%%x?$") then
    return nil
  end
  text = text:gsub("+", " "):gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end)
  if text:find("%z") then
    return nil
  end
  if text:find("[\128-\255]") and native.fw_message_new(text) == nil then
    return nil -- not UTF-8: C alone knows how to look at that
  end
  return text
end

-- The parameters by name, of several with one name the first.
local function parse(event)
  local found = {}
  for part in (native.fw_event_fact(event, "query") or ""):gmatch("[^&]+") do
    local name = decode(part:match("^[^=]*"))
    if name ~= nil and found[name] == nil then
      found[name] = native.fw_event_query(event, name, 0)
    end
  end
  return found
end

local Headers = {}

function Headers.__index(self, name)
  if type(name) ~= "string" or name:find("%z") then
    return nil
  end
  return native.fw_event_header(rawget(self, 1), name)
end

function Headers.__newindex()
  check.fail(2, "headers can't be changed")
end

local function fact(name, default)
  return function(self)
    return native.fw_event_fact(self._event, name) or default
  end
end

-- Made when it is asked for, and kept in that field.
local function cached(field, make)
  return function(self)
    local value = rawget(self, field)
    if value == nil then
      value = make(self)
      rawset(self, field, value)
    end
    return value
  end
end

--- The facts, as functions that are called where the field is read.
request.facts = {
  id = function(self)
    return self._id
  end,
  path = fact("path", ""),
  query_string = fact("query", ""),
  address = fact("address", ""),
  peer = fact("peer", ""),
  host = fact("host"),
  origin = fact("origin"),
  scheme = fact("scheme", ""),
  protocol = fact("protocol"),
  query = cached("_query", function(self)
    return parse(self._event)
  end),
  headers = cached("_headers", function(self)
    return setmetatable({self._event}, Headers)
  end),
  state = cached("_state", function()
    return {}
  end),
}

--- All values of a parameter, in order; none is an empty list.
function request.query_list(self, name)
  check.type(name, "string", "name", 2)
  local found, i = {}, 0
  if self.query[name] == nil then -- a name whose first value is broken is absent
    return found
  end
  -- As many as there are parameters: one that is broken is left out.
  for _ in self.query_string:gmatch("[^&]+") do
    found[#found + 1] = native.fw_event_query(self._event, name, i)
    i = i + 1
  end
  return found
end

local Request = {}
local methods = {query_list = request.query_list}

function Request.__index(self, key)
  if methods[key] ~= nil then
    return methods[key]
  elseif key == "user" then -- whom its token names; a session's may be another by now
    return native.fw_event_user(self._event)
  end
  local read = request.facts[key]
  if read ~= nil then
    return read(self)
  end
  return nil
end

function Request.__newindex(_, key)
  check.fail(2, "%s: keep your own in request.state", tostring(key))
end

function Request.__tostring(self)
  return string.format("<fanwire.Request %s from %s>", self.path, self.address)
end

--- A client that asks to come in, as the connect handler sees it.
function request.new(id, event)
  return setmetatable({_id = id, _event = native.fw_event_ref(event)}, Request)
end

return request
