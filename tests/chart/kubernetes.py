"""The strict schemas of Kubernetes, each made ready once: what an API server of a version says to an object."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

from tests.chart.manifests import Object

VERSIONS = ("1.25", "1.30", "1.37")
# Kinds of others, which no schema of Kubernetes knows: tests of their own look at them.
CUSTOM = {
    "monitoring.coreos.com/v1",
    "keda.sh/v1alpha1",
    "cert-manager.io/v1",
    "gateway.networking.k8s.io/v1",
}
_seen: dict[tuple[str, str], list[str]] = {}


def complaints(found: Object, version: str) -> list[str]:
    """What is wrong with an object in the eyes of Kubernetes `version`; nothing for kinds of others."""
    if found["apiVersion"] in CUSTOM:
        return []
    content = json.dumps(found, sort_keys=True)
    if (content, version) not in _seen:
        _seen[content, version] = list(_complaints(found, version))
    return _seen[content, version]


def _complaints(found: Object, version: str) -> list[str]:
    error = best_match(_validator(found["kind"], found["apiVersion"], version).iter_errors(found))
    if error is None:
        return []
    return [f"{found['kind']}/{found['metadata']['name']}: {'.'.join(map(str, error.path))}: {error.message}"]


@cache
def _validator(kind: str, api_version: str, version: str) -> Draft202012Validator:
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    folder = f"kubernetes-json-schema/v{version}.0-local-strict"
    schema = schema_contents(f"{folder}/{kind.lower()}-{group}.json", version)
    return Draft202012Validator(schema, registry=_definitions(folder, version))


@cache
def _definitions(folder: str, version: str) -> Registry[Any]:
    contents = schema_contents(f"{folder}/_definitions.json", version)
    return (Resource.from_contents(contents) @ Registry[Any]()).crawl()
