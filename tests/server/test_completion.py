"""What bash completes of a command line of fanwired."""

import os
import pathlib
import re
import subprocess

import pytest

from conftest import DEADLINE, run

TOP = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = TOP / "docs" / "completion" / "fanwired.bash"
ASK = """
. "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_fanwired
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(*words, cwd=None):
    """What is offered for the last word; the words are as bash takes a line apart."""
    done = subprocess.run(["bash", "--norc", "-uc", ASK, "bash", SCRIPT, "fanwired",
                           *words], cwd=cwd, capture_output=True, text=True,
                          timeout=DEADLINE)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_the_script_is_not_stale():
    assert SCRIPT.read_text(encoding="utf-8") == run("--bash-completion").out, \
        "make it anew: fanwired --bash-completion > docs/completion/fanwired.bash"


def test_bash_knows_whom_to_ask():
    ask = '. "$0"; complete -p fanwired'
    done = subprocess.run(["bash", "--norc", "-c", ask, SCRIPT], capture_output=True,
                          text=True, timeout=DEADLINE)
    assert done.stdout == "complete -F _fanwired fanwired\n"


def test_every_option_and_every_switch_of_the_help_is_offered():
    told = re.findall(r"^  (--[a-z][a-z_.0-9]*) [A-Z]+$", run("--help").out, re.M)
    offered = completed("--")
    assert len(told) > 40 and set(told) <= set(offered)
    assert {"--help", "--version", "--check-config", "--json"} <= set(offered)
    assert not {"--man-page", "--options-markdown", "--kid"} & set(offered)
    assert len(offered) == len(set(offered))


def test_every_command_is_offered_as_the_first_word():
    usage = set(re.findall(r"^ +fanwired (\w+)", run("--help").out, re.M))
    assert set(completed("")) == usage | {"serve"}


@pytest.mark.parametrize("words, want", [
    (["pub"], ["publish"]),
    (["--json", "pub"], ["publish"]),
    (["--threads", "2", "pub"], ["publish"]),
    (["--threads", "=", "2", "pub"], ["publish"]),
    (["--redis.url", "redis", "://", "u", ":", "p", "@", "h", "pub"], ["publish"]),
    (["publish", "lob"], []),
    (["token", "--us"], ["--user.presence", "--user"]),
    (["serve", "--ki"], []),
    (["--outbox.policy", "drop"], ["drop_oldest", "drop_newest"]),
    (["--outbox.policy", "=", "drop"], ["drop_oldest", "drop_newest"]),
    (["--outbox.policy", "="], ["close", "drop_oldest", "drop_newest", "latest"]),
    (["token", "--redis.required", ""], ["on", "off"]),
    (["--http.listen", ""], ["off"]),
    (["--threads", ""], ["auto"]),
    (["--node.name", ""], []),
    (["--redis.url", "redis", ":", "//h"], []),
    (["--namesp"], ["--namespace."]),
    (["--namespace.news.pr"], ["--namespace.news.presence"]),
    (["--namespace.news.presence", "of"], ["off"]),
    (["--namespace.news.recovery_mode", ""], ["stream", "cache"]),
    (["--no-such-option", ""], []),
])
def test_words(words, want):
    assert completed(*words) == want


@pytest.mark.parametrize("words", [
    ["--config", "fan"], ["--tls.cert", "fan"], ["--token.jwks", "fan"],
    ["token", "--key", "fan"], ["--config", "=", "fan"]])
def test_files_are_offered_where_a_file_is_meant(words, tmp_path):
    (tmp_path / "fan.ini").touch()
    assert completed(*words, cwd=tmp_path) == ["fan.ini"]


def test_nothing_of_what_is_typed_is_run(tmp_path):
    for word in ("--namespace.$(touch x).pr", "--namespace.`touch x`.pr", "$(touch x)"):
        assert completed(word, cwd=tmp_path) == []
        assert completed("--config", word, cwd=tmp_path) == []
        assert completed(word, "x", "--js", cwd=tmp_path) == ["--json"]
    assert os.listdir(tmp_path) == []
