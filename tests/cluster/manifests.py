"""Small manifests for tests of the runner: a program in Python, its workload and its Service."""

from __future__ import annotations

from typing import Any

SERVE = ("-m", "http.server", "8000", "--directory", "/site")
"""Args of a web server for the folder /site."""
SLEEP = ("-c", "import time; time.sleep(600)")
"""Args of a program that does not handle SIGTERM."""


def container(*args: str, **more: Any) -> dict[str, Any]:
    """A container named main that runs Python with `args`."""
    return {"name": "main", "image": "python:3", "args": list(args), **more}


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """The spec of a pod that stops at once."""
    return {"terminationGracePeriodSeconds": 1, "containers": list(containers), **spec}


def workload(name: str, spec: dict[str, Any], *, kind: str = "Deployment", **more: Any) -> dict[str, Any]:
    """A Deployment or StatefulSet with one pod, unless `replicas` is given."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return _object(kind, name, spec={"selector": {"matchLabels": labels}, "template": template, **more})


def service(name: str, port: int = 8000, **spec: Any) -> dict[str, Any]:
    """A headless Service for the workload of this name, unless `clusterIP` is given."""
    wanted = {"clusterIP": "None", "selector": {"app": name}, "ports": [{"port": port}], **spec}
    return _object("Service", name, spec={key: value for key, value in wanted.items() if value is not None})


def config_map(name: str, **data: str) -> dict[str, Any]:
    """A ConfigMap; two underscores in a key stand for a dot."""
    return _object("ConfigMap", name, data={key.replace("__", "."): value for key, value in data.items()})


def secret(name: str, **data: str) -> dict[str, Any]:
    """A Secret."""
    return _object("Secret", name, stringData=data)


def site(name: str, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A web server with a readiness probe that serves the ConfigMap of the same name: a container and its volume."""
    probe = {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1}
    mounts = [{"name": "site", "mountPath": "/site"}]
    return container(*SERVE, readinessProbe=probe, volumeMounts=mounts, **more), {
        "name": "site",
        "configMap": {"name": name},
    }


def _object(kind: str, name: str, **members: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "default"}, **members}
