"""What fanwired says of itself, and that docs/options.md and the man pages agree."""

import pathlib
import re
import subprocess

import pytest

from conftest import run

TOP = pathlib.Path(__file__).resolve().parents[2]
PAGE = TOP / "docs" / "options.md"
MAN = TOP / "docs" / "man"


def option_names():
    """The names of the table, as the page for people has them."""
    page = run("--options-markdown").out
    return re.findall(r"^\| `([a-z_.0-9]+)` \|", page, re.MULTILINE)


def test_help_lists_every_option_with_default_and_what_is_allowed():
    done = run("--help")
    assert done.status == 0 and done.err == ""
    names = option_names()
    assert len(names) > 40 and "redis.url" in names
    for name in names:
        text = done.out.split(f"\n  --{name} ", 1)
        assert len(text) == 2, name
        entry = re.split(r"\n  --|\n\n", text[1])[0]
        assert re.search(r"\[.+;\s+default:\s+.+\]", entry, re.DOTALL), name


def test_help_and_page_say_how_namespaces_are_written():
    for arg in ("--help", "--options-markdown"):
        said = " ".join(run(arg).out.split())
        assert "namespace.news.presence" in said, arg
        assert "all other rooms, with a colon or without, have room.X" in said, arg


def test_help_fits_a_terminal():
    for line in run("--help").out.splitlines():
        assert len(line) <= 88 and line == line.rstrip(), line


def test_help_shows_the_default_that_holds_in_fanwired():
    entry = run("--help").out.split("\n  --raw.mode ", 1)[1]
    assert "default: rooms]" in re.split(r"\n  --", entry)[0]


@pytest.mark.parametrize("args", [("--help",), ("-h",), ("serve", "--help"),
                                  ("publish", "--help"), ("--threads", "x", "--help")])
def test_help_is_given_whatever_else_is_wrong(args):
    done = run(*args, env={"FANWIRE_NONSENSE": "1"})
    assert done.status == 0 and done.out.startswith("fanwired:")


def test_version():
    done = run("--version")
    assert done.status == 0 and re.fullmatch(r"fanwired \d+\.\d+\.\d+\n", done.out)


def test_the_page_of_options_is_not_stale():
    assert PAGE.read_text(encoding="utf-8") == run("--options-markdown").out, \
        "make it anew: fanwired --options-markdown > docs/options.md"


def test_the_man_page_is_not_stale():
    assert (MAN / "fanwired.8").read_text(encoding="utf-8") == run("--man-page").out, \
        "make it anew: fanwired --man-page > docs/man/fanwired.8"


@pytest.mark.parametrize("name", ["fanwired.8", "fanwire.7", "fanwire-bench.1"])
def test_man_formats_a_page_without_a_warning(name):
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-rLL=80n", MAN / name],
                          capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    plain = re.sub(r"\x1b\[[\d;]*m|.\x08", "", done.stdout)
    assert re.search(r"^NAME$", plain, re.M) and "SEE ALSO" in plain


def test_the_man_page_has_every_option_with_its_default():
    page = run("--man-page").out.replace("\\-", "-")
    names = option_names()
    assert len(names) > 40
    for name in names:
        assert re.search(r"^\\fB--%s\\fR .*(\n.*)?\n\[.*; default: .+\]$"
                         % re.escape(name), page, re.M), name


def test_the_man_page_of_the_library_names_every_header():
    page = (MAN / "fanwire.7").read_text(encoding="utf-8")
    headers = {path.name for path in (TOP / "capi" / "include" / "fanwire").iterdir()}
    named = set(re.findall(r"^\.I fanwire/(\w+\.h)$", page, re.M))
    assert named == headers - {"fanwire.h", "export.h"}
    assert f'"{run("--version").out.strip().replace("fanwired", "fanwire")}"' in page
