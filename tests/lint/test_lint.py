"""The lint must be able to fail: each rule is broken once in a tree made for it."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import lint  # noqa: E402
from generated import TOP  # noqa: E402

HEAD = "/*\n * What it is.\n */\n"

# check, file, its text, what the breach says
BROKEN = [
    ("layers", "capi/src/base/a.c", '#include "core/hub.h"\n', "base may not include"),
    ("layers", "capi/src/wire/a.c", '#include "core/message.h"\n', "wire may not"),
    ("layers", "capi/src/core/a.c", '#include "api/api.h"\n', "core may not include"),
    ("layers", "capi/src/io/a.c", '#include "core/session.h"\n', "io may not include"),
    ("layers", "capi/src/http/a.c", '#include "transport/t.h"\n', "http may not include"),
    ("layers", "capi/src/core/a.c", "#include <uv.h>\n", "belongs to io"),
    ("layers", "capi/src/io/a.c", "#include <hiredis/read.h>\n", "belongs to backplane"),
    ("layers", "capi/src/api/a.c", "#include <libwebsockets.h>\n", "to transport"),
    ("layers", "capi/src/base/a.c", "#include <fanwire/error.h>\n", "doesn't know"),
    ("layers", "capi/src/base/a.c", "#include <glib.h>\n", "in no table"),
    ("layers", "capi/src/base/a.c", '#include "buf.h"\n', "isn't written from capi/src"),
    ("layers", "capi/src/more/a.c", "", "no layer"),
    ("layers", "capi/server/a.c", '#include "core/hub.h"\n', "only <fanwire/fanwire.h>"),
    ("layers", "capi/server/a.c", "#include <fanwire/hub.h>\n", "only <fanwire/fan"),
    ("layers", "docs/examples/a.c", "#include <uv.h>\n", "only <fanwire/fanwire.h>"),
    ("layers", "capi/include/fanwire/a.h", "#include <uv.h>\n", "may not include"),
    ("names", "capi/src/core/a.c", "lws_write(x);\n", "src/transport only"),
    ("names", "capi/src/core/a.c", "uv_loop_t *l;\n", "src/io only"),
    ("names", "capi/src/api/a.c", "redisReply *r;\n", "src/backplane only"),
    ("sizes", "capi/src/base/a.c", "int a;\n" * 601, "601 lines"),
    ("sizes", "tests/a.py", "a = 1\n" * 601, "601 lines"),
    ("sizes", "capi/src/base/a.c", "void f(void)\n{\n" + "    g();\n" * 79 + "}\n",
     "f has 81 lines"),
    ("heads", "capi/src/base/a.c", "int a;\n", "no comment"),
    ("heads", "capi/src/base/a.c", "/* short */\n", "1 lines"),
    ("heads", "tests/a.py", "import os\n", "no docstring"),
    ("format", "capi/src/base/a.c", HEAD + "int  a ;\n", "formatted"),
    ("python", "tests/a.py", "a = 1" + " " * 86 + "\n", "91 columns"),
    ("python", "python/fanwire/__init__.pyi", "a" * 91 + "\n", "91 columns"),
    ("python", "tests/a.py", "def f():\n" + "    g()\n" * 80, "f has 81 lines"),
    ("python", "tests/a.py", "import numpy\n", "numpy may not"),
    ("python", "tests/server/a.py", "import fanwire\n", "fanwire may not"),
    ("python", "python/_backend/a.py", "import setuptools\n", "setuptools may not"),
    ("python", "python/_backend/a.py", "import fanwire\n", "fanwire may not"),
    ("python", "python/fanwire/_hub.py", "import fanwire\n", "_hub may not import fan"),
    ("python", "python/fanwire/_hub.py", "import uvloop\n", "uvloop may not"),
    ("python", "python/fanwire/_more.py", "", "in no table"),
    ("python", "python/fanwire/_errors.py", "from . import _data\n",
     "_errors may not import _data"),
    ("python", "python/fanwire/_data.py", "from ._hub import Hub\n",
     "_data may not import _hub"),
    ("python", "docs/examples/a.py", "import fanwire.native\n", "fanwire.native may"),
    ("python", "docs/examples/a.py", "from fanwire import native\n", "fanwire.native"),
    ("python", "docs/examples/a.py", "import fanwire\nfanwire._hub\n", "fanwire._hub"),
    ("python", "docs/examples/a.py", "from fanwire._hub import Hub\n", "fanwire._hub"),
    ("python", "docs/examples/a.py", "import pytest\n", "pytest may not"),
    ("sizes", "lua/fanwire/hub.lua", "f()\n" * 601, "601 lines"),
    ("lua", "tests/lua/a.lua", "--" + "a" * 89 + "\n", "91 columns"),
    ("lua", "docs/examples/chat/a.lua", "f(\t)\n", "a tab"),
    ("lua", "lua/library/a.lua", "f() \n", "blanks at the end"),
    ("lua", "tests/a.lua", "function a.b:c()\n" + "  g()\n" * 79 + "end\n",
     "a.b:c has 81 lines"),
    ("lua", "tests/a.lua", "f{a = function()\n" + "  if a then b() end\n" * 79 + "end}\n",
     "a function has 81 lines"),
    ("lua", "tests/a.lua", "local function f()\n  repeat\n  until 'end' -- end\n"
     "  for i = 1, 2 do g[[end]] end\n  while a do\n  end\n--[[\nend\n]]\n"
     + "  g()\n" * 72 + "end\n", "f has 82 lines"),
    ("lua", "tests/a.lua", 'describe("a", function()\n  it("b", function()\n'
     + "    g()\n" * 79 + "  end)\nend)\n", "a.lua:2: a function has 81 lines"),
    ("lua", "lua/fanwire/more.lua", "", "in no table"),
    ("lua", "lua/fanwire/check.lua", 'local native = require "fanwire.native"\n',
     "check may not require fanwire.native"),
    ("lua", "lua/fanwire/data.lua", "local hub = require('fanwire.hub')\n",
     "data may not require fanwire.hub"),
    ("lua", "lua/fanwire/hub.lua", 'local fanwire = require "fanwire"\n',
     "hub may not require fanwire"),
    ("lua", "lua/fanwire/hub.lua", 'local ok, uv = pcall(require, "luv")\n',
     "hub may not require luv"),
]

GOOD = [
    ("layers", "capi/src/core/a.c",
     '#include "core/a.h"\n#include <fanwire/error.h>\n#include <string.h>\n'
     '#include "wire/url.h"\n'),
    ("layers", "capi/src/transport/a.c",
     '#include <libwebsockets.h>\n#include "core/session.h"\n'),
    ("names", "capi/src/core/a.c", '/* lws_write */ const char *a = "uv_run";\n'),
    ("names", "capi/src/io/a.c", "uv_run(l, 0);\n"),
    ("sizes", "capi/src/base/a.c", "void f(void)\n{\n" + "    g();\n" * 78 + "}\n"),
    ("heads", "capi/src/base/a.c", HEAD),
    ("heads", "tests/a.py", '#!/usr/bin/python3\n"""What it is."""\n'),
    ("format", "capi/src/base/a.c", HEAD + "int a;\n"),
    ("python", "tests/python/a.py", "import os.path\nimport pytest\nimport fanwire\n"
     "from fanwire import native\nimport a\n" + "b = 1" + " " * 85 + "\n"),
    ("python", "tests/a.py", "def f():\n" + "    g()\n" * 79),
    ("python", "docs/examples/a.py", "import fanwire\nfanwire.__version__\n"
     "from starlette.applications import Starlette\n"),
    ("python", "python/fanwire/_hub.py", "from . import _data, native\nimport asyncio\n"),
    ("python", "python/fanwire/_data.py", "from typing import TYPE_CHECKING\n"
     "if TYPE_CHECKING:\n    from ._hub import Hub\n"),
    ("sizes", "tests/lua/a.lua", "f()\n" * 600),
    ("lua", "tests/lua/a.lua", "-- \u00e4" + "a" * 86 + "\n"
     "local function f()\n" + "  g()\n" * 78 + "end\nlocal function h()\nend\n"),
    ("lua", "tests/lua/a_spec.lua", 'describe("a", function()\n'
     + '  it("b", function()\n    g()\n  end)\n' * 40 + "end)\n"),
    ("lua", "lua/fanwire/hub.lua", '--[[\n  local fanwire = require "fanwire"\n]]\n'
     'local data = require "fanwire.data" -- not require "fanwire.init"\n'),
    ("lua", "lua/fanwire/init.lua", 'local ok, cjson = pcall(require, "cjson")\n'),
    ("lua", "tests/lua/a.lua", 'local uv = require "luv"\n'),
]


def breaches(tmp_path, check, path, text):
    target = tmp_path / path
    target.parent.mkdir(parents=True)
    target.write_text(text)
    return list(lint.CHECKS[check](str(tmp_path)))


@pytest.mark.parametrize("check,path,text,words", BROKEN)
def test_a_breach_is_found(tmp_path, check, path, text, words):
    found = breaches(tmp_path, check, path, text)
    assert len(found) == 1 and words in found[0], found
    assert found[0].startswith(path + ":")


@pytest.mark.parametrize("check,path,text", GOOD)
def test_what_is_right_is_let_through(tmp_path, check, path, text):
    assert breaches(tmp_path, check, path, text) == []


def test_modules_of_lua_require_downwards_only():
    above = {"native"}
    for module, required in lint.LUA_LAYERS.items():
        ours = {name for name in required if name in lint.LUA_LAYERS}
        assert ours <= above, module
        above.add(module)
    package = os.path.join(TOP, lint.LUA_PACKAGE)
    assert set(lint.LUA_LAYERS) == {f[:-4] for f in os.listdir(package)}
