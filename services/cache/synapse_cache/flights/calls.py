"""Calls to the backends: shared by all who ask the same meanwhile, and stored if the gates allow it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from synapse_cache import gates, telemetry
from synapse_cache.flights.coalescing import Coalescing
from synapse_cache.flights.flight import Flight, SingleFlight
from synapse_cache.flights.sharing import Leading, Waited
from synapse_cache.model import Answer, CallKey, Finish
from synapse_cache.ports import Batch, StoreUnavailable
from synapse_runtime.errors import Unavailable

if TYPE_CHECKING:
    from synapse_cache.flights.sharing import Sharing
    from synapse_cache.followers import Follower
    from synapse_cache.lookup import Found
    from synapse_cache.model import Caller, Entry, Policy, Question
    from synapse_cache.ports import Assembler, Upstream
    from synapse_cache.stats import Stats
    from synapse_cache.writer import Writer

CallFlight: TypeAlias = "Flight[Batch, Landed]"


@dataclass(frozen=True, slots=True)
class Landed:
    """What a backend call brought: the answer, and the entry made of it when it was stored.

    `elsewhere` says that another replica made the call.
    """

    answer: Answer
    entry: Entry | None = None
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Trip:
    """A place aboard a flight: whether this request began it, whether its answer may be stored, and since when."""

    flight: CallFlight
    leads: bool
    stores: bool
    since: float


class Calls:
    """The backend calls under way, each at most `timeout_seconds` long; with `sharing` between replicas, too."""

    def __init__(
        self,
        upstream: Upstream,
        writer: Writer,
        stats: Stats,
        *,
        followers: Sequence[Follower] = (),
        assembler: Callable[[], Assembler],
        timeout_seconds: float,
        sharing: Sharing | None = None,
    ) -> None:
        self._upstream = upstream
        self._writer = writer
        self._stats = stats
        self._followers = tuple(followers)
        self._assembler = assembler
        self._timeout = timeout_seconds
        self._sharing = sharing
        self._flights: SingleFlight[CallKey, Batch, Landed] = SingleFlight()
        self.counts = Coalescing()

    def depart(self, question: Question, found: Found, policy: Policy, caller: Caller, *, streamed: bool) -> Trip:
        """A place aboard the call that answers `question`, begun when there is none; go `aboard` before any await."""
        call = CallKey(found.place, question.key, question.credential)

        async def work(flight: CallFlight) -> Landed:
            turn = await self._turn(call, question, found, streamed=streamed)
            counts = self.counts.of(caller.tenant)
            if isinstance(turn, Waited) and turn.entry is not None:
                telemetry.turn("followed")
                self._stats.collapsed(caller.tenant)
                counts.joined_elsewhere += 1
                return Landed(_answer_of(turn.entry), turn.entry, elsewhere=True)
            telemetry.turn("led" if isinstance(turn, Leading) else "alone")
            counts.replaced += isinstance(turn, Waited) or (turn is not None and turn.replaces)
            counts.started += 1
            telemetry.calls_in_flight(1)
            entry, unshared = None, True
            try:
                landed = await self._ask(flight, question, found, policy, caller, streamed=streamed)
                entry, unshared = landed.entry, landed.entry is None
            except asyncio.CancelledError:  # everybody here left: that says nothing about the answer
                unshared = False
                raise
            finally:
                telemetry.calls_in_flight(-1)
                if isinstance(turn, Leading) and self._sharing is not None:
                    self._sharing.let_go(turn, entry, unshared=unshared)
            return landed

        flight, leads = self._flights.join(call, work)
        stores = found.epoch_known and not question.life.over_at_once
        return Trip(flight, leads, stores, time.monotonic())

    def joined(self, tenant: str) -> None:
        """Count a request that joined another's call here."""
        self._stats.collapsed(tenant)
        self.counts.of(tenant).joined += 1

    def arrived(self, trip: Trip, tenant: str) -> None:
        """Note how long a request waited for another's call until that brought something."""
        brought = trip.flight.brought
        if not trip.leads or (brought is not None and brought.elsewhere):
            counts = self.counts.of(tenant)
            counts.longest_wait_seconds = max(counts.longest_wait_seconds, time.monotonic() - trip.since)

    def under_way(self, tenant: str | None) -> tuple[int, int]:
        """How many calls of a tenant or of all are under way here, and how many requests wait for them."""
        return self._flights.waiting(_of(tenant))

    async def flush_everywhere(self, tenant: str | None) -> int:
        """As `flush`, and on every other replica, too; raises Unavailable when those cannot be told."""
        flushed = self.flush(tenant)
        if self._sharing is not None:
            try:
                await self._sharing.tell_flush(tenant)
            except StoreUnavailable as error:
                message = f"other replicas cannot be told: {error}"
                raise Unavailable(message, reason="STORE_UNAVAILABLE", retry_after_seconds=1) from error
        return flushed

    def flush(self, tenant: str | None) -> int:
        """Let nobody join a call of a tenant, or of all, that is under way here; returns how many those are."""
        flushed = self._flights.close(_of(tenant))
        if self._sharing is not None:
            self._sharing.flush(_of(tenant))
        return flushed

    async def _turn(
        self, call: CallKey, question: Question, found: Found, *, streamed: bool
    ) -> Leading | Waited | None:
        """Whose turn it is; each replica's own where it is known that nothing will be stored for others to find."""
        if self._sharing is None or not found.epoch_known or question.life.over_at_once:
            return None
        return await self._sharing.turn(call, found, streamed=streamed)

    async def _ask(
        self,
        flight: CallFlight,
        question: Question,
        found: Found,
        policy: Policy,
        caller: Caller,
        *,
        streamed: bool,
    ) -> Landed:
        """Ask a backend, and store what it says."""
        ask = self._ask_streamed if streamed else self._ask_whole
        started = time.monotonic()
        async with asyncio.timeout(self._timeout):
            answer = await ask(flight, question, caller)
        answer = replace(answer, made_in_seconds=time.monotonic() - started)
        landed = await self._keep(question, answer, found, policy)
        for follower in self._followers:
            follower.answered(question, found, answer, landed.entry, caller)
        return landed

    async def _ask_whole(self, _flight: CallFlight, question: Question, caller: Caller) -> Answer:
        return await self._upstream.generate(question, caller=caller)

    async def _ask_streamed(self, flight: CallFlight, question: Question, caller: Caller) -> Answer:
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


async def told(flight: CallFlight) -> AsyncGenerator[bytes | list[Batch], None]:
    """A flight's batches as they come; its whole answer when the call was for a whole one."""
    streamed = False
    async with aclosing(flight.batches()) as arriving:
        async for batches in arriving:
            streamed = True
            yield batches
    if not streamed:
        yield (await flight.result()).answer.payload


def _answer_of(entry: Entry) -> Answer:
    """What a backend said to another replica."""
    return Answer(
        entry.answer,
        finishes=(Finish.STOP,),
        empty=False,
        tokens=entry.tokens,
        cost_nanos=entry.cost_nanos,
        made_in_seconds=entry.made_in_seconds,
    )


def _of(tenant: str | None) -> Callable[[CallKey], bool]:
    return lambda call: tenant is None or call.place.tenant == tenant
