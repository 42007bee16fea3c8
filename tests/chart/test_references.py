"""What objects name of each other exists."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from tests.chart.cases import CASES, rendered
from tests.chart.manifests import Manifests
from tests.chart.references import CERTIFICATE, dangling
from tests.support.parts import ROOT

KEYS = {"openai-api-key", "anthropic-api-key", "synapse-api-key"}
OUTSIDE: dict[str, dict[str, set[str]]] = {
    "existing-secret": {"my-synapse-secrets": KEYS},
    "custom-backend": {"other-keys": {"api-key"}},
    "external-embeddings": {"embeddings-key": {"api-key"}},
    "triton": {"models": set()},
    "mtls-given": {"mesh-certificates": CERTIFICATE},
}


@pytest.mark.parametrize("case", CASES)
def test_every_reference_leads_somewhere(case: str) -> None:
    assert not dangling(rendered(case), OUTSIDE.get(case, {}))


@pytest.mark.parametrize("case", ["vllm", "everything"])
def test_the_guides_vllm_lives_beside_the_chart(case: str) -> None:
    ours = rendered(case)
    theirs = Manifests(list(yaml.safe_load_all((ROOT / "tests/chart/vllm.yaml").read_text())))
    assert not {(one["kind"], one["metadata"]["name"]) for one in theirs.objects} & {
        (one["kind"], one["metadata"]["name"]) for one in ours.objects
    }
    assert not dangling(Manifests(ours.objects + theirs.objects), {})


def _broken(change: Any) -> list[str]:
    objects = Manifests(copy.deepcopy(rendered("everything").objects))
    change(objects)
    return dangling(objects, {})


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret", "Certificate", "Service", "StatefulSet", "ServiceAccount"])
def test_an_object_that_is_taken_away_is_missed(kind: str) -> None:
    def without(found: Manifests) -> None:
        found.objects = [one for one in found.objects if one["kind"] != kind]

    assert rendered("everything").of(kind)
    assert _broken(without)


def test_a_port_that_nobody_opens_is_found() -> None:
    def moved(found: Manifests) -> None:
        found.one("Service", "synapse-gateway")["spec"]["ports"][0]["targetPort"] = "nowhere"

    assert "nowhere" in str(_broken(moved))


def test_a_selector_of_two_workloads_is_found() -> None:
    def widened(found: Manifests) -> None:
        del found.one("Service", "synapse-embeddings")["spec"]["selector"]["synapse/workload"]

    assert "services: synapse-embeddings" in str(_broken(widened))
