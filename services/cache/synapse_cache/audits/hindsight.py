"""After a miss: was the best stored answer, which was not served, right? The fresh answer tells at no cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse_cache import gates, telemetry
from synapse_cache.audits.auditing import traits_of
from synapse_cache.audits.backlog import Backlog
from synapse_cache.audits.findings import Occasion, Pair
from synapse_cache.model import Hit, Policy
from synapse_runtime.guard import DependencyDown

if TYPE_CHECKING:
    from synapse_cache.audits.findings import Findings
    from synapse_cache.audits.referee import Referee
    from synapse_cache.decision import Judged, Verdict
    from synapse_cache.lookup import Found, Stores
    from synapse_cache.model import Answer, Caller, Entry, Outcome, Question
    from synapse_cache.trust.trust import Trust

_AT_ONCE = 2
_WAITING = 256
_STORABLE = Policy()


@dataclass(frozen=True, slots=True)
class _Job:
    question: Question
    found: Found
    answer: Answer
    own_id: str
    caller: Caller


class Hindsight:
    """A Follower that compares answers after misses."""

    def __init__(self, trust: Trust, stores: Stores, referee: Referee, findings: Findings) -> None:
        self._trust = trust
        self._stores = stores
        self._referee = referee
        self._findings = findings
        self._backlog = Backlog("hindsight", self._look_back, at_once=_AT_ONCE, waiting=_WAITING)

    def served(self, question: Question, found: Found, outcome: Outcome, policy: Policy, caller: Caller) -> None:
        """As Follower: what was served is for audits."""

    def answered(self, question: Question, found: Found, answer: Answer, entry: Entry | None, caller: Caller) -> None:
        """Put a complete answer up for a comparison where there was a candidate."""
        if gates.refusal(question, answer, _STORABLE):
            return
        result = found.result
        hit_apart = isinstance(result, Hit) and found.shadow and result.entry.key != question.key
        if hit_apart or (
            result.verdict is not None and result.verdict.best is not None and not isinstance(result, Hit)
        ):
            self._backlog.put(_Job(question, found, answer, entry.id if entry is not None else "", caller))

    async def run(self) -> None:
        """Compare until cancelled."""
        await self._backlog.run()

    async def done(self) -> None:
        """Wait until every comparison put up is over."""
        await self._backlog.done()

    async def _look_back(self, job: _Job) -> None:
        pair = await self._pair(job)
        if pair is None:
            return
        fresh = job.answer.payload
        if pair.occasion is Occasion.NEAR:  # not worth a judge's time
            comparison = self._referee.compare(pair.entry.answer, fresh)
        else:
            comparison = await self._referee.settle(job.question, pair.entry.answer, fresh, job.caller)
        self._findings.take(pair, comparison)

    async def _pair(self, job: _Job) -> Pair | None:
        result, place = job.found.result, job.found.place
        if isinstance(result, Hit):
            return Pair(Occasion.SHADOWED, job.question, result.entry, place, job.own_id, traits_of(result))
        best = result.verdict.best if result.verdict is not None else None
        if result.verdict is None or best is None:
            return None
        entry = await self._entry(job, best.candidate.entry_id)
        if entry is None:
            return None
        near_miss = _would_serve(result.verdict, best, self._trust.counts(place).strictness)
        occasion = Occasion.SHADOWED if near_miss else Occasion.NEAR
        return Pair(occasion, job.question, entry, place, job.own_id, best.traits)

    async def _entry(self, job: _Job, entry_id: str) -> Entry | None:
        """The candidate whole, checked against the place and the scope that it must be of."""
        stores, place = self._stores, job.found.place
        try:
            entry = await stores.exact_guard.call(lambda: stores.exact.find(place.tenant, entry_id))
            if entry is None:
                entry = await stores.vectors_guard.call(lambda: stores.vectors.fetch(place.tenant, entry_id))
        except DependencyDown as down:
            telemetry.dependency_failed(down.name)
            return None
        if entry is None or not entry.belongs_to(place) or entry.scope != job.question.scope:
            return None
        return entry


def _has_candidate(question: Question, found: Found) -> bool:
    """Whether a stored answer to another wording was considered and not served."""
    result = found.result
    if isinstance(result, Hit):
        return found.shadow and result.entry.key != question.key
    return result.verdict is not None and result.verdict.best is not None


def _would_serve(verdict: Verdict, best: Judged, strictness: float) -> bool:
    """Whether it would have been served but for a suspension, or for the strictness that audits made."""
    if best.error is None or verdict.bar is None or strictness <= 0:
        return False
    return best.error <= verdict.bar / strictness
