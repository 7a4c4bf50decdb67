"""Which configurations are taken, which are refused and how that is said."""

import pytest

from conftest import run


def check(*args, env=None):
    return run("--check-config", *args, env=env)


def assert_refused(done, *says):
    """Status 2 and one line, with each of the words in it."""
    assert done.status == 2, done.err
    assert done.out == ""
    assert len(done.err_lines) == 1, done.err
    assert done.err.startswith("fanwired: ")
    for word in says:
        assert word in done.err


GOOD = [
    [],
    ["serve"],
    ["--threads", "2"],
    ["--threads=auto"],
    ["serve", "--redis.url=redis://127.0.0.1:6379/3", "--redis.required", "on"],
    ["--listen", "ws://127.0.0.1:0/a", "--listen", "ws://127.0.0.1:0/b"],
    ["--listen=ws://127.0.0.1:0/a,ws://127.0.0.1:0/b"],
    ["--heartbeat.interval", "0s", "--message.max_bytes=64KiB", "--raw.mode", "app"],
    ["--origins", "*", "--proxy.trusted=", "--http.listen", "off"],
    ["--namespace.news.history.ttl", "100s", "--namespace.my-News_1.presence=on"],
]


@pytest.mark.parametrize("args", GOOD, ids=" ".join)
def test_a_good_configuration_is_silent(args):
    done = check(*args)
    assert (done.status, done.out, done.err) == (0, "", "")


BAD = [
    (["--redis.ulr", "redis://127.0.0.1"], ["redis.ulr: no such option", "redis.url"]),
    (["--zzzzzzzzzz", "1"], ["zzzzzzzzzz: no such option"]),
    (["--zzzzzzzzzz"], ["zzzzzzzzzz: no such option"]),
    (["-x"], ["-x: no such option"]),
    (["--threads", "two"], ["threads: two: a whole number from 1 to 64, or auto"]),
    (["--threads=65"], ["threads: 65: a whole number from 1 to 64"]),
    (["--threads"], ["threads: a value is missing: a whole number from 1 to 64"]),
    (["--heartbeat.interval", "25"],
     ["heartbeat.interval: 25: a duration needs its unit", "ms, s, m or h"]),
    (["--heartbeat.timeout", "2h"], ["heartbeat.timeout: 2h: ", "from 1ms to 1h"]),
    (["--message.max_bytes", "1MB"], ["message.max_bytes: 1MB: ", "KiB, MiB or GiB"]),
    (["--listen.shared", "maybe"], ["listen.shared: maybe: on or off"]),
    (["--outbox.policy", "drop"],
     ["outbox.policy: drop: close, drop_oldest, drop_newest or latest"]),
    (["--listen", "http://127.0.0.1:1/"], ["listen: http://127.0.0.1:1/: ", "ws://"]),
    (["--listen", "ws://127.0.0.1/"], ["listen: ws://127.0.0.1/: ", "port"]),
    (["--http.listen", "9190"], ["http.listen: 9190: ", "HOST:PORT"]),
    (["--redis.url", "redis+cluster://127.0.0.1"],
     ["redis.url: redis+cluster://127.0.0.1: ", "not supported yet", "redis://"]),
    (["--proxy.trusted", "10.0.0.0/99"], ["proxy.trusted: 10.0.0.0/99: ", "10.0.0.0/8"]),
    (["--origins", "example.org"], ["origins: example.org: ", "https://example.org"]),
    (["--node.name", "a\nb"], ["node.name: a\\x0ab: "]),
    (["--namespace.news.histroy.size", "100"],
     ["namespace.news.histroy.size: no such option: did you mean "
      "namespace.news.history.size?"]),
    (["--namespace.news.history.size"],
     ["namespace.news.history.size: a value is missing: a whole number from 0"]),
    (["--namespace.news.history.size=x"],
     ["namespace.news.history.size: x: a whole number from 0 to 1000000"]),
    (["--namespace.a.b.presence", "on"],
     ["namespace.a.b.presence: the name of a namespace is 1 to 64 letters"]),
    (["--config"], ["config: a value is missing"]),
    (["--config", "/nonexistent/fanwire.ini"],
     ["config: /nonexistent/fanwire.ini: No such file or directory"]),
    (["frobnicate"],
     ["frobnicate: no such command: serve or publish or presence or history or token"]),
    (["serve", "more"], ["usage: fanwired serve"]),
    (["publish", "room"], ["usage: fanwired publish ROOM TEXT"]),
    (["presence"], ["usage: fanwired presence ROOM"]),
    (["history"], ["usage: fanwired history ROOM"]),
    (["publish", "a", "b", "c"], ["c: one word too many"]),
    (["publish", "a", "b"], ["redis.url: "]),
]


