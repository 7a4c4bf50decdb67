--[[
The dispatcher: takes events from the hub's queue and calls handlers. One for each life of
a hub, from its start to its end.

Without a runner a handler is called right there, and has finished when it returns. With
one (see lanes.lua) it is handled in the lane of its session or room, and has finished
when that returns, which may be much later. An event is given back to the hub when its
handler has finished, so a session whose handlers are slow is read more slowly.

It keeps the sessions of this node, the answers that are still to come and whom to call
for attached sessions; all of it goes when the hub says so. It doesn't know how a hub is
started or stopped.
]]

local call = require "fanwire.call"
local handlers = require "fanwire.handlers"
local lanes = require "fanwire.lanes"
local native = require "fanwire.native"
local presence = require "fanwire.presence"
local queue = require "fanwire.queue"
local request = require "fanwire.request"
local session = require "fanwire.session"
local verdict = require "fanwire.verdict"

local CONNECT, OPEN, MESSAGE = native.FW_EVENT_CONNECT, native.FW_EVENT_OPEN,
  native.FW_EVENT_MESSAGE
local CLOSE, JOIN = native.FW_EVENT_CLOSE, native.FW_EVENT_JOIN
local LEAVE, RPC = native.FW_EVENT_LEAVE, native.FW_EVENT_RPC
local PUBLISH, REFRESH = native.FW_EVENT_PUBLISH, native.FW_EVENT_REFRESH
local SUB_REFRESH = native.FW_EVENT_SUB_REFRESH
local ROOM_MESSAGE, RESULT = native.FW_EVENT_ROOM_MESSAGE, native.FW_EVENT_RESULT
local PRESENCE, ROOM_JOIN, ROOM_LEAVE = native.FW_EVENT_PRESENCE,
  native.FW_EVENT_ROOM_JOIN, native.FW_EVENT_ROOM_LEAVE
local NODE_UP, NODE_DOWN = native.FW_EVENT_NODE_UP, native.FW_EVENT_NODE_DOWN
local HISTORY, ROOM_RESET = native.FW_EVENT_HISTORY, native.FW_EVENT_ROOM_RESET
local DELIVER, LOG = native.FW_EVENT_DELIVER, native.FW_EVENT_LOG
local UP, DOWN = native.FW_EVENT_BACKPLANE_UP, native.FW_EVENT_BACKPLANE_DOWN

-- Events are given back so many at a time, which takes the queue's lock less often.
local TOGETHER = 32
-- A session that was let in is open in no time. If it isn't, its client has gone, and
-- nobody says so: then this is how long request.state is kept.
local STATE_S = 60

local NO_ANSWER = "the hub has stopped, and answers nothing any more"

local NAMES = handlers.names
local running = coroutine.running

local Life = {}
Life.__index = Life

local dispatch = {}

--- of: the handlers by event; knows_sessions: OPEN and CLOSE are raised; runner: nil, or
--- what runs them.
function dispatch.new(handle, of, knows_sessions, log, runner)
  local life = setmetatable({
    handle = handle,
    log = log,
    sessions = {}, -- by id
    _of = of,
    _batch = {}, _at = 1, -- events that were taken, and the next of them
    _finished = {}, -- events that are to be given back
    _states = {}, _kept = queue.new(), -- of requests, until their sessions open
    _answers = {}, _ref = 0, -- by number: {what, callback, id, own, attach}
    _own_joins = {}, -- "ID ROOM" -> how many, that a handler of that session asked for
    _deliver = {}, -- by id: on_deliver of an attached session
    _attaching = {}, -- by id: those that aren't open yet
    _knows_sessions = knows_sessions,
    -- Lanes, by id or name:
    _of_sessions = {}, _of_rooms = {}, _of_clients = {}, _of_others = {},
  }, Life)
  if runner ~= nil then
    life._lanes = lanes.new(runner, function(work)
      life:_perform(work)
    end, function(why)
      log:say("error", "the runner failed: " .. why)
    end)
  end
  return life
end

-- --- taking events ---

function Life:_give_back()
  if #self._finished > 0 then
    native.fw_events_done(self.handle, self._finished)
    self._finished = {}
  end
end

