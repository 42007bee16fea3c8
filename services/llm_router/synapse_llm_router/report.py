"""What the router tells of itself, as messages of the wire."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from google.protobuf.timestamp_pb2 import Timestamp

from synapse.router.v1 import router_pb2 as wire
from synapse_llm_router.adapters.configuration import Difference
from synapse_llm_router.adapters.reloading import Reloader
from synapse_llm_router.backend import Backend, State
from synapse_llm_router.catalog import KnownModel
from synapse_llm_router.fleet import Fleet

_STATES = {
    State.STARTING: wire.BACKEND_STATE_STARTING,
    State.HEALTHY: wire.BACKEND_STATE_HEALTHY,
    State.COOLING_DOWN: wire.BACKEND_STATE_COOLING_DOWN,
    State.PROBING: wire.BACKEND_STATE_PROBING,
}


def models_message(models: Iterable[KnownModel], providers: Mapping[str, str]) -> wire.ListModelsResponse:
    """The list of models; `providers` tells the provider of each backend."""
    response = wire.ListModelsResponse()
    for model in models:
        response.models.add(
            id=model.id,
            owned_by=providers[model.backends[0]],
            create_time=Timestamp(seconds=int(model.created)),
            backends=model.backends,
        )
    return response


def backends_message(fleet: Fleet) -> wire.GetBackendsResponse:
    """How the backends of `fleet` are doing."""
    backends = [_backend_message(backend, fleet.catalog.models_at(backend.name)) for backend in fleet.backends]
    return wire.GetBackendsResponse(backends=backends)


def config_message(reloader: Reloader) -> wire.GetConfigResponse:
    """The configuration in use; pydantic masks its secrets."""
    message = wire.GetConfigResponse(
        config_json=reloader.current.settings.model_dump_json(),
        rejected=reloader.rejected,
        needs_restart=reloader.needs_restart,
    )
    message.load_time.FromNanoseconds(int(reloader.load_seconds * 1e9))
    return message


def change_message(brought: Difference) -> wire.ReloadConfigResponse:
    """What a new configuration brings."""
    return wire.ReloadConfigResponse(
        changed=brought.changed,
        added_backends=brought.added_backends,
        removed_backends=brought.removed_backends,
        changed_backends=brought.changed_backends,
        needs_restart=brought.needs_restart,
    )


def _backend_message(backend: Backend, models: list[str]) -> wire.Backend:
    message = wire.Backend(
        name=backend.name,
        provider=backend.traits.provider,
        state=_STATES[backend.state],
        models=models,
        in_flight=backend.in_flight,
        queued=len(backend.places.queue),
        max_in_flight=backend.places.limit,
        error_ratio=backend.breaker.error_ratio,
        request_count=backend.request_count,
        last_error=backend.last_error,
    )
    if (latency := backend.first_latency_seconds) is not None:
        message.first_token_latency.FromNanoseconds(int(latency * 1e9))
    if (wait := backend.retry_seconds) is not None:
        message.retry_time.FromNanoseconds(int((time.time() + wait) * 1e9))
    return message
