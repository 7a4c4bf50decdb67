"""The soak can fail: its book and its watch see what is wrong. And the soak itself, for
as many minutes as FW_SOAK_MINUTES says (`./run test --all`: one).

Run: FANWIRED=build/dev/capi/server/fanwired BUILD_DIR=build/dev \\
     /usr/bin/python3 -m pytest tests/soak
"""

import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import soak  # noqa: E402,F401  (puts the other folders on the path)
from residents import Book  # noqa: E402
from watch import MIB, Sample, grown  # noqa: E402

MINUTES = os.environ.get("FW_SOAK_MINUTES")


@pytest.fixture
def book():
    wrong = []
    book = Book("a", wrong.append)
    book.found = wrong
    return book


def test_what_all_hear_at_one_place_is_right(book):
    for text, at in (("x 1", 1), ("x 2", 2)):
        book.said[text] += 1
        for who in "xy":
            book.note(who, (7, at), text)
    book.check_order("x", 2)
    assert book.found == [] and book.top == (7, 2) and book.heard == 4


@pytest.mark.parametrize("heard, times, what", [
    ([("x", 1, "x 1"), ("y", 1, "x 2")], 1, "others"),
    ([("x", 1, "x 1"), ("x", 2, "x 1")], 1, "was said 1 times"),
    ([("x", 1, "x 1")], 0, "was said 0 times"),
    ([("x", 1, "x 2"), ("x", 2, "x 1")], 1, "said first"),
], ids=["differs", "twice", "never_said", "out_of_order"])
def test_the_book_sees_what_is_wrong(book, heard, times, what):
    for text in ("x 1", "x 2"):
        book.said[text] += times
    for who, at, text in heard:
        book.note(who, (7, at), text)
    book.check_order("x", 2)
    assert len(book.found) == 1 and what in book.found[0], book.found


def test_what_is_said_again_may_be_there_as_often(book):
    book.said["x 1"] += 2
    for at in (1, 2):
        book.note("x", (7, at), "x 1")
    assert book.found == []


@pytest.mark.parametrize("last, what", [
    (Sample(20 * MIB, 30, 3, 2), []),
    (Sample(20 * MIB, 60, 3, 2), ["files"]),
    (Sample(20 * MIB, 30, 4, 2), ["threads"]),
    (Sample(90 * MIB, 30, 3, 2), ["rss"]),
], ids=["flat", "files", "threads", "rss"])
def test_the_watch_sees_what_grows(last, what, monkeypatch):
    monkeypatch.setattr("watch.SLOW", 1)
    samples = [Sample(19 * MIB, 30, 3, 0), Sample(19 * MIB, 31, 3, 1), last]
    assert [line.split()[1] for line in grown("c", samples)] == what


@pytest.mark.skipif(not MINUTES, reason="FW_SOAK_MINUTES isn't set: ./run test --all")
def test_nothing_is_lost_and_nothing_grows():
    done = subprocess.run([sys.executable, soak.__file__, "--minutes", MINUTES],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-4000:]
