"""The models endpoints: what the backends and the embed service offer, in OpenAI's form."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from synapse.embed.v1 import embed_pb2
from synapse_gateway.problems import Problem
from synapse_runtime.errors import SynapseError

if TYPE_CHECKING:
    from synapse.router.v1 import router_pb2
    from synapse_gateway.keys import Account
    from synapse_gateway.ports import Caller, Mesh

_log = logging.getLogger("synapse.gateway")


class Models:
    """Lists the models that a key may ask."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    async def all(self, account: Account, caller: Caller) -> list[dict[str, Any]]:
        """Every model, those of the backends first; the embed service's are left out while it is down."""
        asked, embedding = await self._lists(caller)
        found = {model.id: _backend_model(model) for model in asked.models}
        for known in embedding.models:
            found.setdefault(known.id, _model(known.id, "synapse", 0))
        return [model for name, model in found.items() if account.may_ask(name)]

    async def one(self, name: str, account: Account, caller: Caller) -> dict[str, Any]:
        """The model `name`, by that id even where it is an alias; raises Problem 404."""
        asked, embedding = await self._lists(caller)
        found = {model.id: _backend_model(model) for model in asked.models}
        for known in embedding.models:
            for alias in (known.id, *known.aliases):
                found.setdefault(alias, _model(alias, "synapse", 0))
        if name in found and account.may_ask(name):
            return found[name]
        message = f"The model '{name}' does not exist or this key may not use it."
        raise Problem(404, message, param="model", code="model_not_found", fault="caller_not_found")

    async def _lists(self, caller: Caller) -> tuple[router_pb2.ListModelsResponse, embed_pb2.ListModelsResponse]:
        return await asyncio.gather(self._mesh.models(caller), self._embed_models(caller))

    async def _embed_models(self, caller: Caller) -> embed_pb2.ListModelsResponse:
        try:
            return await self._mesh.embed_models(caller)
        except SynapseError as error:
            _log.warning("models are listed without those that embed", extra={"reason": error.reason})
            return embed_pb2.ListModelsResponse()


def _backend_model(model: router_pb2.Model) -> dict[str, Any]:
    return _model(model.id, model.owned_by, model.create_time.seconds)


def _model(name: str, owner: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": owner}
