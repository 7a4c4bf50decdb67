--[[
Options by keyword: the C library's table of options, as Lua writes them.

Hubs and emitters make their options here. The table alone says which options there are;
this module only knows how a value of Lua is written as text. What a text may be is for
the C library to judge.
]]

local check = require "fanwire.check"
local native = require "fanwire.native"

local options = {}

local FIELDS = {"type", "default", "allowed", "since", "help", "group"}

local by_keyword

-- The options' names by their keywords: redis_url is redis.url.
local function names()
  if by_keyword == nil then
    by_keyword = {}
    local i = 0
    local name = native.fw_options_name(i)
    while name ~= nil do
      by_keyword[(name:gsub("%.", "_"))] = name
      i = i + 1
      name = native.fw_options_name(i)
    end
  end
  return by_keyword
end

--- The table of options, row by row: what each is, by its name.
function options.table()
  local found = {}
  for _, name in pairs(names()) do
    local row = {}
    for _, field in ipairs(FIELDS) do
      row[field] = native.fw_options_describe(name, field) or ""
    end
    found[name] = row
  end
  return found
end

-- How many letters have to be changed, put in or taken out to make b of a.
local function distance(a, b)
  local row = {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local corner = row[0]
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and corner or corner + 1
      corner = row[j]
      row[j] = math.min(cost, row[j] + 1, row[j - 1] + 1)
    end
  end
  return row[#b]
end

local function nearest(keyword, others)
  local best, least = nil, math.huge
  local function look(known)
    local far = distance(keyword, known)
    if far < least or (far == least and known < best) then
      best, least = known, far
    end
  end
  for known in pairs(names()) do
    look(known)
  end
  for _, known in ipairs(others or {}) do
    look(known)
  end
  -- More than a third of the letters wrong is another word.
  return best ~= nil and least <= math.max(#keyword, #best) / 3 and best or nil
end

-- namespace_my_news_history_size is namespace.my_news.history.size: each option room.X is
-- one of namespaces, too, and what stands before X is the name. nil if it is none.
local function namespaced(keyword)
  if native.fw_options_describe(keyword, "type") ~= nil then
    return keyword
  end
  local rest = keyword:match("^namespace_([^.]+)$")
  local found, longest = nil, 0
  for known, name in pairs(names()) do
    local tail = known:match("^room(_.*)$")
    if rest ~= nil and tail ~= nil and #tail > longest and #rest > #tail
        and rest:sub(-#tail) == tail then
      longest = #tail
      found = "namespace." .. rest:sub(1, -#tail - 1) .. name:sub(#"room" + 1)
    end
  end
  return found
end

--- The option that a keyword means, or nil and why; others could be meant, too.
function options.name_of(keyword, others)
  local name = names()[(keyword:gsub("%.", "_"))]
  if name == nil and not keyword:find("%z") then
    name = namespaced(keyword)
  end
  if name ~= nil then
    return name
  end
  if keyword:find("^namespace[_.]") and not keyword:find("%z") then
    return native.fw_options_set(native.fw_options_new(), keyword, "")
  end
  local near = nearest(keyword, others)
  return nil, string.format("no option is called %s%s", keyword,
    near and "; did you mean " .. near .. "?" or ""), "FW_ERR_OPTION"
end

-- Text of one value, nil if it is none.
local function text_of(value)
  if type(value) == "string" then
    return value
  elseif type(value) == "boolean" then
    return value and "on" or "off"
  elseif type(value) == "number" then
    if value == math.floor(value) and math.abs(value) < 2 ^ 53 then
      return string.format("%.0f", value)
    end
    return tostring(value)
  end
  return nil
end

-- A value as the texts that C is told, one after the other; false, why for several where
-- one is wanted.
local function texts_of(name, value, level)
  local text = text_of(value)
  if text ~= nil then
    return {text}
  end
  if type(value) ~= "table" then
    check.fail(level + 1, "%s: a string, a number, a boolean or a list is wanted, not %s",
      name, type(value))
  end
  if native.fw_options_describe(name, "type") ~= "list" then
    return false, name .. ": one value, not several", "FW_ERR_OPTION"
  end
  local texts = {}
  for i, item in ipairs(value) do
    texts[i] = text_of(item)
    if texts[i] == nil then
      check.fail(level + 1, "%s: a list of strings is wanted, not of %s", name,
        type(item))
    end
  end
  return texts
end

local function assign(target, name, texts)
  -- To a list a call adds: without emptying it first, a second change would not be one.
  if native.fw_options_describe(name, "type") == "list" then
    native.fw_options_set(target, name, "")
  end
  for _, text in ipairs(texts) do
    local ok, why, code = check.text(text, name)
    if ok then
      ok, why, code = native.fw_options_set(target, name, text)
    end
    if not ok then
      return nil, why, code
    end
  end
  return true
end

-- Name and texts of each keyword, in an order that doesn't change from run to run.
local function read(keywords, others, level)
  local wanted = {}
  for keyword, value in pairs(keywords) do
    if type(keyword) ~= "string" then
      check.fail(level + 1, "options are given by name, not as list")
    end
    local name, why, code = options.name_of(keyword, others)
    if name == nil then
      return nil, why, code
    end
    local texts
    texts, why, code = texts_of(name, value, level + 1)
    if not texts then
      return nil, why, code
    end
    wanted[#wanted + 1] = {name = name, texts = texts}
  end
  table.sort(wanted, function(a, b) return a.name < b.name end)
  return wanted
end

--- Set options; if one of them is wrong, all stay as they were. true, or nil and why.
function options.change(target, keywords, others, level)
  local wanted, why, code = read(keywords, others, level + 1)
  if wanted == nil then
    return nil, why, code
  end
  -- Tried on a set of their own first: a namespace, once made, couldn't be taken back.
  local trial
  trial, why, code = native.fw_options_new()
  if trial == nil then
    return nil, why, code
  end
  for _, each in ipairs{trial, target} do
    for _, option in ipairs(wanted) do
      local ok
      ok, why, code = assign(each, option.name, option.texts)
      if not ok then
        return nil, why, code
      end
    end
  end
  return true
end

--- A set of options: from a file, then the environment, then keywords. Or nil and why.
function options.make(keywords, config, environment, others, level)
  local made, why, code = native.fw_options_new()
  if made == nil then
    return nil, why, code
  end
  local ok = true
  if config ~= nil then
    ok, why, code = check.text(config, "config")
    if ok then
      ok, why, code = native.fw_options_load(made, config)
    end
  end
  if ok and environment then
    ok, why, code = native.fw_options_load_env(made)
  end
  if ok then
    ok, why, code = options.change(made, keywords, others, level + 1)
  end
  if not ok then
    return nil, why, code
  end
  return made
end

local UNITS = {ms = 0.001, s = 1, m = 60, h = 3600}

--- Seconds of the duration that the C library has accepted: "30s" is 30.
function options.seconds(text)
  local n, unit = text:match("^(%d+)(%a*)$")
  return tonumber(n) * (UNITS[unit] or 0.001)
end

return options
