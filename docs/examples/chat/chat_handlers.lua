--[[
What the chat in Lua does with its events. It speaks what README.md beside this file
describes, word for word as chat.c does, so nodes of all kinds are one chat. It keeps no
state of its own: who is in which room, on which node, is the library's business.

  local chat = require("chat_handlers"){ fanwire = fanwire, now_ms = clock }
  chat.hub = hub -- once there is one: before the first event

It knows neither the program around it nor its loop: chat.lua is one, nginx may be
another.
  fanwire     `fanwire`, or what stands for it: of it come message, refuse and name_check
  now_ms      function() -> milliseconds since 1970
  chat.handlers  a function for each event that the hub is to raise, by the event's name
]]
local parse = require "strict_json"

local NAME_CHARACTERS = 32 -- what fits in a line of a small screen
local ROOM_CHARACTERS = 64
local TEXT_BYTES = 8192
local ID_BYTES = 64
local PEOPLE = 50 -- about so many are shown to who comes into a room

local CODES = {
  FW_ERR_INVALID = "bad_request", FW_ERR_TOO_BIG = "bad_request",
  FW_ERR_LIMIT = "limit", FW_ERR_BUSY = "busy",
}

local Chat = {}
Chat.__index = Chat

local function text(value)
  return type(value) == "string" and value or nil
end

-- ---- Saying something -----------------------------------------------------------------

-- The session may have gone in this moment, which is nobody's fault: what comes back from
-- send isn't looked at.
local function refuse(session, code, why, about)
  about = about or {}
  session:send{
    type = "error", code = code, text = why, id = about.id, room = about.room,
  }
end

-- Tell a client which of its requests the hub did not take, and why.
local function told(session, about, ok, why, name)
  if not ok and name ~= "FW_ERR_GONE" then
    refuse(session, CODES[name] or "failed", why, about)
  end
  return ok
end

-- Somebody has come into a room or gone from it: who is there, on this node, is told.
function Chat:announce(kind, room, member)
  self.hub:send_here(room, { type = kind, room = room, from = member.user or "",
                             session = member.session, node = member.node },
    { skip = member.session })
end

-- ---- Checking what came in ------------------------------------------------------------

-- nil if a person or a room may be called so, else the reason.
function Chat:name_fault(name, max_characters)
  if not name or name == "" then
    return "a name is missing"
  end
  local _, characters = name:gsub("[^\128-\191]", "")
  if characters > max_characters then
    return "the name is too long"
  elseif name:find("^ ") or name:find(" $") then
    return "the name begins or ends with a blank"
  end
  return not self.fanwire.name_check(name) and "the name has a control character" or nil
end

-- nil if the request says something to exactly one address, else the reason.
function Chat:say_fault(request, room, user, everyone)
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
    return self:name_fault(room or user, room and ROOM_CHARACTERS or NAME_CHARACTERS)
  end
end

-- ---- What clients ask for: one function a verb ----------------------------------------

local verbs = {}

function Chat:show_people(session, room)
  self.hub:presence(room, { limit = PEOPLE }, function(members, total)
    if not members then -- Redis may be away, say
      return
    end
    local people = {}
    for i, member in ipairs(members) do
      people[i] = { from = member.user or "", session = member.session,
                    node = member.node }
    end
    session:send{ type = "people", room = room, people = people, total = total }
  end)
end

function verbs:join(session, request)
  local room = text(request.room)
  local fault = self:name_fault(room, ROOM_CHARACTERS)
  if fault then
    return refuse(session, "bad_request", fault)
  end
  local function joined(...)
    if told(session, { room = room }, ...) then -- from now on it hears the room
      session:send{ type = "joined", room = room }
      self:show_people(session, room)
    end
  end
  local ok, why, name = session:join(room, joined)
  if not ok then
    told(session, { room = room }, ok, why, name)
  end
end

function verbs:leave(session, request)
  local room = text(request.room)
  local fault = self:name_fault(room, ROOM_CHARACTERS)
  if fault then
    return refuse(session, "bad_request", fault)
  end
  told(session, { room = room }, session:leave(room)) -- left hears of it
end

function verbs:say(session, request)
  local room, user, id = text(request.room), text(request.user), text(request.id)
  local everyone = request.all == true
  local fault = self:say_fault(request, room, user, everyone)
  if fault then
    return refuse(session, "bad_request", fault, { id = id })
  end
  local hub, about = self.hub, { id = id }
  local said = self.fanwire.message{
    type = "message", room = room, user = user, all = everyone or nil,
    from = session.user or "", session = session.id, node = hub:node_name(), id = id,
    time = self.now_ms(), text = request.text,
  }
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

function Chat:arrives(request)
  local name = request.query.name
  local fault = self:name_fault(name, NAME_CHARACTERS)
  return fault and self.fanwire.refuse(400, fault) or name
end

function Chat:opened(session)
  session:send{ type = "welcome", name = session.user, session = session.id,
                node = self.hub:node_name() }
end

function Chat:asked(session, data, binary)
  local request = not binary and parse(data)
  if not request then
    return refuse(session, "bad_json", "a message is a JSON object in a text frame")
  end
  local verb = verbs[text(request.type) or ""]
  if not verb then
    return refuse(session, "bad_request", '"type" must be join, leave or say')
  end
  verb(self, session, request)
end

function Chat:left(session, room)
  if not session.closed then -- left, and is still there to be told
    session:send{ type = "left", room = room }
  end
end

function Chat:came(room, member)
  self:announce("join", room, member)
end

function Chat:gone(room, member)
  self:announce("leave", room, member)
end

local EVENTS = {
  connect = Chat.arrives, open = Chat.opened, message = Chat.asked, leave = Chat.left,
  room_join = Chat.came, room_leave = Chat.gone,
}

return function(given)
  local chat = setmetatable({ fanwire = given.fanwire, now_ms = given.now_ms }, Chat)
  chat.handlers = {}
  for event, handle in pairs(EVENTS) do
    chat.handlers[event] = function(...)
      return handle(chat, ...)
    end
  end
  return chat
end
