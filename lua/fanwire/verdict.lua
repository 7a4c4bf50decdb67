--[[
What a handler's outcome means where the hub asks: connect, join and rpc.

The dispatcher calls decide() when such a handler has returned or failed. Whatever goes
wrong on the way is a refusal: in doubt nobody is let in, and a call has failed. That
holds for `nil, why` as well, which is how functions of Lua say that they failed.
]]

local check = require "fanwire.check"
local data = require "fanwire.data"
local native = require "fanwire.native"
local request = require "fanwire.request"

local CONNECT, RPC = native.FW_EVENT_CONNECT, native.FW_EVENT_RPC
local NAMES = {[CONNECT] = "connect", [native.FW_EVENT_JOIN] = "join", [RPC] = "rpc"}

local verdict = {}

-- The refusal or the user; or else what is wrong with that outcome.
local function of_connect(outcome, why)
  if request.is_refusal(outcome) then
    return outcome
  elseif outcome == nil and why ~= nil then
    return nil, nil, check.text_of(why)
  elseif outcome == nil or type(outcome) == "string" then
    if outcome ~= nil and outcome:find("%z") then
      return nil, nil, "user: embedded NUL"
    end
    return nil, outcome
  end
  return nil, nil, string.format("it returns nothing or the user's name, not %s; "
    .. "to refuse, return fanwire.refuse()", check.text_of(outcome))
end

local function of_join(outcome, why)
  if request.is_refusal(outcome) then
    return outcome
  elseif outcome == false then
    return request.refuse()
  elseif outcome == nil and why ~= nil then
    return nil, nil, check.text_of(why)
  elseif outcome == nil or outcome == true then
    return nil, nil
  end
  return nil, nil, string.format("it returns nothing or true to let in, false to refuse, "
    .. "not %s", check.text_of(outcome))
end

-- The answer's text in the place of the user.
local function of_rpc(outcome, why)
  if request.is_refusal(outcome) then
    return outcome
  elseif outcome == nil and why ~= nil then
    return nil, nil, check.text_of(why)
  elseif outcome == nil then
    return nil, "null"
  elseif type(outcome) == "string" then
    return nil, outcome
  elseif type(outcome) == "table" and data.public.json_encode ~= nil then
    local ok, text = pcall(data.public.json_encode, outcome)
    if ok and type(text) == "string" then
      return nil, text
    end
  end
  return nil, nil, string.format("it returns a text, a table for JSON or nothing, not %s",
    check.text_of(outcome))
end

local OUTCOMES = {
  [CONNECT] = of_connect, [native.FW_EVENT_JOIN] = of_join, [RPC] = of_rpc,
}

local function agree(kind, handle, token, said)
  if kind == RPC then
    return native.fw_reply(handle, token, said)
  end
  return native.fw_accept(handle, token, said)
end

--- Tell the hub what the handler has said; whose: the request or the session. True: in.
function verdict.decide(life, kind, whose, event, ok, outcome, why)
  local token = native.fw_event_token(event)
  local name = NAMES[kind]
  local refusal, user, wrong
  if ok then
    refusal, user, wrong = OUTCOMES[kind](outcome, why)
    if wrong ~= nil then
      life.log:failed(name, whose, {text = wrong})
    end
  elseif request.is_refusal(outcome.value) then
    refusal = outcome.value
  else
    life.log:failed(name, whose, outcome)
    wrong = outcome.text
  end

  local late, code
  if refusal == nil and wrong == nil then
    local _
    _, late, code = agree(kind, life.handle, token, user)
    if code == "FW_ERR_INVALID" or code == "FW_ERR_TOO_BIG" then
      life.log:failed(name, whose, {text = late})
      wrong = late
    end
  end
  if wrong ~= nil then
    refusal = {status = NAMES[kind] == "join" and 403 or 500,
      reason = "the application failed"}
  end
  if refusal ~= nil then
    local _
    _, late, code = native.fw_reject(life.handle, token, refusal.status, refusal.reason)
  end
  if late ~= nil and code ~= "FW_ERR_INVALID" then
    life.log:say("debug", string.format("%s handler decided too late: %s (session=%s)",
      name, late, whose.id))
  end
  return refusal == nil and late == nil
end

return verdict
