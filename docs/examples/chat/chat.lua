#!/usr/bin/env lua
--[[
A chat on as many nodes as you like: start this program several times with the same
redis.url and everybody can talk to everybody, wherever they are connected.

  lua chat.lua --listen ws://127.0.0.1:9090/ws --redis.url redis://127.0.0.1:6379

It speaks what README.md beside this file describes, word for word as chat.c does, so
nodes of both kinds are one chat. It keeps no state of its own: who is in which room, on
which node, is the library's business. The hub is one more descriptor in the loop of luv,
which has the signals, too. The handlers begin at arrives, main is at the end.
]]
local cjson = require "cjson"
local fanwire = require "fanwire"
local uv = require "luv"

package.path = (arg[0]:match("^.*/") or "./") .. "?.lua;" .. package.path
local parse = require "strict_json"

local NAME_CHARACTERS = 32 -- what fits in a line of a small screen
local ROOM_CHARACTERS = 64
local TEXT_BYTES = 8192
local ID_BYTES = 64

local hub -- main makes it, of the options

-- ---- Saying something -----------------------------------------------------------------

-- The session may have gone in this moment, which is nobody's fault: what comes back from
-- send isn't looked at.
local function refuse(session, code, text, about)
  about = about or {}
  session:send{ type = "error", code = code, text = text,
                id = about.id, room = about.room }
end

local CODES = {
  FW_ERR_INVALID = "bad_request", FW_ERR_TOO_BIG = "bad_request",
  FW_ERR_LIMIT = "limit", FW_ERR_BUSY = "busy",
}

-- Tell a client which of its requests the hub did not take, and why.
local function told(session, about, ok, why, name)
  if not ok and name ~= "FW_ERR_GONE" then
    refuse(session, CODES[name] or "failed", why, about)
  end
  return ok
end

-- Somebody has come into a room or gone from it: everybody there is told.
local function announce(kind, session, room)
  hub:publish(room, { type = kind, room = room, from = session.user or "",
                      session = session.id, node = hub:node_name() })
end

-- ---- Checking what came in ------------------------------------------------------------

local function text(value)
  return type(value) == "string" and value or nil
end

-- nil if a person or a room may be called so, else the reason.
local function name_fault(name, max_characters)
  if not name or name == "" then
    return "a name is missing"
  end
  local _, characters = name:gsub("[^\128-\191]", "")
  if characters > max_characters then
    return "the name is too long"
  elseif name:find("^ ") or name:find(" $") then
    return "the name begins or ends with a blank"
  end
  return not fanwire.name_check(name) and "the name has a control character" or nil
end

-- ---- What clients ask for: one function a verb ----------------------------------------

local verbs = {}

function verbs.join(session, request)
  local room = text(request.room)
  local fault = name_fault(room, ROOM_CHARACTERS)
  if fault then
    return refuse(session, "bad_request", fault)
  end
  local function joined(...)
    if told(session, { room = room }, ...) then -- from now on it hears the room
      session:send{ type = "joined", room = room }
      announce("join", session, room)
    end
  end
  local ok, why, name = session:join(room, joined)
  if not ok then
    told(session, { room = room }, ok, why, name)
  end
end

function verbs.leave(session, request)
  local room = text(request.room)
  local fault = name_fault(room, ROOM_CHARACTERS)
  if fault then
    return refuse(session, "bad_request", fault)
  end
  told(session, { room = room }, session:leave(room)) -- gone hears of it
end

