#!/usr/bin/python3
"""Holds tests/errors.txt and the public headers together: each error that a header says a
function returns, or tells by a RESULT, has a line there, with the test that shows it; the
test exists and names both; and neither a line nor a test is of an error that no header
promises.

  tests/lint/errors_shown.py            says what is wrong; exit status 1 if anything is
  tests/lint/errors_shown.py --count    how many there are, and by what they are shown
  tests/lint/errors_shown.py --pairs    all of them, by the headers
"""

import os
import re
import sys

from generated import TOP, read

sys.path.insert(0, os.path.join(TOP, "docs", "_site"))

import reference  # noqa: E402  (of docs/_site)

LIST = os.path.join("tests", "errors.txt")
HEADERS = os.path.join("capi", "include", "fanwire")
FOLDERS = ("unit", "integration")
ERROR = re.compile(r"\bFW_ERR_([A-Z_]+)\b")
# What a function shares with another: "as fw_room_publish; FW_ERR_INVALID for ref 0".
AS = re.compile(r"\b[Aa]s (fw_\w+)")
# Of a call on a hub that can fail, by the head of hub.h.
ON_A_HUB = re.compile(r"\((?:struct )?fw_hub \*hub\b")
NAMES = re.findall(r"^    XX\((\w+), -", read(os.path.join(TOP, HEADERS, "error.h")),
                   re.MULTILINE)
ANY_ERROR = re.compile(r"\b(?:FW_ERR_)?(?:%s)\b" % "|".join(NAMES))
# Another function of the library, but for those that say what an error is.
A_CALL = re.compile(r"\bfw_(?!err_name|error_detail|strerror)\w+\(")
INJECTED = {"MEMORY", "SYSTEM"}  # the only ones that inject.* may be the proof of


# --- what the headers promise ---

class Promises:
    """What one header's comment says of one function."""

    def __init__(self, declaration, comment):
        self.text, tags = reference.sections(comment)
        self.returns = [said for tag, said in tags if tag == "return"]
        self.others = [said for tag, said in tags if tag == "param"]
        self.is_void = declaration.startswith("FW_API void fw_")
        self.own = set(ERROR.findall(" ".join(self.returns)))
        self.like = AS.findall(" ".join(self.returns))
        self.on_a_hub = ON_A_HUB.search(declaration) is not None

    def told(self):
        """Errors that a RESULT brings later."""
        return {name for part in [self.text, *self.others] if "RESULT" in part
                for name in ERROR.findall(part)}


def functions(root):
    """{name: Promises} of all public headers."""
    found = {}
    folder = os.path.join(root, HEADERS)
    for file in sorted(os.listdir(folder)):
        for comment, declaration in reference.items(read(os.path.join(folder, file))):
            if declaration.startswith("FW_API"):
                name = reference.name_of(declaration)
                found[name] = Promises(declaration, comment)
    return found


def returned(all_of_them, name, seen=()):
    """What a function may return, and what those may that it is like."""
    promises = all_of_them[name]
    errors = set(promises.own)
    for other in promises.like:
        if other in all_of_them and other not in seen:
            errors |= returned(all_of_them, other, (*seen, name))
    if errors and promises.on_a_hub:
        errors.add("FORKED")
    return errors


def pairs(root):
    """["fw_name ERROR", "fw_name RESULT ERROR" ...], and what is wrong in the headers."""
    known = functions(root)
    found, wrong = [], []
    for name, promises in known.items():
        if not promises.is_void and not promises.returns:
            wrong.append("%s: its header doesn't say what it returns" % name)
        found += ["%s %s" % (name, error) for error in sorted(returned(known, name))]
        found += ["%s RESULT %s" % (name, error) for error in sorted(promises.told())]
    return found, wrong


# --- what the tests are made of ---

def bare(code):
    """C without comments and strings."""
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'',
                  lambda m: '""' if m.group()[0] == '"' else " ", code, flags=re.S)


def rows_of(text):
    """The innermost things in braces of a table."""
    return re.findall(r"\{[^{}]*\}", text)


