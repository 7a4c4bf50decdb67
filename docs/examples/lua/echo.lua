-- Says back what it is told: what a hub needs, and nothing else.
local fanwire = require "fanwire"

local hub = assert(fanwire.hub{ listen = "ws://127.0.0.1:9090/ws" })

hub:on("message", function(session, data, binary)
  session:send(data, binary)
end)

assert(hub:run())
