-- The programs of docs/examples/lua, as their README says they are started: each in a
-- process of its own, in this Lua.
local support = require "support"

local FOLDER = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*/[^/]*$")
  .. "/../docs/examples/lua/"

-- The program on a port of its own, and its URL.
local function started(file, before)
  local program = support.lua((before or "") .. string.format(
    "arg = {[0] = %q, 'ws://127.0.0.1:0/ws'} assert(loadfile(arg[0]))()", FOLDER .. file))
  return program, (program.wait_line("listening on (ws://%S+)"))
end

local function is_time(text)
  return text:find("^%d+:%d+:%d+") ~= nil
end

-- What is said, and not the time.
local function next_word(client)
  local text, binary
  repeat
    text, binary = client:receive()
  until not is_time(text)
  return text, binary
end

local function ends_in_good_order(program, client, signal)
  program.kill(signal)
  assert.equal(1001, (client:wait_closed()))
  assert.equal(0, (program.wait_end()))
end

-- What the two programs beside a loop have in common.
local function goes_with_the_loop(file, signal)
  local program, url = started(file)
  local ann, bob = support.client(url), support.client(url)
  support.wait(function() return #ann.received > 0 and #bob.received > 0 end,
    "the clock, which is the loop's", false)
  assert.is_true(is_time((ann:receive())))
  ann:send("hello")
  assert.equal("hello", (next_word(ann)))
  assert.equal("hello", (next_word(bob)))
  bob:send_binary("\0\255")
  assert.same({"\0\255", true}, {next_word(ann)})
  ends_in_good_order(program, ann, signal)
end

describe("the examples:", function()
  after_each(support.end_all)

  it("the echo says back what it is told", function()
    local file = assert(io.open(FOLDER .. "echo.lua"))
    local text, n = file:read("*a"):gsub('"ws://127.0.0.1:9090/ws"', [[
      "ws://127.0.0.1:0/ws", log = function(_, _, line)
        print(line)
        io.stdout:flush()
      end]])
    file:close()
    assert.equal(1, n)
    local client = support.client(
      support.lua(text).wait_line("listening on (ws://%S+)"))
    assert.equal("hello", (client:ask("hello")))
    client:send_binary("\0\255")
    assert.same({"\0\255", true}, {client:receive()})
  end)

  for _, signal in ipairs{"sigterm", "sigint"} do
    it("a hub in luv's loop goes with it, and ends by a signal: " .. signal, function()
      goes_with_the_loop("with_luv.lua", signal)
    end)

    it("a hub in cqueues' loop goes with it, and ends by a signal: " .. signal, function()
      goes_with_the_loop("with_cqueues.lua", signal)
    end)
  end

  if support.can_yield then
    it("a handler that waits in cqueues delays no other session", function()
      -- A busy machine can take a second over two messages.
      local _, url = started("with_cqueues.lua", [[
        local cqueues = require "cqueues"
        local sleep = cqueues.sleep
        cqueues.sleep = function(s) sleep(5 * s) end
      ]])
      local sleeper, other = support.client(url), support.client(url)
      sleeper:send("sleep")
      other:send("awake")
      assert.equal("awake", (next_word(other)))
      assert.equal("awake", (next_word(sleeper)))
      assert.equal("slept well", (next_word(sleeper)))
    end)
  end
end)
