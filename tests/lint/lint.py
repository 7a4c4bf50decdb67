#!/usr/bin/python3
"""Holds the code to its rules, with exit status 1 and a line for each breach.

  tests/lint/lint.py                 everything
  tests/lint/lint.py layers sizes    some: layers, names, sizes, heads, format,
                                     python, lua
  tests/lint/lint.py --root DIR      another tree (test_lint.py uses that)

The rules are data, below: who may include whom, whose library is whose, how long things
may be. To allow something new, change a table, and say why in the commit.
"""

import argparse
import ast
import fnmatch
import os
import re
import shutil
import subprocess
import sys

# --- the tables ---

# layer: the layers whose headers it may include, and single headers of others. Includes
# are written from capi/src, so the include line itself shows the border crossed.
LAYERS = {
    "base": [],
    "wire": ["base"],
    "core": ["base", "wire"],
    "io": ["base", "core/loop.h", "core/error.h"],
    "backplane": ["base", "wire", "core/backplane.h", "core/message.h", "core/loop.h",
                  "core/error.h"],
    "transport": ["base", "wire", "core/transport.h", "core/loop.h", "core/session.h",
                  "core/facts.h", "core/error.h"],
    "http": ["base", "wire", "core"],
    "api": ["base", "wire", "core", "io", "backplane", "transport", "http"],
}
# Layers that may use the public headers: those at and above core.
KNOWS_FANWIRE = {"core", "io", "backplane", "transport", "http", "api"}

# Headers of libraries (a pattern of the include line): the layers that may name them.
LIBRARIES = {
    "libwebsockets*": {"transport"},
    "hiredis/*": {"backplane"},
    "uv.h": {"io"},
    "uv/*": {"io"},
    "openssl/*": {"io", "wire", "backplane"},  # the emitter's blocking TLS
    "http_parser.h": {"wire"},
    "zlib.h": {"wire"},
    "llhttp.h": {"wire"},
    "uthash.h": {"base"},
    "ini.h": {"core"},
}
# Their identifiers, looked for in code without comments and strings.
IDENTIFIERS = (
    (re.compile(r"\b(?:lws_|LWS_)\w+"), "transport"),
    (re.compile(r"\b(?:redisReader|redisAsync|redisContext|redisReply|redisFormat|"
                r"freeReplyObject|REDIS_REPLY_|REDIS_OK|REDIS_ERR)\w*"), "backplane"),
    (re.compile(r"\b(?:uv_|UV_)\w+"), "io"),
)

# What the C library and the kernel offer; anything else in <> must be in a table above.
LIBC = set("""assert.h complex.h ctype.h dirent.h dlfcn.h endian.h errno.h fcntl.h float.h
    getopt.h grp.h inttypes.h iso646.h langinfo.h libgen.h limits.h link.h locale.h
    malloc.h math.h netdb.h poll.h pthread.h pwd.h sched.h semaphore.h setjmp.h signal.h
    stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h
    strings.h sys/epoll.h sys/eventfd.h sys/file.h sys/ioctl.h sys/mman.h sys/param.h
    sys/random.h sys/resource.h sys/select.h sys/signalfd.h sys/socket.h sys/stat.h
    sys/syscall.h sys/time.h sys/timerfd.h sys/types.h sys/uio.h sys/un.h sys/utsname.h
    sys/wait.h syslog.h termios.h threads.h time.h uchar.h unistd.h wchar.h netinet/in.h
    netinet/tcp.h arpa/inet.h net/if.h linux/sockios.h linux/tcp.h
    sanitizer/asan_interface.h sanitizer/lsan_interface.h""".split())

# Folders whose code stands outside: of ours the public header and nothing of the inside,
# of others libc and what is listed here.
OUTSIDE = {
    "capi/server": ("curl/curl.h",),
    "capi/bench": ("openssl/err.h", "openssl/ssl.h", "zlib.h"),
    "docs/examples": ("jansson.h",),
    "bindings": ("Python.h", "lua.h", "lauxlib.h", "lualib.h"),
}
C_TREES = ("capi", "tests", "docs/examples", "bindings")
PYTHON_TREES = ("tests", "python", "docs/examples", "docs/_site")
LUA_TREES = ("lua", "tests", "docs/examples", "bindings")
SKIPPED = {"node_modules", "build", "__pycache__", ".git", "corpus"}

