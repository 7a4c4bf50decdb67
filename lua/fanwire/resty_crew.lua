--[[
The light threads that call handlers in a worker of nginx.

A handler may yield (ngx.sleep, cosockets), and nobody can tell beforehand. So a member of
the crew takes events and calls handlers right there, and before the first of them has
another member called who takes over should it yield. If it doesn't, the other is called
off again: handlers that don't yield share one switch of threads. After a slice the crew
has itself woken as if by an event, so nginx does something else in between.

nginx frees nothing that light threads, cosockets and the like have left before their
request ends. So members are kept for the next event, and the crew works in shifts: each
is a request of its own, and is relieved after so many events. It ends when the last of
its handlers has returned. A shift may also end without another word, if a handler ends
its request (ngx.exit): then there is a new one, and the lanes of the old one go on.

  idle    a member that waits at its shift's semaphore
  called  the semaphore was posted, and who was woken hasn't run yet
  busy    in the middle of a handler; at most `max` are, further work waits as a job
]]

local check = require "fanwire.check"
local native = require "fanwire.native"
local queue = require "fanwire.queue"
local semaphore = require "ngx.semaphore"
local wait = require "fanwire.resty_wait"

local exit = ngx.exit -- before resty.lua keeps handlers from it
local running = coroutine.running
local now = native.fwb_now

local TURN = 64 -- events between two looks at the clock
local SLICE_S = 0.01
local SHIFT = 10000 -- events
local SHIFTS = 16 -- that may be there at once: nginx counts running timers
local RELIEF_S = 1 -- to try again if it didn't come
local LONG_S = 86400 -- a wait without end, as nginx knows none

local Shift, Crew = {}, {}
Shift.__index, Crew.__index = Shift, Crew

-- --- a shift ---

-- In its request: call() never has to start a thread, since it may be called in any.
function Shift:hire()
  ngx.thread.spawn(self.member, self)
end

function Shift:call()
  self.is_off = false
  if not self.is_called and self.idle > 0 then
    self.is_called = true
    self.sema:post(1)
  end
end

-- There is no need any more. A post can't be taken back: nginx gives it to who waits, and
-- he looks here.
function Shift:call_off()
  self.is_off = self.is_called
end

-- A member's turn: do what there is to do.
function Shift:work()
  local crew = self.crew
  local till = now() + SLICE_S
  while not self.is_over do
    local n = crew:do_some(self)
    if n == 0 then
      self:call_off()
      return
    end
    if now() > till then
      self:call_off()
      crew._wake()
      return
    end
  end
  crew:call() -- the next shift
end

function Shift.member(self)
  local me = running()
  self.crew._members[me] = self
  self.total = self.total + 1
  while not self.is_over do
    self.idle = self.idle + 1
    local woken, why = self.sema:wait(LONG_S)
    self.idle = self.idle - 1
    if woken then
      local is_off = self.is_off
      self.is_called, self.is_off = false, false
      local fine, failure = true, nil
      if not is_off then
        fine, failure = pcall(self.work, self)
      end
      if not fine then
        self.crew._failed(check.text_of(failure))
        self.crew._wake() -- there may be more to do
      end
    elseif why ~= "timeout" then
      break
    end
  end
  self.total = self.total - 1
  self.crew._members[me] = nil
  if self.total == 0 then
    self:tell_guard()
  end
end

function Shift:tell_guard()
  self.is_ending = true
  self.guard:post(1)
end

-- The thread that the request begins with: it stays until the last member has left, or
-- has all of them ended.
function Shift:attend()
  self:hire()
  self:call()
  repeat
    self.guard:wait(LONG_S)
  until self.total == 0 or self.is_killed
  self.crew._shifts[self] = nil
  if self.is_killed then
    exit(ngx.OK)
  end
end

function Shift:is_alive()
  return self.is_ending or self.guard:count() < 0
end

function Shift:finish()
  self.is_over = true
  if self.idle > 0 then
    self.sema:post(self.idle)
  end
end

function Shift:kill()
  self.is_over, self.is_killed = true, true
  self:tell_guard()
end

-- --- the crew ---

local crew = {}

-- A request that is ended doesn't say so to its threads: nobody else would remove them.
local function weak()
  return setmetatable({}, {__mode = "k"})
end

--- max: how many handlers may be busy. wake(): has call() called when nginx had its turn.
--- failed(why): something went wrong.
function crew.new(max, wake, failed)
  return setmetatable({
    _max = max, _wake = wake, _failed = failed,
    _members = {}, -- shift by thread
    _shifts = {}, -- those that aren't at their end
    _busy = 0, _in_handler = {}, -- what it does, by thread
    _late = weak(), -- threads that do what came when the crew had gone
    _urgent = queue.new(), _jobs = queue.new(),
  }, Crew)
end

--- Have somebody look what there is to do. In any phase.
function Crew:call()
  if self._is_over or self._poll == nil then
    return
  end
  self._is_woken = false
  for shift in pairs(self._shifts) do
    if not shift:is_alive() then
      self:_bury(shift)
    end
  end
  if self._shift == nil then
    self:_relieve()
  else
    self._shift:call()
  end
end

