"""Whatever is done wrong raises the right class, in a sentence that names the culprit."""

import datetime
import os
import pathlib

import pytest

import fanwire
from support import Seen, wait_until

# --- options ---


@pytest.mark.parametrize("wrong, meant", [
    ("lisen", "listen"), ("redis_ulr", "redis_url"), ("heartbeat_intervall",
                                                      "heartbeat_interval"),
    ("Listen", "listen"), ("message_max", "message_max_bytes")])
def test_an_unknown_option_is_an_option_error_with_a_suggestion(wrong, meant):
    for call in (lambda: fanwire.Hub(**{wrong: "x"}),
                 lambda: fanwire.Hub().configure(**{wrong: "x"})):
        with pytest.raises(fanwire.OptionError) as caught:
            call()
        assert wrong in str(caught.value) and meant in str(caught.value)
        assert isinstance(caught.value, ValueError)


def test_an_option_like_no_other_has_no_suggestion_but_its_name():
    with pytest.raises(fanwire.OptionError, match="zzzz"):
        fanwire.Hub(zzzz=1)


@pytest.mark.parametrize("name, value, culprit", [
    ("heartbeat_interval", "soon", "heartbeat.interval"),
    ("heartbeat_interval", 25, "heartbeat.interval"),
    ("threads", 0, "threads"),
    ("threads", "many", "threads"),
    ("message_max_bytes", "1 furlong", "message.max_bytes"),
    ("outbox_policy", "shrug", "outbox.policy"),
    ("listen", "http://x", "listen"),
    ("redis_url", "localhost", "redis.url"),
    ("listen_shared", "perhaps", "listen.shared"),
    ("limit_sessions", -1, "limit.sessions"),
    ("node_name", "x" * 256, "node.name"),
])
def test_a_wrong_value_is_an_option_error_that_names_it_and_the_value(name, value,
                                                                       culprit):
    with pytest.raises(fanwire.OptionError) as caught:
        fanwire.Hub(**{name: value})
    assert culprit in str(caught.value) or name in str(caught.value)
    assert str(value)[:20] in str(caught.value)


@pytest.mark.parametrize("value", [object(), b"x", {"a": 1}, [5], [None], lambda: 1])
def test_an_option_of_a_wrong_type_is_a_type_error_that_names_it(value):
    with pytest.raises((TypeError, fanwire.OptionError), match="listen"):
        fanwire.Hub(listen=value)


def test_a_password_is_not_in_the_error():
    with pytest.raises(fanwire.OptionError) as caught:
        fanwire.Hub(redis_url="redis://ann:secret@host:notaport")
    assert "secret" not in str(caught.value)


def test_events_is_not_for_the_user():
    for value in ("inline", "queued"):
        with pytest.raises(fanwire.OptionError, match="events"):
            fanwire.Hub(events=value)


def test_options_are_keywords_only():
    with pytest.raises(TypeError):
        fanwire.Hub("ws://127.0.0.1:0/ws")


@pytest.mark.parametrize("value, text", [
    ("25s", "25s"), (datetime.timedelta(milliseconds=1500), "1500ms"),
    (datetime.timedelta(minutes=2), "120000ms"), (datetime.timedelta(0), "0ms")])
def test_durations(value, text):
    assert fanwire.Hub(heartbeat_interval=value).option("heartbeat.interval") == text


def test_values_of_python_become_what_the_option_wants(tmp_path):
    hub = fanwire.Hub(threads=3, listen_shared=True, redis_required=False,
                      listen=["ws://127.0.0.1:0/a", "ws://127.0.0.1:0/b"],
                      tls_cert=tmp_path / "cert.pem", node_name=None,
                      origins=("https://a.example", "https://b.example"))
    assert hub.option("threads") == "3"
    assert hub.option("listen.shared") == "on"
    assert hub.option("redis.required") == "off"
    assert hub.option("listen") == "ws://127.0.0.1:0/a,ws://127.0.0.1:0/b"
    assert hub.option("tls.cert") == str(tmp_path / "cert.pem")
    assert hub.option("origins") == "https://a.example,https://b.example"


def test_an_option_is_told_by_either_of_its_names():
    hub = fanwire.Hub(redis_prefix="p")
    assert hub.option("redis.prefix") == hub.option("redis_prefix") == "p"


@pytest.mark.parametrize("name", ["no.such", "", "redis.ulr"])
def test_an_unknown_option_cannot_be_told(name):
    with pytest.raises(fanwire.OptionError, match=name or "option"):
        fanwire.Hub().option(name)


def test_embedded_nul_and_surrogates_in_an_option():
    with pytest.raises(ValueError, match="NUL|redis.prefix"):
        fanwire.Hub(redis_prefix="a\0b")
    with pytest.raises(ValueError):
        fanwire.Hub(node_name="\ud800")


