"""Settings: one JSON file for the whole mesh, one frozen model per section, overridden by the environment.

The file is named by SYNAPSE_CONFIG_PATH (default /etc/synapse/config.json; it need not exist); several files, separated
as in PATH, are laid over each other in their order. Every setting can be overridden by SYNAPSE_SECTION__KEY, deeper
levels by further double underscores; values are read as JSON where they parse as JSON and as plain text otherwise. An
element of a list that has a name is reached by it, SYNAPSE_ROUTER__BACKENDS__OPENAI__API_KEY for example. A section or
key that nobody knows is an error that names it.
"""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

DEFAULT_CONFIG_PATH = "/etc/synapse/config.json"
SECTIONS = frozenset({"mesh", "telemetry", "gateway", "cache", "embed", "router"})
_PREFIX = "SYNAPSE_"


class SettingsError(Exception):
    """The configuration is wrong; the message names the file or variable and the setting."""


class Section(BaseModel):
    """A section of the settings: frozen, and it refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


class TlsSettings(Section):
    """Certificates of the mesh: with them calls between services are encrypted, and both sides prove who they are."""

    cert: Path
    """This service's certificate chain, PEM; read again when the file changes."""
    key: Path
    """Its private key, PEM."""
    ca: Path
    """Certificates of the authority that signs the mesh's, PEM; a peer whose certificate it did not sign is refused."""


class MeshSettings(Section):
    """How the services find and trust each other."""

    secret: SecretStr = SecretStr("")
    """Signs the identities passed between services. Without it nothing listens beyond loopback."""
    tls: TlsSettings | None = None
    """Certificates for mutual TLS between the services; unset calls in plain text."""
    cache_target: str = "127.0.0.1:50051"
    """gRPC target of the cache service: host:port; dns:///name:port or ipv4:a:1,b:2 use all replicas there."""
    embed_target: str = "127.0.0.1:50052"
    """gRPC target of the embed service, likewise."""
    router_target: str = "127.0.0.1:50053"
    """gRPC target of the llm-router, likewise."""
    drain_seconds: float = Field(default=30.0, ge=0, le=3600)
    """How long a stopping service waits for calls in flight."""
    max_connection_age_seconds: float = Field(default=300.0, gt=0)
    """Age at which a server asks a client to reconnect, so that scaling out rebalances."""


class TelemetrySettings(Section):
    """What the services tell about themselves."""

    log_filter: str = "info,synapse=debug"
    """RUST_LOG-style filter: a default level, then target=level pairs."""
    otlp_endpoint: str = ""
    """OTLP gRPC endpoint for traces; empty switches tracing off."""
    trace_sample_ratio: float = Field(default=0.1, ge=0, le=1)
    """Part of the traces that begin here that is recorded."""
    access_log: bool = False
    """Whether every request is logged, not only failed and slow ones."""


S = TypeVar("S", bound=Section)


