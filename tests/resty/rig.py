"""An nginx of the test's own that has fanwire in its workers, and what to ask it.

The configuration is written by each test: what runs in init_worker_by_lua, and the
locations. Everything of it lies in one folder with a short path, for Unix sockets, and
the hubs' wake_dir is a folder in there that has to be empty at the end.

Handlers tell the test things through a file: `tell(kind, value)` of lib/telling.lua.
"""

import contextlib
import http.client
import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import threading

import support
from run_support import free_ports, is_alive
from support import DEADLINE, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("BUILD_DIR", os.path.join(SOURCE, "build/dev")))
MODULES = os.environ.get("FW_NGINX_MODULES", "/usr/lib/nginx/modules")
DEBIAN = "/usr/share/lua/5.1"
# Where another lua-resty-websocket lies than the stand-in of these tests.
WEBSOCKET = os.environ.get("FW_RESTY_WEBSOCKET")

CONFIGURATION = """
load_module {modules}/ndk_http_module.so;
load_module {modules}/ngx_http_lua_module.so;
pid run/nginx.pid;
user root;
daemon off;
worker_processes {workers};
error_log logs/error.log info;
{main}
events {{ worker_connections 2048; }}
http {{
  access_log off;
  client_body_temp_path tmp/body; proxy_temp_path tmp/proxy;
  fastcgi_temp_path tmp/fastcgi; uwsgi_temp_path tmp/uwsgi; scgi_temp_path tmp/scgi;
  keepalive_requests 1000000;
  client_body_buffer_size 1m;
  lua_package_path "{path}";
  lua_package_cpath "{cpath}";
  lua_shared_dict shared 1m;
  init_by_lua_block {{
    require("telling").file = "{folder}/told"
{init}
  }}
  init_worker_by_lua_block {{
    local shared, tell = ngx.shared.shared, require("telling").tell
{init_worker}
  }}
  {http}
  server {{
    listen 127.0.0.1:{port};
    header_filter_by_lua_block {{
      ngx.header["X-Worker"] = ngx.worker.id()
      ngx.header["X-Pid"] = ngx.worker.pid()
    }}
    location /alive {{ content_by_lua_block {{ ngx.say("alive") }} }}
{locations}
  }}
}}
"""

# A start whose clients say in the query who they are and where they want to go, and hear
# first which worker they are at. What they say is heard by the room.
START = """
local resty = require "fanwire.resty"
local options = {
  listen = "ws://127.0.0.1:@WS@/ws", redis_url = @REDIS@, redis_prefix = "@PREFIX@",
  wake_dir = "@WAKE@", drain_timeout = "5s", @OPTIONS@
}
local handlers = {
  connect = function(request) return request.query.user end,
  open = function(session)
    if session.query.room then session:join(session.query.room) end
    if session.host ~= "127.0.0.1:@HTTP@" then -- those are attached
      session:send({ worker = ngx.worker.id(), pid = ngx.worker.pid() })
    end
  end,
  message = function(session, data, binary)
    resty.publish(session.query.room, data, binary)
  end,
  @HANDLERS@
}
local hub, why, name = resty.start(options, handlers)
if hub == nil then ngx.log(ngx.ERR, "not started: ", why) end
tell("started", { worker = ngx.worker.id(), pid = ngx.worker.pid(),
                  ok = hub and true or false, why = why, name = name })
"""

# POST /notify?user=, ?room= or neither: the body is sent; the answer says by whom.
NOTIFY = """
    location /notify { content_by_lua_block {
      local resty = require "fanwire.resty"
      ngx.req.read_body()
      local data, to = ngx.req.get_body_data() or "", ngx.req.get_uri_args()
      local ok, why, name
      if to.user then ok, why, name = resty.send_user(to.user, data)
      elseif to.room then ok, why, name = resty.publish(to.room, data)
      else ok, why, name = resty.send_all(data) end
      if not ok then
        ngx.status = 503
        return ngx.say(name, ": ", why)
      end
      ngx.say("sent")
    } }
"""


class Answer:
    """What a request gave."""

    def __init__(self, response):
        self.status = response.status
        self.body = response.read().decode()
        self.worker = int(response.headers.get("X-Worker", "-1"))
        self.pid = int(response.headers.get("X-Pid", "-1"))


class Connection:
    """A kept connection to one worker."""

    def __init__(self, port):
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)

    def ask(self, path, body=None, method=None):
        self.http.request(method or ("GET" if body is None else "POST"), path, body)
        return Answer(self.http.getresponse())

    def end(self):
        self.http.close()


def wait_reached(nginx, user, clients):
    """Nodes subscribe to a user's channel when its session opens; Redis takes a moment.
    nginx has rig.NOTIFY; what is sent meanwhile is taken."""
    c = Connection(nginx.port)  # one worker: what it sends comes in order
    path = f"/notify?user={user}"
    wait_until(lambda: c.ask(path, "there?") and all(x.ws.messages for x in clients),
               f"each of {user} hears")
    c.ask(path, "all there")
    for client in clients:
        while client.receive() != "all there":
            pass
    c.end()


