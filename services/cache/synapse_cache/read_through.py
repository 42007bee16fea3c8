"""The read-through cache: a request's life from the question to the stored answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from synapse_cache import gates
from synapse_cache.flight import Flight, SingleFlight
from synapse_cache.lookup import Found
from synapse_cache.model import Answer, Caller, Hit, Miss, NotCached, Outcome, Place, Policy, Question, Status, Tier
from synapse_cache.ports import Batch

if TYPE_CHECKING:
    from synapse_cache.backfill import Backfill
    from synapse_cache.followers import Follower
    from synapse_cache.lookup import Lookup
    from synapse_cache.model import Entry
    from synapse_cache.ports import Assembler, Upstream
    from synapse_cache.stats import Stats
    from synapse_cache.writer import Writer

_log = logging.getLogger("synapse.cache")
_Flight: TypeAlias = "Flight[Batch, Landed]"


@dataclass(frozen=True, slots=True)
class Landed:
    """What a backend call brought: the answer, and the entry made of it when it was stored."""

    answer: Answer
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """A whole answer as served; `answer` is None for a preview that missed."""

    outcome: Outcome
    answer: bytes | None


@dataclass(frozen=True, slots=True)
class _Trip:
    """A place aboard a flight: whether this request began it, and whether its answer may be stored."""

    flight: _Flight
    leads: bool
    stores: bool


@dataclass(frozen=True, slots=True)
class _Begun:
    """A request looked up: what happened, and what answers it: a stored answer, a trip, or neither."""

    outcome: Outcome
    stored: bytes | None
    trip: _Trip | None


class ReadThrough:
    """Answers questions from the cache, or from the backends, storing what they say.

    With `hedge_after_seconds`, a backend is asked once the search by meaning has taken that long; what comes first is
    served, and a backend that comes second is left again: latency bought with cancelled calls.
    """

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
        upstream_timeout_seconds: float,
        hedge_after_seconds: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lookup = lookup
        self._writer = writer
        self._backfill = backfill
        self._upstream = upstream
        self._stats = stats
        self._followers = tuple(followers)
        self._assembler = assembler
        self._timeout = upstream_timeout_seconds
        self._hedge_after = hedge_after_seconds
        self._clock = clock
        self._flights: SingleFlight[tuple[object, ...], Batch, Landed] = SingleFlight()

    async def generate(self, question: Question, place: Place, policy: Policy, caller: Caller) -> Served:
        """The whole answer. Raises NotCached where no backend may be asked, and the backend's own errors."""
        async with self._begun(question, place, policy, caller, streamed=False) as begun:
            outcome = begun.outcome
            if begun.stored is not None:
                return Served(outcome, begun.stored)
            if policy.preview:
                return Served(outcome, None)
            if begun.trip is None:
                answer = await self._upstream.generate(question, caller=caller)
                return Served(outcome, answer.payload)
            landed = await begun.trip.flight.result()
            return Served(_landed(outcome, begun.trip, landed), landed.answer.payload)

    async def stream(
        self, question: Question, place: Place, policy: Policy, caller: Caller
    ) -> AsyncGenerator[Outcome | bytes | list[Batch], None]:
        """The outcome, then the answer: stored or whole as bytes, else batches as they come. Raises as `generate`."""
        async with self._begun(question, place, policy, caller, streamed=True) as begun:
            if begun.trip is None:
                yield begun.outcome
            else:
                yield replace(begun.outcome, collapsed=not begun.trip.leads, stored=begun.trip.stores)
            if begun.stored is not None:
                yield begun.stored
            elif begun.trip is not None:
                async with aclosing(_told(begun.trip.flight)) as parts:
                    async for part in parts:
                        yield part
            elif not policy.preview:
                async with aclosing(self._upstream.stream(question, caller=caller)) as batches:
                    async for batch in batches:
                        yield [batch]

    async def look(self, question: Question, place: Place, policy: Policy) -> tuple[Outcome, bytes | None]:
        """What a request would find, without asking a backend and without counting it."""
        started = time.perf_counter()
        found = await self._lookup.find(question, place, policy)
        outcome = self._outcome(question, found, time.perf_counter() - started)
        hit = found.result if isinstance(found.result, Hit) and not found.shadow else None
        return outcome, hit.entry.answer if hit is not None else None

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
        with ExitStack() as aboard:

            def depart(found: Found) -> _Trip:
                flight, leads = self._depart(question, found, policy, caller, streamed=streamed)
                aboard.enter_context(flight.aboard())
                return _Trip(flight, leads, found.epoch_known)

            shares = _may_share(question, policy)
            found, trip = await self._looked_up(question, place, policy, depart if shares else None)
            outcome = self._outcome(question, found, time.perf_counter() - started)
            outcome = _as_asked(outcome, question, policy)
            self._stats.served(caller.tenant, outcome)
            for follower in self._followers:
                follower.served(question, found, outcome, policy, caller)
            if isinstance(found.result, Hit) and outcome.status is Status.HIT:
                self._backfill.after(question, found.result)
                yield _Begun(outcome, found.result.entry.answer, None)
                return
            if policy.only_if_cached:
                raise NotCached(outcome)
            if trip is None and shares:
                trip = depart(found)
            if trip is not None and not trip.leads:
                self._stats.collapsed(caller.tenant)
            yield _Begun(outcome, None, trip)

    async def _looked_up(
        self, question: Question, place: Place, policy: Policy, depart: Callable[[Found], _Trip] | None
    ) -> tuple[Found, _Trip | None]:
        """What is stored; and the backend call begun meanwhile, where the search by meaning took long enough for it."""
        if question.uncacheable_reason or policy.skip:
            return Found(Miss(question.uncacheable_reason or "skip"), place, epoch_known=False), None
        found = await self._guarded(self._lookup.find_exact(question, place, policy), place, question)
        if not found.undecided:
            return found, None
        search = self._guarded(self._lookup.find_by_meaning(question, found.place, policy), found.place, question)
        if depart is None or self._hedge_after is None or policy.only_if_cached:
            return await search, None
        return await self._hedged(found, asyncio.create_task(search), depart, after=self._hedge_after)

    async def _hedged(
        self, found: Found, searching: asyncio.Task[Found], depart: Callable[[Found], _Trip], *, after: float
    ) -> tuple[Found, _Trip | None]:
        """What the search finds, or the backend call begun meanwhile if that brings something first."""
        first: asyncio.Task[None] | None = None
        try:
            await asyncio.wait({searching}, timeout=after)
            if searching.done():
                return searching.result(), None
            trip = depart(found)
            first = asyncio.create_task(trip.flight.first())
            await asyncio.wait({searching, first}, return_when=asyncio.FIRST_COMPLETED)
            if not searching.done() and trip.flight.brings:
                return replace(found, result=Miss("hedged")), trip
            return await searching, trip
        finally:
            searching.cancel()
            if first is not None:
                first.cancel()

    async def _guarded(self, lookup: Awaitable[Found], place: Place, question: Question) -> Found:
        try:
            return await lookup
        except Exception:  # noqa: BLE001  # the cache never fails a request: a fault of ours is a logged, counted miss
            _log.exception("lookup failed", extra={"key": question.key})
            return Found(Miss("lookup_failed"), place, epoch_known=False)

    def _outcome(self, question: Question, found: Found, seconds: float) -> Outcome:
        result = found.result
        if isinstance(result, Miss) or found.shadow:
            return Outcome(
                Status.MISS,
                "shadow" if found.shadow else result.reason,
                question.key,
                latency_seconds=seconds,
                embed_seconds=found.embed_seconds,
                considered=result.considered,
                shadow=found.shadow,
            )
        entry, now = result.entry, self._clock()
        expires_at = entry.semantic_expires_at if result.tier is Tier.L2 else entry.expires_at
        return Outcome(
            Status.HIT,
            result.reason,
            question.key,
            tier=result.tier,
            entry_id=entry.id,
            similarity=result.similarity,
            age_seconds=max(0.0, now - entry.created_at),
            ttl_seconds=max(0.0, expires_at - now),
            tokens_saved=entry.tokens,
            cost_saved_nanos=entry.cost_nanos,
            latency_seconds=seconds,
            embed_seconds=found.embed_seconds,
            considered=result.considered,
            probability=_probability(result),
        )

    def _depart(
        self, question: Question, found: Found, policy: Policy, caller: Caller, *, streamed: bool
    ) -> tuple[_Flight, bool]:
        place = found.place
        ask = self._ask_streamed if streamed else self._ask_whole

        async def work(flight: _Flight) -> Landed:
            started = time.monotonic()
            async with asyncio.timeout(self._timeout):
                answer = await ask(flight, question, caller)
            answer = replace(answer, made_in_seconds=time.monotonic() - started)
            landed = await self._keep(question, answer, found, policy)
            for follower in self._followers:
                follower.answered(question, found, answer, landed.entry, caller)
            return landed

        key = (place.tenant, place.namespace, place.epoch, question.key, question.credential)
        return self._flights.join(key, work)

    async def _ask_whole(self, _flight: _Flight, question: Question, caller: Caller) -> Answer:
        return await self._upstream.generate(question, caller=caller)

    async def _ask_streamed(self, flight: _Flight, question: Question, caller: Caller) -> Answer:
        assembler = self._assembler()
        async with aclosing(self._upstream.stream(question, caller=caller)) as batches:
            async for batch in batches:
                flight.publish(batch)
                assembler.add(batch)
        return assembler.finish()

    async def _keep(self, question: Question, answer: Answer, found: Found, policy: Policy) -> Landed:
        """Store the answer if the gates allow it."""
        refusal = gates.refusal(question, answer, policy) or ("" if found.epoch_known else "redis_unavailable")
        if refusal:
            self._stats.refused(refusal)
            return Landed(answer)
        entry = await self._writer.accept(
            question, answer, found.place, policy, embedding=found.embedding, exact_only=found.exact_only
        )
        if entry is None:
            return Landed(answer)
        self._stats.stored(found.place.tenant)
        return Landed(answer, entry)


