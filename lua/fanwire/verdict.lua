--[[
What a handler's outcome means where the hub asks: connect and join.

The dispatcher calls decide() when such a handler has returned or failed. Whatever goes
wrong on the way is a refusal: in doubt nobody is let in. That holds for `nil, why` as
well, which is how functions of Lua say that they failed.
]]

local check = require "fanwire.check"
local native = require "fanwire.native"
local request = require "fanwire.request"

local CONNECT = native.FW_EVENT_CONNECT

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

--- Tell the hub what the handler has said; whose: the request or the session. True: in.
function verdict.decide(life, kind, whose, event, ok, outcome, why)
  local token = native.fw_event_token(event)
  local name = kind == CONNECT and "connect" or "join"
  local refusal, user, wrong
  if ok then
    refusal, user, wrong = (kind == CONNECT and of_connect or of_join)(outcome, why)
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
    _, late, code = native.fw_accept(life.handle, token, user)
    if code == "FW_ERR_INVALID" then
      life.log:failed(name, whose, {text = late})
      wrong = late
    end
  end
  if wrong ~= nil then
    refusal = {status = kind == CONNECT and 500 or 403, reason = "the application failed"}
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
