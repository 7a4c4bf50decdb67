"""Reloads: old workers drain and leave nothing, and who stays connected notices none."""

import asyncio
import contextlib
import http.client
import os
import pathlib
import signal
import threading
import time

import pytest
import websockets

import rig
import support
from support import DEADLINE

ROUNDS = int(os.environ.get("FW_RELOADS", "20"))


class Publisher:
    """Posts numbered notices to a room, one after the other, each on a new connection, as
    long as it isn't told to stop. `sent` are those that were taken."""

    def __init__(self, nginx, room, name):
        self._nginx, self._room, self._name = nginx, room, name
        self.sent, self.failed = [], []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        number = 0
        while not self._stop.wait(0.002):
            text = f"{self._name}-{number}"
            number += 1
            try:
                answer = self._nginx.post(f"/notify?room={self._room}", text)
            except (OSError, http.client.HTTPException) as e:
                self.failed.append((text, repr(e)))
                continue
            if answer.status == 200:
                self.sent.append(text)
            else:
                self.failed.append((text, answer.body))

    def end(self):
        self._stop.set()
        self._thread.join()


class Listener:
    """A client that notes what it hears; with `again` one that comes back whenever it is
    sent away, and notes by which code."""

    def __init__(self, loop, url, again=False):
        self.heard, self.codes, self.connected = [], [], 0
        self._url, self._again = url, again
        self._loop = loop
        self._task = loop.run(self._start())

    async def _start(self):
        return asyncio.ensure_future(self._run())

    async def _run(self):
        while True:
            try:
                async with websockets.connect(self._url, ping_interval=None,
                                              compression=None) as ws:
                    self.connected += 1
                    try:
                        async for text in ws:
                            self.heard.append(text)
                    finally:
                        self.codes.append(ws.close_code)
            except (OSError, websockets.exceptions.WebSocketException) as e:
                self.codes.append(repr(e))
                await asyncio.sleep(0.05)
            if not self._again:
                return

    def end(self):
        self._again = False

        async def ended():
            # Again and again: a connection that opens, or closes, in this very moment
            # swallows what cancels it (asyncio.wait_for before 3.12, websockets 10).
            while not self._task.done():
                self._task.cancel()
                await asyncio.wait([self._task], timeout=0.5)

        self._loop.run(ended())


@pytest.fixture
def ending():
    """ending(x): x.end() comes with the test's, in any case."""
    things = []

    def add(thing):
        things.append(thing)
        return thing

    yield add
    for thing in things:
        thing.end()


def figures(nginx):
    """Threads and descriptors of each worker, sorted: which is which doesn't matter."""
    return sorted(rig.Worker(pid).figures() for pid in nginx.workers())


def cores(nginx):
    return [n for n in os.listdir(nginx.folder) if n.startswith("core")]


