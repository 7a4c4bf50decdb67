#!/usr/bin/python3
"""Packs a build's Python package into a wheel, and installs it into a new environment.

  make_venv.py --build-tree BUILD_DIR FOLDER

The environment sees the system's packages (pytest and others), the wheel stays in
FOLDER/wheels. Nothing is compiled: the wheel holds what CMake has built, with the
sanitizer of that build. ctest runs it as `python.wheel`, before all tests of the package.
"""

import argparse
import os
import sys

from pip_rig import SOURCE, Failed, Venv


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build-tree", required=True)
    parser.add_argument("folder")
    args = parser.parse_args()
    try:
        venv = Venv(os.path.abspath(args.folder), system_packages=True)
        wheels = os.path.join(venv.folder, "wheels")
        venv.pip("wheel", "--no-deps", "--wheel-dir", wheels, SOURCE,
                 build_tree=os.path.abspath(args.build_tree))
        wheel, = os.listdir(wheels)
        # Another fanwire, of the system, wouldn't be uninstalled, only hidden.
        print(venv.pip("install", "--no-deps", "--ignore-installed",
                       os.path.join(wheels, wheel)))
    except Failed as e:
        print(e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
