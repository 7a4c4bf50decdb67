--[[
What the tests of the Lua package share: WebSocket clients, a Redis, hubs that log to a
list, and waiting against the clock while all of them go on.

Hub and clients live on one thread: wait() polls the hubs and runs luv's loop in turn.
What blocks (hub:run, hub:close with sessions) is tested with clients in a process of
their own.
]]

local fanwire = require "fanwire"
local uv = require "luv"

local support = {}

-- Sanitizers and slow machines: whoever runs the tests says by how much.
support.SLOW = tonumber(os.getenv("FW_TEST_SLOW") or "1")
support.DEADLINE = 60 * support.SLOW
-- May a function that is called by xpcall yield? Not in PUC's Lua 5.1.
support.can_yield = _VERSION ~= "Lua 5.1" or rawget(_G, "jit") ~= nil

local hubs, clients, endings = {}, {}, {}

local function now()
  return fanwire.native.fwb_now()
end

--- Let everybody do what they can do now.
function support.pump(polls)
  if polls ~= false then
    for _, hub in ipairs(hubs) do
      if hub:running() then
        hub:poll(0.001)
      end
    end
  end
  uv.run("nowait")
end

--- condition(), once it is true; what: for the failure. polls = false: no hub is polled.
function support.wait(condition, what, polls)
  local till = now() + support.DEADLINE
  while true do
    local value = condition()
    if value then
      return value
    elseif now() > till then
      error("not in time: " .. (what or "a condition"), 2)
    end
    support.pump(polls)
    if polls == false then
      uv.sleep(1)
    end
  end
end

--- Let so much time go by.
function support.pass(seconds)
  local till = now() + seconds
  support.wait(function() return now() >= till end)
end