async def _told(flight: _Flight) -> AsyncGenerator[bytes | list[Batch], None]:
    """A flight's batches as they come; its whole answer when the call was for a whole one."""
    streamed = False
    async with aclosing(flight.batches()) as arriving:
        async for batches in arriving:
            streamed = True
            yield batches
    if not streamed:
        yield (await flight.result()).answer.payload


def _probability(hit: Hit) -> float | None:
    """That the answer is right, where the decision said so."""
    return next((one.probability for one in hit.considered if one.entry_id == hit.entry.id), None)


def _landed(outcome: Outcome, trip: _Trip, landed: Landed) -> Outcome:
    return replace(
        outcome,
        stored=landed.entry is not None,
        entry_id=landed.entry.id if landed.entry is not None else "",
        collapsed=not trip.leads,
        shared=trip.leads and trip.flight.joined > 0,
    )


def _as_asked(outcome: Outcome, question: Question, policy: Policy) -> Outcome:
    """The outcome of a request that bypasses the cache, or only watches it."""
    if question.uncacheable_reason or policy.skip:
        return replace(outcome, status=Status.BYPASS)
    if policy.passthrough:
        return replace(
            outcome, status=Status.BYPASS, reason=f"passthrough_{outcome.reason}", tokens_saved=0, cost_saved_nanos=0
        )
    return outcome


def _may_share(question: Question, policy: Policy) -> bool:
    """Whether the answer may be stored, and shared with others who ask the same at the same time."""
    return not (question.uncacheable_reason or policy.skip or policy.no_store or policy.passthrough or policy.preview)
