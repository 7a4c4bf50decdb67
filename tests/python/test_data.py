"""What can be sent: text, bytes, what becomes JSON, and messages built before. What
arrives at a client is looked at, for every way of sending."""

import json

import pytest

import fanwire
from support import DEADLINE, Seen

WAYS = {
    "session.send": lambda hub, s, data: s.send(data),
    "hub.session().send": lambda hub, s, data: hub.session(s.id).send(data),
    "hub.publish": lambda hub, s, data: hub.publish("r", data),
    "room.publish": lambda hub, s, data: hub.room("r").publish(data),
    "hub.send_user": lambda hub, s, data: hub.send_user("ann", data),
    "user.send": lambda hub, s, data: hub.user("ann").send(data),
    "hub.send_all": lambda hub, s, data: hub.send_all(data),
    "hub.broadcast": lambda hub, s, data: hub.broadcast(data),
    "hub.send_node": lambda hub, s, data: hub.send_node(hub.node, data),
}


@pytest.fixture
def one_session(hub, connect):
    """(hub, client, session) of somebody who is ann and in room r."""
    seen = Seen()

    async def opened(session):
        await session.join("r")
        seen(session)

    hub.on_connect(lambda request: "ann")
    hub.on_open(opened)
    hub.start()
    client = connect(hub)
    return hub, client, seen.one()


@pytest.mark.parametrize("given, arrives", [
    ("text", "text"),
    ("", ""),
    ("Käse \U0001f9c0 \0 end", "Käse \U0001f9c0 \0 end"),
    (b"bytes\0\xff", b"bytes\0\xff"),
    (b"", b""),
    (bytearray(b"array"), b"array"),
    (memoryview(b"a view")[2:], b"view"),
    ({"a": 1, "b": [True, None, 1.5]}, '{"a":1,"b":[true,null,1.5]}'),
    ({"k": "Käse"}, '{"k":"Käse"}'),
    ([], "[]"),
    ({}, "{}"),
    ([1, "x"], '[1,"x"]'),
    (fanwire.Message("m"), "m"),
    (fanwire.Message(b"m"), b"m"),
    (fanwire.Message({"a": 1}), '{"a":1}'),
], ids=repr)
def test_each_way_sends_each_kind(one_session, given, arrives):
    hub, client, session = one_session
    for name, send in WAYS.items():
        send(hub, session, given)
        got = client.receive()
        assert got == arrives and type(got) is type(arrives), name


def test_subclasses_are_what_they_are_derived_from(one_session):
    hub, client, session = one_session

    class Text(str):
        pass

    class Bytes(bytes):
        pass

    class Record(dict):
        pass

    for given, arrives in ((Text("t"), "t"), (Bytes(b"b"), b"b"),
                           (Record(a=1), '{"a":1}')):
        session.send(given)
        assert client.receive() == arrives


WRONG = [None, 5, 1.5, True, object(), {1, 2}, Ellipsis, (i for i in ())]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_what_cannot_be_sent_is_a_type_error_that_says_what_can(one_session, way, wrong):
    hub, client, session = one_session
    with pytest.raises(TypeError) as caught:
        way(hub, session, wrong)
    text = str(caught.value)
    assert type(wrong).__name__ in text
    assert "str" in text and "bytes" in text


def test_what_json_cannot_say_is_a_type_error_that_names_it(one_session):
    _, _, session = one_session
    with pytest.raises(TypeError, match="object"):
        session.send({"a": object()})


def test_what_contains_itself_is_a_value_error(one_session):
    _, _, session = one_session
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError):
        session.send(endless)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_does_not_have_are_a_value_error(one_session, number):
    """JSON.parse in a browser would fail on NaN."""
    _, _, session = one_session
    with pytest.raises(ValueError):
        session.send({"x": number})


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("wrong", ["\ud800", {"a": "\ud800"}], ids=repr)
def test_lone_surrogates_are_a_value_error(one_session, way, wrong):
    hub, _, session = one_session
    with pytest.raises(ValueError):
        way(hub, session, wrong)


def test_memory_that_is_not_in_one_piece_is_refused_or_sent_right(one_session):
    hub, client, session = one_session
    try:
        session.send(memoryview(b"a-b-c-")[::2])
    except (BufferError, ValueError):
        return
    assert client.receive() == b"abc"


def test_a_buffer_may_be_changed_after_it_was_sent(one_session):
    _, client, session = one_session
    data = bytearray(b"before")
    session.send(data)
    message = fanwire.Message(data)
    data[:] = b"after!"
    data += b" and longer"
    session.send(message)
    assert client.receive_many(2) == [b"before", b"before"]


# --- messages built before ---

@pytest.mark.parametrize("data, kept", [
    ("ü", "ü"), (b"\0", b"\0"), ({"a": "ü"}, '{"a":"ü"}'), (bytearray(b"x"), b"x")])
def test_a_message_tells_its_data(data, kept):
    message = fanwire.Message(data)
    assert message.data == kept and type(message.data) is type(kept)


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_a_message_of_what_cannot_be_sent_is_a_type_error(wrong):
    with pytest.raises(TypeError, match="str"):
        fanwire.Message(wrong)


def test_a_message_is_used_again_and_again(one_session):
    hub, client, session = one_session
    message = fanwire.Message("again")
    for send in WAYS.values():
        send(hub, session, message)
    assert client.receive_many(len(WAYS)) == ["again"] * len(WAYS)


