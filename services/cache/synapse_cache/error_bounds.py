"""What is known about the errors of every namespace: for operators who ask, and as metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse_cache import bound
from synapse_cache.model import Place

if TYPE_CHECKING:
    from synapse_cache.bound import Bound
    from synapse_cache.evidence import Record
    from synapse_cache.thresholds import ThresholdSource
    from synapse_cache.trust import Trust
    from synapse_cache.trust_sync import TrustSync


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


class ErrorBounds:
    """Tells about errors by namespace."""

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

    def known(self, place: Place) -> KnownErrors:
        """What is known here about one namespace."""
        record, thresholds = self._trust.counts(place), self._thresholds.of(place.tenant)
        return KnownErrors(
            place, thresholds.max_error, record, bound.of_requests(record.recent), self._trust.learnt(place)
        )
