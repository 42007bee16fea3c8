"""What finds errors out, around the cache of a test: audits, hindsight, control, and the bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse_cache.adapters.answers import said_of
from synapse_cache.audits.auditing import Auditing, AuditParts
from synapse_cache.audits.findings import Findings
from synapse_cache.audits.hindsight import Hindsight
from synapse_cache.audits.referee import Referee
from synapse_cache.trust.control import Control
from synapse_cache.trust.error_bounds import ErrorBounds
from synapse_cache.trust.sync import TrustSync

if TYPE_CHECKING:
    from synapse_cache.lookup import Stores
    from synapse_cache.ports import Judge, TrustStore, Upstream
    from synapse_cache.thresholds.thresholds import ThresholdSource
    from synapse_cache.trust.trust import Trust
    from synapse_cache.writer import Writer
    from tests.support.clock import Clock


@dataclass
class Checked:
    """The parts of a cache that are checked."""

    trust: Trust
    thresholds: ThresholdSource
    stores: Stores
    writer: Writer
    upstream: Upstream
    store: TrustStore
    clock: Clock
    judge: Judge | None = None


class Checks:
    """Nothing is audited until `audits_every_hit`."""

    def __init__(self, parts: Checked) -> None:
        self._draw = 1.0
        referee = Referee(said_of, parts.judge, clock=parts.clock)
        self.control = Control(parts.trust, parts.thresholds, clock=parts.clock)
        findings = Findings(parts.trust, self.control, clock=parts.clock)
        audit = AuditParts(
            parts.trust, parts.thresholds, parts.upstream, parts.writer, parts.stores.exact, referee, findings
        )
        self.auditing = Auditing(audit, draw=lambda: self._draw)
        self.hindsight = Hindsight(parts.trust, parts.stores, referee, findings)
        self.sync = TrustSync(parts.trust, parts.store, every_seconds=0.05)
        self.errors = ErrorBounds(parts.trust, parts.thresholds, self.sync)

    @property
    def work(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What runs beside the cache; replicas share what they know only by `shared`, when a test says so."""
        return {"audits": self.auditing.run, "hindsight": self.hindsight.run}

    def audits_every_hit(self) -> None:
        self._draw = 0.0

    async def done(self) -> None:
        """Wait until every comparison put up is over."""
        async with asyncio.timeout(5):
            await self.auditing.done()
            await self.hindsight.done()

    async def shared(self) -> bool:
        """Exchange news with the store once; whether it took them."""
        return await self.sync.round()
