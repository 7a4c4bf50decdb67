"""behaviours.py finds what it is there to find, and nothing in this tree."""

import behaviours
import pytest
from generated import TOP

PYTHON = "def test_rooms_are_apart(): pass\n\n\ndef test_of_python(): pass\n"
LUA = '  it("rooms are apart", f)\n  it("it\'s of Lua", f)\n'
RIGHT = """# a comment
== Rooms
rooms are apart | rooms | rooms
of Python | rooms | - no such thing
of Lua | - no such thing | rooms: it's of Lua
"""


@pytest.fixture
def tree(tmp_path):
    """tree(list, python, lua): what is wrong there."""
    def check(text=RIGHT, python=PYTHON, lua=LUA):
        for folder in ("python", "lua"):
            (tmp_path / "tests" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests" / "python" / "test_rooms.py").write_text(python)
        (tmp_path / "tests" / "lua" / "rooms_spec.lua").write_text(lua)
        (tmp_path / "tests" / "behaviours.txt").write_text(text)
        return behaviours.check(str(tmp_path))

    return check


def test_this_tree_s_list_is_right():
    assert behaviours.check(TOP) == []


def test_a_list_that_is_right_is_right(tree):
    assert tree() == []


@pytest.mark.parametrize("was, now, says", [
    ("rooms | - no", "halls | - no", "no file 'halls'"),
    ("rooms: it's of Lua", "rooms: it was", "no test of rooms is called 'it was'"),
    ("rooms are apart | rooms |", "rooms are far | rooms |", "stands on no line"),
    ("- no such thing\nof Lua", "-\nof Lua", "a reason is wanted"),
    ("of Python | rooms |", "of Python | - nor here |", "nobody shows it"),
    ("of Python | rooms | - no such thing", "of Python | rooms", "are wanted"),
    ("# a comment\n== Rooms\n", "== Rooms\nrooms are apart | rooms | rooms\n", "twice"),
])
def test_what_is_wrong_with_a_line_is_said(tree, was, now, says):
    assert was in RIGHT
    assert any(says in line for line in tree(RIGHT.replace(was, now)))


def test_a_test_that_stands_on_no_line_is_found(tree):
    new = "def test_is_new(): pass\n"
    assert "'is_new' stands on no line" in tree(python=PYTHON + new)[0]
    assert "'is new' stands on no line" in tree(lua=LUA + '  it("is new", f)\n')[0]


@pytest.mark.parametrize("lua", ['  pending("later")\n', '  xit("never", f)\n'])
def test_a_test_that_never_runs_is_found(tree, lua):
    assert "never runs" in tree(lua=LUA + lua)[0]


def test_two_tests_of_one_name_are_found(tree):
    assert "two tests" in tree(lua=LUA + LUA)[0]
