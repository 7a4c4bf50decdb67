"""How attached sessions end, from each side, and those whose clients are slow."""

import os
import signal
import struct

import pytest

from application import Attached
import rig
import support
from support import CLOSE


# --- the end, from each side ---

def ended(nginx, client, codes):
    """The session's end has been told once, with one of the codes."""
    def of_it():
        return [code for name, code, *_ in nginx.told("close") if name == client.at["id"]]

    support.wait_until(of_it, f"the session's end; {nginx.told('close')}")
    assert len(of_it()) == 1 and of_it()[0] in codes, of_it()


def test_a_client_that_closes_ends_the_session(attached, attach):
    nginx = attached()
    ann = attach(nginx, "user=ann")
    ann.close(4000, "enough")
    assert ann.ws.close_code in (1000, 4000)
    ended(nginx, ann, {4000, 1000, 1005})
    assert nginx.told("loop") == ["close"]


def test_a_client_that_vanishes_ends_the_session(attached, attach):
    nginx = attached()
    ann = attach(nginx, "user=ann")
    ann.abort()
    ended(nginx, ann, {1006})
    nginx.wait_told("loop")


@pytest.mark.parametrize("said, codes", [
    ("return", {1006}), ("exit", {1006}), ("error", {1006}),
    ("say goodbye", {4002, 1000, 1006})])
def test_a_request_that_ends_ends_the_session(attached, attach, said, codes):
    # Nothing tells of it: it is seen at the next look, which comes with the heartbeat.
    nginx = attached(options='heartbeat_interval = "1s",')
    nginx.expected = ["the loop is broken"]
    ann, bob = attach(nginx, "user=ann"), attach(nginx, "user=bob")
    ann.send(said)
    code, _ = ann.wait_closed()
    assert code == (4002 if said == "say goodbye" else 1006)
    ended(nginx, ann, codes)
    assert nginx.post("/notify?user=bob", "to bob").status == 200
    assert bob.receive() == "to bob"
    if said == "error":
        nginx.wait_log("the loop is broken")


def test_a_session_that_is_closed_closes_the_connection_with_code_and_reason(attached,
                                                                             attach):
    nginx = attached()
    ann = attach(nginx, "user=ann")
    ann.send("close session")
    assert ann.wait_closed() == (4003, "by the session")
    ended(nginx, ann, {4003})


def test_disconnect_from_another_worker_closes_with_code_and_reason(attached, attach):
    nginx = attached(locations="""
      location /out { content_by_lua_block {
        require("fanwire.resty").user("ann"):disconnect(4001, "out")
        ngx.say("out") } }""")
    ann = attach(nginx, "user=ann", 0)
    c = nginx.on_worker(1)
    c.ask("/out")
    assert ann.wait_closed() == (4001, "out")
    ended(nginx, ann, {4001})
    c.end()


def test_what_was_sent_before_the_close_comes_before_it(attached, attach):
    nginx = attached("""message = function(session)
        for k = 1, 100 do session:send("last " .. k) end
        session:close(4005, "done")
      end,""")
    ann = attach(nginx)
    ann.send("feed:x")
    assert ann.receive_many(100) == [f"last {k}" for k in range(1, 101)]
    assert ann.wait_closed() == (4005, "done")


def test_a_reload_drains_it(attached, attach):
    nginx = attached(options="drain_rate = 20,")
    clients = [attach(nginx, f"user=u{k}") for k in range(6)]
    old = nginx.workers()
    nginx.reload()
    assert {client.wait_closed()[0] for client in clients} == {1001}
    nginx.wait_gone(old)
    assert {one[1] for one in nginx.wait_told("close", 6)} == {1001}
    assert attach(nginx, "user=ann").at["pid"] not in old


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGTERM])
def test_the_end_of_nginx_ends_it(attached, attach, number):
    nginx = attached()
    clients = [attach(nginx, f"user=u{k}") for k in range(4)]
    nginx.signal(number)
    codes = {client.wait_closed()[0] for client in clients}
    assert codes == {1001} if number == signal.SIGQUIT else codes <= {1001, 1006}
    assert nginx.wait_end() == 0


def test_a_killed_worker_takes_only_its_own_along(attached, attach):
    nginx = attached()
    nginx.expected = ["exited on signal 9"]
    ann, bob = attach(nginx, "user=ann", 0), attach(nginx, "user=bob", 1)
    os.kill(ann.at["pid"], signal.SIGKILL)
    assert ann.wait_closed()[0] == 1006
    c = nginx.connection()
    nginx.wait_respawned([ann.at["pid"]])
    assert nginx.post("/notify?user=bob", "to bob").status == 200
    assert bob.receive() == "to bob"
    c.end()


