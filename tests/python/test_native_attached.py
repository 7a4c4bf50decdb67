"""Sessions whose connection is somebody else's, through the flat module: what is sent to
them comes as events, what their clients say is fed in."""

import pytest

import fanwire
from fanwire import native as n
from native_rig import rig  # noqa: F401  # the fixture

HEAD = b"GET /ws?room=a HTTP/1.1\r\nHost: example.org\r\nX-One: 1\r\n\r\n"


def attach(r, user="ann", head=HEAD, ref=7):
    n.fw_session_attach(r.hub, user, head, "192.0.2.1", ref)
    _, session, payload, _ = r.poll(n.FW_EVENT_RESULT)
    assert payload[:2] == (ref, n.FW_OK)
    return session


@pytest.fixture
def attaching(rig):  # noqa: F811
    return rig(n.FW_EVENT_OPEN, n.FW_EVENT_MESSAGE, n.FW_EVENT_RESULT,
               n.FW_EVENT_DELIVER).start()


@pytest.mark.parametrize("head", [HEAD, HEAD.decode(), memoryview(HEAD)])
def test_an_attached_session_has_the_facts_of_its_head(attaching, head):
    r = attaching
    session = attach(r, head=head)
    _, same, _, event = r.poll(n.FW_EVENT_OPEN)
    assert same == session and n.fw_event_user(event) == "ann"
    assert n.fw_event_query(event, "room", 0) == "a"
    assert n.fw_event_header(event, "x-one") == "1"
    assert n.fw_event_fact(event, "address") == "192.0.2.1"


def test_without_a_head_there_are_no_facts_but_the_address(attaching):
    r = attaching
    attach(r, user=None, head=None)
    event = r.poll(n.FW_EVENT_OPEN)[3]
    assert n.fw_event_user(event) is None
    assert n.fw_event_fact(event, "path") == "/"
    assert n.fw_event_fact(event, "host") is None


def test_what_is_sent_is_delivered_and_what_is_fed_is_a_message(attaching):
    r = attaching
    session = attach(r)
    n.fw_session_send(r.hub, session, "text")
    n.fw_user_send(r.hub, "ann", b"\xff")
    assert r.poll(n.FW_EVENT_DELIVER)[1:3] == (session, ("text", 0, ""))
    assert r.poll(n.FW_EVENT_DELIVER)[2] == (b"\xff", 0, "")
    n.fw_session_feed(r.hub, session, "said")
    n.fw_session_feed(r.hub, session, b"\0")
    assert r.poll(n.FW_EVENT_MESSAGE)[1:3] == (session, "said")
    assert r.poll(n.FW_EVENT_MESSAGE)[2] == b"\0"
    n.fw_session_close(r.hub, session, 4000, "because")
    assert r.poll(n.FW_EVENT_DELIVER)[2] == ("", 4000, "because")
    with pytest.raises(fanwire.GoneError):
        n.fw_session_feed(r.hub, session, "x")


@pytest.mark.parametrize("arguments, error", [
    (("a\nb", HEAD, "x", 1), fanwire.InvalidError),
    (("ann", b"GET / HT", "x", 1), fanwire.InvalidError),
    (("ann", HEAD, "x", 0), fanwire.InvalidError),
    (("ann", HEAD, "x", -1), OverflowError),
    (("ann", 3, "x", 1), TypeError),
    ((3, HEAD, "x", 1), TypeError),
    (("ann", HEAD, b"x", 1), TypeError),
    (("ann", HEAD, "x", "1"), TypeError),
])
def test_wrong_arguments_of_attach_are_refused(attaching, arguments, error):
    with pytest.raises(error):
        n.fw_session_attach(attaching.hub, *arguments)


def test_a_hub_without_deliver_attaches_nothing(rig):  # noqa: F811
    r = rig(n.FW_EVENT_OPEN).start()
    with pytest.raises(fanwire.StateError, match="DELIVER"):
        n.fw_session_attach(r.hub, None, None, None, 1)
