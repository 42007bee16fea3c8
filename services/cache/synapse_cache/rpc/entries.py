"""Showing entries and taking them back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from synapse.cache.v1 import cache_pb2 as wire
from synapse.cache.v1 import invalidation_pb2
from synapse_cache.adapters import messages, orders
from synapse_cache.rpc.checks import no_entry, require_operator, tenant_of
from synapse_runtime.identity import Role

if TYPE_CHECKING:
    from synapse_cache.invalidation.invalidation import Invalidation
    from synapse_runtime.call import Call


@dataclass(frozen=True)
class EntriesRpc:
    """The servicer of what shows and removes entries; `embedder` tells the fingerprint of the vector space."""

    invalidation: Invalidation
    embedder: Callable[[], str]

    async def get_entry(self, request: wire.GetEntryRequest, call: Call) -> wire.GetEntryResponse:
        """Show one entry of the caller's tenant."""
        entry = await self.invalidation.get(call.identity.tenant, request.id)
        if entry is None or max(entry.expires_at, entry.semantic_expires_at) <= time.time():
            raise no_entry(request.id)
        reply = wire.GetEntryResponse(entry=messages.entry_of(entry, self.embedder()))
        if call.identity.role is Role.VIEWER:  # who got the answer by meaning may know its id, and not what was asked
            reply.entry.ClearField("prompt")
        return reply

    async def delete_entry(self, request: wire.DeleteEntryRequest, call: Call) -> wire.DeleteEntryResponse:
        """Remove one entry of the caller's tenant."""
        require_operator(call)
        removed = await self.invalidation.by_id(call.identity.tenant, request.id, actor=call.identity.subject)
        if not removed:
            raise no_entry(request.id)
        return wire.DeleteEntryResponse(removed=removed)

    async def invalidate(
        self, request: invalidation_pb2.InvalidateRequest, call: Call
    ) -> invalidation_pb2.InvalidateResponse:
        """Remove entries by what they are, or tell what would go; those of another tenant for an admin."""
        require_operator(call)
        tenant = tenant_of(call, request.tenant)
        at = self.invalidation.now()
        conditions = orders.conditions_of(request, now=at)
        if request.similar_to:
            min_similarity = orders.min_similarity_of(request)
            alike = await self.invalidation.like(request.similar_to, min_similarity=min_similarity)
            conditions = replace(conditions, likeness=alike)
        order = self.invalidation.order(tenant, conditions, actor=call.identity.subject, reason=request.reason, at=at)
        work = self.invalidation.preview if request.dry_run else self.invalidation.carry_out
        return orders.response_of(await work(order))
