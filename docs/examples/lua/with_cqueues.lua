-- A hub in the loop of cqueues, beside whatever else runs there: here a clock that
-- everybody hears. TERM and INT close all sessions in good order.
--
--   lua with_cqueues.lua [LISTEN]
--
-- Each handler runs in a coroutine of the loop, so it may wait for something: a session's
-- next event is handled when the last one is done, other sessions go on. (With LuaJIT and
-- Lua 5.2 and later: in Lua 5.1 itself nothing can wait inside of pcall.)
local cqueues = require "cqueues"
local signal = require "cqueues.signal"
local fanwire = require "fanwire"

local loop = cqueues.new()
local hub = assert(fanwire.hub{
  environment = true, -- FANWIRE_REDIS_URL makes it one of many
  listen = arg[1] or "ws://127.0.0.1:9090/ws",
  runner = function(handle)
    loop:wrap(handle)
  end,
})

hub:on("open", function(session)
  session:join("clock")
end)

hub:on("message", function(session, data, binary)
  if data == "sleep" then
    cqueues.sleep(1) -- a query of a database, say
    session:send("slept well")
  else
    hub:publish("clock", data, binary)
  end
end)

signal.block(signal.SIGTERM, signal.SIGINT)
local stops = signal.listen(signal.SIGTERM, signal.SIGINT)

assert(hub:start())

local ended = false

loop:wrap(function()
  -- What cqueues waits for: a descriptor that is readable while events wait.
  local events = { pollfd = hub:fd(), events = "r" }
  while not ended do
    hub:poll(0) -- waits for none
    cqueues.poll(events)
  end
end)

loop:wrap(function()
  while not ended do
    cqueues.sleep(1)
    hub:publish("clock", os.date("%X"))
  end
end)

loop:wrap(function()
  stops:wait()
  -- Closing all sessions takes its time, which the handlers are to have as well.
  local latest = cqueues.monotime() + 30
  repeat
    cqueues.sleep(0.02)
  until hub:drain(0) or cqueues.monotime() > latest
  ended = true
end)

print("listening on " .. hub:urls()[1])
io.stdout:flush()
while not ended do
  assert(loop:step())
end
hub:stop()
