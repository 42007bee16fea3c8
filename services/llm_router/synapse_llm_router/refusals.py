"""Errors of requests that no backend was asked for."""

from __future__ import annotations

from collections.abc import Sequence

from synapse_llm_router.backend import Backend
from synapse_llm_router.metrics import REFUSALS
from synapse_runtime.errors import (
    FailedPrecondition,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    SynapseError,
    Unavailable,
)

_SHORTEST_WAIT_SECONDS = 1.0


def unknown(model: str) -> SynapseError:
    """Nobody takes the model."""
    REFUSALS.labels("unknown_model").inc()
    return NotFound(
        f"The model `{model}` does not exist or you do not have access to it.",
        reason="MODEL_NOT_FOUND",
        metadata={"model": model},
    )


def nobody(model: str, backends: Sequence[Backend]) -> SynapseError:
    """Every backend of the model is left alone: says when the first of them will be tried again."""
    cooling = [backend for backend in backends if not backend.is_starting]
    if not cooling:
        return starting(model, backends)
    REFUSALS.labels("cooling_down").inc()
    waits = [backend.retry_seconds or 0.0 for backend in backends]
    told = "; ".join(f"{backend.name}: {backend.last_error}" for backend in cooling)
    return Unavailable(
        f"Every backend of the model `{model}` failed lately and is left alone for a while ({told}).",
        reason="BACKENDS_COOLING_DOWN",
        metadata={"model": model},
        retry_after_seconds=max(_SHORTEST_WAIT_SECONDS, min(waits)),
    )


def starting(model: str, backends: Sequence[Backend]) -> SynapseError:
    """No backend of the model has answered yet."""
    REFUSALS.labels("starting").inc()
    names = ", ".join(backend.name for backend in backends)
    return Unavailable(
        f"The backend of the model `{model}` has not answered yet, it may be loading the model ({names}).",
        reason="BACKEND_STARTING",
        metadata={"model": model},
        retry_after_seconds=min(backend.traits.starting_retry_seconds for backend in backends),
    )


def no_place(model: str, *, waited: bool) -> SynapseError:
    """Every backend of the model is full, and so is the queue, or the wait was too long."""
    REFUSALS.labels("queue_timeout" if waited else "queue_full").inc()
    return ResourceExhausted(
        f"The backends of the model `{model}` are busy: "
        + ("none became free in time." if waited else "too many requests wait for them."),
        reason="QUEUE_TIMEOUT" if waited else "QUEUE_FULL",
        metadata={"model": model},
        retry_after_seconds=_SHORTEST_WAIT_SECONDS,
    )


def provider_key(model: str, *, given: bool) -> SynapseError:
    """The caller's own key for the provider may not be used, or is missing."""
    REFUSALS.labels("provider_key").inc()
    if given:
        return PermissionDenied(
            f"The backends of the model `{model}` take no provider key of callers.",
            reason="PROVIDER_KEY_FORBIDDEN",
            metadata={"model": model},
        )
    return FailedPrecondition(
        f"The backends of the model `{model}` want the caller's own provider key, and none was given.",
        reason="PROVIDER_KEY_REQUIRED",
        metadata={"model": model},
    )
