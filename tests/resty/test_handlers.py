"""Handlers are light threads: they may wait and fail, and hold up nobody."""

import os
import re
import select
import subprocess
import time

import pytest

import rig
import support
from support import TEXT

# The client says what its handler is to do: "sleep:2", "hold" until somebody says "go",
# "error", or "NAME:..." to publish.
WAITING = """
  message = function(session, data)
    local seconds = data:match("^sleep:(.*)")
    if seconds then
      ngx.sleep(tonumber(seconds))
      session:send("slept")
    elseif data == "hold" then
      while not shared:get("go") do ngx.sleep(0.01) end
      session:send("released")
    elseif data == "go" then
      shared:set("go", true)
    elseif data == "error" then
      local function deep() error("the soup is cold") end
      deep()
    elseif data == "error table" then
      error(setmetatable({}, { __tostring = function() return "a table" end }))
    elseif data == "crash" then
      local nothing
      return nothing.at_all
    elseif data == "echo" then
      session:send("echo")
    else
      resty.publish("r", data)
    end
  end,"""


@pytest.fixture
def waiting(serve):
    return serve(WAITING, workers=1, redis=None)


# --- waiting ---

def test_a_handler_that_sleeps_delays_no_other_event_and_no_fan_out(waiting, enter):
    sleeper, other = enter(waiting, "room=r"), enter(waiting, "room=r")
    sleeper.send("hold")
    for n in range(20):
        assert other.ask("echo") == "echo"
        other.send(f"news {n}")
        assert other.receive() == f"news {n}"
        assert sleeper.receive() == f"news {n}"  # it hears while its handler sleeps
        assert waiting.post("/notify?room=r", "posted").status == 200
        assert [other.receive(), sleeper.receive()] == ["posted"] * 2
    other.send("go")
    assert sleeper.receive() == "released"


def test_newcomers_come_in_while_a_handler_sleeps(waiting, enter):
    sleeper = enter(waiting)
    sleeper.send("hold")
    for _ in range(5):
        enter(waiting).close()
    enter(waiting).send("go")
    assert sleeper.receive() == "released"


def test_events_of_one_session_wait_for_each_other(serve, enter):
    nginx = serve("""
      message = function(session, data)
        ngx.sleep(tonumber(data) / 1000)
        session:send(data)
      end,
      close = function(session) tell("closed", session.state.last) end,""", workers=1,
                  redis=None)
    client = enter(nginx)
    sent = [str(k) for k in (50, 0, 30, 1, 20, 0)]
    for data in sent:
        client.send(data)
    assert client.receive_many(6) == sent


def test_every_handler_may_wait(serve, enter):
    nginx = serve("""
      connect = function(request)
        ngx.sleep(0.05)
        if request.query.user == "mallory" then return resty.refuse(403, "not you") end
        request.state.seen = "connect"
        return request.query.user
      end,
      open = function(session)
        ngx.sleep(0.05)
        session:send({ worker = 0 })
        session:join("r")
      end,
      join = function(session, room)
        ngx.sleep(0.05)
        if room == "secret" then return false end
        session.state.seen = session.state.seen .. " join"
      end,
      message = function(session, data) ngx.sleep(0.05) resty.publish("r", data) end,
      room_message = function(room, data)
        ngx.sleep(0.05)
        tell("room", { room, data })
      end,
      leave = function(session, room) ngx.sleep(0.05) tell("leave", room) end,
      close = function(session, code)
        ngx.sleep(0.05)
        tell("close", { session.state.seen, session.user, code })
      end,""", workers=1, redis=None)
    refused = support.handshake(nginx.url + "?user=mallory")
    assert (refused.status, refused.body.strip()) == (403, "not you")
    client = enter(nginx, "user=ann")
    client.send("hello")
    assert client.receive() == "hello"
    assert nginx.wait_told("room") == [["r", "hello"]]
    client.close(4000)
    assert nginx.wait_told("leave") == ["r"]
    assert nginx.wait_told("close") == [["connect join", "ann", 4000]]


def test_a_handler_may_use_cosockets_and_other_light_threads(serve, enter):
    nginx = serve("""
      message = function(session, data)
        local sock = ngx.socket.tcp()
        assert(sock:connect("127.0.0.1", @HTTP@))
        assert(sock:send("GET /alive HTTP/1.0\\r\\n\\r\\n"))
        local thread = ngx.thread.spawn(function() return sock:receive("*a") end)
        local ok, answer = ngx.thread.wait(thread)
        sock:close()
        session:send(answer:match("alive"))
      end,""", workers=1, redis=None)
    assert enter(nginx).ask("x") == "alive"


def test_a_handler_that_has_asked_for_a_join_may_wait_for_it(serve, enter):
    nginx = serve("""
      join = function(session, room) ngx.sleep(0.01) end,
      message = function(session, data)
        local semaphore = require("ngx.semaphore").new()
        session:join(data, function(ok) semaphore:post() end)
        assert(semaphore:wait(5))
        resty.publish(data, "in " .. data)
      end,""", workers=1, redis=None)
    assert enter(nginx).ask("lobby") == "in lobby"


