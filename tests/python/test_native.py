"""The flat module under the package: each function's happy path and its errors."""

import re
import select
import threading
import time

import pytest

import fanwire
from fanwire import native as n
from native_rig import NOBODY, make_options, rig  # noqa: F401 (a fixture)
from support import BINARY, DEADLINE, TEXT, handshake, wait_until

# --- what needs no hub ---

def test_versions():
    assert n.fw_version() == n.FW_VERSION
    assert n.fw_version_string() == n.FW_VERSION_STRING == fanwire.__version__


def test_error_numbers_have_names_and_sentences():
    assert n.fw_strerror(0) == "ok"
    assert n.fw_err_name(n.FW_ERR_GONE) == "FW_ERR_GONE"
    assert n.fw_err_name(-999) == "FW_ERR_?"
    assert n.fw_strerror(-999) == "unknown error"
    assert n.fw_err_is_retriable(n.FW_ERR_BUSY)
    assert not n.fw_err_is_retriable(n.FW_ERR_GONE)


ERRORS = [name for name in dir(n) if name.startswith("FW_ERR_")]


@pytest.mark.parametrize("name", ERRORS)
def test_each_error_number_has_a_class_that_agrees_with_c(name):
    number = getattr(n, name)
    classes = [c for c in vars(fanwire).values() if isinstance(c, type)
               and issubclass(c, fanwire.Error) and c.number == number]
    assert len(classes) == 1
    assert classes[0].name == name == n.fw_err_name(number)
    assert bool(classes[0].is_retriable) == bool(n.fw_err_is_retriable(number))


def test_there_are_as_many_errors_as_in_the_header():
    assert len(ERRORS) == 16


@pytest.mark.parametrize("ours, base", [
    ("InvalidError", ValueError), ("OptionError", ValueError),
    ("TooBigError", ValueError), ("OutOfMemoryError", MemoryError),
    ("TimedOutError", TimeoutError), ("StateError", RuntimeError)])
def test_errors_are_what_python_calls_such_errors(ours, base):
    assert issubclass(getattr(fanwire, ours), (fanwire.Error,))
    assert issubclass(getattr(fanwire, ours), base)


def test_event_types_and_log_levels_have_names():
    for name in dir(n):
        if name.startswith("FW_EVENT_"):
            assert n.fw_event_type_name(getattr(n, name)) == name[len("FW_EVENT_"):]
    assert n.fw_event_type_name(99) == "?"
    assert n.fw_log_level_name(n.FW_LOG_WARN) == "warn"
    assert n.fw_log_level_name(99) == "?"


@pytest.mark.parametrize("name", ["a", "ü", "x" * 255])
def test_a_name_that_is_allowed(name):
    assert n.fw_name_check(name) is None


@pytest.mark.parametrize("name", ["", "x" * 256, "a\n"])
def test_a_name_that_is_not_allowed(name):
    with pytest.raises(fanwire.InvalidError):
        n.fw_name_check(name)
    assert n.fw_error_detail()


def test_text_with_nul_surrogates_or_of_another_type_is_refused():
    with pytest.raises(ValueError, match="embedded NUL"):
        n.fw_name_check("a\0b")
    with pytest.raises(UnicodeEncodeError):
        n.fw_name_check("\ud800")
    for wrong in (b"a", 5, ["a"]):
        with pytest.raises(TypeError, match="str"):
            n.fw_name_check(wrong)


def test_session_ids_are_text():
    assert n.fw_session_none() == NOBODY
    assert n.fw_session_id_equal(NOBODY, NOBODY)
    assert not n.fw_session_id_equal(NOBODY, "0" * 31 + "1")
    assert n.fw_session_id_equal("ab" * 16, "AB" * 16)


@pytest.mark.parametrize("wrong", ["", "0" * 31, "0" * 33, "g" * 32, " " * 32,
                                   "0x" + "0" * 30])
def test_a_malformed_session_id_is_an_invalid_error(wrong):
    with pytest.raises(fanwire.InvalidError):
        n.fw_session_id_equal(wrong, NOBODY)


