--[[
How Lua in nginx tells a test something: a line of JSON in a file that the test reads.

Required by the configurations that rig.py writes; it knows nothing of fanwire. Lines of
several workers don't mix: each is one write to a file that is open for appending.
]]

local cjson = require "cjson"

local telling = {}

--- tell(kind, value): the test's wait_told(kind) has the value.
function telling.tell(kind, value)
  if value == nil then
    value = cjson.null
  end
  local file = assert(io.open(telling.file, "a"))
  file:setvbuf("full", 262144)
  file:write(cjson.encode({kind, value}), "\n")
  file:close()
end

return telling
