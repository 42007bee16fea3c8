"""The read-through cache: a request's life from the question to the stored answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from synapse_cache import gates
from synapse_cache.flight import Flight, SingleFlight
from synapse_cache.lookup import Found
from synapse_cache.model import Answer, Caller, Hit, Miss, NotCached, Outcome, Place, Policy, Question, Status, Tier
from synapse_cache.ports import Batch

if TYPE_CHECKING:
    from synapse_cache.backfill import Backfill
    from synapse_cache.lookup import Lookup
    from synapse_cache.ports import Assembler, Upstream
    from synapse_cache.stats import Stats
    from synapse_cache.writer import Writer

_log = logging.getLogger("synapse.cache")
_Flight: TypeAlias = "Flight[Batch, Landed]"


@dataclass(frozen=True, slots=True)
class Landed:
    """What a backend call brought: the answer, and the id of the entry made of it when it was stored."""

    answer: Answer
    entry_id: str = ""


@dataclass(frozen=True, slots=True)
class Served:
    """A whole answer as served; `answer` is None for a preview that missed."""

    outcome: Outcome
    answer: bytes | None


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
        assembler: Callable[[], Assembler],
        upstream_timeout_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lookup = lookup
        self._writer = writer
        self._backfill = backfill
        self._upstream = upstream
        self._stats = stats
        self._assembler = assembler
        self._timeout = upstream_timeout_seconds
        self._clock = clock
        self._flights: SingleFlight[tuple[object, ...], Batch, Landed] = SingleFlight()

    async def generate(self, question: Question, place: Place, policy: Policy, caller: Caller) -> Served:
        """The whole answer. Raises NotCached where no backend may be asked, and the backend's own errors."""
        outcome, found = await self._begin(question, place, policy, caller)
        if isinstance(found.result, Hit):
            return Served(outcome, found.result.entry.answer)
        if policy.preview:
            return Served(outcome, None)
        if not _may_share(question, policy, outcome):
            answer = await self._upstream.generate(question, caller=caller)
            return Served(outcome, answer.payload)
        flight, leads = self._depart(question, found, policy, caller, streamed=False)
        with flight.aboard():
            landed = await flight.result()
        return Served(self._landed(outcome, flight, landed, leads=leads, caller=caller), landed.answer.payload)

    async def stream(
        self, question: Question, place: Place, policy: Policy, caller: Caller
    ) -> AsyncGenerator[Outcome | bytes | list[Batch], None]:
        """The outcome, then the answer: stored or whole as bytes, else batches as they come. Raises as `generate`."""
        outcome, found = await self._begin(question, place, policy, caller)
        if isinstance(found.result, Hit):
            yield outcome
            yield found.result.entry.answer
        elif policy.preview:
            yield outcome
        elif not _may_share(question, policy, outcome):
            yield outcome
            async with aclosing(self._upstream.stream(question, caller=caller)) as batches:
                async for batch in batches:
                    yield [batch]
        else:
            flight, leads = self._depart(question, found, policy, caller, streamed=True)
            with flight.aboard():
                yield self._departed(outcome, found, caller, leads=leads)
                async with aclosing(_told(flight)) as parts:
                    async for part in parts:
                        yield part

    async def look(self, question: Question, place: Place, policy: Policy) -> tuple[Outcome, bytes | None]:
        """What a request would find, without asking a backend and without counting it."""
        started = time.perf_counter()
        found = await self._lookup.find(question, place, policy)
        outcome = self._outcome(question, found, time.perf_counter() - started)
        return outcome, found.result.entry.answer if isinstance(found.result, Hit) else None

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

    async def _begin(self, question: Question, place: Place, policy: Policy, caller: Caller) -> tuple[Outcome, Found]:
        """Look up unless the cache is bypassed; count; raise NotCached when the caller wants no backend asked."""
        started = time.perf_counter()
        bypass = question.uncacheable_reason or ("skip" if policy.skip else "")
        if bypass:
            found = Found(Miss(bypass), place, epoch_known=False)
            outcome = Outcome(Status.BYPASS, bypass, question.key)
        else:
            found = await self._find(question, place, policy)
            outcome = self._outcome(question, found, time.perf_counter() - started)
        if policy.passthrough and outcome.status is not Status.BYPASS:
            outcome = replace(outcome, status=Status.BYPASS, reason=f"passthrough_{outcome.reason}")
            found = replace(found, result=Miss("passthrough"))
        self._stats.served(caller.tenant, outcome)
        if isinstance(found.result, Hit):
            self._backfill.after(question, found.result)
        elif policy.only_if_cached:
            raise NotCached(outcome)
        return outcome, found

    async def _find(self, question: Question, place: Place, policy: Policy) -> Found:
        try:
            return await self._lookup.find(question, place, policy)
        except Exception:  # noqa: BLE001  # the cache never fails a request: a fault of ours is a miss, with the log and the count
            _log.exception("lookup failed", extra={"key": question.key})
            return Found(Miss("lookup_failed"), place, epoch_known=False)

    def _outcome(self, question: Question, found: Found, seconds: float) -> Outcome:
        result = found.result
        if isinstance(result, Miss):
            return Outcome(
                Status.MISS,
                result.reason,
                question.key,
                latency_seconds=seconds,
                embed_seconds=found.embed_seconds,
                considered=result.considered,
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
            latency_seconds=seconds,
            embed_seconds=found.embed_seconds,
            considered=result.considered,
        )

    def _depart(
        self, question: Question, found: Found, policy: Policy, caller: Caller, *, streamed: bool
    ) -> tuple[_Flight, bool]:
        place = found.place
        ask = self._ask_streamed if streamed else self._ask_whole

        async def work(flight: _Flight) -> Landed:
            async with asyncio.timeout(self._timeout):
                answer = await ask(flight, question, caller)
            return await self._keep(question, answer, found, policy)

        return self._flights.join((place.tenant, place.namespace, place.epoch, question.key), work)

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
        return Landed(answer, entry.id)

    def _departed(self, outcome: Outcome, found: Found, caller: Caller, *, leads: bool) -> Outcome:
        if not leads:
            self._stats.collapsed(caller.tenant)
        return replace(outcome, collapsed=not leads, stored=found.epoch_known)

    def _landed(self, outcome: Outcome, flight: _Flight, landed: Landed, *, leads: bool, caller: Caller) -> Outcome:
        if not leads:
            self._stats.collapsed(caller.tenant)
        return replace(
            outcome,
            stored=bool(landed.entry_id),
            entry_id=landed.entry_id,
            collapsed=not leads,
            shared=leads and flight.joined > 0,
        )


async def _told(flight: _Flight) -> AsyncGenerator[bytes | list[Batch], None]:
    """A flight's batches as they come; its whole answer when the call was for a whole one."""
    streamed = False
    async with aclosing(flight.batches()) as arriving:
        async for batches in arriving:
            streamed = True
            yield batches
    if not streamed:
        yield (await flight.result()).answer.payload


def _may_share(question: Question, policy: Policy, outcome: Outcome) -> bool:
    """Whether the answer may be stored and shared with others who ask the same at the same time."""
    return (
        outcome.status is Status.MISS
        and not question.uncacheable_reason
        and not (policy.skip or policy.no_store or policy.passthrough)
    )
