"""Telling and setting thresholds."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse.cache.v1 import thresholds_pb2 as wire
from synapse_cache.adapters.thresholds_wire import WIRE_NAMES, level_of, names_of, thresholds_of
from synapse_cache.rpc.checks import require_operator
from synapse_cache.thresholds.threshold_book import ALL_TENANTS
from synapse_cache.thresholds.thresholds import Level, LevelRefused
from synapse_runtime.errors import InvalidArgument, PermissionDenied
from synapse_runtime.identity import Role

if TYPE_CHECKING:
    from collections.abc import Collection

    from synapse_cache.thresholds.threshold_book import ThresholdBook
    from synapse_runtime.call import Call

_log = logging.getLogger("synapse.cache.thresholds")
_LONGEST_TENANT = 256


@dataclass(frozen=True)
class ThresholdsRpc:
    """The servicer of thresholds."""

    book: ThresholdBook

    async def get_thresholds(self, request: wire.GetThresholdsRequest, call: Call) -> wire.GetThresholdsResponse:
        """Tell those of all tenants or of one; what another replica has set is waited for where the store answers."""
        tenant, admin = request.tenant, call.identity.role is Role.ADMIN
        if tenant not in {ALL_TENANTS, call.identity.tenant} and not admin:
            raise PermissionDenied("only an admin may ask for another tenant's thresholds")
        await self.book.follow()
        reply = wire.GetThresholdsResponse(
            tenant=tenant,
            set=thresholds_of(self.book.level(tenant)),
            effective=thresholds_of(self.book.of(tenant)),
        )
        if admin and tenant == ALL_TENANTS:
            reply.tenants.extend(self.book.tenants())
        return reply

    async def set_thresholds(self, request: wire.SetThresholdsRequest, call: Call) -> wire.SetThresholdsResponse:
        """Set those of all tenants or of one, all of them or those of the mask."""
        if not request.HasField("thresholds"):
            raise InvalidArgument("thresholds are missing", metadata={"field": "thresholds"})
        names = names_of(request.update_mask.paths) if request.HasField("update_mask") else None
        await self._change(request.tenant, level_of(request.thresholds), call, names=names)
        return wire.SetThresholdsResponse(
            tenant=request.tenant,
            set=thresholds_of(self.book.level(request.tenant)),
            effective=thresholds_of(self.book.of(request.tenant)),
        )

    async def reset_thresholds(self, request: wire.ResetThresholdsRequest, call: Call) -> wire.ResetThresholdsResponse:
        """Take back what was set for all tenants or for one."""
        await self._change(request.tenant, Level(), call)
        effective = thresholds_of(self.book.of(request.tenant))
        return wire.ResetThresholdsResponse(tenant=request.tenant, effective=effective)

    async def _change(self, tenant: str, level: Level, call: Call, *, names: Collection[str] | None = None) -> None:
        require_operator(call)
        admin = call.identity.role is Role.ADMIN
        if not admin and (tenant == ALL_TENANTS or tenant != call.identity.tenant):
            whose = "another tenant" if tenant else "all tenants"
            raise PermissionDenied(f"only an admin may set the thresholds of {whose}")
        if len(tenant) > _LONGEST_TENANT:
            raise InvalidArgument(f"a tenant has at most {_LONGEST_TENANT} characters", metadata={"field": "tenant"})
        try:
            await self.book.change(tenant, level, names=names, may_loosen=admin)
        except LevelRefused as refused:
            field = WIRE_NAMES[refused.field]
            raise InvalidArgument(f"{field} {refused.problem}", metadata={"field": field}) from refused
        _log.info("thresholds set", extra={"tenant": tenant, "by": call.identity.subject, "what": names or "all"})