-- All threads of that shift have been ended, in the middle of what they did.
function Crew:_bury(shift)
  local lost = {}
  for thread, its in pairs(self._members) do
    if its == shift then
      lost[#lost + 1] = self._in_handler[thread]
      self._members[thread], self._in_handler[thread] = nil, nil
    end
  end
  self._shifts[shift] = nil
  if self._shift == shift then
    self._shift = nil
  end
  self._busy = self._busy - #lost
  self._wake()
  self._failed(string.format("a handler has ended the request that handlers run in (by "
    .. "ngx.exit): %d were ended with it", #lost))
  for _, f in ipairs(lost) do
    self._lost(f)
  end
end

-- Before a handler is called: who will go on if it yields? A shift that was relieved has
-- others for that.
function Crew:_call_other(shift)
  if shift == self._shift then
    if shift.idle == 0 and not shift.is_called then
      shift:hire()
    end
    shift:call()
  end
end

function Crew:_do(shift, f)
  local me = running()
  self._busy = self._busy + 1
  self._in_handler[me] = f
  self:_call_other(shift)
  if not self._is_woken and (self._has_more() or not self._jobs:is_empty()) then
    -- Should this handler end the whole shift, somebody has to come and see what is left.
    self._is_woken = true
    self._wake()
  end
  f()
  self._in_handler[me] = nil
  self._busy = self._busy - 1
end

-- Somebody may wait for it, and the crew has gone. Where nothing may yield, f can't.
function Crew:_do_late(f)
  if not wait.is_possible() then
    f()
    return
  end
  ngx.thread.spawn(function()
    local me = running()
    self._late[me] = true
    f()
    self._late[me] = nil
  end)
end

--- The runner of the hub: has f called, by this thread if it is one of the crew and free.
--- at_once: even if too many are busy, who may wait for just this.
function Crew:run(f, at_once)
  if self._is_over and at_once then
    self:_do_late(f)
    return
  end
  local me = running()
  local shift = me ~= nil and self._members[me]
  if shift and not self._in_handler[me] and (at_once or self._busy < self._max) then
    self:_do(shift, f)
    return
  end
  local jobs = at_once and self._urgent or self._jobs
  jobs:push(f)
  self:call()
end

--- What there is to do next, for a member of that shift: 0 if nothing.
function Crew:do_some(shift)
  local job = self._urgent:pop() or self._busy < self._max and self._jobs:pop()
  local n = 1
  if job then
    self:_do(shift, job)
  else
    n = self._poll(TURN) or 0
  end
  shift.handled = shift.handled + n
  if shift.handled >= SHIFT and shift == self._shift then
    self:_relieve()
  end
  return n
end

-- In the request that the shift is to be.
function Crew:_begin_shift()
  local former = self._shift
  local shift = setmetatable({crew = self, sema = semaphore.new(0),
    guard = semaphore.new(0), idle = 0, total = 0, handled = 0, is_called = false,
    is_over = false}, Shift)
  self._relief_due = nil
  if self._is_over then
    return
  end
  self._shift, self._shifts[shift] = shift, true
  if former ~= nil then
    former:finish()
  end
  shift:attend()
end

-- Have a new shift begin, unless that is on its way.
function Crew:_relieve()
  if self._relief_due ~= nil and now() < self._relief_due then
    return
  end
  local shifts = 0
  for _ in pairs(self._shifts) do
    shifts = shifts + 1
  end
  self._relief_due = now() + RELIEF_S
  if shifts < SHIFTS then
    local ok, why = ngx.timer.at(0, function()
      self:_begin_shift()
    end)
    if not ok then
      self._failed("ngx.timer.at: " .. why)
    end
  end
end

--- Begin. poll(max): handles events; how many those were. has_more(): has it taken some
--- that are to be handled yet? lost(f): what run() was given will never return.
function Crew:begin(poll, has_more, lost)
  self._poll, self._has_more, self._lost = poll, has_more, lost
  self:_relieve()
end

--- Is there a shift? If not, the timer that should bring one may have been refused or
--- dropped: call() tries again.
function Crew:has_shift()
  return self._shift ~= nil
end

--- Is this code part of a handler?
function Crew:is_member()
  local me = running()
  return me ~= nil and (self._members[me] ~= nil or self._late[me] ~= nil)
end

--- Is nothing left to do?
function Crew:is_idle()
  return self._busy == 0 and self:has_begun_all()
end

--- Has it begun, at least, with all there is to do?
function Crew:has_begun_all()
  return self._urgent:is_empty() and self._jobs:is_empty()
end

--- Send all home, those in the middle of a handler when it has returned. What somebody
--- may wait for is begun without them.
function Crew:finish()
  self._is_over = true
  for shift in pairs(self._shifts) do
    shift:finish()
  end
  local job = self._urgent:pop()
  while job ~= nil do
    self:_do_late(job)
    job = self._urgent:pop()
  end
end

--- End all of them now, in the thread that has called finish(); how many handlers that
--- has ended.
function Crew:kill()
  local ended = self._busy
  self._is_over = true
  for shift in pairs(self._shifts) do
    shift:kill()
  end
  local late = self._late
  self._late = weak()
  for thread in pairs(late) do
    ended = ended + (ngx.thread.kill(thread) and 1 or 0)
  end
  return ended
end

return crew