@pytest.mark.parametrize("wrong", [5, b"0" * 32, object()])
def test_a_session_id_of_a_wrong_type_is_a_type_error(wrong):
    with pytest.raises(TypeError):
        n.fw_session_id_equal(wrong, NOBODY)


@pytest.mark.parametrize("before", ["", "a"])
def test_an_error_that_cuts_a_character_in_two_still_tells(before):
    with pytest.raises(fanwire.InvalidError, match="32 hexadecimal digits"):
        n.fw_session_id_equal(before + "ü" * 40, NOBODY)
    with pytest.raises(fanwire.OptionError, match="threads: .*ü"):
        n.fw_options_set(n.fw_options_new(), "threads", before + "ü" * 600)


# --- options ---

def test_options_are_set_and_read():
    o = n.fw_options_new()
    assert n.fw_options_get(o, "threads") == "1"
    assert n.fw_options_set(o, "threads", "4") is None
    assert n.fw_options_get(o, "threads") == "4"
    assert n.fw_options_get(o, "no.such") is None
    assert n.fw_options_shown(o, "no.such") is None


def test_a_password_is_not_shown():
    o = n.fw_options_new()
    n.fw_options_set(o, "redis.url", "redis://ann:secret@localhost")
    assert "secret" in n.fw_options_get(o, "redis.url")
    assert "secret" not in n.fw_options_shown(o, "redis.url")


@pytest.mark.parametrize("name, value", [("no.such", "1"), ("threads", "many"),
                                         ("heartbeat.interval", "25"), ("threads", "")])
def test_a_wrong_option_is_an_option_error_that_names_it(name, value):
    with pytest.raises(fanwire.OptionError, match=re.escape(name)):
        n.fw_options_set(n.fw_options_new(), name, value)


def test_options_come_from_a_file_and_the_environment(tmp_path, monkeypatch):
    path = tmp_path / "fanwire.ini"
    path.write_text("[redis]\nprefix = filed\n")
    o = n.fw_options_new()
    n.fw_options_load(o, str(path))
    assert n.fw_options_get(o, "redis.prefix") == "filed"
    path.write_text("nonsense = 1\n")
    with pytest.raises(fanwire.OptionError, match=":1:"):
        n.fw_options_load(o, str(path))
    path.write_bytes(b"nonsense\xff = 1\n")
    with pytest.raises(fanwire.OptionError, match=r":1: nonsense\\xff: "):
        n.fw_options_load(o, str(path))
    with pytest.raises(fanwire.SystemCallError, match="missing"):
        n.fw_options_load(o, str(tmp_path / "missing"))
    monkeypatch.setenv("FANWIRE_REDIS_PREFIX", "fromenv")
    n.fw_options_load_env(o)
    assert n.fw_options_get(o, "redis.prefix") == "fromenv"
    monkeypatch.setenv("FANWIRE_NO_SUCH", "1")
    with pytest.raises(fanwire.OptionError, match="FANWIRE_NO_SUCH"):
        n.fw_options_load_env(o)


def test_the_table_of_options_can_be_walked():
    names = []
    while n.fw_options_name(len(names)) is not None:
        names.append(n.fw_options_name(len(names)))
    assert "redis.url" in names and len(names) > 20
    for name in names:
        for field in ("type", "default", "allowed", "since", "help", "group"):
            assert isinstance(n.fw_options_describe(name, field), str)
    assert n.fw_options_describe("threads", "nothing") is None
    assert n.fw_options_describe("no.such", "type") is None


@pytest.mark.parametrize("index", [-1, "0", 2 ** 70, None])
def test_an_index_that_is_none(index):
    with pytest.raises((OverflowError, TypeError)):
        n.fw_options_name(index)


# --- messages ---

@pytest.mark.parametrize("given, data, flags", [
    ("ü", "ü", "FW_TEXT"), ("", "", "FW_TEXT"), ("a\0b", "a\0b", "FW_TEXT"),
    (b"\0\xff", b"\0\xff", "FW_BINARY"), (b"", b"", "FW_BINARY"),
    (bytearray(b"ab"), b"ab", "FW_BINARY"), (memoryview(b"abc")[1:], b"bc", "FW_BINARY")])
