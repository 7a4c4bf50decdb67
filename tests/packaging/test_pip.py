"""pip install, pip uninstall and what goes wrong on the way, with no index in reach."""

import os
import re
import shutil
import sys
import zipfile

import pip_rig
import pytest

ECHO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "echo.py")

# Uses the package as its user does: bytecode is written, the server is started.
USE = "import fanwire, fanwire.__main__, fanwire._run; print(fanwire.__version__)"


@pytest.fixture
def venv(builder, tmp_path):
    return pip_rig.Venv.like(builder, tmp_path / "venv")


def echoes(venv):
    return venv.python(ECHO).startswith("echoed")


def writing_bytecode():
    return pip_rig.environment(PYTHONDONTWRITEBYTECODE=None)


# --- the ways in ------------------------------------------------------------------------

def test_the_source_folder_is_installed_with_no_index(venv, source, build_dir):
    """The whole way: isolated, compiled, installed, used."""
    where = {} if "FW_PIP_BUILDS" in os.environ else {"build_dir": build_dir}
    before = pip_rig.tree(os.path.dirname(source))
    out = venv.pip("install", "--no-index", source, **where)
    assert "Successfully installed fanwire" in out
    assert echoes(venv)
    assert pip_rig.tree(os.path.dirname(source)) == before, "the source was written to"


def test_an_index_out_of_reach_is_not_asked(venv, source, build_dir):
    out = venv.pip("install", source, build_dir=build_dir)
    assert "Successfully installed fanwire" in out
    assert out.count(pip_rig.NO_INDEX) == out.count("Looking in indexes: ") == 1


def test_what_the_sdist_makes_is_installed(venv, wheel_of_sdist):
    venv.pip("install", "--no-index", wheel_of_sdist)
    assert echoes(venv)


def test_the_wheel_is_installed_for_a_user_of_a_target_folder(builder, wheel, tmp_path):
    """The libraries are found from where the module is, wherever that may be."""
    builder.pip("install", "--no-index", "--target", tmp_path / "lib", wheel)
    env = pip_rig.environment(PYTHONPATH=str(tmp_path / "lib"))
    assert builder.python(ECHO, env=env).startswith("echoed")


def test_python_m_fanwire_and_the_command_are_fanwired(installed):
    version = installed.python("-m", "fanwire", "--version")
    assert re.match(r"fanwired? \d+\.\d+", version)
    assert pip_rig.run(os.path.join(installed.bin, "fanwired"), "--version") == version


def test_the_example_of_the_readme_runs(installed, source, tmp_path):
    with open(os.path.join(source, "README.md")) as f:
        example = re.search(r"```python\n(.*?)```", f.read(), re.S).group(1)
    example = example.replace("ws://127.0.0.1:9090/ws", "ws://127.0.0.1:0/ws")
    assert "hub.run()" in example
    example = example.replace("hub.run()", "\n".join((
        "import sys; sys.path.insert(0, %r)" % os.path.dirname(ECHO),
        "import echo",
        "with hub, echo.client(hub.urls[0]) as one, echo.client(hub.urls[0]) as two:",
        "    echo.say(one, 'to all')",
        "    assert echo.hear(one) == echo.hear(two) == 'to all'",
        "print('heard')")))
    (tmp_path / "example.py").write_text(example)
    assert "heard" in installed.python(tmp_path / "example.py")


# --- the way out ------------------------------------------------------------------------

def test_uninstalling_leaves_nothing(venv, wheel):
    files, folders = venv.files(), venv.folders()
    venv.pip("install", "--no-index", wheel)
    venv.python("-c", USE, env=writing_bytecode())
    pip_rig.run(os.path.join(venv.bin, "fanwired"), "--version", env=writing_bytecode())
    venv.pip("uninstall", "-y", "fanwire")
    assert venv.files() == files
    assert venv.folders() == folders


def test_uninstalling_an_editable_leaves_nothing(venv, source, build_dir):
    files, folders = venv.files(), venv.folders()
    venv.pip("install", "--no-index", "-e", source, build_dir=build_dir)
    venv.python("-c", USE)
    venv.pip("uninstall", "-y", "fanwire")
    assert venv.files() == files
    assert venv.folders() == folders


# --- working on it ----------------------------------------------------------------------

def test_an_editable_install_uses_the_sources_as_they_are(venv, source, build_dir):
    before = pip_rig.tree(os.path.dirname(source))
    venv.pip("install", "--no-index", "-e", source, build_dir=build_dir)
    assert pip_rig.tree(os.path.dirname(source)) == before
    assert echoes(venv)
    assert "fanwire" in venv.python("-m", "fanwire", "--version")
    added = os.path.join(source, "fanwire", "_added_later.py")
    with open(added, "w") as f:
        f.write("HERE = 'and now'\n")
    try:
        out = venv.python("-c", "import fanwire._added_later as m; print(m.HERE)")
    finally:
        os.unlink(added)
    assert out == "and now\n"


def test_the_source_folder_alone_says_that_it_is_not_built(builder, source):
    env = pip_rig.environment(PYTHONPATH=source)
    with pytest.raises(pip_rig.Failed) as failed:
        builder.python("-c", "import fanwire", env=env)
    last = failed.value.output.strip().splitlines()[-1]
    assert last.startswith("ImportError: fanwire's compiled part isn't here")
    assert "pip install ./python" in last


