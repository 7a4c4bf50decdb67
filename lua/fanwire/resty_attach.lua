--[[
A WebSocket that nginx itself has accepted, by lua-resty-websocket, as a session of the
hub.

  local wb = assert(require("resty.websocket.server"):new{ timeout = 30000 })
  local session = assert(resty.attach(wb, { user = "ann", rooms = { "lobby" } }))
  while true do
    local data, kind, why = wb:recv_frame()
    ...                                       -- the loop of the application, as ever
  end

What is sent to the session waits in a box, and a light thread of the request writes it to
the connection: an event is given back when it is written, so a client that reads slowly
is the outbox's business like any other. The methods of this one `wb` are wrapped: what
writes takes turns with that thread, and the session ends when recv_frame sees the end.

A request may be ended by nginx without a word: its light threads are never run again
then. A box whose thread doesn't wait where it should is found by what comes next for it,
and by a look at all boxes now and then.
]]

local check = require "fanwire.check"
local native = require "fanwire.native"
local queue = require "fanwire.queue"
local semaphore = require "ngx.semaphore"
local wait = require "fanwire.resty_wait"

local LONG_S = 86400
-- How long a client may take to answer our Close frame.
local CLOSE_S = 5

local PHASES = {rewrite = true, access = true, content = true}
local SENDS = {"send_text", "send_binary", "send_ping", "send_pong", "send_close",
  "send_frame", "send_continue"}

local now = native.fwb_now

local attach = {}

local Box = {}
Box.__index = Box

-- --- between the hub and the thread that writes ---

-- In the hub's request: an event for the client, or the end.
function Box:take(e, is_end)
  self.has_ended = self.has_ended or is_end
  if self.is_over then
    self.life:done(e[3])
    if is_end then
      self:settle()
    end
    return
  end
  self.items:push{event = e[3], data = e[4], binary = e[5],
    code = is_end and e[6] or nil, reason = e[7]}
  self:call()
end

-- Have its thread look.
function Box:call()
  if self.is_waiting and not self.is_called then
    if self.sema:count() < 0 then
      self.is_called = true
      self.sema:post(1)
    else
      self:finish() -- nobody waits
    end
  end
end

-- Has nginx ended the request? Its socket has no connection then.
function Box:is_dead()
  local socket = self.wb.sock
  if type(socket) ~= "table" then
    return false
  end
  local fine, times = pcall(ngx.socket.tcp().getreusedtimes, socket)
  return fine and times == nil
end

-- Now and then: is its thread still there?
function Box:look()
  if self.ending ~= nil then
    self:tell_end()
  end
  local was = self.seen
  self.seen = self.progress
  if not self.is_over and (self:is_dead() or self.seen == was
      and (self.is_called or not self.is_serving or self.has_ended)) then
    if self.has_ended then -- a Close frame can't be written, either
      self.close_till = self.close_till or now()
    end
    self:finish()
  end
  self:call()
  self:stir()
end

-- Have those look again who wait for their turn to write.
function Box:stir()
  if self.writers > 0 then
    self.turn:post(self.writers)
  end
end

-- The hub knows of the end, or comes to it by itself.
function Box:settle()
  self.is_told = true
  if self.is_over then
    self.all[self] = nil
  end
end

-- Nobody writes any more.
function Box:finish()
  self.is_over, self.is_waiting = true, false
  self:tell_end(1006) -- no news if it has ended
  local item = self.items:pop()
  while item ~= nil do
    self.life:done(item.event)
    item = self.items:pop()
  end
end

--- The client has closed, or has gone (1006). While the hub is too busy to take that, it
--- is told again at each look; what was said first counts.
function Box:tell_end(code, reason)
  if not self.is_told then
    reason = reason and not reason:find("%z") and reason or ""
    local ending = self.ending or {code, reason}
    self.ending = ending
    local handle, id = self.life.handle, self.id
    local _, _, name = native.fw_session_feed_close(handle, id, ending[1], ending[2])
    if name == "FW_ERR_INVALID" then -- clients may say anything: not UTF-8, say
      ending[1], ending[2] = 1005, ""
      _, _, name = native.fw_session_feed_close(handle, id, 1005, "")
    end
    if name == "FW_ERR_BUSY" and not self.has_ended then
      return
    end
  end
  self:settle()
