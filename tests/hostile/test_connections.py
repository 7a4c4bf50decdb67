"""Connections that come and go in the worst moment."""

from hostile import GONE, REFUSALS, attack, page_socket, reset, sock_to
from peer import BINARY, CLOSE, TEXT, Peer, close_payload, frame
from test_http import client_hello

EVERYTHING = GONE + REFUSALS


@attack("10,000 connects, each reset at once", "whoever comes behind them is served")
def test_ten_thousand_connects_and_resets(scene):
    def run():
        for _ in range(10000):
            reset(sock_to(scene.server.plain))
        # Whoever comes now is served behind them all.
        with Peer(scene.server.plain) as peer:
            peer.handshake("?room=attack")

    scene.attack(run, ["fanwire_connects_total"], 1, runs=2)


@attack("3,000 connects to the TLS port, reset at once or in their hello",
        "whoever comes behind them is served")
def test_three_thousand_connects_and_resets_on_tls(scene):
    hello = client_hello()

    def run():
        for i in range(3000):
            s = sock_to(scene.server.tls)
            s.sendall(hello[:len(hello) * (i % 4) // 3])
            reset(s)
        with Peer(scene.server.tls) as peer:
            peer.handshake("?room=attack")

    scene.attack(run, ["fanwire_connects_total"], 1, runs=2)


def whole_life(peer):
    """All that a client says in its life: head, text, fragments, Close."""
    return (peer.head("?room=attack") + frame(TEXT, b"Hello")
            + frame(BINARY, b"x" * 300, fin=False) + frame(0, b"y" * 300)
            + frame(CLOSE, close_payload(1000, b"bye")))


def cuts(target, step):
    """Where a life is cut: now and then in the head, and all over the frames."""
    probe = Peer(target)
    head, length = len(probe.head("?room=attack")), len(whole_life(probe))
    probe.reset()
    return list(range(0, head, 7)), list(range(head, length + 1, step))


@attack("A reset at each byte of a session's life", "each is counted as gone")
def test_a_reset_in_every_phase(scene, target):
    """A reset takes with it what the server hasn't read, so where there is a head its
    answer is waited for: each of these was a session, and is counted as gone."""
    in_head, in_frames = cuts(target, 3)

    def run():
        for cut in in_head + in_frames:
            peer = Peer(target)
            peer.send(whole_life(peer)[:cut])
            if cut >= in_frames[0]:
                peer.check_accept(peer.answer())
            peer.reset()

    scene.attack(run, EVERYTHING, len(in_frames))


@attack("A FIN at each byte of a session's life", "it is let go each time")
def test_a_fin_in_every_phase(scene, target):
    in_head, in_frames = cuts(target, 5)

    def run():
        for cut in in_head + in_frames:
            peer = Peer(target)
            peer.send(whole_life(peer)[:cut], reading=False)
            peer.half_close()
            while peer.at_end is None:
                assert peer._fill(30), "kept after FIN at byte %d" % cut
            peer.close()

    scene.attack(run, EVERYTHING, len(in_frames))


@attack("2,000 sessions that come, join, say something, and go: with Close, with a FIN, "
        "with a reset", "nothing is left of them")
def test_churn_of_two_thousand_sessions(scene):
    def run():
        for i in range(2000):
            peer = Peer(scene.server.plain)
            peer.send(peer.head("?room=churn%d" % (i % 50)) + frame(TEXT, b"Hello"))
            if i % 4 == 0:
                peer.send_close(1000)
            if i % 4 == 3:
                peer.check_accept(peer.answer())
            peer.reset() if i % 4 == 1 else peer.close()

    scene.attack(run, ["fanwire_connects_total"], 500)


@attack("1,000 sessions that end at once", "nothing is left of them")
def test_a_thousand_sessions_end_at_once(scene):
    def run():
        peers = [Peer(scene.server.plain).handshake("?room=attack") for _ in range(1000)]
        scene.server.wait_for("all are in", lambda m: m["fanwire_room_members"] == 1002)
        for i, peer in enumerate(peers):
            peer.reset() if i % 2 else peer.close()

    scene.attack(run, GONE, 1000)


def hold_pending(server, number):
    """Connections that say nothing; those that were turned away, and those that wait."""
    held = [sock_to(server.plain) for _ in range(number)]
    # A round trip behind them all: the server has looked at each.
    with Peer(server.plain) as peer:
        peer.send(peer.head("?room=attack"))
        peer.answer()
    away, waiting = [], []
    for s in held:
        s.settimeout(0.01)
        try:
            data = s.recv(4096)
            assert data == b"" or b" 503 " in data.split(b"\r\n")[0]
            away.append(s)
        except ConnectionError:
            away.append(s)
        except TimeoutError:
            waiting.append(s)
    return away, waiting


@attack("150 connections without a request, where 50 may be pending",
        "503 or a close for the others; afterwards there is room again")
def test_more_pending_than_allowed_are_turned_away(server_with):
    server = server_with("--limit.pending", "50", "--handshake.timeout", "10s")
    away, waiting = hold_pending(server, 150)
    assert len(away) >= 95 and len(waiting) <= 50
    for s in away + waiting:
        s.close()
    metrics = server.wait_for("none is left", lambda m:
                              m["fanwire_pending_connections"] <= 1)
    assert metrics['fanwire_limit_hits_total{limit="pending"}'] >= 95
    with Peer(server.plain) as peer:  # there is room again
        peer.handshake("?room=attack")


@attack("The same, and `/health` is asked for",
        "200: who looks after the server isn't shut out")
def test_health_is_answered_while_the_pending_are_too_many(server_with):
    server = server_with("--limit.pending", "50", "--handshake.timeout", "10s")
    away, waiting = hold_pending(server, 60)
    try:
        with page_socket(server) as s:
            s.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert s.recv(65536).startswith(b"HTTP/1.1 200 ")
    finally:
        for s in away + waiting:
            s.close()