def test_options_come_from_file_then_environment_then_keywords(tmp_path, monkeypatch):
    path = tmp_path / "hub.ini"
    path.write_text("threads = 2\n[redis]\nprefix = file\n[node]\nname = file\n")
    monkeypatch.setenv("FANWIRE_REDIS_PREFIX", "environment")
    monkeypatch.setenv("FANWIRE_NODE_NAME", "environment")
    hub = fanwire.Hub(config=path, environment=True, node_name="keyword")
    assert hub.option("threads") == "2"
    assert hub.option("redis.prefix") == "environment"
    assert hub.option("node.name") == "keyword"
    assert fanwire.Hub(config=str(path)).option("redis.prefix") == "file"
    assert fanwire.Hub().option("redis.prefix") == "fanwire"


def test_one_wrong_option_leaves_all_as_they_were():
    hub = fanwire.Hub(redis_prefix="p")
    with pytest.raises(fanwire.OptionError, match="threads"):
        hub.configure(redis_prefix="q", threads="many")
    assert hub.option("redis.prefix") == "p"
    hub.configure(redis_prefix="q")
    assert hub.option("redis.prefix") == "q"


def test_options_of_a_namespace_are_keywords(tmp_path, monkeypatch):
    path = tmp_path / "hub.ini"
    path.write_text("[namespace.news]\nhistory.size = 1\nhistory.ttl = 9s\n")
    monkeypatch.setenv("FANWIRE_NAMESPACE_NEWS_HISTORY_SIZE", "2")
    hub = fanwire.Hub(config=path, environment=True, namespace_news_presence=True,
                      namespace_my_news_history_size=100,
                      namespace_history_ttl_history_ttl=datetime.timedelta(seconds=5))
    assert hub.option("namespace.news.history.size") == "2"
    assert hub.option("namespace_news_history_ttl") == "9s"
    assert hub.option("namespace.news.presence") == "on"
    assert hub.option("namespace.my_news.history.size") == "100"
    assert hub.option("namespace.history_ttl.history.ttl") == "5000ms"
    assert hub.option("namespace.other.history.size") == "0"
    hub.configure(**{"namespace.News-1.join_leave": "yes"})
    assert hub.option("namespace.News-1.join_leave") == "yes"


@pytest.mark.parametrize("keyword, says", [
    ("namespace_news_histroy_size", "did you mean namespace.news.history.size"),
    ("namespace.news.histroy.size", "did you mean namespace.news.history.size"),
    ("namespace_news_zzzzzzz", "namespace_news_zzzzzzz: no such option"),
    ("namespace_presence", "namespace_presence: no such option"),
    ("namespace.a.b.presence", "name of a namespace is 1 to 64 letters"),
    ("namespace_a b_presence", "name of a namespace is 1 to 64 letters")])
def test_a_wrong_option_of_a_namespace_is_an_option_error(keyword, says):
    for call in (lambda: fanwire.Hub(**{keyword: "1"}),
                 lambda: fanwire.Hub().configure(**{keyword: "1"})):
        with pytest.raises(fanwire.OptionError, match=says):
            call()


def test_a_wrong_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(fanwire.SystemCallError, match="missing.ini"):
        fanwire.Hub(config=tmp_path / "missing.ini")
    path = tmp_path / "bad.ini"
    path.write_text("threads = 2\nnonsense = 3\n")
    with pytest.raises(fanwire.OptionError, match=r"bad\.ini:2:.*nonsense"):
        fanwire.Hub(config=path)


def test_a_wrong_variable_is_an_error_that_names_it(monkeypatch):
    monkeypatch.setenv("FANWIRE_THREADS", "none")
    with pytest.raises(fanwire.OptionError, match="THREADS|threads"):
        fanwire.Hub(environment=True)


def test_an_address_in_use_is_a_listen_error_and_the_hub_may_start_later(make_hub):
    first = make_hub()
    first.start()
    second = make_hub(listen=first.urls[0])
    with pytest.raises(fanwire.ListenError) as caught:
        second.start()
    assert first.urls[0].split("/")[2].split(":")[1] in str(caught.value)
    assert not second.running
    url = first.urls[0]
    first.close()
    second.start()
    assert second.urls == [url]


def test_a_missing_certificate_is_a_tls_error_that_names_the_file(make_hub, tmp_path):
    hub = make_hub(listen="wss://127.0.0.1:0/ws", tls_cert=tmp_path / "none.pem",
                   tls_key=tmp_path / "none.key")
    with pytest.raises(fanwire.TLSError, match="none"):
        hub.start()