def test_a_message_keeps_what_it_was_made_of(given, data, flags):
    m = n.fw_message_new(given)
    assert n.fw_message_data(m) == data
    assert n.fw_message_flags(m) == getattr(n, flags)


@pytest.mark.parametrize("wrong", [5, None, ["a"], object(), 1.5])
def test_a_message_of_a_wrong_type_is_a_type_error(wrong):
    with pytest.raises(TypeError):
        n.fw_message_new(wrong)


def test_a_message_of_scattered_memory_is_refused():
    with pytest.raises(BufferError):
        n.fw_message_new(memoryview(b"abcdef")[::2])


def test_lone_surrogates_are_refused():
    with pytest.raises(UnicodeEncodeError):
        n.fw_message_new("\udc80")


def test_who_is_left_out_is_said_before_a_message_is_sent(rig):
    r = rig().start()
    m = n.fw_message_new("x")
    assert n.fw_message_set_except(m, NOBODY) is None
    n.fw_hub_send_all_message(r.hub, m)
    with pytest.raises(fanwire.StateError):
        n.fw_message_set_except(m, NOBODY)


def test_a_buffer_may_be_changed_after_the_call(rig):
    r = rig(n.FW_EVENT_OPEN).start()
    client = r.connect()
    _, session, _, _ = r.poll(n.FW_EVENT_OPEN)
    data = bytearray(b"before")
    n.fw_session_send(r.hub, session, data)
    data[:] = b"behind"
    data += b"and it can grow: nobody holds it"
    assert client.receive() == (BINARY, b"before")


# --- a hub that isn't started ---

def test_a_hub_has_a_node_before_its_start():
    hub = n.fw_hub_new(make_options(node_name="first"))
    assert n.fw_hub_node(hub) > 0
    assert n.fw_hub_node_name(hub) == "first"
    assert n.fw_hub_listen_url(hub, 0) is None
    assert n.fw_hub_http_address(hub) is None
    assert isinstance(n.fw_hub_event_fd(hub), int)


def test_a_hub_of_defaults():
    assert n.fw_hub_node_name(n.fw_hub_new(None))


def test_a_hub_that_is_inline_has_no_queue():
    hub = n.fw_hub_new(None)
    with pytest.raises(fanwire.StateError):
        n.fw_hub_event_fd(hub)
    with pytest.raises(fanwire.StateError):
        n.fw_hub_poll(hub, 1, 0)


def test_options_that_contradict_each_other_are_an_option_error():
    o = make_options()
    n.fw_options_set(o, "listen", "wss://127.0.0.1:0/ws")
    with pytest.raises(fanwire.Error):
        hub = n.fw_hub_new(o)
        n.fw_hub_start(hub)


@pytest.mark.parametrize("call", [
    lambda h: n.fw_hub_send_all(h, "x"),
    lambda h: n.fw_hub_send_all_message(h, n.fw_message_new("x")),
    lambda h: n.fw_node_send(h, 1, "x"),
    lambda h: n.fw_room_publish(h, "r", "x"),
    lambda h: n.fw_room_publish_message(h, "r", n.fw_message_new("x")),
    lambda h: n.fw_user_send(h, "u", "x"),
    lambda h: n.fw_user_send_message(h, "u", n.fw_message_new("x")),
    lambda h: n.fw_user_disconnect(h, "u", 1000, ""),
    lambda h: n.fw_stats_get(h, "fanwire_sessions"),
    lambda h: n.fw_stats_text(h),
    lambda h: n.fw_accept(h, 1, None),
    lambda h: n.fw_reject(h, 1, 403, ""),
    lambda h: n.fw_answer(h, 1, "{}"),
])
def test_calls_on_a_hub_that_does_not_run_are_closed_errors(call):
    with pytest.raises((fanwire.ClosedError, fanwire.GoneError)):
        call(n.fw_hub_new(make_options()))