end

-- --- in the request of the connection ---

-- One at a time writes: nginx allows no two. Who writes already may go on, since a method
-- may be made of another. Between the fragments of the application's message comes none
-- of ours.
local function in_turn(box, f)
  return function(wb, ...)
    local me = coroutine.running()
    if box.writer == me then
      return f(wb, ...)
    end
    while not wb.fatal
        and (box.writer ~= nil or box.is_in_fragments and me == box.thread) do
      if me == box.thread and coroutine.status(box.caller) == "dead" then
        return nil, "the request is over"
      end
      box.writers = box.writers + 1
      box.turn:wait(LONG_S)
      box.writers = box.writers - 1
    end
    box.writer = me
    local ok, a, b = pcall(f, wb, ...)
    box.writer = nil
    if box.writers > 0 then
      box.turn:post(1)
    end
    if not ok then
      error(a, 0)
    end
    return a, b
  end
end

local CONTROL = 0x8

local function note_last(box, send_continue)
  return function(wb, ...)
    box.is_in_fragments = false
    return send_continue(wb, ...)
  end
end

local function note_fragments(box, send_frame)
  return function(wb, fin, opcode, ...)
    if type(opcode) == "number" and opcode < CONTROL then
      box.is_in_fragments = not fin
    end
    return send_frame(wb, fin, opcode, ...)
  end
end

-- What the client gave, or that it gave none: of the codes that may be sent.
local function client_code(code)
  if type(code) ~= "number" then
    return 1005
  end
  local known = code >= 1000 and code <= 1003 or code >= 1007 and code <= 1014
    or code >= 3000 and code <= 4999
  return known and code or 1005
end

local function watch_receiving(box, recv_frame)
  return function(wb, ...)
    local data, kind, why = recv_frame(wb, ...)
    if kind == "close" then
      box:tell_end(client_code(why), data)
    elseif data == nil and wb.fatal then
      box:tell_end(1006)
      box:stir()
    elseif box.close_till and now() > box.close_till then -- whatever it says instead
      wb.fatal = true
      return nil, nil, "the client has not answered the Close frame"
    end
    return data, kind, why
  end
end

local function wrap(box, wb)
  if wb.send_frame ~= nil then
    wb.send_frame = note_fragments(box, wb.send_frame)
  end
  if wb.send_continue ~= nil then
    wb.send_continue = note_last(box, wb.send_continue)
  end
  for _, name in ipairs(SENDS) do
    if wb[name] ~= nil then
      wb[name] = in_turn(box, wb[name])
    end
  end
  local send_close = wb.send_close
  wb.send_close = function(self, code, reason)
    if box.close_till ~= nil then -- that has been said
      return 1
    end
    box.close_till = now() + CLOSE_S
    local sent, why = send_close(self, code, reason)
    box:tell_end(client_code(code), type(reason) == "string" and reason or "")
    return sent, why
  end
  wb.recv_frame = watch_receiving(box, wb.recv_frame)
end

local function write(box, wb, item)
  if item.code ~= nil then
    if item.code ~= 1005 and item.code ~= 1006 then
      wb:send_close(item.code, item.reason)
    elseif box.close_till == nil and not wb.fatal then
      wb:send_close()
    end
    return true
  end
  if wb.fatal then
    return true
  end
  local send = item.binary and wb.send_binary or wb.send_text
  return not send(wb, item.data)
end

