"""RouterService: hand the question to the fleet, and its answer on; tell and renew the configuration."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse.router.v1 import router_pb2 as wire
from synapse_llm_router.adapters.reloading import Reloader
from synapse_llm_router.fleet import Fleet
from synapse_llm_router.holding import Holder
from synapse_llm_router.ports import Terms
from synapse_llm_router.report import backends_message, change_message, config_message, models_message
from synapse_runtime.call import Call
from synapse_runtime.errors import FailedPrecondition, PermissionDenied
from synapse_runtime.identity import Role
from synapse_runtime.settings import SettingsError


class RouterServicer:
    """The service's methods; each call keeps the fleet in use at its beginning to its end."""

    def __init__(self, fleets: Holder[Fleet], reloader: Reloader) -> None:
        self._fleets = fleets
        self._reloader = reloader

    async def generate(self, request: wire.GenerateRequest, call: Call) -> wire.GenerateResponse:
        """Ask a backend for the whole answer."""
        call.identity.require_model(request.request.model)
        with self._fleets.taken() as fleet:
            return await fleet.generate(request.request, _terms(request.request, call))

    async def stream_generate(
        self, request: wire.StreamGenerateRequest, call: Call
    ) -> AsyncGenerator[wire.StreamGenerateResponse, None]:
        """Ask a backend for the answer as it comes."""
        call.identity.require_model(request.request.model)
        with self._fleets.taken() as fleet:
            async with aclosing(fleet.stream(request.request, _terms(request.request, call))) as responses:
                async for response in responses:
                    yield response

    async def count_tokens(self, request: wire.CountTokensRequest, call: Call) -> wire.CountTokensResponse:
        """Count the tokens of a prompt, or estimate them."""
        call.identity.require_model(request.request.model)
        with self._fleets.taken() as fleet:
            count = await fleet.count_tokens(request.request, _terms(request.request, call))
        origin = wire.Origin(backend=count.backend, provider=count.provider)
        return wire.CountTokensResponse(input_tokens=count.tokens, estimated=count.estimated, origin=origin)

    async def list_models(self, _request: wire.ListModelsRequest, call: Call) -> wire.ListModelsResponse:
        """List the models that the caller can ask."""
        with self._fleets.taken() as fleet:
            providers = {backend.name: backend.traits.provider for backend in fleet.backends}
            known = [model for model in await fleet.models() if call.identity.may_ask(model.id)]
            return models_message(known, providers)

    async def get_backends(self, _request: wire.GetBackendsRequest, _call: Call) -> wire.GetBackendsResponse:
        """Tell how the backends are doing."""
        return backends_message(self._fleets.current)

    async def get_config(self, _request: wire.GetConfigRequest, call: Call) -> wire.GetConfigResponse:
        """Tell the configuration in use to an admin."""
        _require_admin(call)
        return config_message(self._reloader)

    async def reload_config(self, request: wire.ReloadConfigRequest, call: Call) -> wire.ReloadConfigResponse:
        """Read the configuration anew for an admin, and use it if it is good."""
        _require_admin(call)
        try:
            brought = await (self._reloader.check() if request.validate_only else self._reloader.reload())
        except SettingsError as error:
            raise FailedPrecondition(str(error), reason="CONFIG_REJECTED") from error
        return change_message(brought)


def _require_admin(call: Call) -> None:
    if call.identity.role is not Role.ADMIN:
        raise PermissionDenied("the configuration is for the role admin alone")


def _terms(request: GenerationRequest, call: Call) -> Terms:
    return Terms(call.remaining_seconds(), call.request_id, call.traceparent, request.caller.provider_key)
