"""Pods of every values file are harmless, and are told only what they read."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from tests.chart import variables
from tests.chart.cases import CASES, rendered
from tests.chart.manifests import is_ours, secret_reference
from tests.chart.restricted import RULES, broken

each_case = pytest.mark.parametrize("case", CASES)
BREAKS: dict[str, Any] = {
    "HostProcess": lambda pod: pod["securityContext"].update(windowsOptions={"hostProcess": True}),
    "Host Namespaces": lambda pod: pod.update(hostPID=True),
    "Privileged Containers": lambda pod: _of(pod).update(privileged=True),
    "Capabilities": lambda pod: _of(pod)["capabilities"].update(add=["SYS_ADMIN"]),
    "Volume Types": lambda pod: pod["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
    "Host Ports": lambda pod: pod["containers"][0]["ports"][0].update(hostPort=80),
    "AppArmor": lambda pod: _of(pod).update(appArmorProfile={"type": "Unconfined"}),
    "SELinux": lambda pod: _of(pod).update(seLinuxOptions={"user": "system_u"}),
    "/proc Mount Type": lambda pod: _of(pod).update(procMount="Unmasked"),
    "Sysctls": lambda pod: pod["securityContext"].update(sysctls=[{"name": "kernel.msgmax", "value": "1"}]),
    "Privilege Escalation": lambda pod: _of(pod).pop("allowPrivilegeEscalation"),
    "Running as Non-root": lambda pod: _of(pod).update(runAsNonRoot=False),
    "Running as Non-root user": lambda pod: _of(pod).update(runAsUser=0),
    "Seccomp": lambda pod: _of(pod).update(seccompProfile={"type": "Unconfined"}),
}


def _of(pod: Any) -> Any:
    return pod["containers"][0]["securityContext"]


@each_case
def test_every_pod_is_restricted(case: str) -> None:
    wrong = {one.name: found for one in rendered(case).workloads if (found := broken(one.pod))}
    assert not wrong


@pytest.mark.parametrize("rule", RULES)
def test_a_pod_that_breaks_a_rule_is_found(rule: str) -> None:
    pod = copy.deepcopy(rendered("everything").workload("Deployment", "synapse-gateway").pod)
    BREAKS[rule](pod)
    assert {told.partition(":")[0] for told in broken(pod)} == {rule}


@each_case
def test_containers_write_only_to_volumes(case: str) -> None:
    writers = {
        f"{workload.name} {one['name']}"
        for workload, one in rendered(case).containers()
        if one["securityContext"].get("readOnlyRootFilesystem") is not True
    }
    assert not writers


@each_case
def test_no_pod_has_a_token_of_the_cluster(case: str) -> None:
    assert not [
        one.name for one in rendered(case).workloads if one.pod.get("automountServiceAccountToken") is not False
    ]


@each_case
def test_images_are_pinned(case: str) -> None:
    images = {one["image"] for _, one in rendered(case).containers()}
    assert images
    assert not [image for image in images if not re.search(r"(@sha256:[0-9a-f]{64}|:[\w][\w.-]*)$", image)]
    assert not [image for image in images if image.endswith((":latest", ":<nil>"))]


def test_a_digest_and_a_registry_of_ones_own_reach_every_image() -> None:
    images = {one["image"] for workload, one in rendered("digests").containers() if is_ours(one)}
    assert len(images) == 4
    assert all(image.startswith("registry.example.com/synapse/") and "@sha256:" in image for image in images)


@each_case
def test_every_variable_is_one_that_is_read(case: str) -> None:
    found = rendered(case)
    unread = {
        f"{workload.name}: {variable['name']}"
        for workload, one in found.containers()
        if is_ours(one) and workload.object["kind"] != "Pod"
        for variable in one.get("env", [])
        if not variables.is_read(variable["name"], found)
    }
    assert not unread


@pytest.mark.parametrize("name", ["SYNAPSE_CACHE__TTL_SECS", "SYNAPSE_GATEWAY", "PORT", "SYNAPSE_ROUTER__BACKENDS__NO"])
def test_a_variable_that_nobody_reads_is_found(name: str) -> None:
    assert not variables.is_read(name, rendered("everything"))


@each_case
def test_secrets_stand_in_no_argument_and_no_plain_value(case: str) -> None:
    found = rendered(case)
    secrets = {
        text for name in found.names("Secret") for key, text in found.secret(name).items() if text and _is_secret(key)
    }
    plain = [
        part
        for _, one in found.containers()
        for part in (*one.get("args", []), *one.get("command", []), *(v.get("value") or "" for v in one.get("env", [])))
    ]
    assert not [text for text in secrets if any(text in str(part) for part in plain)]


@each_case
def test_every_container_says_what_it_needs(case: str) -> None:
    for workload, one in rendered(case).containers():
        resources = one.get("resources", {})
        assert {"cpu", "memory"} <= resources.get("requests", {}).keys(), f"{workload.name} {one['name']}"
        assert "memory" in resources.get("limits", {}), f"{workload.name} {one['name']}"


@each_case
def test_pods_that_serve_are_asked_whether_they_do(case: str) -> None:
    serving = [one for one in rendered(case).workloads if one.object["kind"] in {"Deployment", "StatefulSet"}]
    for workload in serving:
        for one in workload.pod["containers"]:
            assert {"readinessProbe", "livenessProbe"} <= one.keys(), f"{workload.name} {one['name']}"
            for probe in (one["readinessProbe"], one["livenessProbe"]):
                handler = probe.get("httpGet") or probe.get("tcpSocket") or probe.get("grpc") or {}
                assert handler.get("port") in {None, *workload.ports, *workload.ports.values()}, workload.name


@each_case
def test_our_services_end_after_their_longest_stream(case: str) -> None:
    for workload, one in rendered(case).containers():
        if is_ours(one) and workload.object["kind"] in {"Deployment", "StatefulSet"}:
            assert workload.pod["terminationGracePeriodSeconds"] > 600, workload.name
            assert "preStop" in one["lifecycle"], workload.name


@each_case
def test_a_rolling_update_takes_no_pod_before_another_is_ready(case: str) -> None:
    for one in rendered(case).of("Deployment"):
        if is_ours(one["spec"]["template"]["spec"]["containers"][0]):
            assert one["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0, one["metadata"]["name"]


def test_keys_reach_only_who_uses_them() -> None:
    found = rendered("everything")
    holders = {
        (reference["key"], workload.labels["synapse/workload"])
        for workload, one in found.containers()
        if workload.object["kind"] != "Pod"
        for variable in one.get("env", [])
        if (reference := secret_reference(variable)) and reference["name"] == "synapse-secrets"
    }
    assert {who for key, who in holders if key == "synapse-api-key"} == {"gateway"}
    assert {who for key, who in holders if key != "synapse-api-key"} == {"llm-router"}


def _is_secret(key: str) -> bool:
    return any(part in key for part in ("key", "secret", "password", "token"))
