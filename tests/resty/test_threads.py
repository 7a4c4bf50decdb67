"""What handlers do with coroutines, light threads and requests, well or badly."""

import pytest

import rig
import support
from support import TEXT, frame


def test_exit_in_a_handler_is_an_error_and_ends_no_other_handler(serve, enter):
    nginx = serve("""
      message = function(session, data)
        if data == "exit" then ngx.exit(ngx.HTTP_OK) end
        ngx.sleep(data == "slow" and 0.3 or 0)
        session:send(data)
      end,""", workers=1, redis=None)
    nginx.expected = ["ngx.exit"]
    slow, other = enter(nginx), enter(nginx)
    slow.send("slow")
    other.send("exit")
    assert slow.receive() == "slow"
    assert other.ask("again") == "again"
    nginx.wait_log("message handler failed")


def test_an_exit_that_was_kept_from_before_the_start_ends_no_other_handler(serve, enter):
    # Modules that were required earlier have `local exit = ngx.exit`.
    nginx = serve("""
      message = function(session, data)
        if data == "exit" then require("telling").exit(ngx.HTTP_OK) end
        ngx.sleep(data == "slow" and 0.3 or 0)
        session:send(data)
      end,""", workers=1, redis=None, init='require("telling").exit = ngx.exit')
    nginx.expected = ["fanwire"]
    slow, other = enter(nginx), enter(nginx)
    slow.send("slow")
    other.send("exit")
    third = enter(nginx)
    assert third.ask("again") == "again"


def test_a_handler_may_yield_in_a_coroutine_of_its_own(serve, enter):
    nginx = serve("""
      message = function(session, data)
        local steps = coroutine.wrap(function()
          for k = 1, 3 do
            ngx.sleep(0.01)
            session:send(data .. k)
            coroutine.yield()
          end
        end)
        steps() steps() steps()
      end,""", workers=1, redis=None)
    client = enter(nginx)
    client.send("step")
    client.send("next")
    assert client.receive_many(6) == ["step1", "step2", "step3",
                                      "next1", "next2", "next3"]


def test_what_a_handler_has_spawned_lives_on_after_it(serve, enter):
    nginx = serve("""
      message = function(session, data)
        ngx.thread.spawn(function()
          ngx.sleep(0.2)
          session:send("later " .. data)
        end)
        session:send("now " .. data)
      end,""", workers=1, redis=None)
    client = enter(nginx)
    client.send("a")
    assert client.receive_many(2) == ["now a", "later a"]


def test_a_timer_of_the_application_may_use_sessions(serve, enter):
    nginx = serve("""
      message = function(session, data)
        ngx.timer.at(0.01, function() session:send("by timer " .. data) end)
      end,""", workers=1, redis=None)
    assert enter(nginx).ask("x") == "by timer x"


@pytest.mark.parametrize("work", [
    "ngx.sleep(0)", "ngx.thread.wait(ngx.thread.spawn(function() ngx.sleep(0) end))",
    """local sock = ngx.socket.udp()
       assert(sock:setpeername("127.0.0.1", 9)) sock:close()"""])
def test_what_handlers_have_used_is_given_back(serve, raw_connect, work):
    # nginx frees what belongs to a request at its end, and handlers run in one.
    nginx = serve("""message = function(session, data)
        %s
        if data == "last" then session:send("last") end
      end,""" % work, workers=1, redis=None)
    pid = nginx.workers()[0]
    worker = rig.Worker(pid)
    clients = [raw_connect(nginx) for _ in range(8)]

    def handle(count):
        for client in clients:
            client.socket.sendall(frame(TEXT, b"x") * (count // 8))
            client.send(TEXT, b"last")
        for client in clients:
            while client.receive()[1] != b"last":
                pass

    began = worker.cpu_s()
    handle(48000)
    first, at = support.memory_of(pid), worker.cpu_s()
    handle(144000)
    grown, ended = support.memory_of(pid) - first, worker.cpu_s()
    print(f"{grown >> 10} KiB; CPU {at - began:.1f} s, then {ended - at:.1f} s")
    assert grown < 32 << 20  # 230 bytes a message would be more
    assert ended - at < 8 * (at - began)  # nothing gets longer and longer
    assert worker.threads() <= 2


def test_a_killed_thread_of_the_application_leaves_the_rest(serve, enter):
    nginx = serve("""
      message = function(session, data)
        local thread = ngx.thread.spawn(function() ngx.sleep(60) end)
        assert(ngx.thread.kill(thread))
        session:send(data)
      end,""", workers=1, redis=None)
    client = enter(nginx)
    for k in range(50):
        assert client.ask(str(k)) == str(k)


def test_many_sessions_come_and_go_while_handlers_wait(serve, raw_connect):
    nginx = serve("""
      connect = function(request) ngx.sleep(0.01) end,
      open = function(session) ngx.sleep(0.01) session:join("r") end,
      message = function(session, data) ngx.sleep(0.01) resty.publish("r", data) end,
      close = function(session) ngx.sleep(0.01) shared:incr("closed", 1, 0) end,""",
                  locations="""location /closed { content_by_lua_block {
                    ngx.print(ngx.shared.shared:get("closed") or 0) } }""", workers=1,
                  redis=None)
    for _ in range(5):
        clients = [raw_connect(nginx) for _ in range(40)]
        for client in clients:
            client.send(TEXT, b"hello")
        for client in clients:
            assert client.receive() == (TEXT, b"hello")
        for client in clients:
            client.end()
    support.wait_until(lambda: nginx.get("/closed").body == "200", "each close, once")
