"""What the cache did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse_runtime.identity import Role

if TYPE_CHECKING:
    from synapse.cache.v1 import cache_pb2 as wire
    from synapse_cache.report import Report
    from synapse_runtime.call import Call


@dataclass(frozen=True)
class StatisticsRpc:
    """The servicer of statistics."""

    report: Report

    async def get_stats(self, _request: wire.GetStatsRequest, call: Call) -> wire.GetStatsResponse:
        """Tell what the cache did: over all tenants for an admin."""
        tenant = None if call.identity.role is Role.ADMIN else call.identity.tenant
        return await self.report.stats(tenant)