def test_a_redis_that_is_required_and_missing_is_a_backplane_error(make_hub, tmp_path):
    hub = make_hub(redis_url=f"redis+unix://{tmp_path}/none.sock", redis_required=True)
    with pytest.raises(fanwire.BackplaneError):
        hub.start()
    assert not hub.running


# --- names ---

NAMED = {
    "publish": lambda hub, name: hub.publish(name, "x"),
    "room": lambda hub, name: hub.room(name),
    "send_user": lambda hub, name: hub.send_user(name, "x"),
    "user": lambda hub, name: hub.user(name),
    "name_check": lambda hub, name: fanwire.name_check(name),
}


@pytest.mark.parametrize("call", NAMED.values(), ids=NAMED)
@pytest.mark.parametrize("name", ["", "x" * 256, "a\nb", "\x7f", "ü" * 128])
def test_a_name_that_is_not_allowed_is_an_invalid_error(hub, call, name):
    with hub:
        with pytest.raises(fanwire.InvalidError) as caught:
            call(hub, name)
        assert str(caught.value) and isinstance(caught.value, ValueError)


@pytest.mark.parametrize("call", NAMED.values(), ids=NAMED)
def test_embedded_nul_and_lone_surrogates_are_value_errors(hub, call):
    with hub:
        with pytest.raises(ValueError, match="NUL"):
            call(hub, "a\0b")
        with pytest.raises(ValueError):
            call(hub, "\ud800")


@pytest.mark.parametrize("call", NAMED.values(), ids=NAMED)
@pytest.mark.parametrize("name", [None, 5, b"room", ["room"]])
def test_a_name_of_a_wrong_type_is_a_type_error_that_says_so(hub, call, name):
    with hub:
        with pytest.raises(TypeError) as caught:
            call(hub, name)
        assert "str" in str(caught.value)


# --- ids ---

@pytest.mark.parametrize("wrong", ["", "5", "g" * 32, "0" * 31, "0" * 33, "ü" * 32])
def test_a_malformed_id_is_an_invalid_error_that_shows_it(hub, wrong):
    with hub:
        with pytest.raises(fanwire.InvalidError) as caught:
            hub.session(wrong)
        assert "32" in str(caught.value)


@pytest.mark.parametrize("wrong", [None, 5, b"0" * 32, object()])
def test_an_id_of_a_wrong_type_is_a_type_error(hub, wrong):
    with hub:
        with pytest.raises(TypeError, match="str"):
            hub.session(wrong)


def test_a_well_formed_id_of_nobody(hub):
    with hub:
        local = f"{hub.node:016x}{'f' * 16}"
        handle = hub.session(local)
        assert handle.id == local and handle.node == hub.node
        with pytest.raises(fanwire.GoneError):
            handle.send("x")


def test_an_embedded_nul_in_an_id(hub):
    with hub:
        with pytest.raises(ValueError):
            hub.session("0" * 31 + "\0")


# --- a session's methods ---

@pytest.fixture
def session(hub, connect):
    seen = Seen()
    hub.on_open(lambda session: seen(session))
    hub.start()
    connect(hub)
    return seen.one()


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, -1])
def test_a_code_that_may_not_be_sent_is_an_invalid_error(session, hub, code):
    for close in (session.close, hub.user("ann").disconnect):
        with pytest.raises((fanwire.InvalidError, OverflowError)) as caught:
            close(code)
        assert isinstance(caught.value, (ValueError, OverflowError))


@pytest.mark.parametrize("arguments", [("1000",), (1000.5,), (None,), (1000, 5),
                                       (1000, b"bye")])
def test_close_with_wrong_types_is_a_type_error(session, arguments):
    with pytest.raises(TypeError):
        session.close(*arguments)


@pytest.mark.parametrize("reason", ["x" * 124, "ü" * 62, "a\0b", "\ud800"])
def test_a_reason_that_is_not_allowed_is_a_value_error(session, reason):
    with pytest.raises(ValueError):
        session.close(1000, reason)
    assert not session.closed


@pytest.mark.parametrize("name", ["", "x" * 256, "a\0b", "\ud800", "a\n"])
def test_join_leave_and_set_user_check_the_name_at_once(session, name):
    for call in (session.join, session.leave, session.set_user):
        with pytest.raises(ValueError):
            call(name)


@pytest.mark.parametrize("name", [5, b"r", ["r"], object()])
def test_join_leave_and_set_user_check_the_type_at_once(session, name):
    for call in (session.join, session.leave, session.set_user):
        with pytest.raises(TypeError, match="str"):
            call(name)
    for call in (session.join, session.leave):
        with pytest.raises(TypeError, match="str"):
            call(None)


def test_sessions_and_requests_are_not_made_by_hand():
    for kind in (fanwire.Session, fanwire.SessionHandle, fanwire.Request):
        with pytest.raises(TypeError):
            kind()


