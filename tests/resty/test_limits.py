"""Limits of nginx and faults of the application that a hub has to live with."""

import os
import signal
import time

import pytest

import rig
import support
from support import DEADLINE, TEXT

START = rig.START.replace("@OPTIONS@", "")


def test_a_start_without_a_timer_is_refused_and_leaves_nothing(nginx):
    n = nginx(START.replace("@HANDLERS@", ""), workers=1, redis=None,
              http="lua_max_pending_timers 1;")
    n.expected = ["not started: "]
    started = n.wait_told("started")[0]
    assert not started["ok"] and "timer" in started["why"]
    assert os.listdir(n.wake_dir) == []
    began = time.monotonic()
    n.reload(wait_for_end=True)
    assert time.monotonic() - began < 30 * support.SLOW


def test_a_taken_port_leaves_no_file(nginx):
    n = nginx(START.replace("@HANDLERS@", "").replace(
        "127.0.0.1:@WS@", "203.0.113.1:1"), workers=1, redis=None)
    n.expected = ["not started: "]
    assert not n.wait_told("started")[0]["ok"]
    assert os.listdir(n.wake_dir) == []


def test_handlers_begin_when_a_timer_is_free_again(nginx, raw_connect):
    n = nginx("""
      ngx.timer.at(0, function()
        while not shared:get("go") do ngx.sleep(0.05) end
      end)""" + START.replace("@HANDLERS@", "").replace(
          "connect = function(request) return request.query.user end,", ""), """
      location /go { content_by_lua_block {
        ngx.shared.shared:set("go", true) ngx.say("go") } }""",
              workers=1, redis=None, http="lua_max_running_timers 2;")
    n.expected = ["lua_max_running_timers are not enough"]
    n.wait_log("lua_max_running_timers are not enough")
    client, heard = raw_connect(n, "room=r"), []
    n.get("/go")
    client.send(TEXT, b"x")
    while b"x" not in heard:
        heard.append(client.receive()[1])


def test_worker_shutdown_timeout_ends_a_drain(serve, enter):
    nginx = serve("""
      message = function(session) session:send("sleeping") ngx.sleep(600) end,""",
                  'drain_timeout = "60s",', workers=1, redis=None,
                  main="worker_shutdown_timeout 1s;")
    client = enter(nginx)
    assert client.ask("x") == "sleeping"
    began = time.monotonic()
    nginx.signal(signal.SIGQUIT)
    assert nginx.wait_end() == 0
    assert time.monotonic() - began < 30 * support.SLOW
    assert "worker_shutdown_timeout is over" in nginx.log()


def test_a_reload_in_the_moment_of_the_start(serve, enter):
    nginx = serve(workers=2)
    for _ in range(15):
        nginx.signal(signal.SIGHUP)
        till = time.monotonic() + 0.03
        support.wait_until(lambda: time.monotonic() > till, "a moment")
    support.wait_until(lambda: len(nginx.children()) == 2 == len(nginx.workers()),
                       "old workers are gone", 4 * DEADLINE)
    enter(nginx, "", 0), enter(nginx, "", 1)


EVIL = """
  local function evil(f)
    return setmetatable({}, { __tostring = f })
  end
  local evils = {
    raises = evil(function() error("no text") end),
    itself = evil(function() error(evil(function() error("never") end)) end),
    table = evil(function() return {} end),
    number = evil(function() return 7 end),
    yields = evil(function() ngx.sleep(0.01) return "slept" end),
  }
"""


@pytest.mark.parametrize("kind", ["raises", "itself", "table", "number", "yields",
                                  "nothing"])
def test_what_has_no_text_may_be_raised_and_returned(nginx, enter, connect, kind):
    n = nginx(EVIL + rig.START.replace("@OPTIONS@", "concurrency = 1,").replace(
        "@HANDLERS@", """
      connect = function(request)
        local how = request.query.how
        if how == "return" then return evils[request.query.kind] end
        if how == "why" then return nil, evils[request.query.kind] or "x" end
        if how == "raise" then error(evils[request.query.kind]) end
      end,
      join = function(session, room)
        if room == "raise" then error(evils[session.query.kind]) end
        if room == "why" then return nil, evils[session.query.kind] or "x" end
      end,
      message = function(session, data)
        if data == "x" then error(evils[session.query.kind]) end
        session:send(data)
      end,
      close = function(session, data)
        tell("closed")
        error(evils[session.query.kind])
      end,
      """), workers=1, redis=None)
    n.expected = ["handler failed", "fanwire"]
    n.wait_told("started")
    first = enter(n, f"kind={kind}")
    for how in ("why", "raise") if kind == "nothing" else ("return", "why", "raise"):
        reply = support.handshake(n.url + f"?kind={kind}&how={how}")
        assert reply.status == 500, (how, reply.status)
    for room in ("raise", "why"):
        enter(n, f"kind={kind}&room={room}").ask("still")
    for k in range(5):
        first.send("x")
        assert first.ask(str(k)) == str(k)
    first.close()
    n.wait_told("closed")
    second = enter(n, f"kind={kind}")
    assert second.ask("y") == "y"
    n.wait_log("message handler failed", 5)