def test_stop_and_drain_without_a_start_are_state_errors():
    hub = n.fw_hub_new(make_options())
    with pytest.raises(fanwire.StateError):
        n.fw_hub_stop(hub)
    with pytest.raises(fanwire.StateError):
        n.fw_hub_drain(hub, 0)


def test_an_unknown_event_type_is_an_invalid_error():
    with pytest.raises(fanwire.InvalidError):
        n.fw_hub_on(n.fw_hub_new(make_options()), 99)


# --- a hub that runs ---

def test_start_twice_is_a_state_error_and_stop_twice_is_none(rig):
    r = rig().start()
    with pytest.raises(fanwire.StateError):
        n.fw_hub_start(r.hub)
    with pytest.raises(fanwire.StateError):
        n.fw_hub_on(r.hub, n.FW_EVENT_OPEN)
    n.fw_hub_stop(r.hub)
    n.fw_hub_stop(r.hub)


def test_a_port_in_use_is_a_listen_error_that_names_it(rig):
    r = rig().start()
    port = r.url.split(":")[2].split("/")[0]
    o = make_options()
    n.fw_options_set(o, "listen", r.url)
    with pytest.raises(fanwire.ListenError, match=port):
        n.fw_hub_start(n.fw_hub_new(o))


def test_addresses_are_told(rig):
    r = rig(http_listen="127.0.0.1:0").start()
    assert re.fullmatch(r"ws://127\.0\.0\.1:[1-9]\d*/ws", r.url)
    assert n.fw_hub_listen_url(r.hub, 1) is None
    assert re.fullmatch(r"127\.0\.0\.1:[1-9]\d*", n.fw_hub_http_address(r.hub))


def test_figures(rig):
    r = rig().start()
    assert n.fw_stats_get(r.hub, "fanwire_sessions") == 0.0
    assert n.fw_stats_get(r.hub, 'fanwire_limit_hits_total{limit="sessions"}') == 0.0
    with pytest.raises(fanwire.InvalidError, match="no_such"):
        n.fw_stats_get(r.hub, "no_such")
    assert "fanwire_sessions 0" in n.fw_stats_text(r.hub)


