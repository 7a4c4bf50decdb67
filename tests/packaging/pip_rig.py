"""Virtual environments and pip without an index, for make_venv.py and the tests here.

It knows where the package's source is, and nothing of what is in it.
"""

import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCE = os.path.join(ROOT, "python")
SLOW = float(os.environ.get("FW_TEST_SLOW", "1"))

# How long a command may take, on a busy machine, too: one that compiles, and any other.
COMPILING_S, RUNNING_S = 1200, 300

# A port where nobody listens: whoever asks an index after all fails, and at once.
NO_INDEX = "http://127.0.0.1:9/simple"


def environment(**more):
    """The caller's, without what would steer pip, Python, CMake or fanwire."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("PIP_", "PYTHON", "FANWIRE_", "CMAKE_"))
           and k not in ("LD_PRELOAD", "VIRTUAL_ENV", "CFLAGS", "LDFLAGS", "MAKEFLAGS")}
    env.update(PIP_CONFIG_FILE=os.devnull, PIP_INDEX_URL=NO_INDEX, PIP_RETRIES="0",
               PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_CACHE_DIR="1",
               PIP_NO_INPUT="1", PYTHONDONTWRITEBYTECODE="1")
    env.update(more)
    return {k: v for k, v in env.items() if v is not None}


class Failed(AssertionError):
    """A command that should have succeeded; `output` is all that it has said."""

    def __init__(self, command, status, output):
        super().__init__("%s\nended with %s:\n%s" % (" ".join(command), status, output))
        self.output = output


def run(*command, env=None, cwd=None, seconds=COMPILING_S):
    """Its output, both streams; raises Failed if it fails."""
    command = [str(c) for c in command]
    done = subprocess.run(command, env=env or environment(), cwd=cwd, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=seconds * SLOW)
    if done.returncode != 0:
        raise Failed(command, done.returncode, done.stdout)
    return done.stdout


def settings(given):
    return ["--config-settings=%s=%s" % item for item in given.items()]


class Venv:
    """A fresh virtual environment. `cwd` of what runs in it is its own folder, so that
    nothing is imported from where the tests happen to be."""

    def __init__(self, folder, python=sys.executable, system_packages=False):
        self._lies_in(folder)
        flags = ["--system-site-packages"] if system_packages else []
        run(python, "-m", "venv", "--clear", *flags, self.folder)

    @classmethod
    def like(cls, other, folder):
        """As fresh as the other is, and made in a tenth of the time: pip is `python -m
        pip` here, so it doesn't matter that its scripts name the other's place."""
        venv = cls.__new__(cls)
        venv._lies_in(folder)
        shutil.copytree(other.folder, venv.folder, symlinks=True)
        return venv

    def _lies_in(self, folder):
        self.folder = str(folder)
        self.bin = os.path.join(self.folder, "bin")
        self.python_path = os.path.join(self.bin, "python")

    def python(self, *arguments, env=None, seconds=RUNNING_S):
        return run(self.python_path, *arguments, env=env, cwd=self.folder,
                   seconds=seconds)

    def pip(self, *arguments, env=None, **given):
        """pip with arguments; keywords are --config-settings, with _ for -."""
        flags = settings({k.replace("_", "-"): v for k, v in given.items()})
        return self.python("-m", "pip", *arguments, *flags, env=env, seconds=COMPILING_S)

    def files(self):
        """Every file, by its path from the environment's folder."""
        return {os.path.relpath(os.path.join(where, name), self.folder)
                for where, _, names in os.walk(self.folder) for name in names}

    def folders(self):
        return {os.path.relpath(os.path.join(where, name), self.folder)
                for where, names, _ in os.walk(self.folder) for name in names}


def tree(folder):
    """What lies in a folder, to see that it stays so: {path: time of change}."""
    return {os.path.join(where, name): os.stat(os.path.join(where, name)).st_mtime_ns
            for where, _, names in os.walk(folder) for name in names}


def copy_source(to):
    """What a clone would have of what a build needs; returns its python/."""
    skip = shutil.ignore_patterns("__pycache__")
    for name in ("capi", "bindings", "python"):
        shutil.copytree(os.path.join(ROOT, name), os.path.join(str(to), name),
                        ignore=skip)
    for name in ("CMakeLists.txt", "LICENSE"):
        shutil.copy2(os.path.join(ROOT, name), str(to))
    return os.path.join(str(to), "python")
