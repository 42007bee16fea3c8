"""Moving to another embedder: begin, look, switch, go back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse.cache.v1 import transfer_pb2 as wire
from synapse_cache.reembedding.reembedding import Stage
from synapse_runtime.errors import InvalidArgument, PermissionDenied
from synapse_runtime.identity import Role

if TYPE_CHECKING:
    from synapse_cache.reembedding.switch import EmbedderSwitch, Standing
    from synapse_runtime.call import Call

_STAGES = {
    Stage.BUILDING: wire.Reembedding.STAGE_BUILDING,
    Stage.READY: wire.Reembedding.STAGE_READY,
    Stage.SWITCHED: wire.Reembedding.STAGE_SWITCHED,
    Stage.ROLLED_BACK: wire.Reembedding.STAGE_ROLLED_BACK,
    Stage.FAILED: wire.Reembedding.STAGE_FAILED,
}


@dataclass(frozen=True)
class EmbedderRpc:
    """The servicer of re-embedding: it concerns every tenant, so it is an admin's."""

    embedder: EmbedderSwitch

    async def start_reembedding(
        self, request: wire.StartReembeddingRequest, call: Call
    ) -> wire.StartReembeddingResponse:
        """Begin to build the vectors of another model."""
        _require_admin(call)
        if not request.model:
            raise InvalidArgument("model is missing", metadata={"field": "model"})
        await self.embedder.start(request.model)
        return wire.StartReembeddingResponse(reembedding=await self._standing())

    async def get_reembedding(self, _request: wire.GetReembeddingRequest, call: Call) -> wire.GetReembeddingResponse:
        """Tell how it stands."""
        _require_admin(call)
        return wire.GetReembeddingResponse(reembedding=await self._standing())

    async def switch_embedder(self, _request: wire.SwitchEmbedderRequest, call: Call) -> wire.SwitchEmbedderResponse:
        """Serve from the new vectors."""
        _require_admin(call)
        await self.embedder.switch()
        return wire.SwitchEmbedderResponse(reembedding=await self._standing())

    async def roll_back_embedder(
        self, _request: wire.RollBackEmbedderRequest, call: Call
    ) -> wire.RollBackEmbedderResponse:
        """Serve from the old vectors again."""
        _require_admin(call)
        await self.embedder.roll_back()
        return wire.RollBackEmbedderResponse(reembedding=await self._standing())

    async def _standing(self) -> wire.Reembedding | None:
        standing = await self.embedder.standing()
        return None if standing is None else _wired(standing)


def _wired(standing: Standing) -> wire.Reembedding:
    plan = standing.plan
    reply = wire.Reembedding(
        stage=_STAGES[plan.stage],
        from_model=plan.old.model,
        to_model=plan.new.model,
        from_fingerprint=plan.old.fingerprint,
        to_fingerprint=plan.new.fingerprint,
        done=standing.done,
        total=standing.total,
        error=standing.trouble,
        removed=plan.removed,
    )
    reply.start_time.FromMicroseconds(int(plan.started_at * 1e6))
    if standing.remove_at is not None:
        reply.remove_time.FromMicroseconds(int(standing.remove_at * 1e6))
    return reply


def _require_admin(call: Call) -> None:
    if call.identity.role is not Role.ADMIN:
        raise PermissionDenied("the embedder is every tenant's: this needs the role admin")
