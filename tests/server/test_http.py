"""The pages of http.listen, as a load balancer and Prometheus see them."""

import asyncio
import json
import pathlib
import re
import socket

import pytest
import websockets

import exposition
from conftest import DEADLINE, wait_until

METRICS_PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


def test_health_names_the_node_and_counts_its_sessions(fanwired):
    f = fanwired("--node.name", 'web "1"')
    status, kind, body = f.get("/health")
    assert status == 200 and kind.startswith("application/json")
    health = json.loads(body)
    assert health["status"] == "ok" and health["name"] == 'web "1"'
    assert len(health["node"]) == 16 and int(health["node"], 16) > 0
    assert health["backplane"] == "memory" and health["redis_up"] is None
    assert health["sessions"] == 0

    async def scenario():
        async with websockets.connect(f.url + "?room=a"):
            loop = asyncio.get_running_loop()
            body = (await loop.run_in_executor(None, f.get, "/health"))[2]
            assert json.loads(body)["sessions"] == 1

    asyncio.run(scenario())


def test_health_with_redis(fanwired, redis_url):
    f = fanwired("--redis.url", redis_url, "--redis.required", "on")
    health = json.loads(f.get("/health")[2])
    assert health["backplane"] == "redis" and health["redis_up"] is True
    assert 0 <= health["probe_age_seconds"] < DEADLINE
    assert f.get("/ready")[0] == 200
    metrics = f.get("/metrics")[2]
    assert "\nfanwire_redis_up 1\n" in metrics
    assert "\nfanwire_redis_probe_age_seconds " in metrics


def test_ready(fanwired):
    assert fanwired().get("/ready")[0] == 200


@pytest.fixture
def families(fanwired, redis_url):
    """What a node with Redis and hooks shows after a message has passed."""
    f = fanwired("--redis.url", redis_url, "--redis.required", "on",
                 "--node.name", 'a "\\" node',
                 "--hook.disconnect.url", "http://127.0.0.1:1/")

    async def scenario():
        async with websockets.connect(f.url + "?room=a") as ws:
            await ws.send("x" * 100)
            await asyncio.wait_for(ws.recv(), DEADLINE)

    asyncio.run(scenario())
    status, kind, body = f.get("/metrics")
    assert status == 200 and kind.startswith("text/plain; version=0.0.4")
    return exposition.read(body)


def test_metrics_are_what_prometheus_reads(families):
    assert families["fanwire_messages_in_total"].value() == 1
    assert families["fanwire_deliveries_total"].value() == 1
    assert families["fanwire_redis_up"].value() == 1
    assert families["fanwire_limit_hits_total"].value(limit="sessions") == 0
    assert families["fanwire_outbox_overflows_total"].value(policy="close") == 0
    assert families["fanwire_loop_lag_seconds"].value(loop="0") < DEADLINE
    assert families["fanwire_info"].samples[0][1]["node"] == r'a \"\\\" node'


def test_histograms_count_what_happens(families):
    sizes = families["fanwire_message_in_size_bytes"]
    assert (sizes.value("_bucket", le="64"), sizes.value("_bucket", le="256")) == (0, 1)
    assert (sizes.value("_sum"), sizes.value("_count")) == (100, 1)
    assert families["fanwire_loop_turn_seconds"].value("_count") > 0
    assert families["fanwire_redis_probe_seconds"].value("_count") >= 1


def test_metrics_and_their_page_name_the_same(families):
    named = set(re.findall(r"`(fanwire_[a-z_]+)(?:\{[a-z_,]*\}|\{[^`]*\})?`",
                           METRICS_PAGE.read_text(encoding="utf-8")))
    assert named == set(families)


def test_a_slow_reader_is_seen_in_the_outboxes(fanwired):
    f = fanwired("--outbox.max_bytes", "64MiB", "--message.max_bytes", "8MiB")
    host, port = f.url.removeprefix("ws://").split("/")[0].split(":")
    slow = socket.create_connection((host, int(port)), timeout=DEADLINE)
    slow.sendall(b"GET /ws?room=a HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                 b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                 b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
    assert slow.recv(4096).startswith(b"HTTP/1.1 101 ")

    def waits():
        seen = exposition.read(f.get("/metrics")[2])
        return (seen["fanwire_outbox_sessions"].value() == 1
                and seen["fanwire_outbox_bytes"].value() > 1 << 20)

    async def scenario():
        async with websockets.connect(f.url + "?room=a", max_size=None) as ws:
            for _ in range(6):
                await ws.send(b"x" * (4 << 20))
                await asyncio.wait_for(ws.recv(), DEADLINE)
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, wait_until, waits, "bytes in an outbox")

    asyncio.run(scenario())
    slow.close()


def test_other_paths_are_404(fanwired):
    assert fanwired().get("/nothing")[0] == 404
