"""resty.attach(): connections that nginx itself has accepted, with lua-resty-websocket.

lib/resty/websocket/server.lua plays that one; FW_RESTY_WEBSOCKET=FOLDER takes the
original whose resty/websocket/server.lua lies in FOLDER.
"""

import json

from application import HANDLERS, LOOP
import support
from support import BINARY, PING, PONG, TEXT, frame


# --- it is a session like any other ---

def test_rooms_and_users_reach_it_from_other_workers_and_machines(attached, attach, enter,
                                                                  node, connect):
    nginx, far = attached(), node()
    ann = attach(nginx, "user=ann&rooms=r,q", 0)
    there, away = enter(nginx, "room=x", 1), connect(far, "room=r")
    assert ann.at["user"] == "ann"
    c = nginx.on_worker(1)
    for query, text in (("room=r", "to r"), ("room=q", "to q"), ("user=ann", "to ann"),
                        ("", "to all")):
        assert c.ask("/notify?" + query, text).status == 200
        assert ann.receive() == text
    c.end()
    away.send("from afar")
    heard = []
    support.wait_until(lambda: heard.append(ann.receive()) or "from afar" in heard, "it")
    ann.send("from ann")
    support.wait_until(lambda: away.receive() == "from ann", "ann is heard afar")
    assert there.receive() == "to all"


def test_it_is_in_its_rooms_when_attach_returns(attached, attach):
    nginx = attached()
    ann = attach(nginx, "rooms=r,q,s")
    ann.send("hello")  # the loop publishes it to the first
    assert ann.receive() == "hello"


def test_what_open_sends_comes_to_it(attached, connect):
    nginx = attached()
    client = connect(nginx.wb, "user=ann&greet=1")
    seen = {client.receive()[:4], client.receive()[:4]}
    assert "welc" in seen


def test_the_facts_are_those_of_the_request(attached, attach):
    nginx = attached()
    ann = attach(nginx, "user=ann&rooms=r,q", headers={"X-Test": "seen"})
    assert nginx.wait_told("open") == [
        [ann.at["id"], "ann", "/ws", "r,q", "seen", "127.0.0.1"]]


def test_what_is_fed_reaches_the_message_handler(attached, attach):
    nginx = attached()
    ann = attach(nginx)
    ann.send("feed:hello")
    assert ann.receive() == "hello"
    ann.send(b"\0\xff")
    assert ann.receive() == b"\0\xff"
    assert [m[1:] for m in nginx.wait_told("message", 2)] == [["text", 5], ["binary", 2]]


