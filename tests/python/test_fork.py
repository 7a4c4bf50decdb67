"""Forks: what a child inherits of a hub neither keeps it alive nor lets it be used.

Each test runs a program of its own: a process with as many threads as a test run's has
better not be forked.
"""

import pytest

from support import wait_until

# A hub on a thread, a child that is told when to end, and what tests need of both.
PROGRAM = """
import os, signal, socket, threading, time
import fanwire

def make(url="ws://127.0.0.1:0/ws"):
    hub = fanwire.Hub(listen=url, drain_timeout="5s")

    @hub.on_open
    def opened(session):
        session.send("hello")

    @hub.on_message
    def said(session, data):
        if data == "close":
            session.close(4000, "closed by the parent")
        else:
            session.send(data)

    return hub

def fork(work):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    return pid

def status_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

# A child that sleeps until the write end is closed, and never touches the hub.
stay, leave = os.pipe()

def sleep():
    os.close(leave)
    os.read(stay, 1)
"""

SLEEPER = PROGRAM + """
hub = make()
hub.start()
tell("url", hub.urls[0])
sys.stdin.readline()            # clients are there
child = fork(sleep)
tell("forked", child)
for line in sys.stdin:
    if line == "stop\\n":
        hub.close()
        tell("stopped")
    else:
        break
tell("alive", os.waitpid(child, os.WNOHANG)[0] == 0)
os.close(leave)
tell("child", status_of(child))
hub.close()
"""


@pytest.fixture
def sleeper(program):
    """A program with a hub, and its URL."""
    p = program(SLEEPER)
    p.url = p.wait("url")
    return p


def end(p):
    """The child was there until now, and nothing went wrong."""
    p.say("end")
    assert p.wait("alive") is True
    assert p.wait("child") == 0
    assert p.finish() == 0
    assert "Traceback" not in p.err, p.err


def test_a_closed_session_s_client_sees_the_end_while_a_child_sleeps(
        sleeper, raw_connect):
    client = raw_connect(sleeper.url)
    assert client.receive()[1] == b"hello"
    sleeper.say("fork")
    sleeper.wait("forked")
    client.send(1, b"close")
    assert client.receive_close() == (4000, "closed by the parent")
    client.send(8, b"\x0f\xa0")
    # The child has the descriptor, too; the end must come all the same.
    with pytest.raises(ConnectionError, match="end of the stream"):
        client.receive()
    end(sleeper)


def test_those_who_came_before_the_fork_are_served_on(sleeper, connect):
    client = connect(sleeper.url)
    client.receive()
    sleeper.say("fork")
    sleeper.wait("forked")
    assert client.ask("still there") == "still there"
    assert connect(sleeper.url).receive() == "hello"
    end(sleeper)


def test_the_port_is_free_after_the_stop_while_a_child_sleeps(sleeper, raw_connect,
                                                              make_hub):
    client = raw_connect(sleeper.url)
    client.receive()
    sleeper.say("fork")
    sleeper.wait("forked")
    sleeper.say("stop")
    assert client.receive_close()[0] == 1001
    with pytest.raises(ConnectionError, match="end of the stream"):
        client.receive()
    sleeper.wait("stopped")
    another = make_hub(listen=sleeper.url)
    another.start()
    assert another.urls == [sleeper.url]
    end(sleeper)


CALLS = PROGRAM + """
hub = make()
hub.start()
calls = {
    "publish": lambda: hub.publish("r", "x"),
    "send_user": lambda: hub.send_user("u", "x"),
    "send_all": lambda: hub.send_all("x"),
    "broadcast": lambda: hub.broadcast("x"),
    "send_node": lambda: hub.send_node(hub.node, "x"),
    "room": lambda: hub.room("r").publish("x"),
    "user": lambda: hub.user("u").send("x"),
    "disconnect": lambda: hub.user("u").disconnect(),
    "session.send": lambda: hub.session("0" * 32).send("x"),
    "session.close": lambda: hub.session("0" * 32).close(),
    "session.join": lambda: hub.session("0" * 32).join("r").result(5),
    "stats": lambda: hub.stats(),
    "metrics": lambda: hub.metrics(),
    "stop": lambda: hub.stop(),
}

def work():
    for name, call in calls.items():
        try:
            call()
            tell("call", [name, "no error"])
        except Exception as e:
            tell("call", [name, type(e).__name__, str(e)])
    hub.close()                 # nothing of it is left here
    tell("closed", hub.running)

tell("status", status_of(fork(work)))
hub.publish("r", "x")           # the parent's goes on
tell("parent", hub.running)
hub.close()
"""


def test_calls_in_the_child_are_forked_errors(program):
    p = program(CALLS)
    assert p.wait("status") == 0, p.err
    results = p.all("call")
    assert len(results) == 14
    for name, *result in results:
        assert result[0] == "ForkedError", (name, result)
        assert "parent" in result[1]
    assert p.wait("closed") is False
    assert p.wait("parent") is True
    assert p.finish() == 0
    assert "ResourceWarning" not in p.err and "Traceback" not in p.err, p.err


NEW_HUB = PROGRAM + """
hub = make()
hub.start()
tell("parent", hub.urls[0])

def work():
    new = MAKE
    new.start()
    tell("child", new.urls[0])
    sys.stdin.readline()
    new.close()

child = fork(work)
tell("status", status_of(child))
tell("running", hub.running)
sys.stdin.readline()
hub.close()
"""


