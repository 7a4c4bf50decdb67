-- A hub in the loop of luv, beside whatever else runs there: here a clock that everybody
-- hears. TERM and INT close all sessions in good order.
--
--   lua with_luv.lua [LISTEN]
local fanwire = require "fanwire"
local uv = require "luv"

local hub = assert(fanwire.hub{
  environment = true, -- FANWIRE_REDIS_URL makes it one of many
  listen = arg[1] or "ws://127.0.0.1:9090/ws",
})

hub:on("open", function(session)
  session:join("clock")
end)

hub:on("message", function(_, data, binary)
  hub:publish("clock", data, binary)
end)

assert(hub:start())

-- The descriptor is readable while events wait. poll(0) waits for none.
uv.new_poll(hub:fd()):start("r", function()
  hub:poll(0)
end)

uv.new_timer():start(1000, 1000, function()
  hub:publish("clock", os.date("%X"))
end)

-- When all is closed, uv.run() returns.
local function close_all()
  uv.walk(function(handle)
    if not handle:is_closing() then
      handle:close()
    end
  end)
end

for _, name in ipairs{ "sigterm", "sigint" } do
  uv.new_signal():start(name, close_all)
end
print("listening on " .. hub:urls()[1])
io.stdout:flush()
uv.run()
hub:close()
