"""Trying thresholds on what was logged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse.cache.v1 import thresholds_pb2 as wire
from synapse_cache.adapters.analytics_wire import projection_of, window_of
from synapse_cache.adapters.thresholds_wire import WIRE_NAMES, level_of
from synapse_cache.analytics.simulation import simulate
from synapse_cache.rpc.analytics import readable, reading
from synapse_cache.rpc.checks import tenant_of
from synapse_cache.thresholds.thresholds import LevelRefused
from synapse_runtime.errors import InvalidArgument

if TYPE_CHECKING:
    from synapse_cache.analytics.logbook import Logbook
    from synapse_cache.thresholds.thresholds import Thresholds, ThresholdSource
    from synapse_runtime.call import Call


@dataclass(frozen=True)
class SimulationRpc:
    """The servicer of simulations; `logbook` is None where nothing is logged."""

    logbook: Logbook | None
    thresholds: ThresholdSource
    clock: Callable[[], float] = time.time

    async def simulate(self, request: wire.SimulateRequest, call: Call) -> wire.SimulateResponse:
        """Replay a tenant's log under other thresholds; nothing is changed."""
        logbook, tenant = readable(self.logbook, call), tenant_of(call, request.tenant)
        held = self.thresholds.of(tenant)
        wanted = _wanted(request.thresholds, held)
        oldest_at = self.clock() - window_of(request.window) if request.HasField("window") else 0.0
        with reading("the log"):
            records = await logbook.since(tenant, oldest_at=oldest_at, namespace=request.namespace or None)
        done = await asyncio.to_thread(simulate, records, wanted, held=held)
        return wire.SimulateResponse(
            current=projection_of(done.current), simulated=projection_of(done.simulated), caveats=done.caveats
        )


def _wanted(thresholds: wire.Thresholds, held: Thresholds) -> Thresholds:
    level = level_of(thresholds)
    try:
        level.check(held)
    except LevelRefused as refused:
        field = WIRE_NAMES[refused.field]
        raise InvalidArgument(f"{field} {refused.problem}", metadata={"field": field}) from refused
    return level.over(held)
