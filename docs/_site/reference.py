"""Pages of reference from the public headers: one for each, a section for each thing that
has a comment. The headers stay the manual; here they are only laid out to be searched.

A header's comments are what CONTRIBUTING.md wants of them: a paragraph, then @param,
@return, @thread, @since.
"""

import pathlib
import re
import textwrap

TOP = pathlib.Path(__file__).resolve().parents[2]
HEADERS = TOP / "capi" / "include" / "fanwire"
LEFT_OUT = {"fanwire.h", "export.h"}  # they declare nothing for users
TAG = re.compile(r"@(param|return|thread|since)\b ?")
# What stands at the outermost level of a header, and is something for users.
THING = re.compile(r"/\*\*(?!<).*?\*/|/\*.*?\*/|^#define (?!FANWIRE_\w+_H$|FWI_)"
                   r"|^(?:typedef|enum|FW_API)\b", re.S | re.M)


def comment_lines(raw):
    lines = [re.sub(r"^ *\*? ?", "", line, count=1) if n else line.strip()
             for n, line in enumerate(raw.splitlines())]
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def end_of_declaration(text, at):
    """Behind the declaration that begins there: its semicolon, outside of braces and
    comments; of a macro the end of its last line."""
    if text.startswith("#define", at):
        while True:
            line_end = text.index("\n", at)
            if text[line_end - 1] != "\\":
                return line_end
            at = line_end + 1
    depth = 0
    for m in re.compile(r"/\*.*?\*/|[{};]", re.S).finditer(text, at):
        depth += {"{": 1, "}": -1}.get(m.group(), 0)
        if m.group() == ";" and depth == 0:
            return m.end()
    return len(text)


def items(text):
    """(comment, declaration) of all there is; the head's declaration is ""."""
    found, at, comment = [], 0, ""
    while True:
        m = THING.search(text, at)
        if m is None:
            return found
        at = m.end()
        if m.group().startswith("/*"):
            comment = comment_lines(m.group().strip("/*"))
            if not found:
                found.append((comment, ""))
                comment = ""
            continue
        at = end_of_declaration(text, m.start())
        found.append((comment, text[m.start():at]))
        comment = ""


def name_of(declaration):
    for pattern in (r"^FW_API\b[^;(]*?\b(fw_\w+)\(", r"^#define (\w+)", r"\}\s*(\w+);$",
                    r"^typedef .*\(\*(\w+)\)", r"^typedef .*?(\w+);$"):
        m = re.search(pattern, declaration, re.S)
        if m:
            return m.group(1)
    return None


def words(text):
    """As Markdown: names as code, nothing else with a meaning that it doesn't have."""
    text = re.sub(r"[\\*<>_`]", lambda m: "\\" + m.group(), text)
    return re.sub(r"\b(?:fw|FW)\\_[\w\\]+(?:\(\))?",
                  lambda m: "`" + m.group().replace("\\", "") + "`", text)


def paragraphs(text):
    """What stands further in is a list in the header, and keeps its lines."""
    out, kept = [], []
    for line in text.splitlines() + [""]:
        if line.startswith("  "):
            kept.append(line)
            continue
        if kept:
            out += ["", "```text", *kept, "```", ""]
            kept = []
        out.append(words(line))
    return "\n".join(out).strip()


def sections(comment):
    """The text, and [(tag, what it says)]."""
    parts = TAG.split(comment)
    return parts[0].strip("\n"), list(zip(parts[1::2], parts[2::2]))


def describe(comment):
    text, tags = sections(comment)
    out = [paragraphs(text), ""] if text else []
    parameters = [said for tag, said in tags if tag == "param"]
    if parameters:
        out += ["| parameter | |", "|---|---|"]
        for said in parameters:
            name, _, rest = said.strip().partition(" ")
            out.append("| `%s` | %s |" % (name, words(" ".join(rest.split()))
                                          .replace("|", "\\|")))
        out.append("")
    for tag, said in tags:
        if tag == "return":
            first, *more = said.rstrip().splitlines()
            out += ["Returns", "", "```text", first,
                    *textwrap.dedent("\n".join(more)).splitlines(), "```", ""]
    rest = ["%s: %s" % ({"thread": "Thread", "since": "Since"}[tag],
                        words(" ".join(said.split())))
            for tag, said in tags if tag in ("thread", "since")]
    if rest:
        out += [". ".join(rest) + ".", ""]
    return out


def page(path):
    """(Markdown, names of what it has) of a header."""
    text = path.read_text(encoding="utf-8")
    (head, _), *rest = items(text)
    out = ["# fanwire/%s" % path.name, "", paragraphs(head), ""]
    names = []
    for comment, declaration in rest:
        name = name_of(declaration)
        if name is not None:
            names.append(name)
            out += ["## %s" % name, ""]
        out += ["```c", declaration.strip(), "```", "", *describe(comment)]
    return "\n".join(out) + "\n", names


def write_all(folder):
    """The pages into the folder; {header: names}."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for path in sorted(HEADERS.glob("*.h")):
        if path.name not in LEFT_OUT:
            text, found[path.stem] = page(path)
            (folder / (path.stem + ".md")).write_text(text, encoding="utf-8")
    lines = ["# Reference: C", "",
             "Made from the headers, which are the manual: "
             "`#include <fanwire/fanwire.h>`.",
             ""]
    for stem, names in found.items():
        lines += ["**[%s.h](%s.md)**:" % (stem, stem),
                  ", ".join("[%s](%s.md#%s)" % (n, stem, n.lower()) for n in names), ""]
    (folder / "index.md").write_text("\n".join(lines), encoding="utf-8")
    return found
