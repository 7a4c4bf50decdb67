"""The files of docs/deploy work as they are."""

import pathlib
import re

import pytest

from conftest import run

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "docs" / "deploy"


def test_the_sample_configuration_is_right():
    done = run("--check-config", "--config", str(DEPLOY / "fanwired.ini"))
    assert (done.status, done.err) == (0, "")


def test_what_is_commented_out_in_the_sample_is_right_too(tmp_path):
    text = (DEPLOY / "fanwired.ini").read_text(encoding="utf-8")
    text, n = re.subn(r"^#(?=[a-z_.]+ = )", "", text, flags=re.MULTILINE)
    assert n > 10
    path = tmp_path / "fanwired.ini"
    path.write_text(text)
    done = run("--check-config", "--config", str(path))
    assert (done.status, done.err) == (0, "")


UNITS = pytest.mark.parametrize("name", ["fanwired.service", "fanwired@.service"])


@UNITS
def test_the_unit_waits_longer_than_draining_may_take(name):
    unit = (DEPLOY / name).read_text(encoding="utf-8")
    seconds = int(re.search(r"^TimeoutStopSec=(\d+)s$", unit, re.MULTILINE).group(1))
    default = re.search(r"--drain\.timeout .*?default:\s+(\d+)s\]", run("--help").out,
                        re.DOTALL)
    assert seconds > int(default.group(1))


@UNITS
def test_the_unit_starts_a_configuration_that_it_checked(name):
    unit = (DEPLOY / name).read_text(encoding="utf-8")
    start = re.search(r"^ExecStart=\S+ (.*)$", unit, re.MULTILINE).group(1)
    check = re.search(r"^ExecStartPre=\S+ (.*)$", unit, re.MULTILINE).group(1)
    assert check == "--check-config " + start


def test_the_socket_of_the_unit_is_that_of_the_sample_configuration():
    text = (DEPLOY / "fanwired.socket").read_text(encoding="utf-8")
    address = re.search(r"^ListenStream=(\S+)$", text, re.MULTILINE).group(1)
    assert f"listen = ws://{address}/ws" in (DEPLOY / "fanwired.ini").read_text()


def test_instances_of_the_template_differ_from_the_unit_only_in_what_they_need():
    def settings(name):
        text = (DEPLOY / name).read_text(encoding="utf-8")
        return {line for line in text.splitlines() if line and line[0] not in "#["}

    one, several = settings("fanwired.service"), settings("fanwired@.service")
    more = {line for line in several - one if not line.startswith(("Exec", "Descr"))}
    assert more == {"User=fanwire", "RuntimeDirectoryPreserve=yes"}
    assert all(line.startswith(("Exec", "Description")) for line in one - several)
