"""Every alert is sound, tested, explained to who is woken by it, and part of the chart as it stands."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.cases import with_values
from tests.monitoring.programs import promtool
from tests.monitoring.promql import grouped_by, selectors
from tests.monitoring.sources import ALERTS, PAGE, UNIT_TESTS, alerts

KEEPS_ALL = frozenset({"pod", "namespace", "app_kubernetes_io_component"})
"""Labels of a scrape, which an alert has where its expression leaves out none."""
OF_A_DAY = next(file for file in UNIT_TESTS if "of_a_day" in file.name)
NAMES = [rule["alert"] for rule in alerts()]


def rule_of(name: str) -> dict[str, Any]:
    return next(rule for rule in alerts() if rule["alert"] == name)


@cache
def fired() -> list[dict[str, Any]]:
    """What the tests of promtool expect of ALERTS."""
    tests = [test for file in UNIT_TESTS for test in yaml.safe_load(file.read_text())["tests"]]
    return [one for test in tests for check in test["promql_expr_test"] for one in check.get("exp_samples", [])]


def test_promtool_finds_the_rules_sound() -> None:
    status, said = promtool("check", "rules", ALERTS)
    assert status == 0, said


@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should_and_not_before(file: Any) -> None:
    status, said = promtool("test", "rules", file)
    assert status == 0, said


def test_an_alert_that_fires_too_late_is_seen(tmp_path: Path) -> None:
    (tmp_path / "alerts.yaml").write_text(ALERTS.read_text().replace("for: 30m", "for: 30h"))
    tests = OF_A_DAY.read_text().replace("../../helm/synapse/files/alerts.yaml", "alerts.yaml")
    (tmp_path / "test.yaml").write_text(tests)
    status, said = promtool("test", "rules", tmp_path / "test.yaml")
    assert status != 0
    assert "SynapseHitRateCollapsed" in said


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_is_seen_to_fire(name: str) -> None:
    assert any(f'alertname="{name}", alertstate="firing"' in sample["labels"] for sample in fired())


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_says_how_bad_it_is_and_what_to_do(name: str) -> None:
    rule = rule_of(name)
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/monitoring.md#{name.lower()}"
    assert f"\n#### {name}\n" in PAGE.read_text()


def test_the_page_explains_no_alert_that_is_gone() -> None:
    assert set(re.findall(r"^#### (Synapse\w+)$", PAGE.read_text(), re.MULTILINE)) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_an_alert_tells_is_known_to_it(name: str) -> None:
    rule = rule_of(name)
    told = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    matched = {matcher.label for one in selectors(rule["expr"]) for matcher in one.matchers}
    aggregates = re.search(r"\b(sum|min|max|count|avg) by", rule["expr"])
    assert told <= grouped_by(rule["expr"]) | matched | (frozenset() if aggregates else KEEPS_ALL)


def test_the_chart_installs_the_alerts_as_they_stand() -> None:
    made = with_values(
        ("providers.openai.apiKey", "sk"),
        ("monitoring.prometheusRule.enabled", "true"),
        ("monitoring.prometheusRule.labels.release", "prometheus"),
    )
    [rule] = made.of("PrometheusRule")
    assert rule["spec"] == yaml.safe_load(ALERTS.read_text())
    assert rule["metadata"]["labels"]["release"] == "prometheus"
