"""What the cache did since it started, by tenant."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Self

from synapse_cache import telemetry
from synapse_cache.model import Status, Tier

if TYPE_CHECKING:
    from synapse_cache.model import Outcome

_MOST_TENANTS = 10_000


@dataclass(slots=True)
class Tally:
    """Counts of one tenant, or of all."""

    hits_exact: int = 0
    hits_semantic: int = 0
    misses: int = 0
    bypasses: int = 0
    stores: int = 0
    collapsed: int = 0
    tokens_saved: int = 0
    cost_saved_nanos: int = 0
    miss_reasons: Counter[str] = field(default_factory=Counter)

    @property
    def hits(self) -> int:
        """Requests answered from the cache."""
        return self.hits_exact + self.hits_semantic

    @property
    def hit_rate(self) -> float:
        """Part of the requests looked up that hit: hits / (hits + misses); 0 before the first."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0

    def copy(self) -> Tally:
        """The same counts, which change no more."""
        same = Tally()
        same += self
        return same

    def __iadd__(self, other: Tally) -> Self:
        """Add another's counts to these."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.miss_reasons.update(other.miss_reasons)
        return self


COUNTS = tuple(one.name for one in fields(Tally) if one.name != "miss_reasons")
"""The names of a tally's numbers."""


class Stats:
    """Tallies by tenant; the longest unseen tenants beyond 10,000 are forgotten one by one, kept in the sum."""

    def __init__(self) -> None:
        self._tenants: OrderedDict[str, Tally] = OrderedDict()
        self._forgotten = Tally()
        self._changed: set[str] = set()

    def served(self, tenant: str, outcome: Outcome) -> None:
        """Count one request."""
        tally = self._of(tenant)
        if outcome.status is Status.BYPASS:
            tally.bypasses += 1
        elif outcome.status is Status.MISS:
            tally.misses += 1
            tally.miss_reasons[outcome.reason] += 1
        else:
            tally.tokens_saved += outcome.tokens_saved
            tally.cost_saved_nanos += outcome.cost_saved_nanos
            if outcome.tier is Tier.L2:
                tally.hits_semantic += 1
            else:
                tally.hits_exact += 1
        if outcome.shadow:
            telemetry.shadow_hit()
        telemetry.looked_up(outcome.status, outcome.tier or "", outcome.reason, outcome.latency_seconds)

    def stored(self, tenant: str) -> None:
        """Count one answer accepted for storing."""
        self._of(tenant).stores += 1

    def refused(self, reason: str) -> None:
        """Count one answer that the write gates refused."""
        telemetry.stored(reason)

    def collapsed(self, tenant: str) -> None:
        """Count one request that shared another's backend call."""
        self._of(tenant).collapsed += 1
        telemetry.collapsed()

    def of(self, tenant: str) -> Tally:
        """One tenant's counts."""
        return self._tenants.get(tenant, Tally())

    def total(self) -> Tally:
        """The counts of all tenants."""
        total = Tally()
        total += self._forgotten
        for tally in self._tenants.values():
            total += tally
        return total

    def changes(self) -> dict[str, Tally]:
        """The tallies that changed since this was asked for last, by tenant."""
        changed, self._changed = self._changed, set()
        return {tenant: self._tenants[tenant] for tenant in changed if tenant in self._tenants}

    def everything(self) -> dict[str, Tally]:
        """All tallies, by tenant."""
        return dict(self._tenants)

    def _of(self, tenant: str) -> Tally:
        self._changed.add(tenant)
        tally = self._tenants.get(tenant)
        if tally is None:
            tally = self._tenants[tenant] = Tally()
            if len(self._tenants) > _MOST_TENANTS:
                self._forgotten += self._tenants.popitem(last=False)[1]
        return tally