def test_a_life_of_a_session_in_events(rig):
    r = rig(n.FW_EVENT_CONNECT, n.FW_EVENT_OPEN, n.FW_EVENT_MESSAGE, n.FW_EVENT_CLOSE,
            n.FW_EVENT_JOIN, n.FW_EVENT_LEAVE, n.FW_EVENT_ROOM_MESSAGE, n.FW_EVENT_RESULT)
    r.start()
    made = []
    thread = threading.Thread(
        target=lambda: made.append(r.connect("?a=1&a=2&b=%FF", "X-Token: t")))
    thread.start()
    kind, session, payload, event = r.poll(n.FW_EVENT_CONNECT)
    assert payload is None and len(session) == 32
    assert n.fw_event_kind(event) == kind and n.fw_event_session(event) == session
    assert n.fw_event_fact(event, "path") == "/ws"
    assert n.fw_event_fact(event, "query") == "a=1&a=2&b=%FF"
    assert n.fw_event_fact(event, "no such") is None
    assert n.fw_event_header(event, "x-token") == "t"
    assert n.fw_event_header(event, "x-none") is None
    assert [n.fw_event_query(event, "a", i) for i in range(3)] == ["1", "2", None]
    assert n.fw_event_query(event, "b", 0) is None
    assert n.fw_event_user(event) is None
    token = n.fw_event_token(event)
    assert n.fw_accept(r.hub, token, "ann") is None
    with pytest.raises(fanwire.GoneError):
        n.fw_accept(r.hub, token, "ann")
    n.fw_events_done(r.hub, event)
    thread.join()
    client, = made

    _, same, payload, event = r.poll(n.FW_EVENT_OPEN)
    assert same == session and payload is None and n.fw_event_user(event) == "ann"
    n.fw_events_done(r.hub, [event])

    client.send(TEXT, "ü".encode())
    _, _, payload, event = r.poll(n.FW_EVENT_MESSAGE)
    assert payload == "ü" == n.fw_event_data(event)
    assert n.fw_event_flags(event) == n.FW_TEXT
    client.send(BINARY, b"\0\xff")
    _, _, payload, event = r.poll(n.FW_EVENT_MESSAGE)
    assert payload == b"\0\xff" == n.fw_event_data(event)
    assert n.fw_event_flags(event) == n.FW_BINARY

    n.fw_session_join(r.hub, session, "r", 77)
    _, _, payload, event = r.poll(n.FW_EVENT_JOIN)
    assert payload == "r" == n.fw_event_room(event)
    n.fw_accept(r.hub, n.fw_event_token(event), None)
    assert r.poll(n.FW_EVENT_RESULT)[2] == (77, 0, "", "r", None, False)
    n.fw_room_publish(r.hub, "r", "to the room")
    kind, nobody, payload, event = r.poll(n.FW_EVENT_ROOM_MESSAGE)
    assert (nobody, payload) == ("", ("r", "to the room", None))
    assert n.fw_event_session(event) == NOBODY
    assert client.receive() == (TEXT, b"to the room")
    n.fw_session_leave(r.hub, session, "r")
    assert r.poll(n.FW_EVENT_LEAVE)[2] == ("r", 0)

    n.fw_session_join(r.hub, session, "r2", 78)
    event = r.poll(n.FW_EVENT_JOIN)[3]
    n.fw_reject(r.hub, n.fw_event_token(event), 0, "not you")
    assert r.poll(n.FW_EVENT_RESULT)[2] == (
        78, n.FW_ERR_REFUSED, "not you", "r2", None, False)

    n.fw_session_close(r.hub, session, 4000, "because")
    assert client.receive_close() == (4000, "because")
    _, same, payload, event = r.poll(n.FW_EVENT_CLOSE)
    assert same == session and payload == (4000, "because")
    assert n.fw_event_code(event) == 4000 and n.fw_event_reason(event) == "because"
    for call in (lambda: n.fw_session_send(r.hub, session, "x"),
                 lambda: n.fw_session_close(r.hub, session, 1000, None),
                 lambda: n.fw_session_join(r.hub, session, "r", 0),
                 lambda: n.fw_session_leave(r.hub, session, "r"),
                 lambda: n.fw_session_set_user(r.hub, session, None)):
        with pytest.raises(fanwire.GoneError):
            call()


def test_a_refused_connection(rig):
    r = rig(n.FW_EVENT_CONNECT).start()
    replies = []
    thread = threading.Thread(target=lambda: replies.append(handshake(r.url)))
    thread.start()
    event = r.poll(n.FW_EVENT_CONNECT)[3]
    with pytest.raises(fanwire.InvalidError):
        n.fw_reject(r.hub, n.fw_event_token(event), 200, "no")
    n.fw_reject(r.hub, n.fw_event_token(event), 403, "no")
    thread.join()
    assert (replies[0].status, replies[0].body.strip()) == (403, "no")


def test_all_ways_to_send(rig):
    r = rig(n.FW_EVENT_OPEN).start()
    client = r.connect()
    _, session, _, _ = r.poll(n.FW_EVENT_OPEN)
    n.fw_session_set_user(r.hub, session, "ann")
    n.fw_session_join(r.hub, session, "r", 0)
    message = n.fw_message_new("m")
    node = n.fw_hub_node(r.hub)
    n.fw_session_send(r.hub, session, "1")
    n.fw_session_send_message(r.hub, session, message)
    n.fw_room_publish(r.hub, "r", "2")
    n.fw_room_publish_message(r.hub, "r", message)
    n.fw_user_send(r.hub, "ann", "3")
    n.fw_user_send_message(r.hub, "ann", message)
    n.fw_hub_send_all(r.hub, "4")
    n.fw_hub_send_all_message(r.hub, message)
    n.fw_node_send(r.hub, node, b"5")
    got = [client.receive()[1] for _ in range(9)]
    assert sorted(got) == sorted([b"1", b"m", b"2", b"m", b"3", b"m", b"4", b"m", b"5"])
    n.fw_user_disconnect(r.hub, "ann", 4001, "out")
    assert client.receive_close() == (4001, "out")


