"""Audits: a sampled share of the hits by meaning is asked of the backend, too, and the answers are compared.

Every hit by meaning has the same chance to be audited, an alias of an earlier decision as well: it is served again and
again, so an error in it weighs as much as it costs. The first hits of a namespace, and of a stretch after a suspension,
have five times that chance until a hundred audits came to a verdict.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from synapse_cache import gates, telemetry
from synapse_cache.audits.backlog import Backlog
from synapse_cache.audits.comparison import Comparison, Likeness
from synapse_cache.audits.findings import Occasion, Pair
from synapse_cache.model import Hit, Status
from synapse_cache.ports import StoreUnavailable
from synapse_cache.trust.evidence import Tally
from synapse_runtime.errors import SynapseError

if TYPE_CHECKING:
    from synapse_cache.audits.findings import Findings
    from synapse_cache.audits.referee import Referee
    from synapse_cache.lookup import Found
    from synapse_cache.model import Answer, Caller, Entry, Outcome, Policy, Question
    from synapse_cache.ports import ExactStore, Upstream
    from synapse_cache.thresholds.thresholds import ThresholdSource
    from synapse_cache.trust.trust import Trust
    from synapse_cache.writer import Writer

_log = logging.getLogger("synapse.cache.audits")
_EARLY_AUDITS = 100
_EARLY_FACTOR = 5.0
_WAITING = 256
_UNLINK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class AuditRules:
    """How many audits run at once, how long the backend may take, and whether callers' own keys may be used.

    An audit of a request that brought its own key of the provider asks with that key, and its owner pays.
    """

    at_once: int = 4
    timeout_seconds: float = 120.0
    with_callers_keys: bool = True


@dataclass(frozen=True, slots=True)
class AuditParts:
    """What audits ask and tell."""

    trust: Trust
    thresholds: ThresholdSource
    upstream: Upstream
    writer: Writer
    exact: ExactStore
    referee: Referee
    findings: Findings


@dataclass(frozen=True, slots=True)
class _Job:
    question: Question
    found: Found
    hit: Hit
    policy: Policy
    caller: Caller


class Auditing:
    """A Follower that counts requests and audits hits; `draw` gives numbers from 0 to below 1."""

    def __init__(
        self, parts: AuditParts, rules: AuditRules | None = None, *, draw: Callable[[], float] = random.random
    ) -> None:
        self._parts = parts
        self._rules = rules or AuditRules()
        self._draw = draw
        self._backlog = Backlog("audits", self._audit, at_once=self._rules.at_once, waiting=_WAITING)
        self._under_way: set[tuple[str, str]] = set()

    def served(self, question: Question, found: Found, outcome: Outcome, policy: Policy, caller: Caller) -> None:
        """Count the request, and put a hit by meaning up for an audit if the draw says so."""
        if outcome.status is Status.BYPASS or policy.preview:
            return
        hit = found.result if isinstance(found.result, Hit) and outcome.status is Status.HIT else None
        if hit is None or hit.entry.key == question.key:
            self._parts.trust.count(found.place, Tally(requests=1))
            return
        expected = 0.0 if outcome.probability is None else 1.0 - outcome.probability
        self._parts.trust.count(found.place, Tally(requests=1, hits=1, expected_errors=expected))
        if not hit.stale and self._may_audit(question, policy) and self._draw() < self._share(found):
            self._put(_Job(question, found, hit, policy, caller))

    def answered(self, *_: object) -> None:
        """As Follower: misses are looked at in hindsight."""

    async def run(self) -> None:
        """Audit until cancelled."""
        await self._backlog.run()

    async def done(self) -> None:
        """Wait until every audit put up is over."""
        await self._backlog.done()

    def _may_audit(self, question: Question, policy: Policy) -> bool:
        return not policy.only_if_cached and (self._rules.with_callers_keys or not question.credential)

    def _share(self, found: Found) -> float:
        parts, place = self._parts, found.place
        early = parts.trust.counts(place).recent.audits_closed < _EARLY_AUDITS
        return parts.thresholds.of(place.tenant).audit_share * (_EARLY_FACTOR if early else 1.0)

    def _put(self, job: _Job) -> None:
        name = (job.hit.entry.id, job.question.key)
        if name in self._under_way:
            return
        if self._backlog.put(job):
            self._under_way.add(name)
        else:
            telemetry.audited("dropped")

    async def _audit(self, job: _Job) -> None:
        try:
            await self._compare(job)
        finally:
            self._under_way.discard((job.hit.entry.id, job.question.key))

    async def _compare(self, job: _Job) -> None:
        answer = await self._asked(job)
        if answer is None:
            return
        own = await self._kept(job, answer)
        pair = Pair(
            Occasion.SERVED,
            job.question,
            job.hit.entry,
            job.found.place,
            own.id if own is not None else "",
            traits_of(job.hit),
        )
        if gates.refusal(job.question, answer, replace(job.policy, no_store=False)):
            comparison = Comparison(Likeness.OPEN, "incomplete")
        else:
            comparison = await self._parts.referee.settle(
                job.question, job.hit.entry.answer, answer.payload, job.caller
            )
        self._parts.findings.take(pair, comparison)
        if comparison.likeness is Likeness.DIFFERENT:
            _log.warning(
                "a wrong answer was served",
                extra={"entry_id": job.hit.entry.id, "key": job.question.key, "rule": comparison.reason},
            )
            if own is None:
                await self._unlink(job)

    async def _asked(self, job: _Job) -> Answer | None:
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._rules.timeout_seconds):
                answer = await self._parts.upstream.generate(job.question, caller=job.caller)
        except (SynapseError, TimeoutError) as error:
            telemetry.audited("failed")
            _log.info("an audit got no answer", extra={"cause": str(error) or "timeout"})
            return None
        telemetry.audit_paid(answer.tokens, answer.cost_nanos / 1e9)
        return replace(answer, made_in_seconds=time.monotonic() - started)

    async def _kept(self, job: _Job, answer: Answer) -> Entry | None:
        """The prompt's own entry from now on, in place of an alias; None where it may not be stored."""
        if gates.refusal(job.question, answer, job.policy):
            return None
        found = job.found
        return await self._parts.writer.accept(
            job.question, answer, found.place, job.policy, embedding=found.embedding, exact_only=found.exact_only
        )

    async def _unlink(self, job: _Job) -> None:
        """Let the wording lead to the wrong answer no longer; where an entry of its own was stored, that did it."""
        try:
            async with asyncio.timeout(_UNLINK_SECONDS):
                await self._parts.exact.unlink(job.found.place, job.question.key, job.hit.entry.id)
        except (StoreUnavailable, TimeoutError) as error:
            telemetry.dependency_failed("redis")
            _log.info("an alias of a wrong answer stays for now", extra={"cause": str(error) or "timeout"})


def traits_of(hit: Hit) -> tuple[float, ...]:
    """What the decision saw of the pair that it served; empty where it was decided in an earlier request."""
    judged = hit.verdict.judged if hit.verdict is not None else ()
    return next((one.traits for one in judged if one.candidate.entry_id == hit.entry.id), ())
