"""The objects of a rendering, and how they lead to each other."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
WORKLOADS = ("Deployment", "StatefulSet", "Job", "Pod", "DaemonSet", "CronJob")
OUR_IMAGES = ("synapse/gateway", "synapse/cache", "synapse/embed", "synapse/llm-router")


@dataclass(frozen=True)
class Workload:
    """What makes pods, and the pods that it makes."""

    object: Object

    @property
    def name(self) -> str:
        return f"{self.object['kind']}/{self.object['metadata']['name']}"

    @property
    def labels(self) -> dict[str, str]:
        """Labels of its pods."""
        return dict(self._template["metadata"].get("labels", {}))

    @property
    def pod(self) -> Object:
        """The spec of its pods."""
        found: Object = self._template["spec"]
        return found

    @property
    def containers(self) -> list[Object]:
        """Every container of a pod, those of its start, too."""
        return [*self.pod.get("initContainers", []), *self.pod["containers"]]

    @property
    def ports(self) -> dict[str, int]:
        """Named ports of a pod."""
        return {port["name"]: port["containerPort"] for one in self.containers for port in one.get("ports", [])}

    @property
    def claim_templates(self) -> list[Object]:
        """Its volumeClaimTemplates."""
        return list(self.object["spec"].get("volumeClaimTemplates", []))

    @property
    def _template(self) -> Object:
        found: Object = self.object if self.object["kind"] == "Pod" else self.object["spec"]["template"]
        return found


class Manifests:
    """The objects of a rendering."""

    def __init__(self, objects: list[Object]) -> None:
        self.objects = objects

    def of(self, kind: str) -> list[Object]:
        """Every object of a kind."""
        return [found for found in self.objects if found["kind"] == kind]

    def names(self, kind: str) -> set[str]:
        """The names of a kind's objects."""
        return {found["metadata"]["name"] for found in self.of(kind)}

    def one(self, kind: str, name: str) -> Object:
        """The object of this kind and name; an AssertionError where there is none."""
        found = [one for one in self.of(kind) if one["metadata"]["name"] == name]
        assert len(found) == 1, f"{len(found)} objects {kind}/{name} among {sorted(self.names(kind))}"
        return found[0]

    def workload(self, kind: str, name: str) -> Workload:
        """The workload of this kind and name."""
        return Workload(self.one(kind, name))

    @property
    def workloads(self) -> list[Workload]:
        """Everything that makes pods."""
        return [Workload(found) for found in self.objects if found["kind"] in WORKLOADS]

    def selected(self, selector: Mapping[str, str]) -> list[Workload]:
        """The workloads whose pods have these labels."""
        return [one for one in self.workloads if selector.items() <= one.labels.items()]

    def containers(self) -> Iterator[tuple[Workload, Object]]:
        """Every container, with what it belongs to."""
        return ((workload, one) for workload in self.workloads for one in workload.containers)

    def keys(self, kind: str, name: str) -> set[str]:
        """The keys of a ConfigMap or Secret; none where it is not among the objects."""
        found = [one for one in self.of(kind) if one["metadata"]["name"] == name]
        return {key for one in found for part in ("data", "stringData", "binaryData") for key in one.get(part) or {}}

    def secret(self, name: str) -> dict[str, str]:
        """The texts in a Secret."""
        found = self.one("Secret", name)
        data = {key: base64.b64decode(value).decode() for key, value in (found.get("data") or {}).items()}
        return data | (found.get("stringData") or {})


def is_ours(container: Object) -> bool:
    """Whether a container runs one of our services."""
    repository = container["image"].partition("@")[0]
    return repository.rpartition(":")[0].endswith(OUR_IMAGES) or repository.endswith(OUR_IMAGES)


def secret_reference(variable: Object) -> Object | None:
    """The key of a Secret that a variable takes its value from."""
    found: Object | None = variable.get("valueFrom", {}).get("secretKeyRef")
    return found