def test_join_then_publish_hears_itself(serve, enter):
    nginx = serve("""
      message = function(session, data)
        session:join(data)
        resty.publish(data, "in " .. data)
      end,""")
    client = enter(nginx)
    for k in range(20):
        assert client.ask(f"room {k}") == f"in room {k}"


# --- failing ---

@pytest.mark.parametrize("said, logged", [
    ("error", "the soup is cold"), ("error table", "a table"),
    ("crash", "attempt to index")])
def test_a_handler_that_fails_is_logged_and_kills_nothing(waiting, enter, said, logged):
    waiting.expected = ["message handler failed", "traceback", logged]
    client, other = enter(waiting, "user=ann"), enter(waiting, "room=r")
    pid = waiting.workers()[0]
    client.send(said)
    assert client.ask("echo") == "echo"  # its own session goes on, too
    assert other.ask("news") == "news"
    waiting.wait_log(logged)
    log = waiting.log()
    at = log.index(logged)
    line = log[log.rindex("\n", 0, at) + 1:]
    assert "[error]" in line.split("\n")[0]
    assert "message" in line.split("\n")[0]
    assert "session=" in line and "user=ann" in line
    if said != "error table":  # what is no text has no traceback of its own
        assert "stack traceback:" in line
        assert "init_worker_by_lua" in line  # the place in the application
    assert waiting.workers() == [pid]


def test_each_kind_of_handler_may_fail(serve, connect):
    nginx = serve("""
      connect = function(request)
        if request.query.user == "mallory" then error("bad connect") end
      end,
      open = function(session) session:join("r") session:join("q") error("bad open") end,
      join = function(session, room) if room == "q" then error("bad join") end end,
      message = function(session, data) resty.publish("r", data) error("bad message") end,
      room_message = function() error("bad room_message") end,
      leave = function() error("bad leave") end,
      close = function() error("bad close") end,""", workers=1, redis=None)
    nginx.expected = ["bad "]
    assert support.handshake(nginx.url + "?user=mallory").status == 500
    for round in (1, 2):
        client = connect(nginx)
        nginx.wait_log("bad join", round)  # asked second: "r" is decided by then
        assert client.ask("hello") == "hello"
        client.close()
    for kind in ("open", "join", "message", "room_message", "leave", "close"):
        nginx.wait_log(f"bad {kind}", 2)
    assert nginx.log().count("stack traceback:") >= 12
    assert nginx.get("/alive").status == 200


def test_an_error_after_a_wait_is_logged_with_its_traceback(serve, enter):
    nginx = serve("""
      message = function(session, data)
        ngx.sleep(0.01)
        error("late")
      end,""", workers=1, redis=None)
    nginx.expected = ["late"]
    client = enter(nginx)
    client.send("x")
    nginx.wait_log("late")
    nginx.wait_log("stack traceback:")
    assert "init_worker_by_lua" in nginx.log()


# --- many at once ---

def test_three_hundred_handlers_sleep_at_the_same_time(waiting, raw_connect):
    # More than nginx runs timers at once (lua_max_running_timers). One after the other
    # they would take five minutes.
    clients = [raw_connect(waiting) for _ in range(300)]
    began = time.monotonic()
    for client in clients:
        client.send(TEXT, b"sleep:1")
    for client in clients:
        while client.receive()[1] != b"slept":
            pass
    assert time.monotonic() - began < 60 * support.SLOW


COUNTED = """
  message = function(session, data)
    local now = shared:incr("now", 1, 0)
    if now > (shared:get("most") or 0) then shared:set("most", now) end
    ngx.sleep(0.05)
    shared:incr("now", -1)
    session:send(data)
  end,"""
MOST = """location /most { content_by_lua_block {
            ngx.print(ngx.shared.shared:get("most")) } }"""


def test_no_more_handlers_than_concurrency_are_in_the_middle_of_something(serve, enter):
    nginx = serve(COUNTED, "concurrency = 4,", MOST, workers=1, redis=None)
    clients = [enter(nginx) for _ in range(20)]
    for k in range(3):
        for client in clients:
            client.send(str(k))
    for client in clients:
        assert client.receive_many(3) == ["0", "1", "2"]
    assert int(nginx.get("/most").body) == 4


def test_concurrency_of_one_is_one_after_the_other(serve, enter):
    nginx = serve(COUNTED, "concurrency = 1,", MOST, workers=1, redis=None)
    clients = [enter(nginx) for _ in range(5)]
    for client in clients:
        client.send("x")
    for client in clients:
        assert client.receive() == "x"
    assert int(nginx.get("/most").body) == 1


