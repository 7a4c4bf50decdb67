"""What the library says arrives in `logging`, under its component's name."""

import logging

import pytest

import fanwire
from support import Seen, wait_until


def _records(caplog, level, name="fanwire"):
    return [r for r in caplog.records
            if r.levelno == level and (r.name == name or r.name.startswith(name + "."))]


def test_lines_are_logged_under_the_component(hub, caplog):
    with caplog.at_level(logging.INFO, "fanwire"), hub:
        wait_until(lambda: _records(caplog, logging.INFO), "a line")
    names = {r.name for r in caplog.records}
    assert names and all(name.startswith("fanwire.") for name in names)


def test_the_option_decides_what_is_sent(make_hub, caplog):
    caplog.set_level(1, "fanwire")
    with make_hub(log_level="error"):
        pass
    assert not caplog.records
    with make_hub(log_level="debug") as hub:
        hub.broadcast("x")
    assert caplog.records


def test_a_warning_of_the_library_is_a_warning(make_hub, tmp_path, caplog):
    hub = make_hub(redis_url=f"redis+unix://{tmp_path}/none.sock")
    with caplog.at_level(logging.WARNING, "fanwire"), hub:
        record = wait_until(lambda: [r for r in caplog.records
                                     if r.levelno >= logging.WARNING], "a warning")[0]
    assert record.name.startswith("fanwire.")
    assert "none.sock" in " ".join(r.getMessage() for r in caplog.records)


def test_levels_of_the_library_are_those_of_logging(make_hub, connect, caplog):
    hub = make_hub(log_level="trace")
    with caplog.at_level(1, "fanwire"), hub:
        connect(hub).close()
        wait_until(lambda: hub.stats()["fanwire_sessions"] == 0, "gone")
    levels = {r.levelno for r in caplog.records}
    assert levels <= {5, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR}
    assert logging.DEBUG in levels or 5 in levels


def test_lines_go_to_children_of_a_logger_that_was_given(make_hub, caplog):
    mine = logging.getLogger("myapp.sockets")
    hub = make_hub(logger=mine)
    with caplog.at_level(logging.INFO), hub:
        wait_until(lambda: _records(caplog, logging.INFO, "myapp.sockets"), "a line")
    assert not _records(caplog, logging.INFO, "fanwire")


def test_failures_of_handlers_go_there_too(make_hub, connect, caplog):
    mine = logging.getLogger("myapp.sockets")
    hub = make_hub(logger=mine)

    @hub.on_message
    def said(session, data):
        raise KeyError("made to fail")

    with caplog.at_level(logging.INFO), hub:
        connect(hub).send("x")
        record = wait_until(lambda: _records(caplog, logging.ERROR, "myapp.sockets"),
                            "an error")[0]
    assert record.name == "myapp.sockets.handlers"
    assert record.exc_info[0] is KeyError


@pytest.mark.parametrize("wrong", ["myapp", 5, logging])
def test_a_logger_that_is_none_is_a_type_error(wrong):
    with pytest.raises(TypeError, match="logger"):
        fanwire.Hub(logger=wrong)


def test_percent_signs_in_a_line_do_no_harm(make_hub, connect, caplog):
    """A line may hold what a client sent; it isn't a format."""
    hub = make_hub(log_level="trace")
    with caplog.at_level(1, "fanwire"), hub:
        connect(hub, "a=%25s%25d%25n").close()
        wait_until(lambda: hub.stats()["fanwire_sessions"] == 0, "gone")
    for record in caplog.records:
        record.getMessage()


def test_what_a_handler_logs_is_the_applications_own(hub, connect, caplog):
    seen = Seen()

    @hub.on_message
    async def said(session, data):
        logging.getLogger("app").warning("said %s", data)
        seen(1)

    with caplog.at_level(logging.INFO), hub:
        connect(hub).send("x")
        seen.one()
    assert [r.getMessage() for r in caplog.records if r.name == "app"] == ["said x"]


def test_a_logging_handler_that_fails_stops_nothing(hub, connect, loop_errors):
    class Broken(logging.Handler):
        def emit(self, record):
            raise OSError("disk full")

    broken = Broken()
    logger = logging.getLogger("fanwire")
    logger.addHandler(broken)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        hub.on_message(lambda session, data: session.send(data))
        with hub:
            client = connect(hub)
            assert client.ask("a") == "a"
            client.abort()
            assert connect(hub).ask("b") == "b"
    finally:
        logger.removeHandler(broken)
        logger.setLevel(level)


def test_nothing_is_printed_without_logging_configured(program):
    """Lines below WARNING are dropped; the library never writes to stderr itself."""
    p = program("""
        import fanwire
        with fanwire.Hub(listen="ws://127.0.0.1:0/ws", log_level="trace") as hub:
            hub.broadcast("x")
        tell("over")
    """)
    p.wait("over")
    assert p.finish() == 0
    assert p.err == ""


def test_lines_of_the_stop_are_logged_too(hub, caplog):
    with caplog.at_level(logging.DEBUG, "fanwire"):
        hub.configure(log_level="debug")
        hub.start()
        n = len(caplog.records)
        hub.close()
        assert len(caplog.records) > n