def test_twenty_reloads_under_load(serve, node, client_loop, ending):
    nginx, far = serve(options="drain_rate = 1000,"), node()
    first = sorted(rig.Worker(pid).figures_at_rest() for pid in nginx.workers())
    master = rig.Worker(nginx.master).descriptors()
    stays = [ending(Listener(client_loop, far.url + "?room=r")) for _ in range(3)]
    comes = [ending(Listener(client_loop, nginx.url + "?room=r", again=True))
             for _ in range(20)]
    support.wait_until(lambda: all(c.connected for c in stays + comes), "all are there")
    publishers = [ending(Publisher(nginx, "r", f"p{k}")) for k in range(2)]
    support.wait_until(lambda: all(c.heard for c in stays), "all hear")
    for p in publishers:  # what was said before a room was known to the others is lost
        p.first = len(p.sent)
    seen = set(nginx.workers())
    for k in range(ROUNDS):
        before = sum(len(p.sent) for p in publishers)
        nginx.reload()
        seen |= set(nginx.workers())
        support.wait_until(lambda: sum(len(p.sent) for p in publishers) > before + 20,
                           f"the load goes on; {[p.failed[-2:] for p in publishers]}")
    support.wait_until(lambda: len(nginx.children()) == 2,
                       f"the old workers are gone: {nginx.children()}", 4 * DEADLINE)
    for p in publishers:
        p.end()
        assert not p.failed
    for c in stays:
        last = {text for p in publishers for text in p.sent[-4:]}
        support.wait_until(lambda: last <= set(c.heard), "the last are heard")
        for p in publishers:
            name = p.sent[0].split("-")[0] + "-"
            of_it = [text for text in c.heard if text.startswith(name)]
            assert len(set(of_it)) == len(of_it), "heard twice"
            # What came from two workers may have overtaken each other.
            assert not set(p.sent[p.first:]) - set(of_it), "lost"
        assert c.codes == []
    for c in comes:
        own = [t for t in c.heard if t.startswith("p")]
        assert len(set(own)) == len(own), "heard twice"
        # Who comes between the old port's end and the new one's beginning, which a busy
        # machine puts off, is turned away and tries again. Who was in is told to go.
        assert 1006 not in c.codes, c.codes
        assert c.codes.count(1001) > ROUNDS / 2, c.codes
    for c in comes:
        c.end()
    assert len(seen) == 2 * (ROUNDS + 1)
    assert sum(c.connected for c in comes) > len(comes) * ROUNDS / 2
    support.wait_until(lambda: figures(nginx) == first,
                       f"threads and descriptors as in the beginning: {first},"
                       f" {figures(nginx)}")
    assert rig.Worker(nginx.master).descriptors() == master
    assert os.listdir(nginx.wake_dir) == []
    assert not cores(nginx)
    assert not nginx.faults()


def test_sessions_of_old_workers_go_at_the_set_rate(serve, enter):
    rate, count = 10, 30
    nginx = serve(options=f'drain_rate = {rate}, drain_timeout = "60s",', workers=1,
                  redis=None)
    old = nginx.workers()[0]
    clients = [enter(nginx) for _ in range(count)]
    ends = []
    threads = [threading.Thread(target=lambda c=c: ends.append(
        (c.wait_closed()[0], time.monotonic()))) for c in clients]
    for t in threads:
        t.start()
    nginx.reload()
    for t in threads:
        t.join()
    assert {code for code, _ in ends} == {1001}
    times = sorted(at for _, at in ends)
    lasted = times[-1] - times[0]
    # As this process has heard of them, which may have had to wait for a moment.
    assert 0.3 * count / rate < lasted < 10 * count / rate * support.SLOW, lasted
    most = max(sum(1 for t in times if at <= t < at + 0.5) for at in times)
    assert most <= 0.8 * count, most
    nginx.wait_gone([old])


def test_drain_timeout_bounds_how_long_an_old_worker_stays(serve, enter):
    # start() sets 5s; at one session a second thirty would take half a minute.
    nginx = serve(options="drain_rate = 1,", workers=1, redis=None)
    old = nginx.workers()[0]
    clients = [enter(nginx) for _ in range(30)]
    began = time.monotonic()
    nginx.reload()
    nginx.wait_gone([old])
    assert 3 < time.monotonic() - began < 25 * support.SLOW
    assert {c.wait_closed()[0] for c in clients} <= {1001, 1006}


def test_handlers_go_on_while_an_old_worker_drains(serve, enter):
    nginx = serve("""
      message = function(session, data) ngx.sleep(0.3) session:send(data) end,
      close = function(session, code)
        ngx.sleep(0.3)
        tell("closed", code)
      end,""", "drain_rate = 4,", workers=1, redis=None)
    old = nginx.workers()[0]
    clients = [enter(nginx) for _ in range(4)]
    last = clients[0]
    nginx.reload()
    for client in clients:
        assert client.wait_closed()[0] == 1001
    assert last is clients[0]
    nginx.wait_gone([old])
    assert nginx.told("closed") == [1001] * 4


