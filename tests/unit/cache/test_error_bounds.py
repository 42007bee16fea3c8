"""What metrics tell about errors: a bounded number of namespaces, the worst, and all of them."""

from __future__ import annotations

from prometheus_client import REGISTRY

from synapse_cache.adapters.trust_memory import MemoryTrustStore
from synapse_cache.model import Place
from synapse_cache.thresholds.thresholds import FixedThresholds, Thresholds
from synapse_cache.trust.error_bounds import ErrorBounds
from synapse_cache.trust.evidence import Tally
from synapse_cache.trust.sync import TrustSync
from synapse_cache.trust.trust import Trust

BOUND = "synapse_cache_error_bound_ratio"


def told(name, **labels):
    return REGISTRY.get_sample_value(name, labels)


def namespaces_named():
    samples = (sample for metric in REGISTRY.collect() if metric.name == BOUND for sample in metric.samples)
    return {(sample.labels["tenant"], sample.labels["cache_namespace"]) for sample in samples}


def published(tallies):
    trust = Trust()
    for name, tally in tallies.items():
        trust.count(Place("acme", name), tally)
    errors = ErrorBounds(trust, FixedThresholds(Thresholds(max_error=0.01)), TrustSync(trust, MemoryTrustStore()))
    errors.publish()
    return trust, errors


def test_the_ends_of_a_namespace_are_told():
    _, errors = published({"a": Tally(requests=100, hits=50, audits=20, audits_wrong=10)})
    bound = errors.known(Place("acme", "a")).bound
    labels = {"tenant": "acme", "cache_namespace": "a"}
    ends = [told(BOUND, **labels, end=end) for end in ("lower", "estimate", "upper")]
    assert ends == [bound.lower, bound.estimate, bound.upper]
    assert told("synapse_cache_error_budget_ratio", **labels) == 0.01
    assert told("synapse_cache_error_bound_worst_ratio", end="lower") > 1


def test_a_hundred_namespaces_have_a_name_and_the_rest_has_one_together():
    published({f"n{number}": Tally(requests=1_000 - number, hits=1) for number in range(150)})
    named = namespaces_named()
    assert (len(named), ("other", "other") in named, ("acme", "n0") in named) == (101, True, True)
    assert ("acme", "n120") not in named


def test_a_namespace_that_is_gone_is_told_no_more():
    published({"gone": Tally(requests=10)})
    published({"here": Tally(requests=10)})
    assert namespaces_named() == {("acme", "here")}


def test_the_total_is_that_of_all_requests():
    published({"a": Tally(requests=50, hits=50, audits=10, audits_wrong=1), "b": Tally(requests=50)})
    assert told("synapse_cache_error_bound_total_ratio", end="estimate") == 0.05


def test_suspended_namespaces_are_counted():
    trust, errors = published({"a": Tally(requests=10), "b": Tally(requests=10)})
    trust.suspend(Place("acme", "a"), at=1.0)
    errors.publish()
    assert told("synapse_cache_suspended_namespaces") == 1
