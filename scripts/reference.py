"""Writes docs/reference.md, every setting and every metric, from the code; or checks that it is up to date."""

from __future__ import annotations

import argparse
import importlib
import sys
import typing
from pathlib import Path

from prometheus_client import REGISTRY
from prometheus_client.registry import CollectorRegistry
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from synapse_cache.settings import CacheSettings
from synapse_embed.settings import EmbedSettings
from synapse_gateway.metrics import Metrics
from synapse_gateway.settings import GatewaySettings
from synapse_llm_router.settings import RouterSettings
from synapse_runtime.settings import MeshSettings, TelemetrySettings

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference.md"
SECTIONS: dict[str, type[BaseModel]] = {
    "mesh": MeshSettings,
    "telemetry": TelemetrySettings,
    "gateway": GatewaySettings,
    "cache": CacheSettings,
    "embed": EmbedSettings,
    "router": RouterSettings,
}
METRIC_MODULES = (
    "synapse_cache.telemetry",
    "synapse_embed.metrics",
    "synapse_llm_router.metrics",
    "synapse_runtime.background",
    "synapse_runtime.guard",
    "synapse_runtime.process",
    "synapse_runtime.server",
    "synapse_runtime.tls",
)
HEAD = """# Reference

Written by `scripts/reference.py` from the code; `make check` fails when it is not up to date.

## Settings

One JSON file configures every service: an object of the sections below, named by `SYNAPSE_CONFIG_PATH` (default
`/etc/synapse/config.json`); [configuration.md](configuration.md) tells how settings, keys and prices are given and
changed. `SYNAPSE_SECTION__KEY` overrides any setting, `SYNAPSE_CACHE__TTL_SECONDS=60` for example;
values that are JSON are read as JSON. `SYNAPSE_LOG` or `RUST_LOG` set `telemetry.log_filter`,
`OTEL_EXPORTER_OTLP_ENDPOINT` sets `telemetry.otlp_endpoint`, `REDIS_URL` sets `cache.redis_url`. A section or key that
nobody knows is refused by name.
"""


def render() -> str:
    """The whole page."""
    for module in METRIC_MODULES:
        importlib.import_module(module)
    lines = [HEAD]
    for name, model in SECTIONS.items():
        lines += _settings(name, model)
    lines += ["## Metrics", "", "Prometheus, on `/metrics` of each service.", ""]
    lines += _metrics("Gateway", Metrics().registry)
    lines += _metrics("Cache, embed, llm-router", REGISTRY)
    return "\n".join(lines).rstrip() + "\n"


def _settings(name: str, model: type[BaseModel]) -> list[str]:
    head = (model.__doc__ or "").splitlines()[0]
    lines = [f"### `{name}`", "", head, "", "| key | default | meaning |", "|---|---|---|"]
    nested: list[tuple[str, type[BaseModel]]] = []
    for key, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        text = " ".join((field.description or "").split())
        lines.append(f"| `{key}` | {_shown(default)} | {text} |")
        several = "[]" if typing.get_origin(field.annotation) is tuple else ""
        nested += [(f"{name}.{key}{several}", inner) for inner in _models_in(field.annotation)]
    lines.append("")
    for path, inner in nested:
        lines += _settings(path, inner)
    return lines


def _models_in(annotation: object) -> list[type[BaseModel]]:
    parts = typing.get_args(annotation)
    if not parts and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in parts for found in _models_in(part)]


def _shown(default: object) -> str:
    if default is PydanticUndefined:
        return "required"
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if isinstance(default, BaseModel):
        return "as below"
    if default is None or default == "" or default in ((), {}):
        return "none"
    if isinstance(default, tuple):
        default = ", ".join(map(str, default))
    return f"`{default}`".replace("True", "true").replace("False", "false")


def _metrics(title: str, registry: CollectorRegistry) -> list[str]:
    lines = [f"### {title}", "", "| metric | kind | meaning |", "|---|---|---|"]
    for family in sorted(registry.collect(), key=lambda one: one.name):
        if family.name.startswith("synapse_"):
            suffix = "_total" if family.type == "counter" else ""
            lines.append(f"| `{family.name}{suffix}` | {family.type} | {family.documentation} |")
    return [*lines, ""]


def main() -> None:
    """Command line: no option writes the page, `--check` compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when the page is not up to date")
    page = render()
    if not parser.parse_args().check:
        TARGET.write_text(page)
    elif not TARGET.exists() or TARGET.read_text() != page:
        sys.exit("docs/reference.md is not up to date: run `make reference`")


if __name__ == "__main__":
    main()
