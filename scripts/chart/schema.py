"""The schema of the chart's values: their shape out of the defaults, so that typos are refused, and their kinds."""

from __future__ import annotations

import json
from typing import Any

from scripts.chart.values import CHART, files

TARGET = CHART / "values.schema.json"
WIDTH = 120
Schema = dict[str, Any]


def _closed(properties: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _choice(*words: str) -> Schema:
    return {"enum": list(words)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_TEXTS = _list(_ref("text"))
_AMOUNT: Schema = {"type": ["string", "integer"]}
_PULL = _choice("", "Always", "IfNotPresent", "Never")
_HOST_PATH = {
    **_closed(
        {"path": {"type": "string", "pattern": "^/"}, "pathType": _choice("Prefix", "Exact", "ImplementationSpecific")}
    ),
    "required": ["path"],
}
_DEFINITIONS: Schema = {
    "switch": {"type": "boolean"},
    "text": {"type": "string"},
    "count": {"type": "integer", "minimum": 0},
    "quantity": {"type": ["string", "number"]},
    "free": {"type": "object"},
    "objects": _list({"type": "object"}),
    "labels": {"type": "object", "additionalProperties": _ref("text")},
    "quantities": {"type": "object", "additionalProperties": _ref("quantity")},
    "image": _closed(
        {
            "repository": {"type": "string", "minLength": 1},
            "tag": _ref("quantity"),
            "digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
            "pullPolicy": _PULL,
        }
    ),
    "resources": _closed({"requests": _ref("quantities"), "limits": _ref("quantities")}),
    "probes": _closed({name: _ref("free") for name in ("startup", "readiness", "liveness")}),
}
_BY_PATH: dict[str, Schema] = {
    "config": _closed({name: _ref("free") for name in ("mesh", "telemetry", "gateway", "cache", "embed", "router")}),
    "embeddings.bundled.dimension": {"type": "integer", "minimum": 1},
    "embeddings.bundled.networkPolicy.downloadPorts": _list({"type": "integer"}),
    "embeddings.external.type": _choice("tei", "triton", "openai"),
    "envoy.concurrency": {"type": "integer", "minimum": 1},
    "envoy.rateLimit.requestsPerSecond": {
        "type": ["number", "string"],
        "minimum": 0,
        "pattern": r"^([0-9]+(\.[0-9]+)?)?$",
    },
    "fullnameOverride": {"type": "string", "pattern": "^([a-z]([-a-z0-9]*[a-z0-9])?)?$"},
    "gateway.config.maxConcurrentRequests": {"type": "integer", "minimum": 1},
    "gateway.config.rateLimitRps": {"type": "number", "minimum": 0},
    "ingress.hosts": _list(_closed({"host": _ref("text"), "paths": _list(_HOST_PATH)})),
    "ingress.tls": _list(_closed({"secretName": _ref("text"), "hosts": _TEXTS})),
    "nameOverride": {"type": "string", "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$"},
    "redis.password": {"type": "string", "pattern": "^[A-Za-z0-9._~-]*$"},  # it becomes part of a URL
    "providers.extra": _list({"type": "object", "required": ["name", "endpoint"]}),
    "telemetry.traceSampleRatio": {"type": "number", "minimum": 0, "maximum": 1},
}
_BY_NAME: dict[str, Schema] = {
    "accessMode": _choice("ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"),
    "affinity": _ref("free"),
    "annotations": _ref("labels"),
    "antiAffinity": _choice("soft", "hard", "none"),
    "apiType": _choice("openai", "anthropic", "custom"),
    "compute": _choice("", "turing", "ampere"),
    "extraArgs": _TEXTS,
    "fallbackReplicas": _AMOUNT,
    "hostnames": _TEXTS,
    "image": _ref("image"),
    "keyInSecret": {"enum": [True, False, ""]},
    "labels": _ref("labels"),
    "maxReplicas": {"type": "integer", "minimum": 1},
    "maxUnavailable": _AMOUNT,
    "maxmemory": _ref("quantity"),
    "metricsNamespaceSelector": _ref("labels"),
    "minAvailable": _AMOUNT,
    "minReplicas": {"type": "integer", "minimum": 1},
    "mode": _choice("bundled", "external"),
    "models": _list({"type": "string", "minLength": 1}),
    "nodeSelector": _ref("labels"),
    "podAnnotations": _ref("labels"),
    "podLabels": _ref("labels"),
    "probes": _ref("probes"),
    "provider": _choice("bundled", "external"),
    "pullPolicy": _PULL,
    "resources": _ref("resources"),
    "runtime": _choice("tei", "triton"),
    "shmSize": _ref("quantity"),
    "size": _ref("quantity"),
    "tag": _ref("quantity"),
    "targetCPUUtilizationPercentage": {"type": "integer", "minimum": 1, "maximum": 100},
    "type": _choice("ClusterIP", "NodePort", "LoadBalancer"),
}
_KINDS = {bool: "switch", int: "count", str: "text", list: "objects", dict: "free"}


def render() -> str:
    """The schema as text."""
    own, *parts = files()
    properties = _closed_like(own.defaults, "")["properties"]
    for part in parts:
        properties[part.prefix] = _ref("free")
        if not part.defaults:
            continue
        of_part = _closed_like(part.defaults, part.prefix)
        of_part["properties"]["global"] = _ref("free")  # Helm lays it into every part
        properties[part.prefix] = of_part
    properties |= {"common": _ref("free"), "global": {**properties["global"], "additionalProperties": True}}
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the chart synapse"}
    return _written({**head, **_closed(properties), "definitions": _DEFINITIONS}) + "\n"


def _closed_like(defaults: dict[str, Any], path: str) -> Schema:
    return _closed({name: _like(value, f"{path}.{name}".lstrip("."), name) for name, value in defaults.items()})


def _like(value: Any, path: str, name: str) -> Schema:
    """What a value may be: by its path, by its name, else like its default."""
    known = _BY_PATH.get(path) or _BY_NAME.get(name)
    if known or (isinstance(value, dict) and value):
        return known or _closed_like(value, path)
    return _ref(_KINDS[type(value)])


def _written(value: Any, indent: int = 0, before: int = 0) -> str:
    """JSON in which what fits on a line stands on one; `before` is the width of what precedes it there."""
    flat = json.dumps(value)
    if not isinstance(value, dict) or before + len(flat) < WIDTH:
        return flat
    inner = " " * (indent + 2)
    heads = ((f"{inner}{json.dumps(name)}: ", one) for name, one in value.items())
    lines = [head + _written(one, indent + 2, len(head)) for head, one in heads]
    return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}"
