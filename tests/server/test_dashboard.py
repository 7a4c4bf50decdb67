"""docs/deploy/grafana.json: each metric and each label that it asks for is one that a
fanwired shows, and no panel lies upon another."""

import json
import pathlib
import re

import pytest

import exposition

DASHBOARD = json.loads((pathlib.Path(__file__).resolve().parents[2] / "docs" / "deploy"
                        / "grafana.json").read_text(encoding="utf-8"))
PANELS = [p for p in DASHBOARD["panels"] if p["type"] != "row"]
OF_PROMETHEUS = {"job", "instance"}  # no fanwired shows them


def queries():
    """(where, expression): of the panels and of what one chooses from."""
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"], ""


@pytest.fixture
def samples(fanwired, redis_url):
    """{metric: labels that it has}, of a node with Redis and hooks."""
    f = fanwired("--redis.url", redis_url, "--redis.required", "on",
                 "--hook.disconnect.url", "http://127.0.0.1:1/")
    found = {}
    for family in exposition.read(f.get("/metrics")[2]).values():
        for name, labels, _ in family.samples:
            found.setdefault(name, set()).update(labels)
    return found


def test_every_metric_and_label_is_one_that_a_node_shows(samples):
    asked = set()
    for where, expression, legend in queries():
        names = set(re.findall(r"\bfanwire_\w+", expression))
        assert names, where
        asked |= names
        for name in names:
            assert name in samples, f"{where}: {name}"
        labels = set(re.findall(r"(\w+)=~?\"", expression))
        for inside in re.findall(r"\bby \(([^)]*)\)", expression):
            labels |= set(inside.split(", "))
        labels |= set(re.findall(r"{{(\w+)}}", legend))
        shown = set().union(*(samples[name] for name in names))
        assert labels <= shown | OF_PROMETHEUS, f"{where}: {labels}"
    assert len(asked) > 40


def test_only_what_grows_has_a_rate():
    for where, expression, _ in queries():
        for name in re.findall(r"\b(?:rate|increase)\((\w+)", expression):
            assert re.search(r"_(?:total|bucket|sum|count)$", name), where


def test_every_query_is_of_the_nodes_that_were_chosen():
    for panel in PANELS:
        for target in panel["targets"]:
            chosen = target["expr"].count('{job=~"$job", instance=~"$instance"')
            assert chosen == len(re.findall(r"\bfanwire_\w+", target["expr"]))
            assert target["datasource"]["uid"] == "${datasource}"
            assert target["expr"].count("(") == target["expr"].count(")")


def test_panels_have_a_place_and_a_number_of_their_own():
    taken = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                 for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))
    titles = [panel["title"] for panel in PANELS]
    assert all(titles)
