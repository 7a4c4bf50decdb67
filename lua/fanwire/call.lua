--[[
Calling the application's functions, whose errors end nothing.
]]

local check = require "fanwire.check"

local call = {
  -- Is there a Ctrl-C that comes as an error? The lua program's is.
  is_interruptible = true,
}

-- This file, as tracebacks name it.
local HERE = debug.getinfo(1, "S").short_src .. ":"

-- Of a traceback the application's part: from xpcall on it is ours, and nobody's mistake.
local function above_us(trace)
  local lines = {}
  for line in trace:gmatch("[^\n]+") do
    if line:find(HERE, 1, true) then
      lines[#lines] = nil -- xpcall, for which each Lua has another name
      if #lines > 1 and lines[#lines]:find("(tail call)", 1, true) then
        lines[#lines] = nil -- of by_count, as Lua 5.1 has it
      end
      break
    end
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n")
end

-- An error with where it comes from. Not a text alone: fanwire.refuse() may be thrown,
-- too.
local function caught(value)
  return {
    value = value,
    text = check.text_of(value),
    trace = above_us(debug.traceback("", 2)),
  }
end

-- Lua 5.1's xpcall passes no arguments.
local passes = 1
  == select(2, xpcall(function(...) return select("#", ...) end, caught, 1))

--- call.protected(n, f, a, b, c, d): f with n arguments. true and its first two results,
--- or false and {value =, text =, trace =}.
local by_count
if passes then
  by_count = {
    [0] = function(f) return xpcall(f, caught) end,
    function(f, a) return xpcall(f, caught, a) end,
    function(f, a, b) return xpcall(f, caught, a, b) end,
    function(f, a, b, c) return xpcall(f, caught, a, b, c) end,
    function(f, a, b, c, d) return xpcall(f, caught, a, b, c, d) end,
  }
else
  by_count = {
    [0] = function(f) return xpcall(function() return f() end, caught) end,
    function(f, a) return xpcall(function() return f(a) end, caught) end,
    function(f, a, b) return xpcall(function() return f(a, b) end, caught) end,
    function(f, a, b, c) return xpcall(function() return f(a, b, c) end, caught) end,
    function(f, a, b, c, d)
      return xpcall(function() return f(a, b, c, d) end, caught)
    end,
  }
end

function call.protected(n, f, a, b, c, d)
  local ok, outcome, more = by_count[n](f, a, b, c, d)
  if not ok and type(outcome) ~= "table" then -- no memory or no stack for caught()
    outcome = {value = outcome, text = check.text_of(outcome)}
  end
  -- Ctrl-C, as the lua program raises it: nobody's mistake, and not to be swallowed.
  if not ok and call.is_interruptible and type(outcome.value) == "string"
      and (outcome.value == "interrupted!"
        or outcome.value:find(":%d+: interrupted!$")) then
    error(outcome.value, 0)
  end
  return ok, outcome, more
end

return call