class Worker:
    """A worker process, as the kernel sees it."""

    def __init__(self, pid):
        self.pid = pid

    def tasks(self):
        """{name of the thread: its voluntary switches}, as far as threads have names."""
        found = {}
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/status", encoding="ascii") as f:
                status = dict(line.split(":", 1) for line in f)
            name = status["Name"].strip() + "/" + task
            found[name] = int(status["voluntary_ctxt_switches"])
        return found

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def cpu_s(self):
        """What it has had of the processor's time, which no other work makes longer."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as f:
            user, system = f.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        """What its descriptors are, sorted: kinds, without the numbers of sockets."""
        kinds = []
        for fd in os.listdir(f"/proc/{self.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                target = os.readlink(f"/proc/{self.pid}/fd/{fd}")
                kinds.append(re.sub(r"\[\d+\]", "", target))
        return sorted(kinds)

    def figures(self):
        return self.threads(), self.descriptors()

    def figures_at_rest(self):
        """The same, once two looks have given the same."""
        last = None

        def same():
            nonlocal last
            before, last = last, self.figures()
            select.select([], [], [], 0.2)
            return before == last

        wait_until(same, "the worker is at rest")
        return last


class Nginx:
    """See above. `init_worker` and `locations` are of the configuration; @WS@, @HTTP@,
    @REDIS@, @PREFIX@ and @WAKE@ in it are replaced."""

    def __init__(self, init_worker, locations="", workers=2, redis=None, prefix="fw",
                 init="", main="", http=""):
        self.folder = tempfile.mkdtemp(prefix="fw-resty-")
        self.wake_dir = os.path.join(self.folder, "wake")
        for name in ("logs", "tmp", "run", "wake"):
            os.mkdir(os.path.join(self.folder, name))
        self._parts = dict(init_worker=init_worker, locations=locations, init=init,
                           main=main, http=http)
        self._workers, self._redis, self._prefix = workers, redis, prefix
        self._process = self._reader = None
        self._err = []
        self.expected = []  # what tests say may stand in the error log

    # --- starting ---

    def _fill(self, text):
        for name, value in (("WS", str(self.ws_port)), ("HTTP", str(self.port)),
                            ("REDIS", json.dumps(self._redis) if self._redis else "nil"),
                            ("PREFIX", self._prefix), ("WAKE", self.wake_dir),
                            ("FOLDER", self.folder), ("HERE", HERE)):
            text = text.replace(f"@{name}@", value)
        return text

    def write(self, **parts):
        """The configuration; with parts: a changed one, for a reload."""
        self._parts.update(parts)
        path = [f"{BUILD}/lua/5.1/?.lua", f"{BUILD}/lua/5.1/?/init.lua",
                f"{HERE}/lib/?.lua", f"{DEBIAN}/?.lua", f"{DEBIAN}/?/init.lua"]
        if WEBSOCKET:
            path.insert(0, f"{WEBSOCKET}/?.lua")
        text = CONFIGURATION.format(
            modules=MODULES, workers=self._workers, path=";".join(path), port=self.port,
            cpath=f"{BUILD}/lua/5.1/?.so;/usr/lib/x86_64-linux-gnu/lua/5.1/?.so",
            folder=self.folder, **self._parts)
        with open(os.path.join(self.folder, "nginx.conf"), "w", encoding="utf-8") as f:
            f.write(self._fill(text))

    def start(self):
        native = os.path.join(BUILD, "lua/5.1/fanwire/native.so")
        assert os.path.exists(native), f"{native} is missing: BUILD_DIR, with FW_LUA=ON"
        # Somebody else may take a port between the look and the start.
        for _ in range(5):
            self.port = free_ports(2)
            self.ws_port = self.port + 1
            self.write()
            self._process = subprocess.Popen(
                ["nginx", "-p", self.folder + "/", "-c", "nginx.conf", "-e",
                 "logs/error.log"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True, cwd=self.folder,
                env=support.clean_environment())
            self._err = []
            self._reader = threading.Thread(target=self._read_err)
            self._reader.start()
            wait_until(lambda: self._process.poll() is not None or self._is_up(),
                       f"nginx is up; {''.join(self._err)}")
            if self._process.poll() is None:
                return self
            self._process.wait()
            self._reader.join()
            assert "in use" in self.log(), self.log() + "".join(self._err)
            os.unlink(os.path.join(self.folder, "logs/error.log"))
        raise AssertionError("no free port")

    def _read_err(self):
        for line in self._process.stderr:
            self._err.append(line)

    def _is_up(self):
        # A worker is renamed when it has run init_worker_by_lua.
        try:
            return len(self.workers()) == self._workers \
                and self.get("/alive").status == 200
        except (OSError, http.client.HTTPException):
            return False

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.ws_port}/ws"

    @property
    def http_url(self):
        return f"http://127.0.0.1:{self.port}"

    # --- its processes ---

    @property
    def master(self):
        return self._process.pid

    def children(self):
        """The ids of all that the master has started and that still is."""
        try:
            with open(f"/proc/{self.master}/task/{self.master}/children",
                      encoding="ascii") as f:
                return [int(pid) for pid in f.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            return []

    def workers(self):
        """The ids of the workers that aren't on their way out."""
        found = []
        for pid in self.children():
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    title = f.read().replace(b"\0", b" ").strip()
                if title == b"nginx: worker process":
                    found.append(pid)
        return found

    def signal(self, number):
        os.kill(self.master, number)

    def reload(self, wait_for_end=False):
        """HUP, until there are new workers and, if asked for, no old ones."""
        old = self.children()
        self.signal(signal.SIGHUP)

        def renewed():
            now = self.workers()
            return len(now) == self._workers and not set(now) & set(old)

        wait_until(renewed, "new workers")
        if wait_for_end:
            self.wait_gone(old)

    def wait_respawned(self, dead, count=2):
        """Others, as many, are there for workers that were killed. One look at a time: of
        two the first may still see the old ones, and the second no longer."""
        def there():
            now = self.workers()
            return len(now) == count and not set(dead) & set(now)

        wait_until(there, f"other workers than {dead}")

    def wait_gone(self, pids, deadline=None):
        wait_until(lambda: not any(map(is_alive, pids)), f"the end of {pids}", deadline)

    def wait_end(self, deadline=None):
        self._process.wait(deadline or DEADLINE)
        return self._process.returncode

    # --- asking it ---

    def connection(self):
        return Connection(self.port)

    def on_worker(self, number):
        """A kept connection to the worker of that number."""
        waste, found = [], []

        def reached():
            c = self.connection()
            if c.ask("/alive").worker == number:
                found.append(c)
                return True
            waste.append(c)  # stays open: the next one is more likely another's
            return False

        wait_until(reached, f"a connection to worker {number}")
        for c in waste:
            c.end()
        return found[0]

    def get(self, path):
        c = self.connection()
        try:
            return c.ask(path)
        finally:
            c.end()

    def post(self, path, body=""):
        c = self.connection()
        try:
            return c.ask(path, body)
        finally:
            c.end()

    # --- what it says ---

    def log(self):
        with open(os.path.join(self.folder, "logs/error.log"), encoding="utf-8",
                  errors="replace") as f:
            return f.read()

    def wait_log(self, text, n=1):
        wait_until(lambda: self.log().count(text) >= n,
                   f"{text!r} in {self.log()[-4000:]}")

    def told(self, kind):
        """The values told under this name, in order."""
        try:
            with open(os.path.join(self.folder, "told"), encoding="utf-8") as f:
                whole, _, _ = f.read().rpartition("\n")
        except FileNotFoundError:
            return []
        lines = [json.loads(line) for line in whole.split("\n") if line]
        return [value for k, value in lines if k == kind]

    def wait_told(self, kind, n=1, deadline=None):
        def there():
            return len(self.told(kind)) >= n

        wait_until(there, f"{n} times {kind!r}; there is: {self.told(kind)[-5:]};"
                   f" {self.log()[-3000:]}", deadline)
        return self.told(kind)

    def wait_told_or_fail(self, kind, n):
        """The same, where what init_worker_by_lua raises means that it will never be."""
        error = "init_worker_by_lua error"
        wait_until(lambda: len(self.told(kind)) >= n or error in self.log(), kind)
        assert error not in self.log(), self.log()
        return self.told(kind)

    # --- the end ---

    def end(self):
        """Ends it if it hasn't, without asking whether it does so nicely."""
        if self._process is None:
            return
        left = self.children()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait_gone(left)
        self._reader.join()
        self._process.stderr.close()

    def faults(self):
        """Lines of the error log that nobody expects."""
        bad = re.compile(r"\[(error|crit|alert|emerg)\]|exited on signal")
        lines = [line for line in self.log().splitlines() if bad.search(line)]
        return [line for line in lines if not any(e in line for e in self.expected)]

    def remove(self):
        shutil.rmtree(self.folder)


class Node:
    """fanwired in rooms mode: a node on another machine, for all that it knows.
    ?room=R joins, ?user=U is whose session it is."""

    def __init__(self, redis, prefix):
        program = os.environ.get("FANWIRED", os.path.join(BUILD, "capi/server/fanwired"))
        self._process = subprocess.Popen(
            [program, "--listen", "ws://127.0.0.1:0/ws", "--redis.url", redis,
             "--redis.prefix", prefix, "--log.level", "error"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, text=True, env=support.clean_environment())
        self.url = None
        for line in self._process.stdout:  # the last that it prints is of Redis
            if line.startswith("listening "):
                self.url = line.split()[1]
            if line.startswith("redis "):
                break
        assert self.url, "fanwired didn't start"

    def end(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