def test_sends_that_are_not_allowed(rig):
    r = rig(message_max_bytes="100").start()
    with pytest.raises(fanwire.InvalidError):
        n.fw_room_publish(r.hub, "", "x")
    with pytest.raises(fanwire.TooBigError):
        n.fw_room_publish(r.hub, "r", "x" * 101)
    with pytest.raises(fanwire.InvalidError):
        n.fw_session_close(r.hub, NOBODY, 999, None)
    with pytest.raises(TypeError):
        n.fw_room_publish(r.hub, "r", 5)
    with pytest.raises(TypeError):
        n.fw_room_publish(r.hub, 5, "x")
    with pytest.raises(TypeError):
        n.fw_room_publish("hub", "r", "x")


def test_log_lines_come_as_events(rig):
    r = rig(n.FW_EVENT_LOG, log_level="debug").start()
    level, component, line = r.poll(n.FW_EVENT_LOG)[2]
    assert level in range(5)
    assert component and line and "\n" not in line


def test_poll_says_busy_to_a_second_thread(rig):
    r = rig(n.FW_EVENT_OPEN).start()
    got = []
    thread = threading.Thread(target=lambda: got.append(n.fw_hub_poll(r.hub, 1, -1)))
    thread.start()

    def busy():
        try:
            n.fw_hub_poll(r.hub, 1, 0)
        except fanwire.BusyError:
            return True

    wait_until(busy, "the other thread polls")
    r.connect()
    thread.join()
    assert got[0][0][0] == n.FW_EVENT_OPEN


def test_other_threads_run_while_one_polls(rig):
    r = rig(n.FW_EVENT_OPEN).start()
    thread = threading.Thread(target=lambda: n.fw_hub_poll(r.hub, 1, -1))
    thread.start()
    for _ in range(1000):
        time.monotonic()  # would hang here if the poller kept the interpreter
    r.connect()
    thread.join(DEADLINE)
    assert not thread.is_alive()


@pytest.mark.parametrize("most", [0, -1])
def test_a_poll_without_room_for_events_is_an_invalid_error(rig, most):
    with pytest.raises(fanwire.InvalidError):
        n.fw_hub_poll(rig().start().hub, most, 0)


def test_a_poll_with_room_for_more_than_there_can_be(rig):
    assert n.fw_hub_poll(rig().start().hub, 2 ** 31 - 1, 0) == []
    with pytest.raises(OverflowError):
        n.fw_hub_poll(rig().start().hub, 2 ** 31, 0)


def test_events_are_polled_after_the_stop_and_then_it_is_closed(rig):
    r = rig(n.FW_EVENT_OPEN, n.FW_EVENT_CLOSE).start()
    client = r.connect()
    fd = n.fw_hub_event_fd(r.hub)
    assert select.select([fd], [], [], DEADLINE)[0]
    n.fw_hub_stop(r.hub)
    client.end()
    kinds = []
    with pytest.raises(fanwire.ClosedError):
        while True:
            kinds += [kind for kind, _, _, _ in n.fw_hub_poll(r.hub, 1024, 0)]
    assert kinds == [n.FW_EVENT_OPEN, n.FW_EVENT_CLOSE]


def test_the_descriptor_is_readable_while_events_wait(rig):
    r = rig(n.FW_EVENT_OPEN).start()
    fd = n.fw_hub_event_fd(r.hub)
    assert not select.select([fd], [], [], 0)[0]
    r.connect()
    assert select.select([fd], [], [], DEADLINE)[0]
    r.poll(n.FW_EVENT_OPEN)
    assert not select.select([fd], [], [], 0)[0]


def test_drain_tells_when_some_are_left(rig):
    r = rig(n.FW_EVENT_OPEN, drain_rate="1").start()
    for _ in range(3):
        r.connect()
        r.poll(n.FW_EVENT_OPEN)
    with pytest.raises(fanwire.TimedOutError):
        n.fw_hub_drain(r.hub, 0)