@pytest.mark.parametrize("make", ["make()", "hub"],
                         ids=["another_hub", "the_same_hub_started_anew"])
def test_a_child_may_have_a_hub_of_its_own(program, connect, make):
    p = program(NEW_HUB.replace("MAKE", make))
    parent, child = p.wait("parent"), p.wait("child")
    assert parent != child
    clients = [connect(parent), connect(child)]
    for client in clients:
        assert client.receive() == "hello"
        assert client.ask("talk") == "talk"
    p.say()
    assert clients[1].wait_closed()[0] == 1001
    assert p.wait("status") == 0, p.err
    assert p.wait("running") is True
    assert clients[0].ask("talk") == "talk"
    p.say()
    assert clients[0].wait_closed()[0] == 1001
    assert p.finish() == 0
    assert "Traceback" not in p.err, p.err


UNSTARTED = PROGRAM + """
hub = make()                    # at import, as behind a pre-forking server

def work():
    with hub:
        tell("url", hub.urls[0])
        sys.stdin.readline()

tell("status", [status_of(pid) for pid in [fork(work)]])
"""


def test_a_hub_that_was_not_started_may_be_started_in_a_child(program, connect):
    p = program(UNSTARTED)
    client = connect(p.wait("url"))
    assert client.receive() == "hello"
    p.say()
    assert client.wait_closed()[0] == 1001
    assert p.wait("status") == [0], p.err


IN_ASYNC = PROGRAM + """
import asyncio
hub = make()

async def main():
    async with hub:
        def work():
            # The parent's loop is in here, too, and must not be taken for running.
            new = make()
            with new:
                tell("child", new.urls[0])
                sys.stdin.readline()
        tell("parent", hub.urls[0])
        child = fork(work)
        tell("status", await asyncio.get_running_loop().run_in_executor(
            None, status_of, child))

asyncio.run(main())
"""


def test_a_child_forked_within_a_running_loop_may_have_a_hub(program, connect):
    p = program(IN_ASYNC)
    for url in (p.wait("parent"), p.wait("child")):
        client = connect(url)
        assert client.receive() == "hello"
    p.say()
    assert p.wait("status") == 0, p.err
    assert p.finish() == 0


EXIT = PROGRAM + """
hub = make()
hub.start()
tell("url", hub.urls[0])
sys.stdin.readline()
child = os.fork()
if child == 0:
    sys.exit(0)                 # the whole end of an interpreter, atexit and all
tell("status", status_of(child))
sys.stdin.readline()
hub.close()
"""


def test_a_child_that_exits_leaves_the_parent_s_sessions_alone(program, connect):
    p = program(EXIT, flags=("-X", "dev"))
    client = connect(p.wait("url"))
    client.receive()
    p.say()
    assert p.wait("status") == 0
    assert client.ask("still there") == "still there"
    p.say()
    assert p.finish() == 0
    # To speak of the parent's hub would be none of the child's business.
    assert "ResourceWarning" not in p.err and "Traceback" not in p.err, p.err


def test_a_collection_in_the_child_leaves_the_parent_s_sessions_alone(program, connect):
    p = program(SLEEPER.replace("fork(sleep)", "fork(drop)").replace("hub = make()", """
def drop():
    global hub
    import gc
    del hub
    gc.collect()
    tell("dropped")
    sleep()

hub = make()"""))
    client = connect(p.wait("url"))
    client.receive()
    p.say("fork")
    p.wait("dropped")
    assert client.ask("still there") == "still there"
    end(p)


MULTIPROCESSING = """
import multiprocessing, os, sys, warnings
import fanwire

def work(queue, commands):
    hub = fanwire.Hub(listen="ws://127.0.0.1:0/ws", drain_timeout="5s")

    @hub.on_open
    def opened(session):
        session.send(str(os.getpid()))

    with hub:
        queue.put(hub.urls[0])
        commands.get()

def use(queue, emitter_or_none):
    queue.put(emitter_or_none)

if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: fork with threads
    context = multiprocessing.get_context(sys.argv[1])
    queue, commands = context.Queue(), context.Queue()
    own = fanwire.Hub(listen="ws://127.0.0.1:0/ws", drain_timeout="5s")
    own.start()
    process = context.Process(target=work, args=(queue, commands))
    process.start()
    print("listening", queue.get(timeout=60), flush=True)
    sys.stdin.readline()
    commands.put(None)
    process.join()
    print("ended", process.exitcode, own.running, flush=True)
    own.close()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_s_children_may_have_hubs(program, connect, tmp_path, method):
    # A spawned child imports the main module anew, so that must be a file.
    path = tmp_path / "main.py"
    path.write_text(MULTIPROCESSING)
    p = program("import runpy\nrunpy.run_path(sys.argv.pop(1), run_name='__main__')\n"
                if method == "fork" else
                "import os\nos.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n",
                path, method)
    line = wait_until(lambda: [v for v in p.all("line") if v.startswith("listening ")],
                      "the child's address")[0]
    client = connect(line.split()[1])
    pid = int(client.receive())
    assert pid != p.pid
    p.say()
    assert client.wait_closed()[0] == 1001
    assert p.finish() == 0, p.err
    assert "ended 0 True" in p.all("line")
    assert "Traceback" not in p.err, p.err


def test_a_hub_can_t_be_pickled_and_says_so(make_hub):
    import pickle
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(make_hub())
