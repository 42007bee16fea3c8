"""What the double of the Kubernetes API keeps: objects by their place, the kinds it knows, and how it tells of them.

`stringData` of Secrets becomes `data`, a StatefulSet's claims are made with it, and what may not change is refused, as a
cluster does. It knows no schemas, defaults, owners or pods.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
_BORN = "2026-01-01T00:00:00Z"
VERBS = ["create", "delete", "get", "list", "patch", "update"]
KINDS = {
    "v1": {
        "Namespace": "namespaces",
        "Secret": "secrets",
        "ConfigMap": "configmaps",
        "Service": "services",
        "ServiceAccount": "serviceaccounts",
        "PersistentVolumeClaim": "persistentvolumeclaims",
        "Pod": "pods",
    },
    "apps/v1": {"Deployment": "deployments", "StatefulSet": "statefulsets"},
    "batch/v1": {"Job": "jobs"},
    "policy/v1": {"PodDisruptionBudget": "poddisruptionbudgets"},
    "autoscaling/v2": {"HorizontalPodAutoscaler": "horizontalpodautoscalers"},
    "networking.k8s.io/v1": {"Ingress": "ingresses", "NetworkPolicy": "networkpolicies"},
    "rbac.authorization.k8s.io/v1": {"Role": "roles", "RoleBinding": "rolebindings"},
}
_CHANGEABLE_OF_A_STATEFUL_SET = {
    *("replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit"),
    *("persistentVolumeClaimRetentionPolicy", "minReadySeconds"),
}


@dataclass(frozen=True)
class Place:
    """Where an object lies, or with an empty name all of its kind."""

    group_version: str
    plural: str
    namespace: str
    name: str


@dataclass
class Refused(Exception):
    """An answer that is no object: its HTTP status and reason."""

    status: int
    reason: str
    message: str


@dataclass
class Cluster:
    """The objects, by their place."""

    objects: dict[Place, Object] = field(default_factory=dict)
    version: str = "v1.30.0"
    requests: list[str] = field(default_factory=list)
    last_applied: dict[Place, Object] = field(default_factory=dict)
    """What was applied from the server's side: what the next one leaves out of it is taken away."""
    _writes: int = 0

    def get(self, kind: str, name: str, namespace: str = "") -> Object:
        """The object; Refused where there is none."""
        [(group_version, plural)] = [(gv, kinds[kind]) for gv, kinds in KINDS.items() if kind in kinds]
        return self.read(Place(group_version, plural, namespace, name))

    def of(self, kind: str) -> list[Object]:
        """Every object of the kind."""
        return [found for found in self.objects.values() if found["kind"] == kind]

    def read(self, place: Place) -> Object:
        """The object at `place`; Refused where there is none."""
        if place not in self.objects:
            raise Refused(404, "NotFound", f'{place.plural} "{place.name}" not found')
        return self.objects[place]

    def matching(self, place: Place, query: Mapping[str, str]) -> list[Object]:
        """The objects of a kind, of one namespace where one is given, that the selectors of `query` let pass."""
        at = (place.group_version, place.plural)
        return [
            found
            for where, found in self.objects.items()
            if (where.group_version, where.plural) == at
            and place.namespace in {"", where.namespace}
            and _selected(query.get("labelSelector", ""), found["metadata"].get("labels", {}))
            and _selected(query.get("fieldSelector", ""), {"metadata.name": where.name})
        ]

    def write(self, place: Place, content: Object, *, dry: bool) -> Object:
        """Put `content` at `place`, with what a server adds to it."""
        kept = copy.deepcopy(content)
        before = self.objects.get(place)
        self._writes += 1
        meta = kept.setdefault("metadata", {})
        born = before["metadata"] if before else {"uid": f"uid-{self._writes}", "creationTimestamp": _BORN}
        meta |= {"name": place.name, "resourceVersion": str(self._writes)}
        meta |= {key: born[key] for key in ("uid", "creationTimestamp")}
        meta |= {"namespace": place.namespace} if place.namespace else {}
        if kept["kind"] == "Secret":
            texts = kept.pop("stringData", None) or {}
            encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
            kept["data"] = {**(kept.get("data") or {}), **encoded}
        if before is not None:
            _refuse_the_immutable(before, kept)
        if not dry:
            self.objects[place] = kept
            self._make_claims(place, kept)
        return kept

    def remove(self, place: Place, *, dry: bool) -> Object:
        """Take away what lies at `place`; Refused where nothing does."""
        found = self.read(place)
        if not dry:
            del self.objects[place]
            self.last_applied.pop(place, None)
        return found

    def _make_claims(self, place: Place, made: Object) -> None:
        if made["kind"] != "StatefulSet":
            return
        selector = made["spec"]["selector"]["matchLabels"]
        for template in made["spec"].get("volumeClaimTemplates") or []:
            for ordinal in range(made["spec"].get("replicas", 1)):
                name = f"{template['metadata']['name']}-{place.name}-{ordinal}"
                claim = Place("v1", "persistentvolumeclaims", place.namespace, name)
                labels = {**template["metadata"].get("labels", {}), **selector}
                body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": template["spec"]}
                if claim not in self.objects:
                    self.write(claim, {**body, "metadata": {"labels": labels}}, dry=False)


