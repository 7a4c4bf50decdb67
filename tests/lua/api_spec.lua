-- The two packages side by side: tests/api.txt names what each has, and
-- tests/python/test_api.py looks at the other column. Here too: what of C is there.
local fanwire = require "fanwire"
local native = fanwire.native
local support = require "support"

local TOP = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*/[^/]*$")

local function read(path)
  local file = assert(io.open(TOP .. "/" .. path))
  local text = file:read("*a")
  file:close()
  return text
end

-- The names that a thing of Lua is said to have, by the thing.
local function sections()
  local found, names = {}, nil
  for line in read("api.txt"):gmatch("[^\n]+") do
    local theirs, ours = line:match("^(.*) | (.*)$")
    if line:find("^== ") then
      names = {}
      found[ours] = names
    elseif ours and ours:find("^%-") then
      assert(ours:find("^%- %S") and not theirs:find("^%-"), line)
    elseif ours and not line:find("^#") then
      names[ours] = true
    end
  end
  return found
end

local function add_keys(names, t)
  for name in pairs(t) do
    if type(name) == "string" and not name:find("^_") then
      names[name] = true
    end
  end
end

-- The names that it has: its own, and those of the tables behind it.
local function names_of(thing)
  local names = {}
  add_keys(names, thing)
  local index = (getmetatable(thing) or {}).__index
  if type(index) == "table" then
    add_keys(names, index)
  elseif type(index) == "function" then
    local i = 1
    local upvalue, value = debug.getupvalue(index, i)
    while upvalue do
      -- Methods and getters; the modules that the function uses have names as well.
      if upvalue == "methods" or upvalue == "getters" or upvalue == "facts" then
        add_keys(names, value)
      elseif upvalue == "request" then
        add_keys(names, value.facts)
      end
      i = i + 1
      upvalue, value = debug.getupvalue(index, i)
    end
  end
  return names
end

-- The rows of the table of what can't be reached, in the guide.
local function not_reachable()
  local names = {}
  local text = read("../docs/lua.md"):match("### Not reachable, and why\n(.*)$")
  assert(text, "docs/lua.md")
  for name, reason in text:gmatch("\n| `(fw_[%w_]+)` | ([^|]+) |") do
    assert.is_nil(names[name], name .. " is listed twice")
    assert.matches("%S", reason)
    names[name] = true
  end
  return names
end

-- Not by a shell: that one dies with TSan preloaded.
local function headers()
  local folder, texts = "../capi/include/fanwire/", {}
  for name in read(folder .. "fanwire.h"):gmatch("#include <fanwire/([%w_]+%.h)>") do
    texts[#texts + 1] = read(folder .. name)
  end
  return (table.concat(texts):gsub("/%*.-%*/", ""))
end

describe("the API:", function()
  after_each(support.end_all)

  it("what Lua has is beside what Python has", function()
    local things = {fanwire = fanwire}
    local hub = support.started{
      connect = function(request) things.request = request end,
      open = function(s) things.session = s end,
    }
    support.client(hub)
    support.wait(function() return things.session end)
    things.hub, things.room, things.user = hub, hub:room("r"), hub:user("u")
    things.handle = hub:session(("1"):rep(32))
    things.emitter = assert(fanwire.emitter{redis_url = "redis://x"})
    local n = 0
    for what, listed in pairs(sections()) do
      if what == "message" then -- its fields are in no table
        local message = fanwire.message("x")
        assert.same({data = true, binary = true}, listed)
        assert.is_true(message.data ~= nil and message.binary ~= nil)
      else
        assert.same(listed, names_of(things[what]), what)
      end
      n = n + 1
    end
    assert.equal(9, n)
  end)

  it("every function of C is reachable or listed with a reason", function()
    local n, listed = 0, not_reachable()
    for name in headers():gmatch("FW_API [^;(]-(fw_[%w_]+)%(") do
      n = n + 1
      assert.equal(not listed[name], type(native[name]) == "function", name)
      listed[name] = nil
    end
    assert.is_true(n > 75)
    assert.is_nil((next(listed)), "docs/lua.md lists what isn't in the headers")
  end)

  it("every constant of C is there and no other", function()
    local wanted, n, text = {}, 0, headers()
    for body in text:gmatch("enum[^{;]*(%b{})") do
      for name in body:gmatch("FW_[%u_]+") do
        if name:find("^FW_EVENT_") or name:find("^FW_LOG_") or name == "FW_TEXT"
            or name == "FW_BINARY" or name == "FW_OK"
            or name == "FW_HISTORY_REVERSE" then
          wanted[name] = true
        end
      end
    end
    for name in text:gmatch("XX%((%u[%u_]*),") do
      wanted["FW_ERR_" .. name] = true
    end
    for name, value in pairs(native) do
      if type(name) == "string" and name:find("^FW_")
          and not name:find("^FW_VERSION") then
        n = n + 1
        assert.is_true(wanted[name], name)
        assert.is_number(value)
        wanted[name] = nil
      end
    end
    assert.is_nil((next(wanted)), "not in fanwire.native: " .. tostring(next(wanted)))
    assert.is_true(n > 30)
  end)
end)

describe("the pages:", function()
  after_each(support.end_all)

  -- The first program of a page, as it stands but for the port and the log.
  local function works(page)
    local program = assert(read("../" .. page):match("```lua\n(.-)```"), page)
    local n
    program, n = program:gsub('listen = "ws://127.0.0.1:9090/ws"', [[
      listen = "ws://127.0.0.1:0/ws", log = function(_, _, line)
        print(line)
        io.stdout:flush()
      end]])
    assert.equal(1, n)
    local url = support.lua(program).wait_line("listening on (ws://%S+)")
    local a, b = support.client(url, "room=lobby"), support.client(url, "room=lobby")
    support.wait(function()
      a:send("hello")
      support.pump()
      return b.received[1]
    end)
    assert.equal("hello", (b:receive()))
    assert.equal("hello", (a:receive()))
  end

  it("the guide's first program works as it stands", function()
    works("docs/lua.md")
  end)

  it("the README's program works as it stands", function()
    works("README.md")
  end)
end)