class Config:
    """The raw settings of the mesh: the files with the environment laid over them."""

    def __init__(
        self,
        sections: Mapping[str, Mapping[str, Any]],
        *,
        origin: str,
        files: Sequence[Path] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.sections = sections
        self.origin = origin
        self.files = tuple(files)
        self._environ = environ

    def reload(self) -> Config:
        """What files and environment say now, as a new Config; raises SettingsError as `load` does."""
        return self if self._environ is None else load(self._environ)

    def variable(self, name: str) -> str:
        """The environment variable `name`; empty when it is not set."""
        return (self._environ or {}).get(name, "")

    def section(self, name: str, kind: type[S]) -> S:
        """The section `name` as `kind`; raises SettingsError naming every wrong setting."""
        try:
            return kind.model_validate(self.sections.get(name, {}))
        except ValidationError as error:
            lines = [f"  {'.'.join((name, *map(str, e['loc'])))}: {e['msg']}" for e in error.errors()]
            raise SettingsError(f"wrong settings ({self.origin}):\n" + "\n".join(lines)) from error


def load(environ: Mapping[str, str] | None = None) -> Config:
    """Read the files and the environment; raises SettingsError when one of them cannot be understood."""
    env = dict(os.environ if environ is None else environ)
    files = config_files(env)
    found = [path for path in files if env.get("SYNAPSE_CONFIG_PATH") or path.exists()]
    origin = ", ".join(map(str, found)) or "environment"
    sections: dict[str, Any] = {}
    for layer in (*map(_read, found), overrides(env)):
        _overlay(sections, layer)
    unknown = sorted(sections.keys() - SECTIONS)
    if unknown:
        raise SettingsError(f"unknown section {unknown[0]!r} ({origin}); known are {', '.join(sorted(SECTIONS))}")
    return Config(sections, origin=origin, files=files, environ=env)


def config_files(environ: Mapping[str, str]) -> list[Path]:
    """The files that are the configuration, each laid over those before it."""
    named = environ.get("SYNAPSE_CONFIG_PATH") or DEFAULT_CONFIG_PATH
    if Path(named).exists():
        return [Path(named)]
    return [Path(part) for part in named.split(os.pathsep) if part]


def overrides(environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings that the environment makes, by section; raises SettingsError for an unknown section."""
    found = _aliases(environ)
    _overlay(found, _named(environ))
    return found


def require_loopback_or_secret(address: str, mesh: MeshSettings) -> None:
    """Raise SettingsError when `address` (host:port) is reachable from outside and no mesh secret is set."""
    host = address.rpartition(":")[0].strip("[]")
    if mesh.secret.get_secret_value() or host == "localhost":
        return
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise SettingsError(f"refusing to listen on {address} without mesh.secret: set it or bind 127.0.0.1")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(value, dict) for value in content.values()):
        raise SettingsError(f"{path} must be a JSON object of sections")
    return content


def _aliases(env: Mapping[str, str]) -> dict[str, Any]:
    """Settings under their conventional names."""
    found: dict[str, Any] = {}
    if log_filter := env.get("SYNAPSE_LOG") or env.get("RUST_LOG"):
        found.setdefault("telemetry", {})["log_filter"] = log_filter
    if endpoint := env.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        found.setdefault("telemetry", {})["otlp_endpoint"] = endpoint
    if url := env.get("REDIS_URL"):
        found.setdefault("cache", {})["redis_url"] = url
    return found


def _named(env: Mapping[str, str]) -> dict[str, Any]:
    """Settings under SYNAPSE_SECTION__KEY."""
    found: dict[str, Any] = {}
    for name, text in sorted(env.items()):
        head, *path = name.removeprefix(_PREFIX).lower().split("__")
        if not name.startswith(_PREFIX) or not path:
            continue
        if head not in SECTIONS:
            raise SettingsError(f"{name}: unknown section {head!r}; known are {', '.join(sorted(SECTIONS))}")
        level = found.setdefault(head, {})
        for step in path[:-1]:
            level = level.setdefault(step, {})
            if not isinstance(level, dict):
                raise SettingsError(f"{name}: another variable gives {step!r} a value of its own")
        level[path[-1]] = _value(text)
    return found


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, float | int) and not isinstance(value, bool) else value


def _overlay(base: dict[str, Any], over: Mapping[str, Any]) -> None:
    for name, value in over.items():
        below = base.get(name)
        if isinstance(value, Mapping) and isinstance(below, dict):
            _overlay(below, value)
        elif isinstance(value, Mapping) and isinstance(below, list):
            _overlay_elements(name, below, value)
        else:
            base[name] = value


def _overlay_elements(place: str, elements: list[Any], over: Mapping[str, Any]) -> None:
    """Lay settings over those elements of a list that have the name; the environment has no other signs than _."""
    known = {_spelled(str(item.get("name", ""))): item for item in elements if isinstance(item, dict)}
    for name, value in over.items():
        if _spelled(name) not in known or not isinstance(value, Mapping):
            raise SettingsError(f"{place}: there is no {name!r} to lay a setting over")
        _overlay(known[_spelled(name)], value)


def _spelled(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")
