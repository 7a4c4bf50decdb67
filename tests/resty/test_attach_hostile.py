"""Attached connections whose clients, or whose applications, don't behave."""

import signal
import struct
import threading
import time

import pytest

import support
from support import CLOSE, TEXT


def ends(nginx, n=1):
    return nginx.wait_told("close", n)


@pytest.mark.parametrize("payload", [
    struct.pack("!H", 1000) + b"\xff\xfe", struct.pack("!H", 1000) + b"a\0b",
    struct.pack("!H", 3000) + b"\0", struct.pack("!H", 999), struct.pack("!H", 1005),
    struct.pack("!H", 1006) + b"x", struct.pack("!H", 65535), b"\x03"])
def test_a_close_frame_that_says_nonsense_ends_the_session(attached, raw_connect,
                                                           payload):
    nginx = attached(workers=1, redis=None)
    client = raw_connect(nginx.wb, "user=ann")
    client.receive()
    client.send(CLOSE, payload)
    assert ends(nginx)[0][1] in (1000, 1005, 1006, 3000)
    nginx.wait_told("loop")


def test_a_client_that_ignores_a_disconnect_is_cut_off(attached, raw_connect):
    nginx = attached(workers=1, redis=None, locations="""
      location /out { content_by_lua_block {
        require("fanwire.resty").user("ann"):disconnect(4001, "out")
        ngx.say("out") } }""")
    client = raw_connect(nginx.wb, "user=ann")
    client.receive()
    nginx.get("/out")
    assert client.receive_close() == (4001, "out")
    stop = threading.Event()

    def talk():  # it answers no Close frame, and never falls silent
        while not stop.wait(0.1):
            try:
                client.send(TEXT, b"echo:still here")
            except OSError:
                return

    talking = threading.Thread(target=talk)
    talking.start()
    try:
        loop = nginx.wait_told("loop")
    finally:
        stop.set()
        talking.join()
    assert loop == ["the client has not answered the Close frame"]


def test_a_message_that_is_never_finished_keeps_no_request(attached, connect):
    nginx = attached(workers=1, redis=None, options='heartbeat_interval = "1s",',
                     locations="""
      location /parts { content_by_lua_block {
        local wb = assert(require("resty.websocket.server"):new({ timeout = 10000 }))
        local session = assert(require("fanwire.resty").attach(wb, { user = "ann" }))
        assert(wb:send_frame(false, 1, "first "))
        assert(session:send("a message of the hub"))
        ngx.sleep(0.1)
      } }""")
    client = connect(nginx.wb.replace("/ws", "/parts"))
    assert client.wait_closed()[0] == 1006
    assert ends(nginx)[0][1] == 1006


def test_a_loop_that_fails_while_a_delivery_is_written_leaves_no_session(attached,
                                                                        raw_connect):
    # All that is sent may wait: a session's share is a sixteenth.
    options = 'heartbeat_interval = "1s", events_max_bytes = "128MiB",'
    nginx = attached(workers=1, redis=None, options=options, locations="""
      location /fails { content_by_lua_block {
        local wb = assert(require("resty.websocket.server"):new({ timeout = 600000,
          max_payload_len = 10000000 }))
        local session = assert(require("fanwire.resty").attach(wb, { user = "ann" }))
        for k = 1, 5 do session:send(("x"):rep(1000000)) end
        tell("sent")
        ngx.sleep(0.5)
        error("the loop is broken")
      } }""".replace("tell(", 'require("telling").tell('))
    nginx.expected = ["the loop is broken"]
    client = raw_connect(nginx.wb.replace("/ws", "/fails"))
    nginx.wait_told("sent")
    assert ends(nginx)[0][1] == 1006
    client.end()


def test_messages_that_the_application_continues_are_followed_by_others(attached,
                                                                        connect):
    nginx = attached(workers=1, redis=None, locations="""
      location /parts { content_by_lua_block {
        local wb = assert(require("resty.websocket.server"):new({ timeout = 10000 }))
        local session = assert(require("fanwire.resty").attach(wb, { user = "ann" }))
        for k = 1, 3 do
          assert(wb:send_frame(false, 1, "first "))
          assert(session:send("ours"))
          assert(wb:send_frame(false, 0, "second "))
          ngx.sleep(0.05)
          assert(wb:send_frame(true, 0, "last"))
        end
        wb:recv_frame()
      } }""")
    client = connect(nginx.wb.replace("/ws", "/parts"))
    heard = client.receive_many(6)
    assert sorted(heard) == ["first second last"] * 3 + ["ours"] * 3


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGTERM])
def test_a_worker_ends_while_attach_waits_for_a_join_that_takes_for_ever(attached,
                                                                        raw_connect,
                                                                        number):
    nginx = attached("""join = function(session, room)
        tell("asked")
        ngx.sleep(600)
      end,""", workers=1, redis=None, options='drain_timeout = "1s",')
    client = raw_connect(nginx.wb, "rooms=r")
    nginx.wait_told("asked")
    began = time.monotonic()
    nginx.signal(number)
    assert nginx.wait_end() == 0
    assert time.monotonic() - began < 30 * support.SLOW
    client.end()