def split_macro(text):
    """What stands behind a macro's name; of a list for another macro each call of that,
    by its parameter."""
    head = re.match(r"#define \w+(?:\((\w+)\)(?=\s))?", text)
    calls = head.group(1) and re.split(r"(?=\b%s\()" % head.group(1), text[head.end():])
    if calls and len(calls) > 2:
        return calls[1:], True
    return [text], False


def statements(text):
    """Each, with the one behind it where that says what the first has only kept:
    `int err = fw_hub_start(hub);` and what err must be."""
    parts = text.split(";")
    for part, behind in zip(parts, parts[1:] + [""]):
        kept = (re.search(r"\w = ", part) and not ANY_ERROR.search(part)
                and not A_CALL.search(behind))
        yield part + behind if kept else part


class Source:
    """A file of tests: {name: body}, and what the bodies may use."""

    def __init__(self, text):
        self.written = self.tests_in(text)
        text = bare(text)
        self.tests = self.tests_in(text)
        text = re.sub(r"^START_TEST.*?^END_TEST[^\n]*\n", "", text, flags=re.S | re.M)
        self.things = {}  # name: [(text, is it a row of a table?)]
        for m in re.finditer(r"^#define (\w+)(?:[^\n]*\\\n)*[^\n]*", text, re.M):
            parts, rows = split_macro(m.group())
            self.things[m.group(1)] = [(part, rows) for part in parts]
        text = re.sub(r"^#(?:[^\n]*\\\n)*[^\n]*\n", "", text, flags=re.M)
        for thing in self.top_level(text):
            self.add(thing)

    @staticmethod
    def tests_in(text):
        return {m.group(1): m.group(2) for m in re.finditer(
            r"^START_TEST\((\w+)\)\n(.*?)^END_TEST", text, re.S | re.M)}

    @staticmethod
    def top_level(text):
        depth = begin = 0
        for m in re.finditer(r"[{}();]", text):
            depth += {"{": 1, "(": 1, "}": -1, ")": -1}.get(m.group(), 0)
            ends = m.group() == ";" or (m.group() == "}" and text[m.end():][:1] == "\n")
            if depth == 0 and ends:
                yield text[begin:m.end()]
                begin = m.end()

    def add(self, thing):
        flat = thing
        while "{" in flat:
            flat, n = re.subn(r"\{[^{}]*\}", " ", flat)
            if n == 0:
                return
        table = re.search(r"(\w+)(?:\[[^\]]*\])*\s*=", flat)
        function = re.search(r"(\w+)\(", flat)
        if table:
            rows = rows_of(thing[thing.index("="):])
            self.things[table.group(1)] = ([(row, True) for row in rows]
                                           or [(thing, False)])
        elif function and not flat.rstrip().endswith(";"):
            self.things[function.group(1)] = [(thing, False)]

    def reached(self, test):
        """The test's body and all of this file that it leads to."""
        found, waiting, seen = [(self.tests[test], False)], [self.tests[test]], set()
        while waiting:
            for name in re.findall(r"\w+", waiting.pop()):
                if name in self.things and name not in seen:
                    seen.add(name)
                    found += self.things[name]
                    waiting += [text for text, _ in self.things[name]]
        return found

    def all_texts(self):
        """Each statement, and each row of a table."""
        for body in self.tests.values():
            yield from body.split(";")
        for things in self.things.values():
            for text, is_row in things:
                yield from [text] if is_row else text.split(";")

    def tells(self, test, error):
        """What a RESULT has may stand in a line that is compared; what asked for it is
        called otherwise inside."""
        named = re.search(r"\bFW_ERR_%s\b" % error, self.written[test])
        return "" if named else "%s doesn't name FW_ERR_%s" % (test, error)

    def shows(self, test, function, error):
        """What is lacking; "" if nothing is."""
        full = re.compile(r"\bFW_ERR_%s\b" % error)
        short = re.compile(r"\b%s\b" % error)
        asked = full.search(self.tests[test])
        calling = False
        for text, is_row in self.reached(test):
            for unit in [text] if is_row else statements(text):
                named = re.search(r"\b%s\b" % function, unit)
                calling = calling or named
                # A row may say by a short name in which of several tests it takes part.
                if named and (full.search(unit)
                              or (short.search(unit) and (asked or not is_row))):
                    return ""
        if not calling:
            return "%s doesn't name %s" % (test, function)
        return "%s doesn't ask it for FW_ERR_%s" % (test, error)


