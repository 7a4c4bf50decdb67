-- Reads JSON as README.md asks. cjson takes more than JSON allows, and more than other
-- languages can hold: so each string, number and word of a text is looked at here before
-- cjson reads it. How they fit together is cjson's business.
local cjson = require("cjson").new()
cjson.decode_invalid_numbers(false)

local WORDS = { ["true"] = true, ["false"] = true, null = true }

-- Does a number of that many digits have 64 bits?
local function fits(minus, digits)
  local largest = minus == "-" and "9223372036854775808" or "9223372036854775807"
  return #digits < #largest or (#digits == #largest and digits <= largest)
end

local function is_number(word)
  local minus, digits, rest = word:match("^(%-?)(%d+)(.*)$")
  if not digits or digits:find("^0%d") then
    return false
  elseif rest == "" then
    return fits(minus, digits)
  end
  local behind = rest:gsub("^%.%d+", ""):gsub("^[eE][+-]?%d+$", "")
  return behind == "" and math.abs(tonumber(word)) < math.huge
end

-- Where the string that begins there ends, or nil.
local function string_end(text, at)
  repeat
    at = text:find('[%z\1-\31\\"]', at + 1)
    local char = at and text:sub(at, at)
    if char == "\\" then
      at = at + 1
    elseif char ~= '"' then
      return nil
    end
  until char == '"'
  return at
end

-- What a string says, or nil if it says nothing that can be passed on.
local function string_value(text)
  local ok, list = pcall(cjson.decode, "[" .. text .. "]")
  return ok and not list[1]:find("%z") and list[1] or nil
end

-- Are all strings, numbers and words of a text allowed, and no key twice?
local function is_strict(text)
  local objects, at = {}, 1 -- the keys of each object that is open; of a list, none
  while true do
    at = text:find("[^ \t\r\n,:]", at)
    local char = at and text:sub(at, at)
    if not char then
      return true
    elseif char == "{" or char == "[" then
      objects[#objects + 1] = {}
    elseif char == "}" or char == "]" then
      objects[#objects] = nil
    elseif char == '"' then
      local last = string_end(text, at)
      local value = last and string_value(text:sub(at, last))
      if not value then
        return false
      end
      local keys = text:find("^[ \t\r\n]*:", last + 1) and objects[#objects]
      if keys and keys[value] then
        return false
      elseif keys then
        keys[value] = true
      end
      at = last
    else
      local word = text:match("^[%w+.-]+", at) or ""
      if not WORDS[word] and not is_number(word) then
        return false
      end
      at = at + #word - 1
    end
    at = at + 1
  end
end

-- The object that a text says, or nil.
return function(text)
  if text:find("^[ \t\r\n]*{") and is_strict(text) then
    local ok, object = pcall(cjson.decode, text)
    return ok and object or nil
  end
end
