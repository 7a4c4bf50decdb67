"""What docs/openresty.md and the README show works as it stands there."""

import os
import re

import rig

PAGES = {name: open(os.path.join(rig.SOURCE, name), encoding="utf-8").read()
         for name in ("docs/openresty.md", "README.md")}


def inside(block, name):
    """What is between the braces of a directive."""
    start = block.index("{", block.index(name)) + 1
    depth, at = 1, start
    while depth:
        depth += {"{": 1, "}": -1}.get(block[at], 0)
        at += 1
    return block[start:at - 1]


def shown(page):
    """(what the page starts, its location) for rig.Nginx, with its ports and Redis."""
    block = next(b for b in re.findall(r"```nginx\n(.*?)```", PAGES[page], re.S)
                 if "fanwire.resty" in b)
    init, n = re.subn(
        r'listen = "ws://[\d.]+:9090/ws",\s*redis_url = "redis://127.0.0.1:6379"',
        'listen = "ws://127.0.0.1:@WS@/ws", redis_url = @REDIS@, wake_dir = "@WAKE@",'
        ' redis_prefix = "@PREFIX@"', inside(block, "init_worker_by_lua_block"))
    assert n == 1
    location = inside(block, "location = /notify")
    return init, "location = /notify {%s}\n" % location


def test_the_first_configuration_of_the_guide(nginx, connect):
    n = nginx(*shown("docs/openresty.md"))
    ann = connect(n, "name=ann&room=lobby")
    bob = connect(n, "name=bob&room=lobby")
    # A join may be on its way still when the handshake is over.
    rig.wait_until(lambda: ann.send("there?") or bob.ws.messages,
                   "bob hears what ann says")
    assert n.get("/notify?user=ann").body == "sent\n"
    while ann.receive() != "you have mail":
        pass


def test_the_configuration_of_the_readme(nginx, connect):
    n = nginx(*shown("README.md"))
    ann = connect(n, "user=ann")
    assert n.get("/notify?user=ann").status == 200
    assert ann.receive() == "you have mail"


def test_the_loop_of_an_attached_connection(nginx, connect):
    loop = next(b for b in re.findall(r"```lua\n(.*?)```", PAGES["docs/openresty.md"],
                                      re.S) if "resty.attach" in b)
    n = nginx("""
      assert(require("fanwire.resty").start({ listen = "off", redis_url = @REDIS@,
        redis_prefix = "@PREFIX@", wake_dir = "@WAKE@" }))""",
              "location /chat { content_by_lua_block {\n%s\n} }" % loop)
    n.expected = ["failed to receive the first 2 bytes"]  # what the loop logs at the end
    ann, bob = (connect(f"ws://127.0.0.1:{n.port}/chat?name={name}")
                for name in ("ann", "bob"))
    rig.wait_until(lambda: ann.send("hello") or ann.ws.messages and bob.ws.messages,
                   "both hear what ann says")
    bob.close()
