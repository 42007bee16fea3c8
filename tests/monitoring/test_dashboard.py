"""The dashboard can be imported anywhere: into any Grafana, for any data source and namespace."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.chart.cases import with_values
from tests.monitoring.programs import promtool
from tests.monitoring.promql import selectors
from tests.monitoring.sources import DASHBOARD, dashboard, panels, queries

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
GRID = 24
ROWS = [
    "Overview",
    "Hit rate by tier",
    "Error bound and trust",
    "Latency by hop",
    "Savings",
    "Backends",
    "Saturation",
    "Envoy",
]
TITLES = [panel["title"] for panel in panels()]


def panel_of(title: str) -> dict[str, Any]:
    return next(panel for panel in panels() if panel["title"] == title)


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    """Places of the grid that a panel takes."""
    at = panel["gridPos"]
    return {(at["x"] + right, at["y"] + down) for right in range(at["w"]) for down in range(at["h"])}


def test_it_may_be_imported() -> None:
    model = dashboard()
    assert model["id"] is None
    assert model["title"] == "Synapse"
    assert 0 < len(model["uid"]) <= 40
    assert model["schemaVersion"] >= 36
    assert "__inputs" not in model
    assert [row["title"] for row in model["panels"] if row["type"] == "row"] == ROWS


def test_numbers_and_titles_are_unique() -> None:
    assert [
        found for found, times in Counter(panel["id"] for panel in dashboard()["panels"]).items() if times > 1
    ] == []
    assert [found for found, times in Counter(TITLES).items() if times > 1] == []


def test_panels_lie_inside_the_grid_and_beside_each_other() -> None:
    taken = Counter(cell for panel in dashboard()["panels"] for cell in cells(panel))
    assert max(taken.values()) == 1
    assert {right for right, _ in taken} == set(range(GRID))


def test_data_source_namespace_and_interval_are_chosen_by_who_looks() -> None:
    variables = {one["name"]: one for one in dashboard()["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert (variables["namespace"]["datasource"], variables["namespace"]["allValue"]) == (SOURCE, ".*")
    assert variables["interval"]["current"]["value"] in variables["interval"]["query"].split(",")


@pytest.mark.parametrize("title", TITLES)
def test_a_panel_asks_the_data_source_that_was_chosen(title: str) -> None:
    panel = panel_of(title)
    assert panel["datasource"] == SOURCE
    assert [one["datasource"] for one in panel["targets"]] == [SOURCE] * len(panel["targets"])
    assert [one["refId"] for one in panel["targets"]] == list("ABCDEFGH"[: len(panel["targets"])])


@pytest.mark.parametrize("title", TITLES)
def test_a_panel_shows_the_namespaces_that_were_chosen(title: str) -> None:
    for query in queries()[title]:
        for one in selectors(query):
            asked = [(matcher.operator, matcher.value) for matcher in one.matchers if matcher.label == "namespace"]
            assert asked == [("=~", "$namespace")]


@pytest.mark.parametrize("title", TITLES)
def test_a_panel_says_what_it_shows(title: str) -> None:
    panel = panel_of(title)
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"].get("unit", "") or panel["type"] == "state-timeline"
    assert all(one["legendFormat"] for one in panel["targets"]) or panel["type"] == "stat"


def test_promtool_can_read_every_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"q:{number}", "expr": query}
        for number, query in enumerate(query for asked in queries().values() for query in asked)
    ]
    file = tmp_path / "queries.json"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    status, said = promtool("check", "rules", file)
    assert status == 0, said


def test_the_chart_hands_the_dashboard_on_as_it_stands() -> None:
    made = with_values(("providers.openai.apiKey", "sk"), ("monitoring.grafana.dashboardConfigMap", "true"))
    config = made.one("ConfigMap", "synapse-dashboard")
    assert json.loads(config["data"]["synapse.json"]) == json.loads(DASHBOARD.read_text())
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert not [one for one in made.of("Deployment") if one["metadata"]["name"] == "synapse-grafana"]
