"""What is known about the errors of served answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse.cache.v1 import trust_pb2 as wire
from synapse_cache.adapters import messages
from synapse_cache.ports import StoreUnavailable
from synapse_cache.rpc.checks import tenant_of
from synapse_runtime.errors import Unavailable

if TYPE_CHECKING:
    from synapse_cache.trust.error_bounds import ErrorBounds, KnownErrors
    from synapse_runtime.call import Call


@dataclass(frozen=True)
class TrustRpc:
    """The servicer of what concerns errors."""

    errors: ErrorBounds

    async def get_error_bounds(self, request: wire.GetErrorBoundsRequest, call: Call) -> wire.GetErrorBoundsResponse:
        """Tell what is known about the errors of a tenant's namespaces."""
        tenant = tenant_of(call, request.tenant)
        if request.namespace:
            messages.place_of(call, request.namespace)
        try:
            known = await self.errors.of(tenant, request.namespace)
        except StoreUnavailable as error:
            raise Unavailable("what the replicas know together cannot be read: Redis does not answer") from error
        return wire.GetErrorBoundsResponse(bounds=map(_bound, known))


def _bound(known: KnownErrors) -> wire.ErrorBound:
    record, tally = known.record, known.record.recent
    reply = wire.ErrorBound(
        tenant=known.place.tenant,
        namespace=known.place.namespace,
        max_error=known.max_error,
        requests=tally.requests,
        hits_semantic=tally.hits,
        audits=tally.audits,
        audits_wrong=tally.audits_wrong,
        audits_open=tally.audits_open,
        estimate=known.bound.estimate,
        lower=known.bound.lower,
        upper=known.bound.upper,
        suspended=record.suspended_at is not None,
        strictness=record.strictness,
        evidence=known.evidence,
    )
    if record.suspended_at is not None:
        reply.suspend_time.FromMicroseconds(int(record.suspended_at * 1e6))
    return reply
