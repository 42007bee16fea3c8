"""The environment of a container, as a kubelet makes it: values, references, and $(NAME) inside values and args."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.cluster.manifests import Object, Store

_REFERENCE = re.compile(r"\$(\$|\(([-._a-zA-Z][-._a-zA-Z0-9]*)\))")
_UNITS = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


class ConfigError(Exception):
    """A reference leads nowhere, so the container cannot be created; the message says which, in a kubelet's words."""


@dataclass(frozen=True)
class Facts:
    """What a pod may be told about itself."""

    name: str
    namespace: str
    uid: str
    ip: str
    node_ip: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    account: str
    service_links: Mapping[str, str] = field(default_factory=dict)

    def read(self, path: str) -> str:
        """The value at a fieldPath; ConfigError when there is none."""
        known = {
            "metadata.name": self.name,
            "metadata.namespace": self.namespace,
            "metadata.uid": self.uid,
            "spec.nodeName": "node",
            "spec.serviceAccountName": self.account,
            "status.podIP": self.ip,
            "status.podIPs": self.ip,
            "status.hostIP": self.node_ip,
        }
        if path in known:
            return known[path]
        found = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
        if found is None:
            raise ConfigError(f"unsupported fieldPath: {path}")
        return (self.labels if found[1] == "labels" else self.annotations).get(found[2], "")


def environment(container: Object, facts: Facts, store: Store) -> dict[str, str]:
    """The variables of a container; raises ConfigError."""
    variables = dict(facts.service_links)
    for source in container.get("envFrom") or ():
        variables |= _all_of(source, facts, store)
    for entry in container.get("env") or ():
        if "valueFrom" not in entry:
            variables[entry["name"]] = expand(str(entry.get("value", "")), variables)
            continue
        value = _referred(entry["valueFrom"], container, facts, store)
        if value is not None:
            variables[entry["name"]] = value
    return variables


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`text` with $(NAME) replaced where NAME is known; $$ is a dollar."""

    def replaced(found: re.Match[str]) -> str:
        return "$" if found[1] == "$" else variables.get(found[2], found[0])

    return _REFERENCE.sub(replaced, text)


def command_line(container: Object, entrypoint: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """What runs: `command` takes the place of the image's entrypoint, `args` follows."""
    words = [*(container.get("command") or entrypoint), *(container.get("args") or ())]
    return [expand(str(word), variables) for word in words]


def quantity(value: Any) -> float:
    """A resource quantity such as 250m or 512Mi, as a number of cores or bytes."""
    found = re.fullmatch(r"([0-9.]+(?:e[0-9]+)?)([a-zA-Z]*)", str(value))
    if found is None or found[2] not in _UNITS:
        raise ValueError(f"{value!r} is no quantity")
    return float(found[1]) * _UNITS[found[2]]


def _all_of(source: Object, facts: Facts, store: Store) -> dict[str, str]:
    kind, reference = (
        ("Secret", source["secretRef"]) if "secretRef" in source else ("ConfigMap", source["configMapRef"])
    )
    contents = store.contents(kind, facts.namespace, reference["name"])
    if contents is None:
        if reference.get("optional"):
            return {}
        raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
    return {source.get("prefix", "") + name: value.decode() for name, value in contents.items()}


def _referred(source: Object, container: Object, facts: Facts, store: Store) -> str | None:
    match source:
        case {"fieldRef": {"fieldPath": path}}:
            return facts.read(path)
        case {"resourceFieldRef": reference}:
            return _resource(reference, container)
        case {"secretKeyRef": reference}:
            return _key("Secret", reference, facts, store)
        case {"configMapKeyRef": reference}:
            return _key("ConfigMap", reference, facts, store)
    raise ConfigError(f"unknown source of a variable: {source}")


def _key(kind: str, reference: Object, facts: Facts, store: Store) -> str | None:
    name, key = reference["name"], reference["key"]
    contents = store.contents(kind, facts.namespace, name)
    if contents is not None and key in contents:
        return contents[key].decode()
    if reference.get("optional"):
        return None
    if contents is None:
        raise ConfigError(f'{kind.lower()} "{name}" not found')
    raise ConfigError(f"couldn't find key {key} in {kind} {facts.namespace}/{name}")


def _resource(reference: Object, container: Object) -> str:
    group, _, resource = reference["resource"].partition(".")
    resources = container.get("resources") or {}
    found = (resources.get(group) or {}).get(resource)
    if found is None:
        raise ConfigError(f"the container has no {reference['resource']}")
    return str(-(-quantity(found) // quantity(reference.get("divisor", 1) or 1)).__int__())
