"""The guide's commands, from install to uninstall, as they stand there, before a double of the cluster's API."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.cases import CHART
from tests.chart.manifests import Manifests
from tests.support import helm
from tests.support.kube_api_double import running_api
from tests.support.kube_store import Cluster
from tests.support.parts import ROOT

PILOT = """helm install synapse ./helm/synapse \
-f helm/synapse/values/self-hosted-pilot.yaml \
--set dependencies.redis.external.url="redis://your-redis:6379" \
--set dependencies.milvus.external.endpoint="your-milvus:19530" \
--set providers.openai.apiKey="sk-..." \
--namespace synapse \
--create-namespace"""
BUNDLED = """helm install synapse ./helm/synapse \
-f helm/synapse/values/self-hosted-bundled.yaml \
--set providers.openai.apiKey="sk-..." \
--namespace synapse \
--create-namespace"""
PRODUCTION = PILOT.replace("self-hosted-pilot", "production")
OWN = """helm install synapse ./helm/synapse \
-f my-values.yaml \
--namespace synapse \
--create-namespace"""
UPGRADE = """helm upgrade synapse ./helm/synapse \
-f my-values.yaml \
--namespace synapse"""
ROLLBACK = "helm rollback synapse --namespace synapse"
UNINSTALL = "helm uninstall synapse --namespace synapse"
DELETE_VOLUMES = "kubectl delete pvc -n synapse -l app.kubernetes.io/name=synapse"
DELETE_NAMESPACE = "kubectl delete namespace synapse"


@dataclass(frozen=True)
class Terminal:
    """Where the guide's commands are typed: a folder with the repository's `helm` and my-values.yaml."""

    folder: Path
    cluster: Cluster
    version: str
    environment: dict[str, str]

    def type(self, command: str) -> str:
        """Run a command of the guide; what it wrote, or an AssertionError with what it complained of."""
        program, *words = shlex.split(command)
        path = helm.binary(self.version) if program == "helm" else helm.binary(helm.NEWEST, program)
        done = helm.run([path, *words], self.folder, self.environment)
        assert done.status == 0, f"{command}\n{done.output}{done.errors}"
        return done.output

    @property
    def here(self) -> Manifests:
        """What is in the cluster, but for Helm's own records."""
        objects = self.cluster.objects.values()
        return Manifests([one for one in objects if not one["metadata"]["name"].startswith("sh.helm.")])

    def known(self) -> dict[str, str]:
        """Every key of the release's Secrets."""
        found = self.here
        return {key: text for name in found.names("Secret") for key, text in found.secret(name).items()}


@contextmanager
def terminal(folder: Path, version: str) -> Iterator[Terminal]:
    cluster = Cluster()
    with running_api(cluster, folder) as kubeconfig:
        (folder / "helm").symlink_to(ROOT / "helm")
        (folder / "my-values.yaml").write_text((CHART / "ci/guide-values.yaml").read_text())
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "KUBECONFIG": str(kubeconfig)}
        yield Terminal(folder, cluster, version, environment)


@pytest.fixture(params=helm.VERSIONS)
def typed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    with terminal(tmp_path, request.param) as there:
        yield there


@pytest.fixture
def newest(tmp_path: Path) -> Iterator[Terminal]:
    with terminal(tmp_path, helm.NEWEST) as there:
        yield there


@pytest.mark.parametrize("command", [PILOT, BUNDLED, PRODUCTION], ids=["pilot", "bundled", "production"])
def test_the_guides_installs(newest: Terminal, command: str) -> None:
    told = newest.type(command)
    assert "STATUS: deployed" in told
    assert newest.known()["openai-api-key"] == "sk-..."
    assert newest.cluster.get("Deployment", "synapse-gateway", "synapse")


def test_the_guides_journey_loses_no_key(typed: Terminal) -> None:
    typed.type(f'{OWN} --set providers.openai.apiKey="sk-..."')
    begun = typed.known()
    assert len(begun["synapse-api-key"]) > 20
    typed.type(UPGRADE)
    assert typed.known()["synapse-api-key"] == begun["synapse-api-key"]
    assert typed.known()["mesh-secret"] == begun["mesh-secret"]
    assert typed.known()["openai-api-key"] == "sk-..."
    typed.type(ROLLBACK)
    assert typed.known() == begun


def test_an_upgrade_changes_what_it_should(typed: Terminal) -> None:
    typed.type(OWN)
    typed.type(f"{UPGRADE} --set gateway.config.rateLimitRps=7 --set gateway.extraEnv[0].name=RUST_LOG")
    gateway = typed.here.workload("Deployment", "synapse-gateway").pod["containers"][0]
    assert "RUST_LOG" in [variable["name"] for variable in gateway["env"]]
    assert '"rate_limit_rps":7' in typed.here.one("ConfigMap", "synapse-config")["data"]["config.json"].replace(" ", "")