def test_large_messages_and_binary_ones_come_whole(attached, attach):
    nginx = attached()
    ann = attach(nginx, "rooms=r")
    for n in (0, 1, 125, 126, 65535, 65536, 200000):
        data = bytes(k % 251 for k in range(n))
        ann.send(data)
        assert ann.receive() == data
        text = "\u00fc" * (n // 2)
        ann.send("feed:" + text)
        assert ann.receive() == text


def test_without_a_user_and_rooms_it_is_nobody_s(attached, attach):
    nginx = attached()
    client = attach(nginx)
    assert "user" not in client.at
    assert nginx.post("/notify", "to all").status == 200
    assert client.receive() == "to all"


def test_sessions_and_stats_count_it(attached, attach):
    nginx = attached(workers=1, redis=None, locations="""
      location /count { content_by_lua_block {
        local resty = require "fanwire.resty"
        ngx.print(#resty.sessions(), " ", resty.stats().fanwire_sessions) } }""")
    ann = attach(nginx)
    assert nginx.get("/count").body == "1 1"
    ann.close()
    support.wait_until(lambda: nginx.get("/count").body == "0 0", "it is gone")


# --- what the application does itself goes on working ---

def test_the_application_s_own_sends_and_deliveries_mix_without_tearing(attached, attach):
    nginx = attached()
    ann, rounds = attach(nginx, "user=ann&rooms=r"), 150
    c = nginx.connection()
    own = ["own " + str(k) + "o" * (k * 100) for k in range(rounds)]
    sent = ["new " + str(k) + "n" * (k * 300) for k in range(rounds)]
    for mine, other in zip(own, sent):
        ann.send("echo:" + mine)
        assert c.ask("/notify?user=ann", other).status == 200
    heard = ann.receive_many(2 * rounds)
    assert [t for t in heard if t.startswith("own")] == own
    assert [t for t in heard if t.startswith("new")] == sent
    assert "busy" not in nginx.log()
    c.end()


def test_both_sides_write_into_a_full_socket_and_nothing_is_torn(attached, raw_connect):
    # The client doesn't read while the loop and the hub both have something to say.
    nginx = attached(options='outbox_max_bytes = "64MiB",')
    client = raw_connect(nginx.wb, "user=ann")
    client.receive()
    c = nginx.connection()
    for k in range(20):
        client.send(TEXT, b"binary:200000")
        assert c.ask("/notify?user=ann", str(k) * 50000).status == 200
    client.send(TEXT, b"echo:end")
    c.ask("/notify?user=ann", "end of news")
    own, news, ends = 0, [], set()
    while len(ends) < 2:
        opcode, payload = client.receive()
        if opcode == BINARY:
            assert payload == b"b" * 200000
            own += 1
        elif payload in (b"end", b"end of news"):
            ends.add(payload)
        else:
            news.append(payload.decode())
    assert own == 20
    assert news == [str(k) * 50000 for k in range(20)]
    assert "busy" not in nginx.log()
    c.end()


def test_pings_and_pongs_go_through(attached, raw_connect):
    nginx = attached()
    client = raw_connect(nginx.wb)
    client.receive()
    client.send(PING, b"are you there")
    assert client.receive() == (PONG, b"are you there")
    client.send(TEXT, b"ping me")
    assert client.receive() == (PING, b"p")
    client.send(PONG, b"p")
    assert client.receive() == (TEXT, b"pong: p")


def test_fragments_come_to_the_loop_as_ever(attached, raw_connect):
    nginx = attached()
    client = raw_connect(nginx.wb)
    client.receive()
    whole = frame(TEXT, b"again")
    client.socket.sendall(bytes([whole[0] & 0x7f]) + whole[1:])  # no FIN
    assert client.receive() == (TEXT, b"again")
    client.socket.sendall(frame(0, b"echo:rest"))
    assert client.receive() == (TEXT, b"rest")


def test_a_time_out_of_recv_frame_ends_nothing(attached, attach):
    nginx = attached(locations="""
      location /short { content_by_lua_block {
        local wb = assert(require("resty.websocket.server"):new({ timeout = 50 }))
        local session = assert(require("fanwire.resty").attach(wb, { user = "ann" }))
        local seen = 0
        wb:send_text('{"worker":' .. ngx.worker.id() .. "}")
        while true do
          local data, kind, err = wb:recv_frame()
          if kind == "close" then return wb:send_close() end
          if not data and err:find("timeout", 1, true) then
            seen = seen + 1
            if seen == 3 then wb:send_text("three") end
          elseif not data then
            return
          end
        end } }""")
    nginx.expected = ["timed out"]
    nginx.wb = nginx.wb.replace("/ws", "/short")
    ann = attach(nginx)
    assert ann.receive() == "three"
    assert nginx.post("/notify?user=ann", "still").status == 200
    assert ann.receive() == "still"


# --- what is wrong with a call ---

WRONG = """
    location /wrong { content_by_lua_block {
      local resty, seen = require "fanwire.resty", {}
      local wb = require("resty.websocket.server"):new({ timeout = 1000 })
      for _, arguments in ipairs({
          {}, {wb, {rooms = "r"}}, {wb, {user = 5}}, {wb, {rooms = {5}}}, {wb, 5},
          {wb, {users = "x"}}, {"wb", {}}, {{}, {}}, {wb, {user = ("u"):rep(256)}},
          {wb, {user = ""}} }) do
        local fine, ok, why = pcall(function()
          local session, why, name = resty.attach(arguments[1], arguments[2])
          return session, why, name
        end)
        seen[#seen + 1] = fine and (ok == nil and "nil, " .. tostring(why) or "taken")
          or "error, " .. tostring(ok)
      end
      local last = "none"
      local session, why = resty.attach(wb, { user = "ann" })
      if session then last = "attached" else last = tostring(why) end
      wb:send_text(require("cjson").encode({ seen, last }))
      wb:recv_frame()
    } }
"""


def test_what_is_wrong_with_attach_is_said_and_the_next_succeeds(attached, raw_connect):
    nginx = attached(locations=WRONG)
    client = raw_connect(nginx.wb.replace("/ws", "/wrong"))
    seen, last = json.loads(client.receive()[1])
    assert last == "attached"
    for line in seen:
        assert line.startswith(("nil, ", "error, ")), line
        assert len(line) > 20 and "attempt to" not in line, line
        if line.startswith("error"):
            assert "content_by_lua" in line, line


def test_a_room_with_a_wrong_name_makes_attach_fail(attached, connect):
    nginx = attached(locations="""
      location /room { content_by_lua_block {
        local wb = assert(require("resty.websocket.server"):new({ timeout = 5000 }))
        local session, why, name = require("fanwire.resty").attach(wb,
          { rooms = { "r", ("r"):rep(256) } })
        wb:send_text(tostring(session) .. " " .. name .. " " .. why)
        wb:send_close(1000)
        wb:recv_frame()
      } }""")
    client = connect(nginx.wb.replace("/ws", "/room"))
    assert client.receive().startswith("nil FW_ERR_INVALID ")
    assert client.wait_closed()[0] == 1000
    assert nginx.post("/notify", "to nobody").status == 200


def test_a_room_that_refuses_makes_attach_fail_and_leaves_no_session(attached, connect):
    nginx = attached(HANDLERS + """
      join = function(session, room)
        if room == "secret" then return resty.refuse(403, "members only") end
      end,""", locations="""
      location /count { content_by_lua_block {
        ngx.print(require("fanwire.resty").stats().fanwire_sessions) } }""", workers=1,
                     redis=None)
    client = connect(nginx.wb, "rooms=r,secret")
    assert client.receive()
    code, reason = client.wait_closed()
    assert (code, reason) == (1011, "FW_ERR_REFUSED")
    support.wait_until(lambda: nginx.get("/count").body == "0", "no session is left")


def test_attach_without_a_start_is_a_sentence(nginx, connect):
    n = nginx("", LOOP)
    client = connect(f"ws://127.0.0.1:{n.port}/ws")
    assert client.receive().startswith("the hub is not running")
    assert client.wait_closed() == (1011, "FW_ERR_CLOSED")


# --- an application with threads and frames of its own ---

def test_a_writer_thread_of_the_application_takes_its_turns(attached, attach):
    nginx = attached(locations="""
      location /writer { content_by_lua_block {
        local wb = assert(require("resty.websocket.server"):new({ timeout = 10000,
          max_payload_len = 1048576 }))
        local session = assert(require("fanwire.resty").attach(wb, { user = "ann" }))
        wb:send_text('{"worker":' .. ngx.worker.id() .. "}")
        local thread = ngx.thread.spawn(function()
          for k = 1, 200 do
            assert(wb:send_binary(("w"):rep(k * 100)))
            if k % 10 == 0 then ngx.sleep(0) end
          end
        end)
        while true do
          local data, kind = wb:recv_frame()
          if not data or kind == "close" then
            ngx.thread.wait(thread)
            return
          end
          wb:send_text(data)
        end
      } }""")
    nginx.wb = nginx.wb.replace("/ws", "/writer")
    ann, c = attach(nginx), nginx.connection()
    for k in range(100):
        assert c.ask("/notify?user=ann", "new " + "n" * k * 50).status == 200
        ann.send(f"own {k}")
    heard = ann.receive_many(400)
    assert [d for d in heard if isinstance(d, bytes)] \
        == [b"w" * k * 100 for k in range(1, 201)]
    assert [d for d in heard if d[:3] == "own"] == [f"own {k}" for k in range(100)]
    assert sum(1 for d in heard if d[:3] == "new") == 100
    c.end()


def test_nothing_comes_between_the_fragments_of_the_application(attached, connect):
    # RFC 6455, 5.4: no other message may begin before the last fragment.
    nginx = attached(locations="""
      location /parts { content_by_lua_block {
        local wb = assert(require("resty.websocket.server"):new({ timeout = 10000 }))
        local session = assert(require("fanwire.resty").attach(wb, { user = "ann" }))
        assert(wb:send_frame(false, 1, "first "))
        assert(session:send("a message of the hub"))
        ngx.sleep(0.2)
        assert(wb:send_continue("last"))
        wb:recv_frame()
      } }""")
    client = connect(nginx.wb.replace("/ws", "/parts"))
    assert [client.receive(), client.receive()] == ["first last", "a message of the hub"]


def test_a_loop_that_is_busy_elsewhere_still_delivers(attached, connect):
    nginx = attached(locations="""
      location /busy { content_by_lua_block {
        local wb = assert(require("resty.websocket.server"):new({ timeout = 10000 }))
        assert(require("fanwire.resty").attach(wb, { user = "ann" }))
        wb:send_text("up")
        ngx.sleep(1)
        wb:send_text("done")
        wb:recv_frame()
      } }""")
    client = connect(nginx.wb.replace("/ws", "/busy"))
    assert client.receive() == "up"
    assert nginx.post("/notify?user=ann", "meanwhile").status == 200
    assert client.receive() == "meanwhile"
    assert client.receive() == "done"
