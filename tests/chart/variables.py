"""Which environment variables the services read, by their settings classes; and what the chart gives them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel

from synapse_runtime.settings import SECTIONS
from synapse_standalone.validation import section_class
from tests.chart.manifests import Manifests, Object, secret_reference

ALIASES = {"SYNAPSE_CONFIG_PATH", "RUST_LOG", "SYNAPSE_LOG", "OTEL_EXPORTER_OTLP_ENDPOINT", "REDIS_URL"}


def config_of(found: Manifests) -> dict[str, Any]:
    """The settings that the chart writes."""
    [text] = [one["data"]["config.json"] for one in found.of("ConfigMap") if "config.json" in one.get("data", {})]
    config: dict[str, Any] = json.loads(text)
    return config


def is_read(name: str, found: Manifests) -> bool:
    """Whether a service reads the variable: an alias, a setting, or a key that a backend of the release names."""
    backends = config_of(found)["router"]["backends"]
    if name in ALIASES | {backend.get("api_key_env") for backend in backends}:
        return True
    section, *path = name.removeprefix("SYNAPSE_").lower().split("__")
    return name.startswith("SYNAPSE_") and section in SECTIONS and bool(path) and _leads(section_class(section), path)


def _leads(kind: Any, path: list[str]) -> bool:
    """Whether a setting lies at `path`; an element of a list is reached by its name."""
    models = [one for one in (kind, *get_args(kind)) if isinstance(one, type) and issubclass(one, BaseModel)]
    if not path:
        return True
    for model in models:
        field = model.model_fields.get(path[0])
        if field is not None:
            return _leads(field.annotation, path[1:])
        if kind is not model and str(kind).startswith("tuple") and re.fullmatch(r"\w+", path[0]):
            return _leads(model, path[1:]) and len(path) > 1
    return len(path) <= 1 and not models and str(kind).startswith("dict")


def environment(container: Object, found: Manifests, outside: Mapping[str, str]) -> dict[str, str]:
    """What a container's variables are; keys of Secrets that are no objects of the release by `outside`."""
    given = {}
    for variable in container.get("env", []):
        reference = secret_reference(variable)
        if reference is None:
            given[variable["name"]] = variable.get("value", "")
        elif reference["name"] in found.names("Secret"):
            secret = found.secret(reference["name"])
            if reference["key"] in secret or not reference.get("optional"):
                given[variable["name"]] = secret[reference["key"]]
        else:
            given[variable["name"]] = outside[reference["key"]]
    return given
