--[[
The hub's words and the handlers' failures, to one function of the application, or to
standard error.

The dispatcher hands over each line of the C library and each failure of a handler. Which
lines there are is decided by the option log.level.
]]

local check = require "fanwire.check"
local native = require "fanwire.native"

local NAMES = {
  [native.FW_LOG_ERROR] = "error",
  [native.FW_LOG_WARN] = "warn",
  [native.FW_LOG_INFO] = "info",
  [native.FW_LOG_DEBUG] = "debug",
  [native.FW_LOG_TRACE] = "trace",
}
local RANKS = {error = 1, warn = 2, info = 3, debug = 4, trace = 5}

local Log = {}
Log.__index = Log

local function to_stderr(level, component, line)
  io.stderr:write(string.format("%s %-5s %s: %s\n", os.date("!%Y-%m-%dT%H:%M:%SZ"), level,
    component, line))
end

--- sink(level, component, line), or nil: standard error; least: option log.level.
function Log.new(sink, least)
  return setmetatable({
    _sink = sink or to_stderr,
    _least = RANKS[least] or RANKS.info,
  }, Log)
end

function Log:_put(level, component, line)
  local ok, why = pcall(self._sink, level, component, line)
  if not ok then -- a log that fails must stop nothing, nor be silent
    to_stderr(level, component, line)
    to_stderr("error", "log", "the function log failed: " .. check.text_of(why))
  end
end

--- A line of the C library.
function Log:line(level, component, line)
  self:_put(NAMES[level] or "debug", component, line)
end

--- Something of our own to say.
function Log:say(level, line)
  if RANKS[level] <= self._least then
    self:_put(level, "handlers", line)
  end
end

--- The handler of that event has failed; whose: the session or request, or nil.
--- That a session has ended just now is no mistake of a handler that was busy with it.
function Log:failed(event, whose, failure)
  local gone = whose ~= nil and rawget(whose, "_gone")
  local level = gone and failure.text:find(gone, 1, true) and "debug" or "error"
  self:say(level, string.format("%s handler failed: %s (session=%s user=%s)%s", event,
    failure.text, whose and whose.id or "none", whose and whose.user or "none",
    failure.trace and "\n" .. failure.trace or ""))
end

return Log
