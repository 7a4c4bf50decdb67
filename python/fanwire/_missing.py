"""Says in a sentence why the compiled part could not be imported.

__init__ calls it when that import has failed, and only then. What is needed, and of which
Debian package it is, was written into _build when the package was built; it knows nothing
of what the libraries are for.
"""

import os
import re
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Dict, Iterable, List


def is_built_for_this_python(folders: Iterable[str]) -> bool:
    return any(os.path.exists(os.path.join(folder, "_native" + suffix))
               for folder in folders for suffix in EXTENSION_SUFFIXES)


def is_there(name: str) -> bool:
    """Whether a library (by its name) can be loaded, or a plugin (by its path) exists."""
    if os.path.isabs(name):
        return os.path.exists(name)
    import ctypes
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def missing(needs: Dict[str, str], said: str) -> List[str]:
    """The packages to install: of all that is missing, not of the first that is."""
    try:
        packages = {package for name, package in needs.items() if not is_there(name)}
    except ImportError:  # a Python without ctypes: what the loader has said must do
        packages = {package for name, package in needs.items() if name in said}
    if not packages:  # a library that one of ours needs: its name is all that is known
        packages = set(re.findall(r"(\S+): cannot open shared object file", said))
    return sorted(packages)


def explain(error: ImportError, folders: Iterable[str]) -> ImportError:
    """The exception to raise in place of this one; folders is the package's path."""
    try:
        from ._build import NEEDS
    except ImportError:
        return ImportError(
            "fanwire's compiled part isn't here: this is its source folder, or an "
            "installation that isn't whole; `pip install ./python` into a virtual "
            "environment, and import it from elsewhere")
    if "cannot open shared object file" in str(error):
        packages = missing(NEEDS, str(error))
        return ImportError(
            "fanwire needs libraries that this machine lacks; install the Debian "
            "packages %s (%s)" % (" ".join(packages), error))
    if not is_built_for_this_python(folders):
        return ImportError("fanwire is installed here for another Python than this "
                           "%d.%d; install it with this one" % sys.version_info[:2])
    return error
