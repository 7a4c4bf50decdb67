--[[
What can be sent, and how: whatever sends calls prepare(). Nothing here knows where it
goes.
]]

local check = require "fanwire.check"
local native = require "fanwire.native"

local TEXT, BINARY = native.FW_TEXT, native.FW_BINARY

local data = {
  public = nil, -- the module `fanwire`, whose json_encode the application may replace
}

--- Something to send, built once: it is encoded once, however often it is sent.
---@class fanwire.Message
---@field data string what it says
---@field binary boolean
local Message = {}

function Message.__index(self, key)
  if key == "data" then
    return (native.fw_message_data(self._native))
  elseif key == "binary" then
    return native.fw_message_flags(self._native) == BINARY
  end
  return nil
end

function Message.__newindex(_, key)
  check.fail(2, "%s: a message can't be changed", tostring(key))
end

function Message.__tostring(self)
  local said = self.data
  return string.format("<fanwire.Message %q%s>", said:sub(1, 40),
    #said > 40 and "..." or "")
end

local function is_message(value)
  return getmetatable(value) == Message
end

-- The text of what isn't a message.
local function encode(value, level)
  if type(value) == "string" then
    return value
  end
  if type(value) ~= "table" then
    check.fail(level + 1,
      "data: a string, a table for JSON or a message is wanted, not %s", type(value))
  end
  local json = data.public.json_encode
  if json == nil then
    check.fail(level + 1,
      "data: a table goes as JSON, and lua-cjson isn't installed "
        .. "(or set fanwire.json_encode)")
  end
  local ok, text = pcall(json, value)
  if not ok or type(text) ~= "string" then
    check.fail(level + 1, "data: no JSON can be made of this table: %s", tostring(text))
  end
  return text
end

-- The id of a session, or of what is one already.
local function id_of(skip, level)
  if type(skip) == "table" and type(skip.id) == "string" then
    return skip.id
  end
  if type(skip) ~= "string" then
    check.fail(level + 1, "skip: a session or the id of one is wanted, not %s",
      type(skip))
  end
  return skip
end

local HOW = "how: \"text\", \"binary\", a boolean or a table with binary, skip and key "
  .. "is wanted, not %s"

-- flags (nil if nothing is said of them), the id to skip, the key
local function understand(how, level)
  if how == nil then
    return nil, nil
  elseif how == "binary" or how == true then
    -- true and false as message handlers get them
    return BINARY, nil
  elseif how == "text" or how == false then
    return TEXT, nil
  elseif type(how) == "string" then
    check.fail(level + 1, HOW, string.format("%q", how))
  elseif type(how) ~= "table" then
    check.fail(level + 1, HOW, type(how))
  end
  for key in pairs(how) do
    if key ~= "binary" and key ~= "skip" and key ~= "key" then
      check.fail(level + 1, "how: binary, skip and key are known, not %s", tostring(key))
    end
  end
  local flags
  if how.binary ~= nil then
    check.type(how.binary, "boolean", "binary", level + 1)
    flags = how.binary and BINARY or TEXT
  end
  check.optional(how.key, "string", "key", level + 1)
  return flags, how.skip ~= nil and id_of(how.skip, level + 1) or nil, how.key
end

local function build(text, flags, skip, key)
  if skip ~= nil then
    local ok, why, name = check.id(skip, "skip")
    if not ok then
      return nil, why, name
    end
  end
  local made, why, name = native.fw_message_new(text, flags)
  if made ~= nil and skip ~= nil then
    native.fw_message_set_except(made, skip)
  end
  if made ~= nil and key ~= nil then
    local ok
    ok, why, name = check.text(key, "key")
    if ok then
      ok, why, name = native.fw_message_set_key(made, key)
    end
    if not ok then
      return nil, why, name
    end
  end
  return made, why, name
end

--- What is to be sent, in one of three forms:
---   text, flags          bytes
---   nil, nil, message    a message of the C library; then whom it skips, and its key
---   false, why, name     it can't be sent
--- A message has its own of what how doesn't say.
function data.prepare(value, how, level)
  local flags, skip, key = understand(how, level + 1)
  if is_message(value) then
    if flags == nil and skip == nil and key == nil then
      return nil, nil, value._native, rawget(value, "_skip"), rawget(value, "_key")
    end
    flags = flags or native.fw_message_flags(value._native)
    skip, key = skip or rawget(value, "_skip"), key or rawget(value, "_key")
    value = value.data
  else
    value = encode(value, level + 1)
  end
  if skip == nil and key == nil then
    return value, flags or TEXT
  end
  local made, why, name = build(value, flags or TEXT, skip, key)
  if made == nil then
    return false, why, name
  end
  return nil, nil, made, skip, key
end

--- The same, always as a message; nil, why, name if it can't be.
function data.message(value, how, level)
  local text, flags, made = data.prepare(value, how, level + 1)
  if text then
    return build(text, flags)
  elseif text == nil then
    return made
  end
  return nil, flags, made
end

--- fanwire.message()
---@param value string|table|fanwire.Message
---@param how? "text"|"binary"|boolean|{binary: boolean?, skip: any, key: string?}
---@return fanwire.Message?, string?, string?
function data.new(value, how)
  local text, flags, made, skip, key = data.prepare(value, how, 2)
  local why, name = flags, made
  if text then
    made, why, name = build(text, flags)
  end
  if text == false or made == nil then
    return nil, why, name
  end
  return setmetatable({_native = made, _skip = skip, _key = key}, Message)
end

return data
