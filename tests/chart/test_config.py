"""The configuration that the chart writes is one that every service takes, and its addresses are those of the release."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from synapse_runtime.settings import Config, MeshSettings, load, require_loopback_or_secret
from synapse_standalone.validation import problems
from tests.chart.cases import CASES, rendered, with_values
from tests.chart.manifests import Manifests, Workload, is_ours
from tests.chart.variables import config_of, environment

each_case = pytest.mark.parametrize("case", CASES)
OUTSIDE = {"openai-api-key": "sk-1", "anthropic-api-key": "sk-2", "synapse-api-key": "sk-3", "api-key": "sk-4"}
SERVICES = {"gateway": "gateway", "proxy": "cache", "embeddings": "embed", "llm-router": "router"}


def services(found: Manifests) -> dict[str, Workload]:
    """The workloads of our services, by the section of their settings."""
    ours = [one for one in found.workloads if one.labels.get("synapse/workload") in SERVICES]
    return {SERVICES[one.labels["synapse/workload"]]: one for one in ours if is_ours(one.pod["containers"][0])}


def seen_by(workload: Workload, found: Manifests, folder: Path) -> Config:
    """The settings as a pod of `workload` reads them."""
    file = folder / "config.json"
    file.write_text(json.dumps(config_of(found)))
    given = environment(workload.pod["containers"][0], found, OUTSIDE)
    assert given["SYNAPSE_CONFIG_PATH"] == "/etc/synapse/config.json"
    return load({**given, "SYNAPSE_CONFIG_PATH": str(file)})


@each_case
def test_every_service_takes_its_settings(case: str, tmp_path: Path) -> None:
    found = rendered(case)
    ours = services(found)
    assert set(ours) == set(SERVICES.values())
    for section, workload in ours.items():
        told = problems(seen_by(workload, found, tmp_path))
        # Keys of the providers are in no other pod than the router's, and need not be.
        assert not {name: text for name, text in told.items() if name != "router" or section == "router"}


@each_case
def test_every_service_may_listen_where_it_is_told_to(case: str, tmp_path: Path) -> None:
    found = rendered(case)
    for section, workload in services(found).items():
        config = seen_by(workload, found, tmp_path)
        own = config.sections[section]
        for key in {"listen", "probes", "check_listen"} & own.keys():
            require_loopback_or_secret(own[key], config.section("mesh", MeshSettings))
            assert int(own[key].rpartition(":")[2]) in workload.ports.values(), f"{section}.{key}"


@each_case
def test_the_mesh_finds_every_pod_of_a_service(case: str) -> None:
    found = rendered(case)
    for setting, section in (("cache_target", "cache"), ("embed_target", "embed"), ("router_target", "router")):
        host, port = re.fullmatch(r"dns:///([^:]+):(\d+)", config_of(found)["mesh"][setting]).groups()  # type: ignore[union-attr]
        assert host.endswith(".synapse.svc.cluster.local")
        service = found.one("Service", host.partition(".")[0])
        assert service["spec"].get("clusterIP") == "None"
        assert [one.name for one in found.selected(service["spec"]["selector"])] == [services(found)[section].name]
        assert int(port) in [one["port"] for one in service["spec"]["ports"]]


@each_case
def test_addresses_inside_the_release_exist(case: str) -> None:
    found = rendered(case)
    names = set(re.findall(r"([\w-]+)\.synapse\.svc\b", json.dumps(config_of(found))))
    assert names <= found.names("Service")
    assert len(names) >= 3


@each_case
def test_the_configuration_holds_no_secret(case: str) -> None:
    found = rendered(case)
    texts = [json.dumps(one.get("data", {})) for one in found.of("ConfigMap")]
    secrets = {text for name in found.names("Secret") for text in found.secret(name).values() if len(text) > 7}
    assert secrets
    assert not [secret for secret in secrets for text in texts if secret in text]


def test_any_setting_can_be_given(tmp_path: Path) -> None:
    found = with_values(("config.cache.ttl_seconds", "60"), ("config.gateway.rate_limit_tpm", "5000"))
    assert config_of(found)["cache"]["ttl_seconds"] == 60
    assert config_of(found)["gateway"]["rate_limit_tpm"] == 5000
    assert config_of(found)["cache"]["listen"]


def test_the_guides_values_reach_the_settings() -> None:
    config = config_of(rendered("guide"))
    assert config["gateway"]["rate_limit_rps"] == 100
    assert config["gateway"]["max_concurrent_requests"] == 500
    assert config["cache"]["milvus_endpoint"] == "milvus.default.svc.cluster.local:19530"
    assert config["embed"]["dimension"] == 1024
    models = {backend["provider"]: list(backend["models"]) for backend in config["router"]["backends"]}
    assert models == {"openai": ["gpt-4o", "gpt-4o-mini"], "anthropic": ["claude-3-5-sonnet-20241022"]}


def test_a_disabled_provider_is_no_backend() -> None:
    [backend] = config_of(rendered("vllm"))["router"]["backends"]
    assert (backend["provider"], backend["endpoint"]) == ("vllm", "http://synapse-vllm:8000/v1")
    assert backend["models"] == ["Qwen/Qwen2.5-1.5B-Instruct"]


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_a_custom_backend_speaks_its_wire(wire: str) -> None:
    found = with_values(("providers.custom.apiType", wire), file="ci/custom-backend-values.yaml")
    [custom] = [one for one in config_of(found)["router"]["backends"] if one["provider"] == "custom"]
    assert custom["api_type"] == wire
    assert custom["models"] == ["llama-3-70b", "mistral-7b"]


def test_external_embeddings_need_no_workload() -> None:
    found = rendered("external-embeddings")
    assert config_of(found)["embed"]["provider"] == "openai"
    assert {one.labels["synapse/workload"] for one in found.workloads} >= {"embeddings"}
    assert not {one.labels["synapse/workload"] for one in found.workloads} & {"tei", "triton"}
