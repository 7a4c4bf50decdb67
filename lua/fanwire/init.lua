--[=[
fanwire: many processes that act as one WebSocket server.

  local fanwire = require "fanwire"

  local hub = assert(fanwire.hub{ listen = "ws://127.0.0.1:9090/ws" })

  hub:on("message", function(session, data, binary)
    session:send(data, binary)
  end)

  assert(hub:run())

What can fail returns nil, a sentence for a person and a name ("FW_ERR_GONE"); a wrong
type is an error() at the line of the caller. Lua 5.1 to 5.4 and LuaJIT. `fanwire.native`
has the C library's own functions, which all this is made of.

  fanwire.hub(options)            a hub; keys: every option with _ for . (redis_url), and
                                  config = PATH (INI, read first), environment = true
                                  (then FANWIRE_...),
                                  log = function(level, component, line),
                                  runner = function(f) (calls f, now or later: see
                                  dispatch.lua)
  fanwire.emitter(options)        publishes without a hub:
                                  {redis_url =, timeout = SECONDS}
  fanwire.message(data [, how])   built once, to be sent to many; of another message it
                                  has what how doesn't say
  fanwire.refuse([status [, reason]])  what a connect or join handler returns to refuse
  fanwire.options()               the table of options: name -> {type =, default =,
                                  allowed =, since =, help =, group =}
  fanwire.name_check(name)        true, or nil, why no room and no user may be called so
  fanwire.is_retriable(name)      may the same call succeed later?
  fanwire.version                 "0.1.0"
  fanwire.json_encode             function(table) -> text; cjson's where that is installed

data is a string, a table (JSON, as text) or a message. how is "text" (also false, or
nothing), "binary" (also true), or {binary = true, skip = SESSION OR ID}; skip where many
are addressed.

  hub:on(event, handler)          before the start; returns the hub. Handlers:
    connect(request)              return nothing: let in; a text: as that user; or
                                  refuse(); request.data: what a client of the
                                  Centrifuge protocol gave, JSON
    open(session)
    message(session, data, binary)
    join(session, room)           return false or refuse() to refuse
    publish(session, room, data, binary)
                                  a client asks to say something in a room; as join, or
                                  return JSON (a text, a table) to be said instead
    refresh(session), sub_refresh(session, room)
                                  the time that its token allowed is over; return until
                                  when it may stay, in seconds since 1970, or false
    rpc(session, method, data)    a client of the Centrifuge protocol calls, data is JSON;
                                  return a text, a table for JSON, nothing, or refuse()
    leave(session, room)
    close(session, code, reason)
    room_message(room, data, binary, position)
    room_reset(room, position)
    room_join(room, member), room_leave(room, member)
                                  member: {session =, user =, node =, info =}
    node_up(node), node_down(node)
                                  node: {number =, name =}
    backplane_up(), backplane_down(reason)
  hub:configure(options)          more options, before the start
  hub:option(name)                the present value as text
  hub:run()                       starts if needed; returns when stopped (no signals)
  hub:start()                     starts; then call poll
  hub:poll([timeout_s [, max]])   handles what waits (0: doesn't wait for it; math.huge:
                                  for ever); returns how many events, or nil, ..,
                                  "FW_ERR_CLOSED" when stopped and none left
  hub:fd()                        a descriptor, readable while events wait
  hub:stop()                      in run(): drain, then end. Else close the sessions now
  hub:drain([timeout_s])          listen no more, close sessions at drain.rate, go on
                                  handling
  hub:close([timeout_s])          drain, then stop; also what <close> does in 5.4
  hub:publish(room, data [, how [, function(ok, position or why, name)]])
  hub:history(room [, {since =, limit =, reverse =}], function(messages, position))
  hub:forget(room [, function(ok, position or why, name)])
  hub:presence(room [, {limit =, cursor =}], function(members, total, cursor))
  hub:nodes(function(nodes))      each {number =, name =, facts = JSON}
  hub:send_user(user, data [, how])
  hub:send_all(data [, how]), hub:broadcast(data [, how])
  hub:send_node(node, data [, how])
  hub:room(name)                  .name, and the same without the room: :publish,
                                  :history, :forget, :presence
  hub:user(name)                  .name, :send(data [, how]),
                                  :disconnect([code [, reason]]), :join(room),
                                  :leave(room), :sessions(...), as hub:presence
  hub:session(id)                 a session of any node by its id
  hub:sessions()                  list of the open sessions of this node
  hub:attach{user =, head =, address =, on_deliver = function(data, binary, code, reason),
             on_attached = function(session, why, name)}
                                  a session whose connection is somebody else's; at its
                                  end on_deliver has no data, but a code and a reason
  hub:running(), hub:node(), hub:node_name(), hub:urls(), hub:http_address(),
  hub:stats() (name -> number), hub:metrics() (Prometheus' text)

  request: id, state, path, query.NAME, query_string, headers["Name"], address, peer,
           host, origin, scheme, protocol; request:query_list(name)
  session: the same, and user, node, closed;
           session:send(data [, how]), session:close([code [, reason]]),
           session:join(room [, function(ok, why, name)]), session:leave(room),
           session:set_user(name or nil), session:set_info(data); attached ones:
           session:feed(data [, how]), session:feed_close([code [, reason]])
  emitter: publish(room, data [, how]), send_user(user, data [, how]),
           send_all(data [, how]) -> how many nodes; close()
]=]

local check = require "fanwire.check"
local data = require "fanwire.data"
local emitter = require "fanwire.emitter"
local hub = require "fanwire.hub"
local native = require "fanwire.native"
local options = require "fanwire.options"
local request = require "fanwire.request"

local fanwire = {
  native = native,
  version = native.fw_version_string(),
  hub = hub.new,
  emitter = emitter.new,
  message = data.new,
  refuse = request.refuse,
  options = options.table,
}

do
  local ok, cjson = pcall(require, "cjson")
  fanwire.json_encode = ok and cjson.encode or nil
end
data.public = fanwire

--- Is this a name that a room or a user may have? 1 to 255 bytes of UTF-8 without control
--- characters. true, or nil and what is wrong.
function fanwire.name_check(name)
  check.type(name, "string", "name", 2)
  local ok, why, code = check.text(name, "name")
  if ok then
    ok, why, code = native.fw_name_check(name)
  end
  return ok, why, code
end

--- May the call that failed with this name ("FW_ERR_BUSY") succeed later?
function fanwire.is_retriable(name)
  check.type(name, "string", "name", 2)
  local number = name:find("^FW_ERR_") and native[name]
  return number ~= nil and number ~= false and native.fw_err_is_retriable(number)
end

return fanwire