--- A list, and a function that appends what it is called with: one value bare, several
--- as a table.
function support.seen()
  local seen = {}
  return setmetatable(seen, {__call = function(_, ...)
    seen[#seen + 1] = select("#", ...) > 1 and {...} or (...)
  end})
end

--- f() is an error at a line of the test, with a text like that. luassert's own
--- error_matches takes the position away.
function support.raises(pattern, f, ...)
  local ok, why = pcall(f, ...)
  if ok then
    error("no error, where one is wanted like: " .. pattern, 2)
  elseif not why:find("_spec.lua:%d+: " .. pattern) then
    error(string.format("%q is not an error of the test like: %s", why, pattern), 2)
  end
end

--- What a call gave is nil, a sentence like that, and a name.
function support.failed(pattern, name, ok, why, said)
  if ok ~= nil or said ~= name or not tostring(why):find(pattern) then
    error(string.format("%s, %s, %s; wanted: nil, %q, %s", tostring(ok), tostring(why),
      tostring(said), pattern, name), 2)
  end
end

-- --- hubs ---

--- A hub that isn't started, and its log: lines as {level, component, line}.
function support.hub(options)
  local lines = support.seen()
  local all = {listen = "ws://127.0.0.1:0/ws", log = lines}
  for key, value in pairs(options or {}) do
    all[key] = value
  end
  local hub = assert(fanwire.hub(all))
  hubs[#hubs + 1] = hub
  return hub, lines
end

--- The same, with handlers by name, started.
function support.started(handlers, options)
  local hub, lines = support.hub(options)
  for name, handler in pairs(handlers or {}) do
    assert(hub:on(name, handler))
  end
  assert(hub:start())
  return hub, lines
end

--- The hubs of this test, in the order in which they were made.
function support.hubs()
  return hubs
end

--- The first line of the log with that in it, once it is there.
function support.logged(lines, text)
  local found
  support.wait(function()
    for _, line in ipairs(lines) do
      if line[3]:find(text, 1, true) then
        found = line
        return true
      end
    end
    return false
  end, "a line of the log with " .. text)
  return found
end

-- --- clients ---

local Client = {}
Client.__index = Client

local function frame(opcode, payload)
  local head = string.char(0x80 + opcode)
  local n = #payload
  if n < 126 then
    head = head .. string.char(0x80 + n)
  elseif n < 65536 then
    head = head .. string.char(0x80 + 126, math.floor(n / 256), n % 256)
  else
    head = head .. string.char(0x80 + 127, 0, 0, 0, 0, math.floor(n / 16777216) % 256,
      math.floor(n / 65536) % 256, math.floor(n / 256) % 256, n % 256)
  end
  return head .. "\0\0\0\0" .. payload -- a mask of zeros changes nothing
end

local function parse_frames(self)
  while #self.buffer >= 2 do
    local b1, b2 = self.buffer:byte(1, 2)
    local at, n = 3, b2 % 128
    if n == 126 then
      if #self.buffer < 4 then return end
      local h, l = self.buffer:byte(3, 4)
      n, at = h * 256 + l, 5
    elseif n == 127 then
      if #self.buffer < 10 then return end
      n, at = 0, 11
      for i = 3, 10 do
        n = n * 256 + self.buffer:byte(i)
      end
    end
    if #self.buffer < at + n - 1 then return end
    local opcode, payload = b1 % 16, self.buffer:sub(at, at + n - 1)
    self.buffer = self.buffer:sub(at + n)
    if opcode == 8 then
      self.code = #payload >= 2 and payload:byte(1) * 256 + payload:byte(2) or 1005
      self.reason = payload:sub(3)
      if not self.closing then
        self.tcp:write(frame(8, payload:sub(1, 2)))
      end
    elseif opcode == 9 then
      self.pings = self.pings + 1
      if not self.is_mute then
        self.tcp:write(frame(10, payload))
      end
    elseif opcode == 1 or opcode == 2 then
      self.received[#self.received + 1] = {payload, opcode == 2}
    end
  end
end

local function on_read(self, chunk)
  if chunk == nil then
    self.ended = true
    self.code = self.code or 1006
    if not self.tcp:is_closing() then
      self.tcp:close()
    end
    return
  end
  self.buffer = self.buffer .. chunk
  if self.status == nil then
    local head, rest = self.buffer:match("^(.-)\r\n\r\n(.*)$")
    if head == nil then return end
    self.head, self.buffer = head, rest
    self.status = tonumber(head:match("^HTTP/1.1 (%d+)"))
  end
  if self.status == 101 then
    parse_frames(self)
  end
end

--- A client that has sent its request; headers: a table of more of them, several values
--- of one name as a list.
function support.connecting(url, headers)
  local host, port, path = url:match("^ws://([%d.]+):(%d+)(.*)$")
  local self = setmetatable(
    {buffer = "", received = {}, pings = 0, tcp = uv.new_tcp()}, Client)
  clients[#clients + 1] = self
  local lines = {"GET " .. path .. " HTTP/1.1", "Host: " .. host .. ":" .. port,
    "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
  for name, value in pairs(headers or {}) do
    for _, one in ipairs(type(value) == "table" and value or {value}) do
      lines[#lines + 1] = name .. ": " .. one
    end
  end
  self.tcp:connect(host, tonumber(port), function(err)
    assert(not err, err)
    self.tcp:write(table.concat(lines, "\r\n") .. "\r\n\r\n")
    self.tcp:read_start(function(read_err, chunk)
      on_read(self, not read_err and chunk or nil)
    end)
  end)
  return self
end

--- A client that is in. hub: or a URL; query: "room=a".
function support.client(hub, query, headers)
  local url = type(hub) == "string" and hub or hub:urls()[1]
  local self = support.connecting(url .. (query and "?" .. query or ""), headers)
  support.wait(function() return self.status end, "an answer to the handshake")
  assert(self.status == 101, "the handshake was refused: " .. tostring(self.head))
  return self
end

--- status and body of the answer to a client that isn't let in.
function support.refused(hub, query)
  local self = support.connecting(hub:urls()[1] .. (query and "?" .. query or ""))
  support.wait(function() return self.ended end, "the end of a refused connection")
  return self.status, self.buffer
end

function Client:send(text)
  self.tcp:write(frame(1, text))
end

function Client:send_binary(bytes)
  self.tcp:write(frame(2, bytes))
end

--- The next message, and is it binary.
function Client:receive()
  support.wait(function() return self.received[1] or self.ended end, "a message")
  assert(self.received[1], "the connection ended: " .. tostring(self.code or self.status))
  local message = table.remove(self.received, 1)
  return message[1], message[2]
end

--- The next message that isn't this one.
function Client:receive_other(than)
  local text, binary
  repeat
    text, binary = self:receive()
  until text ~= than
  return text, binary
end

function Client:ask(text)
  self:send(text)
  return self:receive()
end

function Client:close(code, reason)
  self.closing = true
  local payload = ""
  if code ~= nil then
    payload = string.char(math.floor(code / 256), code % 256) .. (reason or "")
  end
  self.tcp:write(frame(8, payload))
end

--- code and reason of the end that the server has made.
function Client:wait_closed()
  support.wait(function() return self.code end, "the end of the connection")
  return self.code, self.reason
end

function Client:cut()
  if not self.tcp:is_closing() then
    self.tcp:close()
  end
end

--- Clients that are no longer needed, for tests that have very many of them.
function support.forget_clients()
  for _, client in ipairs(clients) do
    client:cut()
  end
  clients = {}
end

-- --- what this process has ---

--- How many descriptors are open; of: a pattern for what they are of ("^socket:").
function support.descriptors(of)
  local n, dir = 0, uv.fs_scandir("/proc/self/fd")
  local name = uv.fs_scandir_next(dir)
  while name do
    local what = of and uv.fs_readlink("/proc/self/fd/" .. name) or ""
    if what:find(of or "") then
      n = n + 1
    end
    name = uv.fs_scandir_next(dir)
  end
  return n
end

--- A line of /proc/self/status: "Threads", or "VmRSS" in KiB.
function support.own(what)
  local file = io.open("/proc/self/status")
  local text = file:read("*a")
  file:close()
  return tonumber(text:match("\n" .. what .. ":%s*(%d+)"))
end

-- --- processes ---

--- A program with its output: {lines =, status =, kill()}.
function support.spawn(program, args, env)
  local out, into = uv.new_pipe(false), uv.new_pipe(false)
  local self = {text = ""}
  local handle, pid = uv.spawn(program, {args = args, stdio = {into, out, 2}, env = env},
    function(status, signal)
      self.status, self.signal = status, signal
    end)
  assert(handle, pid)
  out:read_start(function(_, chunk)
    self.text = self.text .. (chunk or "")
    if chunk == nil then
      self.heard_all = true
      out:close()
    end
  end)
  function self.kill(signal)
    if self.status == nil then
      handle:kill(signal or "sigkill")
    end
  end
  function self.say(line)
    into:write(line .. "\n")
  end
  function self.wait_end()
    support.wait(function() return self.status end, "the end of " .. program, false)
    return self.status, self.signal
  end
  function self.wait_line(pattern)
    support.wait(function() return self.text:match(pattern) end, pattern, false)
    return self.text:match(pattern)
  end
  endings[#endings + 1] = function()
    self.kill()
    self.wait_end()
    into:close()
  end
  return self
end

--- What a command of the shell prints. Of our environment it has the path alone: with a
--- sanitizer preloaded there is no shell.
function support.shell(command)
  local path = "PATH=" .. os.getenv("PATH")
  local process = support.spawn("/bin/sh", {"-c", command}, {path})
  assert(process.wait_end() == 0, command)
  support.wait(function() return process.heard_all end, "all of it", false)
  return process.text
end

--- The same of a program in this Lua, which finds the package and what tests share.
function support.lua(text)
  return support.spawn(arg[-1] or "lua", {"-e", string.format(
    "package.path, package.cpath = %q, %q\n", package.path, package.cpath) .. text})
end

--- A client in a process of its own, which prints what it receives; says: what it sends.
function support.foreign_client(url, says)
  return support.spawn("/usr/bin/python3", {"-c", [[
import asyncio, sys, websockets
async def main(url, *says):
    async with websockets.connect(url) as ws:
        print("in", flush=True)
        for said in says:
            await ws.send(said)
        try:
            while True:
                print("got", await ws.recv(), flush=True)
        except websockets.ConnectionClosed:
            print("closed", ws.close_code, ws.close_reason, flush=True)
asyncio.run(main(*sys.argv[1:]))
]], url, (table.unpack or unpack)(says or {})}) -- luacheck: ignore
end

--- The URL of a Redis that is there until the test has ended, and its process.
function support.redis()
  local folder = assert(uv.fs_mkdtemp("/tmp/fanwire-lua-XXXXXX"))
  local socket = folder .. "/redis.sock"
  local process
  local function start()
    process = support.spawn("redis-server", {"--port", "0", "--unixsocket", socket,
      "--save", "", "--appendonly", "no", "--dir", folder, "--loglevel", "warning"})
    local answers = false -- the file is there before anybody listens
    support.wait(function()
      local pipe = uv.new_pipe(false)
      pipe:connect(socket, function(err)
        answers = answers or not err
        pipe:close()
      end)
      uv.run("nowait")
      return answers
    end, "redis-server", false)
  end
  start()
  table.insert(endings, 1, function()
    local dir = uv.fs_scandir(folder)
    for name in function() return uv.fs_scandir_next(dir) end do
      uv.fs_unlink(folder .. "/" .. name)
    end
    assert(uv.fs_rmdir(folder))
  end)
  return "redis+unix://" .. socket, {
    stop = function()
      process.kill("sigterm")
      support.wait(function() return process.status end, "the end of redis-server", false)
    end,
    start = start,
  }
end

-- --- the end of a test ---

function support.end_all()
  for _, client in ipairs(clients) do
    client:cut()
  end
  uv.run("nowait")
  for _, hub in ipairs(hubs) do
    hub:stop()
  end
  for i = #endings, 1, -1 do
    endings[i]()
  end
  hubs, clients, endings = {}, {}, {}
  uv.run("nowait")
  collectgarbage()
end

return support
