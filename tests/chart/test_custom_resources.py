"""Objects of others' kinds have the fields that those kinds know: no schema of Kubernetes looks at them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.cases import CASES, rendered
from tests.chart.kubernetes import CUSTOM
from tests.chart.manifests import Object

ANY: Any = object()
# Fields by kind: a dict knows its keys, a list the shape of its items, ANY is whatever stands there.
_PARENTS = [{"name": ANY, "namespace": ANY, "sectionName": ANY, "port": ANY, "group": ANY, "kind": ANY}]
_BACKENDS = [{"name": ANY, "port": ANY, "weight": ANY, "group": ANY, "kind": ANY}]
_ISSUER = {"name": ANY, "kind": ANY, "group": ANY}
_TIMEOUTS = {"request": ANY, "backendRequest": ANY}
SHAPES: dict[str, Any] = {
    "ServiceMonitor": {
        "namespaceSelector": {"matchNames": ANY},
        "selector": {"matchLabels": ANY},
        "targetLabels": ANY,
        "endpoints": [{"port": ANY, "path": ANY, "interval": ANY, "scrapeTimeout": ANY, "scheme": ANY}],
    },
    "PrometheusRule": {
        "groups": [
            {
                "name": ANY,
                "interval": ANY,
                "rules": [
                    {"alert": ANY, "record": ANY, "expr": ANY, "for": ANY, "keep_firing_for": ANY}
                    | {"labels": ANY, "annotations": ANY}
                ],
            }
        ]
    },
    "ScaledObject": {
        "scaleTargetRef": {"apiVersion": ANY, "kind": ANY, "name": ANY},
        "minReplicaCount": ANY,
        "maxReplicaCount": ANY,
        "pollingInterval": ANY,
        "cooldownPeriod": ANY,
        "fallback": {"failureThreshold": ANY, "replicas": ANY, "behavior": ANY},
        "advanced": {
            "horizontalPodAutoscalerConfig": {"behavior": ANY, "name": ANY},
            "restoreToOriginalReplicaCount": ANY,
        },
        "triggers": [
            {"type": ANY, "metricType": ANY, "metadata": ANY, "authenticationRef": {"name": ANY, "kind": ANY}}
        ],
    },
    "Certificate": {
        "secretName": ANY,
        "commonName": ANY,
        "isCA": ANY,
        "dnsNames": ANY,
        "ipAddresses": ANY,
        "usages": ANY,
        "duration": ANY,
        "renewBefore": ANY,
        "privateKey": {"algorithm": ANY, "size": ANY, "rotationPolicy": ANY, "encoding": ANY},
        "issuerRef": _ISSUER,
        "secretTemplate": {"labels": ANY, "annotations": ANY},
        "subject": ANY,
    },
    "Issuer": {"selfSigned": ANY, "ca": {"secretName": ANY}},
    "HTTPRoute": {
        "parentRefs": _PARENTS,
        "hostnames": ANY,
        "rules": [{"name": ANY, "matches": ANY, "filters": ANY, "backendRefs": _BACKENDS, "timeouts": _TIMEOUTS}],
    },
    "GRPCRoute": {
        "parentRefs": _PARENTS,
        "hostnames": ANY,
        "rules": [{"name": ANY, "matches": ANY, "filters": ANY, "backendRefs": _BACKENDS}],
    },
}


def customs(case: str) -> list[Object]:
    return [one for one in rendered(case).objects if one["apiVersion"] in CUSTOM]


def unknown(value: Any, shape: Any, where: str) -> Iterator[str]:
    """The fields of `value` that `shape` does not have."""
    if shape is ANY:
        return
    if isinstance(shape, list):
        for each in value:
            yield from unknown(each, shape[0], f"{where}[]")
        return
    for key, below in value.items():
        if key in shape:
            yield from unknown(below, shape[key], f"{where}.{key}")
        else:
            yield f"{where}.{key}"


@pytest.mark.parametrize("case", CASES)
def test_fields_are_those_of_the_kind(case: str) -> None:
    assert not [wrong for one in customs(case) for wrong in unknown(one["spec"], SHAPES[one["kind"]], one["kind"])]


def test_every_kind_of_others_is_looked_at() -> None:
    assert {one["kind"] for case in CASES for one in customs(case)} == SHAPES.keys()


def test_an_unknown_field_is_found() -> None:
    found = list(unknown({"endpoints": [{"prot": "http"}]}, SHAPES["ServiceMonitor"], "ServiceMonitor"))
    assert found == ["ServiceMonitor.endpoints[].prot"]


@pytest.mark.parametrize("case", ["everything", "mtls"])
def test_a_certificate_is_issued_by_somebody(case: str) -> None:
    issuers = rendered(case).names("Issuer")
    for one in rendered(case).of("Certificate"):
        issuer = one["spec"]["issuerRef"]
        assert issuer.get("kind", "Issuer") != "Issuer" or issuer["name"] in issuers
    for one in rendered(case).of("Issuer"):
        if "ca" in one["spec"]:
            made = {each["spec"]["secretName"] for each in rendered(case).of("Certificate")}
            assert one["spec"]["ca"]["secretName"] in made


def test_scaled_objects_are_told_numbers_as_numbers_and_triggers_as_texts() -> None:
    for one in rendered("keda").of("ScaledObject"):
        assert isinstance(one["spec"]["minReplicaCount"], int)
        texts = [value for trigger in one["spec"]["triggers"] for value in trigger["metadata"].values()]
        assert all(isinstance(value, str) for value in texts)


def test_times_are_written_as_their_kinds_want_them() -> None:
    for one in rendered("everything").of("ServiceMonitor"):
        assert all(re.fullmatch(r"\d+(ms|s|m)", endpoint["interval"]) for endpoint in one["spec"]["endpoints"])
    for one in rendered("everything").of("HTTPRoute"):
        for rule in one["spec"]["rules"]:
            assert all(re.fullmatch(r"\d+(ms|s|m|h)", text) for text in rule.get("timeouts", {}).values())
