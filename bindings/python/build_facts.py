"""Writes fanwire/_build.py: the version, and which Debian package has which library.

  build_facts.py --output _build.py --version 0.1.0 ELF...

CMake calls it with the files that go into the package. What they need beyond each other is
looked up where it was found when they were linked, so that an import which fails on a
machine without it can name the package (fanwire/_missing.py does). Without dpkg the
library's own name has to do. It doesn't know what a wheel is.
"""

import argparse
import os
import re
import shutil
import subprocess

# Wherever there is a Python these are there; sanitizers' libraries are preloaded.
ALWAYS = re.compile(r"lib(c|m|dl|rt|pthread|asan|tsan|ubsan)\.so\.|ld-linux|linux-vdso")
# libwebsockets loads its libuv plugin when a hub starts, from beside itself.
WEBSOCKETS, PLUGIN = "libwebsockets.so.", "libwebsockets-evlib_uv.so"

TEMPLATE = '''"""Facts of this build, written by bindings/python/build_facts.py."""

VERSION = {version!r}
SYSTEM = {system!r}

# The libraries that must be there: name, or path of a plugin, and Debian's package.
NEEDS = {{
{needs}}}
'''


def output_of(*command):
    done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE,
                          env=dict(os.environ, LC_ALL="C"))
    return done.stdout


def dynamic(path, tag):
    """The values of a tag (NEEDED, SONAME) of an ELF file."""
    text = output_of("readelf", "-dW", path)
    return re.findall(r"\(%s\)[^\[]*\[([^\]]+)\]" % tag, text)


def found_at(path):
    """Where the loader finds what this file needs: {soname: path}."""
    return dict(re.findall(r"^\s*(\S+) => (/\S+)", output_of("ldd", path), re.M))


def package_of(path):
    """The Debian package that a library is of; None without dpkg, or if it is of none."""
    if shutil.which("dpkg-query") is None:
        return None
    # The loader says /lib/..., and a package may have been made for /usr/lib/...
    for name in dict.fromkeys((path, "/usr" + path, os.path.realpath(path))):
        done = subprocess.run(["dpkg-query", "-S", name], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if done.returncode == 0:
            return done.stdout.split(":")[0]
    return None


def needs(shipped):
    own = {name for path in shipped for name in dynamic(path, "SONAME")}
    table = {}
    for path in shipped:
        places = found_at(path)
        for name in dynamic(path, "NEEDED"):
            if name in own or ALWAYS.match(name):
                continue
            place = places.get(name)
            table[name] = (package_of(place) if place else None) or name
            if name.startswith(WEBSOCKETS) and place:
                plugin = os.path.join(os.path.dirname(os.path.realpath(place)), PLUGIN)
                table[plugin] = package_of(plugin) or PLUGIN
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("shipped", nargs="+")
    args = parser.parse_args()
    table = needs(args.shipped)
    system = any(name.startswith("libfanwire.so.") for name in table)
    lines = "".join("    %r: %r,\n" % item for item in sorted(table.items()))
    with open(args.output, "w", encoding="utf-8") as f:
        f.write(TEMPLATE.format(version=args.version, system=system, needs=lines))


if __name__ == "__main__":
    main()
