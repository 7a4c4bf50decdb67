"""The two packages side by side: tests/api.txt names what each has;
tests/lua/api_spec.lua looks at the other column. Here too: all constants of C."""

import pathlib
import re

import pytest

import fanwire
from fanwire import native

TOP = pathlib.Path(__file__).resolve().parents[2]
HEADERS = TOP / "capi" / "include" / "fanwire"


def sections():
    """{name of the thing in Python: its rows as (Python, Lua)}"""
    found = {}
    for line in (TOP / "tests" / "api.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            ours, theirs = re.sub("^== ", "", line).split(" | ")
            if line.startswith("== "):
                rows = found[ours] = []
            else:
                rows.append((ours, theirs))
    return found


def is_reason(cell):
    return re.fullmatch(r"- \S.*", cell)


def public(thing):
    return {name for name in dir(thing) if not name.startswith("_")}


def is_error(name):
    value = getattr(fanwire, name)
    return (isinstance(value, type) and issubclass(value, fanwire.Error)
            and value is not fanwire.Error)


@pytest.mark.parametrize("name", sections())
def test_what_python_has_is_beside_what_lua_has(name):
    thing = fanwire if name == "fanwire" else getattr(fanwire, name)
    listed = {ours for ours, _ in sections()[name] if not is_reason(ours)}
    for member in listed:
        assert hasattr(thing, member), member
    there = public(thing)
    if thing is fanwire:
        there = {n for n in there if not is_error(n)}
    assert there == {n for n in listed if not n.startswith("_")}


def test_each_row_has_two_names_or_a_name_and_a_reason():
    for rows in sections().values():
        for cells in rows:
            assert all(re.fullmatch(r"\w+", c) or is_reason(c) for c in cells), cells
            assert not all(is_reason(c) for c in cells), cells


def constants_of_c():
    found = set()
    for path in HEADERS.glob("*.h"):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for body in re.findall(r"\benum\b[^{;]*\{(.*?)\}", text, re.DOTALL):
            found |= set(re.findall(r"\b(FW_(?:EVENT|LOG)_\w+|FW_TEXT|FW_BINARY|FW_OK)\b",
                                    body))
        found |= {"FW_ERR_" + e for e in re.findall(r"\bXX\((\w+),", text)}
    return found


def test_every_constant_of_c_is_there_and_no_other():
    constants = constants_of_c()
    assert len(constants) > 30
    ours = {n for n in dir(native) if re.match(r"FW_(EVENT|LOG|ERR|TEXT|BINARY|OK)", n)}
    assert ours == constants