def test_nothing_is_left_of_many_sessions(attached, connect):
    nginx = attached(workers=1, redis=None, options='heartbeat_interval = "1s",')
    worker = rig.Worker(nginx.workers()[0])
    Attached(connect(nginx.wb)).close()  # the start is over, and all is loaded
    nginx.wait_told("close")
    first = worker.figures_at_rest()
    for k in range(60):
        client = Attached(connect(nginx.wb, "user=ann&rooms=r,q"))
        if k % 3 == 0:
            client.close()
        elif k % 3 == 1:
            client.abort()
        else:
            client.send("return")
    nginx.wait_told("close", 61)
    support.wait_until(lambda: worker.figures() == first,
                       f"as before: {first}; {worker.figures()}")


# --- slow ones ---

def test_a_slow_client_is_closed_by_the_outbox_policy_and_delays_nobody(attached, attach,
                                                                        raw_connect):
    nginx = attached(options='outbox_max_bytes = "256KiB",', workers=1, redis=None)
    slow, other = raw_connect(nginx.wb, "user=slow&rooms=r"), attach(nginx, "rooms=r")
    slow.receive()
    worker = nginx.workers()[0]
    before, c, text, sent = support.memory_of(worker), nginx.connection(), "x" * 60000, 0
    while not nginx.told("close") and sent < 1000:
        assert c.ask("/notify?room=r", text).status == 200
        assert other.receive(deadline=2 * support.SLOW) == text
        sent += 1
    closed = nginx.wait_told("close")
    assert len(closed) == 1 and closed[0][0] != other.at["id"]
    assert support.memory_of(worker) - before < 48 << 20
    slow.socket.settimeout(support.DEADLINE)
    with pytest.raises((ConnectionError, AssertionError)):
        for _ in range(sent + 2):  # what was on its way, and then the end
            opcode, payload = slow.receive()
            assert opcode != CLOSE, struct.unpack("!H", payload[:2])
    assert nginx.post("/notify?room=r", "still").status == 200
    assert other.receive() == "still"
    c.end()


def test_a_slow_client_misses_messages_by_drop_oldest_and_hears_the_last(attached, attach,
                                                                        raw_connect):
    nginx = attached(
        options='outbox_max_bytes = "256KiB", outbox_policy = "drop_oldest",', workers=1,
        redis=None)
    slow, other = raw_connect(nginx.wb, "rooms=r"), attach(nginx, "rooms=r")
    slow.receive()
    c, sent = nginx.connection(), 400
    for k in range(sent):
        assert c.ask("/notify?room=r", f"{k:06d}" + "x" * 60000).status == 200
        other.receive(deadline=2 * support.SLOW)
    heard = []
    while not heard or heard[-1] != sent - 1:
        heard.append(int(slow.receive()[1][:6]))
    assert heard == sorted(set(heard))
    assert len(heard) < sent
    assert not nginx.told("close")
    c.end()


def test_a_worker_may_end_while_a_client_is_being_attached(attached, raw_connect):
    # Whatever its answer is, nginx ends, and nobody waits for ever.
    nginx = attached("connect = function() end, open = function() ngx.sleep(0.2) end,"
                     "join = function() ngx.sleep(0.5) end,", workers=1, redis=None)
    clients = [raw_connect(nginx.wb, "rooms=r,q,s") for _ in range(5)]
    nginx.signal(signal.SIGQUIT)
    assert nginx.wait_end() == 0
    for client in clients:
        client.end()


# A hub whose inbox is full, for as long as GET /busy?is=1 says so.
FULL_INBOX = """
    local native = require "fanwire.native"
    local feed_close = native.fw_session_feed_close
    native.fw_session_feed_close = function(...)
      if ngx.shared.shared:get("busy") then
        require("telling").tell("busy")
        return nil, "the inbox is full", "FW_ERR_BUSY"
      end
      return feed_close(...)
    end
"""
BUSY = """
    location /busy { content_by_lua_block {
      ngx.shared.shared:set("busy", ngx.var.arg_is == "1") ngx.say("set") } }
"""


def test_an_end_that_finds_the_inbox_full_is_told_later(attached, attach):
    nginx = attached(workers=1, redis=None, options='heartbeat_interval = "1s",',
                     init=FULL_INBOX, locations=BUSY)
    client = attach(nginx, "user=ann")
    nginx.get("/busy?is=1")
    client.close(4005, "so long")
    nginx.wait_told("busy", 2)
    assert nginx.told("close") == []
    nginx.get("/busy?is=0")
    assert nginx.wait_told("close")[0][1:] == [4005, "so long"]


def test_a_worker_ends_though_an_end_was_never_told(attached, attach):
    nginx = attached(workers=1, redis=None, options='drain_timeout = "60s",',
                     init=FULL_INBOX, locations=BUSY)
    client, old = attach(nginx, "user=ann"), nginx.workers()
    nginx.get("/busy?is=1")
    client.abort()
    nginx.wait_told("busy")
    nginx.reload()
    nginx.wait_gone(old, 30 * support.SLOW)
