"""Tutorials and how-tos are done from top to bottom, as they stand there; of other pages
the blocks that show commands and what they print. One is done always, the others with
FW_PAGES (`./run test --all`). One page by hand: scene.py."""

import os

import pytest

import scene
from blocks import TOP, blocks, pages

PAGES = [p for p in pages() if any(b.of_a_scene for b in blocks(p))]
ALWAYS = "docs/tutorials/operator.md"
# What a page needs of the build, if it isn't the library alone.
NEEDS = {"lua": "lua", "openresty": "lua", "python": "python", "frameworks": "python",
         "from-socketio": "python"}

needs_namespaces = pytest.mark.skipif(scene.why_not() != "", reason=scene.why_not())


def place(page):
    return str(page.relative_to(TOP))


@needs_namespaces
@pytest.mark.parametrize("page", PAGES, ids=place)
def test_what_the_page_says_is_what_happens(page, tmp_path):
    if place(page) != ALWAYS and "FW_PAGES" not in os.environ:
        pytest.skip("./run test --all does this page")
    need = NEEDS.get(page.stem)
    if need and not (scene.build() / need).is_dir():
        pytest.skip(f"this build is without {need}")
    scene.perform(page, tmp_path)


def test_there_is_a_tutorial_for_everybody():
    names = {place(p) for p in PAGES}
    assert names >= {f"docs/tutorials/{who}.md"
                     for who in ("c", "python", "lua", "openresty", "operator")}
    assert ALWAYS in names


@needs_namespaces
def test_the_two_nodes_of_the_readme_are_one(tmp_path):
    block = next(b for b in blocks(TOP / "README.md") if b.language == "sh")
    one = scene.Scene(tmp_path)
    try:
        one.perform(block)
        for name, port in (("ann", 9090), ("bob", 9091)):
            url = f"ws://127.0.0.1:{port}/ws?room=lobby"
            one.open_terminal(name, f"python3 -m websockets '{url}'")
            one.wait_for(name, "Connected to ...")
        # Tried until both nodes have heard it, so both are there.
        one.run("redis-cli PUBLISH fanwire:r:lobby hello", ["2"], False)
        for name in ("ann", "bob"):
            one.wait_for(name, "< hello")
        one.type("ann", "good morning")
        one.wait_for("bob", "< good morning")
    finally:
        one.end()


# ---- the reader itself -----------------------------------------------------------------

@pytest.mark.parametrize("text, shown, good", [
    ("one\ntwo\n", ["one", "two"], True),
    ("one\ntwo\n", ["one"], False),
    ("port 4711\n", ["port ..."], True),
    ("a\nb\nc\nd\n", ["a", "...", "d"], True),
    ("a\nb\n", ["b", "a"], False),
])
def test_output_is_compared_as_it_is_shown(text, shown, good):
    assert (scene.re.fullmatch(scene.pattern(shown), text) is not None) == good


@needs_namespaces
@pytest.mark.parametrize("text, wrong", [
    ("```console\n$ echo two\none\n```\n", "instead of"),
    ("```console\n$ false\n```\n", "status 1"),
    ("<!-- fails -->\n```console\n$ true\n```\n", "status 0"),
    ("```python\nprint(1)\n```\n", "nobody knows"),
])
def test_a_page_that_lies_is_found_out(tmp_path, text, wrong):
    lie = tmp_path / "lie.md"
    lie.write_text(text)
    one = scene.Scene(tmp_path)
    try:
        with pytest.raises(scene.Failed, match=wrong):
            for block in blocks(lie):
                one.perform(block)
    finally:
        one.end()
