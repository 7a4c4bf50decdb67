"""The books see what is wrong, and call nothing wrong that isn't."""

import json

import pytest

from books import MANY, WINDOW, Account, Book, Found, Part

EPOCH, LATER = "00000000000000aa", "00000000000000bb"


def a(n):
    return MANY + n


def b(n):
    return 2 * MANY + n


def heard(*told):
    """A member's book: (epoch, offset, value), or (epoch, offset) for a reset."""
    book = Book("r0")
    book.hear(json.dumps({"joined": "r0", "epoch": EPOCH, "offset": 0}))
    for epoch, offset, *value in told:
        at = {"epoch": epoch, "offset": offset}
        book.hear(json.dumps({"room": "r0", **at, "data": str(value[0])} if value else
                             {"room": "r0", "reset": at}))
    return book


def one_by_one(*values):
    return [(EPOCH, n, value) for n, value in enumerate(values, 1)]


def account(number, said):
    it = Account("r0", number)
    for _ in range(said):
        it.answer(it.say(), None)
    return it


def judged(books, kept):
    accounts = [account(number, max((v % MANY for v in kept.values
                                     if v // MANY == number), default=0))
                for number in (1, 2)]
    return Found(books, accounts, {"r0": kept})


def test_nothing_is_wrong_with_what_is_right():
    kept = Part(EPOCH, 0, [a(1), b(1), a(2)])
    found = judged([heard(*one_by_one(a(1), b(1), a(2)))], kept)
    assert (found.mistakes, found.lost, found.told) == ([], {}, [0])


@pytest.mark.parametrize("told, says", [
    (one_by_one(a(1), a(2)), "stands at"),
    (one_by_one(a(1), a(2), a(3), a(4)), "stands at"),
    (one_by_one(a(1), b(1), a(3)), "isn't kept"),
    (one_by_one(a(1), a(2)) + [(EPOCH, 4, a(3))], "was told"),
    (one_by_one(a(1), a(2), a(3)) + [(EPOCH, 3, a(3))], "was told"),
    (one_by_one(a(1), a(2)) + [(LATER, 3, a(3))], "was told"),
    (one_by_one(a(1), a(3), a(2)), "comes behind"),
    (one_by_one(a(1), a(2), a(2)), "comes behind"),
], ids=["lost", "too_many", "another", "skipped", "repeated", "other_epoch",
        "out_of_order", "twice"])
def test_the_books_see_what_is_wrong_with_a_member(told, says):
    kept = Part(EPOCH, 0, [a(1), a(2), a(3)])
    right, wrong = heard(*one_by_one(a(1), a(2), a(3))), heard(*told)
    found = judged([right, wrong], kept)
    assert any(says in mistake for mistake in found.mistakes), found.mistakes


@pytest.mark.parametrize("values", [[a(1), a(2), a(2)], [a(2), a(1)]],
                         ids=["twice", "out_of_order"])
def test_the_books_see_what_is_wrong_with_what_is_kept(values):
    found = judged([heard(*one_by_one(*values))], Part(EPOCH, 0, values))
    assert any("in Redis" in mistake for mistake in found.mistakes)


def test_what_was_heard_and_lost_is_right_if_that_was_told():
    kept = Part(EPOCH, 0, [a(1), b(1), a(4)])
    book = heard(*one_by_one(a(1), a(2), a(3)), (EPOCH, 1), (EPOCH, 2, b(1)),
                 (EPOCH, 3, a(4)))
    found = judged([book], kept)
    assert (found.mistakes, found.lost, found.told) == ([], {1: [2, 3]}, [1])


def test_in_a_new_epoch_what_had_no_answer_may_come_again_and_nothing_older():
    kept = Part(LATER, 0, [a(2), a(3)])
    book = heard(*one_by_one(a(1), a(2)), (LATER, 0), (LATER, 1, a(2)), (LATER, 2, a(3)))
    assert judged([book], kept).mistakes == []
    many = [a(n) for n in range(1, WINDOW + 3)]
    book = heard(*one_by_one(*many), (LATER, 0), (LATER, 1, a(2)), (LATER, 2, a(3)))
    assert any("comes behind" in m for m in judged([book], kept).mistakes)


def test_of_a_past_that_is_gone_only_its_end_is_missed():
    first = heard(*one_by_one(a(1), a(2)), (LATER, 0), (LATER, 1, a(4)),
                  (LATER, 2, a(6)))
    found = judged([first], Part(LATER, 0, [a(4), a(6)]))
    assert found.lost == {1: [5]}


def test_a_refusal_is_a_mistake():
    refused = Account("r0", 1)
    refused.answer(refused.say(), {"code": 100})
    found = Found([heard()], [refused], {"r0": Part(EPOCH, 0)})
    assert "code" in found.mistakes[0] and found.lost == {1: [1]}


def test_a_speaker_that_has_no_answers_waits():
    waiting = Account("r0", 1)
    said = [waiting.say() for _ in range(WINDOW)]
    assert waiting.say() is None and waiting.answered() == 0
    waiting.answer(said[0], None)
    assert waiting.say() == a(WINDOW + 1)