@pytest.mark.parametrize("wrong", [5, b"0" * 32, object(), ["0" * 32]])
def test_skip_of_a_wrong_type_is_a_type_error(one_session, wrong):
    hub, _, _ = one_session
    for call in (lambda: fanwire.Message("x", skip=wrong),
                 lambda: hub.publish("r", "x", skip=wrong),
                 lambda: hub.send_all("x", skip=wrong),
                 lambda: hub.broadcast("x", skip=wrong),
                 lambda: hub.send_user("ann", "x", skip=wrong),
                 lambda: hub.room("r").publish("x", skip=wrong),
                 lambda: hub.user("ann").send("x", skip=wrong)):
        with pytest.raises(TypeError, match="skip"):
            call()


@pytest.mark.parametrize("wrong", ["", "5", "x" * 32])
def test_skip_of_a_malformed_id_is_an_invalid_error(one_session, wrong):
    hub, _, _ = one_session
    for call in (lambda: fanwire.Message("x", skip=wrong),
                 lambda: hub.publish("r", "x", skip=wrong)):
        with pytest.raises(fanwire.InvalidError):
            call()


def test_skip_and_a_message_do_not_change_the_message(one_session):
    """The message may have been sent before, or be sent to everybody afterwards."""
    hub, client, session = one_session
    message = fanwire.Message("m")
    hub.publish("r", message)
    hub.publish("r", message, skip=session)
    hub.publish("r", message)
    hub.broadcast("end")
    assert client.receive_many(3) == ["m", "m", "end"]


def test_a_message_of_a_message_leaves_out_whom_that_leaves_out(one_session):
    hub, client, session = one_session
    skips = fanwire.Message("m", skip=session)
    hub.publish("r", fanwire.Message(skips))
    hub.publish("r", skips, key="once")
    hub.publish("r", fanwire.Message(skips, skip="0" * 32))
    hub.broadcast("end")
    assert client.receive_many(2) == ["m", "end"]


def test_a_message_of_a_message_is_kept_once_under_its_key(make_hub, connect):
    hub = make_hub(room_history_size=10, room_history_ttl="1m")
    with hub:
        once = fanwire.Message("m", key="k")
        hub.publish("r", once)
        hub.publish("r", once, skip="0" * 32)
        hub.apublish("r", fanwire.Message(once)).result(DEADLINE)
        hub.apublish("r", fanwire.Message(once, key="another")).result(DEADLINE)
        kept = hub.history("r").result(DEADLINE)
        assert [message.data for message in kept.messages] == ["m", "m"]


def test_a_message_to_a_node_leaves_nobody_out(one_session):
    hub, client, session = one_session
    with pytest.raises(fanwire.InvalidError, match="skip"):
        hub.send_node(hub.node, fanwire.Message("m", skip=session))
    hub.send_node(hub.node, fanwire.Message("m", key="k"))
    assert client.receive() == "m"


def test_to_leave_nobody_out(one_session):
    hub, client, session = one_session
    hub.publish("r", "x", skip=None)
    hub.publish("r", "y", skip="0" * 32)
    assert client.receive_many(2) == ["x", "y"]


# --- sizes ---

@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 1024 * 1024])
def test_sizes_go_both_ways(hub, connect, size):
    hub.on_message(lambda session, data: session.send(data))
    with hub:
        client = connect(hub)
        for data in ("a" * size, b"\xff" * size):
            assert client.ask(data) == data


def test_large_json_is_the_same_at_the_other_end(one_session):
    _, client, session = one_session
    value = {"rows": [{"i": i, "text": "ü" * 10} for i in range(2000)]}
    session.send(value)
    assert json.loads(client.receive()) == value


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_more_than_the_limit_is_a_too_big_error(one_session, way):
    hub, client, session = one_session
    limit = 1024 * 1024
    with pytest.raises(fanwire.TooBigError) as caught:
        way(hub, session, b"x" * (limit + 1))
    assert str(limit) in str(caught.value) or "message.max_bytes" in str(caught.value)
    way(hub, session, "still works")
    assert client.receive() == "still works"


@pytest.mark.parametrize("data", [b"x" * 100_000_000, "x" * 100_000_000], ids=type)
def test_a_hundred_megabytes_are_refused_and_not_kept(one_session, data):
    from support import memory_of
    hub, _, session = one_session
    before = memory_of("self")
    for _ in range(5):
        for send in (session.send, hub.broadcast):
            with pytest.raises(fanwire.TooBigError, match="message.max_bytes|1048576"):
                send(data)
    # One copy may be on its way to be freed; ten would be a gigabyte.
    assert memory_of("self") - before < 250_000_000


@pytest.mark.parametrize("call, says", [
    (lambda hub: hub.session("me"), "id: 32 hexadecimal digits are wanted, not 'me'"),
    (lambda hub: hub.publish("r", "x", skip="me"), "skip: 32 hexadecimal digits"),
    (lambda hub: fanwire.Message("x", skip="é" * 32), "skip: 32 hexadecimal digits"),
])
def test_what_is_no_id_is_named_by_its_argument(hub, call, says):
    with hub, pytest.raises(fanwire.InvalidError) as caught:
        call(hub)
    assert str(caught.value).startswith(says)


def test_a_node_is_a_number(hub):
    with hub, pytest.raises(TypeError, match="node: int is wanted, not str"):
        hub.send_node("x", "y")


def test_public_classes_are_called_by_their_public_names():
    for name in ("Hub", "Session", "Refuse", "Message", "Emitter", "GoneError"):
        assert getattr(fanwire, name).__module__ == "fanwire"


def test_a_refusal_says_what_it_is():
    assert str(fanwire.Refuse(403, "no")) == "refused with 403: no"
    assert str(fanwire.Refuse(404)) == "refused with 404"
