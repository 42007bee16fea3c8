"""The decision: what the texts settle is settled; of the rest the verifier is asked, and the budget draws the bar."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias

from synapse_cache.decision.calibration import Calibration
from synapse_cache.decision.features import analyse
from synapse_cache.decision.screening import Screened, screen
from synapse_cache.decision.verdict import Candidate, Judged, Standing, Verdict

Ask: TypeAlias = Callable[[str, str], Awaitable[float | None]]
"""Asks the verifier for the logit of (asked, stored); None when it cannot tell, for whatever cause."""
MAX_CANDIDATES = 8
MOST_ASKED = 4
_THOROUGH_SECONDS = 2.0


class VerifiedDecision:
    """Serves the first candidate, from the nearest on, whose probability of a wrong answer is within the bar.

    `ask` is called for at most MOST_ASKED candidates of a request, one after the other, for at most `seconds` in all:
    what is not known by then is not served.
    """

    def __init__(self, calibration: Calibration, ask: Ask, *, seconds: float = 0.04) -> None:
        self._calibration = calibration
        self._ask = ask
        self._seconds = seconds

    async def decide(
        self, text: str, candidates: Sequence[Candidate], standing: Standing, *, thorough: bool = False
    ) -> Verdict:
        """As in Decision; a suspended namespace is judged, too, and nothing of it is served."""
        verdict = await self._served(text, candidates, standing)
        return await self._completed(text, candidates, verdict, standing) if thorough else verdict

    async def _served(self, text: str, candidates: Sequence[Candidate], standing: Standing) -> Verdict:
        near = [one for one in candidates if math.isfinite(one.similarity) and one.similarity >= standing.floor]
        if not near:
            return Verdict(None, "below_floor" if candidates else "no_candidate", bar=standing.bar)
        near = sorted(near, key=lambda one: -one.similarity)[:MAX_CANDIDATES]
        judged = self._screened(text, near, standing)
        if not any(one.sure and one.error is not None and one.error <= standing.bar for one in judged):
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._verify(text, judged, standing)
        return _verdict(judged, standing)

    def _screened(self, text: str, near: Sequence[Candidate], standing: Standing) -> list[Judged]:
        """What the texts and the namespace's history settle without a model."""
        asked, found = analyse(text), []
        for candidate in near:
            if standing.denied(candidate.entry_id):
                found.append(Judged(candidate, denied=True))
                continue
            found.append(self._of_texts(candidate, screen(asked, analyse(candidate.text))))
        return found

    def _of_texts(self, candidate: Candidate, screened: Screened) -> Judged:
        if not screened.sure:
            return Judged(candidate, veto=screened.final, doubt=screened.doubt)
        return Judged(candidate, error=self._calibration.sure_error, sure=True)

    async def _verify(self, text: str, judged: list[Judged], standing: Standing) -> None:
        """Put the verifier's word into `judged` where the texts leave it open, until one can be served."""
        open_places = [place for place, one in enumerate(judged) if one.doubt is not None]
        for place in open_places[:MOST_ASKED]:
            judged[place] = one = await self._asked(text, judged[place], standing)
            if one.error is not None and one.error <= standing.bar:
                return

    async def _asked(self, text: str, one: Judged, standing: Standing) -> Judged:
        """`one` with the verifier's word, if it has one."""
        logit = await self._ask(text, one.candidate.text)
        if logit is None:
            return one
        right = self._calibration.right(logit, one.candidate.similarity)
        traits = (right, standing.record(one.candidate.entry_id))
        return replace(one, score=logit, error=standing.posterior.error(traits), traits=traits)

    async def _completed(
        self, text: str, candidates: Sequence[Candidate], verdict: Verdict, standing: Standing
    ) -> Verdict:
        """`verdict` with a word on every candidate, for who wants to know; it decides as it did."""
        known = {one.candidate.entry_id for one in verdict.judged}
        rest = [one for one in candidates if one.entry_id not in known and math.isfinite(one.similarity)]
        every = [*verdict.judged, *self._screened(text, rest, standing)]
        with suppress(TimeoutError):
            async with asyncio.timeout(_THOROUGH_SECONDS):
                for place, one in enumerate(every):
                    if one.doubt is not None and one.error is None:
                        every[place] = await self._asked(text, one, standing)
        return replace(verdict, every=tuple(every))


def _verdict(judged: Sequence[Judged], standing: Standing) -> Verdict:
    """The candidate of least error within the bar, or why there is none."""
    verdict = Verdict(None, _why_not(judged), tuple(judged), standing.bar)
    best = verdict.best
    if best is None or best.error is None:
        return verdict
    if standing.suspended:
        return replace(verdict, reason="suspended")
    if best.error > standing.bar:
        return replace(verdict, reason="above_bar")
    return replace(verdict, candidate=best.candidate, reason="semantic" if best.sure else "verified")


def _why_not(judged: Sequence[Judged]) -> str:
    """Why none of the candidates got as far as a probability."""
    if any(one.doubt is not None for one in judged):
        return "unverified"
    first = judged[0]
    return "denied" if first.denied else f"veto_{first.veto}"
