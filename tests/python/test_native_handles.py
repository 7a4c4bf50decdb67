"""Handles of the flat module: events that are finished, dropped or kept, hubs that are
freed before what came from them; and that no argument whatever ends the process."""

import gc
import inspect
import os
import select

import pytest

import fanwire
from fanwire import native as n
from native_rig import rig  # noqa: F401 (a fixture)
from support import CLOSE, DEADLINE, TEXT

# --- events as handles ---

ACCESSORS = [n.fw_event_kind, n.fw_event_session, n.fw_event_user, n.fw_event_room,
             n.fw_event_data, n.fw_event_flags, n.fw_event_code, n.fw_event_reason,
             n.fw_event_token, n.fw_event_ref, lambda e: n.fw_event_fact(e, "path"),
             lambda e: n.fw_event_header(e, "host"),
             lambda e: n.fw_event_query(e, "a", 0)]


@pytest.mark.parametrize("accessor", ACCESSORS)
def test_a_finished_event_says_so(rig, accessor):
    r = rig(n.FW_EVENT_OPEN).start()
    r.connect()
    event = r.poll(n.FW_EVENT_OPEN)[3]
    accessor(event)
    n.fw_events_done(r.hub, event)
    with pytest.raises(ValueError, match="finished"):
        accessor(event)


@pytest.mark.parametrize("accessor", ACCESSORS)
@pytest.mark.parametrize("wrong", [None, 5, "event"])
def test_what_is_no_event_is_a_type_error(accessor, wrong):
    with pytest.raises((TypeError, ValueError)):
        accessor(wrong)


def test_events_given_back_twice_do_no_harm(rig):
    r = rig(n.FW_EVENT_OPEN).start()
    r.connect()
    event = r.poll(n.FW_EVENT_OPEN)[3]
    n.fw_events_done(r.hub, [event, event])
    n.fw_events_done(r.hub, event)
    n.fw_events_done(r.hub, [])


@pytest.mark.parametrize("wrong", [None, 5, [5], "x", (1, 2)])
def test_what_cannot_be_given_back_is_a_type_error(rig, wrong):
    with pytest.raises(TypeError):
        n.fw_events_done(rig().start().hub, wrong)


def test_a_kept_event_is_readable_after_it_was_given_back(rig):
    r = rig(n.FW_EVENT_OPEN, n.FW_EVENT_CLOSE).start()
    client = r.connect("?a=1", "X-Token: t")
    _, session, _, event = r.poll(n.FW_EVENT_OPEN)
    kept = n.fw_event_ref(event)
    again = n.fw_event_ref(kept)
    n.fw_events_done(r.hub, event)
    del event
    client.send(CLOSE)
    r.poll(n.FW_EVENT_CLOSE)
    n.fw_hub_stop(r.hub)
    del kept
    gc.collect()
    assert n.fw_event_query(again, "a", 0) == "1"
    assert n.fw_event_header(again, "X-TOKEN") == "t"
    assert n.fw_event_session(again) == session


def _credit_is_back(rig, finish):
    """With one event of credit a session is read on only when that is given back."""
    r = rig(n.FW_EVENT_MESSAGE, events_per_session="1").start()
    client = r.connect()
    client.send(TEXT, b"1")
    entry = r.poll(n.FW_EVENT_MESSAGE)
    assert entry[2] == "1"
    for i in range(100):  # more than one event's worth, in packets of their own
        client.send(TEXT, b"2")
    before = n.fw_stats_get(r.hub, "fanwire_messages_in_total")
    assert before < 100
    finish(r, entry)
    del entry
    gc.collect()
    for _ in range(100):
        event = r.poll(n.FW_EVENT_MESSAGE)[3]
        n.fw_events_done(r.hub, event)


def test_credit_comes_back_when_an_event_is_given_back(rig):
    _credit_is_back(rig, lambda r, entry: n.fw_events_done(r.hub, entry[3]))


def test_credit_comes_back_when_an_event_is_dropped(rig):
    _credit_is_back(rig, lambda r, entry: None)