def test_a_session_of_an_old_worker_is_heard_until_its_turn_comes(serve, enter, node,
                                                                  connect):
    nginx, far = serve(options="drain_rate = 2,", workers=1), node()
    clients = [enter(nginx, "room=r") for _ in range(6)]
    ann = connect(far, "room=r")
    old = nginx.workers()[0]

    def say():
        ann.send("up")
        return all("up" in client.receive() for client in clients)

    support.wait_until(say, "they hear each other")
    nginx.reload()
    ann.send("while draining")
    codes = []
    for client in clients:
        async def rest(client=client):
            heard = []
            try:
                while True:
                    heard.append(await client.ws.recv())
            except websockets.exceptions.ConnectionClosed:
                return heard, client.ws.close_code

        heard, code = client._loop.run(rest())
        codes.append((("while draining" in heard), code))
    assert {code for _, code in codes} == {1001}
    assert sum(heard for heard, _ in codes) >= 3, codes
    nginx.wait_gone([old])


def test_a_request_that_an_old_worker_still_handles_can_send(serve, node, connect):
    nginx, far = serve(workers=1, locations="""
      location /later { content_by_lua_block {
        local shared = ngx.shared.shared
        ngx.say("begun") ngx.flush(true)
        while not shared:get("go") do ngx.sleep(0.05) end
        local ok, why = require("fanwire.resty").send_user("ann", "late")
        ngx.say(tostring(ok), " ", why or "")
      } }
      location /go { content_by_lua_block {
        ngx.shared.shared:set("go", true) ngx.say("go") } }"""), node()
    ann = connect(far, "user=ann")
    old = nginx.workers()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", nginx.port,
                                                       timeout=DEADLINE)) as c:
        c.request("GET", "/later")
        response = c.getresponse()
        assert response.readline() == b"begun\n"
        nginx.reload()
        till = time.monotonic() + 1  # it has no session, so its drain could be over
        support.wait_until(lambda: time.monotonic() > till, "a moment")
        assert nginx.get("/go").pid not in old
        assert response.readline().strip() == b"true"
    assert ann.receive() == "late"
    nginx.wait_gone(old)


ASKS = """
  location /ask { content_by_lua_block {
    local resty, shared = require("fanwire.resty"), ngx.shared.shared
    ngx.say("begun") ngx.flush(true)
    while ngx.var.arg_later and not shared:get("go") do ngx.sleep(0.02) end
    local answer, why, name = resty.nodes()
    ngx.say(answer and "answered" or name)
  } }
  location /go { content_by_lua_block {
    ngx.shared.shared:set("go", true) ngx.say("go") } }"""


