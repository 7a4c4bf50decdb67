"""What pyproject.toml says, and the files of metadata that are made from it.

fw_build asks for them. It reads the little TOML that our pyproject.toml uses (tables;
strings, and lists of strings) and doesn't know how archives are made.
"""

import ast
import os
import re

METADATA_VERSION = "2.1"


def read_pyproject(path):
    """{table: {key: value}}. A value that this can't read is an error, never ignored."""
    tables, table, pending = {}, None, ""
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            line = line.strip()
            if not pending:
                if not line or line.startswith("#"):
                    continue
                if line.startswith("["):
                    table = tables.setdefault(line.strip("[]"), {})
                    continue
            pending += line
            key, _, value = pending.partition("=")
            if value.lstrip().startswith("[") and not value.endswith("]"):
                continue  # a list of several lines
            pending = ""
            try:
                table[key.strip()] = ast.literal_eval(value.strip())
            except (SyntaxError, ValueError, TypeError):
                raise SystemExit("fanwire: %s:%d: more TOML than this reads"
                                 % (path, number))
    return tables


class Project:
    """The package: its names, and its metadata as bytes."""

    def __init__(self, here, top):
        self.here, self.top = here, top
        self.tables = read_pyproject(os.path.join(here, "pyproject.toml"))
        self.fields = self.tables["project"]
        self.name = self.fields["name"]
        self.version = self._version()
        self.full_name = "%s-%s" % (self.name, self.version)

    def _version(self):
        """The one that CMake's project has."""
        with open(os.path.join(self.top, "CMakeLists.txt"), encoding="utf-8") as f:
            found = re.search(r"project\(fanwire VERSION ([\d.]+)", f.read())
        return found.group(1)

    def license_path(self):
        """Beside pyproject.toml in an sdist, at the top of the repository else."""
        own = os.path.join(self.here, "LICENSE")
        return own if os.path.exists(own) else os.path.join(self.top, "LICENSE")

    def metadata(self):
        fields = self.fields
        lines = [
            "Metadata-Version: " + METADATA_VERSION,
            "Name: " + self.name,
            "Version: " + self.version,
            "Summary: " + fields["description"],
            "Keywords: " + ",".join(fields["keywords"]),
            "License: " + self.tables["project.license"]["text"],
            "License-File: LICENSE",
            "Platform: linux",
            "Requires-Python: " + fields["requires-python"],
            "Description-Content-Type: text/markdown; charset=UTF-8",
        ]
        lines += ["Classifier: " + c for c in fields["classifiers"]]
        with open(os.path.join(self.here, fields["readme"]), encoding="utf-8") as f:
            return ("\n".join(lines) + "\n\n" + f.read()).encode()

    def entry_points(self):
        lines = ["%s = %s\n" % item for item in self.tables["project.scripts"].items()]
        return ("[console_scripts]\n" + "".join(lines)).encode()

    def wheel(self, tag):
        return ("Wheel-Version: 1.0\nGenerator: fanwire (fw_build %s)\n"
                "Root-Is-Purelib: false\nTag: %s\n" % (self.version, tag)).encode()

    def dist_info(self, tag):
        """(name below dist-info, bytes) of each file but RECORD."""
        with open(self.license_path(), "rb") as f:
            license_text = f.read()
        return [("METADATA", self.metadata()), ("WHEEL", self.wheel(tag)),
                ("entry_points.txt", self.entry_points()), ("LICENSE", license_text)]
