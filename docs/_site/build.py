#!/usr/bin/python3
"""Makes the documentation's site: build/site, of docs/ and the headers, by mkdocs.

  docs/_site/build.py [FOLDER]

The pages are those that one reads in the repository. They are copied to FOLDER/pages and
fitted there: a link that leaves docs/ leads to the copy of SECURITY.md and its like, to
the reference, or is taken away where there is nothing to lead to. FOLDER/html is the
site.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import reference  # noqa: E402  (beside this file)

TOP = pathlib.Path(__file__).resolve().parents[2]
DOCS = TOP / "docs"
# Pages of the top that go along, in a folder of their own.
PROJECT = "project"
BESIDE = ("SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md")
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")

NAV = [
    ("Start", "index.md"),
    ("Tutorials", ["operator", "python", "lua", "openresty", "c"], "tutorials/"),
    ("How to", ["install on Debian:howto/debian", "nginx:deploy/nginx",
                "haproxy:howto/haproxy", "web frameworks:howto/frameworks",
                "restart:deploy/restart", "choose limits:howto/limits",
                "scale:scaling",
                "come from Socket.IO:howto/from-socketio",
                "come from Centrifugo:howto/from-centrifugo"], ""),
    ("Guides", ["guide", "python", "lua", "openresty", "centrifuge", "sse", "tokens",
                "hooks", "http-api", "admin"], ""),
    ("Reference", ["options", "metrics", "errors", "threading", "ownership", "abi",
                   "platforms"], ""),
    ("Judging it", ["comparison", "security", "benchmarks", "conformance"], ""),
]


def fitted_link(page, match):
    """The link of a page, a path from docs/, as it is to be on the site."""
    picture, words, target = match.groups()
    path, _, anchor = target.partition("#")
    if not path or re.match(r"[a-z]+:", target):
        return match.group()
    goal = (DOCS / page).parent.joinpath(path).resolve()
    anchor = "#" + anchor if anchor else ""
    here = (DOCS / page).parent
    if goal.suffix == ".h" and goal.parent == reference.HEADERS:
        stem = "index" if goal.name in reference.LEFT_OUT else goal.stem
        new = DOCS / "reference" / (stem + ".md")
    elif goal == TOP / "README.md":
        new = DOCS / "index.md"
    elif goal.parent == TOP and goal.name in BESIDE:
        new = DOCS / PROJECT / goal.name
    elif goal == reference.HEADERS:
        new = DOCS / "reference" / "index.md"
    elif goal.is_file() and DOCS in goal.parents and "_site" not in goal.parts:
        new = goal
    elif goal == DOCS / "decisions":
        new = DOCS / "decisions" / "index.md"
    else:
        return words
    return "%s[%s](%s%s)" % (picture, words, os.path.relpath(new, here), anchor)


def spaced(lines):
    """Lists and tables have an empty line before them, as mkdocs wants it and GitHub
    doesn't mind."""
    fence, before = False, ""
    item = re.compile(r"(?:[-*] |\d+\. |\|)")
    for line in lines:
        if line.lstrip().startswith("```"):
            fence = not fence
        begins = item.match(line) and not fence
        inside = item.match(before) or before.startswith(" ")
        if begins and before.strip() and not inside:
            yield ""
        yield line
        before = line


def fitted(page, text):
    text = re.sub(r"^\s*<!-- (?:file|terminal|fails|not run|run by)\b.*-->\n\n?", "",
                  text, flags=re.M)
    text = LINK.sub(lambda m: fitted_link(page, m), text)
    return "\n".join(spaced(text.splitlines())) + "\n"


def title_of(path):
    return path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


def stage(pages):
    """Everything that mkdocs is to see."""
    if pages.exists():
        shutil.rmtree(pages)
    shutil.copytree(DOCS, pages, ignore=shutil.ignore_patterns("_site", "pictures",
                                                               "__pycache__"))
    (pages / PROJECT).mkdir()
    for name in BESIDE:
        shutil.copy(TOP / name, pages / PROJECT / name)
    for path in sorted(pages.rglob("*.md")):
        page = path.relative_to(pages)
        text = path.read_text(encoding="utf-8")
        if page.parts[0] == PROJECT:  # its links are from the top
            text = re.sub(r"\]\(docs/", "](../", text)
        path.write_text(fitted(page, text), encoding="utf-8")
    headers = reference.write_all(pages / "reference")
    decisions = sorted((DOCS / "decisions").glob("*.md"))
    (pages / "decisions" / "index.md").write_text(
        "# Decisions\n\nWhy it is so and not otherwise.\n\n" + "".join(
            "- [%s](%s)\n" % (title_of(p), p.name) for p in decisions), encoding="utf-8")
    return headers


def entry(word, folder):
    name, _, path = word.rpartition(":")
    path = folder + path + ".md"
    return {name or title_of(DOCS / path): path}


def navigation(headers):
    nav = []
    for title, what, *folder in NAV:
        nav.append({title: what if isinstance(what, str)
                    else [entry(word, folder[0]) for word in what]})
    nav.append({"C headers": ["reference/index.md"]
                + ["reference/%s.md" % stem for stem in headers]})
    nav.append({"Examples": ["examples/%s/README.md" % name
                             for name in ("chat", "python", "lua")]})
    nav.append({"How it works": ["architecture.md"]
                + ["internals/" + p.name
                   for p in sorted((DOCS / "internals").glob("*.md"))]})
    nav.append({"Decisions": ["decisions/index.md"]
                + ["decisions/" + p.name
                   for p in sorted((DOCS / "decisions").glob("*.md"))]})
    nav.append({"Project": ["%s/%s" % (PROJECT, name) for name in BESIDE]})
    return nav


def configuration(folder, headers):
    return {"site_name": "fanwire", "docs_dir": str(folder / "pages"),
            "site_dir": str(folder / "html"), "use_directory_urls": False,
            # Nothing is loaded from elsewhere, and a page may be opened as a file.
            "theme": {"name": "readthedocs", "highlightjs": False,
                      "collapse_navigation": True},
            "markdown_extensions": ["tables", "fenced_code",
                                    {"toc": {"permalink": True}}],
            "nav": navigation(headers)}


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else TOP / "build" / "site")
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    headers = stage(folder / "pages")
    config = folder / "mkdocs.yml"  # JSON is YAML, too
    config.write_text(json.dumps(configuration(folder, headers), indent=1),
                      encoding="utf-8")
    subprocess.run(["mkdocs", "build", "--strict", "--quiet", "--clean", "--config-file",
                    str(config)], check=True)
    print("the site: %s" % (folder / "html" / "index.html"))


if __name__ == "__main__":
    main()