# Python, what it may import beside the standard library; the longest folder that fits
# holds. A name stands for what is below it, too, but for fanwire: fanwire.native is
# another thing than fanwire.
PYTHON_IMPORTS = {
    "python": (),                # the build backend has nothing: no index is asked
    "python/fanwire": ("fanwire",),
    "docs/examples": ("fanwire", "django", "flask", "starlette", "uvicorn"),
    "docs/_site": (),            # mkdocs and graphviz are programs
    "tests": ("pytest", "websockets", "redis"),
    "tests/docs": ("pytest", "build", "pictures", "reference"),
    "tests/lint": ("pytest", "reference"),
    "tests/python": ("pytest", "websockets", "fanwire", "fanwire.native"),
    "tests/packaging": ("pytest", "fanwire", "websockets"),
    "tests/bench": ("websockets", "fanwire", "fanwire.native"),
    "tests/soak": ("pytest", "websockets", "fanwire"),
}
# Within the package: which modules of it a module may import when it is imported. The
# package itself, `import fanwire`, is for applications and for what starts them.
PACKAGE = "python/fanwire"
ANY = "any"
PACKAGE_LAYERS = {
    "__init__": ANY,
    "_missing": {"_build"},
    "_errors": {"native"},
    "_answer": {"_errors"},
    "_data": {"native", "_errors"},
    "_options": {"native", "_errors"},
    "_log": {"native", "_errors"},
    "_handlers": {"native", "_errors"},
    "_request": {"native", "_errors"},
    "_history": set(),
    "_presence": set(),
    "_session": {"native", "_errors", "_answer", "_data", "_history", "_request"},
    "_room": {"native", "_errors", "_answer", "_data", "_history", "_presence"},
    "_lanes": {"native", "_errors"},
    "_verdict": {"native", "_errors", "_data", "_log", "_request"},
    "_dispatch": {"native", "_errors", "_answer", "_log", "_handlers", "_history",
                  "_presence", "_request", "_session", "_lanes", "_verdict"},
    "_life": {"native", "_errors", "_dispatch", "_handlers", "_log", "_options"},
    "_signals": set(),
    "_hub": {"native", "_errors", "_answer", "_data", "_handlers", "_history", "_life",
             "_log", "_options", "_presence", "_room", "_session", "_signals"},
    "_emitter": {"native", "_errors", "_data", "_options"},
    "_runlog": set(),
    "_workers": {"fanwire", "_options", "_runlog"},
    "_run": {"fanwire", "_hub", "_runlog", "_signals", "_workers"},
    "__main__": {"_run"},
}

# Which modules a module of the Lua package may require: of ours by their name, the others
# as they are required. The package itself, init, is for applications and for what is made
# of it. Downwards only: a row names rows above it.
LUA_PACKAGE = "lua/fanwire"
LUA_LAYERS = {
    "check": set(),
    "queue": set(),
    "call": {"check"},
    "lanes": {"check"},
    "log": {"check", "native"},
    "handlers": {"check", "native"},
    "options": {"check", "native"},
    "request": {"check", "native"},
    "data": {"check", "native"},
    "session": {"check", "data", "native", "request"},
    "verdict": {"check", "data", "native", "request"},
    "presence": {"check", "native"},
    "dispatch": {"call", "handlers", "lanes", "native", "presence", "queue", "request",
                 "session", "verdict"},
    "history": {"check", "data", "native"},
    "named": {"check", "data", "history", "native", "presence"},
    "hub": {"check", "data", "dispatch", "handlers", "history", "log", "named", "native",
            "options", "presence", "session"},
    "emitter": {"check", "data", "native", "options"},
    "init": {"check", "data", "emitter", "hub", "native", "options", "request", "cjson"},
    "resty_wait": {"ngx.semaphore"},
    "resty_crew": {"check", "native", "ngx.semaphore", "queue", "resty_wait"},
    "resty_attach": {"check", "native", "ngx.semaphore", "queue", "resty_wait"},
    "resty": {"call", "check", "hub", "init", "native", "options", "resty_attach",
              "resty_crew", "resty_wait"},
}

MOST_COLUMNS = 90          # of a line of Python or Lua; clang-format sees to C
MOST_LINES = 600           # of a file: past that a second reason to change has moved in
MOST_FUNCTION_LINES = 80   # of a function, its braces included
LEAST_HEAD, MOST_HEAD = 3, 25  # lines of the comment that a file begins with


# --- reading ---