def test_an_upgrade_with_nothing_new_restarts_nothing(typed: Terminal) -> None:
    typed.type(OWN)
    before = {one.name: one.pod for one in typed.here.workloads}
    notes = _annotations(typed.here)
    typed.type(UPGRADE)
    assert {one.name: one.pod for one in typed.here.workloads} == before
    assert _annotations(typed.here) == notes


def test_the_next_version_of_the_chart_is_an_upgrade_away(typed: Terminal) -> None:
    typed.type(BUNDLED)
    typed.type("helm package ./helm/synapse --version 9.9.9 --app-version 9.9.9")
    typed.type("helm upgrade synapse synapse-9.9.9.tgz -f helm/synapse/values/self-hosted-bundled.yaml -n synapse")
    gateway = typed.here.workload("Deployment", "synapse-gateway")
    assert gateway.pod["containers"][0]["image"].endswith(":9.9.9")
    typed.type(ROLLBACK)


def test_an_upgrade_from_the_pilot_to_production_keeps_keys_and_volumes(newest: Terminal) -> None:
    newest.type(PILOT)
    begun, [claim] = newest.known(), newest.here.workload("StatefulSet", "synapse-proxy").claim_templates
    kept = f" --set proxy.persistence.size={claim['spec']['resources']['requests']['storage']}"
    newest.type(PRODUCTION.replace("helm install", "helm upgrade").replace("--create-namespace", kept))
    assert newest.known()["synapse-api-key"] == begun["synapse-api-key"]
    assert newest.here.workload("Deployment", "synapse-embeddings-tei")


def test_a_change_that_a_cluster_refuses_is_refused(newest: Terminal) -> None:
    newest.type(OWN)
    with pytest.raises(AssertionError, match="immutable"):
        newest.type(f"{UPGRADE} --set proxy.persistence.storageClass=another")


def test_an_upgrade_leaves_the_replicas_to_the_autoscaler(typed: Terminal) -> None:
    typed.type(f"{OWN} --set autoscaling.gateway.enabled=true")
    typed.cluster.get("Deployment", "synapse-gateway", "synapse")["spec"]["replicas"] = 7
    typed.type(f"{UPGRADE} --set autoscaling.gateway.enabled=true --set gateway.config.rateLimitRps=7")
    assert typed.cluster.get("Deployment", "synapse-gateway", "synapse")["spec"]["replicas"] == 7


def test_a_provider_without_its_key_is_asked_with_the_key_that_came_later(newest: Terminal) -> None:
    newest.type(OWN)
    assert "anthropic-api-key" not in newest.known()
    newest.type(f"{UPGRADE} --set providers.anthropic.apiKey=sk-ant-1")
    newest.type(UPGRADE)
    assert newest.known()["anthropic-api-key"] == "sk-ant-1"
    router = newest.here.workload("Deployment", "synapse-llm-router").pod["containers"][0]
    assert "ANTHROPIC_API_KEY" in [variable["name"] for variable in router["env"]]


def test_nothing_is_left_but_volumes_until_they_are_deleted(typed: Terminal) -> None:
    typed.type(BUNDLED)
    claims = typed.here.names("PersistentVolumeClaim")
    assert len(claims) >= 3
    typed.type(UNINSTALL)
    assert {one["kind"] for one in typed.here.objects} == {"Namespace", "PersistentVolumeClaim"}
    typed.type(f"{DELETE_VOLUMES} --wait=false")
    typed.type(f"{DELETE_NAMESPACE} --wait=false")
    assert not typed.here.objects


def test_the_release_tells_the_next_commands(newest: Terminal) -> None:
    told = newest.type(PILOT)
    notes = told.partition("NOTES:")[2]
    assert "curl" in notes
    assert "synapse-api-key" in notes
    assert "sk-..." not in notes


def test_the_generated_key_is_read_as_the_notes_say(newest: Terminal) -> None:
    newest.type(PILOT)
    read = newest.type("kubectl get secret synapse-secrets -n synapse -o jsonpath='{.data.synapse-api-key}'")
    assert read == newest.cluster.get("Secret", "synapse-secrets", "synapse")["data"]["synapse-api-key"]


def test_what_lies_in_the_cluster_is_what_was_rendered(typed: Terminal) -> None:
    typed.type(OWN)
    typed.type(f"{UPGRADE} --set gateway.replicaCount=5 --set ingress.enabled=false")
    manifest = [one for one in yaml.safe_load_all(typed.type("helm get manifest synapse -n synapse")) if one]
    for wanted in manifest:
        found = typed.cluster.get(wanted["kind"], wanted["metadata"]["name"], "synapse")
        assert {key: found[key] for key in wanted if key not in {"metadata", "stringData"}} == {
            key: wanted[key] for key in wanted if key not in {"metadata", "stringData"}
        }
    assert not typed.here.of("Ingress")


def _annotations(found: Manifests) -> dict[str, Any]:
    serving = [one for one in found.workloads if one.object["kind"] in {"Deployment", "StatefulSet"}]
    return {one.name: one.object["spec"]["template"]["metadata"].get("annotations") for one in serving}
