--[[
Who is there, asked and answered by a callback: who is in a room, where a user is, which
nodes there are. And what handlers are told of that. The hub's methods call in here, so
that the application is at level 3. life is the hub's, or nil if it doesn't run.
]]

local check = require "fanwire.check"
local native = require "fanwire.native"

local presence = {}

local KNOWN = {limit = "number", cursor = "number"}

local function understand(how, level)
  check.optional(how, "table", "how", level + 1)
  how = how or {}
  for key, value in pairs(how) do
    if KNOWN[key] == nil then
      check.fail(level + 1, "how: limit and cursor are known, not %s", tostring(key))
    end
    check.type(value, KNOWN[key], key, level + 1)
  end
  local limit = how.limit == nil and 1000 or check.whole(how.limit, "limit", level + 1)
  return limit, how.cursor or 0
end

-- To C a number that is none of these would be another one.
local function judge(limit, cursor)
  if limit < 0 then
    return nil, "limit: at most 10000", "FW_ERR_INVALID"
  elseif not (cursor >= 0 and cursor <= 2 ^ 53 and cursor == math.floor(cursor)) then
    return nil, "cursor: what the last page said is wanted, not " .. tostring(cursor),
      "FW_ERR_INVALID"
  end
  return true
end

-- ask(handle, name, cursor, limit, ref); what and kind: what the name is, what is asked.
local function read(life, ask, kind, what, name, how, callback)
  check.type(name, "string", what, 4)
  local limit, cursor = understand(how, 4)
  check.callable(callback, "callback", 4)
  local ok, why, code = check.text(name, what)
  if ok then
    ok, why, code = judge(limit, cursor)
  end
  if not ok then
    return nil, why, code
  elseif life == nil then
    return nil, "the hub is not running", "FW_ERR_CLOSED"
  end
  return life:ask(kind, string.format("%s %q", what, name), callback,
    function(handle, ref)
      return ask(handle, name, cursor, limit, ref)
    end)
end

--- callback(members, total, cursor), or callback(nil, why, name).
function presence.of_room(life, room, how, callback)
  local ok, why, name = read(life, native.fw_room_presence, "presence", "room", room, how,
    callback)
  return ok, why, name
end

--- The same of a user's sessions.
function presence.of_user(life, user, how, callback)
  local ok, why, name = read(life, native.fw_user_sessions, "sessions", "user", user, how,
    callback)
  return ok, why, name
end

--- A node, as handlers and who asks for all of them get it.
function presence.node(id, name, facts)
  return {number = id:sub(1, 16), name = name, facts = facts}
end

local function nodes_of(members)
  local list = {}
  for i, member in ipairs(members) do
    list[i] = presence.node(member.session, member.node, member.info)
  end
  return list
end

--- callback(nodes), or callback(nil, why, name).
function presence.nodes(life, callback)
  check.callable(callback, "callback", 3)
  if life == nil then
    return nil, "the hub is not running", "FW_ERR_CLOSED"
  end
  return life:ask("list", "nodes", callback, native.fw_hub_nodes, nodes_of)
end

return presence
