--[[
The soak's node in nginx: a function that is given options, and starts the hub. What
clients say reaches their rooms without it, in C; its handlers only watch, and not well:
they fail, they block the worker, they dawdle. Nothing of that may be noticed by who is in
a room.
]]
local resty = require "fanwire.resty"

local calls = 0

local function block(seconds)
  local till = os.clock() + seconds
  while os.clock() < till do end
end

local function stumble()
  calls = calls + 1
  if calls % 200 == 0 then
    error("expected of a bad application")
  elseif calls % 97 == 0 then
    block(0.1)
  end
end

local function dawdle()
  stumble()
  if calls % 31 == 0 then
    ngx.sleep(0.5)
  end
end

local handlers = {
  connect = function(request)
    if request.query.user == "rabble" then -- honest clients are to be let in
      stumble()
    end
    return request.query.user
  end,
  open = dawdle,
  message = dawdle,
  leave = dawdle,
  close = dawdle,
  room_message = stumble,
}

return function(options)
  assert(resty.start(options, handlers))
end