def files(root, trees, endings):
    for tree in trees:
        for folder, names, found in os.walk(os.path.join(root, tree)):
            names[:] = sorted(n for n in names if n not in SKIPPED)
            for name in sorted(found):
                if name.endswith(endings):
                    yield os.path.relpath(os.path.join(folder, name), root)


def text_of(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as f:
        return f.read()


def code_only(text):
    """Comments and strings blanked, lines kept."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'',
                         re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def includes(text):
    for number, line in enumerate(text.splitlines(), 1):
        m = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if m:
            yield number, m.group(1) == "<", m.group(2)


def layer_of(path):
    m = re.match(r"capi/src/(\w+)/", path)
    return m.group(1) if m else None


# --- the checks: each yields "file:line: what is wrong" ---

def library_of(name):
    for pattern, layers in LIBRARIES.items():
        if fnmatch.fnmatch(name, pattern):
            return pattern, layers
    return None, None


def check_angle(layer, name):
    """What is wrong with <name> in this layer; None if nothing is."""
    if name in LIBC:
        return None
    if name.startswith("fanwire/"):
        return None if layer in KNOWS_FANWIRE else "%s doesn't know <%s>" % (layer, name)
    pattern, layers = library_of(name)
    if pattern is None:
        return "<%s> is in no table of tests/lint/lint.py" % name
    if layer not in layers:
        owners = " and ".join(sorted(layers))
        return "<%s> belongs to %s, not to %s" % (name, owners, layer)
    return None


def check_layers(root):
    for path in files(root, ("capi/src",), (".c", ".h")):
        layer = layer_of(path)
        if layer not in LAYERS:
            yield "%s:1: the folder is no layer" % path
            continue
        for number, angle, name in includes(text_of(root, path)):
            if angle:
                wrong = check_angle(layer, name)
            elif "/" not in name:
                wrong = "\"%s\" isn't written from capi/src" % name
            else:
                other = name.split("/")[0]
                allowed = {layer, *LAYERS[layer]}
                wrong = None
                if not {other, name} & allowed:
                    wrong = "%s may not include \"%s\"" % (layer, name)
            if wrong:
                yield "%s:%d: %s" % (path, number, wrong)
    yield from check_outside(root)
    yield from check_public(root)


def check_outside(root):
    beside = re.compile(r"[\w.-]+\.h")
    for tree, libraries in OUTSIDE.items():
        allowed = LIBC | {"fanwire/fanwire.h"} | set(libraries)
        for path in files(root, (tree,), (".c", ".h", ".cc")):
            for number, angle, name in includes(text_of(root, path)):
                if not (name in allowed if angle else beside.fullmatch(name)):
                    yield "%s:%d: only <fanwire/fanwire.h> here, not %s" % (path, number,
                                                                          name)


def check_public(root):
    for path in files(root, ("capi/include",), (".h",)):
        for number, angle, name in includes(text_of(root, path)):
            if not angle or not (name.startswith("fanwire/")
                                 or name in ("stddef.h", "stdint.h")):
                yield "%s:%d: a public header may not include %s" % (path, number, name)


def check_names(root):
    for path in files(root, ("capi/src", "capi/include", "capi/server", "capi/bench",
                             "docs/examples"),
                      (".c", ".h")):
        for number, line in enumerate(code_only(text_of(root, path)).splitlines(), 1):
            if line.lstrip().startswith("#include"):
                continue
            for pattern, owner in IDENTIFIERS:
                m = pattern.search(line)
                if m and layer_of(path) != owner:
                    yield "%s:%d: %s is named in src/%s only" % (path, number, m.group(),
                                                                 owner)


def function_lengths(text):
    """(line, name, length) of each function: its brace stands alone in column 0."""
    lines = code_only(text).splitlines()
    begin = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{" and begin is None:
            begin = number
        elif line.startswith("}") and begin is not None:
            head = " ".join(lines[max(0, begin - 5):begin - 1])
            names = re.findall(r"(\w+)\s*\(", head)
            yield begin, names[-1] if names else "?", number - begin + 1
            begin = None


def check_sizes(root):
    for path in files(root, C_TREES, (".c", ".h", ".cc")):
        text = text_of(root, path)
        count = text.count("\n")
        if count > MOST_LINES:
            yield "%s:1: %d lines, at most %d" % (path, count, MOST_LINES)
        for line, name, length in function_lengths(text):
            if length > MOST_FUNCTION_LINES:
                yield "%s:%d: %s has %d lines, at most %d" % (path, line, name, length,
                                                              MOST_FUNCTION_LINES)
    for path in (*files(root, PYTHON_TREES, (".py",)),
                 *files(root, LUA_TREES, (".lua",))):
        count = text_of(root, path).count("\n")
        if count > MOST_LINES:
            yield "%s:1: %d lines, at most %d" % (path, count, MOST_LINES)


def check_heads(root):
    for path in files(root, C_TREES, (".c", ".h", ".cc")):
        text = text_of(root, path)
        end = text.find("*/")
        if not text.startswith("/*") or end < 0:
            yield "%s:1: begins with no comment that says what it is" % path
            continue
        length = text.count("\n", 0, end) + 1
        if not LEAST_HEAD <= length <= MOST_HEAD:
            yield "%s:1: the head comment has %d lines, %d to %d are asked for" % (
                path, length, LEAST_HEAD, MOST_HEAD)
    for path in files(root, PYTHON_TREES, (".py",)):
        if not re.match(r'(#![^\n]*\n)?"""', text_of(root, path)):
            yield "%s:1: begins with no docstring that says what it is" % path


def check_format(root):
    program = shutil.which("clang-format-14") or shutil.which("clang-format")
    if program is None:
        yield ".clang-format:1: clang-format isn't installed"
        return
    version = subprocess.run([program, "--version"], capture_output=True,
                             text=True).stdout
    if not re.search(r"version 14\.", version):
        # Versions differ in small things; the one of Debian 12 is who decides.
        print("format: not looked at, for want of clang-format 14: " + version.strip())
        return
    paths = list(files(root, C_TREES, (".c", ".h")))
    for begin in range(0, len(paths), 50):
        done = subprocess.run([program, "--dry-run", "-Werror"] + paths[begin:begin + 50],
                              cwd=root, capture_output=True, text=True)
        seen = set()
        for m in re.finditer(r"^([^\s:]+):(\d+):\d+: error: (.*)$", done.stderr, re.M):
            if m.group(1) not in seen:  # the first place of a file is enough
                seen.add(m.group(1))
                yield "%s:%s: %s" % m.groups()
        if done.returncode != 0 and not seen:
            yield ".clang-format:1: " + done.stderr.strip()[:300]


def check_columns(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > MOST_COLUMNS:
            yield "%s:%d: %d columns, at most %d" % (path, number, len(line),
                                                     MOST_COLUMNS)


def inside_of_fanwire(name):
    """Is fanwire.NAME no name of the package's public face, but a module of it?"""
    return name == "native" or (name.startswith("_") and not name.startswith("__"))


def named_modules(tree):
    """(line, module) of each import of an absolute name, and of each `fanwire.native`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            inside = [a.name for a in node.names if inside_of_fanwire(a.name)]
            if node.module == "fanwire" and inside:
                for name in inside:
                    yield node.lineno, "fanwire." + name
            else:
                yield node.lineno, node.module
        elif isinstance(node, ast.Attribute) and inside_of_fanwire(node.attr):
            if isinstance(node.value, ast.Name) and node.value.id == "fanwire":
                yield node.lineno, "fanwire." + node.attr


def is_for_types(node):
    return isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"


def siblings(tree):
    """(line, name) of each `from . import name` and `from .name import ...` that happens;
    `import fanwire` is the name fanwire. What only type checkers read doesn't happen."""
    todo = [tree]
    while todo:
        node = todo.pop()
        todo += [n for n in ast.iter_child_nodes(node) if not is_for_types(n)]
        if isinstance(node, ast.ImportFrom) and node.level:
            for name in [node.module] if node.module else [a.name for a in node.names]:
                yield node.lineno, name
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, a.name) for a in node.names if a.name == "fanwire")


