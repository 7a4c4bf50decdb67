"""errors_shown.py finds what it is there to find, and nothing in this tree."""

import errors_shown
import pytest
from generated import TOP

ERROR_H = """enum { FW_OK };
#define FW_ERROR_MAP(XX) \\
    XX(INVALID, -1, 0, "not allowed") \\
    XX(BUSY, -2, 1, "full")
"""
ROOM_H = """/**
 * Rooms.
 */

/**
 * Say something.
 *
 * @return FW_OK, FW_ERR_INVALID room not allowed,
 *         FW_ERR_BUSY
 * @thread any
 */
FW_API int fw_say(const char *room);

/**
 * The same, later.
 *
 * @param ref a RESULT with it has FW_ERR_BUSY if it was too much
 * @return as fw_say
 */
FW_API int fw_say_later(struct fw_hub *hub, const char *room, int ref);

/** @param room taken; NULL is allowed */
FW_API void fw_room_free(char *room);
"""
TESTS = """/* START_TEST(of a comment) */
#define BUSY(call) ck_assert_int_eq((call), FW_ERR_BUSY)
#define CALLS(CALL) \\
    CALL(fw_say("r"), FULL) \\
    CALL(fw_say_later(hub, "r", 1), FORKED | FULL)

static const struct {
    const char *room;
    int want;
} rows[] = {{fw_say(""), FW_ERR_INVALID}, {fw_say_later(hub, "", 1), FW_ERR_BUSY}};

START_TEST(rooms_have_names)
{
    check(rows);
    check("fw_say_later", "FW_ERR_INVALID");
    int err = fw_say_later(hub, "", 1);
    ck_assert_msg(err == FW_ERR_INVALID, "%s", fw_err_name(err));
}
END_TEST

START_TEST(too_much_is_told)
{
    BUSY(fw_say("r"));
    fw_say_later(hub, "r", 1);
    expect("#1=FW_ERR_BUSY");
}
END_TEST

START_TEST(a_child_is_told)
{
    all(CALLS, FORKED, FW_ERR_FORKED);
}
END_TEST
"""
RIGHT = """# a comment
fw_say INVALID | unit/rooms: rooms_have_names
fw_say BUSY | unit/rooms: too_much_is_told
fw_say_later INVALID | unit/rooms: rooms_have_names + unit/rooms: rooms_have_names
fw_say_later BUSY | - it never is
fw_say_later FORKED | unit/rooms: a_child_is_told
fw_say_later RESULT BUSY | unit/rooms: too_much_is_told
"""
CMAKE = """foreach(kind memory descriptors)
    fw_add_test(inject.${kind} inject 1 x)
endforeach()
"""


@pytest.fixture
def tree(tmp_path):
    """tree(list, header, tests): what is wrong there."""
    def check(text=RIGHT, header=ROOM_H, tests=TESTS):
        include = tmp_path / "capi" / "include" / "fanwire"
        for folder in (include, tmp_path / "tests" / "unit"):
            folder.mkdir(parents=True, exist_ok=True)
        (include / "error.h").write_text(ERROR_H)
        (include / "room.h").write_text(header)
        (tmp_path / "tests" / "unit" / "test_rooms.c").write_text(tests)
        (tmp_path / "tests" / "CMakeLists.txt").write_text(CMAKE)
        (tmp_path / "tests" / "errors.txt").write_text(text)
        return errors_shown.check(str(tmp_path))

    return check


def test_this_tree_s_list_is_right():
    assert errors_shown.check(TOP) == []


def test_a_list_that_is_right_is_right(tree):
    assert tree() == []


@pytest.mark.parametrize("was, now, says", [
    ("fw_say INVALID | unit/rooms: rooms_have_names\n", "", "INVALID stands on no line"),
    ("fw_say_later RESULT", "fw_say RESULT", "no header promises it"),
    ("fw_say BUSY |", "fw_say GONE |", "no header promises it"),
    ("fw_say BUSY |", "fw_say INVALID |", "twice"),
    ("unit/rooms: too", "unit/halls: too", "there is no file 'unit/halls'"),
    ("too_much_is_told\nfw_say_later I", "too_much\nfw_say_later I",
     "is called 'too_much'"),
    ("| - it never is", "| -", "a reason is wanted"),
    ("| - it never is", "|", "nothing shows it"),
    ("| - it never is", "| unit/rooms: too_much_is_told", "ask it for FW_ERR_BUSY"),
    ("| - it never is", "| unit/rooms: a_child_is_told", "ask it for FW_ERR_BUSY"),
    ("| - it never is", "| inject.memory", "inject.memory can't show that"),
    ("| - it never is", "| inject.wishes", "there is no file 'inject.wishes'"),
    ("fw_say INVALID | unit/rooms: rooms_have_names",
     "fw_say INVALID | unit/rooms: too_much_is_told", "ask it for FW_ERR_INVALID"),
    ("RESULT BUSY | unit/rooms: too_much_is_told",
     "RESULT BUSY | unit/rooms: a_child_is_told",
     "a_child_is_told doesn't name FW_ERR_BUSY"),
])
def test_what_is_wrong_with_a_line_is_said(tree, was, now, says):
    assert was in RIGHT
    assert any(says in line for line in tree(RIGHT.replace(was, now)))


@pytest.mark.parametrize("was, now, says", [
    (", FW_ERR_INVALID room not", ", FW_ERR_GONE, FW_ERR_INVALID room not",
     "fw_say_later GONE stands on no line"),
    ("@return as fw_say", "@return something",
     "fw_say_later INVALID: no header promises"),
    (" * @return as fw_say\n", "",
     "fw_say_later: its header doesn't say what it returns"),
])
def test_a_header_that_promises_something_else_is_found(tree, was, now, says):
    assert was in ROOM_H
    assert any(says in line for line in tree(header=ROOM_H.replace(was, now)))


@pytest.mark.parametrize("was, now", [
    ('BUSY(fw_say("r"));', 'fw_say("r"); BUSY(other());'),
    ('BUSY(fw_say("r"));', '/* BUSY(fw_say("r")); */'),
    ('{{fw_say(""), FW_ERR_INVALID}, ',
     '{{fw_say(""), FW_OK}, {other(), FW_ERR_INVALID}, '),
    ("err == FW_ERR_INVALID", "err == FW_ERR_BUSY"),
    ("FORKED | FULL", "FULL"),
    ("FORKED, FW_ERR_FORKED", "FORKED, FW_ERR_INVALID"),
])
def test_a_test_that_asks_for_something_else_shows_nothing(tree, was, now):
    assert was in TESTS
    assert tree(tests=TESTS.replace(was, now))


def test_an_error_that_a_test_wants_and_no_header_promises_is_found(tree):
    more = TESTS.replace('BUSY(fw_say("r"));',
                         'BUSY(fw_say("r")); expect(fw_say("r"), FW_ERR_GONE);')
    assert "fw_say is to give FW_ERR_GONE" in tree(tests=more)[0]
