"""What the tests of packaging share: a copy of the source, and what was made of it.

Run: BUILD_DIR=build/dev /usr/bin/python3 -m pytest tests/packaging

Everything is made once, as pip does it with build isolation and no index in reach.
Compiling is what takes time: the source is compiled in a folder that all tests use again,
and the sdist where pip does it by itself. With FW_PIP_BUILDS (`./run test --all`) the
source is compiled there, too.
"""

import os
import shutil

import pip_rig
import pytest


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """python/ of a copy of the repository, as a clone would have it."""
    return pip_rig.copy_source(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="session")
def builder(tmp_path_factory):
    """An environment to run pip in; nothing is installed into it."""
    return pip_rig.Venv(tmp_path_factory.mktemp("builder"))


@pytest.fixture(scope="session")
def build_dir(tmp_path_factory):
    """Where the source is compiled, so that only the first who asks takes its time."""
    return tmp_path_factory.mktemp("build")


def only_file(folder):
    name, = os.listdir(folder)
    return os.path.join(str(folder), name)


@pytest.fixture(scope="session")
def wheel(source, build_dir, builder, tmp_path_factory):
    """The path of a wheel, made from the source and compiled for it."""
    folder = tmp_path_factory.mktemp("wheel")
    builder.pip("wheel", "--no-deps", "--wheel-dir", folder, source, build_dir=build_dir)
    return only_file(folder)


@pytest.fixture(scope="session")
def sdist(source, builder, tmp_path_factory):
    """The path of an sdist. pip makes none, so this is what a frontend would do."""
    folder = tmp_path_factory.mktemp("sdist")
    builder.python(os.path.join(source, "_backend", "fw_build.py"), "sdist", folder)
    return only_file(folder)


@pytest.fixture(scope="session")
def wheel_of_sdist(sdist, builder, tmp_path_factory):
    """The path of a wheel, made from the sdist with nothing of the repository near."""
    alone = tmp_path_factory.mktemp("alone")
    shutil.copy(sdist, alone)
    folder = tmp_path_factory.mktemp("wheel-of-sdist")
    builder.pip("wheel", "--no-deps", "--no-index", "--wheel-dir", folder,
                only_file(alone))
    return only_file(folder)


@pytest.fixture(scope="session")
def staged(tmp_path_factory):
    """The folder of the fanwire.pc of a libfanwire that is installed somewhere."""
    build = os.environ.get("BUILD_DIR")
    if not build:
        pytest.fail("BUILD_DIR must name a build of CMake", pytrace=False)
    prefix = str(tmp_path_factory.mktemp("prefix"))
    for component in ("lib", "dev"):
        pip_rig.run("cmake", "--install", build, "--component", component,
                    "--prefix", prefix)
    return next(where for where, _, names in os.walk(prefix) if "fanwire.pc" in names)


@pytest.fixture(scope="session")
def installed(wheel, builder, tmp_path_factory):
    """An environment with the wheel, to be used and not to be changed."""
    venv = pip_rig.Venv.like(builder, tmp_path_factory.mktemp("installed") / "venv")
    venv.pip("install", "--no-index", wheel)
    return venv