def beside(root, folder):
    """Modules of the same folder; tests use each other's."""
    top = "tests" if folder.startswith("tests") else folder
    return {os.path.basename(path)[:-3] for path in files(root, (top,), (".py",))}


def may_import(root, path, name):
    top = name.split(".")[0]
    if top in sys.stdlib_module_names:
        return True
    folder = os.path.dirname(path)
    if top in beside(root, folder):
        return True
    tree = max((t for t in PYTHON_IMPORTS if (folder + "/").startswith(t + "/")), key=len)
    return (name if top == "fanwire" else top) in PYTHON_IMPORTS[tree]


def check_package(path, tree):
    module = os.path.basename(path)[:-3]
    if module not in PACKAGE_LAYERS:
        yield "%s:1: the module is in no table of tests/lint/lint.py" % path
        return
    allowed = PACKAGE_LAYERS[module]
    for number, name in siblings(tree):
        if allowed != ANY and name not in allowed:
            yield "%s:%d: %s may not import %s" % (path, number, module, name)


def check_python(root):
    for path in files(root, PYTHON_TREES, (".py", ".pyi")):
        text = text_of(root, path)
        yield from check_columns(path, text)
        if not path.endswith(".py"):
            continue
        tree = ast.parse(text, path)
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = node.end_lineno - node.lineno + 1
                if length > MOST_FUNCTION_LINES:
                    yield "%s:%d: %s has %d lines, at most %d" % (
                        path, node.lineno, node.name, length, MOST_FUNCTION_LINES)
        for number, name in named_modules(tree):
            if not may_import(root, path, name):
                yield "%s:%d: %s may not be imported here" % (path, number, name)
        if os.path.dirname(path) == PACKAGE:
            yield from check_package(path, tree)


