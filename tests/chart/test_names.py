"""Names, labels and selectors: those that the guide types, and that none of them changes by accident."""

from __future__ import annotations

import pytest

from tests.chart import golden
from tests.chart.cases import CASES, parsed, rendered, template

each_case = pytest.mark.parametrize("case", CASES)
GUIDE = pytest.mark.parametrize("case", ["self-hosted-pilot", "self-hosted-bundled", "production", "guide", "vllm"])
LABELS = ("name", "instance", "version", "managed-by", "part-of")


@pytest.mark.parametrize("case", golden.CASES)
def test_names_and_selectors_are_as_they_were(case: str) -> None:
    told = "an upgrade would lose or refuse this; if it is meant, run python -m tests.chart.golden"
    assert golden.fixed(rendered(case)) == golden.written()[case], told


@GUIDE
def test_the_names_of_the_guide(case: str) -> None:
    found = rendered(case)
    assert found.one("Deployment", "synapse-gateway")
    for service, ports in (("synapse-gateway", {8080}), ("synapse-embeddings", {8080})):
        assert ports <= {port["port"] for port in found.one("Service", service)["spec"]["ports"]}


@GUIDE
@pytest.mark.parametrize("component", ["gateway", "proxy", "embeddings"])
def test_logs_are_found_by_component(case: str, component: str) -> None:
    labels = {"app.kubernetes.io/name": "synapse", "app.kubernetes.io/component": component}
    assert rendered(case).selected(labels)


@each_case
def test_every_object_is_labelled(case: str) -> None:
    for one in rendered(case).objects:
        labels = one["metadata"]["labels"]
        assert {f"app.kubernetes.io/{name}" for name in LABELS} | {"helm.sh/chart"} <= labels.keys(), one["metadata"]
        assert labels["app.kubernetes.io/name"] == labels["app.kubernetes.io/part-of"] == "synapse"


@each_case
def test_every_volume_is_found_by_the_guides_delete(case: str) -> None:
    found = rendered(case)
    claims = [claim for one in found.workloads for claim in one.claim_templates] + found.of("PersistentVolumeClaim")
    for claim in claims:
        assert claim["metadata"]["labels"]["app.kubernetes.io/name"] == "synapse", claim["metadata"]


def test_the_bundled_stores_and_the_cache_have_volumes() -> None:
    found = rendered("self-hosted-bundled")
    for name in ("synapse-proxy", "synapse-redis", "synapse-milvus"):
        [claim] = found.workload("StatefulSet", name).claim_templates
        assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]


@each_case
def test_selectors_hold_nothing_that_an_upgrade_changes(case: str) -> None:
    fixed = {f"app.kubernetes.io/{name}" for name in ("name", "instance", "component")} | {"synapse/workload"}
    for one in rendered(case).workloads:
        if one.object["kind"] in {"Deployment", "StatefulSet"}:
            assert one.object["spec"]["selector"]["matchLabels"].keys() == fixed, one.name
            for claim in one.claim_templates:
                labels = claim["metadata"]["labels"].keys()
                assert not labels & {"helm.sh/chart", "app.kubernetes.io/version"}, one.name


def test_two_releases_in_a_namespace_do_not_meet() -> None:
    first, second = rendered("everything"), parsed(_another("blue"))
    assert not {(one["kind"], one["metadata"]["name"]) for one in first.objects} & {
        (one["kind"], one["metadata"]["name"]) for one in second.objects
    }
    for service in second.of("Service"):
        assert not first.selected(service["spec"]["selector"]), service["metadata"]["name"]
    assert "blue-synapse-gateway" in second.names("Deployment")


def test_a_long_release_name_leaves_names_that_kubernetes_takes() -> None:
    found = parsed(_another("a-release-whose-name-is-as-long-as-helm-allows-it-123"))
    # The longest that a controller appends to a StatefulSet's name is the hash of its revision, in a label.
    assert all(len(one["metadata"]["name"]) <= 63 for one in found.objects)
    assert all(len(one["metadata"]["name"]) <= 52 for one in found.of("StatefulSet"))


def _another(release: str) -> str:
    done = template(CASES["everything"].flags, release=release)
    assert done.status == 0, done.errors
    return done.output
