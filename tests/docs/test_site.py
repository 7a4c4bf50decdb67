"""The documentation's links lead somewhere, its reference has everything that the headers
have, its pictures are those of their texts; and, with FW_SITE (`./run test --all`), the
site is made."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from blocks import TOP, pages

sys.path.insert(0, str(TOP / "docs" / "_site"))

import build  # noqa: E402  (of docs/_site)
import pictures  # noqa: E402
import reference  # noqa: E402

ALL = [*pages(), *(TOP / name for name in ("CHANGELOG.md", "CONTRIBUTING.md")),
       *sorted((TOP / "docs" / "internals").glob("*.md")),
       *sorted((TOP / "docs" / "decisions").glob("*.md"))]


def prose(text):
    return re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.M | re.S)


def anchors(path):
    """What GitHub and mkdocs both make of headings."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", prose(path.read_text(encoding="utf-8")),
                              re.M):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-"))
    return found


def links(path):
    for m in build.LINK.finditer(prose(path.read_text(encoding="utf-8"))):
        if not re.match(r"[a-z]+:", m[3]):
            yield m[3]


@pytest.mark.parametrize("page", ALL, ids=lambda p: str(p.relative_to(TOP)))
def test_links_lead_somewhere(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        goal = page.parent.joinpath(path).resolve() if path else page
        assert goal.exists(), link
        if anchor:
            assert goal.suffix == ".md" and anchor in anchors(goal), link


def test_every_page_can_be_reached_from_the_first():
    seen, todo = set(), [TOP / "docs" / "index.md", TOP / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen:
            continue
        seen.add(page)
        for link in links(page):
            goal = page.parent.joinpath(link.partition("#")[0]).resolve()
            todo += [goal] if goal.suffix == ".md" else []
    lost = [str(p.relative_to(TOP)) for p in pages() if p not in seen]
    assert lost == ["python/README.md"]  # it belongs to the wheel


def functions_of_c():
    found = set()
    for path in reference.HEADERS.glob("*.h"):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
        found |= set(re.findall(r"FW_API\b[^;(]*?\b(fw_\w+)\(", text))
    return found


def test_the_reference_has_every_function_once(tmp_path):
    found = reference.write_all(tmp_path)
    names = [name for of_header in found.values() for name in of_header]
    assert functions_of_c() <= set(names) and len(names) == len(set(names))
    for stem in found:
        text = (tmp_path / f"{stem}.md").read_text()
        assert "@" not in prose(text), "a tag that isn't known"
        for part in re.split(r"^## ", text, flags=re.M)[1:]:
            if "FW_API" in part:
                assert "Thread: " in part and "Since: " in part, part


def test_pictures_are_made_from_their_texts():
    stale = [source.name for source in pictures.sources() if pictures.is_stale(source)]
    assert stale == [], "docs/_site/pictures.py --write"
    assert len(pictures.sources()) >= 3


def test_what_is_staged_has_links_within_the_site_only(tmp_path):
    build.stage(tmp_path / "pages")
    staged = sorted((tmp_path / "pages").rglob("*.md"))
    assert len(staged) > 80
    for page in staged:
        assert "<!-- not run" not in page.read_text()
        for link in links(page):
            path = link.partition("#")[0]
            assert not path or page.parent.joinpath(path).is_file(), (page.name, link)


def test_every_page_of_users_is_in_the_navigation():
    def leaves(part):
        if isinstance(part, str):
            return {part}
        values = part.values() if isinstance(part, dict) else part
        return {leaf for value in values for leaf in leaves(value)}

    inside = leaves(build.navigation({"hub": ["fw_hub_new"]}))
    missing = [str(p.relative_to(TOP / "docs")) for p in pages()
               if TOP / "docs" in p.parents
               and str(p.relative_to(TOP / "docs")) not in inside]
    assert missing == []


@pytest.mark.skipif("FW_SITE" not in os.environ, reason="./run test --all makes it")
def test_the_site_is_made_and_loads_nothing_from_elsewhere(tmp_path):
    done = subprocess.run([sys.executable, TOP / "docs" / "_site" / "build.py", tmp_path],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    html = pathlib.Path(tmp_path) / "html"
    made = {str(p.relative_to(html)) for p in html.rglob("*.html")}
    assert made >= {"index.html", "reference/room.html", "tutorials/c.html",
                    "security.html", "project/SECURITY.html", "decisions/index.html"}
    for page in html.rglob("*.html"):
        loaded = re.findall(r"<(?:script|link|img)\b[^>]*\b(?:src|href)=\"(http[^\"]*)",
                            page.read_text(encoding="utf-8"))
        assert [u for u in loaded if not u.endswith("/canonical")] == [], page.name
