"""What is known about the errors of every namespace: for operators who ask, and as metrics."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from synapse_cache import telemetry
from synapse_cache.model import Place
from synapse_cache.trust import bound
from synapse_cache.trust.evidence import Tally

if TYPE_CHECKING:
    from synapse_cache.thresholds.thresholds import ThresholdSource
    from synapse_cache.trust.bound import Bound
    from synapse_cache.trust.control import Control
    from synapse_cache.trust.evidence import Record
    from synapse_cache.trust.sync import TrustSync
    from synapse_cache.trust.trust import Trust


@dataclass(frozen=True, slots=True)
class KnownErrors:
    """The budget of one namespace, what was counted there, and the share of requests answered wrongly.

    `evidence` is how many pairs with a verdict are at hand.
    """

    place: Place
    max_error: float
    record: Record
    bound: Bound
    evidence: int

    @property
    def is_broken(self) -> bool:
        """Whether the budget is broken, at the confidence of the bound."""
        return self.bound.lower > self.max_error


_EVERY_SECONDS = 5.0
_MOST_NAMED = 100
_OTHER = ("other", "other")
_SMALLEST_BUDGET = 1e-6


class ErrorBounds:
    """Tells about errors by namespace; every few seconds as metrics."""

    def __init__(self, trust: Trust, thresholds: ThresholdSource, sync: TrustSync) -> None:
        self._trust = trust
        self._thresholds = thresholds
        self._sync = sync

    async def of(self, tenant: str, namespace: str) -> list[KnownErrors]:
        """What all replicas know about a tenant's namespaces with traffic, or about one; raises StoreUnavailable."""
        await self._sync.meet(tenant, namespace)
        homes = sorted(home for home in self._trust.homes() if home[0] == tenant and namespace in {"", home[1]})
        found = (self.known(Place(*home)) for home in homes)
        return [errors for errors in found if errors.record.tally.requests]

    async def run(self, control: Control) -> None:
        """Tell the metrics and let `control` review what is off, until cancelled."""
        while True:
            control.review()
            self.publish()
            await asyncio.sleep(_EVERY_SECONDS)

    def publish(self) -> None:
        """Tell the metrics: the busiest namespaces by name, the others together, the worst of them, and all of them."""
        homes = {home: self._trust.counts(Place(*home)) for home in self._trust.homes()}
        busiest = heapq.nlargest(_MOST_NAMED, homes, key=lambda home: homes[home].recent.requests)
        known = [self.known(Place(*home)) for home in busiest if homes[home].recent.requests]
        named = {
            (one.place.tenant, one.place.namespace): (asdict(one.bound), one.max_error, one.record.strictness)
            for one in known
        }
        others = homes.keys() - set(busiest)
        if others:
            budgets = (self._thresholds.of(tenant).max_error for tenant, _ in others)
            rest = bound.of_requests(_sum(homes[home].recent for home in others))
            named[_OTHER] = (asdict(rest), min(budgets), min(homes[home].strictness for home in others))
        worst = max(known, key=_strain, default=None)
        telemetry.error_bounds(
            named,
            worst=asdict(worst.bound.times(1 / max(worst.max_error, _SMALLEST_BUDGET)) if worst else bound.NONE),
            total=asdict(bound.of_requests(_sum(record.recent for record in homes.values()))),
            suspended=sum(record.suspended_at is not None for record in homes.values()),
        )

    def known(self, place: Place) -> KnownErrors:
        """What is known here about one namespace."""
        record, thresholds = self._trust.counts(place), self._thresholds.of(place.tenant)
        return KnownErrors(
            place, thresholds.max_error, record, bound.of_requests(record.recent), self._trust.learnt(place)
        )


def _strain(one: KnownErrors) -> tuple[float, float]:
    """How far a namespace is on the way to break its budget."""
    budget = max(one.max_error, _SMALLEST_BUDGET)
    return one.bound.lower / budget, one.bound.estimate / budget


def _sum(tallies: Iterable[Tally]) -> Tally:
    return reduce(add, tallies, Tally())
