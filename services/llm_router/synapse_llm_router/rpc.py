"""RouterService: find the backend of the model, ask it, hand its answer on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from google.protobuf.timestamp_pb2 import Timestamp

from synapse.router.v1 import router_pb2 as wire
from synapse_llm_router.catalog import Catalog
from synapse_llm_router.ports import Terms, Upstream
from synapse_llm_router.routing import Route, UnknownModel
from synapse_runtime.call import Call
from synapse_runtime.errors import InvalidArgument, NotFound


class RouterServicer:
    """The service's methods; `providers` tells the provider of each backend."""

    def __init__(self, catalog: Catalog, upstreams: Mapping[str, Upstream], providers: Mapping[str, str]) -> None:
        self._catalog = catalog
        self._upstreams = upstreams
        self._providers = providers

    async def generate(self, request: wire.GenerateRequest, call: Call) -> wire.GenerateResponse:
        """Ask a backend for the whole answer."""
        route = await self._route(request.request.model)
        return await self._upstreams[route.backend].generate(request.request, route.model, _terms(call))

    async def stream_generate(
        self, request: wire.StreamGenerateRequest, call: Call
    ) -> AsyncGenerator[wire.StreamGenerateResponse, None]:
        """Ask a backend for the answer as it comes."""
        route = await self._route(request.request.model)
        answer = self._upstreams[route.backend].stream(request.request, route.model, _terms(call))
        async with aclosing(answer) as responses:
            async for response in responses:
                yield response

    async def list_models(self, _request: wire.ListModelsRequest, _call: Call) -> wire.ListModelsResponse:
        """List the models that can be asked."""
        response = wire.ListModelsResponse()
        for model in await self._catalog.models():
            response.models.add(
                id=model.id,
                owned_by=self._providers[model.backends[0]],
                create_time=Timestamp(seconds=int(model.created)),
                backends=model.backends,
            )
        return response

    async def _route(self, model: str) -> Route:
        if not model:
            raise InvalidArgument("you must provide a model parameter", reason="MODEL_MISSING")
        try:
            return await self._catalog.route(model)
        except UnknownModel as error:
            raise NotFound(
                f"The model `{model}` does not exist or you do not have access to it.",
                reason="MODEL_NOT_FOUND",
                metadata={"model": model},
            ) from error


def _terms(call: Call) -> Terms:
    return Terms(call.remaining_seconds(), call.request_id, call.traceparent)
