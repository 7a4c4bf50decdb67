"""Who asks the hub of a worker that is to exit is answered, and the worker ends."""

import contextlib
import http.client
import json
import signal
import threading

import pytest

import rig
import support
from own_redis import OwnRedis
from support import DEADLINE

# /history waits for its answer. /loop asks again and again, as a request may that an old
# worker still serves, until it is refused; then it asks for everything else. /sleepers
# asks with functions that never return when they are told.
LOCATIONS = """
    location /history { content_by_lua_block {
      local tell = require("telling").tell
      tell("asked")
      local messages, _, name = require("fanwire.resty").history("r")
      tell("answered", name or "messages")
      ngx.print(name or "messages")
    } }
    location /loop { content_by_lua_block {
      local resty = require "fanwire.resty"
      local found, name, _
      ngx.say("begun") ngx.flush(true)
      repeat
        ngx.sleep(0.01)
        found, _, name = resty.nodes()
      until not found
      local hub, got = resty.hub(), { nodes = name }
      local function note(what, ok, _, name)
        got[what] = ok and "ok" or name
      end
      note("history", resty.history("r"))
      note("forget", resty.forget("r"))
      note("presence", resty.presence("r"))
      note("sessions", hub:user("ann"):sessions(function() end))
      note("publish", resty.publish("r", "x", nil, function() end))
      note("join", hub:session(hub:node() .. ("0"):rep(16)):join("r"))
      note("attach", hub:attach({ on_deliver = function() end }))
      note("join far away", hub:session(("a"):rep(32)):join("r", function(ok)
        got["told"] = ok
      end))
      note("send", resty.send_all("still"))
      ngx.say(require("cjson").encode(got))
    } }
    location /sleepers { content_by_lua_block {
      for _ = 1, 8 do
        assert(require("fanwire.resty").hub():history("r", function(_, _, name)
          require("telling").tell("told", name)
          ngx.sleep(600)
        end))
      end
      ngx.print("asked")
    } }
"""


class Request:
    """A request on a thread of its own, whose answer is waited for."""

    def __init__(self, nginx, path):
        self._answers = []
        self._thread = threading.Thread(
            target=lambda: self._answers.append(nginx.get(path)), daemon=True)
        self._thread.start()

    def body(self):
        self._thread.join(DEADLINE)
        assert self._answers, "never answered"
        return self._answers[0].body


@pytest.fixture
def redis(tmp_path):
    redis = OwnRedis(tmp_path)
    yield redis
    redis.kill()


@pytest.fixture
def asking(serve, redis):
    """asking(options): an nginx on that Redis, and a request of it that asks what Redis
    doesn't answer for now."""
    def start(options=""):
        n = serve("", options + "room_history_size = 3,", LOCATIONS, workers=1,
                  redis=redis.url)
        n.wait_log("fanwire: redis: up")
        support.wait_until(lambda: n.get("/history").body == "messages", "Redis is asked")
        before = len(n.told("asked"))
        redis.signal(signal.SIGSTOP)
        request = Request(n, "/history")
        n.wait_told("asked", before + 1)
        return n, request

    return start


def test_an_old_worker_stays_until_its_questions_are_answered(asking, redis):
    nginx, request = asking('drain_timeout = "60s",')
    old = nginx.workers()
    nginx.reload()
    redis.signal(signal.SIGCONT)
    assert request.body() == "messages"
    nginx.wait_gone(old)


def test_what_is_unanswered_after_drain_timeout_has_failed(asking):
    nginx, request = asking('drain_timeout = "1s",')
    old = nginx.workers()
    nginx.reload()
    assert request.body() == "FW_ERR_CLOSED"
    nginx.wait_gone(old)


def test_a_quit_fails_what_is_unanswered_and_ends(asking):
    nginx, request = asking('drain_timeout = "1s",')
    nginx.signal(signal.SIGQUIT)
    assert request.body() == "FW_ERR_CLOSED"
    assert nginx.wait_end() == 0


def test_who_sleeps_over_a_failure_keeps_it_from_nobody(asking):
    nginx, request = asking('drain_timeout = "1s",')
    old = nginx.workers()
    assert nginx.get("/sleepers").body == "asked"
    later = Request(nginx, "/history")
    nginx.wait_told("asked", len(nginx.told("asked")))
    nginx.reload()
    assert request.body() == later.body() == "FW_ERR_CLOSED"
    assert nginx.wait_told("told", 8) == ["FW_ERR_CLOSED"] * 8
    nginx.wait_gone(old)


def test_a_worker_at_rest_refuses_questions_at_once(serve):
    nginx = serve("", "", LOCATIONS, workers=1, redis=None)
    old = nginx.workers()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", nginx.port,
                                                       timeout=DEADLINE)) as c:
        c.request("GET", "/loop")
        response = c.getresponse()
        assert response.readline() == b"begun\n"
        nginx.reload()
        got = json.loads(response.readline())
    assert got.pop("told") is True
    assert {what for what, said in got.items() if said == "ok"} == {"send",
                                                                   "join far away"}
    assert {said for what, said in got.items() if said != "ok"} == {"FW_ERR_CLOSED"}
    assert len(got) == 10
    nginx.wait_gone(old)


# Asks before the handlers begin. Who is told never returns, which has to hold up nobody.
ASKS = """
    for _ = 1, 3 do
      assert(hub:nodes(function(_, _, name)
        tell("told", name)
        shared:set("told", true)
        ngx.sleep(600)
      end))
    end
"""
ASKING = rig.START.replace("@HANDLERS@", "") + ASKS


def test_a_worker_whose_handlers_cannot_begin_fails_its_questions(nginx):
    n = nginx(ASKING.replace("@OPTIONS@", "") + """
      os.execute("rm -r @WAKE@/*")""", workers=1)
    n.expected = ["no handler will be called", "No such file"]
    assert n.wait_told("told", 3) == ["FW_ERR_CLOSED"] * 3


def test_a_worker_that_never_had_a_timer_for_handlers_answers_and_ends(nginx):
    n = nginx("""
      ngx.timer.at(0, function()
        while not shared:get("told") do ngx.sleep(0.05) end
      end)""" + ASKING.replace("@OPTIONS@", 'drain_timeout = "1s",'), workers=1,
              redis=None, http="lua_max_running_timers 2;")
    n.expected = ["lua_max_running_timers are not enough"]
    n.wait_log("lua_max_running_timers are not enough")
    n.signal(signal.SIGQUIT)
    n.wait_told("told", 3)
    assert n.wait_end() == 0
