"""Feedback on served answers: a wrong one goes, a right one is confirmed, and the cache learns from both."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from synapse_cache import telemetry
from synapse_cache.model import Place
from synapse_cache.ports import StoreUnavailable
from synapse_cache.trust.evidence import Evidence, Source
from synapse_runtime.errors import InvalidArgument, NotFound, ResourceExhausted, Unavailable
from synapse_runtime.identity import Role

if TYPE_CHECKING:
    from synapse_cache.feedback.traces import Trace, Traces
    from synapse_cache.invalidation.invalidation import Invalidation
    from synapse_cache.model import Caller, Entry
    from synapse_cache.ports import ExactStore, FeedbackLedger
    from synapse_cache.trust.trust import Trust

_log = logging.getLogger("synapse.cache.feedback")
_MINUTE_SECONDS, _DAY_SECONDS = 60.0, 86_400.0


class Rating(StrEnum):
    """What somebody says about a served answer."""

    RIGHT = "right"
    WRONG = "wrong"


class Effect(StrEnum):
    """What became of it."""

    CONFIRMED = "confirmed"
    """The wording is an exact alias of the entry."""
    EVICTED = "evicted"
    """The entry was removed."""
    SPLIT = "split"
    """The entry never answers that wording again, and goes on answering its own."""
    NOTED = "noted"
    """Nothing else."""


@dataclass(frozen=True, slots=True)
class Said:
    """What was said: of which entry, and served to which request or text, as far as that is known."""

    entry_id: str
    rating: Rating
    request_id: str = ""
    prompt: str = ""
    comment: str = ""
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of feedback: the effect, and how many entries and aliases were removed."""

    effect: Effect
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Limit:
    """How often something may happen in a period of so many seconds."""

    name: str
    most: int
    seconds: float


@dataclass(frozen=True, slots=True)
class FeedbackRules:
    """How much one credential may say, and how many viewers it takes to remove an entry."""

    reports_per_minute: int = 30
    wrong_per_day: int = 300
    viewers_to_evict: int = 2


