--[[
What a handler's outcome means where the hub asks: connect, join, publish, rpc, refresh.

The dispatcher calls decide() when such a handler has returned or failed. Whatever goes
wrong on the way is a refusal: in doubt nobody is let in, and a call has failed. That
holds for `nil, why` as well, which is how functions of Lua say that they failed. Only who
is in already isn't sent away for it: refresh is asked again.
]]

local check = require "fanwire.check"
local data = require "fanwire.data"
local native = require "fanwire.native"
local request = require "fanwire.request"

local CONNECT, RPC = native.FW_EVENT_CONNECT, native.FW_EVENT_RPC
local JOIN, PUBLISH = native.FW_EVENT_JOIN, native.FW_EVENT_PUBLISH
local REFRESH, SUB_REFRESH = native.FW_EVENT_REFRESH, native.FW_EVENT_SUB_REFRESH

-- An error is no end, as a refusal would be: the hub asks again in a minute.
local ASK_AGAIN =
  '{"error":{"code":100,"message":"the application failed","temporary":true}}'

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

-- A text, or a table as JSON; nil: it is neither.
local function text_of(outcome)
  if type(outcome) == "string" then
    return outcome
  elseif type(outcome) == "table" and data.public.json_encode ~= nil then
    local ok, text = pcall(data.public.json_encode, outcome)
    return ok and type(text) == "string" and text or nil
  end
end

-- What is said instead, in the place of the user.
local function of_publish(outcome, why)
  local text = not request.is_refusal(outcome) and text_of(outcome) or nil
  if text ~= nil then
    return nil, text
  end
  return of_join(outcome, why)
end

-- The answer's text in the place of the user.
local function of_rpc(outcome, why)
  if request.is_refusal(outcome) then
    return outcome
  elseif outcome == nil and why ~= nil then
    return nil, nil, check.text_of(why)
  elseif outcome == nil then
    return nil, "null"
  end
  local text = text_of(outcome)
  if text ~= nil then
    return nil, text
  end
  return nil, nil, string.format("it returns a text, a table for JSON or nothing, not %s",
    check.text_of(outcome))
end

-- The time in the place of the user.
local function of_refresh(outcome, why)
  if request.is_refusal(outcome) then
    return outcome
  elseif outcome == false then
    return request.refuse()
  elseif outcome == nil and why ~= nil then
    return nil, nil, check.text_of(why)
  elseif type(outcome) == "number" and outcome >= 0 and outcome < 2^53 then
    return nil, string.format("%.0f", math.floor(outcome))
  end
  return nil, nil, string.format("it returns until when it may stay, in seconds since "
    .. "1970, or false, not %s", check.text_of(outcome))
end

local function publish(handle, token, instead)
  if instead == nil then
    return native.fw_accept(handle, token, nil)
  end
  return native.fw_answer(handle, token, '{"result":{"data":' .. instead .. "}}")
end

local function stay(handle, token, seconds)
  return native.fw_answer(handle, token, '{"result":{"expire_at":' .. seconds .. "}}")
end

-- Of each question its handler's name, what an outcome means, how the hub is told yes,
-- and the status for the client when the handler fails; nil: none, and it is asked again.
local ASKED = {
  [CONNECT] = {name = "connect", means = of_connect, agree = native.fw_accept,
    failed = 500},
  [JOIN] = {name = "join", means = of_join, agree = native.fw_accept, failed = 403},
  [PUBLISH] = {name = "publish", means = of_publish, agree = publish, failed = 500},
  [RPC] = {name = "rpc", means = of_rpc, agree = native.fw_reply, failed = 500},
  [REFRESH] = {name = "refresh", means = of_refresh, agree = stay},
  [SUB_REFRESH] = {name = "sub_refresh", means = of_refresh, agree = stay},
}

--- Does the hub wait for the outcome of its handler?
function verdict.is_asked(kind)
  return ASKED[kind] ~= nil
end

-- Tell the hub no. refusal: nil, if the handler has failed.
local function disagree(asked, handle, token, refusal)
  if refusal == nil and asked.failed == nil then
    return native.fw_answer(handle, token, ASK_AGAIN)
  elseif refusal == nil then
    return native.fw_reject(handle, token, asked.failed, "the application failed")
  end
  return native.fw_reject(handle, token, refusal.status, refusal.reason)
end

--- Tell the hub what the handler has said; whose: the request or the session. True: in.
function verdict.decide(life, kind, whose, event, ok, outcome, why)
  local token = native.fw_event_token(event)
  local asked = ASKED[kind]
  local refusal, said, wrong
  if ok then
    refusal, said, wrong = asked.means(outcome, why)
    if wrong ~= nil then
      life.log:failed(asked.name, whose, {text = wrong})
    end
  elseif request.is_refusal(outcome.value) then
    refusal = outcome.value
  else
    life.log:failed(asked.name, whose, outcome)
    wrong = outcome.text
  end

  local _, late, code
  if refusal == nil and wrong == nil then
    _, late, code = asked.agree(life.handle, token, said)
    if code == "FW_ERR_INVALID" or code == "FW_ERR_TOO_BIG" then
      life.log:failed(asked.name, whose, {text = late})
      wrong = late
    end
  end
  if refusal ~= nil or wrong ~= nil then
    _, late, code = disagree(asked, life.handle, token, refusal)
  end
  if refusal ~= nil and code == "FW_ERR_INVALID" then -- its reason is no text
    life.log:failed(asked.name, whose, {text = late})
    _, late, code = disagree(asked, life.handle, token, nil)
  end
  if late ~= nil and code ~= "FW_ERR_INVALID" then
    life.log:say("debug", string.format("%s handler decided too late: %s (session=%s)",
      asked.name, late, whose.id))
  end
  return refusal == nil and wrong == nil and late == nil
end

return verdict
