"""Kubernetes objects as they were applied: found by kind and name, selected by labels."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

Object = dict[str, Any]
CLUSTER_WIDE = frozenset({"Namespace", "PersistentVolume", "StorageClass", "ClusterRole", "ClusterRoleBinding"})
SHORT_NAMES = {"deploy": "Deployment", "sts": "StatefulSet", "svc": "Service", "pod": "Pod", "job": "Job"}
HOOK = "helm.sh/hook"


@dataclass(frozen=True, order=True)
class Key:
    """Which object."""

    kind: str
    namespace: str
    name: str


@dataclass
class Store:
    """All objects of the cluster."""

    objects: dict[Key, Object] = field(default_factory=dict)

    def put(self, given: Iterable[Object]) -> None:
        """Add objects, or replace those of the same name."""
        self.objects |= {key_of(one): one for one in given}

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """The object, or None."""
        return self.objects.get(Key(kind, namespace, name))

    def of(self, kind: str) -> Iterator[tuple[Key, Object]]:
        """All objects of a kind."""
        return ((key, one) for key, one in sorted(self.objects.items(), key=lambda item: item[0]) if key.kind == kind)

    def contents(self, kind: str, namespace: str, name: str) -> dict[str, bytes] | None:
        """The keys of a ConfigMap or Secret; None when there is no such object."""
        found = self.get(kind, namespace, name)
        if found is None:
            return None
        plain = "stringData" if kind == "Secret" else "data"
        encoded = "data" if kind == "Secret" else "binaryData"
        contents = {key: base64.b64decode(value) for key, value in (found.get(encoded) or {}).items()}
        return contents | {key: str(value).encode() for key, value in (found.get(plain) or {}).items()}


def parse(text: str, namespace: str) -> list[Object]:
    """The objects of a rendered chart; those that name no namespace belong to `namespace`."""
    documents = [one for one in yaml.load_all(text, Loader=yaml.CSafeLoader) if one]  # the safe one, in C
    objects = [item for one in documents for item in (one["items"] if one["kind"] == "List" else [one])]
    for one in objects:
        if one["kind"] not in CLUSTER_WIDE:
            one["metadata"].setdefault("namespace", namespace)
    return objects


def is_hook(one: Object) -> bool:
    """Whether Helm would not install this object with the others."""
    return HOOK in (one["metadata"].get("annotations") or {})


def key_of(one: Object) -> Key:
    """Which object this is."""
    return Key(one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"])


def key_from(target: str, namespace: str) -> Key:
    """The key of deploy/name, sts/name, svc/name or pod/name; ValueError for anything else."""
    kind, slash, name = target.partition("/")
    if not slash or kind not in SHORT_NAMES:
        raise ValueError(f"{target!r} names nothing: say one of {', '.join(SHORT_NAMES)}, a slash, and a name")
    return Key(SHORT_NAMES[kind], namespace, name)


def selects(selector: Mapping[str, str] | None, labels: Mapping[str, str]) -> bool:
    """Whether all labels of the selector are there; an empty selector selects nothing."""
    return bool(selector) and all(labels.get(name) == value for name, value in (selector or {}).items())


def digest(template: Any) -> str:
    """A short name for what a template says."""
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
