"""The runner's pods are what a kubelet would make of their manifests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cluster.manifests import SLEEP, config_map, container, pod, secret, workload
from tests.support.cluster.cluster import Cluster
from tests.support.cluster.images import ImageMissing

_TELL = "import os, time; print(dict(os.environ), flush=True); time.sleep(600)"


def told(cluster: Cluster, target: str, program: str) -> str:
    """What a Python program prints inside."""
    done = cluster.exec(target, ["python", "-c", program])
    assert done.status == 0, done.output
    return done.output.strip()


def started(cluster: Cluster, name: str, spec: dict[str, Any], *others: dict[str, Any]) -> str:
    """The target of a running Deployment."""
    cluster.apply([*others, workload(name, spec)])
    cluster.wait_ready(f"deploy/{name}")
    return f"deploy/{name}"


def test_variables_come_from_values_objects_and_the_pod_itself(cluster: Cluster) -> None:
    env = [
        {"name": "PLAIN", "value": "1"},
        {"name": "NESTED", "value": "<$(PLAIN)> $$(PLAIN) $(UNKNOWN)"},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "env", "key": "k"}}},
        {"name": "ABSENT", "valueFrom": {"secretKeyRef": {"name": "env", "key": "none", "optional": True}}},
        {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]
    limits = {"limits": {"memory": "64Mi"}}
    main = container(*SLEEP, env=env, envFrom=[{"configMapRef": {"name": "env"}, "prefix": "P_"}], resources=limits)
    target = started(cluster, "env", pod(main), config_map("env", a="b"), secret("env", k="s3"))
    seen = json.loads(told(cluster, target, "import os, json; print(json.dumps(dict(os.environ)))"))
    assert seen["NESTED"] == "<1> $(PLAIN) $(UNKNOWN)"
    assert (seen["KEY"], seen["P_a"], seen["LABEL"], seen["LIMIT"]) == ("s3", "b", "env", "64")
    assert seen["ADDRESS"] == cluster.pods(target)[0]["ip"]
    assert "ABSENT" not in seen


def test_args_follow_the_entrypoint_and_are_expanded(cluster: Cluster) -> None:
    main = container("-c", "import sys, time; time.sleep(600)", "$(WHO)", env=[{"name": "WHO", "value": "me"}])
    target = started(cluster, "args", pod(main))
    assert told(cluster, target, "print(open('/proc/1/cmdline').read().split(chr(0))[-2])") == "me"


def test_the_program_is_process_one_on_a_host_of_its_own(cluster: Cluster) -> None:
    target = started(cluster, "first", pod(container("-c", _TELL)))
    name = cluster.pods(target)[0]["name"]
    assert told(cluster, target, "print(open('/proc/1/comm').read().strip(), __import__('socket').gethostname())") == (
        f"python {name}"
    )
    cluster.wait_log(target, f"'HOSTNAME': '{name}'")


def test_volumes_lie_where_the_manifest_mounts_them(cluster: Cluster) -> None:
    volumes = [
        {"name": "conf", "configMap": {"name": "vol"}},
        {"name": "key", "secret": {"secretName": "vol", "defaultMode": 0o400, "items": [{"key": "k", "path": "a/b"}]}},
        {"name": "work", "emptyDir": {}},
        {"name": "me", "downwardAPI": {"items": [{"path": "ns", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    mounts = [
        {"name": "conf", "mountPath": "/etc/app"},
        {"name": "conf", "mountPath": "/one.json", "subPath": "config.json"},
        {"name": "key", "mountPath": "/keys"},
        {"name": "work", "mountPath": "/var/lib/app"},
        {"name": "me", "mountPath": "/me"},
    ]
    spec = pod(container(*SLEEP, volumeMounts=mounts), volumes=volumes)
    target = started(cluster, "vol", spec, config_map("vol", config__json="{}"), secret("vol", k="s3"))
    files = ("/etc/app/config.json", "/one.json", "/keys/a/b", "/me/ns")
    assert told(cluster, target, f"print([open(f).read() for f in {files}])") == "['{}', '{}', 's3', 'default']"
    assert told(cluster, target, "open('/var/lib/app/x', 'w').write('y'); print(1)") == "1"
    assert cluster.exec(target, ["touch", "/etc/app/x"]).status == 1


def test_a_changed_config_map_reaches_running_pods(cluster: Cluster) -> None:
    volumes, mounts = [{"name": "v", "configMap": {"name": "live"}}], [{"name": "v", "mountPath": "/v"}]
    target = started(
        cluster, "live", pod(container(*SLEEP, volumeMounts=mounts), volumes=volumes), config_map("live", a="1")
    )
    cluster.apply([config_map("live", a="2")])
    assert told(cluster, target, "print(open('/v/a').read())") == "2"


def test_a_container_has_no_more_rights_than_its_manifest_says(cluster: Cluster) -> None:
    rights = {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = [{"name": "tmp", "mountPath": "/tmp"}]
    main = container(*SLEEP, securityContext=rights, volumeMounts=mounts)
    target = started(cluster, "rights", pod(main, volumes=[{"name": "tmp", "emptyDir": {}}]))
    assert "Read-only" in cluster.exec(target, ["touch", "/x"]).output
    assert "Read-only" in cluster.exec(target, ["touch", "/app/x"]).output
    assert cluster.exec(target, ["touch", "/tmp/x"]).status == 0
    status = told(cluster, target, "print(open('/proc/1/status').read())")
    assert "CapBnd:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def test_programs_that_an_image_lacks_are_not_found(cluster: Cluster) -> None:
    target = started(cluster, "lacks", pod(container(*SLEEP)))
    assert cluster.exec(target, ["sh", "-c", "true"]).status == 0
    assert "No such file" in cluster.exec(target, ["git", "--version"]).output


def test_root_is_refused_where_the_manifest_says_so(cluster: Cluster) -> None:
    cluster.apply([workload("root", pod(container(*SLEEP), securityContext={"runAsNonRoot": True}))])
    assert "root" in cluster.wait_reason("deploy/root", "CreateContainerConfigError")


def test_a_missing_key_keeps_the_container_from_being_created_until_it_is_there(cluster: Cluster) -> None:
    env = [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "late", "key": "k"}}}]
    cluster.apply([secret("late", other="x"), workload("late", pod(container(*SLEEP, env=env)))])
    message = cluster.wait_reason("deploy/late", "CreateContainerConfigError")
    assert message == "couldn't find key k in Secret default/late"
    cluster.apply([secret("late", k="x")])
    cluster.wait_ready("deploy/late")


def test_an_image_that_nothing_stands_for_is_an_error(cluster: Cluster) -> None:
    with pytest.raises(ImageMissing, match="example/unknown:1"):
        cluster.apply([workload("odd", pod({"name": "main", "image": "registry.local:5000/example/unknown:1"}))])


def test_init_containers_end_before_the_others_begin(cluster: Cluster) -> None:
    mounts = [{"name": "w", "mountPath": "/w"}]
    first = {**container("-c", "open('/w/a', 'w').write('done')", volumeMounts=mounts), "name": "first"}
    main = container("-c", "print(open('/w/a').read(), flush=True); import time; time.sleep(600)", volumeMounts=mounts)
    target = started(cluster, "init", pod(main, initContainers=[first], volumes=[{"name": "w", "emptyDir": {}}]))
    cluster.wait_log(target, "done")