def test_a_log_function_that_fails_stops_nothing_and_nothing_is_lost(nginx, enter):
    n = nginx(EVIL + rig.START.replace("@OPTIONS@", """
      log_level = "debug", concurrency = 1,
      log = function() error(evils.raises) end,""").replace("@HANDLERS@", """
      message = function(session, data)
        if data == "x" then error("x") end
        session:send(data)
      end,"""), workers=1, redis=None)
    n.expected = ["function log failed", "handler failed"]
    n.wait_told("started")
    client = enter(n)
    for k in range(5):
        client.send("x")
        assert client.ask(str(k)) == str(k)



def test_boxes_are_looked_after_when_a_timer_is_free_again(attached, attach):
    nginx = attached(workers=1, redis=None, options='heartbeat_interval = "1s",',
                     http="lua_max_pending_timers 2;", locations="""
      location /hold { content_by_lua_block {
        require("telling").tell("held", ngx.timer.at(1, function() end) and true)
      } }""")
    nginx.expected = ["no memory"]
    nginx.get("/hold")
    assert nginx.told("held") == [True]
    first = attach(nginx, "user=ann")
    support.wait_until(lambda: nginx.get("/hold") and nginx.told("held")[-1],
                       "a timer is free")
    till = time.monotonic() + 2
    support.wait_until(lambda: time.monotonic() > till, "it is free")
    second = attach(nginx, "user=bob")
    first.send("return")
    second.send("return")
    nginx.wait_told("close", 2)


def test_a_worker_leaves_though_nginx_has_no_timer_left_to_say_so(nginx, raw_connect):
    n = nginx(START.replace("@HANDLERS@", "").replace(
        "connect = function(request) return request.query.user end,", ""), """
      location /hold { content_by_lua_block {
        ngx.timer.at(0, function()
          while not ngx.worker.exiting() do ngx.sleep(0.05) end
          ngx.sleep(0.3)
          ngx.shared.shared:set("done", true)
        end)
        ngx.sleep(0.1)
        ngx.say("held") } }
        """, workers=1, redis=None, http="lua_max_running_timers 3;")
    n.expected = ["lua_max_running_timers are not enough"]
    client = raw_connect(n, "room=r")
    client.receive()
    n.get("/hold")
    n.signal(signal.SIGQUIT)
    n.wait_log("lua_max_running_timers are not enough")
    client.send(TEXT, b"anything")
    assert n.wait_end() == 0


HOSTILE = """
      message = function(session, data)
        local resty, hub = require "fanwire.resty", require("fanwire.resty").hub()
        local said = {}
        local function try(name, f, ...)
          local fine, ok, why, name2 = pcall(f, ...)
          said[name] = { fine, tostring(ok), tostring(why), name2 }
        end
        if data == "try" then
          for _, name in ipairs{ "on", "configure", "start", "run", "poll", "fd", "drain",
              "close", "stop" } do
            try(name, hub[name], hub, {})
          end
          try("restart", resty.start, { listen = "off" })
          try("attach", resty.attach, {}, {})
          try("publish", resty.publish, "r\\0", "x")
          try("huge", resty.publish, "r", ("x"):rep(64 * 1024 * 1024))
          try("node", resty.send_node, "nonsense", "x")
          try("stats", resty.stats)
          try("metrics", resty.metrics)
          try("say", ngx.say, "x")
          try("exec", ngx.exec, "/alive")
          try("eof", ngx.eof)
          try("var", function() return ngx.var.uri end)
          tell("tried", said)
        end
        session:send("still " .. data)
      end,"""


def test_a_handler_may_try_whatever_it_wants(serve, enter):
    nginx = serve(HOSTILE, workers=1, redis=None)
    client = enter(nginx)
    assert client.ask("try") == "still try"
    said = nginx.wait_told("tried")[0]
    for name in ("on", "configure", "start", "run", "poll", "fd", "drain", "close",
                 "stop"):
        assert said[name][0] and said[name][3] == "FW_ERR_STATE", (name, said[name])
    assert client.ask("go on") == "still go on"
    old = nginx.workers()
    nginx.reload()
    nginx.wait_gone(old)
