"""The read-through cache: a request's life from the question to the stored answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from synapse_cache import gates, telemetry
from synapse_cache.flights import stale
from synapse_cache.flights.calls import Calls, told
from synapse_cache.flights.hedging import hedged
from synapse_cache.flights.refreshing import Refreshing
from synapse_cache.lookup import Found
from synapse_cache.model import Caller, Hit, Miss, NotCached, Outcome, Place, Policy, Question, Status, Tier
from synapse_cache.outcomes import asked_outcome, landed_outcome, outcome_of, riding_outcome
from synapse_runtime.errors import SynapseError

if TYPE_CHECKING:
    from synapse_cache.backfill import Backfill
    from synapse_cache.flights.calls import Trip
    from synapse_cache.flights.sharing import Sharing
    from synapse_cache.followers import Follower
    from synapse_cache.lookup import Lookup
    from synapse_cache.model import Answer
    from synapse_cache.ports import Assembler, Batch, Upstream
    from synapse_cache.privacy.probing import Probing
    from synapse_cache.stats import Stats
    from synapse_cache.writer import Writer

_log = logging.getLogger("synapse.cache")
BACKEND_ERRORS = (SynapseError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Served:
    """A whole answer as served; `answer` is None for a preview that missed."""

    outcome: Outcome
    answer: bytes | None


@dataclass(slots=True)
class _Begun:
    """A request looked up: what happened, and what answers it: a stored answer, a trip, or neither."""

    found: Found
    outcome: Outcome
    stored: bytes | None
    trip: Trip | None


@dataclass(frozen=True, slots=True)
class ServingRules:
    """How long things may take, in seconds.

    With `hedge_after_seconds`, a backend is asked once the search by meaning has taken that long; what comes first is
    served, and a backend that comes second is left again: latency bought with cancelled calls. A hit that is not by the
    exact question is answered no earlier than `pad_hits_seconds` after its request began.
    """

    upstream_timeout_seconds: float = 600.0
    hedge_after_seconds: float | None = None
    pad_hits_seconds: float = 0.0


class ReadThrough:
    """Answers questions from the cache, or from the backends, storing what they say."""

    def __init__(
        self,
        lookup: Lookup,
        writer: Writer,
        backfill: Backfill,
        upstream: Upstream,
        stats: Stats,
        *,
        followers: Sequence[Follower] = (),
        assembler: Callable[[], Assembler],
        rules: ServingRules,
        sharing: Sharing | None = None,
        probing: Probing | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lookup = lookup
        self._writer = writer
        self._backfill = backfill
        self._upstream = upstream
        self._stats = stats
        self._followers = tuple(followers)
        self._hedge_after = rules.hedge_after_seconds
        self._probing = probing
        self._pad_hits = rules.pad_hits_seconds
        self._clock = clock
        self._calls = Calls(
            upstream,
            writer,
            stats,
            followers=followers,
            assembler=assembler,
            timeout_seconds=rules.upstream_timeout_seconds,
            sharing=sharing,
        )
        self._refreshing = Refreshing(self._calls)

    @property
    def calls(self) -> Calls:
        """The calls to the backends that are under way."""
        return self._calls

    async def drain(self, *, seconds: float) -> None:
        """Wait for what goes on behind the replies, at most `seconds`, then leave it."""
        await self._refreshing.drain(seconds=seconds)

    async def generate(self, question: Question, place: Place, policy: Policy, caller: Caller) -> Served:
        """The whole answer. Raises NotCached where no backend may be asked, and the backend's own errors."""
        async with self._begun(question, place, policy, caller, streamed=False) as begun:
            if begun.stored is not None or policy.preview:
                return Served(begun.outcome, begun.stored)
            try:
                if begun.trip is None:
                    answer = await self._upstream.generate(question, caller=caller)
                    return Served(begun.outcome, answer.payload)
                landed = await begun.trip.flight.result()
                self._calls.arrived(begun.trip, caller.tenant)
                return Served(landed_outcome(begun.outcome, begun.trip, landed), landed.answer.payload)
            except BACKEND_ERRORS as error:
                if not await self._serves_stale(begun, question, policy, error):
                    raise
                return Served(begun.outcome, begun.stored)

    async def stream(
        self, question: Question, place: Place, policy: Policy, caller: Caller
    ) -> AsyncGenerator[Outcome | bytes | list[Batch], None]:
        """The outcome, then the answer: stored or whole as bytes, else batches as they come. Raises as `generate`.

        The outcome waits for the first batch: until then a backend may fail, and a stale answer be served.
        """
        async with self._begun(question, place, policy, caller, streamed=True) as begun:
            if begun.stored is None and not policy.preview:
                async with aclosing(self._arriving(begun.trip, question, caller)) as parts:
                    try:
                        first = await anext(parts, None)
                    except BACKEND_ERRORS as error:
                        if not await self._serves_stale(begun, question, policy, error):
                            raise
                    else:
                        if begun.trip is not None:
                            self._calls.arrived(begun.trip, caller.tenant)
                            begun.outcome = riding_outcome(begun.outcome, begun.trip)
                        yield begun.outcome
                        if first is not None:
                            yield first
                        async for part in parts:
                            yield part
                        return
            yield begun.outcome
            if begun.stored is not None:
                yield begun.stored

    async def look(
        self, question: Question, place: Place, policy: Policy, caller: Caller
    ) -> tuple[Outcome, bytes | None]:
        """What a request would find, without asking a backend and without counting it, except as probing."""
        started = time.perf_counter()
        if self._probing is not None:
            question = self._probing.limited(question, caller)
        found = await self._lookup.find(question, place, policy)
        if self._probing is not None:
            self._probing.looked(question, found, caller)
        outcome = outcome_of(question, found, seconds=time.perf_counter() - started, now=self._clock())
        hit = found.result if isinstance(found.result, Hit) and not found.shadow else None
        return outcome, hit.entry.answer if hit is not None else None

    async def examine(
        self, question: Question, place: Place, policy: Policy, caller: Caller, *, charged: bool
    ) -> tuple[Question, Found, Outcome]:
        """What a request would find, and as what question: looked up as every request is, without counting it.

        What is told is `charged` as probing, or not.
        """
        started = time.perf_counter()
        if self._probing is not None:
            question = self._probing.limited(question, caller)
        found, _ = await self._looked_up(question, place, policy, None)
        if self._probing is not None and charged:
            self._probing.explained(question, found, caller)
        seconds = time.perf_counter() - started
        return question, found, asked_outcome(question, found, policy, seconds=seconds, now=self._clock())

    async def store(self, question: Question, answer: Answer, place: Place, policy: Policy) -> tuple[str, str]:
        """Store an answer from outside: the entry's id, or empty and why not."""
        refusal = gates.refusal(question, answer, policy)
        if refusal:
            return "", refusal
        found = await self._lookup.find(question, place, replace(policy, no_cache=True))
        if not found.epoch_known:
            return "", "redis_unavailable"
        entry = await self._writer.accept(question, answer, found.place, policy)
        if entry is None:
            return "", "journal_unavailable"
        self._stats.stored(place.tenant)
        return entry.id, ""

    @asynccontextmanager
    async def _begun(
        self, question: Question, place: Place, policy: Policy, caller: Caller, *, streamed: bool
    ) -> AsyncIterator[_Begun]:
        """A request looked up and counted, aboard the backend call that will answer it if nothing stored does.

        Raises NotCached when the caller wants no backend asked.
        """
        started = time.perf_counter()
        if self._probing is not None:
            question = self._probing.limited(question, caller)
        with ExitStack() as aboard:

            def depart(found: Found) -> Trip:
                trip = self._calls.depart(question, found, policy, caller, streamed=streamed)
                aboard.enter_context(trip.flight.aboard())
                return trip

            shares = _may_share(question, policy)
            found, trip = await self._looked_up(question, place, policy, depart if shares else None)
            seconds = time.perf_counter() - started
            outcome = asked_outcome(question, found, policy, seconds=seconds, now=self._clock())
            if isinstance(found.result, Hit) and outcome.status is Status.HIT:
                self._tell(question, found, outcome, policy, caller)
                self._backfill.after(question, found.result)
                if found.result.stale:
                    self._refreshing.after(question, found, policy, caller)
                if self._pad_hits and found.result.entry.key != question.key:
                    await asyncio.sleep(started + self._pad_hits - time.perf_counter())
                yield _Begun(found, outcome, found.result.entry.answer, None)
                return
            if policy.only_if_cached:
                self._tell(question, found, outcome, policy, caller)
                raise NotCached(outcome)
            if trip is None and shares:
                trip = depart(found)
            if trip is not None and not trip.leads:
                self._calls.joined(caller.tenant)
            begun = _Begun(found, outcome, None, trip)
            if found.stale is None:
                self._tell(question, found, outcome, policy, caller)
                yield begun
                return
            try:  # whether this is a miss is known when a backend has answered
                yield begun
            finally:
                self._tell(question, begun.found, begun.outcome, policy, caller)

    def _tell(self, question: Question, found: Found, outcome: Outcome, policy: Policy, caller: Caller) -> None:
        """Tell everybody who follows requests what the cache does with this one."""
        self._stats.served(caller.tenant, outcome)
        if outcome.stale:
            telemetry.stale(outcome.reason)
        for follower in self._followers:
            follower.served(question, found, outcome, policy, caller)

    async def _serves_stale(self, begun: _Begun, question: Question, policy: Policy, error: Exception) -> bool:
        """Whether a stale answer is served in place of the backends' failure; `begun` has it then.

        It is looked up again: it may have been invalidated or replaced while the backends were asked.
        """
        if begun.found.stale is None or begun.outcome.status is not Status.MISS or not stale.is_unwell(error):
            return False
        place = begun.found.place
        found = await self._guarded(self._lookup.find_exact(question, place, policy), place, question)
        if found.stale is not None:
            found = replace(found, result=Hit(found.stale, Tier.L1, 1.0, stale.IF_ERROR, stale=True), undecided=False)
        if not isinstance(found.result, Hit) or found.shadow:
            return False
        begun.found, begun.stored = found, found.result.entry.answer
        begun.outcome = outcome_of(question, found, seconds=begun.outcome.latency_seconds, now=self._clock())
        _log.info("stale answer served", extra={"key": question.key, "cause": type(error).__name__})
        return True

    async def _arriving(
        self, trip: Trip | None, question: Question, caller: Caller
    ) -> AsyncGenerator[bytes | list[Batch], None]:
        """An answer as it comes from the backends."""
        if trip is not None:
            async with aclosing(told(trip.flight)) as parts:
                async for part in parts:
                    yield part
            return
        async with aclosing(self._upstream.stream(question, caller=caller)) as batches:
            async for batch in batches:
                yield [batch]

    async def _looked_up(
        self, question: Question, place: Place, policy: Policy, depart: Callable[[Found], Trip] | None
    ) -> tuple[Found, Trip | None]:
        """What is stored; and the backend call begun meanwhile, where the search by meaning took long enough for it."""
        if question.uncacheable_reason or policy.skip:
            return Found(Miss(question.uncacheable_reason or "skip"), place, epoch_known=False), None
        found = await self._guarded(self._lookup.find_exact(question, place, policy), place, question)
        if not found.undecided:
            return found, None
        search = self._guarded(self._lookup.find_by_meaning(question, found, policy), found.place, question)
        if depart is None or self._hedge_after is None or policy.only_if_cached:
            return await search, None
        return await hedged(found, asyncio.create_task(search), depart, after_seconds=self._hedge_after)

    async def _guarded(self, lookup: Awaitable[Found], place: Place, question: Question) -> Found:
        try:
            return await lookup
        except Exception:  # noqa: BLE001  # the cache never fails a request: a fault of ours is a logged, counted miss
            _log.exception("lookup failed", extra={"key": question.key})
            return Found(Miss("lookup_failed"), place, epoch_known=False)


def _may_share(question: Question, policy: Policy) -> bool:
    """Whether the answer may be stored, and shared with others who ask the same at the same time."""
    return not (question.uncacheable_reason or policy.skip or policy.no_store or policy.passthrough or policy.preview)
