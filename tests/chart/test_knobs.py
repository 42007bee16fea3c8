"""What an operator may set of every component reaches its pods."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.chart.cases import parsed, template
from tests.chart.manifests import Manifests, Workload

# Where the values of a workload lie.
PLACES = {
    "gateway": "gateway",
    "proxy": "proxy",
    "embeddings": "embeddings",
    "tei": "embeddings.bundled",
    "llm-router": "llmRouter",
    "envoy": "envoy",
    "redis": "redis",
    "milvus": "milvus",
    "grafana": "grafana",
}
AFFINITY = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}
SPREAD = {"maxSkew": 3, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}
TOLERATION = {"key": "own", "operator": "Exists"}
KNOBS: dict[str, Any] = {
    "image": {"repository": "registry.example.com/own", "tag": "v9"},
    "resources": {"requests": {"cpu": "123m", "memory": "123Mi"}, "limits": {"memory": "321Mi"}},
    "extraEnv": [{"name": "OWN", "value": "1"}],
    "extraVolumes": [{"name": "own", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "own", "mountPath": "/own"}],
    "podSecurityContext": {"runAsNonRoot": True, "runAsUser": 4321, "seccompProfile": {"type": "RuntimeDefault"}},
    "securityContext": {"readOnlyRootFilesystem": True, "runAsGroup": 4321},
    "nodeSelector": {"own": "node"},
    "tolerations": [TOLERATION],
    "affinity": AFFINITY,
    "topologySpreadConstraints": [SPREAD],
    "serviceAccount": {"create": True, "name": "own-of-{}", "annotations": {"own": "account"}},
    "podAnnotations": {"own": "annotation"},
    "podLabels": {"own": "label"},
    "priorityClassName": "own-priority",
    "terminationGracePeriodSeconds": 777,
    "probes": {"readiness": {"periodSeconds": 77}},
    "pdb": {"enabled": True, "maxUnavailable": 2},
}
each_workload = pytest.mark.parametrize("workload", PLACES)


def _values() -> dict[str, Any]:
    values: dict[str, Any] = {
        "imagePullSecrets": [{"name": "own-pull"}],
        "providers": {"openai": {"apiKey": "sk-1"}},
        "monitoring": {"grafana": {"enabled": True}},
        "envoy": {"enabled": True},
    }
    for workload, place in PLACES.items():
        here = values
        for step in place.split("."):
            here = here.setdefault(step, {})
        here |= copy.deepcopy(KNOBS)
        here["serviceAccount"]["name"] = f"own-of-{workload}"
    values["embeddings"]["bundled"] |= {"model": "BAAI/bge-m3", "dimension": 1024}
    return values


@cache
def turned() -> Manifests:
    """The chart with every knob of every component turned."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "values.yaml"
        file.write_text(json.dumps(_values()))
        done = template(["-f", str(file)])
    assert done.status == 0, done.errors
    return parsed(done.output)


def _of(workload: str) -> Workload:
    [found] = [one for one in turned().workloads if one.labels.get("synapse/workload") == workload]
    return found


@each_workload
def test_the_container_is_as_told(workload: str) -> None:
    [container] = _of(workload).pod["containers"]
    assert container["image"] == "registry.example.com/own:v9"
    assert container["resources"] == KNOBS["resources"]
    assert KNOBS["extraEnv"][0] in container["env"]
    assert KNOBS["extraVolumeMounts"][0] in container["volumeMounts"]
    assert container["securityContext"] == KNOBS["securityContext"]
    assert container["readinessProbe"]["periodSeconds"] == 77


@each_workload
def test_the_pod_is_as_told(workload: str) -> None:
    pod = _of(workload).pod
    assert KNOBS["extraVolumes"][0] in pod["volumes"]
    assert KNOBS["podSecurityContext"].items() <= pod["securityContext"].items()
    assert pod["priorityClassName"] == "own-priority"
    assert pod["terminationGracePeriodSeconds"] == 777
    assert pod["imagePullSecrets"] == [{"name": "own-pull"}]


@each_workload
def test_the_pod_goes_where_it_is_told_to(workload: str) -> None:
    pod = _of(workload).pod
    assert pod["nodeSelector"]["own"] == "node"
    assert TOLERATION in pod["tolerations"]
    assert pod["affinity"] == AFFINITY
    [spread] = pod["topologySpreadConstraints"]
    assert SPREAD.items() <= spread.items()
    assert spread["labelSelector"]["matchLabels"]["synapse/workload"] == workload


@each_workload
def test_labels_and_annotations_are_added(workload: str) -> None:
    metadata = _of(workload).object["spec"]["template"]["metadata"]
    assert metadata["labels"]["own"] == "label"
    assert metadata["annotations"]["own"] == "annotation"


@each_workload
def test_the_service_account_is_as_told(workload: str) -> None:
    name = f"own-of-{workload}"
    assert _of(workload).pod["serviceAccountName"] == name
    assert turned().one("ServiceAccount", name)["metadata"]["annotations"]["own"] == "account"


@each_workload
def test_the_budget_is_as_told(workload: str) -> None:
    [budget] = [
        one["spec"]
        for one in turned().of("PodDisruptionBudget")
        if one["spec"]["selector"]["matchLabels"]["synapse/workload"] == workload
    ]
    assert budget["maxUnavailable"] == 2
