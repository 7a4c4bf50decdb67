"""How pip builds fanwire: the hooks of PEP 517 and PEP 660, on CMake and nothing else.

Settings (`pip install --config-settings NAME=VALUE`):
  system-lib=ON    use the libfanwire that pkg-config finds, and put none into the wheel;
                   the environment variable FANWIRE_SYSTEM=1 says the same
  build-dir=DIR    compile in there, and keep it: the next time is quicker
  build-tree=DIR   compile nothing: take what a CMake build with FW_PYTHON has made

Without pip: fw_build.py wheel FOLDER, and fw_build.py sdist FOLDER, which pip has no
command for. Nothing is written into the source tree. An error is one sentence, and exit
status 1.
"""

import os
import sys
import sysconfig
import tempfile

sys.dont_write_bytecode = True

from fw_archive import Entry, entries_below, write_sdist, write_wheel  # noqa: E402
from fw_cmake import stage  # noqa: E402
from fw_metadata import Project  # noqa: E402

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCES = os.path.join(HERE, "fanwire")
# An sdist has the C sources in csrc, the repository above.
TOP = os.path.join(HERE, "csrc")
if not os.path.isdir(TOP):
    TOP = os.path.dirname(HERE)

SETTINGS = ("system-lib", "build-dir", "build-tree")
SWITCH = {"1": True, "on": True, "true": True, "yes": True,
          "": False, "0": False, "off": False, "false": False, "no": False}

# What an sdist takes from the top, besides python/.
C_TREES = ("capi", "bindings")
C_ENDINGS = (".c", ".h", ".i", ".in", ".map", ".py", "CMakeLists.txt", ".cmake", ".html",
             ".js", ".css")
OWN_ENDINGS = (".py", ".pyi", "py.typed", ".toml", ".md")

# Python looks for fanwire's modules in the source and where pip put the compiled parts.
EDITABLE = '''"""Lets `import fanwire` find the sources in {source!r}."""

import os
import sys
from importlib.util import spec_from_file_location

SOURCE = {source!r}
COMPILED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "compiled")


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "fanwire":
            return spec_from_file_location(name, os.path.join(SOURCE, "__init__.py"),
                                           submodule_search_locations=[SOURCE, COMPILED])


sys.meta_path.insert(0, Finder)
'''


def leave_no_trace():
    """Importing this file has left its bytecode in the source tree."""
    try:
        os.unlink(__cached__)
        os.rmdir(os.path.dirname(__cached__))
    except (OSError, TypeError):  # none was written, or this is the program itself
        pass


leave_no_trace()


def project():
    return Project(HERE, TOP)


def switch(name, value):
    try:
        return SWITCH[str(value).lower()]
    except KeyError:
        raise SystemExit("fanwire: %s: %s: on or off" % (name, value))


class Settings:
    """What the caller wants, from pip's settings and the environment."""

    def __init__(self, given):
        given = given or {}
        for name in given:
            if name not in SETTINGS:
                raise SystemExit("fanwire: no setting is called %s; there are %s"
                                 % (name, ", ".join(SETTINGS)))
        self.system = switch("FANWIRE_SYSTEM", os.environ.get("FANWIRE_SYSTEM", ""))
        if "system-lib" in given:
            self.system = switch("system-lib", given["system-lib"])
        self.build_dir = given.get("build-dir")
        self.build_tree = given.get("build-tree")
        if self.build_dir and self.build_tree:
            raise SystemExit("fanwire: build-dir and build-tree exclude each other")


def tag():
    """Of this very Python: SWIG's code is for one version of it."""
    python = "cp%d%d" % sys.version_info[:2]
    abi = "cp" + sysconfig.get_config_var("SOABI").split("-")[1]
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    return "-".join((python, abi, platform))


def make_wheel(wheel_directory, config_settings, arrange):
    """arrange(folder of the finished package) gives the entries of the wheel."""
    settings, p = Settings(config_settings), project()
    name = "%s-%s.whl" % (p.full_name, tag())
    with tempfile.TemporaryDirectory(prefix="fanwire-build-") as work:
        build = settings.build_tree or settings.build_dir or os.path.join(work, "build")
        package = stage(work, os.path.abspath(build), TOP, SOURCES, settings.system,
                        ready=bool(settings.build_tree))
        entries = list(arrange(package))
    folder = p.full_name + ".dist-info"
    metadata = [Entry(folder + "/" + n, data) for n, data in p.dist_info(tag())]
    write_wheel(os.path.join(wheel_directory, name), entries, (folder, metadata))
    return name


def editable_entries(package):
    """The compiled parts alone, and what ties them to the sources."""
    yield Entry("_fanwire_editable/__init__.py", EDITABLE.format(source=SOURCES).encode())
    # The second line is for those who read and don't run: type checkers and editors.
    yield Entry("_fanwire_editable.pth",
                ("import _fanwire_editable\n%s\n" % HERE).encode())
    for entry in entries_below(package):
        if not os.path.exists(os.path.join(SOURCES, entry.name)):
            entry.name = "_fanwire_editable/compiled/" + entry.name
            yield entry


def sdist_entries(p):
    """Everything that a build needs, and nothing that a build has made."""
    yield Entry("PKG-INFO", p.metadata())
    yield Entry.of_file("LICENSE", p.license_path())
    yield Entry.of_file("csrc/CMakeLists.txt", os.path.join(TOP, "CMakeLists.txt"))
    for name in ("pyproject.toml", p.fields["readme"]):
        yield Entry.of_file(name, os.path.join(HERE, name))
    for tree in ("_backend", "fanwire"):
        for entry in entries_below(os.path.join(HERE, tree), tree + "/"):
            if entry.name.endswith(OWN_ENDINGS):
                yield entry
    for tree in C_TREES:
        for entry in entries_below(os.path.join(TOP, tree), "csrc/%s/" % tree):
            if entry.name.endswith(C_ENDINGS):
                yield entry


# --- the hooks ---

def get_requires_for_build_wheel(config_settings=None):
    return []


get_requires_for_build_editable = get_requires_for_build_wheel
get_requires_for_build_sdist = get_requires_for_build_wheel


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    p = project()
    name = p.full_name + ".dist-info"
    folder = os.path.join(metadata_directory, name)
    os.makedirs(folder)
    for below, data in p.dist_info(tag()):
        with open(os.path.join(folder, below), "wb") as f:
            f.write(data)
    return name


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return make_wheel(wheel_directory, config_settings,
                      lambda package: entries_below(package, "fanwire/"))


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return make_wheel(wheel_directory, config_settings, editable_entries)


def build_sdist(sdist_directory, config_settings=None):
    p = project()
    name = p.full_name + ".tar.gz"
    write_sdist(os.path.join(sdist_directory, name), sdist_entries(p), p.full_name)
    return name


def main(arguments):
    build = {"wheel": build_wheel, "sdist": build_sdist}
    if len(arguments) != 2 or arguments[0] not in build:
        raise SystemExit("usage: fw_build.py wheel|sdist FOLDER")
    os.makedirs(arguments[1], exist_ok=True)
    print(os.path.join(arguments[1], build[arguments[0]](arguments[1])))


if __name__ == "__main__":
    main(sys.argv[1:])