def _refuse_the_immutable(before: Object, after: Object) -> None:
    """Refuse what a cluster refuses to change: selectors, addresses of Services, all but a few parts of a StatefulSet."""
    old, new = before.get("spec", {}), after.get("spec", {})
    fixed = {"Deployment": {"selector"}, "Service": {"clusterIP"}, "PersistentVolumeClaim": set(old)}
    names = fixed.get(after["kind"], set())
    if after["kind"] == "StatefulSet":
        names = (old.keys() | new.keys()) - _CHANGEABLE_OF_A_STATEFUL_SET
    changed = sorted(name for name in names if old.get(name) != new.get(name))
    if changed:
        name = f"{after['kind']} {after['metadata']['name']!r}"
        raise Refused(422, "Invalid", f"{name} is invalid: spec.{changed[0]}: field is immutable")


def _selected(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether `labels` fulfil a selector of the forms a=b, a==b, a!=b and a."""
    for term in filter(None, selector.split(",")):
        key, unequal, value = term.partition("!=")
        if unequal:
            if labels.get(key) == value:
                return False
            continue
        key, equal, value = term.replace("==", "=").partition("=")
        if key not in labels or (equal and labels[key] != value):
            return False
    return True


def place_of(path: str) -> tuple[Place, str]:
    """The place that a path names, and its subresource; Refused where it names none."""
    parts = [part for part in path.split("/") if part]
    group_version = parts[1] if parts[0] == "api" else "/".join(parts[1:3])
    rest = parts[2 if parts[0] == "api" else 3 :]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    if group_version not in KINDS or not rest or rest[0] not in KINDS[group_version].values():
        raise Refused(404, "NotFound", f"the double does not know {path}")
    name, sub = (*rest[1:], "", "")[:2]
    return Place(group_version, rest[0], namespace, name), sub


def discovery(path: str, version: str) -> Object | None:
    """The document that tells what the server knows, if `path` is one of them."""
    groups = [group_version for group_version in KINDS if "/" in group_version]
    documents: dict[str, Object] = {
        "/version": {"major": "1", "minor": version.split(".")[1], "gitVersion": version},
        "/openapi/v3": {"paths": {}},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(one) for one in groups]},
    }
    for group_version, kinds in KINDS.items():
        root = "/apis/" if "/" in group_version else "/api/"
        documents[root + group_version] = {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": group_version,
            "resources": [_resource(kind, plural) for kind, plural in kinds.items()],
        }
    return documents.get(path.rstrip("/"))


def _group(group_version: str) -> Object:
    served = {"groupVersion": group_version, "version": group_version.partition("/")[2]}
    return {"name": group_version.partition("/")[0], "versions": [served], "preferredVersion": served}


def _resource(kind: str, plural: str) -> Object:
    names = {"name": plural, "singularName": kind.lower(), "kind": kind}
    short = {"shortNames": ["pvc"]} if kind == "PersistentVolumeClaim" else {}
    return {**names, **short, "namespaced": kind != "Namespace", "verbs": VERBS}