# --- the list ---

def lines(text):
    """(number, pair, how it is shown) of each line that has something."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            pair, _, shown = line.partition("|")
            yield number, " ".join(pair.split()), shown.strip()


class Tests:
    """The files of tests, each read once."""

    def __init__(self, root):
        self.root, self.sources = root, {}
        self.injected = set()
        for m in re.finditer(r"foreach\(kind ([\w ]+)\)\n\s*fw_add_test\(inject\.",
                             read(os.path.join(root, "tests", "CMakeLists.txt"))):
            self.injected |= {"inject." + kind for kind in m.group(1).split()}

    def source(self, file):
        if file not in self.sources:
            folder, _, name = file.partition("/")
            path = os.path.join(self.root, "tests", folder, "test_%s.c" % name)
            known = folder in FOLDERS and os.path.exists(path)
            self.sources[file] = Source(read(path)) if known else None
        return self.sources[file]

    def wrong_with(self, place, pair):
        """What is wrong with `FOLDER/FILE: TEST` or `inject.KIND` as the proof."""
        function, *told, error = pair.split()
        if place in self.injected:
            return "" if error in INJECTED else "%s can't show that" % place
        file, _, test = place.partition(": ")
        source = self.source(file)
        if source is None:
            return "there is no file %r" % file
        if test not in source.tests:
            return "no test of %s is called %r" % (file, test)
        return source.tells(test, error) if told else source.shows(test, function, error)


def unpromised(root, tests):
    """Errors that a test wants of a function by one statement, and no header knows."""
    known = functions(root)
    can = {name: returned(known, name) for name in known}
    for folder in FOLDERS:
        path = os.path.join(root, "tests", folder)
        for file in sorted(os.listdir(path)) if os.path.isdir(path) else ():
            match = re.fullmatch(r"test_(\w+)\.c", file)
            source = match and tests.source("%s/%s" % (folder, match.group(1)))
            for text in source.all_texts() if source else ():
                called = {name for name in re.findall(r"\b(fw_\w+)\(", text)
                          if can.get(name)}
                if len(called) == 1:
                    name = called.pop()
                    for error in sorted(set(ERROR.findall(text)) - can[name]):
                        yield ("tests/%s/%s: %s is to give FW_ERR_%s, which its header "
                               "doesn't promise" % (folder, file, name, error))


def check_line(tests, pair, shown):
    if shown.startswith("-"):
        if not re.fullmatch(r"- \S.*", shown):
            yield "a reason is wanted"
        return
    if not shown:
        yield "nothing shows it"
        return
    for place in shown.split(" + "):
        wrong = tests.wrong_with(place, pair)
        if wrong:
            yield wrong


def check(root):
    """All that is wrong, as sentences."""
    promised, wrong = pairs(root)
    tests, seen = Tests(root), set()
    for number, pair, shown in lines(read(os.path.join(root, LIST))):
        where = "%s:%d: %s: " % (LIST, number, pair)
        if pair not in promised:
            wrong.append(where + "no header promises it")
        elif pair in seen:
            wrong.append(where + "is on the list twice")
        else:
            wrong += [where + what for what in check_line(tests, pair, shown)]
        seen.add(pair)
    wrong += unpromised(root, tests)
    return wrong + ["%s: %s stands on no line" % (LIST, pair)
                    for pair in promised if pair not in seen]


def count(root):
    kinds = {"test": 0, "inject": 0, "reason": 0}
    for _, _, shown in lines(read(os.path.join(root, LIST))):
        kinds["reason" if shown.startswith("-") else
              "inject" if shown.startswith("inject.") else "test"] += 1
    return ("%(test)d errors shown by tests, %(inject)d by inject.*, %(reason)d by "
            "nothing, with the reason" % kinds)


def main(arguments):
    if arguments == ["--count"]:
        print(count(TOP))
    elif arguments == ["--pairs"]:
        print("\n".join(pairs(TOP)[0]))
    else:
        found = check(TOP)
        print("\n".join(found), file=sys.stderr)
        return 1 if found else 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
