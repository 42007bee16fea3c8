"""What the cache would do with a request and why, without calling a model, storing or counting anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from synapse_cache.explaining.pairs import Pairs
from synapse_runtime.errors import ResourceExhausted

if TYPE_CHECKING:
    from synapse_cache.decision import Decision
    from synapse_cache.lookup import Found, Lookup
    from synapse_cache.model import Caller, Considered, Outcome, Place, Policy, Question
    from synapse_cache.read_through import ReadThrough
    from synapse_cache.thresholds.thresholds import Thresholds, ThresholdSource
    from synapse_cache.trust.trust import Trust

_MOST_AT_ONCE = 2
_LONGEST_WAIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Explained:
    """A decision and what led to it.

    `question` is what was asked, as its caller may ask it now. `bar` is the largest probability of a wrong answer at
    which an entry is served; None when none is served by meaning. `suspended` says that the budget of errors broke.
    """

    question: Question
    policy: Policy
    found: Found
    outcome: Outcome
    thresholds: Thresholds
    bar: float | None
    suspended: bool


class Explaining:
    """Explains by looking up as every request is; few at once, for each asks the verifier that others wait for, too."""

    def __init__(
        self, cache: ReadThrough, lookup: Lookup, decision: Decision, trust: Trust, thresholds: ThresholdSource
    ) -> None:
        self._cache = cache
        self._lookup = lookup
        self._pairs = Pairs(lookup, decision, trust.kinship)
        self._trust = trust
        self._thresholds = thresholds
        self._free = asyncio.Semaphore(_MOST_AT_ONCE)

    async def explain(
        self, question: Question, place: Place, policy: Policy, caller: Caller, *, charged: bool, thorough: bool = True
    ) -> Explained:
        """What a request would find; `thorough` has every candidate judged, `charged` counts what is told as probing.

        Raises ResourceExhausted when too many explanations are being made.
        """
        policy = replace(policy, thorough=thorough)
        async with self._turn():
            question, found, outcome = await self._cache.examine(question, place, policy, caller, charged=charged)
        suspended = self._trust.counts(place).suspended_at is not None
        thresholds = self._thresholds.of(place.tenant)
        bar = None if suspended else self._bar(question, place, policy)
        return Explained(question, policy, found, outcome, thresholds, bar, suspended)

    async def compare(self, asked: Question, stored: Question, place: Place, policy: Policy) -> Considered:
        """Whether the answer to `stored` would be served to `asked`, were it stored. Raises as `explain`."""
        async with self._turn():
            return await self._pairs.judge(asked, stored, place, policy)

    def _bar(self, question: Question, place: Place, policy: Policy) -> float | None:
        asked = question.prompt is not None and not question.uncacheable_reason
        if not asked or policy.skip or policy.no_cache or not self._lookup.may_match(place, policy):
            return None
        return self._lookup.standing(place, policy).bar

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError as error:
            message = "too many requests are being explained at once"
            raise ResourceExhausted(message, retry_after_seconds=1) from error
        try:
            yield
        finally:
            self._free.release()
