"""Every values file renders on every Helm to what every Kubernetes takes."""

from __future__ import annotations

import pytest

from tests.chart import kubernetes
from tests.chart.cases import CASES, rendered, settled, template, text_of
from tests.support import helm
from tests.support.parts import ROOT

ALLOWED = {
    *("v1", "apps/v1", "batch/v1", "policy/v1", "autoscaling/v2", "networking.k8s.io/v1"),
    "rbac.authorization.k8s.io/v1",
}
each_case = pytest.mark.parametrize("case", CASES)
each_helm = pytest.mark.parametrize("version", helm.VERSIONS)


def test_the_files_of_the_guide_are_there() -> None:
    assert {"self-hosted-pilot", "self-hosted-bundled", "production", "guide", "vllm"} <= CASES.keys()


@each_helm
@each_case
def test_the_chart_is_without_a_complaint(case: str, version: str) -> None:
    command = [helm.binary(version), "lint", "--strict", "./helm/synapse", *CASES[case].flags]
    done = helm.run(command, ROOT)
    assert done.status == 0, done.output


@each_helm
@each_case
def test_kubernetes_takes_every_object(case: str, version: str) -> None:
    objects = rendered(case, version).objects
    assert objects
    wrong = [told for one in objects for level in kubernetes.VERSIONS for told in kubernetes.complaints(one, level)]
    assert not wrong


def test_the_schemas_refuse_what_kubernetes_would() -> None:
    found = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"prots": []}}
    assert "prots" in kubernetes.complaints(found, "1.25")[0]


@each_case
def test_every_helm_renders_the_same(case: str) -> None:
    first, *others = (_settled(case, version) for version in helm.VERSIONS)
    assert all(other == first for other in others)


@pytest.mark.parametrize("level", kubernetes.VERSIONS)
def test_a_rendering_does_not_depend_on_kubernetes(level: str) -> None:
    done = template(CASES["everything"].flags, kubernetes=level)
    assert done.status == 0, done.errors
    assert settled(done.output) == _settled("everything", helm.NEWEST)


@each_helm
def test_an_older_kubernetes_is_refused(version: str) -> None:
    done = template([], version=version, kubernetes="1.24")
    assert done.status != 0
    assert "1.25" in done.errors


@each_case
def test_only_stable_apis_are_used(case: str) -> None:
    own = {one["apiVersion"] for one in rendered(case).objects} - kubernetes.CUSTOM
    assert own <= ALLOWED


@pytest.mark.parametrize("case", ["self-hosted-pilot", "self-hosted-bundled", "production", "guide"])
def test_the_guides_installs_need_no_custom_resources(case: str) -> None:
    own = {one["apiVersion"] for one in rendered(case).objects}
    assert not own & kubernetes.CUSTOM


@each_case
def test_no_object_is_there_twice_and_all_lie_in_the_namespace(case: str) -> None:
    objects = rendered(case).objects
    places = [(one["kind"], one["metadata"]["name"]) for one in objects]
    assert len(places) == len(set(places))
    assert {one["metadata"]["namespace"] for one in objects} == {"synapse"}


def _settled(case: str, version: str) -> list[str]:
    return settled(text_of(case, version))
