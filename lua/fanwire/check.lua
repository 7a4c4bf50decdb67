--[[
What an argument may be, looked at before C sees it. A wrong type is an error() at the
line of the application; a wrong value is nil, a sentence, a name, as C itself says it.

`level` is counted as error() does, from the function that is given it: 1 is that
function, 2 who called it. Whoever passes one on adds 1.
]]

local check = {}

local function fail(level, text, ...)
  error(string.format(text, ...), level + 1)
end

check.fail = fail

--- The value is of that type, or it is an error: "room: a string is wanted, not nil".
function check.type(value, wanted, what, level)
  if type(value) ~= wanted then
    fail(level + 1, "%s: a %s is wanted, not %s", what, wanted, type(value))
  end
end

--- The same for what may be left out.
function check.optional(value, wanted, what, level)
  if value ~= nil and type(value) ~= wanted then
    fail(level + 1, "%s: a %s or nil is wanted, not %s", what, wanted, type(value))
  end
end

function check.is_callable(value)
  if type(value) == "function" then
    return true
  end
  local mt = getmetatable(value)
  return type(mt) == "table" and type(mt.__call) == "function"
end

function check.callable(value, what, level)
  if not check.is_callable(value) then
    fail(level + 1, "%s: a function is wanted, not %s", what, type(value))
  end
end

--- A number of seconds as whole milliseconds; -1 for math.huge.
function check.milliseconds(seconds, what, level)
  check.type(seconds, "number", what, level + 1)
  if seconds == math.huge then
    return -1
  end
  if not (seconds >= 0 and seconds <= 86400 * 20) then
    fail(level + 1, "%s: seconds from 0 on are wanted, not %s", what, tostring(seconds))
  end
  return math.ceil(seconds * 1000)
end

--- A whole number that C's int holds, as an integer.
function check.whole(n, what, level)
  check.type(n, "number", what, level + 1)
  if n ~= math.floor(n) or n > 2147483647 or n < -2147483648 then
    fail(level + 1, "%s: a whole number is wanted, not %s", what, tostring(n))
  end
  return math.tointeger and math.tointeger(n) or n
end

--- What the application has returned or raised as a text, whatever its __tostring does.
function check.text_of(value)
  local ok, text = pcall(tostring, value)
  return ok and type(text) == "string" and text or "(no text: its __tostring failed)"
end

-- Of values that only C can judge, what must not reach it: true, or nil and why.

--- C's text ends at the first NUL.
function check.text(text, what)
  if text ~= nil and text:find("%z") then
    return nil, what .. ": embedded NUL", "FW_ERR_INVALID"
  end
  return true
end

--- How a connection is to be ended: the code (1000 if left out) and the reason, or nil
--- and why.
function check.close(code, reason, level)
  check.optional(code, "number", "code", level + 1)
  check.optional(reason, "string", "reason", level + 1)
  code = check.whole(code or 1000, "code", level + 1)
  local ok, why, name = check.text(reason, "reason")
  if not ok then
    return nil, why, name
  elseif code < 0 then -- a negative number is another one to C
    return nil, string.format("code: %d can't be sent", code), "FW_ERR_INVALID"
  end
  return code, reason or ""
end

function check.id(id, what)
  if #id == 32 and not id:find("%X") then
    return true
  end
  return nil, string.format('%s: 32 hexadecimal digits are wanted, not "%s"', what, id),
    "FW_ERR_INVALID"
end

--- A position as text; nil is none.
function check.position(text, what)
  if text == nil then
    return true
  end
  local epoch, offset = text:match("^(%x+)/(%d+)$")
  if epoch ~= nil and #epoch <= 16 and #offset <= 19 then
    return true
  end
  return nil, string.format('%s: "EPOCH/OFFSET" is wanted, not %q', what, text),
    "FW_ERR_INVALID"
end

return check
