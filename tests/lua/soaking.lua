--[[
Connects, messages and closes for so many seconds, and what the process has after a
quarter of them and at the end: a program of its own, so that nothing else is counted.
]]

local fanwire = require "fanwire"
local support = require "support"
local uv = require "luv"

local SECONDS = tonumber((...))

local counts = {open = 0, close = 0, join = 0, leave = 0, said = 0}
local function count(what)
  counts[what] = counts[what] + 1
end
local hub, lines
hub, lines = support.hub{log_level = "warn"}
hub:on("connect", function(request)
  request.state.name = request.query.name
  if request.query.name == "refused" then
    return fanwire.refuse(403)
  end
  return request.query.name
end):on("open", function(s)
  count("open")
  s:join("r")
  s:join(s.user, function() s:send("in") end)
end):on("message", function(s, data, binary)
  count("said")
  hub:publish("r", data, binary)
  hub:send_user(s.state.name, {said = true})
  if data == "fail" then
    error("on purpose")
  end
end):on("join", function() count("join") end)
  :on("leave", function() count("leave") end)
  :on("close", function() count("close") end)
assert(hub:start())
local idle = support.descriptors("^socket:")

local function round(i)
  local a, b = support.client(hub, "name=ann"), support.client(hub, "name=bob")
  local first = a:receive_other("")
  assert(first == "in", first)
  b:receive_other("")
  a:send("text " .. i)
  b:send_binary(("\0"):rep(i % 5000))
  support.wait(function() return #a.received >= 3 and #b.received >= 3 end)
  if i % 10 == 0 then
    assert(support.refused(hub, "name=refused") == 403)
    a:send("fail")
    hub:session(hub:sessions()[1].id):close(4000)
  end
  a:close(1000)
  if i % 2 == 0 then
    b:cut()
  else
    hub:user("bob"):disconnect(4001, "enough")
  end
  support.wait(function() return hub:stats().fanwire_sessions == 0 end)
  support.forget_clients()
  while lines[1] do
    lines[#lines] = nil
  end
end

local n = 0
local function run_for(seconds)
  local till = fanwire.native.fwb_now() + seconds
  repeat
    n = n + 1
    round(n)
  until fanwire.native.fwb_now() > till
  support.wait(function() return counts.open == counts.close end, "each close")
  support.wait(function()
    return support.descriptors("^socket:") == idle
  end, "the end of the last socket")
  collectgarbage()
  collectgarbage()
  print(string.format("then files=%d threads=%d resident=%d lua=%d",
    support.descriptors(), support.own("Threads"), support.own("VmRSS"),
    math.floor(collectgarbage("count"))))
end

run_for(math.max(1, SECONDS / 4))
run_for(math.max(2, SECONDS * 3 / 4))
for what, how_many in pairs(counts) do
  print(string.format("count %s=%d", what, how_many))
end
hub:close()
-- What is still closing when the state ends can crash luv, and nothing would be printed.
uv.walk(function(handle)
  if not handle:is_closing() then
    handle:close()
  end
end)
uv.run()
print("end")
