#!/usr/bin/python3
"""Holds tests/behaviours.txt and the tests of both languages together: every test that
the list names exists and runs, every test of tests/python and tests/lua stands on a line,
and what one language lacks has a reason.

  tests/lint/behaviours.py            says what is wrong; exit status 1 if anything is
  tests/lint/behaviours.py --count    how many behaviours there are, and where
"""

import ast
import os
import re
import sys

from generated import TOP, read

LIST = os.path.join("tests", "behaviours.txt")
LANGUAGES = ("Python", "Lua")
# An it() whose name is made in a loop ends where the name is still known.
IT = re.compile(r'^\s*it\(\s*"((?:[^"\\]|\\.)*)"', re.MULTILINE)
# Words for a test that is there and doesn't run.
NOT_RUN = re.compile(r'^\s*(?:pending|xit)\(|pytest\.mark\.(?:skip|xfail)\b'
                     r'|@unittest\.skip', re.MULTILINE)


def key(words):
    """A name without what differs between a function's name and a sentence."""
    return re.sub(r"[^a-z0-9]+", "_", words.lower().replace("'", "")).strip("_")


def python_tests(text):
    for node in ast.parse(text).body:
        if (isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
                and node.name.startswith("test_")):
            yield node.name[len("test_"):]


def lua_tests(text):
    return (m.group(1) for m in IT.finditer(text))


KINDS = ((os.path.join("tests", "python"), re.compile(r"test_(\w+)\.py"), python_tests),
         (os.path.join("tests", "lua"), re.compile(r"(\w+)_spec\.lua"), lua_tests))


def tests_of(root, language):
    """{file: {key: name}}, and what is wrong there already."""
    folder, pattern, names = KINDS[language]
    found, wrong = {}, []
    for file in sorted(os.listdir(os.path.join(root, folder))):
        match = pattern.fullmatch(file)
        if match is None:
            continue
        text = read(os.path.join(root, folder, file))
        of_file = found[match.group(1)] = {}
        for name in names(text):
            if key(name) in of_file:
                wrong.append("%s/%s: two tests are called %r" % (folder, file, name))
            of_file[key(name)] = name
        if NOT_RUN.search(text):
            wrong.append("%s/%s: a test that never runs shows nothing" % (folder, file))
    return found, wrong


def rows(text):
    """(number, group, cells) of each line that has some."""
    group = None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("== "):
            group = line[len("== "):]
        elif line.strip() and not line.startswith("#"):
            yield number, group, [cell.strip() for cell in line.split(" | ")]


def check_place(place, behaviour, tests, used):
    """What is wrong with `file`, `file: name` or `file: *`; "" if nothing is."""
    file, _, name = place.partition(":")
    if file not in tests:
        return "there is no file %r" % file
    if name.strip() == "*":
        used.update((file, k) for k in tests[file])
        return ""
    wanted = key(name or behaviour)
    if wanted not in tests[file]:
        return "no test of %s is called %r" % (file, (name or behaviour).strip())
    used.add((file, wanted))
    return ""


def check_row(cells, tests, used):
    if len(cells) != 3 or not all(cells):
        yield "a behaviour, its place in Python and its place in Lua are wanted"
        return
    behaviour, places = cells[0], cells[1:]
    if all(place.startswith("-") for place in places):
        yield "nobody shows it"
    for language, place in enumerate(places):
        if place.startswith("-"):
            if not re.fullmatch(r"- \S.*", place):
                yield "%s: a reason is wanted" % LANGUAGES[language]
            continue
        for one in place.split(" + "):
            wrong = check_place(one, behaviour, tests[language], used[language])
            if wrong:
                yield "%s: %s" % (LANGUAGES[language], wrong)


def check(root):
    """All that is wrong, as sentences."""
    tests, wrong = [], []
    for language in range(len(LANGUAGES)):
        found, problems = tests_of(root, language)
        tests.append(found)
        wrong += problems
    used, seen = (set(), set()), set()
    for number, group, cells in rows(read(os.path.join(root, LIST))):
        where = "%s:%d: %s: " % (LIST, number, cells[0])
        wrong += [where + what for what in check_row(cells, tests, used)]
        if (group, cells[0]) in seen:
            wrong.append(where + "is on the list twice")
        seen.add((group, cells[0]))
    for language, found in enumerate(tests):
        for file, names in found.items():
            wrong += ["%s: %s: %r stands on no line of %s"
                      % (LANGUAGES[language], file, name, LIST)
                      for k, name in names.items() if (file, k) not in used[language]]
    return wrong


def count(root):
    both = one = 0
    for _, _, (_, *places) in rows(read(os.path.join(root, LIST))):
        if any(place.startswith("-") for place in places):
            one += 1
        else:
            both += 1
    return "%d behaviours of both languages, %d of one, with the reason" % (both, one)


if __name__ == "__main__":
    if sys.argv[1:] == ["--count"]:
        print(count(TOP))
    else:
        found = check(TOP)
        print("\n".join(found), file=sys.stderr)
        sys.exit(1 if found else 0)