def test_the_handles_of_a_freed_hub_are_safe(rig):
    """Events, kept events and messages outlive the hub, and go in any order."""
    r = rig(n.FW_EVENT_OPEN, n.FW_EVENT_MESSAGE).start()
    client = r.connect("?a=1")
    opened = r.poll(n.FW_EVENT_OPEN)[3]
    client.send(TEXT, b"x")
    said = r.poll(n.FW_EVENT_MESSAGE)[3]
    kept = n.fw_event_ref(said)
    message = n.fw_message_new("m")
    n.fw_hub_send_all_message(r.hub, message)
    r.end()
    r.hub = None
    gc.collect()
    assert n.fw_event_data(said) == "x" == n.fw_event_data(kept)
    assert n.fw_event_query(opened, "a", 0) == "1"
    assert n.fw_message_data(message) == "m"
    del opened, message
    gc.collect()
    del kept
    assert n.fw_event_data(said) == "x"


def test_a_hub_is_freed_while_events_wait_in_its_queue(rig):
    r = rig(n.FW_EVENT_OPEN).start()
    r.connect()
    assert select.select([n.fw_hub_event_fd(r.hub)], [], [], DEADLINE)[0]
    r.hub = None
    gc.collect()


def test_a_running_hub_that_is_dropped_stops(rig):
    r = rig().start()
    client = r.connect()
    r.hub = None
    gc.collect()
    assert client.receive_close()[0] == 1001


def test_handles_cannot_be_made_by_hand():
    for kind in (n.fw_hub, n.fw_options, n.fw_message, n.fw_emitter, n.fw_event):
        with pytest.raises((TypeError, AttributeError)):
            kind()
        with pytest.raises(TypeError, match="handles are made by the library"):
            kind.__new__(kind)
        with pytest.raises(TypeError):
            type("Derived", (kind,), {})()


def test_whose_a_handle_is_cannot_be_changed():
    assert not hasattr(n.fw_message_new("x"), "thisown")


def test_an_emitter_needs_a_url_and_says_how_many_heard(redis_server):
    with pytest.raises(fanwire.OptionError, match="redis.url"):
        n.fw_emitter_new(n.fw_options_new())
    o = n.fw_options_new()
    n.fw_options_set(o, "redis.url", redis_server.url)
    n.fw_options_set(o, "redis.prefix", "native")
    e = n.fw_emitter_new(o)
    m = n.fw_message_new("x")
    assert n.fw_emitter_publish(e, "r", m, 1000) == 0
    assert n.fw_emitter_send_user(e, "u", m, 1000) == 0
    assert n.fw_emitter_send_all(e, m, 1000) == 0
    with pytest.raises(fanwire.InvalidError):
        n.fw_emitter_publish(e, "", m, 1000)


def test_an_emitter_without_its_redis_is_a_backplane_error(tmp_path):
    o = n.fw_options_new()
    n.fw_options_set(o, "redis.url", f"redis+unix://{tmp_path}/none.sock")
    e = n.fw_emitter_new(o)
    with pytest.raises(fanwire.BackplaneError):
        n.fw_emitter_send_all(e, n.fw_message_new("x"), 1000)


# --- memory that runs out in the interpreter ---

def _with_one_allocation_failing(call):
    """Each allocation of the interpreter's fails once: the call's results in turn."""
    testcapi = pytest.importorskip("_testcapi")
    for number in range(20):
        result = None
        testcapi.set_nomemory(number, number + 1)
        try:
            result = call()
        except MemoryError:
            pass
        finally:
            testcapi.remove_mem_hooks()
        yield result


def test_no_event_is_lost_when_memory_runs_out(rig):
    """What a poll had taken when it failed is given back, as if it had been handled."""
    r = rig(n.FW_EVENT_OPEN, n.FW_EVENT_MESSAGE).start()
    r.connect()
    client = r.connect()
    fd = n.fw_hub_event_fd(r.hub)

    def poll():
        return n.fw_hub_poll(r.hub, 1024, 0)

    failed = 0
    for batch in _with_one_allocation_failing(poll):
        failed += batch is None
        if batch is not None:
            n.fw_events_done(r.hub, [event for _, _, _, event in batch])
        client.send(TEXT, b"next")
        assert select.select([fd], [], [], DEADLINE)[0]
    assert 1 < failed < 20
    n.fw_events_done(r.hub, [event for _, _, _, event in poll()])
    assert n.fw_stats_get(r.hub, "fanwire_events_bytes") == 0


@pytest.mark.parametrize("make", [n.fw_options_new, lambda: n.fw_message_new("x"),
                                  lambda: n.fw_hub_new(None)])
