"""resty.start(): where and how it is allowed, and what a worker does after a refusal."""

import json

import rig
import support

# start, with what is said about it told; @OPTIONS@ is the table.
TRY = """
    local resty = require "fanwire.resty"
    local fine, hub, why, name = pcall(function()
      local hub, why, name = resty.start(@ARGUMENTS@)
      return hub, why, name
    end)
    tell("tried", { fine = fine, ok = hub and fine and true or false,
      why = fine and why or tostring(hub), name = name, worker = ngx.worker.id() })
"""
HANDLED = ('{ listen = "ws://127.0.0.1:@WS@/ws", redis_url = @REDIS@,'
           ' wake_dir = "@WAKE@"%s }')


def attempt(nginx, arguments, **keywords):
    """(nginx, what start said in each worker): it serves, whatever that was."""
    n = nginx(TRY.replace("@ARGUMENTS@", arguments), **keywords)
    tried = n.wait_told("tried", keywords.get("workers", 2))
    assert n.get("/alive").body == "alive\n"
    return n, tried


def test_more_than_one_worker_without_redis_is_refused(nginx, enter):
    n, tried = attempt(nginx, HANDLED % "", redis=None)
    for one in tried:
        assert not one["ok"] and one["fine"]
        assert one["why"].startswith("more than one worker needs redis_url: ")
        assert one["name"] == "FW_ERR_OPTION"


def test_redis_of_the_environment_counts(serve, redis_server, enter):
    # nginx passes on only the variables that it is told to.
    nginx = serve(redis=None, options="environment = true,",
                  main=f"env FANWIRE_REDIS_URL={redis_server.url};")
    assert all(one["ok"] for one in nginx.wait_told("started", 2))
    enter(nginx, "", 0), enter(nginx, "", 1)


def test_a_second_start_is_refused_and_the_first_serves(nginx, enter):
    start = rig.START.replace("@HANDLERS@", "").replace("@OPTIONS@", "")
    n = nginx(start + TRY.replace("local resty = require \"fanwire.resty\"", "")
              .replace("@ARGUMENTS@", "{ listen = \"off\" }"), workers=1)
    tried = n.wait_told("tried")[0]
    assert (tried["ok"], tried["name"]) == (False, "FW_ERR_STATE")
    client = enter(n, "room=r")
    client.send("still here")
    assert client.receive() == "still here"


def test_start_is_refused_outside_of_init_worker(nginx):
    n = nginx("", """
      location /start { content_by_lua_block {
        local ok, why, name = require("fanwire.resty").start({ listen = "off" })
        ngx.print(require("cjson").encode({ ok == nil, why, name }))
      } }""", workers=1)
    refused, why, name = json.loads(n.get("/start").body)
    assert refused and name == "FW_ERR_STATE"
    assert "init_worker_by_lua" in why
    assert n.get("/alive").status == 200


def test_start_returns_the_hub_with_its_methods(nginx):
    n = nginx("""
      local resty = require "fanwire.resty"
      local hub = assert(resty.start({ listen = "ws://127.0.0.1:@WS@/ws",
                                       redis_url = @REDIS@, wake_dir = "@WAKE@" }))
      tell("hub", { hub:running(), hub == resty.hub(), type(hub.publish),
                    hub:option("listen.shared"), resty.version })
    """)
    for seen in n.wait_told("hub", 2):
        assert seen[:4] == [True, True, "function", "on"] and seen[4]


def test_each_worker_is_a_node_with_a_name_and_an_http_port_of_its_own(serve):
    port = rig.free_ports(2)
    nginx = serve(options=f'node_name = "shop", http_listen = "127.0.0.1:{port}",',
                  locations="""location /node { content_by_lua_block {
                    local resty = require "fanwire.resty"
                    ngx.print(resty.node_name(), " ", resty.node()) } }""")
    for worker in (0, 1):
        c = nginx.on_worker(worker)
        name, node = c.ask("/node").body.split()
        assert name == f"shop-{worker}"
        c.end()
        health = rig.Connection(port + worker)
        assert json.loads(health.ask("/health").body)["node"] == node
        health.end()


