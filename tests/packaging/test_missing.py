"""What an import says on a machine that lacks the libraries that fanwire is linked to.

The machine has them, so a copy of the package is made to need others, which nobody has: a
soname is replaced by one of the same length.
"""

import os
import shutil
import subprocess
import sys

import pip_rig
import pytest


@pytest.fixture
def package(installed, tmp_path):
    """A copy of the installed package that may be spoilt."""
    site = installed.python("-c", "import sysconfig as s; print(s.get_path('platlib'))")
    # Without bytecode, which may be as old as what is about to be changed.
    shutil.copytree(os.path.join(site.strip(), "fanwire"), tmp_path / "fanwire",
                    ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "fanwire"


def spoil(package, name, names=("libfanwire.so.0", "_build.py")):
    """The package then needs a library that isn't there, and knows whose it would be."""
    other = name.replace("lib", "nob", 1)
    for path in names:
        data = (package / path).read_bytes()
        assert name.encode() in data
        (package / path).write_bytes(data.replace(name.encode(), other.encode()))
    return other


def facts(package):
    scope = {}
    exec((package / "_build.py").read_text(), scope)
    return scope["NEEDS"]


def import_error(package, program="import fanwire"):
    done = subprocess.run([sys.executable, "-c", program], cwd=package.parent, text=True,
                          env=pip_rig.environment(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE,
                          timeout=pip_rig.RUNNING_S * pip_rig.SLOW)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1, "one error, not a chain of them"
    return done.stderr.strip().splitlines()[-1]


def test_a_missing_library_is_named_by_its_debian_package(package):
    name = next(n for n in facts(package) if n.startswith("libinih.so"))
    gone = spoil(package, name)
    assert import_error(package) == (
        "ImportError: fanwire needs libraries that this machine lacks; install the "
        "Debian packages %s (%s: cannot open shared object file: No such file or "
        "directory)"
        % (facts(package)[gone], gone))


def test_all_that_is_missing_is_named_at_once(package):
    names = [n for n in facts(package) if not os.path.isabs(n)]
    for name in names:
        spoil(package, name)
    plugin, = [n for n in facts(package) if os.path.isabs(n)]
    spoil(package, plugin, names=["_build.py"])
    said = import_error(package)
    for library, owner in facts(package).items():
        assert owner in said, library
    assert said.count("libssl3 ") <= 1, "a package is named once"


def test_without_ctypes_the_first_that_is_missing_is_named(package):
    gone = spoil(package, next(n for n in facts(package) if n.startswith("libuv.so")))
    said = import_error(
        package, "import sys; sys.modules['ctypes'] = None; import fanwire")
    assert "Debian packages %s (%s: " % (facts(package)[gone], gone) in said


def test_a_library_that_is_nobodys_is_named_itself(package):
    spoil(package, "libhiredis.so", names=["libfanwire.so.0"])
    assert "Debian packages nobhiredis.so." in import_error(package)


def test_an_installation_that_is_not_whole_says_so(package):
    (package / "_build.py").unlink()
    next(package.glob("_native.*.so")).unlink()
    assert "an installation that isn't whole" in import_error(package)