-- The light thread that writes to the connection, until the end.
local function serve(box, wb)
  local is_over = false
  box.is_serving, box.thread = true, coroutine.running()
  while not is_over and not box.is_over do
    local item = box.items:pop()
    box.progress = box.progress + 1
    if item ~= nil then
      is_over = write(box, wb, item)
      box.life:done(item.event)
    elseif coroutine.status(box.caller) == "dead" then
      is_over = true
    else
      box.is_waiting = true
      box.sema:wait(LONG_S)
      box.is_waiting, box.is_called = false, false
    end
  end
  if not box.is_over then
    box:finish()
  end
end

-- --- looking after them ---

local watch

local function look_at_all(premature, worker)
  local all = {}
  for box in pairs(worker.boxes) do
    all[#all + 1] = box
  end
  for _, box in ipairs(all) do
    box:look()
  end
  worker.watch_till = nil
  if not premature and next(worker.boxes) ~= nil then
    watch(worker)
  end
end

-- nginx may refuse a timer, or drop one that is due: the next box has it tried again.
function watch(worker)
  if worker.watch_till == nil or now() > worker.watch_till then
    local ok = ngx.timer.at(worker.watch_s, look_at_all, worker)
    worker.watch_till = ok and now() + 2 * worker.watch_s or nil
  end
end

local function keep(worker, box)
  worker.boxes[box] = true
  watch(worker)
end

-- --- attaching ---

local function check_how(how)
  check.type(how, "table", "attach", 4)
  for key, value in pairs(how) do
    if key == "user" then
      check.type(value, "string", "user", 4)
    elseif key == "rooms" then
      check.type(value, "table", "rooms", 4)
      for _, room in ipairs(value) do
        check.type(room, "string", "rooms", 4)
      end
    else
      check.fail(4, "attach: %s is not known", tostring(key))
    end
  end
end

local function check_websocket(wb)
  check.type(wb, "table", "websocket", 4)
  for _, name in ipairs{"recv_frame", "send_text", "send_binary", "send_close"} do
    if type(wb[name]) ~= "function" then
      check.fail(4, "websocket: it has no %s()", name)
    end
  end
end

local function join_all(session, rooms)
  for _, room in ipairs(rooms) do
    local ok, why, name = wait.answer(function(answered)
      return session:join(room, answered)
    end)
    if not ok then
      return nil, why, name
    end
  end
  return true
end

-- caller: the thread whose end is that of the request.
local function new_box(worker, wb)
  return setmetatable({life = worker.life, all = worker.boxes, items = queue.new(),
    wb = wb, caller = coroutine.running(),
    sema = semaphore.new(0), turn = semaphore.new(0), writers = 0, progress = 0}, Box)
end

--- Make a session of a connection; how: {user =, rooms =}. It yields until the session is
--- there and in its rooms. The session, or nil, why, name.
function attach.attach(worker, wb, how)
  check_websocket(wb)
  check_how(how)
  if not PHASES[ngx.get_phase()] then
    return nil,
      "attach() belongs where the WebSocket was made, not into " .. ngx.get_phase(),
      "FW_ERR_STATE"
  elseif rawget(wb, "fanwire_session") ~= nil then
    return nil, "this WebSocket has a session already", "FW_ERR_STATE"
  end
  local ok, why, name = check.text(how.user, "user")
  if not ok then
    return nil, why, name
  end
  local box, session = new_box(worker, wb)
  session, why, name = wait.answer(function(answered)
    return box.life:attach(how.user, ngx.req.raw_header(), ngx.var.remote_addr or "", {
      take = function(e, is_end)
        box:take(e, is_end)
      end,
      on_attached = function(made, ...)
        if made ~= nil then
          box.id = made.id
          keep(worker, box)
        end
        answered(made, ...)
      end,
    })
  end)
  if session == nil then
    return nil, why, name
  end
  wb.fanwire_session = session
  wrap(box, wb)
  ngx.thread.spawn(serve, box, wb)
  ok, why, name = join_all(session, how.rooms or {})
  if not ok then
    session:close(1008, "a room can't be joined")
    return nil, why, name
  end
  return session
end

return attach
