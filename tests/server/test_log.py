"""The log: a line for people, or an object for machines."""

import json
import re
import signal

import pytest


def ended(f):
    f.signal(signal.SIGTERM)
    assert f.wait() == 0
    return f.err().splitlines()


TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def test_text_has_time_level_component_and_message(fanwired):
    lines = ended(fanwired())
    assert lines
    for line in lines:
        assert re.fullmatch(TIME + r" (error|warn |info |debug|trace) [a-z_]+: .+",
                            line), line


def test_json_is_an_object_a_line(fanwired):
    lines = ended(fanwired("--log.format", "json", "--log.level", "trace"))
    assert lines
    for line in lines:
        entry = json.loads(line)
        assert re.fullmatch(TIME, entry["time"])
        assert entry["level"] in ("error", "warn", "info", "debug", "trace")
        assert entry["component"] and entry["message"]


def test_json_survives_names_with_quotes_and_umlauts(fanwired):
    lines = ended(fanwired("--log.format", "json", "--node.name", 'a"b\\ü'))
    assert all(json.loads(line) for line in lines)


def test_the_level_keeps_lines_away(fanwired):
    assert ended(fanwired("--log.level", "error")) == []


@pytest.mark.parametrize("form, shown", [("text", r"a\x1b[2J\x7f\xffb"),
                                         ("json", r"a\\x1b[2J\\x7f\\xffb")])
def test_a_name_gives_no_order_to_a_terminal(fanwired, tmp_path, form, shown):
    config = tmp_path / "a\x1b[2J\x7f\udcffb"  # the last one is the byte ff
    config.write_text(f"log.format = {form}\n")
    f = fanwired("--config", str(config))
    config.unlink()
    f.signal(signal.SIGHUP)
    f.wait_for_log(f"{shown}: No such file")
