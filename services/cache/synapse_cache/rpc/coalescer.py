"""Telling of backend calls that requests share, and ending the sharing of those under way."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse.cache.v1 import coalescer_pb2 as wire
from synapse_cache.rpc.checks import require_operator
from synapse_runtime.identity import Role

if TYPE_CHECKING:
    from synapse_cache.flights.calls import Calls
    from synapse_runtime.call import Call

_log = logging.getLogger("synapse.cache.coalescer")


@dataclass(frozen=True)
class CoalescerRpc:
    """The servicer of shared backend calls: over all tenants for an admin."""

    calls: Calls

    async def get_coalescer_stats(
        self, _request: wire.GetCoalescerStatsRequest, call: Call
    ) -> wire.GetCoalescerStatsResponse:
        """Tell of the calls under way here, and what sharing saved."""
        tenant = _whose(call)
        in_flight, waiting = self.calls.under_way(tenant)
        counts = self.calls.counts.total() if tenant is None else self.calls.counts.of(tenant)
        reply = wire.GetCoalescerStatsResponse(
            in_flight=in_flight,
            waiting=waiting,
            started=counts.started,
            joined=counts.joined,
            joined_elsewhere=counts.joined_elsewhere,
            replaced=counts.replaced,
        )
        reply.longest_wait.FromNanoseconds(int(counts.longest_wait_seconds * 1e9))
        return reply

    async def flush_coalescer(self, _request: wire.FlushCoalescerRequest, call: Call) -> wire.FlushCoalescerResponse:
        """Let nobody join a call that is under way, here or elsewhere."""
        require_operator(call)
        flushed = await self.calls.flush_everywhere(_whose(call))
        _log.info("calls under way are not shared any more", extra={"tenant": call.identity.tenant, "count": flushed})
        return wire.FlushCoalescerResponse(flushed=flushed)


def _whose(call: Call) -> str | None:
    """The caller's tenant; None, which means all, for an admin."""
    return None if call.identity.role is Role.ADMIN else call.identity.tenant
