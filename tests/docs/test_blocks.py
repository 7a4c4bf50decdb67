"""Every block of code in the documentation is run, by this file, by another test or as a
part of a page that is done from top to bottom, or says why it isn't."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

import scene
from blocks import (TOP, TRIED, Block, all_blocks, blocks, inside_pages,
                    lines_of_commands, wrong_with)

BLOCKS = all_blocks()


def here(language):
    """The blocks of a language that it is for this file to try."""
    assert language in TRIED
    chosen = [b for b in BLOCKS if b.language == language and not b.of_a_scene
              and b.mark == "" and not b.elsewhere]
    return pytest.mark.parametrize("block", chosen, ids=[b.name for b in chosen])


# ---- each has somebody who runs it, or a reason ----------------------------------------

def test_every_block_is_run_or_says_why_not():
    assert [f"{b.name}: {wrong_with(b)}" for b in BLOCKS if wrong_with(b)] == []
    assert len([b for b in BLOCKS if b.mark == "not run"]) < len(BLOCKS) / 4


@pytest.mark.parametrize("page, language, text, mark, word, wrong", [
    ("docs/x.md", "", "fanwired --listen off", "", "", ""),
    ("docs/x.md", "", "redis-cli ping", "", "", "not only commands of fanwired"),
    ("docs/x.md", "", "redis-cli ping", "not run", "there is no Redis", ""),
    ("docs/x.md", "", "redis-cli ping", "not run", "later", "its reason"),
    ("docs/x.md", "", "ls", "not run", "tests/no/such.py runs it", "tests/no/such.py"),
    ("docs/x.md", "rust", "fn main() {}", "", "", "no test tries rust"),
    ("docs/x.md", "rust", "fn main() {}", "run by", "tests/x.py", "tests/x.py is"),
    ("docs/x.md", "rust", "", "run by", "tests/docs/scene.py", "tests/docs/scene.py kn"),
    ("docs/howto/x.md", "c", "int main;", "", "", "a file? not run?"),
    ("docs/howto/x.md", "c", "int main;", "file", "x.c", ""),
    ("docs/http-api.md", "console", "$ true", "", "", ""),
])
def test_the_lint_sees_a_block_that_nobody_runs(page, language, text, mark, word, wrong):
    said = wrong_with(Block(TOP / page, 1, language, text, mark, word))
    assert said.startswith(wrong) if wrong else said == ""


def test_developers_are_told_of_commands_that_are_there():
    """In pages for them: ./run's commands, files of tests, and labels of ctest."""
    usage = (TOP / "run").read_text(encoding="utf-8").partition("END\n}")[0]
    labels = (TOP / "tests" / "CMakeLists.txt").read_text(encoding="utf-8")
    for page in inside_pages():
        for block in blocks(page):
            for command in re.findall(r"\./run (\w+)", block.text):
                assert re.search(rf"^  {command}\b", usage, re.M), block.name
            for label in re.findall(r"ctest .*-L (\w+)", block.text):
                assert f" {label} " in labels, block.name
            for path in re.findall(r"(?<![\w/])tests/[\w./]+\w", block.text):
                assert (TOP / path).exists(), f"{block.name}: {path}"


# ---- by language -----------------------------------------------------------------------

def run(*command, **more):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True,
                          timeout=scene.DEADLINE, stdin=subprocess.DEVNULL, **more)


def check_config(*args, env=None):
    fanwired = os.environ["FANWIRED"]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("FANWIRE_")}
    done = run(fanwired, *args, env={**clean, **(env or {})})
    assert done.returncode == 0, f"{args}: {done.stderr}"


EXAMPLE = {"PASSWORD": "a-password", "KEY": "a-key"}