@pytest.mark.parametrize("args, says", BAD, ids=[" ".join(b[0]) for b in BAD])
def test_a_bad_flag_is_one_line_and_status_2(args, says):
    assert_refused(check(*args), *says)


BAD_ENVIRONMENT = [
    ({"FANWIRE_REDIS_ULR": "x"},
     ["FANWIRE_REDIS_ULR: no such option", "FANWIRE_REDIS_URL"]),
    ({"FANWIRE_ZZZZZZZZZ": ""}, ["FANWIRE_ZZZZZZZZZ: no such option"]),
    ({"FANWIRE_NAMESPACE_NEWS_HISTROY_SIZE": "1"},
     ["no such option", "did you mean FANWIRE_NAMESPACE_NEWS_HISTORY_SIZE?"]),
    ({"FANWIRE_NAMESPACE_NEWS_PRESENCE": "2"},
     ["namespace.news.presence: 2: on or off", "FANWIRE_NAMESPACE_NEWS_PRESENCE"]),
    ({"FANWIRE_THREADS": "two"}, ["threads: two: a whole number", "FANWIRE_THREADS"]),
    ({"FANWIRE_DRAIN_TIMEOUT": "30"}, ["drain.timeout: 30: a duration needs its unit"]),
    ({"FANWIRE_CONFIG": "/nonexistent"}, ["/nonexistent: No such file or directory"]),
]


@pytest.mark.parametrize("env, says", BAD_ENVIRONMENT,
                         ids=[str(b[0]) for b in BAD_ENVIRONMENT])
def test_a_bad_variable_is_one_line_and_status_2(env, says):
    assert_refused(check(env=env), *says)


BAD_FILES = [
    ("threads = 1\nthread = 2\n", ":2: thread: no such option"),
    ("[redis]\nulr = x\n", ":2: redis.ulr: no such option"),
    ("[namespace.news]\nhistory.size = 1\nhistory.tll = 1s\n",
     ":3: namespace.news.history.tll: no such option: did you mean "),
    ("threads 2\n", ":1: neither NAME = VALUE nor [SECTION]"),
    ("[redis\n", ":1: neither NAME = VALUE nor [SECTION]"),
    ("\nheartbeat.interval = 25\n",
     ":2: heartbeat.interval: 25: a duration needs its unit"),
    ("tls.cert = " + "x" * 300, ":1: longer than 197 bytes"),
]


@pytest.mark.parametrize("text, says", BAD_FILES)
def test_a_bad_line_of_a_file_is_told_by_its_number(tmp_path, text, says):
    path = tmp_path / "fanwire.ini"
    path.write_text(text)
    assert_refused(check("--config", str(path)), f"fanwired: {path}{says}")


def test_a_password_is_never_printed():
    done = check("--redis.url", "redis://ann:s3cret@127.0.0.1:notaport")
    assert_refused(done, "redis.url: redis://ann:***@")
    assert "s3cret" not in done.err


def test_contradicting_options_are_refused():
    assert_refused(check("--listen", "wss://127.0.0.1:0/ws"), "tls.cert")


def test_flags_win_over_environment_over_file(fanwired, tmp_path):
    path = tmp_path / "fanwire.ini"
    path.write_text("node.name = by-file\nraw.mode = app\n"
                    "[listen]\nshared = off\n")
    name = lambda f: f.get("/health")[2]
    f = fanwired("--config", str(path))
    assert '"name":"by-file"' in name(f)
    f = fanwired(env={"FANWIRE_CONFIG": str(path)})
    assert '"name":"by-file"' in name(f)
    f = fanwired("--config", str(path), env={"FANWIRE_NODE_NAME": "by-env"})
    assert '"name":"by-env"' in name(f)
    f = fanwired("--config", str(path), "--node.name", "by-flag",
                 env={"FANWIRE_NODE_NAME": "by-env"})
    assert '"name":"by-flag"' in name(f)


def test_a_list_of_flags_replaces_the_one_of_the_file(fanwired, tmp_path):
    path = tmp_path / "fanwire.ini"
    path.write_text("listen = ws://127.0.0.1:0/by-file\n")
    f = fanwired("--config", str(path), "--listen", "ws://127.0.0.1:0/a",
                 listen="ws://127.0.0.1:0/b")
    assert [url.rsplit("/", 1)[1] for url in f.urls] == ["a", "b"]
    f = fanwired("--config", str(path), listen=None)
    assert [url.rsplit("/", 1)[1] for url in f.urls] == ["by-file"]
