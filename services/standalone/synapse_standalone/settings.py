"""What the command line and the environment say. The only module of the supervisor that reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 8080
DEFAULT_STATE = Path(".synapse")
_ALIASES = frozenset({"REDIS_URL", "RUST_LOG", "SYNAPSE_LOG", "OTEL_EXPORTER_OTLP_ENDPOINT", "SYNAPSE_CONFIG_PATH"})
_FOR_CHILDREN = {
    "PYTHONUNBUFFERED": "1",
    "MALLOC_ARENA_MAX": "2",  # glibc otherwise keeps an arena per thread: tens of MB over the mesh
    "TOKENIZERS_PARALLELISM": "false",
    "GRPC_ENABLE_FORK_SUPPORT": "0",
    "OPENBLAS_NUM_THREADS": "1",  # the matrices here are small: more threads only wait for each other
    # gRPC's older poller wakes fewer threads a call: a tenth of the CPU of a hit (docs/performance.md). gRPC logs and
    # ignores names that it does not know.
    "GRPC_EXPERIMENTS": "-event_engine_client,-event_engine_listener",
}


@dataclass(frozen=True, slots=True)
class Options:
    """The flags of `synapse up`; None where the flag was not given."""

    host: str | None = None
    port: int | None = None
    state: Path = DEFAULT_STATE
    config: Path | None = None
    upstream: str | None = None
    redis_url: str | None = None
    milvus: str | None = None
    log_level: str | None = None
    local: bool = False
    quiet: bool = False


def environment() -> dict[str, str]:
    """The environment of this process."""
    return dict(os.environ)


def api_key(environ: Mapping[str, str]) -> str:
    """The key that callers of the gateway use, when the environment says so."""
    return environ.get("SYNAPSE_API_KEY", "")


def with_config(environ: Mapping[str, str], config: Path | None) -> dict[str, str]:
    """The environment in which `config`, when given, is the mesh's configuration file."""
    return {**environ, "SYNAPSE_CONFIG_PATH": str(config)} if config is not None else dict(environ)


def config_of(files: Sequence[Path]) -> dict[str, str]:
    """The variable by which a service reads several files, each laid over those before it.

    Empty, which leaves the one file of all parts in force, where a path has the sign that separates paths.
    """
    paths = [str(file) for file in files]
    return {} if any(os.pathsep in path for path in paths) else {"SYNAPSE_CONFIG_PATH": os.pathsep.join(paths)}


def for_children(environ: Mapping[str, str], config_file: Path, *, secrets: frozenset[str]) -> dict[str, str]:
    """The environment of the parts: `config_file` is all of their settings, and `secrets` are not for all of them."""
    kept = {
        name: value
        for name, value in environ.items()
        if name not in _ALIASES | secrets and not (name.startswith("SYNAPSE_") and "__" in name)
    }
    return {**kept, **_FOR_CHILDREN, "SYNAPSE_CONFIG_PATH": str(config_file)}