def test_a_wrong_option_is_refused_with_a_sentence(nginx):
    for extra, piece in ((', heartbeat_intervall = "25s"', "heartbeat"),
                         (', drain_rate = "fast"', "drain.rate"),
                         (', concurrency = 0', "concurrency"),
                         (', wake_dir = "/nowhere/at/all"', "/nowhere/at/all"),
                         (', events = "inline"', "events")):
        n, tried = attempt(nginx, HANDLED.replace(', wake_dir = "@WAKE@"', "") % extra
                           if "wake_dir" in extra else HANDLED % extra, workers=1)
        assert not tried[0]["ok"], extra
        assert piece in tried[0]["why"], tried
        assert (tried[0].get("name") or "").startswith("FW_ERR_") or \
            ("init_worker_by_lua" in tried[0]["why"] and not tried[0]["fine"]), tried


def test_wrong_arguments_are_refused_with_a_sentence_or_an_error_with_its_place(nginx):
    for arguments in ("5", '"ws://127.0.0.1"', "{}, 5", "{}, { open = 5 }",
                      "{}, { opened = print }", "{ concurrency = {} }",
                      "{ wake_dir = 5 }", "{ wake_dir = {} }",
                      '{ concurrency = "many" }', "{ log = 5 }",
                      "{ [1] = 2 }", "{}, { [1] = print }"):
        n, tried = attempt(nginx, arguments, workers=1)
        assert not tried[0]["ok"], arguments
        assert len(tried[0]["why"]) > 15, (arguments, tried)
        if not tried[0]["fine"]:
            assert "init_worker_by_lua" in tried[0]["why"], (arguments, tried)
            assert "attempt to" not in tried[0]["why"], (arguments, tried)


def test_a_taken_port_is_refused_and_nothing_is_left_of_the_hub(nginx):
    with rig.contextlib.ExitStack() as stack:
        port = rig.free_ports(1)
        s = stack.enter_context(support.socket.socket())
        s.bind(("127.0.0.1", port))
        s.listen()
        n, tried = attempt(
            nginx, '{ listen = "ws://127.0.0.1:%d/ws", wake_dir = "@WAKE@" }' % port,
            workers=1)
        assert tried[0]["name"] == "FW_ERR_LISTEN" and str(port) in tried[0]["why"]
        n.expected = [str(port)]
        worker = rig.Worker(n.workers()[0])
        support.wait_until(lambda: worker.threads() == 1, f"one thread: {worker.tasks()}")


def test_redis_that_is_away_hinders_no_start(serve, enter):
    nginx = serve(redis="redis+unix:///nowhere/redis.sock", workers=1)
    nginx.expected = ["redis", "Redis", "backplane"]
    client = enter(nginx, "room=r")
    client.send("here")
    assert client.receive() == "here"


def test_the_log_of_the_hub_is_nginx_s(serve):
    nginx = serve(options='log_level = "debug",', workers=1)
    nginx.wait_log("fanwire")


def test_a_log_function_gets_the_lines_instead(serve):
    nginx = serve(options='log_level = "debug", log = function(level, component, line)'
                          ' tell("line", { level, component, line }) end,',
                  workers=1, redis=None)
    level, component, line = nginx.wait_told("line")[0]
    assert level in ("debug", "info", "warn", "error") and component and line


def test_addresses_that_workers_cannot_share_are_refused(nginx):
    for listen, workers, piece in (("unix:@FOLDER@/ws.sock:/ws", 1, "Unix socket"),
                                   ("ws://127.0.0.1:0/ws", 2, "port")):
        n, tried = attempt(nginx, '{ listen = "%s", redis_url = @REDIS@,'
                           ' wake_dir = "@WAKE@" }' % listen, workers=workers)
        for one in tried:
            assert not one["ok"] and one["name"] == "FW_ERR_OPTION"
            assert listen.split("@")[0][:5] in one["why"] and piece in one["why"]