def lua_code(text, strings=False):
    """Comments blanked, and strings unless they are wanted; lines kept."""
    pattern = re.compile(r"--\[(=*)\[.*?\]\1\]|--[^\n]*|\[(=*)\[.*?\]\2\]|"
                         r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def blanked(m):
        kept = strings and not m.group().startswith("--")
        return m.group() if kept else re.sub(r"[^\n]", " ", m.group())
    return pattern.sub(blanked, text)


def lua_function_lengths(text):
    """(line, name, length) of each function. Its end is the one that is left when every
    block in it has taken one. A describe() is the heading of its tests, no function."""
    code, lines, blocks = lua_code(text), text.splitlines(), []
    for m in re.finditer(r"\b(?:function|if|do|repeat|end|until)\b", code):
        if m.group() not in ("end", "until"):
            blocks.append(m)
            continue
        if not blocks:  # no Lua at all: whoever loads the file hears about it
            return
        begin = blocks.pop()
        line = code.count("\n", 0, begin.start())
        is_heading = lines[line].lstrip().startswith("describe(")
        if begin.group() == "function" and not is_heading:
            name = re.match(r"function\s+([\w.:]+)", code[begin.start():])
            length = code.count("\n", begin.start(), m.start()) + 1
            yield line + 1, name.group(1) if name else "a function", length


def check_lua_package(path, text):
    module = os.path.basename(path)[:-4]
    if module not in LUA_LAYERS:
        yield "%s:1: the module is in no table of tests/lint/lint.py" % path
        return
    for number, line in enumerate(lua_code(text, strings=True).splitlines(), 1):
        for name in re.findall(r"""\brequire\b[\s(,]*["']([^"']*)["']""", line):
            ours = "init" if name == "fanwire" else re.sub(r"^fanwire\.", "", name)
            if ours not in LUA_LAYERS[module]:
                yield "%s:%d: %s may not require %s" % (path, number, module, name)


def check_lua(root):
    for path in files(root, LUA_TREES, (".lua",)):
        text = text_of(root, path)
        yield from check_columns(path, text)
        for number, line in enumerate(text.splitlines(), 1):
            if "\t" in line:
                yield "%s:%d: a tab" % (path, number)
            if line != line.rstrip():
                yield "%s:%d: blanks at the end" % (path, number)
        for line, name, length in lua_function_lengths(text):
            if length > MOST_FUNCTION_LINES:
                yield "%s:%d: %s has %d lines, at most %d" % (path, line, name, length,
                                                              MOST_FUNCTION_LINES)
        if os.path.dirname(path) == LUA_PACKAGE:
            yield from check_lua_package(path, text)


CHECKS = {"layers": check_layers, "names": check_names, "sizes": check_sizes,
          "heads": check_heads, "format": check_format, "python": check_python,
          "lua": check_lua}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=", ".join(CHECKS))
    parser.add_argument("--root", default=os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    args = parser.parse_args()
    unknown = set(args.checks) - set(CHECKS)
    if unknown:
        parser.error("no such check: " + ", ".join(sorted(unknown)))
    breaches = [line for name in args.checks or CHECKS
                for line in CHECKS[name](args.root)]
    for line in breaches:
        print(line)
    print("%d breaches" % len(breaches) if breaches else "in order")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
