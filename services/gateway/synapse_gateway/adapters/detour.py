"""The way past a cache that cannot be reached: straight to the llm-router, so that no request is lost to it."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeAlias

from prometheus_client import Counter

from synapse.cache.v1 import cache_pb2, outcome_pb2
from synapse.router.v1 import router_pb2
from synapse_runtime.errors import SynapseError

UNREACHABLE = "UNREACHABLE"
"""Reason of the error for a service that cannot be reached."""
REASON = "cache_unreachable"
"""Reason that replies carry which went past the cache."""
Asked: TypeAlias = cache_pb2.GenerateRequest | cache_pb2.StreamGenerateRequest
_log = logging.getLogger("synapse.gateway")
_DETOURS = Counter(
    "synapse_cache_detours_total", "Requests that went to the llm-router since no cache could be reached."
)


def may_detour(request: Asked, error: SynapseError) -> bool:
    """Whether `error` says that no cache was reached, and the request wants more than what a cache has."""
    return error.reason == UNREACHABLE and not (request.control.only_if_cached or request.control.preview)


def outcome() -> outcome_pb2.Outcome:
    """What is told of a request that goes past the cache; counts it."""
    _DETOURS.inc()
    _log.warning("no replica of the cache can be reached: the llm-router is asked")
    return outcome_pb2.Outcome(status=outcome_pb2.CACHE_STATUS_BYPASS, reason=REASON)


def whole(reply: router_pb2.GenerateResponse) -> cache_pb2.GenerateResponse:
    """The router's answer in the cache's form."""
    return cache_pb2.GenerateResponse(generation=reply.generation, outcome=outcome())


async def streamed(
    replies: AsyncIterator[router_pb2.StreamGenerateResponse],
) -> AsyncGenerator[cache_pb2.StreamGenerateResponse, None]:
    """The router's events in the cache's form; the outcome comes with the first."""
    told: outcome_pb2.Outcome | None = outcome()
    async for reply in replies:
        yield cache_pb2.StreamGenerateResponse(outcome=told, events=reply.events)
        told = None
