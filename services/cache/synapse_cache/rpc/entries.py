"""Showing and removing entries."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse.cache.v1 import cache_pb2 as wire
from synapse.cache.v1 import invalidation_pb2
from synapse_cache.adapters import messages
from synapse_cache.rpc.checks import no_entry, require_operator
from synapse_runtime.errors import InvalidArgument

if TYPE_CHECKING:
    from synapse_cache.invalidation import Invalidation
    from synapse_runtime.call import Call


@dataclass(frozen=True)
class EntriesRpc:
    """The servicer of what shows and removes entries; `embedder` tells the fingerprint of the vector space."""

    invalidation: Invalidation
    embedder: Callable[[], str]

    async def get_entry(self, request: wire.GetEntryRequest, call: Call) -> wire.GetEntryResponse:
        """Show one entry of the caller's tenant."""
        entry = await self.invalidation.get(call.identity.tenant, request.id)
        if entry is None or max(entry.kept_until, entry.semantic_expires_at) <= time.time():
            raise no_entry(request.id)
        return wire.GetEntryResponse(entry=messages.entry_of(entry, self.embedder()))

    async def delete_entry(self, request: wire.DeleteEntryRequest, call: Call) -> wire.DeleteEntryResponse:
        """Remove one entry of the caller's tenant."""
        require_operator(call)
        removed = await self.invalidation.by_id(call.identity.tenant, request.id)
        if not removed:
            raise no_entry(request.id)
        return wire.DeleteEntryResponse(removed=removed)

    async def invalidate(
        self, request: invalidation_pb2.InvalidateRequest, call: Call
    ) -> invalidation_pb2.InvalidateResponse:
        """Remove entries of the caller's tenant by id, key or namespace."""
        require_operator(call)
        if request.id and not (request.key or request.namespace):
            removed = await self.invalidation.by_id(call.identity.tenant, request.id)
        elif request.key and not request.id:
            place = messages.place_of(call, request.namespace)
            removed = await self.invalidation.by_key(place, messages.check_key(request.key))
        elif request.namespace and not request.id:
            removed = await self.invalidation.flush(messages.place_of(call, request.namespace))
        else:
            raise InvalidArgument("give id, or key (in namespace), or namespace", metadata={"field": "id"})
        return invalidation_pb2.InvalidateResponse(removed=removed)
