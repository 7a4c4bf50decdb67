#!/usr/bin/python3
"""Shows that the gate of check_abi.py closes: plants changes, one after the other, into
the stored picture of the binary interface, and has each compared with what is stored.

  tests/abi/check_planted.py

An unchanged picture must pass, each of the others must not, and a function that is gone
must be called incompatible. Exit status 1 if one slips through.
"""

import os
import sys
import tempfile
import xml.etree.ElementTree as tree

from check_abi import BASELINE, verdict


def find(root, kind, name):
    return next(e for e in root.iter(kind) if e.get("name") == name)


def parent_of(root, child):
    return next(e for e in root.iter() if child in list(e))


def nothing(root):
    pass


def take_away_a_function(root):
    for kind in ("elf-symbol", "function-decl"):
        element = find(root, kind, "fw_room_publish")
        parent_of(root, element).remove(element)


def add_a_function(root):
    symbols = parent_of(root, find(root, "elf-symbol", "fw_version"))
    tree.SubElement(symbols, "elf-symbol", dict(
        find(root, "elf-symbol", "fw_version").attrib, name="fw_version_of_the_moon"))


def take_away_a_parameter(root):
    function = find(root, "function-decl", "fw_room_publish")
    function.remove(function.findall("parameter")[-1])


def change_the_type_of_a_parameter(root):
    parameters = find(root, "function-decl", "fw_room_publish").findall("parameter")
    parameters[1].set("type-id", parameters[3].get("type-id"))


def return_something_else(root):
    function = find(root, "function-decl", "fw_room_publish")
    other = function.findall("parameter")[3].get("type-id")
    function.find("return").set("type-id", other)


def let_a_public_structure_grow(root):
    session = find(root, "class-decl", "fw_session_id")
    session.set("size-in-bits", "192")
    member = tree.SubElement(session, "data-member",
                             {"access": "public", "layout-offset-in-bits": "128"})
    local = find(session, "var-decl", "local")
    tree.SubElement(member, "var-decl", dict(local.attrib, name="more"))


def give_a_number_to_something_else(root):
    find(root, "enumerator", "FW_EVENT_OPEN").set("value", "77")


BREAKS, SHOWS = "incompatible", "changed"
PLANTED = [
    (nothing, None),
    (take_away_a_function, BREAKS),
    (add_a_function, SHOWS),
    (take_away_a_parameter, SHOWS),
    (change_the_type_of_a_parameter, SHOWS),
    (return_something_else, SHOWS),
    (let_a_public_structure_grow, SHOWS),
    (give_a_number_to_something_else, SHOWS),
]


def is_as_wanted(said, wanted):
    if wanted is None:
        return said is None
    # What is called incompatible is at least shown, too.
    return said is not None and said.startswith((BREAKS, wanted))


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for plant, wanted in PLANTED:
            picture = tree.parse(BASELINE)
            plant(picture.getroot())
            path = os.path.join(folder, "planted.abi")
            picture.write(path)
            said = verdict(BASELINE, path)
            good = is_as_wanted(said, wanted)
            failed += not good
            print("%s: %s: %s" % (plant.__name__, "as wanted" if good else "WRONG",
                                  said or "nothing to see"), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
