"""The pages of the documentation and the blocks of code in them.

A comment of HTML on the line before a block says what is to be done with it:

  <!-- file: app.py -->       it is that file, for what follows on the page
  <!-- terminal: ann -->      it is typed and read in that terminal
  <!-- fails -->              its last command fails, as the page says
  <!-- not run: WHY -->       it isn't run, for that reason
  <!-- run by TEST -->        tests/... runs it
"""

import dataclasses
import pathlib
import re

TOP = pathlib.Path(__file__).resolve().parents[2]
# What works in the house and not at the door: pictures, formats, commands of developers.
INSIDE = ("docs/internals", "docs/decisions")
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
    def name(self):
        return f"{self.page.relative_to(TOP)}:{self.line}"


def pages():
    """All pages that are for users."""
    found = [TOP / name for name in ("README.md", "SECURITY.md", "python/README.md")]
    found += sorted((TOP / "docs").rglob("*.md"))
    return [p for p in found if not str(p.relative_to(TOP)).startswith(INSIDE)]


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
