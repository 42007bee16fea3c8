"""Calls to the backends: shared by all who ask the same meanwhile, and stored if the gates allow it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from synapse_cache import gates
from synapse_cache.flight import Flight, SingleFlight
from synapse_cache.ports import Batch

if TYPE_CHECKING:
    from synapse_cache.followers import Follower
    from synapse_cache.lookup import Found
    from synapse_cache.model import Answer, Caller, Entry, Policy, Question
    from synapse_cache.ports import Assembler, Upstream
    from synapse_cache.stats import Stats
    from synapse_cache.writer import Writer

CallFlight: TypeAlias = "Flight[Batch, Landed]"


@dataclass(frozen=True, slots=True)
class Landed:
    """What a backend call brought: the answer, and the entry made of it when it was stored."""

    answer: Answer
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class Trip:
    """A place aboard a flight: whether this request began it, and whether its answer may be stored."""

    flight: CallFlight
    leads: bool
    stores: bool


class Calls:
    """The backend calls under way, each at most `timeout_seconds` long."""

    def __init__(
        self,
        upstream: Upstream,
        writer: Writer,
        stats: Stats,
        *,
        followers: Sequence[Follower] = (),
        assembler: Callable[[], Assembler],
        timeout_seconds: float,
    ) -> None:
        self._upstream = upstream
        self._writer = writer
        self._stats = stats
        self._followers = tuple(followers)
        self._assembler = assembler
        self._timeout = timeout_seconds
        self._flights: SingleFlight[tuple[object, ...], Batch, Landed] = SingleFlight()

    def depart(self, question: Question, found: Found, policy: Policy, caller: Caller, *, streamed: bool) -> Trip:
        """A place aboard the call that answers `question`, begun when there is none; go `aboard` before any await."""
        place = found.place
        ask = self._ask_streamed if streamed else self._ask_whole

        async def work(flight: CallFlight) -> Landed:
            started = time.monotonic()
            async with asyncio.timeout(self._timeout):
                answer = await ask(flight, question, caller)
            answer = replace(answer, made_in_seconds=time.monotonic() - started)
            landed = await self._keep(question, answer, found, policy)
            for follower in self._followers:
                follower.answered(question, found, answer, landed.entry, caller)
            return landed

        key = (place.tenant, place.namespace, place.epoch, question.key, question.credential)
        flight, leads = self._flights.join(key, work)
        return Trip(flight, leads, found.epoch_known)

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
