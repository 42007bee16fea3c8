"""Alerts and dashboard ask for metrics, labels and words that the services have."""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.monitoring.declared import OF_PROCESSES, OF_PROMETHEUS, OF_SCRAPES, OF_TARGETS, labels
from tests.monitoring.promql import family, grouped_by, selectors
from tests.monitoring.sources import expressions
from tests.support.parts import ROOT

EXPRESSIONS = expressions()


@cache
def code() -> str:
    """Everything that may say the word of a label."""
    folders = ("services", "protos/synapse")
    return "\n".join(
        path.read_text()
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".proto"}
    )


def is_said(word: str) -> bool:
    """Whether the code has `word` as a text, a status of gRPC, an RPC or the name of a field."""
    name = re.escape(word)
    forms = rf'"{name}"|\bStatusCode\.{name}\b|\brpc {name}\b|^    {name}: '
    return re.search(forms, code(), re.MULTILINE) is not None


def ours(expression: str) -> list[str]:
    """The declared names of our own metrics that an expression asks for."""
    names = {one.metric for one in selectors(expression)}
    return sorted({name if name in labels() else family(name) for name in names if name.startswith("synapse_")})


@pytest.mark.parametrize("place", EXPRESSIONS)
def test_every_metric_exists(place: str) -> None:
    known = {*labels(), *OF_PROMETHEUS, *OF_PROCESSES}
    asked = [one.metric for one in selectors(EXPRESSIONS[place]) if not one.metric.startswith("envoy_")]
    assert [name for name in asked if name not in known and family(name) not in known] == []


@pytest.mark.parametrize("place", EXPRESSIONS)
def test_every_label_exists(place: str) -> None:
    for one in selectors(EXPRESSIONS[place]):
        if one.metric.startswith("envoy_"):
            continue
        own = labels().get(one.metric) or labels().get(family(one.metric)) or OF_PROMETHEUS.get(one.metric, frozenset())
        assert {matcher.label for matcher in one.matchers} <= own | OF_SCRAPES | {"le"}


@pytest.mark.parametrize("place", [name for name, text in EXPRESSIONS.items() if "envoy_" not in text])
def test_every_label_that_is_grouped_by_exists(place: str) -> None:
    own = {label for name in ours(EXPRESSIONS[place]) for label in labels()[name]}
    assert grouped_by(EXPRESSIONS[place]) <= own | OF_SCRAPES | OF_TARGETS | {"le"}


@pytest.mark.parametrize("place", [name for name, text in EXPRESSIONS.items() if "synapse_" in text])
def test_every_word_that_is_asked_for_is_one_that_the_code_says(place: str) -> None:
    for one in selectors(EXPRESSIONS[place]):
        if one.metric.startswith("synapse_"):
            words = {word for matcher in one.matchers for word in matcher.words}
            assert [word for word in words if not is_said(word)] == []


def test_no_metric_has_a_label_that_scrapes_lay_their_own_over() -> None:
    assert {name: both for name, own in labels().items() if (both := own & OF_SCRAPES)} == {}


def test_the_metrics_of_the_guide_are_there() -> None:
    assert labels()["synapse_requests_total"] == {"status"}
    assert {
        "synapse_cache_hits_total",
        "synapse_cache_misses_total",
        "synapse_request_duration_seconds",
        "synapse_embedding_duration_seconds",
    } <= set(labels())


@pytest.mark.parametrize(
    ("expression", "metrics", "by"),
    [
        ('rate(a_total{x="1", y=~"b|c"}[5m]) > 5', {"a_total"}, set()),
        ("sum by (m, n) (increase(a[1d] offset 30m)) / on (m) group_left (o) b", {"a", "b"}, {"m", "n", "o"}),
        ("histogram_quantile(0.99, sum by (le) (rate(h_bucket[5m]))) or vector(0)", {"h_bucket"}, {"le"}),
        ('absent(i{c="x y"}) unless 2 * time() < 7 * 86400', {"i"}, set()),
    ],
)
def test_what_an_expression_asks_for_is_found(expression: str, metrics: set[str], by: set[str]) -> None:
    assert {one.metric for one in selectors(expression)} == metrics
    assert grouped_by(expression) == by
