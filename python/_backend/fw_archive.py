"""Writes wheels and sdists, byte for byte the same from the same content.

fw_build calls it with what shall be in there. Times are SOURCE_DATE_EPOCH or a fixed one,
order is by name, owners are nobody: only the content decides. It doesn't know where the
content comes from.
"""

import base64
import gzip
import hashlib
import io
import os
import tarfile
import time
import zipfile

OLDEST = 315532800  # 1980-01-01: zip knows no time before


class Entry:
    """A file to be: its name in the archive, its bytes, and whether it is a program."""

    def __init__(self, name, data, executable=False):
        self.name, self.data, self.executable = name, data, executable

    @classmethod
    def of_file(cls, name, path):
        with open(path, "rb") as f:
            return cls(name, f.read(), os.access(path, os.X_OK))

    @property
    def mode(self):
        return 0o755 if self.executable else 0o644


def entries_below(folder, prefix=""):
    """Everything in a folder, with names from there on."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(n for n in folders if n != "__pycache__")
        for name in names:
            path = os.path.join(where, name)
            yield Entry.of_file(prefix + os.path.relpath(path, folder), path)


def moment():
    return max(OLDEST, int(os.environ.get("SOURCE_DATE_EPOCH", OLDEST)))


def record_of(entries, record_name):
    lines = []
    for entry in entries:
        digest = base64.urlsafe_b64encode(hashlib.sha256(entry.data).digest())
        lines.append("%s,sha256=%s,%d\n" % (entry.name, digest.decode().rstrip("="),
                                          len(entry.data)))
    lines.append("%s,,\n" % record_name)
    return Entry(record_name, "".join(lines).encode())


def write_wheel(path, entries, dist_info):
    """entries without dist-info; dist_info: its name, and its entries without RECORD."""
    name, metadata = dist_info
    content = sorted(entries, key=lambda e: e.name) + list(metadata)
    content.append(record_of(content, name + "/RECORD"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in content:
            info = zipfile.ZipInfo(entry.name, time.gmtime(moment())[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, or the mode means nothing
            info.external_attr = (0o100000 | entry.mode) << 16
            archive.writestr(info, entry.data)


def write_sdist(path, entries, folder):
    with open(path, "wb") as raw, \
            gzip.GzipFile("", "wb", fileobj=raw, mtime=moment()) as packed, \
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in sorted(entries, key=lambda e: e.name):
            info = tarfile.TarInfo(folder + "/" + entry.name)
            info.size, info.mtime, info.mode = len(entry.data), moment(), entry.mode
            archive.addfile(info, io.BytesIO(entry.data))