@contextlib.contextmanager
def asking(nginx, path):
    """What a request to a worker says, line by line; its first has come."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", nginx.port,
                                                       timeout=DEADLINE)) as c:
        c.request("GET", path)
        response = c.getresponse()
        assert response.readline() == b"begun\n"
        yield lambda: response.readline().strip().decode()


def test_who_has_asked_an_old_worker_is_answered_and_the_worker_ends(serve, tmp_path):
    """There are no sessions, and Redis answers nobody any more."""
    redis = support.RedisServer(tmp_path)
    redis.start()
    try:
        nginx = serve(locations=ASKS, options='drain_timeout = "1s",', workers=1,
                      redis=redis.url)
        nginx.wait_log("fanwire: redis: up")
        old = nginx.workers()
        redis.pause()
        with asking(nginx, "/ask") as line:
            nginx.reload()
            assert line() == "FW_ERR_CLOSED"
        nginx.wait_gone(old)
    finally:
        redis.kill()


def test_who_asks_a_worker_at_rest_is_told_so_at_once(serve):
    nginx = serve(locations=ASKS, workers=1)
    old = nginx.workers()
    with asking(nginx, "/ask?later=1") as line:
        nginx.reload()
        till = time.monotonic() + 1  # it has no session: its drain is over
        support.wait_until(lambda: time.monotonic() > till, "a moment")
        assert nginx.get("/go").pid not in old
        assert line() == "FW_ERR_CLOSED"
    nginx.wait_gone(old)


def test_a_reload_that_nginx_refuses_changes_nothing(serve, enter):
    nginx = serve(workers=1, redis=None)
    nginx.expected = ["nonsense"]
    client, pid = enter(nginx, "room=r"), nginx.workers()
    nginx.write(locations="nonsense;")
    nginx.signal(signal.SIGHUP)
    nginx.wait_log("nonsense")
    client.send("still")
    assert client.receive() == "still"
    assert nginx.workers() == pid


def test_a_reload_may_bring_other_options(serve, enter):
    nginx = serve(workers=1, redis=None)
    enter(nginx)
    with open(os.path.join(nginx.folder, "nginx.conf"), encoding="utf-8") as f:
        text = f.read()
    with open(os.path.join(nginx.folder, "nginx.conf"), "w", encoding="utf-8") as f:
        f.write(text.replace("/ws\", redis_url", "/other\", redis_url"))
    nginx.reload(wait_for_end=True)
    assert support.handshake(nginx.url).status == 404
    assert support.handshake(nginx.url.replace("/ws", "/other")).status == 101


# --- the end ---

# Whatever would be waited for here would be so for a minute or longer.
SOON = 30 * support.SLOW
PATIENT = 'drain_timeout = "60s",'


@pytest.mark.parametrize("number, codes", [
    (signal.SIGQUIT, {1001}), (signal.SIGTERM, {1001, 1006})])
def test_the_end_of_nginx_leaves_nothing(serve, enter, number, codes):
    nginx = serve(options=PATIENT)
    clients = [enter(nginx, "room=r", k % 2) for k in range(6)]
    workers = nginx.workers()
    before = set(os.listdir("/tmp"))
    began = time.monotonic()
    nginx.signal(number)
    got = {client.wait_closed()[0] for client in clients}
    assert nginx.wait_end() == 0
    assert time.monotonic() - began < SOON
    assert got <= codes, got
    nginx.wait_gone(workers)
    assert os.listdir(nginx.wake_dir) == []
    # Other tests make files there, too, but no sockets.
    assert not [n for n in set(os.listdir("/tmp")) - before
                if "fanwire" in n and pathlib.Path("/tmp", n).is_socket()]
    for port in (nginx.port, nginx.ws_port):
        with support.socket.socket() as s:
            assert s.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGTERM])
def test_an_idle_nginx_ends_at_once(serve, number):
    nginx = serve(options=PATIENT)
    began = time.monotonic()
    nginx.signal(number)
    assert nginx.wait_end() == 0
    assert time.monotonic() - began < SOON


def test_a_fast_stop_waits_for_no_handler(serve, enter):
    nginx = serve("""
      message = function(session) session:send("sleeping") ngx.sleep(600) end,""",
                  PATIENT, workers=1, redis=None)
    assert enter(nginx).ask("x") == "sleeping"
    began = time.monotonic()
    nginx.signal(signal.SIGTERM)
    assert nginx.wait_end() == 0
    assert time.monotonic() - began < SOON


def test_a_handler_that_sleeps_on_holds_up_a_quit_for_drain_timeout_only(serve, enter):
    nginx = serve("""
      message = function(session) session:send("sleeping") ngx.sleep(600) end,""",
                  'drain_timeout = "1s",', workers=1, redis=None)
    assert enter(nginx).ask("x") == "sleeping"
    began = time.monotonic()
    nginx.signal(signal.SIGQUIT)
    assert nginx.wait_end() == 0
    assert time.monotonic() - began < SOON


def test_workers_that_are_killed_again_and_again_leave_no_file(serve, enter):
    nginx = serve()
    nginx.expected = ["exited on signal 9"]
    for _ in range(5):
        old = nginx.workers()
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        nginx.wait_respawned(old)
        enter(nginx, "", 0), enter(nginx, "", 1)
    assert os.listdir(nginx.wake_dir) == []
