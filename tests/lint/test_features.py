"""features.py finds what it is there to find, and nothing in this tree."""

import features
import pytest
from generated import TOP

TABLE = "# Page\n\n| feature | | shown by |\n|---|---|---|\n"
ROW = "| pings | yes | `pings_are_sent`, `pings: they are sent`, `test_pings` |\n"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """tree(rows): what is wrong with a page of such a table."""
    monkeypatch.setattr(features, "LEAST", 1)
    for file, text in (("tests/unit/test_a.c", "START_TEST(pings_are_sent)\n"),
                       ("tests/integration/test_b.c", ""),
                       ("tests/server/test_c.py", "def test_pings(fanwired):\n"),
                       ("tests/e2e/d.test.mjs", "test('pings: they are sent', f);\n")):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    (tmp_path / "docs").mkdir()

    def check(rows):
        (tmp_path / "docs" / "centrifuge.md").write_text(TABLE + rows + "\nEnd.\n")
        return features.check(str(tmp_path))

    return check


def test_this_trees_table_is_right():
    assert features.check(TOP) == []


def test_a_table_that_is_right_is_right(tree):
    assert tree(ROW) == []


@pytest.mark.parametrize("rows, says", [
    ("", "the table of features has 0 rows"),
    (ROW + "| pongs | yes | unit |\n", "no test shows: pongs"),
    ("| pings | yes | `pings_are_lost` |\n", "no test of the name: pings_are_lost"),
])
def test_what_is_wrong_is_said(tree, rows, says):
    assert any(says in line for line in tree(rows))
