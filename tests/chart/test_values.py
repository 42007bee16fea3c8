"""Values do what the guide says of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart.cases import CASES, rendered, with_values
from tests.chart.manifests import Manifests, Workload
from tests.chart.variables import config_of

_UNITS = {"m": 0.001, "Mi": 2**20, "Gi": 2**30, "k": 1000.0}
MINIMUM = {  # the guide's table, cores and bytes
    "gateway": ("250m", "512Mi"),
    "proxy": ("500m", "1Gi"),
    "tei": ("2", "8Gi"),
    "redis": ("100m", "256Mi"),
    "milvus": ("500m", "2Gi"),
}
GPU = ("embeddings.bundled.gpu.enabled", "true")


def quantity(text: Any) -> float:
    """A resource's quantity, in cores or bytes."""
    text = str(text)
    unit = next((unit for unit in _UNITS if text.endswith(unit)), "")
    return float(text.removesuffix(unit)) * _UNITS.get(unit, 1.0)


def tei(found: Manifests) -> Workload:
    return found.workload("Deployment", "synapse-embeddings-tei")


def gpus(workload: Workload) -> Any:
    return workload.pod["containers"][0]["resources"]["limits"].get("nvidia.com/gpu")


@pytest.mark.parametrize("case", ["self-hosted-pilot", "self-hosted-bundled", "production", "guide", "gpu"])
def test_components_ask_for_the_guides_minimum_at_least(case: str) -> None:
    for workload in rendered(case).workloads:
        cores, memory = MINIMUM.get(workload.labels.get("synapse/workload", ""), ("0", "0"))
        requests = workload.pod["containers"][0]["resources"]["requests"]
        assert quantity(requests["cpu"]) >= quantity(cores), workload.name
        assert quantity(requests["memory"]) >= quantity(memory), workload.name


def test_without_a_gpu_tei_runs_on_cores() -> None:
    workload = tei(rendered("guide"))
    [container] = workload.pod["containers"]
    assert container["image"].endswith("text-embeddings-inference:cpu-1.2")
    assert gpus(workload) is None
    assert quantity(container["resources"]["requests"]["cpu"]) >= 4
    assert "BAAI/bge-m3" in container["args"]


@pytest.mark.parametrize(("compute", "tag"), [("turing", "turing-1.2"), ("ampere", "1.2")])
def test_a_gpu_gets_the_image_of_its_kind(compute: str, tag: str) -> None:
    found = with_values(("embeddings.bundled.gpu.compute", compute), file="ci/gpu-values.yaml")
    assert tei(found).pod["containers"][0]["image"].endswith(f"text-embeddings-inference:{tag}")


@pytest.mark.parametrize("case", ["gpu", "production", "triton"])
def test_a_gpu_is_asked_for_where_the_guide_has_it(case: str) -> None:
    found = rendered(case)
    name = "triton" if case == "triton" else "tei"
    workload = found.workload("Deployment", f"synapse-embeddings-{name}")
    assert int(gpus(workload)) == 1
    assert workload.pod["nodeSelector"]["nvidia.com/gpu"] == "true"
    tolerated = [one for one in workload.pod["tolerations"] if one["key"] == "nvidia.com/gpu"]
    assert [(one["operator"], one["effect"]) for one in tolerated] == [("Exists", "NoSchedule")]


def test_the_guides_gpu_resources_are_taken() -> None:
    resources = tei(rendered("gpu")).pod["containers"][0]["resources"]
    assert (str(resources["requests"]["cpu"]), resources["requests"]["memory"]) == ("2", "8Gi")
    assert (str(resources["limits"]["cpu"]), resources["limits"]["memory"]) == ("4", "16Gi")


def test_several_gpus_can_be_given() -> None:
    found = with_values(("embeddings.bundled.gpu.count", "2"), file="ci/gpu-values.yaml")
    assert int(gpus(tei(found))) == 2


def test_only_the_embedder_waits_for_a_gpu() -> None:
    holders = [one.name for one in rendered("production").workloads if "nvidia.com/gpu" in str(one.pod)]
    assert holders == ["Deployment/synapse-embeddings-tei"]


def test_the_bundled_model_needs_no_other_workload() -> None:
    found = with_values(("providers.openai.apiKey", "sk-1"))
    assert config_of(found)["embed"]["provider"] == "bundled"
    assert "synapse-embeddings-tei" not in found.names("Deployment")


def test_replicas_and_volumes_are_as_given() -> None:
    found = rendered("guide")
    assert found.one("Deployment", "synapse-gateway")["spec"]["replicas"] == 2
    proxy = found.workload("StatefulSet", "synapse-proxy")
    assert proxy.object["spec"]["replicas"] == 2
    [claim] = proxy.claim_templates
    assert claim["spec"]["resources"]["requests"]["storage"] == "50Gi"
    assert claim["spec"]["storageClassName"] == "your-storage-class"


