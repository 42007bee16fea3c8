"""Running services serve what dashboard and alerts ask for, and a real Prometheus can work with it."""

from __future__ import annotations

import re

import pytest

from tests.monitoring.declared import OF_PROCESSES, labels
from tests.monitoring.programs import promtool
from tests.monitoring.scraped import NAMESPACE, PARTS, Prometheus
from tests.monitoring.sources import alerts, queries

SERVED = {
    "Requests": 1,
    "Hit rate": 1,
    "Requests that fail": 1,
    "Error bound of the budget": 1,
    "Backends left alone": 1,
    "Requests by status": 3,
    "Failures by fault": 2,
    "Replicas": len(PARTS),
    "Hit rate by tier": 2,
    "What the cache did": 3,
    "Why nothing was found": 1,
    "Answers for storing": 1,
    "Bound of errors of all requests": 3,
    "Upper ends by namespace": 2,
    "Audits": 1,
    "Gateway": 3,
    "Gateway by route": 1,
    "Cache, backends excluded": 2,
    "Calls of the cache": 4,
    "Calls of the embedder": 3,
    "Calls of the router": 4,
    "Backends: first byte": 2,
    "Tokens saved": 1,
    "Backends": 1,
    "Calls by outcome": 2,
    "Gateway: requests in flight": 1,
    "Processors": len(PARTS),
    "Memory": len(PARTS),
    "Dependencies": 3,
    "Journal": 1,
    "Embedder: queue": 1,
    "Open files": len(PARTS),
}
"""Panels, and how many series they show at least after some requests."""
QUIET = ("SynapseServiceAbsent", "SynapseTargetDown", "SynapseProcessorFull", "SynapseDependencyDown")


@pytest.mark.parametrize("part", PARTS)
def test_promtool_finds_nothing_to_better(metrics: dict[str, str], part: str) -> None:
    status, said = promtool("check", "metrics", given=metrics[part].encode())
    assert (status, said) == (0, "")


def test_a_metric_that_promtool_would_better_is_seen() -> None:
    status, said = promtool("check", "metrics", given=b"# TYPE a_seconds counter\na_seconds 1\n")
    assert status != 0
    assert "a_seconds" in said


def test_what_is_declared_is_served(metrics: dict[str, str]) -> None:
    served = set(re.findall(r"^# TYPE (\S+)", "\n".join(metrics.values()), re.MULTILINE))
    encrypted = {"synapse_tls_certificate_expiry_timestamp_seconds"}
    assert {*labels(), *OF_PROCESSES} - encrypted <= served


def test_each_service_says_what_it_is(metrics: dict[str, str]) -> None:
    told = {part: re.findall(r'synapse_build_info\{component="([^"]+)"', text) for part, text in metrics.items()}
    assert told == {part: [part] for part in PARTS}


@pytest.mark.parametrize("title", queries())
def test_prometheus_can_answer_a_panel(prometheus: Prometheus, title: str) -> None:
    found = [prometheus.samples(query.replace("$namespace", NAMESPACE)) for query in queries()[title]]
    assert len([one for result in found for one in result]) >= SERVED.get(title, 0)


def test_other_namespaces_are_left_out(prometheus: Prometheus) -> None:
    [query] = queries()["Replicas"]
    assert prometheus.samples(query.replace("$namespace", "another")) == []
    assert len(prometheus.samples(query.replace("$namespace", ".*"))) == len(PARTS)


def test_every_rule_is_evaluated_without_a_complaint(prometheus: Prometheus) -> None:
    rules = prometheus.rules()
    assert {rule["name"] for rule in rules} == {rule["alert"] for rule in alerts()}
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] != "ok"] == []


def test_a_sound_mesh_wakes_nobody(prometheus: Prometheus) -> None:
    states = {rule["name"]: rule["state"] for rule in prometheus.rules()}
    assert {name: states[name] for name in QUIET} == dict.fromkeys(QUIET, "inactive")


def test_namespaces_of_the_cache_stay_apart_from_those_of_kubernetes(prometheus: Prometheus) -> None:
    found = prometheus.samples("synapse_cache_error_budget_ratio")
    assert {one["metric"]["namespace"] for one in found} == {NAMESPACE}
    assert "before" in {one["metric"]["cache_namespace"] for one in found}