@here("")
def test_commands_of_fanwired_are_right(block):
    """A line is fanwired's, or options for it; each is checked, and not carried out."""
    for line in lines_of_commands(block):
        words = shlex.split(re.sub(r"\$(\w+)", lambda m: EXAMPLE[m[1]], line),
                            comments=True)
        env = {}
        while words and re.match(r"FANWIRE_\w+=", words[0]):
            name, _, env[name] = words.pop(0).partition("=")
        words = [w for w in words if w != "&"]
        if not words:
            continue
        if words[0].startswith("--"):
            words.insert(0, "fanwired")
        if words[1:2] == ["token"]:
            secret = {"FANWIRE_TOKEN_HMAC_SECRET": "x" * 32, **env}
            words = [w for w in words if w not in ("--key", "private.pem", "--kid",
                                                   "2026-11")]
            check_config(*words[1:], env=secret)
            continue
        files = {"fanwired.ini": TOP / "docs" / "deploy" / "fanwired.ini"}
        words = [str(files.get(w, w)) for w in words]
        check_config(*words[1:], "--check-config", env=env)


@here("ini")
def test_a_configuration_is_right(block, tmp_path):
    path = tmp_path / "fanwired.ini"
    path.write_text(block.text)
    check_config("--check-config", "--config", path)


@here("c")
def test_a_program_in_c_is_compiled_and_runs(block, tmp_path):
    source, program = tmp_path / "server.c", tmp_path / "server"
    source.write_text(block.text)
    capi = pathlib.Path(os.environ["BUILD_DIR"]).resolve() / "capi"
    done = run(os.environ.get("CC", "cc"), "-std=c11", "-Wall", "-Wextra",
               "-Wno-unused-parameter", "-Werror", f"-I{TOP}/capi/include", source,
               f"-L{capi}", f"-Wl,-rpath,{capi}", "-lfanwire", "-o", program)
    assert done.returncode == 0, done.stderr
    if "int main" in block.text and scene.why_not() == "":
        done = run(*scene.alone(program))  # serves until Enter, or the end of its input
        assert done.returncode == 0, done.stderr


@here("lua")
def test_a_piece_of_lua_is_lua(block, tmp_path):
    path = tmp_path / "piece.lua"
    path.write_text(block.text)
    for lua in ("lua5.1", "luajit", "lua5.4"):
        if shutil.which(lua):
            done = run(lua, "-e", f"assert(loadfile('{path}'))")
            assert done.returncode == 0, done.stderr


def methods_of_lua():
    sources = "".join(p.read_text(encoding="utf-8")
                      for p in (TOP / "lua" / "fanwire").glob("*.lua"))
    return set(re.findall(r"function[ ]+[\w.]+[.:](\w+)", sources)
               + re.findall(r"^ *(?:\w+\.)?(\w+) = ", sources, re.M))


@here("lua")
def test_a_piece_of_lua_calls_what_is_there(block):
    things = "hub|session|resty|fanwire|emitter"
    called = re.findall(r"\b(?:%s)[.:](\w+)[({]" % things, block.text)
    assert set(called) <= methods_of_lua()


@here("js")
def test_a_piece_of_javascript_is_javascript(block, tmp_path):
    path = tmp_path / "piece.mjs"
    path.write_text(block.text)
    done = run("node", "--check", path)
    assert done.returncode == 0, done.stderr


@here("python")
def test_a_piece_of_python_is_python(block):
    compile(block.text, block.name, "exec")


MODULES = ("ndk_http_module", "ngx_http_lua_module")


def nginx_configuration(text, folder):
    """A whole configuration around a piece of one."""
    loads = "".join(f"load_module /usr/lib/nginx/modules/{m}.so;\n" for m in MODULES
                    if os.path.exists(f"/usr/lib/nginx/modules/{m}.so"))
    if not re.search(r"^(server|upstream|map|init_worker_by_lua_block)\b", text, re.M):
        text = "server {\n listen 127.0.0.1:8080;\n" + text + "}\n"
    temp = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in
                   ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return (f"{loads}pid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
            f"http {{\naccess_log off;\n{temp}{text}}}\n")


@here("nginx")
@pytest.mark.skipif(scene.why_not() != "", reason=scene.why_not())
def test_nginx_takes_a_piece_of_its_configuration(block, tmp_path):
    path = tmp_path / "nginx.conf"
    path.write_text(nginx_configuration(block.text, tmp_path))
    env = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
    # It tries the ports, and in a network of its own everybody's are free.
    done = run(*scene.alone("nginx", "-t", "-q", "-p", tmp_path, "-c", path), env=env)
    assert done.returncode == 0, done.stderr