def test_a_session_has_no_attributes_by_mistake(session):
    """session.sent("x") or session.user_ = ... should be noticed."""
    with pytest.raises(AttributeError):
        session.sent("x")


# --- a hub that doesn't run ---

CLOSED = {
    "publish": lambda hub: hub.publish("r", "x"),
    "send_user": lambda hub: hub.send_user("u", "x"),
    "send_all": lambda hub: hub.send_all("x"),
    "broadcast": lambda hub: hub.broadcast("x"),
    "send_node": lambda hub: hub.send_node(1, "x"),
    "room.publish": lambda hub: hub.room("r").publish("x"),
    "user.send": lambda hub: hub.user("u").send("x"),
    "user.disconnect": lambda hub: hub.user("u").disconnect(),
    "session.send": lambda hub: hub.session("0" * 31 + "1").send("x"),
    "stats": lambda hub: hub.stats(),
    "metrics": lambda hub: hub.metrics(),
}


@pytest.mark.parametrize("call", CLOSED.values(), ids=CLOSED)
@pytest.mark.parametrize("when", ["before the start", "after the end"])
def test_a_hub_that_does_not_run_is_a_closed_error(hub, call, when):
    if when == "after the end":
        hub.start()
        hub.close()
    with pytest.raises(fanwire.ClosedError) as caught:
        call(hub)
    assert str(caught.value)


def test_what_a_hub_tells_when_it_does_not_run(hub):
    assert not hub.running and hub.urls == [] and hub.sessions == []
    assert hub.http_address is None
    hub.start()
    assert hub.running and len(hub.urls) == 1
    hub.close()
    assert not hub.running and hub.urls == [] and hub.sessions == []


def test_configure_after_the_start_is_a_state_error(hub):
    hub.configure(message_max_bytes="2MiB")
    assert hub.option("message.max_bytes") in ("2MiB", "2097152")
    with hub:
        with pytest.raises(fanwire.StateError, match="start|run"):
            hub.configure(message_max_bytes="3MiB")


@pytest.mark.parametrize("node", [-1, 2 ** 64, "1", None, 1.5])
def test_a_node_that_is_none(hub, node):
    with hub:
        with pytest.raises((TypeError, ValueError, OverflowError)):
            hub.send_node(node, "x")


def test_missing_and_surplus_arguments_are_type_errors(hub):
    with hub:
        for call in (lambda: hub.publish("r"), lambda: hub.publish("r", "x", "y"),
                     lambda: hub.publish("r", "x", skpi=None), lambda: hub.session(),
                     lambda: fanwire.Message(), lambda: fanwire.Message("x", "y")):
            with pytest.raises(TypeError):
                call()


def test_errors_can_be_pickled():
    """They cross process borders, in multiprocessing and Celery."""
    import pickle
    try:
        fanwire.name_check("")
    except fanwire.InvalidError as e:
        again = pickle.loads(pickle.dumps(e))
        assert type(again) is type(e) and str(again) == str(e)
        assert again.number == e.number
    refuse = pickle.loads(pickle.dumps(fanwire.Refuse(404, "none")))
    assert (refuse.status, refuse.reason) == (404, "none")


def test_one_except_clause_catches_all_of_them(hub):
    for wrong in (lambda: fanwire.Hub(nonsense=1), lambda: hub.publish("r", "x"),
                  lambda: fanwire.name_check("")):
        with pytest.raises(fanwire.Error) as caught:
            wrong()
        assert caught.value.name.startswith("FW_ERR_") and caught.value.number < 0


def test_the_table_of_options_is_there():
    table = fanwire.options()
    assert table["redis.url"]["type"] and table["redis.url"]["help"]
    assert table["threads"]["default"] == "1"
    table["threads"]["default"] = "changed"
    assert fanwire.options()["threads"]["default"] == "1"


def test_a_path_object_is_taken_for_config(tmp_path):
    path = pathlib.Path(tmp_path) / "a.ini"
    path.write_text("threads = 2\n")
    assert fanwire.Hub(config=path).option("threads") == "2"
    assert fanwire.Hub(config=os.fspath(path)).option("threads") == "2"
    for wrong in (5, b"x", ["x"]):
        with pytest.raises(TypeError, match="config"):
            fanwire.Hub(config=wrong)


def test_a_hub_with_a_wrong_option_leaves_nothing_behind(make_hub):
    import gc
    from support import descriptors_of
    gc.collect()
    before = descriptors_of()
    for _ in range(20):
        with pytest.raises(fanwire.OptionError):
            fanwire.Hub(threads="many")
    gc.collect()
    wait_until(lambda: descriptors_of() <= before, "descriptors are closed")
