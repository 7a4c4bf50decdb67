"""Compiles and stages the package with CMake, or says what is missing for that.

fw_build calls stage(). What a compiler says is shown only if it fails. It doesn't know
what a wheel is: it fills a folder.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig

LEAST_CMAKE = (3, 25)

# What has to be there, and the Debian package that has it.
PROGRAMS = (("cmake", "cmake"), ("swig", "swig"), ("pkg-config", "pkgconf"))
MODULES = (("libwebsockets", "libwebsockets-dev"), ("hiredis", "libhiredis-dev"),
           ("libuv", "libuv1-dev"), ("openssl", "libssl-dev"), ("zlib", "zlib1g-dev"),
           ("inih", "libinih-dev"))
HEADERS = (("uthash.h", "uthash-dev"), ("http_parser.h", "libhttp-parser-dev"))

# One that is small, and says nothing of the machine that it was made on.
FLAGS = ["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_C_FLAGS_RELEASE=-O2 -DNDEBUG"]
# Here an application decides, and a wheel should need few libraries of the system.
FLAGS += ["-DFW_HOOKS=OFF"]
FLAGS += ["-DCMAKE_%s_LINKER_FLAGS_RELEASE=-s" % kind
          for kind in ("SHARED", "MODULE", "EXE")]


def compiler():
    return os.environ.get("CC", "").split() or ["cc"]


def succeeds(*command, text=""):
    try:
        return subprocess.run(command, input=text.encode(), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def missing_packages(system):
    """Debian's names for all that isn't there, so that one apt-get install will do."""
    packages = [package for name, package in PROGRAMS if not shutil.which(name)]
    if not shutil.which("ninja") and not shutil.which("make"):
        packages.append("ninja-build")
    if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
        packages.append("python3-dev")
    has_compiler = succeeds(*compiler(), "--version")
    if not has_compiler:
        packages.append("build-essential")
    if not system:
        packages += [package for name, package in MODULES
                     if not succeeds("pkg-config", "--exists", name)]
        # Without a compiler nobody knows, and to name one too many does no harm.
        packages += [package for name, package in HEADERS
                     if not has_compiler or not succeeds(
                         *compiler(), "-fsyntax-only", "-x", "c", "-",
                         text="#include <stddef.h>\n#include <%s>\n" % name)]
    return packages


def check_needs(top, system):
    if sys.implementation.name != "cpython" or sys.version_info < (3, 9):
        raise SystemExit("fanwire: needs CPython 3.9 or newer, this is %s %d.%d"
                         % (sys.implementation.name, *sys.version_info[:2]))
    if not os.path.exists(os.path.join(top, "CMakeLists.txt")):
        raise SystemExit("fanwire: the C sources aren't beside %s: a pip older than 21.3 "
                         "copies them away; upgrade pip, or install an sdist" % top)
    packages = missing_packages(system)
    if packages:
        raise SystemExit("fanwire: to build it, install first: apt-get install "
                         + " ".join(packages))
    if system and not succeeds("pkg-config", "--exists", "fanwire"):
        raise SystemExit("fanwire: pkg-config finds no installed libfanwire; "
                         "PKG_CONFIG_PATH may name the folder of its fanwire.pc")
    text = subprocess.run(["cmake", "--version"], stdout=subprocess.PIPE).stdout.decode()
    found = re.search(r"(\d+)\.(\d+)", text)
    if found and tuple(map(int, found.groups())) < LEAST_CMAKE:
        raise SystemExit("fanwire: needs CMake %d.%d or newer, this is %s"
                         % (*LEAST_CMAKE, found.group()))


def call(*command):
    print("fanwire: " + " ".join(command), flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.stderr.write(done.stdout.decode(errors="replace"))
        raise SystemExit("fanwire: `%s` failed, see above" % " ".join(command[:2]))


def compile_into(build, top, sources, system):
    check_needs(top, system)
    command = ["cmake", "-S", top, "-B", build, "-DFW_PYTHON=ON", "-DFW_TESTS=OFF",
               "-DFW_EXAMPLES=OFF", "-DFW_PYTHON_BUNDLE=ON", "-DFW_PYTHON_INSTALL_DIR=.",
               "-DFW_SYSTEM=" + ("ON" if system else "OFF"),
               "-DFW_PYTHON_SOURCES=" + sources, "-DPython3_EXECUTABLE=" + sys.executable]
    if "CMAKE_GENERATOR" not in os.environ and shutil.which("ninja"):
        command += ["-G", "Ninja"]
    call(*command, *FLAGS)
    call("cmake", "--build", build, "--parallel", str(len(os.sched_getaffinity(0))),
         "--target", "python_package")


def stage(folder, build, top, sources, system, ready):
    """Fills folder/fanwire. `ready`: build is a finished one, just install from it."""
    if not ready:
        compile_into(build, top, sources, system)
    where = os.path.join(folder, "prefix")
    call("cmake", "--install", build, "--component", "python", "--prefix", where)
    name = "_native" + sysconfig.get_config_var("EXT_SUFFIX")
    for found, _, names in os.walk(where):
        if name in names:
            return found
    raise SystemExit("fanwire: %s holds no package for this Python (%s)" % (build, name))
