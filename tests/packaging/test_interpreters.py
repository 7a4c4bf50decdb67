"""The package in every Python of this machine that it supports: built, imported, used.

libfanwire is compiled once and installed into a folder; only the module is compiled for
each. Debian's Python and those of pyenv are looked for.
"""

import glob
import os
import subprocess
import sys

import pip_rig
import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
PLACES = ("/usr/bin/python3.*", "/usr/local/bin/python3.*",
          "~/.pyenv/versions/*/bin/python")


def interpreters():
    """{version and kind: path}, each real program once."""
    candidates = [path for pattern in PLACES
                  for path in sorted(glob.glob(os.path.expanduser(pattern)))]
    found, seen = {}, set()
    for path in [sys.executable, *candidates]:
        done = subprocess.run(
            [path, "-c", "import sys, os; "
             "print('%s-%d.%d.%d' % (sys.implementation.name, *sys.version_info[:3]), "
             "os.path.realpath(sys.executable))"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        words = done.stdout.split()
        if done.returncode != 0 or len(words) != 2 or words[1] in seen:
            continue  # python3-config, a Python 2
        seen.add(words[1])
        name, version = words[0].split("-")
        if name == "cpython" and tuple(map(int, version.split(".")[:2])) >= (3, 9):
            found[version] = words[1]
    return found


PYTHONS = interpreters()


@pytest.mark.parametrize(
    "version", sorted(PYTHONS, key=lambda v: [int(part) for part in v.split(".")]))
def test_it_is_built_and_echoes(version, source, staged, tmp_path):
    venv = pip_rig.Venv(tmp_path / "venv", PYTHONS[version])
    env = pip_rig.environment(FANWIRE_SYSTEM="1", PKG_CONFIG_PATH=staged)
    venv.pip("install", "--no-index", source, env=env)
    # Warnings of the language are errors: the next version will make them so.
    out = venv.python("-W", "error", os.path.join(HERE, "echo.py"))
    assert out.startswith("echoed")


def test_each_has_a_tag_of_its_own():
    """So that pip never takes a wheel for another version."""
    tags = set()
    for path in PYTHONS.values():
        tags.add(pip_rig.run(path, "-c", (
            "import sys; sys.path.insert(0, %r); import fw_build; print(fw_build.tag())"
            % os.path.join(pip_rig.SOURCE, "_backend"))))
    versions = {tuple(v.split(".")[:2]) for v in PYTHONS}
    assert len(tags) == len(versions)