def test_a_handle_that_cannot_be_made_is_a_memory_error(make):
    made = list(_with_one_allocation_failing(make))
    assert made[0] is None and made[-1] is not None


def test_a_kept_event_that_cannot_be_made_is_a_memory_error(rig):
    r = rig(n.FW_EVENT_OPEN).start()
    r.connect()
    event = r.poll(n.FW_EVENT_OPEN)[3]
    made = list(_with_one_allocation_failing(lambda: n.fw_event_ref(event)))
    assert made[0] is None and made[-1] is not None


def test_errors_keep_their_classes_when_memory_has_run_out():
    def fail():
        try:
            n.fw_name_check("")
        except (fanwire.InvalidError, SystemError):  # the interpreter's own, without text
            pass

    for _ in _with_one_allocation_failing(fail):
        pass
    with pytest.raises(fanwire.InvalidError, match="empty"):
        n.fw_name_check("")


# --- several interpreters in a process ---

SUBINTERPRETER = """
    import _testcapi
    import fanwire
    from fanwire import native as n
    tell("sub", _testcapi.run_in_subinterp('''if True:
        import fanwire
        from fanwire import native as n
        try:
            n.fw_name_check("")
        except fanwire.InvalidError:
            pass
    '''))
    try:
        n.fw_name_check("")
    except fanwire.InvalidError:
        tell("caught", True)
"""


def test_an_error_is_of_the_interpreter_that_made_the_call(program):
    pytest.importorskip("_testcapi")
    p = program(SUBINTERPRETER)
    assert p.finish() == 0, p.err
    assert p.all("sub") == [0], p.err
    assert p.all("caught") == [True], p.err


# --- whatever is given, the interpreter lives ---

NONSENSE = """
    import itertools, faulthandler
    faulthandler.enable()
    import fanwire
    from fanwire import native as n
    o = n.fw_options_new()
    n.fw_options_set(o, "events", "queued")
    n.fw_options_set(o, "listen", "ws://127.0.0.1:0/ws")
    hub = n.fw_hub_new(o)
    n.fw_hub_on(hub, n.FW_EVENT_LOG)
    n.fw_hub_start(hub)
    events = n.fw_hub_poll(hub, 1, 5000)
    message = n.fw_message_new("x")
    values = [None, "", "x", b"x", 0, -1, 2 ** 64, 1.5, [], hub, o, message, events[0][3],
              "0" * 32, object()]
    names = sorted(x for x in dir(n) if x.startswith("fw_") and callable(getattr(n, x))
                   and not isinstance(getattr(n, x), type))
    # These would wait, or end what the others need.
    names = [x for x in names if x not in ("fw_hub_poll", "fw_hub_stop", "fw_hub_drain")]
    calls = 0
    for name in names:
        function = getattr(n, name)
        for count in range(5):
            rows = itertools.product(values, repeat=count) if count < 4 else (
                (hub, a, b, c) for a in values for b in values for c in values)
            for row in itertools.islice(rows, 4000):
                try:
                    function(*row)
                except (TypeError, ValueError, OverflowError, fanwire.Error):
                    pass
                calls += 1
                if name == "fw_events_done" and events is not None:
                    events = n.fw_hub_poll(hub, 1, 0) or events
        tell("name", name)
    tell("calls", calls)
"""


def test_no_nonsense_ends_the_process(program):
    p = program(NONSENSE)
    calls = p.wait("calls", deadline=8 * DEADLINE)
    assert p.finish() == 0, p.err
    assert calls > 10_000


def test_functions_have_documentation():
    for name in dir(n):
        function = getattr(n, name)
        if name.startswith("fw_") and inspect.isroutine(function):
            assert function.__doc__, name


def test_after_a_fork_the_hub_belongs_to_the_parent(rig):
    r = rig().start()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            n.fw_hub_send_all(r.hub, "x")
        except fanwire.ForkedError:
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    n.fw_hub_send_all(r.hub, "x")


def test_an_event_of_a_freed_hub_closes_nothing_in_a_child(rig):
    r = rig(n.FW_EVENT_OPEN).start()
    r.connect()
    event = r.poll(n.FW_EVENT_OPEN)[3]
    number = n.fw_hub_event_fd(r.hub)
    r.end()
    r.hub = None
    gc.collect()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, number)  # what was the hub's is somebody else's now
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            del event
            os.fstat(number)
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    for descriptor in {null, number}:
        os.close(descriptor)
