"""What the cache knows about its own errors, by namespace: counts, evidence, and whether reuse by meaning is on."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from synapse_cache.decision import Standing
from synapse_cache.evidence import Evidence, Record, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from synapse_cache.model import Place

Home: TypeAlias = "tuple[str, str]"
"""Tenant and namespace; what is known outlives a flush."""
MOST_EVIDENCE = 4_096
_MOST_HOMES = 10_000


@dataclass(slots=True)
class _Known:
    tally: Tally = field(default_factory=Tally)
    evidence: deque[Evidence] = field(default_factory=lambda: deque(maxlen=MOST_EVIDENCE))
    suspended_at: float | None = None
    strictness: float = 1.0


class Trust:
    """The records of every namespace seen lately."""

    def __init__(self) -> None:
        self._homes: OrderedDict[Home, _Known] = OrderedDict()

    def standing(self, place: Place, *, max_error: float, floor: float) -> Standing:
        """What a decision at `place` has to keep to."""
        known = self._of(place)
        return Standing(max_error, floor, suspended=known.suspended_at is not None)

    def count(self, place: Place, tally: Tally) -> None:
        """Add to the namespace's counts."""
        known = self._of(place)
        known.tally += tally

    def learn(self, place: Place, evidence: Iterable[Evidence]) -> None:
        """Take verdicts in."""
        self._of(place).evidence.extend(evidence)

    def suspend(self, place: Place, *, at: float | None) -> None:
        """Switch reuse by meaning off since `at`, in seconds since the epoch, or on again with None."""
        self._of(place).suspended_at = at

    def tighten(self, place: Place, strictness: float) -> None:
        """Set how much stricter than the calibration the bar is: 1 is the calibration's own."""
        self._of(place).strictness = strictness

    def record(self, place: Place) -> Record:
        """All that is known here about a namespace."""
        known = self._of(place)
        return Record(tuple(known.evidence), known.tally, known.suspended_at, known.strictness)

    def homes(self) -> list[Home]:
        """The tenants and namespaces known here."""
        return list(self._homes)

    def _of(self, place: Place) -> _Known:
        home = (place.tenant, place.namespace)
        known = self._homes.get(home)
        if known is None:
            known = self._homes[home] = _Known()
            if len(self._homes) > _MOST_HOMES:
                self._homes.popitem(last=False)
        return known
