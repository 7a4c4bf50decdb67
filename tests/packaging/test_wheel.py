"""What is in a wheel and in an sdist, looked at as archives."""

import base64
import email
import hashlib
import os
import re
import subprocess
import sys
import tarfile
import zipfile

import pip_rig
import pytest

# What a wheel may need that it doesn't carry: the system's, each of a Debian package.
ALLOWED = re.compile(r"(libwebsockets\.so\.\d+|libhiredis\.so\.[\d.]+|libuv\.so\.1"
                     r"|libssl\.so\.3|libcrypto\.so\.3|libz\.so\.1|libinih\.so\.1"
                     r"|libhttp_parser\.so\.[\d.]+"
                     r"|libc\.so\.6|ld-linux-[\w-]+\.so\.2)")
VERSION = "%d%d" % sys.version_info[:2]


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("unpacked"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def elves(unpacked):
    """{name in the wheel: what readelf says of its dynamic section}"""
    found = {}
    for where, _, names in os.walk(unpacked):
        for path in (os.path.join(where, n) for n in names):
            with open(path, "rb") as f:
                if f.read(4) == b"\x7fELF":
                    found[os.path.relpath(path, unpacked)] = pip_rig.run("readelf", "-dW",
                                                                        path)
    return found


def values(text, tag):
    return re.findall(r"\(%s\)[^\[]*\[([^\]]*)\]" % tag, text)


def test_the_tag_is_that_of_the_python(wheel):
    name = os.path.basename(wheel)
    assert re.fullmatch(r"fanwire-[\d.]+-(cp%s)-\1-linux_\w+\.whl" % VERSION, name)
    with zipfile.ZipFile(wheel) as archive:
        inside, = [n for n in archive.namelist() if n.endswith("/WHEEL")]
        fields = email.message_from_bytes(archive.read(inside))
    assert fields["Tag"] == name[:-len(".whl")].split("-", 2)[2]
    assert fields["Root-Is-Purelib"] == "false"


def test_it_carries_the_module_the_library_and_the_program(elves):
    assert sorted(re.sub(r"\.cpython-\w+-[\w-]+", "", n) for n in elves) == [
        "fanwire/_native.so", "fanwire/bin/fanwired", "fanwire/libfanwire.so.0"]


def test_record_has_every_file_with_its_hash(wheel):
    with zipfile.ZipFile(wheel) as archive:
        record, = [n for n in archive.namelist() if n.endswith("/RECORD")]
        lines = [line.split(",") for line in archive.read(record).decode().splitlines()]
        assert sorted(name for name, _, _ in lines) == sorted(archive.namelist())
        for name, digest, size in lines:
            if name == record:
                assert (digest, size) == ("", "")
                continue
            data = archive.read(name)
            want = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()
            assert (digest, size) == ("sha256=" + want.rstrip("="), str(len(data))), name


def test_only_programs_are_executable(wheel):
    with zipfile.ZipFile(wheel) as archive:
        modes = {i.filename: i.external_attr >> 16 for i in archive.infolist()}
    # Libraries may be: a linker makes them so.
    programs = {n for n, mode in modes.items() if mode & 0o111 and ".so" not in n}
    assert programs == {"fanwire/bin/fanwired"}


def test_what_it_needs_is_in_it_or_of_the_system(elves):
    own = {os.path.basename(name) for name in elves}
    for name, text in elves.items():
        for needed in values(text, "NEEDED"):
            assert needed in own or ALLOWED.fullmatch(needed), (name, needed)


def test_it_knows_the_package_of_each_library_that_it_lacks(elves, unpacked):
    """Or an import without that library couldn't name it."""
    scope = {}
    with open(os.path.join(unpacked, "fanwire", "_build.py")) as f:
        exec(f.read(), scope)
    needed = {n for text in elves.values() for n in values(text, "NEEDED")}
    needed = {n for n in needed if not re.match(r"libc\.|ld-|libfanwire\.", n)}
    assert needed == {n for n in scope["NEEDS"] if not os.path.isabs(n)}
    plugin, = [n for n in scope["NEEDS"] if os.path.isabs(n)]
    assert plugin.endswith("/libwebsockets-evlib_uv.so")
    for name, package in scope["NEEDS"].items():
        # With dpkg it is a package, whose name has no suffix of a file.
        assert package and ".so" not in package, name


def test_libraries_are_looked_for_inside_the_package_alone(elves):
    for name, text in elves.items():
        assert not values(text, "RPATH"), name
        for paths in values(text, "RUNPATH"):
            for path in paths.split(":"):
                assert path == "$ORIGIN" or path.startswith("$ORIGIN/"), (name, path)
                place = path.replace("$ORIGIN", os.path.dirname(name), 1)
                assert os.path.normpath(place).split("/")[0] == "fanwire", (name, path)


def test_no_file_says_where_it_was_built(unpacked, source, build_dir):
    marks = [os.path.dirname(source).encode(), b"fanwire-build-", pip_rig.ROOT.encode(),
             str(build_dir).encode()]
    for where, _, names in os.walk(unpacked):
        for path in (os.path.join(where, n) for n in names):
            with open(path, "rb") as f:
                data = f.read()
            assert not [m for m in marks if m in data], path


def test_the_module_exports_its_init_function_alone(unpacked, elves):
    name, = [n for n in elves if "_native" in n]
    out = pip_rig.run("nm", "-D", "--defined-only", os.path.join(unpacked, name))
    assert [line.split()[-1] for line in out.splitlines()] == ["PyInit__native"]


def test_an_sdist_makes_the_very_same_wheel(wheel, wheel_of_sdist):
    """From other folders, at another time: only the content decides."""
    assert os.path.basename(wheel) == os.path.basename(wheel_of_sdist)
    with zipfile.ZipFile(wheel) as a, zipfile.ZipFile(wheel_of_sdist) as b:
        assert a.namelist() == b.namelist()
        for name in a.namelist():
            assert a.read(name) == b.read(name), name
    with open(wheel, "rb") as a, open(wheel_of_sdist, "rb") as b:
        assert a.read() == b.read()


def test_an_sdist_holds_sources_and_its_metadata(sdist):
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
        folder = os.path.basename(sdist)[:-len(".tar.gz")]
        info = email.message_from_bytes(archive.extractfile(folder + "/PKG-INFO").read())
    assert folder == "fanwire-" + info["Version"]
    assert {n.split("/")[0] for n in names} == {folder}
    for name in ("pyproject.toml", "LICENSE", "README.md", "csrc/CMakeLists.txt",
                 "csrc/capi/include/fanwire/hub.h", "csrc/bindings/fanwire.i",
                 "fanwire/__init__.py", "fanwire/py.typed", "_backend/fw_build.py"):
        assert folder + "/" + name in names
    made = [n for n in names if n.endswith((".so", ".pyc", ".o", "_wrap.c"))]
    assert not made


def test_the_metadata_says_what_pyproject_says(unpacked, source):
    tomllib = pytest.importorskip("tomllib", reason="tomllib is in Python 3.11 and newer")
    with open(os.path.join(source, "pyproject.toml"), "rb") as f:
        project = tomllib.load(f)["project"]
    folder, = [n for n in os.listdir(unpacked) if n.endswith(".dist-info")]
    with open(os.path.join(unpacked, folder, "METADATA"), "rb") as f:
        fields = email.message_from_bytes(f.read())
    assert fields["Name"] == project["name"]
    assert fields["Summary"] == project["description"]
    assert fields["Requires-Python"] == project["requires-python"] == ">=3.9"
    assert fields.get_all("Classifier") == project["classifiers"]
    assert fields["Keywords"].split(",") == project["keywords"]
    assert fields["License"] == project["license"]["text"]
    assert os.path.exists(os.path.join(unpacked, folder, fields["License-File"]))
    assert fields.get_payload(decode=True).startswith(b"# fanwire\n")
    with open(os.path.join(unpacked, folder, "entry_points.txt")) as f:
        line, = ["%s = %s" % item for item in project["scripts"].items()]
        assert f.read() == "[console_scripts]\n" + line + "\n"
    with open(os.path.join(pip_rig.ROOT, "capi/include/fanwire/version.h")) as f:
        assert 'FW_VERSION_STRING "%s"' % fields["Version"] in f.read()


def test_the_library_in_it_starts(unpacked):
    """Without Python, where it was unpacked."""
    program = os.path.join(unpacked, "fanwire", "bin", "fanwired")
    os.chmod(program, 0o755)  # zipfile doesn't restore what pip does
    done = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True,
                          timeout=pip_rig.RUNNING_S * pip_rig.SLOW)
    assert done.returncode == 0 and "fanwire" in done.stdout
