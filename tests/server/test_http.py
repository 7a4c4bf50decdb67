"""The pages of http.listen, as a load balancer and Prometheus see them."""

import asyncio
import json

import websockets

from conftest import DEADLINE


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


def test_metrics_are_prometheus_text(fanwired):
    status, kind, body = fanwired().get("/metrics")
    assert status == 200
    assert kind.startswith("text/plain; version=0.0.4")
    for line in ("# TYPE fanwire_sessions gauge", "fanwire_sessions 0",
                 "# TYPE fanwire_messages_in_total counter",
                 'fanwire_limit_hits_total{limit="sessions"} 0',
                 'fanwire_outbox_overflows_total{policy="close"} 0'):
        assert line in body.splitlines()
    assert 'fanwire_loop_lag_seconds{loop="0"} ' in body


def test_each_metric_is_there_once(fanwired, redis_url):
    lines = fanwired("--redis.url", redis_url).get("/metrics")[2].splitlines()
    for kind in ("# TYPE ", "# HELP ", "fanwire_"):
        names = [line.removeprefix(kind).split(" ")[0] for line in lines
                 if line.startswith(kind)]
        assert len(names) == len(set(names))


def test_other_paths_are_404(fanwired):
    assert fanwired().get("/nothing")[0] == 404
