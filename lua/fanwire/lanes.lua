--[[
Order and side by side, where handlers may take their time: the events of one lane are
handled one after the other, the lanes at the same time.

The dispatcher gives each session and each room a lane for as long as there is something to
wait for. Who runs them is the runner of the hub: a function that calls the function it is
given, in a coroutine that may yield, now or later; where it gets a second argument that is
true, somebody may wait for it. OpenResty's light threads are that.
Nothing here knows what a handler is; how a piece of work is done is a function that is
given, which raises nothing.
]]

local Lanes = {}
Lanes.__index = Lanes

local lanes = {}

--- runner(f): see above. perform(work): does it. failed(why): the runner raised an error.
function lanes.new(runner, perform, failed)
  return setmetatable({_runner = runner, _perform = perform, _failed = failed, _running = 0},
    Lanes)
end

-- Called by the runner, or by us if that fails: what waits has to be done by somebody.
function Lanes:_begin(f, at_once)
  local begun = false
  local function once()
    if not begun then
      begun = true
      self._running = self._running + 1
      f()
      self._running = self._running - 1
    end
  end
  local ok, why = pcall(self._runner, once, at_once)
  if not ok then
    self._failed(tostring(why))
    once()
  end
end

local function drive(self, home, key, lane)
  lane.thread = coroutine.running()
  while lane.first <= lane.last do
    local work = lane[lane.first]
    lane[lane.first] = nil
    lane.first = lane.first + 1
    self._perform(work)
  end
  home[key] = nil
end

--- Have it done when what came before it in that lane has been.
function Lanes:put(home, key, work)
  local lane = home[key]
  if lane ~= nil then
    lane.last = lane.last + 1
    lane[lane.last] = work
    return
  end
  lane = {work, first = 1, last = 1}
  home[key] = lane
  self:_begin(function()
    drive(self, home, key, lane)
  end)
end

--- Have it done now, whatever its lane does: somebody there may wait for it.
function Lanes:put_alone(work)
  self:_begin(function()
    self._perform(work)
  end, true)
end

--- Is the code that runs just now what that lane is busy with?
function Lanes:is_inside(home, key)
  local lane = home[key]
  return lane ~= nil and lane.thread ~= nil and lane.thread == coroutine.running()
end

--- Is nothing being done, or waiting for it?
function Lanes:is_quiet()
  return self._running == 0
end

return lanes
