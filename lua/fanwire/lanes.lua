--[[
Order and side by side, where handlers may take their time: the events of one lane are
handled one after the other, the lanes at the same time.

The dispatcher gives each session and each room a lane for as long as there is something
to wait for. Who runs them is the runner of the hub: a function that calls the function it
is given, in a coroutine that may yield, now or later; where it gets a second argument
that is true, somebody may wait for it. OpenResty's light threads are that. Nothing here
knows what a handler is; how a piece of work is done is a function that is given, which
raises nothing.
]]

local check = require "fanwire.check"

-- A lane that has done so much begins anew, so that a busy session keeps no coroutine for
-- ever.
local TURN = 64

local Lanes = {}
Lanes.__index = Lanes

local lanes = {}

--- runner(f): see above. perform(work): does it. failed(why): the runner raised an error.
function lanes.new(runner, perform, failed)
  return setmetatable({_runner = runner, _perform = perform, _failed = failed,
    _running = 0, _begun = {}}, Lanes)
end

-- Called by the runner, or by us if that fails: what waits has to be done by somebody.
function Lanes:_begin(at_once, f, what)
  local begun, once = false, nil
  function once()
    if not begun then
      begun = true
      self._running = self._running + 1
      self._begun[once] = what
      f(self, what)
      self._begun[once] = nil
      self._running = self._running - 1
    end
  end
  local ok, why = pcall(self._runner, once, at_once)
  if not ok then
    self._failed(check.text_of(why))
    once()
  end
end

function Lanes:_drive(lane)
  lane.thread = coroutine.running()
  for done = 0, math.huge do
    local first = lane.first
    if first > lane.last then
      break
    elseif done == TURN then
      lane.thread = nil
      self:_begin(false, self._drive, lane)
      return
    end
    local work = lane[first]
    lane[first] = nil
    lane.first = first + 1
    self._perform(work)
  end
  lane.home[lane.key] = nil
end

--- Have it done when what came before it in that lane has been.
function Lanes:put(home, key, work)
  local lane = home[key]
  if lane ~= nil then
    lane.last = lane.last + 1
    lane[lane.last] = work
    return
  end
  lane = {work, first = 1, last = 1, home = home, key = key}
  home[key] = lane
  self:_begin(false, self._drive, lane)
end

local function perform(self, work)
  self._perform(work)
end

--- Have it done now, whatever its lane does: somebody there may wait for it.
function Lanes:put_alone(work)
  self:_begin(true, perform, work)
end

--- What the runner was given has been ended in the middle, its coroutine with it. What is
--- left in its lane goes on.
function Lanes:lost(f)
  local lane = self._begun[f]
  self._begun[f] = nil
  self._running = self._running - 1
  if lane ~= nil and lane.home ~= nil then -- and not a piece of work alone
    self:_begin(false, self._drive, lane)
  end
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