def test_a_flood_to_slow_handlers_is_bounded_and_loses_nothing(serve, raw_connect):
    piece, most = b"x" * 16384, 4000
    nginx = serve("""
      message = function(session, data)
        while not shared:get("go") do ngx.sleep(0.02) end
        session.state.count = (session.state.count or 0) + 1
        if data == "last" then session:send(tostring(session.state.count)) end
      end,""", "events_per_session = 16,", """
      location /go { content_by_lua_block {
        ngx.shared.shared:set("go", true) ngx.say("go") } }""", workers=1, redis=None)
    worker = nginx.workers()[0]
    client = raw_connect(nginx)
    client.receive()
    before = support.memory_of(worker)
    sent = client.fill(support.frame(TEXT, piece), most)
    assert sent < most  # 64 MB would have been taken
    assert support.memory_of(worker) - before < 32 << 20
    assert nginx.get("/go").status == 200
    client.socket.setblocking(True)
    left = getattr(client, "_left", b"")
    client.socket.sendall(left)
    client.send(TEXT, b"last")
    assert client.receive() == (TEXT, str(sent + bool(left) + 1).encode())


def test_a_flood_of_events_leaves_requests_their_turn(serve, raw_connect):
    nginx = serve("message = function(session, data) resty.publish('r', data) end,",
                  workers=1, redis=None)
    clients = [raw_connect(nginx) for _ in range(4)]
    flood = support.frame(TEXT, b"x") * 20000
    c = nginx.connection()
    rests = {client: b"" for client in clients}
    took = []
    end = time.monotonic() + 2
    while time.monotonic() < end:
        for client in clients:
            rests[client] = rests[client] or flood
            client.socket.setblocking(False)
            try:
                rests[client] = rests[client][client.socket.send(rests[client]):]
            except BlockingIOError:
                pass
        at = time.monotonic()
        assert c.ask("/alive").status == 200
        took.append(time.monotonic() - at)
    c.end()
    # A turn of the handlers has 10 ms; a machine that is busy may stop for once.
    assert sorted(took)[len(took) // 2] < 0.5 * support.SLOW


# --- at rest ---

def test_an_idle_worker_sleeps(serve, enter):
    # With sessions, rooms and Redis. FW_IDLE_SECONDS=30 looks longer.
    seconds = float(os.environ.get("FW_IDLE_SECONDS", "10"))
    nginx = serve()
    clients = [enter(nginx, "room=r", worker) for worker in (0, 1)]
    clients[0].send("up")
    assert clients[0].receive() == "up"
    workers = [rig.Worker(pid) for pid in nginx.workers()]
    calm = [worker.tasks() for worker in workers]

    def has_calmed_down():
        nonlocal calm
        select.select([], [], [], 0.3)
        before, calm = calm, [worker.tasks() for worker in workers]
        return before == calm

    # What the start set in motion is over when nothing has woken between two looks.
    support.wait_until(lambda: has_calmed_down(), "the start is over")
    began = time.monotonic()
    select.select([], [], [], seconds)
    lasted = time.monotonic() - began
    for worker, before in zip(workers, calm):
        rates = {name: (count - before.get(name, 0)) / lasted
                 for name, count in worker.tasks().items()}
        print(f"worker {worker.pid}, wake-ups a second over {lasted:.0f} s:",
              {name: round(rate, 2) for name, rate in sorted(rates.items())})
        assert sum(rates.values()) <= 2, rates


# What an idle loop does between two waits, and what that is called.
NAMES = [
    ("a ping of Redis", r"write\(\d+, .*(PING|:probe:)"),
    ("the lease", r"write\(\d+, .*EVAL"),
    ("an answer of Redis", r"read\(\d+, \"[*:+$]"),
    ("a heartbeat", r"sendto\(\d+, \"\\211"),
    ("the answer to a heartbeat", r"(recv\w*|read)\(\d+, \"\\212"),
]


def test_each_wake_up_of_an_idle_worker_has_a_name(serve, enter, tmp_path):
    seconds = float(os.environ.get("FW_IDLE_SECONDS", "10"))
    nginx = serve(options='heartbeat_interval = "4s",', workers=1)
    enter(nginx, "room=r")
    worker = rig.Worker(nginx.workers()[0])
    loop, = (t.split("/")[1] for t in worker.tasks() if t.startswith("fw-loop"))
    traced = tmp_path / "trace"
    with subprocess.Popen(["strace", "-s", "200", "-o", str(traced), "-p", loop],
                          stderr=subprocess.PIPE, text=True) as strace:
        said = strace.stderr.readline()
        if "Operation not permitted" in said:
            pytest.skip("nobody may trace another process here")
        select.select([], [], [], seconds)
        strace.terminate()
    wakes, unnamed = [set()], []
    for line in traced.read_text().splitlines():
        if line.startswith("epoll_"):
            wakes.append(set())
        elif re.match(r"\w+\(.*= (?!-1 EAGAIN)", line):
            names = {name for name, pattern in NAMES if re.match(pattern, line)}
            wakes[-1] |= names
            unnamed += [] if names else [line]
    assert not unnamed
    counts = {name: sum(name in wake for wake in wakes) for name, _ in NAMES}
    print(f"over {seconds:.0f} s {len(wakes)} wake-ups: {counts}")
    assert counts["a ping of Redis"] and counts["a heartbeat"]
    # A deadline that was met isn't taken back; it wakes once more and finds nothing.
    assert sum(not wake for wake in wakes) <= sum(bool(wake) for wake in wakes) + 2