class Feedback:
    """Takes reports in. A report that could not be carried out is an error: Unavailable when a store is down."""

    def __init__(
        self,
        invalidation: Invalidation,
        exact: ExactStore,
        trust: Trust,
        traces: Traces,
        *,
        ledger: FeedbackLedger,
        rules: FeedbackRules,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._invalidation = invalidation
        self._exact = exact
        self._trust = trust
        self._traces = traces
        self._ledger = ledger
        self._rules = rules
        self._clock = clock

    async def report(self, said: Said, caller: Caller) -> Done:
        """Carry out what was said.

        Raises NotFound for an entry that the tenant has not, InvalidArgument when the request was served another one,
        ResourceExhausted beyond the limits, Unavailable when a store is down.
        """
        try:
            done = await self._remembered(said, caller)
            if done is not None:
                return done
            await self._check_limits(said, caller)
            done = await self._done(said, caller)
            await self._remember(said, caller, done)
        except StoreUnavailable as error:
            message = f"a store cannot be asked: {error}"
            raise Unavailable(message, reason="STORE_UNAVAILABLE", retry_after_seconds=1) from error
        telemetry.feedback(said.rating, done.effect)
        facts = {"tenant": caller.tenant, "subject": caller.subject, "entry_id": said.entry_id}
        _log.info("feedback", extra={**facts, "rating": str(said.rating), "effect": str(done.effect)})
        if said.comment:
            _log.debug("comment on feedback", extra={"entry_id": said.entry_id, "comment": said.comment})
        return done

    async def _done(self, said: Said, caller: Caller) -> Done:
        trace = await self._traces.find(caller.tenant, said.entry_id, request_id=said.request_id, prompt=said.prompt)
        if trace is not None and trace.entry_id != said.entry_id:
            message = f"request {said.request_id!r} was served entry {trace.entry_id!r}"
            raise InvalidArgument(message, reason="OTHER_ENTRY", metadata={"field": "entry_id"})
        entry = await self._invalidation.get(caller.tenant, said.entry_id)
        if trace is not None:
            return await self._on_pair(said, caller, trace, entry)
        if entry is None:
            raise NotFound(f"there is no entry {said.entry_id!r}", reason="ENTRY_NOT_FOUND")
        return await self._on_entry(said, caller)

    async def _on_pair(self, said: Said, caller: Caller, trace: Trace, entry: Entry | None) -> Done:
        """An entry answered another wording than its own."""
        place, right = Place(caller.tenant, trace.namespace), said.rating is Rating.RIGHT
        about = f"{said.entry_id}:{trace.asked}"
        is_new, _ = await self._ledger.vote(caller.tenant, about, said.rating, caller.subject)
        own, _ = await self._exact.get(place, trace.asked)
        verdict = Evidence(
            Source.FEEDBACK,
            said.entry_id,
            trace.asked,
            right,
            self._clock(),
            asked_id=own.id if own is not None and own.key == trace.asked else "",
            served=True,
            traits=trace.traits,
            entry_key=trace.entry_key,
        )
        if is_new:
            self._trust.learn(place, [verdict])
        else:  # said before: no further evidence, but the newest word on the pair
            self._trust.kinship.learn(place, [verdict])
        if not right:
            return Done(Effect.SPLIT, int(await self._exact.unlink(place, trace.asked, said.entry_id)))
        if entry is not None and own is None:
            await self._make_alias(place, trace.asked, entry)
        return Done(Effect.CONFIRMED)

    async def _make_alias(self, place: Place, asked: str, entry: Entry) -> None:
        """Let `asked` lead to the entry while it is what its own wording leads to."""
        stored, _ = await self._exact.get(place, entry.key)
        if stored is not None and stored.id == entry.id:
            await self._exact.put(stored, alias_keys=[asked])

    async def _on_entry(self, said: Said, caller: Caller) -> Done:
        """An entry answered its own wording, or one that is not known."""
        _, count = await self._ledger.vote(caller.tenant, said.entry_id, said.rating, caller.subject)
        if said.rating is Rating.RIGHT:
            return Done(Effect.NOTED)
        if caller.role == Role.VIEWER and count < self._rules.viewers_to_evict:
            return Done(Effect.NOTED)
        gone = await self._invalidation.by_id(caller.tenant, said.entry_id, actor=caller.subject, reason="feedback")
        return Done(Effect.EVICTED, gone)

    async def _check_limits(self, said: Said, caller: Caller) -> None:
        limits = [Limit("reports", self._rules.reports_per_minute, _MINUTE_SECONDS)]
        if said.rating is Rating.WRONG:
            limits.append(Limit("wrong", self._rules.wrong_per_day, _DAY_SECONDS))
        for limit in limits:
            wait = await self._ledger.spend(caller.tenant, caller.subject, limit, now=self._clock())
            if wait > 0:
                message = f"a key may send {limit.most} {limit.name} in {limit.seconds:.0f} s"
                raise ResourceExhausted(message, reason="FEEDBACK_LIMIT", retry_after_seconds=wait)

    async def _remembered(self, said: Said, caller: Caller) -> Done | None:
        """What became of the same report before."""
        if not said.idempotency_key:
            return None
        text = await self._ledger.said(caller.tenant, caller.subject, said.idempotency_key)
        if not text:
            return None
        what, effect, removed = json.loads(text)
        if what != _digest(said):
            message = "idempotency_key was used for another report"
            raise InvalidArgument(message, reason="IDEMPOTENCY_KEY_REUSED", metadata={"field": "idempotency_key"})
        return Done(Effect(effect), removed)

    async def _remember(self, said: Said, caller: Caller, done: Done) -> None:
        if said.idempotency_key:
            text = json.dumps([_digest(said), done.effect, done.removed])
            await self._ledger.remember(caller.tenant, caller.subject, said.idempotency_key, text)


def _digest(said: Said) -> str:
    """What was said, without its texts."""
    parts = json.dumps([said.entry_id, said.rating, said.request_id, said.prompt])
    return hashlib.sha256(parts.encode()).hexdigest()