function Life:_finish(event)
  local finished = self._finished
  finished[#finished + 1] = event
  if #finished >= TOGETHER then
    self:_give_back()
  end
end

--- Handle what waits; how many events that were, or nil and why.
function Life:poll(timeout_ms, max)
  -- After an error out of a handler (Ctrl-C) the rest of a batch is still to be handled.
  if self._batch[self._at] == nil then
    local batch, why, name = native.fw_hub_poll(self.handle, max, timeout_ms)
    if batch == nil then
      return nil, why, name
    end
    self._batch, self._at = batch, 1
  end
  local on, n = self._on, 0
  self._poller = running()
  while n < max do
    local e = self._batch[self._at]
    if e == nil then
      break
    end
    self._at = self._at + 1
    n = n + 1
    if on[e[1]](self, e) then
      self:_finish(e[3])
    end
  end
  self._poller = nil
  self:_give_back()
  return n
end

--- Are there events that were taken and not handled yet?
function Life:has_more()
  return self._batch[self._at] ~= nil
end

--- Give an event back that somebody has taken.
function Life:done(event)
  native.fw_events_done(self.handle, event)
end

--- What the runner was given will never return.
function Life:lost(f)
  self._lanes:lost(f)
end

--- Is nothing being handled?
function Life:is_quiet()
  return self._lanes == nil or self._lanes:is_quiet()
end

--- Does somebody wait for an answer?
function Life:has_asked()
  return next(self._answers) ~= nil or next(self._attaching) ~= nil
end

--- Nothing of this hub will be heard any more: what is asked is refused, and who waits
--- for an answer is told so. A callback that yields keeps the rest waiting, unless this
--- is called again.
function Life:forget()
  self._is_deaf = true
  for _, s in pairs(self.sessions) do
    rawset(s, "_closed", true)
  end
  local answers = self._answers
  for _, asked in pairs(self._attaching) do
    answers[#answers + 1] = {attach = asked}
  end
  self.sessions, self._states, self._own_joins, self._attaching = {}, {}, {}, {}
  local ref, answer = next(answers)
  while ref ~= nil do
    answers[ref] = nil
    self:_answer(answer, nil, nil, NO_ANSWER, "FW_ERR_CLOSED")
    ref, answer = next(answers)
  end
end

-- --- calling handlers ---

-- Have the handler called; true: and it has finished.
function Life:_submit(home, key, kind, whose, event, n, a, b, c, d)
  local handler = self._of[kind]
  if self._lanes == nil then
    if handler ~= nil then
      self:_call(handler, kind, whose, event, n, a, b, c, d)
    end
    return true
  end
  if handler == nil and home[key] == nil then
    return true
  end
  self._lanes:put(home, key, {handler, kind, whose, event, n, a, b, c, d})
  return false
end

-- What was put into a lane.
function Life:_perform(work)
  local handler, kind, whose, event = work[1], work[2], work[3], work[4]
  if handler ~= nil then
    self:_call(handler, kind, whose, event, work[5], work[6], work[7], work[8], work[9])
  end
  if event == nil then
    return
  elseif self._poller ~= nil and self._poller == running() then
    self:_finish(event)
  else -- it has yielded meanwhile, and nobody may poll for long
    self:done(event)
  end
end

function Life:_call(handler, kind, whose, event, n, a, b, c, d)
  local ok, outcome, more = call.protected(n, handler, a, b, c, d)
  if kind == CONNECT then
    if verdict.decide(self, kind, whose, event, ok, outcome, more) then
      self:_keep_state(whose)
    end
  elseif verdict.is_asked(kind) then
    verdict.decide(self, kind, whose, event, ok, outcome, more)
  elseif not ok then
    self.log:failed(NAMES[kind] or kind, whose, outcome)
  end
end

-- Some function of the application that is no handler; what: its name in the log.
function Life:_tell(what, f, whose, n, a, b, c)
  if self._lanes == nil then
    self:_call(f, what, whose, nil, n, a, b, c)
  else
    self._lanes:put_alone({f, what, whose, nil, n, a, b, c})
  end
end

-- --- sessions ---

-- The session is seen for the first time, by its OPEN if nothing went wrong.
function Life:_meet(e)
  local id = e[2]
  local kept = self._states[id]
  self._states[id] = nil
  local s = session.new(id, self, e[3], kept)
  self.sessions[id] = s
  return s
end

function Life:_keep_state(whose)
  local state = rawget(whose, "_state")
  if state == nil then
    return
  end
  local kept, now = self._kept, os.time()
  while not kept:is_empty() and (self._states[kept:front().id] == nil or
      kept:front().time < now - STATE_S) do
    self._states[kept:pop().id] = nil
  end
  kept:push{id = whose.id, time = now}
  self._states[whose.id] = state
end

-- --- requests and their answers ---

function Life:_ask(answer)
  self._ref = self._ref + 1
  self._answers[self._ref] = answer
  return self._ref
end

function Life:_take_answer(ref)
  local answer = self._answers[ref]
  self._answers[ref] = nil
  local own = answer and answer.own
  if own then
    local left = (self._own_joins[own] or 1) - 1
    self._own_joins[own] = left > 0 and left or nil
  end
  return answer
end

-- Tell who asked; ok is nil if it failed, id the session of an attach. Of what succeeded
-- why and name are what else there is to tell.
function Life:_answer(answer, ok, id, why, name)
  local asked = answer.attach
  if asked ~= nil then
    if ok then
      self._deliver[id] = asked
    end
    if ok and self._knows_sessions then -- its OPEN comes next, and makes the session
      self._attaching[id] = asked
    elseif asked.on_attached ~= nil then
      local s = ok and session.handle(id, self) or nil
      self:_tell("on_attached", asked.on_attached, s, 3, s, why, name)
    elseif not ok then
      self.log:say("warn", "attach failed, and nobody looked at it: " .. why)
    end
  elseif answer.callback ~= nil then
    self:_tell(answer.called, answer.callback, self.sessions[answer.id], 3, ok, why, name)
  elseif not ok then
    local ended = name == "FW_ERR_GONE" or name == "FW_ERR_CLOSED"
    self.log:say(ended and "debug" or "warn", string.format(
      "%s failed, and nobody looked at it: %s", answer.what, why))
  end
end

--- Ask for something, by call(handle, ref). what and of: it and whose it is, in the log.
--- made: nil, or what the callback gets of the answer's list.
function Life:ask(what, of, callback, call, made)
  if self._is_deaf then
    return nil, NO_ANSWER, "FW_ERR_CLOSED"
  end
  local ref = self:_ask{what = what .. " of " .. of, called = what .. " callback",
    callback = callback, id = "", made = made}
  local ok, why, name = call(self.handle, ref)
  if not ok then
    self:_take_answer(ref)
  end
  return ok, why, name
end

--- Ask for a join.
function Life:join(id, room, since, callback)
  local ok, why, name
  if id:sub(1, 16) ~= native.fw_hub_node(self.handle) then
    ok, why, name = native.fw_session_join_since(self.handle, id, room, since, 0)
    if ok and callback ~= nil then
      self:_tell("join callback", callback, nil, 1, true)
    end
    return ok, why, name
  elseif self._is_deaf then
    return nil, NO_ANSWER, "FW_ERR_CLOSED"
  end
  local own
  if self._lanes ~= nil and self._lanes:is_inside(self._of_sessions, id) then
    own = id .. " " .. room
    self._own_joins[own] = (self._own_joins[own] or 0) + 1
  end
  local ref = self:_ask{callback = callback, called = "join callback", id = id, own = own,
    is_join = true,
    what = string.format("join of room %q (session=%s)", room, id)}
  ok, why, name = native.fw_session_join_since(self.handle, id, room, since, ref)
  if not ok then
    self:_take_answer(ref)
  end
  return ok, why, name
end

--- Ask for an attached session; asked: {on_deliver =, on_attached =}. With take(event,
--- is_end) in the place of on_deliver whoever takes them gives the events back: done().
function Life:attach(user, head, address, asked)
  if self._is_deaf then
    return nil, NO_ANSWER, "FW_ERR_CLOSED"
  end
  local ref = self:_ask{attach = asked}
  local ok, why, name = native.fw_session_attach(self.handle, user, head, address, ref)
  if not ok then
    self:_take_answer(ref)
  end
  return ok, why, name
end

-- --- the events: each says whether it is finished ---

local on = {}
Life._on = on

on[CONNECT] = function(self, e)
  local r = request.new(e[2], e[3])
  return self:_submit(self._of_sessions, e[2], CONNECT, r, e[3], 1, r)
end

on[OPEN] = function(self, e)
  local s = self:_meet(e)
  local asked = self._attaching[e[2]]
  self._attaching[e[2]] = nil
  if asked ~= nil and asked.on_attached ~= nil then
    self:_tell("on_attached", asked.on_attached, s, 1, s)
  end
  return self:_submit(self._of_sessions, e[2], OPEN, s, e[3], 1, s)
end

on[MESSAGE] = function(self, e)
  local s = self.sessions[e[2]] or self:_meet(e)
  return self:_submit(self._of_sessions, e[2], MESSAGE, s, e[3], 3, s, e[4], e[5])
end

on[CLOSE] = function(self, e)
  local s = self.sessions[e[2]] or self:_meet(e)
  rawset(s, "_closed", true)
  self.sessions[e[2]] = nil
  return self:_submit(self._of_sessions, e[2], CLOSE, s, e[3], 3, s, e[4], e[5])
end

on[JOIN] = function(self, e)
  local s = self.sessions[e[2]] or self:_meet(e)
  if self._own_joins[e[2] .. " " .. e[4]] then -- the handler that asked may wait for it
    self._lanes:put_alone({self._of[JOIN], JOIN, s, e[3], 2, s, e[4]})
    return false
  end
  return self:_submit(self._of_sessions, e[2], JOIN, s, e[3], 2, s, e[4])
end

on[PUBLISH] = function(self, e)
  local s = self.sessions[e[2]] or self:_meet(e)
  return self:_submit(self._of_sessions, e[2], PUBLISH, s, e[3], 4, s, e[6], e[4], e[5])
end

on[REFRESH] = function(self, e)
  local s = self.sessions[e[2]] or self:_meet(e)
  return self:_submit(self._of_sessions, e[2], REFRESH, s, e[3], 1, s)
end

on[SUB_REFRESH] = function(self, e)
  local s = self.sessions[e[2]] or self:_meet(e)
  return self:_submit(self._of_sessions, e[2], SUB_REFRESH, s, e[3], 2, s, e[4])
end

on[RPC] = function(self, e)
  local s = self.sessions[e[2]] or self:_meet(e)
  return self:_submit(self._of_sessions, e[2], RPC, s, e[3], 3, s, e[6], e[4])
end

on[LEAVE] = function(self, e)
  local s = self.sessions[e[2]] or self:_meet(e)
  return self:_submit(self._of_sessions, e[2], LEAVE, s, e[3], 2, s, e[4])
end

on[ROOM_MESSAGE] = function(self, e)
  return self:_submit(self._of_rooms, e[6], ROOM_MESSAGE, nil, e[3],
    e[7] ~= nil and 4 or 3, e[6], e[4], e[5], e[7])
end

on[ROOM_RESET] = function(self, e)
  return self:_submit(self._of_rooms, e[4], ROOM_RESET, nil, e[3], 2, e[4], e[5])
end

on[ROOM_JOIN] = function(self, e)
  return self:_submit(self._of_rooms, e[4], e[1], nil, e[3], 2, e[4],
    {session = e[2], user = e[5], node = e[6], info = e[7]})
end

on[ROOM_LEAVE] = on[ROOM_JOIN]

on[NODE_UP] = function(self, e)
  return self:_submit(self._of_others, "nodes", e[1], nil, e[3], 1,
    presence.node(e[2], e[4]))
end

on[NODE_DOWN] = on[NODE_UP]

on[UP] = function(self, e)
  return self:_submit(self._of_others, "backplane", UP, nil, e[3], 0)
end

on[DOWN] = function(self, e)
  return self:_submit(self._of_others, "backplane", DOWN, nil, e[3], 1, e[4])
end

-- Why it failed, and the error's name.
local function failure_of(e)
  local code, why = e[5], e[6]
  return why ~= nil and why ~= "" and why or native.fw_strerror(code),
    native.fw_err_name(code)
end

on[RESULT] = function(self, e)
  local answer, code = self:_take_answer(e[4]), e[5]
  if answer ~= nil then
    local ok = code == native.FW_OK or nil
    local why, name = e[8], nil -- the position
    if answer.is_join and why ~= nil then
      name = e[9] -- has it got all that it had missed?
    end
    if ok and e[1] == HISTORY then
      ok, why, name = e[9], e[8], nil -- messages, and the position
    elseif not ok then
      why, name = failure_of(e)
    end
    self:_answer(answer, ok, e[2], why, name)
  end
  return true
end

on[HISTORY] = on[RESULT]

on[PRESENCE] = function(self, e)
  local answer = self:_take_answer(e[4])
  if answer == nil then
    return true
  elseif e[5] ~= native.FW_OK then
    self:_answer(answer, nil, e[2], failure_of(e))
  elseif answer.made ~= nil then
    self:_answer(answer, answer.made(e[9]), e[2])
  else
    self:_answer(answer, e[9], e[2], e[7], e[8] ~= 0 and e[8] or nil)
  end
  return true
end

on[DELIVER] = function(self, e)
  local id, code = e[2], e[6]
  local asked = self._deliver[id]
  local is_end = code ~= nil and code ~= 0
  if is_end then
    self._deliver[id] = nil
  end
  if asked == nil then
    return true
  elseif asked.take ~= nil then
    asked.take(e, is_end)
    return false
  end
  local deliver = asked.on_deliver
  local s = self.sessions[id]
  local text, binary, reason = e[4], e[5], e[7]
  if is_end then
    text, binary = nil, nil
  else
    code, reason = nil, nil
  end
  if self._lanes == nil then
    self:_call(deliver, "on_deliver", s, e[3], 4, text, binary, code, reason)
    return true
  end
  self._lanes:put(self._of_clients, id,
    {deliver, "on_deliver", s, e[3], 4, text, binary, code, reason})
  return false
end

on[LOG] = function(self, e)
  self.log:line(e[4], e[5], e[6])
  return true
end

return dispatch
