"""Values that cannot be meant are refused by name, on every Helm, before anything is installed."""

from __future__ import annotations

import pytest

from tests.chart.cases import sets, template
from tests.support import helm

TYPOS = {
    "gatway.replicaCount=1": "gatway",
    "gateway.replicas=1": "replicas",
    "gateway.config.rateLimit=1": "rateLimit",
    "gateway.image.tags=1": "tags",
    "proxy.persistence.storageclass=fast": "storageclass",
    "embeddings.bundled.gpu.enable=true": "enable",
    "embeddings.bundled.models=x": "models",
    "providers.opena.enabled=true": "opena",
    "providers.openai.apikey=sk-1": "apikey",
    "dependencies.redis.external.uri=redis://r:6379": "uri",
    "dependencies.redis.extern.url=redis://r:6379": "extern",
    "secrets.openAiApiKey=sk-1": "openAiApiKey",
    "monitoring.serviceMonitor.enable=true": "enable",
    "autoscaling.gateway.minReplica=1": "minReplica",
    "autoscaling.milvus.enabled=true": "milvus",
    "ingress.hosts[0].hostname=a": "hostname",
    "envoy.enable=true": "enable",
    "mtls.enable=true": "enable",
}
WRONG_TYPES = {
    "gateway.replicaCount=two": "replicaCount",
    "gateway.replicaCount=-1": "replicaCount",
    "proxy.persistence.enabled=maybe": "enabled",
    "embeddings.provider=huggingface": "provider",
    "embeddings.bundled.gpu.compute=hopper": "compute",
    "embeddings.bundled.runtime=vllm": "runtime",
    "providers.custom.apiType=grpc": "apiType",
    "dependencies.redis.mode=none": "mode",
    "dependencies.milvus.mode=embedded": "mode",
    "autoscaling.proxy.targetCPUUtilizationPercentage=700%": "targetCPUUtilizationPercentage",
    "telemetry.traceSampleRatio=2": "traceSampleRatio",
}
BARE = ("providers.openai.apiKey=sk-1",)
CONTRADICTIONS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("embeddings.bundled.model=BAAI/bge-m3",): ("dimension", "384", "1024"),
    ("embeddings.bundled.dimension=768",): ("dimension", "768"),
    ("embeddings.bundled.gpu.enabled=true", "embeddings.bundled.gpu.compute="): ("gpu", "compute"),
    (
        "embeddings.bundled.gpu.enabled=true",
        "embeddings.bundled.gpu.compute=turing",
        "embeddings.bundled.gpu.count=0",
    ): ("count",),
    ("embeddings.bundled.deploy=false",): ("deploy", "external"),
    ("embeddings.provider=external",): ("embeddings.external.endpoint",),
    ("providers.openai.enabled=false",): ("providers", "none is enabled"),
    ("providers.custom.enabled=true",): ("providers.custom.endpoint",),
    ("providers.vllm.enabled=true", "providers.vllm.endpoint=synapse-vllm:8000"): ("providers.vllm.endpoint", "http"),
    ("dependencies.milvus.mode=external", "dependencies.milvus.external.endpoint=http://m:19530"): (
        "dependencies.milvus.external.endpoint",
        "scheme",
    ),
    ("dependencies.milvus.mode=external",): ("dependencies.milvus.external.endpoint",),
    ("dependencies.redis.mode=external",): ("dependencies.redis.external.url",),
    ("dependencies.redis.mode=external", "dependencies.redis.external.url=your-redis:6379"): ("url", "redis://"),
    ("dependencies.redis.external.url=redis://r:6379",): ("dependencies.redis.mode", "external"),
    ("autoscaling.gateway.enabled=true", "autoscaling.gateway.minReplicas=9", "autoscaling.gateway.maxReplicas=3"): (
        "autoscaling.gateway",
        "9",
        "3",
    ),
    ("autoscaling.gateway.keda.enabled=true",): ("serverAddress",),
    ("secrets.create=false",): ("secrets.existingSecret",),
    ("secrets.existingSecret=mine",): ("secrets.create",),
    ("secrets.openaiApiKey=sk-2",): ("secrets.openaiApiKey", "providers.openai.apiKey"),
    ("mtls.enabled=true",): ("mtls.existingSecret", "certManager"),
    ("mtls.enabled=true", "mtls.existingSecret=a", "mtls.certManager.enabled=true"): ("mtls", "certManager"),
    ("ingress.enabled=true",): ("ingress.hosts",),
    ("gatewayApi.enabled=true",): ("gatewayApi.parentRefs",),
    ("config.mesh.secret=abc",): ("config.mesh.secret", "ConfigMap"),
}
each_helm = pytest.mark.parametrize("version", helm.VERSIONS)


def _refusal(values: tuple[str, ...], version: str) -> str:
    flags = sets(dict(value.split("=", 1) for value in (*BARE, *values)))
    done = template(flags, version=version)
    assert done.status != 0, f"{values} were taken"
    return done.errors


@pytest.mark.parametrize("typo", TYPOS)
def test_a_typo_is_named(typo: str) -> None:
    assert TYPOS[typo] in _refusal((typo,), helm.NEWEST)


@pytest.mark.parametrize("value", WRONG_TYPES)
def test_a_value_of_the_wrong_kind_is_named(value: str) -> None:
    assert WRONG_TYPES[value] in _refusal((value,), helm.NEWEST)


@pytest.mark.parametrize("values", CONTRADICTIONS, ids=" ".join)
def test_a_contradiction_is_explained(values: tuple[str, ...]) -> None:
    told = _refusal(values, helm.NEWEST)
    assert not [word for word in CONTRADICTIONS[values] if word not in told], told


@each_helm
@pytest.mark.parametrize(
    ("values", "word"),
    [
        (("gateway.replicas=1",), "replicas"),
        (("providers.custom.apiType=grpc",), "apiType"),
        (("embeddings.bundled.model=BAAI/bge-m3",), "dimension"),
        (("dependencies.milvus.mode=external", "dependencies.milvus.external.endpoint=http://m:1"), "endpoint"),
    ],
)
def test_every_helm_refuses(version: str, values: tuple[str, ...], word: str) -> None:
    assert word in _refusal(values, version)


@pytest.mark.parametrize("endpoint", ["http://vllm:8000", "http://vllm:8000/v1", "https://llm.example.com/api/v1/"])
def test_endpoints_come_with_and_without_a_version(endpoint: str) -> None:
    values = {"providers.custom.enabled": "true", "providers.custom.endpoint": endpoint}
    assert template(sets(values)).status == 0


def test_a_model_that_is_not_known_may_have_any_dimension() -> None:
    values = {"embeddings.bundled.model": "me/mine", "embeddings.bundled.dimension": "333"}
    assert template(sets(values)).status == 0
