"""An application of lua-resty-websocket as they are, whose connections are attached to
the hub: for the tests of attach(). conftest.py has fixtures that start it.
"""

import json

# The loop of an application as they are: what the client says is what it does. The first
# that the client hears is who serves it; the handlers of the hub tell what they see.
LOOP = """
    location /ws { content_by_lua_block {
      local server, resty = require "resty.websocket.server", require "fanwire.resty"
      local tell = require("telling").tell
      local wb = assert(server:new({ timeout = 10000, max_payload_len = 1048576 }))
      local rooms = {}
      for room in (ngx.var.arg_rooms or ""):gmatch("[^,]+") do
        rooms[#rooms + 1] = room
      end
      local session, why, name = resty.attach(wb,
        { user = ngx.var.arg_user, rooms = rooms })
      if not session then
        wb:send_text(why)
        return wb:send_close(1011, name)
      end
      wb:send_text(require("cjson").encode({ worker = ngx.worker.id(),
        pid = ngx.worker.pid(), id = session.id, user = session.user }))
      while true do
        local data, kind, err = wb:recv_frame()
        if not data then
          tell("loop", err)
          if not err:find("timeout", 1, true) then return end
        elseif kind == "close" then
          tell("loop", "close")
          wb:send_close(1000, "bye")
          return
        elseif kind == "ping" then
          wb:send_pong(data)
        elseif kind == "pong" then
          wb:send_text("pong: " .. data)
        elseif kind == "text" and data:sub(1, 5) == "feed:" then
          local ok, why = session:feed(data:sub(6))
          if not ok then wb:send_text(why) end
        elseif kind == "binary" then
          session:feed(data, "binary")
        elseif data:sub(1, 5) == "echo:" then
          wb:send_text(data:sub(6))
        elseif data:sub(1, 7) == "binary:" then
          wb:send_binary(("b"):rep(tonumber(data:sub(8))))
        elseif data == "ping me" then
          wb:send_ping("p")
        elseif data == "return" then
          return
        elseif data == "exit" then
          return ngx.exit(ngx.HTTP_CLOSE)
        elseif data == "error" then
          error("the loop is broken")
        elseif data == "say goodbye" then
          wb:send_close(4002, "goodbye")
          return
        elseif data == "close session" then
          session:close(4003, "by the session")
        elseif data == "again" then
          wb:send_text(tostring(err))
        else
          resty.publish(rooms[1], data)
        end
      end
    } }
"""

HANDLERS = """
  open = function(session)
    if session.host ~= "127.0.0.1:@HTTP@" then
      return session:send({ worker = ngx.worker.id(), pid = ngx.worker.pid() })
    end
    tell("open", { session.id, session.user, session.path, session.query.rooms,
                   session.headers["X-Test"], session.address })
    if session.query.greet then session:send("welcome") end
  end,
  message = function(session, data, binary)
    tell("message", { session.id, binary and "binary" or "text", #data })
    session:send(data, binary)
  end,
  close = function(session, code, reason)
    tell("close", { session.id, code, reason })
  end,"""


class Attached:
    """A client in the loop above, at the port of nginx."""

    def __init__(self, client):
        self.client = client
        self.at = json.loads(client.receive())

    def __getattr__(self, name):
        return getattr(self.client, name)