def test_another_python_is_told_so(installed, tmp_path):
    package = os.path.join(os.path.dirname(installed.python(
        "-c", "import fanwire; print(fanwire.__file__)").strip()))
    copy = tmp_path / "fanwire"
    shutil.copytree(package, copy)
    native, = copy.glob("_native.*")
    native.rename(copy / "_native.cpython-42-x86_64-linux-gnu.so")
    with pytest.raises(pip_rig.Failed) as failed:
        pip_rig.run(sys.executable, "-c", "import fanwire", cwd=tmp_path)
    last = failed.value.output.strip().splitlines()[-1]
    assert last == ("ImportError: fanwire is installed here for another Python than this "
                    "%d.%d; install it with this one" % sys.version_info[:2])


# --- an installed libfanwire ------------------------------------------------------------

@pytest.fixture(scope="module")
def system_build_dir(tmp_path_factory):
    """As build_dir, for the module alone."""
    return tmp_path_factory.mktemp("system-build")


@pytest.mark.parametrize("how", ["environment", "setting"])
def test_a_system_build_carries_no_library(venv, source, staged, system_build_dir,
                                           tmp_path, how):
    env = pip_rig.environment(PKG_CONFIG_PATH=staged)
    given = {"build_dir": system_build_dir}
    if how == "environment":
        env["FANWIRE_SYSTEM"] = "1"
    else:
        given["system_lib"] = "ON"
    venv.pip("wheel", "--no-deps", "--no-index", "-w", tmp_path, source, env=env, **given)
    wheel, = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert [n for n in names if ".so" in n] == [n for n in names if "_native" in n and
                                               not n.endswith(".pyi")]
    assert not [n for n in names if n.startswith("fanwire/bin/")]
    venv.pip("install", "--no-index", wheel)
    assert echoes(venv)


def test_a_system_build_without_an_installed_library_says_so(builder, source):
    env = pip_rig.environment(FANWIRE_SYSTEM="1", PKG_CONFIG_PATH=None,
                              PKG_CONFIG_LIBDIR="/nowhere")
    out = failure(builder, source, env)
    assert "fanwire: pkg-config finds no installed libfanwire" in out


# --- what goes wrong --------------------------------------------------------------------

def failure(builder, source, env=None, **given):
    """What pip says when it makes no wheel of the source."""
    with pytest.raises(pip_rig.Failed) as failed:
        builder.pip("wheel", "--no-deps", "--no-index", "-w", builder.folder, source,
                    env=env, **given)
    out = failed.value.output
    assert "Traceback" not in out
    return out


def path_without(folder, *absent):
    """A PATH with what a build uses except what is absent."""
    os.mkdir(folder)
    for name in ("cmake", "swig", "pkg-config", "ninja", "make", "cc", "as", "ld",
                 "readelf"):
        if name not in absent:
            os.symlink(shutil.which(name), os.path.join(folder, name))
    return pip_rig.environment(PATH=str(folder))


@pytest.mark.parametrize("absent, packages", [
    (["cmake"], "cmake"), (["swig"], "swig"), (["ninja", "make"], "ninja-build"),
    (["cmake", "swig"], "cmake swig"),
    (["pkg-config"], "pkgconf libwebsockets-dev libhiredis-dev libuv1-dev libssl-dev "
                     "zlib1g-dev libinih-dev"),
    (["cc"], "build-essential uthash-dev libhttp-parser-dev"),
], ids=lambda value: "-".join(value) if isinstance(value, list) else "")
def test_a_missing_tool_is_named_by_its_package(builder, source, tmp_path, absent,
                                                packages):
    out = failure(builder, source, path_without(tmp_path / "bin", *absent))
    line = "fanwire: to build it, install first: apt-get install " + packages
    assert line in [l.strip() for l in out.splitlines()]


def test_a_missing_development_package_is_named(builder, source):
    """One that has been found before must not hide those that haven't."""
    env = pip_rig.environment(PKG_CONFIG_PATH="", PKG_CONFIG_LIBDIR="/nowhere")
    assert ("apt-get install libwebsockets-dev libhiredis-dev libuv1-dev libssl-dev "
            "zlib1g-dev libinih-dev") in failure(builder, source, env)


def test_a_compiler_error_is_shown(builder, sdist, tmp_path):
    shutil.unpack_archive(sdist, tmp_path)
    folder, = tmp_path.glob("fanwire-*")
    with open(folder / "csrc/capi/src/base/log.c", "a") as f:
        f.write("this is not C;\n")
    out = failure(builder, folder)
    assert re.search(r"log\.c:\d+:\d+: error:", out)
    assert "fanwire: `cmake --build` failed, see above" in out


@pytest.mark.parametrize("given, says", [
    ({"speed": "high"}, "fanwire: no setting is called speed; there are system-lib"),
    ({"system_lib": "maybe"}, "fanwire: system-lib: maybe: on or off"),
    ({"build_dir": "a", "build_tree": "b"}, "exclude each other"),
])
def test_a_wrong_setting_is_an_error(builder, source, given, says):
    assert says in failure(builder, source, **given)


def test_a_build_of_another_python_is_not_packed(builder, source, tmp_path):
    """build-tree names a build that holds no package, so there is nothing to pack."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "cmake_install.cmake").write_text("")
    out = failure(builder, source, build_tree=tmp_path / "empty")
    assert "holds no package for this Python" in out
