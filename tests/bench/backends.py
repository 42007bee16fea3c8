"""The configuration of the mesh's backends: one for each wire and pace of the upstream, and the models by which they are asked."""

from __future__ import annotations

from typing import Any

from tests.bench.tongues import WIRES
from tests.bench.upstream.pace import PACED, Pace

STREAMED_MODEL = "bench-streamed"
USUAL = Pace()
QUIET = Pace(130, 0.05)
LONG = Pace(320, 0.05)
FLOOD = Pace(4000, 0.0)
_PACES = {"openai": (USUAL, PACED, QUIET, LONG, FLOOD), **dict.fromkeys(("anthropic", "ollama", "tgi"), (USUAL, QUIET))}


def model_of(wire: str, pace: Pace = USUAL) -> str:
    """The model whose backend speaks `wire` and answers at `pace`."""
    return f"bench-{wire}{pace.segment.replace('/', '-')}"


def configuration(upstream_port: int) -> dict[str, Any]:
    """The section `router`; every further model is asked for in OpenAI's wire, without a pace."""
    listed = [_backend(upstream_port, wire, pace) for wire in WIRES for pace in _PACES[wire]]
    rest = {"name": "bench", "endpoint": f"http://127.0.0.1:{upstream_port}/v1", "models": ["bench", STREAMED_MODEL]}
    return {"backends": [rest, *listed]}


def _backend(upstream_port: int, wire: str, pace: Pace) -> dict[str, Any]:
    name = model_of(wire, pace)
    return {
        "name": name,
        "api_type": wire,
        "endpoint": f"http://127.0.0.1:{upstream_port}{pace.segment}",
        "models": [name],
        "chat_template": "plain",
    }
