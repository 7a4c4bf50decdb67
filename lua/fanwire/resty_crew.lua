--[[
The light threads that call handlers in a worker of nginx.

A handler may yield (ngx.sleep, cosockets), and nobody can tell beforehand. So a member of
the crew takes events and calls handlers right there, and before the first of them has
another member called who takes over should it yield. If it doesn't, the other is called
off again: handlers that don't yield cost no switch of threads. Threads are kept for the
next event, since nginx frees nothing of a light thread before its request ends, which is
ours for as long as the worker lives.

  idle    waits at the semaphore
  busy    in the middle of a handler; at most `max` are, further work waits in `jobs`
  called  the semaphore was posted, and who was woken hasn't run yet

After a slice the crew has itself woken as if by an event, so nginx does something else in
between.
]]

local native = require "fanwire.native"
local semaphore = require "ngx.semaphore"

local running = coroutine.running
local now = native.fwb_now

local TURN = 64 -- events between two looks at the clock
local SLICE_S = 0.01
local LONG_S = 86400 -- a wait without end, as nginx knows none

local Crew = {}
Crew.__index = Crew

local crew = {}

--- max: how many handlers may be busy. wake(): has call() called when nginx had its turn.
--- failed(why): something of ours went wrong.
function crew.new(max, wake, failed)
  return setmetatable({
    _sema = semaphore.new(0), _max = max, _wake = wake, _failed = failed,
    _members = {}, _total = 0, _idle = 0, _busy = 0,
    _jobs = {first = 1, last = 0},
    _called = false, _over = false,
  }, Crew)
end

-- In the request whose threads the crew are: call() never has to start one, since it may
-- be called in any request.
function Crew:_hire()
  ngx.thread.spawn(self._member, self)
end

--- Have somebody look what there is to do. In any phase.
function Crew:call()
  if not self._called and self._idle > 0 then
    self._called = true
    self._sema:post(1)
  end
end

-- Before a handler is called: who will go on if it yields?
function Crew:_call_other()
  if not self._called then
    if self._idle == 0 then
      self:_hire()
    end
    self:call()
  end
end

-- There is no need any more.
function Crew:_call_off()
  if self._called and self._sema:wait(0) then
    self._called = false
  end
end

function Crew:_do(f)
  self._busy = self._busy + 1
  self:_call_other()
  f()
  self._busy = self._busy - 1
end

--- The runner of the hub: has f called, by this thread if it is one of the crew. now: even
--- if too many are busy, who may wait for just this.
function Crew:run(f, at_once)
  if self._members[running() or 0] and (at_once or self._busy < self._max) then
    self:_do(f)
    return
  end
  local jobs = self._jobs
  jobs.last = jobs.last + 1
  jobs[jobs.last] = f
  self:call()
end

function Crew:_next_job()
  local jobs = self._jobs
  if self._busy >= self._max or jobs.first > jobs.last then
    return nil
  end
  local f = jobs[jobs.first]
  jobs[jobs.first] = nil
  jobs.first = jobs.first + 1
  return f
end

-- Do what there is to do.
function Crew:_turn(poll)
  local till = now() + SLICE_S
  while not self._over do
    local job, n = self:_next_job(), 1
    if job ~= nil then
      self:_do(job)
    else
      n = poll(TURN) or 0
    end
    if n == 0 then
      self:_call_off()
      return
    end
    if now() > till then
      self:_call_off()
      self._wake()
      return
    end
  end
end

function Crew._member(self)
  local me = running()
  self._members[me] = true
  self._total = self._total + 1
  while not self._over do
    self._idle = self._idle + 1
    local woken, why = self._sema:wait(LONG_S)
    self._idle = self._idle - 1
    if woken then
      self._called = false
      local fine, failure = pcall(self._turn, self, self._poll)
      if not fine then
        self._failed(tostring(failure))
      end
    elseif why ~= "timeout" then
      break
    end
  end
  self._total = self._total - 1
  self._members[me] = nil
end

--- Begin, in a request that lives as long as the worker. poll(max): handles events; how
--- many those were.
function Crew:begin(poll)
  self._poll = poll
  self:_hire()
  self:call()
end

--- Is this code part of a handler?
function Crew:is_member()
  return self._members[running() or 0] == true
end

--- Send all home.
function Crew:finish()
  self._over = true
  self._sema:post(self._total)
end

return crew