-- nil if the request says something to exactly one address, else the reason.
local function say_fault(request, room, user, everyone)
  local said, id = text(request.text), request.id
  if not said or said == "" then
    return '"text" must be a string that is not empty'
  elseif #said > TEXT_BYTES then
    return '"text" is too long'
  elseif id ~= nil and not (text(id) and #id <= ID_BYTES) then
    return '"id" must be a short string'
  elseif (room and 1 or 0) + (user and 1 or 0) + (everyone and 1 or 0) ~= 1 then
    return 'name one of "room", "user" and "all": true'
  elseif not everyone then
    return name_fault(room or user, room and ROOM_CHARACTERS or NAME_CHARACTERS)
  end
end

function verbs.say(session, request)
  local room, user, id = text(request.room), text(request.user), text(request.id)
  local everyone = request.all == true
  local fault = say_fault(request, room, user, everyone)
  if fault then
    return refuse(session, "bad_request", fault, { id = id })
  end
  local seconds, microseconds = uv.gettimeofday()
  local said = fanwire.message{
    type = "message", room = room, user = user, all = everyone or nil,
    from = session.user or "", session = session.id, node = hub:node_name(), id = id,
    time = seconds * 1000 + math.floor(microseconds / 1000), text = request.text,
  }
  local about = { id = id }
  if everyone then
    told(session, about, hub:send_all(said))
  elseif room then
    told(session, about, hub:publish(room, said))
  elseif told(session, about, hub:send_user(user, said)) and user ~= session.user then
    -- Who speaks in a room hears it; so does who speaks to one person.
    told(session, about, session:send(said))
  end
end

-- ---- Handlers of events ---------------------------------------------------------------

local function arrives(request)
  local name = request.query.name
  local fault = name_fault(name, NAME_CHARACTERS)
  return fault and fanwire.refuse(400, fault) or name
end

local function opened(session)
  session:send{ type = "welcome", name = session.user, session = session.id,
                node = hub:node_name() }
end

local function asked(session, data, binary)
  local request = not binary and parse(data)
  if not request then
    return refuse(session, "bad_json", "a message is a JSON object in a text frame")
  end
  local verb = verbs[text(request.type) or ""]
  if not verb then
    return refuse(session, "bad_request", '"type" must be join, leave or say')
  end
  verb(session, request)
end

local function gone(session, room)
  if not session.closed then -- left, and is still there to be told
    session:send{ type = "left", room = room }
  end
  announce("leave", session, room)
end

-- ---- Starting and stopping ------------------------------------------------------------

local function fail(status, why)
  io.stderr:write("chat: ", why, "\n")
  os.exit(status)
end

local function print_help(options)
  local names = {}
  for name in pairs(options) do
    names[#names + 1] = name
  end
  table.sort(names)
  print([[
usage: chat [--OPTION VALUE | --OPTION=VALUE]...

A chat server. Nodes that share a redis.url are one chat. Every option can be
set by the environment too: FANWIRE_REDIS_URL is --redis.url. TERM and INT
close all sessions in good order. Options:
]])
  for _, name in ipairs(names) do
    print(("  --%-28s %s"):format(name, options[name].help))
  end
end

-- What the environment says and, over it, the command line.
local function read_options()
  local options = fanwire.options()
  -- A chat needs no long messages: 8 KiB of text, escaped, and its envelope.
  local chosen, given = { message_max_bytes = "64KiB" }, {}
  for name in pairs(options) do
    local key = name:gsub("%.", "_")
    chosen[key] = os.getenv("FANWIRE_" .. key:upper()) or chosen[key]
  end
  local i = 1
  while arg[i] do
    local name, value = arg[i]:match("^%-%-([^=]+)=?(.*)$")
    if name == "help" then
      print_help(options)
      os.exit(0)
    elseif not options[name] then
      fail(2, arg[i] .. ": not an option, see --help")
    elseif not arg[i]:find("=", 1, true) then
      i = i + 1
      value = arg[i] or fail(2, name .. ": a value is missing")
    end
    local key = name:gsub("%.", "_")
    if options[name].type == "list" and given[key] then
      value = given[key] .. "," .. value
    end
    given[key], chosen[key] = value, value
    i = i + 1
  end
  return chosen
end

-- When all is closed, uv.run() returns.
local function close_all()
  uv.walk(function(handle)
    if not handle:is_closing() then
      handle:close()
    end
  end)
end

local function main()
  local why, kind, ok
  hub, why, kind = fanwire.hub(read_options())
  if not hub then
    fail(kind == "FW_ERR_OPTION" and 2 or 1, why)
  end
  hub:on("connect", arrives):on("open", opened):on("message", asked):on("leave", gone)
  ok, why, kind = hub:start()
  if not ok then
    fail(kind == "FW_ERR_OPTION" and 2 or 1, why)
  end
  for _, url in ipairs(hub:urls()) do
    print(("chat: node %s listens on %s"):format(hub:node_name(), url))
  end
  io.stdout:flush() -- whoever started us may wait for these lines

  uv.new_poll(hub:fd()):start("r", function() hub:poll(0) end)
  for _, signal in ipairs{ "sigterm", "sigint" } do
    uv.new_signal():start(signal, close_all)
  end
  uv.run()
  hub:close()
end

main()
