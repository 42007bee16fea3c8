"""Whether a configuration is one that the services will accept: each section is read by its service's own settings."""

from __future__ import annotations

from importlib import import_module

from synapse_runtime.logs import LogFilterError, parse_filter
from synapse_runtime.settings import Config, MeshSettings, Section, SettingsError, TelemetrySettings

_OF_SERVICES = {
    "gateway": ("synapse_gateway.settings", "GatewaySettings"),
    "cache": ("synapse_cache.settings", "CacheSettings"),
    "embed": ("synapse_embed.settings", "EmbedSettings"),
    "router": ("synapse_llm_router.settings", "RouterSettings"),
}


def section_class(name: str) -> type[Section]:
    """The settings of the section `name`."""
    if name == "mesh":
        return MeshSettings
    if name == "telemetry":
        return TelemetrySettings
    module, kind = _OF_SERVICES[name]
    found: type[Section] = getattr(import_module(module), kind)
    return found


def problems(config: Config) -> dict[str, str]:
    """What is wrong with each section, in the words of its service; sections without a fault are left out."""
    found = {}
    for name in ("mesh", "telemetry", *_OF_SERVICES):
        try:
            section = config.section(name, section_class(name))
            if isinstance(section, TelemetrySettings):
                parse_filter(section.log_filter)
            if name == "router":
                import_module("synapse_llm_router.adapters.configuration").loaded(config)  # its keys and prices, too
        except (SettingsError, LogFilterError) as error:
            found[name] = str(error)
    return found
