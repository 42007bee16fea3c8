"""RouterService: hand the question to the fleet, and its answer on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse.router.v1 import router_pb2 as wire
from synapse_llm_router.fleet import Fleet
from synapse_llm_router.ports import Terms
from synapse_llm_router.report import backends_message, models_message
from synapse_runtime.call import Call


class RouterServicer:
    """The service's methods; `fleet` tells the one in use."""

    def __init__(self, fleet: Callable[[], Fleet]) -> None:
        self._fleet = fleet

    async def generate(self, request: wire.GenerateRequest, call: Call) -> wire.GenerateResponse:
        """Ask a backend for the whole answer."""
        return await self._fleet().generate(request.request, _terms(request.request, call))

    def stream_generate(
        self, request: wire.StreamGenerateRequest, call: Call
    ) -> AsyncGenerator[wire.StreamGenerateResponse, None]:
        """Ask a backend for the answer as it comes."""
        return self._fleet().stream(request.request, _terms(request.request, call))

    async def count_tokens(self, request: wire.CountTokensRequest, call: Call) -> wire.CountTokensResponse:
        """Count the tokens of a prompt, or estimate them."""
        count = await self._fleet().count_tokens(request.request, _terms(request.request, call))
        origin = wire.Origin(backend=count.backend, provider=count.provider)
        return wire.CountTokensResponse(input_tokens=count.tokens, estimated=count.estimated, origin=origin)

    async def list_models(self, _request: wire.ListModelsRequest, _call: Call) -> wire.ListModelsResponse:
        """List the models that can be asked."""
        fleet = self._fleet()
        providers = {backend.name: backend.traits.provider for backend in fleet.backends}
        return models_message(await fleet.models(), providers)

    async def get_backends(self, _request: wire.GetBackendsRequest, _call: Call) -> wire.GetBackendsResponse:
        """Tell how the backends are doing."""
        return backends_message(self._fleet())


def _terms(request: GenerationRequest, call: Call) -> Terms:
    return Terms(call.remaining_seconds(), call.request_id, call.traceparent, request.caller.provider_key)
