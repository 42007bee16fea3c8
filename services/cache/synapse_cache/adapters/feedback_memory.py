"""Who said what of which answer, in memory: for tests, for one process alone, and as the measure of the others."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from synapse_cache.feedback.feedback import Limit

_K = TypeVar("_K")
_V = TypeVar("_V")
VOTE_SECONDS = 30 * 86_400.0
REMEMBERED_SECONDS = 86_400.0
_MOST = 100_000


class MemoryFeedbackLedger:
    """FeedbackLedger of one process; beyond 100,000 of a kind the oldest are forgotten."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._spent: OrderedDict[tuple[str, str, str, int], int] = OrderedDict()
        self._votes: OrderedDict[tuple[str, str], tuple[float, dict[str, str]]] = OrderedDict()
        self._said: OrderedDict[tuple[str, str, str], tuple[float, str]] = OrderedDict()

    async def spend(self, tenant: str, subject: str, limit: Limit, *, now: float) -> float:
        """As in FeedbackLedger."""
        period = int(now // limit.seconds)
        slot = (tenant, subject, limit.name, period)
        count = self._spent.get(slot, 0) + 1
        _keep(self._spent, slot, count)
        return 0.0 if count <= limit.most else (period + 1) * limit.seconds - now

    async def vote(self, tenant: str, about: str, rating: str, subject: str) -> tuple[bool, int]:
        """As in FeedbackLedger."""
        until, ratings = self._votes.get((tenant, about), (0.0, {}))
        if until <= self._clock():
            ratings = {}
        is_new = ratings.get(subject) != rating
        ratings[subject] = rating
        _keep(self._votes, (tenant, about), (self._clock() + VOTE_SECONDS, ratings))
        return is_new, sum(one == rating for one in ratings.values())

    async def said(self, tenant: str, subject: str, key: str) -> str:
        """As in FeedbackLedger."""
        until, text = self._said.get((tenant, subject, key), (0.0, ""))
        return text if until > self._clock() else ""

    async def remember(self, tenant: str, subject: str, key: str, text: str) -> None:
        """As in FeedbackLedger."""
        _keep(self._said, (tenant, subject, key), (self._clock() + REMEMBERED_SECONDS, text))

    async def close(self) -> None:
        """As in FeedbackLedger."""


def _keep(kept: OrderedDict[_K, _V], name: _K, value: _V) -> None:
    kept[name] = value
    kept.move_to_end(name)
    if len(kept) > _MOST:
        kept.popitem(last=False)
