"""What is known about errors, in memory: for tests, for one process alone, and as the measure of the others."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from synapse_cache.model import Place
from synapse_cache.trust.evidence import Record
from synapse_cache.trust.news import NOTHING, Heard, updated
from synapse_cache.trust.trust import MOST_EVIDENCE

if TYPE_CHECKING:
    from synapse_cache.trust.evidence import Evidence
    from synapse_cache.trust.news import Parcel

_Home: TypeAlias = "tuple[str, str]"
_FORGOTTEN_AFTER_SECONDS = 30 * 86_400.0
_MOST_HOMES = 100_000


@dataclass(slots=True)
class _Kept:
    record: Record
    evidence: list[tuple[str, Evidence]] = field(default_factory=list)
    dropped: int = 0
    sequences: dict[str, int] = field(default_factory=dict)
    told_at: float = 0.0


class MemoryTrustStore:
    """TrustStore of one process."""

    def __init__(self, *, most_evidence: int = MOST_EVIDENCE, clock: Callable[[], float] = time.time) -> None:
        self._most = most_evidence
        self._clock = clock
        self._homes: OrderedDict[_Home, _Kept] = OrderedDict()

    async def exchange(self, place: Place, parcel: Parcel) -> Heard:
        """As in TrustStore."""
        self._forget()
        home = (place.tenant, place.namespace)
        kept = self._homes.get(home) or _Kept(parcel.known)
        if parcel.news is not NOTHING and kept.sequences.get(parcel.replica, 0) < parcel.sequence:
            self._take(home, kept, parcel)
        total = kept.dropped + len(kept.evidence)
        seen = min(parcel.seen, total)
        unseen = kept.evidence[max(0, seen - kept.dropped) :]
        others = tuple(evidence for replica, evidence in unseen if replica != parcel.replica)
        return Heard(replace(kept.record, evidence=others), total)

    async def places(self, *, limit: int) -> list[Place]:
        """As in TrustStore."""
        self._forget()
        return [Place(*home) for home in list(reversed(self._homes))[:limit]]

    async def close(self) -> None:
        """As in TrustStore."""

    def _take(self, home: _Home, kept: _Kept, parcel: Parcel) -> None:
        kept.record = updated(kept.record, parcel.news)
        kept.evidence += ((parcel.replica, evidence) for evidence in parcel.news.evidence)
        surplus = max(0, len(kept.evidence) - self._most)
        del kept.evidence[:surplus]
        kept.dropped += surplus
        kept.sequences[parcel.replica] = parcel.sequence
        kept.told_at = self._clock()
        self._homes[home] = kept
        self._homes.move_to_end(home)
        if len(self._homes) > _MOST_HOMES:
            self._homes.popitem(last=False)

    def _forget(self) -> None:
        """Drop the namespaces that nobody told of for a month."""
        oldest = self._clock() - _FORGOTTEN_AFTER_SECONDS
        while self._homes and next(iter(self._homes.values())).told_at <= oldest:
            self._homes.popitem(last=False)
