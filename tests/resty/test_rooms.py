"""Rooms, users and everybody, across the workers of one nginx and another machine's node.

The clients are at the port of the hubs, which the workers share.
"""

import asyncio
import os
import signal

import rig
import support


def hear_each_other(speakers, listeners, name):
    """Each speaker says something until every listener has heard it: rooms that are new
    take a moment until other nodes know of them. Returns when all have."""
    for number, speaker in enumerate(speakers):
        waiting = list(listeners)
        text = f"{name}-{number}"

        def heard(waiting=waiting, speaker=speaker, text=text):
            speaker.send(text)
            for client in list(waiting):
                try:
                    while client.receive(deadline=0.2 * support.SLOW) != text:
                        pass
                    waiting.remove(client)
                except asyncio.TimeoutError:
                    pass
            return not waiting

        support.wait_until(heard, f"all have heard {text}")


def drained(client):
    """What the client still has, until nothing comes for a moment."""
    found = []
    try:
        while True:
            found.append(client.receive(deadline=0.3 * support.SLOW))
    except asyncio.TimeoutError:
        return found


def test_a_room_spans_the_workers_and_another_machine(serve, node, enter, connect):
    nginx, far = serve(), node()
    clients = [enter(nginx, "room=r", 0), enter(nginx, "room=r", 1),
               connect(far, "room=r")]
    hear_each_other(clients, clients, "hello")


def test_both_workers_serve_the_one_port(serve, enter):
    nginx = serve()
    pids = {enter(nginx, "", worker).at["pid"] for worker in (0, 1)}
    assert pids == set(nginx.workers())


def test_a_notice_handled_by_one_worker_reaches_the_user_at_the_other(serve, enter):
    nginx = serve()
    for at, asked in ((1, 0), (0, 1)):
        ann = enter(nginx, "user=ann", at)
        bob = enter(nginx, "user=bob", at)
        c = nginx.on_worker(asked)
        answer = c.ask("/notify?user=ann", "for ann")
        assert (answer.status, answer.worker) == (200, asked), answer.body
        assert ann.receive() == "for ann"
        assert c.ask("/notify", "for all").status == 200
        assert bob.receive() == "for all"
        ann.close()
        bob.close()
        c.end()


def test_a_notice_reaches_the_user_on_another_machine(serve, node, connect):
    nginx, far = serve(), node()
    ann = connect(far, "user=ann")
    rig.wait_reached(nginx, "ann", [ann])
    for worker in (0, 1):
        c = nginx.on_worker(worker)
        answer = c.ask("/notify?user=ann", f"by {worker}")
        assert (answer.status, answer.worker) == (200, worker)
        assert ann.receive() == f"by {worker}"
        c.end()


def test_a_user_hears_a_notice_once_wherever_it_is_connected(serve, node, enter, connect):
    nginx, far = serve(), node()
    anns = [enter(nginx, "user=ann", 0), enter(nginx, "user=ann", 1),
            connect(far, "user=ann")]
    rig.wait_reached(nginx, "ann", anns)
    assert nginx.post("/notify?user=ann", "one").status == 200
    assert [ann.receive() for ann in anns] == ["one"] * 3
    assert [drained(ann) for ann in anns] == [[], [], []]


def test_text_and_binary_stay_what_they_are(serve, enter):
    nginx = serve()
    here, there = enter(nginx, "room=r", 0), enter(nginx, "room=r", 1)
    hear_each_other([here], [here, there], "up")
    drained(here), drained(there)
    for data in ("t\u00fc\0xt", b"b\0n\xff", "", b"", "x" * 65536,
                 bytes(range(256)) * 1024):
        here.send(data)
        assert there.receive() == data


def test_messages_of_one_client_keep_their_order(serve, enter):
    nginx = serve()
    here, there = enter(nginx, "room=r", 0), enter(nginx, "room=r", 1)
    hear_each_other([here], [here, there], "up")
    drained(here), drained(there)
    sent = [str(k) for k in range(500)]
    for text in sent:
        here.send(text)
    assert there.receive_many(500) == sent


def test_skip_binary_tables_and_messages_do_as_in_plain_lua(serve, enter):
    nginx = serve("""
      message = function(session, data)
        resty.publish("r", { said = data }, { skip = session })
        resty.room("r"):publish(resty.message("made"))
        resty.user("ann"):send(data, "binary")
        assert(resty.session(session.id) == session)
        resty.broadcast("everybody")
        resty.send_node(resty.node(), "this node")
      end,""")
    here, there = enter(nginx, "room=r&user=ann", 0), enter(nginx, "room=r", 1)
    here.send("x")
    seen = here.receive_many(4)
    assert seen == ["made", b"x", "everybody", "this node"]
    assert there.receive_many(3) == ['{"said":"x"}', "made", "everybody"]


def test_one_worker_needs_no_redis(serve, enter):
    nginx = serve(redis=None, workers=1)
    here, there = enter(nginx, "room=r&user=ann"), enter(nginx, "room=r")
    here.send("hello")
    assert [here.receive(), there.receive()] == ["hello"] * 2
    assert nginx.post("/notify?user=ann", "hi").status == 200
    assert here.receive() == "hi"


def test_disconnect_from_one_worker_closes_the_sessions_of_another(serve, enter):
    nginx = serve(locations="""
      location /out { content_by_lua_block {
        ngx.say(tostring(require("fanwire.resty").user("ann"):disconnect(4001, "out")))
      } }""")
    ann = enter(nginx, "user=ann", 1)
    c = nginx.on_worker(0)
    assert c.ask("/out").body == "true\n"
    assert ann.wait_closed() == (4001, "out")
    c.end()


def test_a_worker_that_was_killed_is_back_and_the_other_goes_on(serve, enter):
    nginx = serve()
    nginx.expected = ["exited on signal 9"]
    dead, lives = enter(nginx, "room=r&user=ann", 0), enter(nginx, "room=r", 1)
    pid = dead.at["pid"]
    os.kill(pid, signal.SIGKILL)
    assert dead.wait_closed()[0] == 1006
    lives.send("alone")
    assert lives.receive() == "alone"
    nginx.wait_respawned([pid])
    back = enter(nginx, "room=r&user=ann", 0)
    assert back.at["pid"] != pid
    hear_each_other([lives, back], [lives, back], "together")
    c = nginx.on_worker(1)
    c.ask("/notify?user=ann", "again")
    support.wait_until(lambda: back.receive() == "again", "the notice")
    c.end()

