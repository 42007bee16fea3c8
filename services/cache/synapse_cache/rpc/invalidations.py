"""The trail of invalidations: shown to operators, and told to caches nearer to their callers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse.cache.v1 import invalidation_pb2 as wire
from synapse_cache.adapters import orders
from synapse_cache.ports import StoreUnavailable
from synapse_cache.rpc.checks import require_operator, tenant_of
from synapse_runtime.errors import InvalidArgument, Unavailable
from synapse_runtime.identity import Role

if TYPE_CHECKING:
    from synapse_cache.invalidation.broadcast import Broadcast
    from synapse_cache.invalidation.invalidation import Invalidation
    from synapse_runtime.call import Call

_MOST = 1000
_USUAL = 100


@dataclass(frozen=True)
class InvalidationsRpc:
    """The servicer of the trail."""

    invalidation: Invalidation
    broadcast: Broadcast

    async def list_invalidations(
        self, request: wire.ListInvalidationsRequest, call: Call
    ) -> wire.ListInvalidationsResponse:
        """Tell what was carried out, newest first: for an operator its tenant's, for an admin anybody's."""
        require_operator(call)
        if not 0 <= request.page_size <= _MOST:
            raise InvalidArgument(f"page_size must lie between 1 and {_MOST}", metadata={"field": "page_size"})
        limit, before = request.page_size or _USUAL, orders.check_notice_id(request.page_token, "page_token")
        found = await self.invalidation.done(_audience(call, request.tenant), before=before, limit=limit)
        reply = wire.ListInvalidationsResponse(invalidations=map(orders.invalidation_of, found))
        if len(found) == limit:
            reply.next_page_token = found[-1].id
        return reply

    async def watch_invalidations(
        self, request: wire.WatchInvalidationsRequest, call: Call
    ) -> AsyncGenerator[wire.WatchInvalidationsResponse]:
        """Tell what is carried out from now on, until the caller leaves."""
        require_operator(call)
        after = orders.check_notice_id(request.after_id, "after_id")
        try:
            async with aclosing(self.broadcast.watch(_audience(call, ""), after=after)) as heard:
                async for notice in heard:
                    if notice is None:
                        yield wire.WatchInvalidationsResponse(gap=True)
                    else:
                        yield wire.WatchInvalidationsResponse(invalidation=orders.invalidation_of(notice))
        except StoreUnavailable as error:
            raise Unavailable(f"the trail cannot be read: {error}", retry_after_seconds=1) from error


def _audience(call: Call, wanted: str) -> str | None:
    """Whose invalidations a call hears of; None for everybody's."""
    tenant = tenant_of(call, wanted)
    return None if call.identity.role is Role.ADMIN and not wanted else tenant
