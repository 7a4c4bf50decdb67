--[[
Waiting in nginx for what is answered by a callback: the light thread that asks yields
until then. It knows nothing of hubs.
]]

local semaphore = require "ngx.semaphore"

local LONG_S = 86400
-- Where a light thread may yield. Handlers are called in one of a timer.
local PHASES = {rewrite = true, access = true, content = true, timer = true}

local wait = {}

--- May what runs now wait?
function wait.is_possible()
  return PHASES[ngx.get_phase()] == true
end

--- ask(answered) asks, and answered() is called with the answer, of at most three values;
--- they are returned. If it gives nothing true itself, that is it: nobody answers.
function wait.answer(ask)
  local answer, sema = nil, semaphore.new(0)
  local ok, why, name = ask(function(...)
    answer = {...}
    sema:post(1)
  end)
  if not ok then
    return nil, why, name
  end
  while answer == nil do
    sema:wait(LONG_S)
  end
  return answer[1], answer[2], answer[3]
end

return wait