def test_resources_are_as_given() -> None:
    resources = rendered("guide").workload("Deployment", "synapse-gateway").pod["containers"][0]["resources"]
    assert resources == {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": 2, "memory": "4Gi"}}


def test_without_persistence_there_is_no_claim() -> None:
    found = with_values(("proxy.persistence.enabled", "false"))
    workload = found.workload("StatefulSet", "synapse-proxy")
    assert not workload.claim_templates
    [data] = [one for one in workload.pod["volumes"] if one["name"] in _mounted_at(workload, "/var/lib/synapse")]
    assert "emptyDir" in data


@pytest.mark.parametrize("case", CASES)
def test_the_journal_lies_on_a_volume(case: str) -> None:
    found = rendered(case)
    [proxy] = [one for one in found.workloads if one.labels.get("synapse/workload") == "proxy"]
    assert _mounted_at(proxy, config_of(found)["cache"]["data_dir"])


@pytest.mark.parametrize("case", ["vllm", "keda", "everything"])
def test_replicas_are_left_to_an_autoscaler(case: str) -> None:
    found = rendered(case)
    scalers = [*found.of("HorizontalPodAutoscaler"), *found.of("ScaledObject")]
    assert scalers
    for scaler in scalers:
        target = scaler["spec"]["scaleTargetRef"]
        assert "replicas" not in found.one(target["kind"], target["name"])["spec"]


def test_the_guides_autoscaling_is_taken() -> None:
    found = rendered("vllm")
    scaler = found.one("HorizontalPodAutoscaler", "synapse-proxy")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 20)
    [metric] = scaler["metrics"]
    assert metric["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}


def test_keda_asks_prometheus_for_requests_in_flight() -> None:
    [scaler] = rendered("keda").of("ScaledObject")
    assert scaler["spec"]["scaleTargetRef"]["name"] == "synapse-gateway"
    assert scaler["spec"]["minReplicaCount"] <= scaler["spec"]["maxReplicaCount"]
    [query] = [one["metadata"] for one in scaler["spec"]["triggers"] if one["type"] == "prometheus"]
    assert query["serverAddress"] == "http://prometheus.monitoring.svc:9090"
    assert "in_flight" in query["query"]


def test_the_guides_service_monitor_is_taken() -> None:
    monitors = rendered("vllm").of("ServiceMonitor")
    watched = {one["spec"]["selector"]["matchLabels"]["synapse/workload"] for one in monitors}
    assert {"gateway", "proxy", "embeddings", "llm-router"} <= watched
    assert {end["interval"] for one in monitors for end in one["spec"]["endpoints"]} == {"15s"}


def test_the_guides_ingress_is_taken() -> None:
    [ingress] = rendered("guide").of("Ingress")
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert ingress["spec"]["tls"] == [{"secretName": "synapse-tls", "hosts": ["synapse.example.com"]}]
    [rule] = ingress["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert (rule["host"], path["path"], path["pathType"]) == ("synapse.example.com", "/", "Prefix")
    assert path["backend"]["service"]["name"] == "synapse-gateway"


def test_routes_lead_to_the_gateway_and_to_envoy() -> None:
    found = rendered("gateway-api")
    [http], [grpc] = found.of("HTTPRoute"), found.of("GRPCRoute")
    assert http["spec"]["parentRefs"] == [{"name": "public", "namespace": "gateways"}]
    assert http["spec"]["hostnames"] == ["synapse.example.com"]
    assert grpc["spec"]["hostnames"] == ["grpc.synapse.example.com"]
    assert {end["name"] for rule in grpc["spec"]["rules"] for end in rule["backendRefs"]} == {"synapse-envoy"}


@pytest.mark.parametrize("case", ["mtls", "everything"])
def test_certificates_name_every_service_that_listens(case: str) -> None:
    found = rendered(case)
    names = {name for one in found.of("Certificate") for name in one["spec"].get("dnsNames", [])}
    for service in ("proxy", "embeddings", "llm-router", "gateway"):
        assert f"synapse-{service}.synapse.svc.cluster.local" in names
    assert all(one["spec"]["issuerRef"]["name"] for one in found.of("Certificate"))


def test_policies_stand_for_every_component_in_production() -> None:
    found = rendered("production")
    serving = [one for one in found.workloads if one.object["kind"] in {"Deployment", "StatefulSet"}]
    for workload in serving:
        selectors = [one["spec"]["podSelector"].get("matchLabels", {}) for one in found.of("NetworkPolicy")]
        assert any(selector.items() <= workload.labels.items() for selector in selectors), workload.name


def test_production_survives_the_loss_of_a_node() -> None:
    found = rendered("production")
    for workload in ("gateway", "proxy", "embeddings", "llm-router"):
        budgets = [one["spec"]["selector"]["matchLabels"] for one in found.of("PodDisruptionBudget")]
        assert workload in {labels["synapse/workload"] for labels in budgets}
    assert found.of("HorizontalPodAutoscaler") or found.one("Deployment", "synapse-gateway")["spec"]["replicas"] >= 2


def _mounted_at(workload: Workload, path: str) -> set[str]:
    mounts = [mount for one in workload.pod["containers"] for mount in one["volumeMounts"]]
    return {mount["name"] for mount in mounts if mount["mountPath"] == path}
