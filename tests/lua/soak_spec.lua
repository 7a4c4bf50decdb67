-- Connects, messages and closes for a while: nothing may be left of them.
-- FW_LUA_SOAK_SECONDS says for how long.
local support = require "support"

local SECONDS = tonumber(os.getenv("FW_LUA_SOAK_SECONDS") or "4")

describe("soak:", function()
  after_each(support.end_all)

  it("nothing is left of connects, messages and closes", function()
    local deadline = support.DEADLINE
    finally(function() support.DEADLINE = deadline end)
    support.DEADLINE = deadline + 2 * SECONDS
    local program = support.lua(string.format("assert(loadfile(%q))(%d)",
      debug.getinfo(1, "S").source:match("^@(.*)_spec.lua$") .. "ing.lua", SECONDS))
    program.wait_line("\nend\n")
    local found = {}
    for line in program.text:gmatch("then ([^\n]+)") do
      local figures = {}
      for what, n in line:gmatch("(%a+)=(%d+)") do
        figures[what] = tonumber(n)
      end
      found[#found + 1] = figures
    end
    local first, last, counts = found[1], found[2], {}
    for what, n in program.text:gmatch("count (%a+)=(%d+)") do
      counts[what] = tonumber(n)
    end
    assert.equal(first.files, last.files)
    assert.equal(first.threads, last.threads)
    assert.is_true(last.lua - first.lua < 256, program.text)
    assert.is_true(last.resident - first.resident < 16 * 1024 * support.SLOW,
      program.text)
    assert.is_true(counts.open > 20)
    assert.equal(counts.open, counts.close)
    assert.equal(2 * counts.open, counts.join)
    assert.equal(counts.join, counts.leave)
    assert.is_true(counts.said >= counts.open)
  end)
end)
