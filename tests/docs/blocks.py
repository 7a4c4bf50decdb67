#!/usr/bin/python3
"""The pages of the documentation, the blocks of code in them, and who runs each.

  tests/docs/blocks.py      a line for each block that nobody runs, without a reason

A comment of HTML on the line before a block says what is to be done with it:

  <!-- file: app.py -->       it is that file, for what follows on the page
  <!-- terminal: ann -->      it is typed and read in that terminal
  <!-- fails -->              its last command fails, as the page says
  <!-- not run: WHY -->       it isn't run, for that reason
  <!-- run by TEST -->        tests/... runs it

Without one a block of a tutorial, of a how-to, or of commands and what they print
(`console`) is done where it stands on its page, by scene.py; any other is tried by its
language, by test_blocks.py.
"""

import dataclasses
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
# Of the house and not of the door: pictures, formats, and commands of developers, of
# which a test only asks that there is what they name.
INSIDE = ("docs/internals", "docs/decisions")
SCENES = ("docs/tutorials", "docs/howto")
TRIED = {"", "c", "ini", "js", "lua", "nginx", "python"}
# Other tests that go through all blocks of a language on a page.
ELSEWHERE = {
    ("docs/http-api.md", "console"): "tests/server/test_api.py",
    ("docs/hooks.md", "python"): "tests/server/test_hooks.py",
    ("docs/python.md", "python"): "tests/python/test_docs.py",
    ("python/README.md", "python"): "tests/python/test_docs.py",
    ("README.md", "python"): "tests/python/test_docs.py",
    ("README.md", "sh"): "tests/docs/test_scenes.py",
}
MARK = re.compile(r"^\s*<!-- (file|terminal|fails|not run|run by)(?:: | )?(.*?) -->$")


@dataclasses.dataclass
class Block:
    page: pathlib.Path
    line: int
    language: str  # "" of an indented block
    text: str
    mark: str = ""
    word: str = ""

    @property
    def place(self):
        return str(self.page.relative_to(TOP))

    @property
    def name(self):
        return f"{self.place}:{self.line}"

    @property
    def elsewhere(self):
        """The other test that runs it, "" if there is none."""
        return ELSEWHERE.get((self.place, self.language), "")

    @property
    def of_a_scene(self):
        """Is it done where it stands, behind what is above it on the page?"""
        if self.mark in ("not run", "run by") or self.elsewhere:
            return False
        return self.mark != "" or self.language == "console" \
            or self.place.startswith(SCENES)


def is_inside(page):
    return str(page.relative_to(TOP)).startswith(INSIDE)


def pages():
    """All pages that are for users."""
    found = [TOP / name for name in ("README.md", "SECURITY.md", "python/README.md")]
    return found + [p for p in sorted((TOP / "docs").rglob("*.md")) if not is_inside(p)]


def inside_pages():
    """Those for who works on fanwire."""
    found = [TOP / "CONTRIBUTING.md"]
    return found + [p for p in sorted((TOP / "docs").rglob("*.md")) if is_inside(p)]


def mark_before(lines, at):
    """(mark, word) of the comment before the line, if there is one."""
    while at > 0 and not lines[at - 1].strip():
        at -= 1
    found = MARK.match(lines[at - 1]) if at > 0 else None
    return found.groups() if found else ("", "")


def without_indent(lines):
    indent = min((len(x) - len(x.lstrip()) for x in lines if x.strip()), default=0)
    return "\n".join(x[indent:] for x in lines).rstrip() + "\n"


def fenced(lines, at):
    """The first line behind the fence that begins at `at`."""
    indent = re.match(r"\s*", lines[at]).group()
    end = at + 1
    while lines[end] != indent + "```":
        end += 1
    return end + 1


def indented(lines, at):
    end = at
    while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
        end += 1
    while not lines[end - 1].strip():
        end -= 1
    return end


def blocks(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    at, in_list = 0, False
    while at < len(lines):
        line = lines[at]
        fence = re.match(r"\s*```(\w*)$", line)
        if fence:
            end = fenced(lines, at)
            yield Block(page, at + 1, fence.group(1),
                        without_indent(lines[at + 1:end - 1]), *mark_before(lines, at))
            at = end
        elif (line.startswith("    ") and not in_list
              and (at == 0 or not lines[at - 1].strip())):
            end = indented(lines, at)
            yield Block(page, at + 1, "", without_indent(lines[at:end]),
                        *mark_before(lines, at))
            at = end
        else:
            # What is indented below an entry of a list belongs to the entry.
            if line.strip() and not line.startswith(" "):
                in_list = bool(re.match(r"[-*] |\d+\. ", line))
            at += 1


def all_blocks():
    return [b for page in pages() for b in blocks(page)]


# ---- each has somebody who runs it, or a reason ----------------------------------------

def knows(test, page):
    """What is wrong with the claim that the test runs blocks of the page."""
    path = TOP / test
    if not path.is_file():
        return f"{test} is not there"
    return "" if page.name in path.read_text(encoding="utf-8") else f"{test} knows it not"


def lines_of_commands(block):
    """Its lines, those put together that go on behind a backslash."""
    return [line for line in re.sub(r"\\\n *", "", block.text).splitlines() if line]


def wrong_with(block):
    """Why nobody knows what is done with the block, "" if that is known."""
    if block.mark == "not run":
        lost = [path for path in re.findall(r"(?:tests|docs)/[\w./-]*\w", block.word)
                if not (TOP / path).exists()]
        return "its reason, please" if len(block.word.split()) < 3 else " ".join(lost)
    if block.mark == "run by" or block.elsewhere:
        return knows(block.word or block.elsewhere, block.page)
    if block.of_a_scene:
        done = block.language in ("console", "sh") or block.mark == "file"
        return "" if done else "a file? not run? a scene can do nothing with it"
    if block.language == "" and not all(re.match(r"fanwired |--\w|FANWIRE_\w+=", line)
                                        for line in lines_of_commands(block)):
        return "not only commands of fanwired: say who runs it, or why it isn't run"
    return "" if block.language in TRIED else \
        f"no test tries {block.language}: say who runs it, or why it isn't run"


def main():
    wrong = [f"{b.name}: {wrong_with(b)}" for b in all_blocks() if wrong_with(b)]
    for line in wrong:
        print(line)
    print(f"{len(wrong)} breaches" if wrong else "in order")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
