"""CacheService on the wire: parse, one call of the domain, reply."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse.cache.v1 import cache_pb2 as wire
from synapse.llm.v1.generation_pb2 import Generation
from synapse_cache.adapters import messages
from synapse_cache.adapters.answers import answer_of
from synapse_cache.adapters.questions import QuestionRules, question_of
from synapse_cache.adapters.replay import events_of
from synapse_cache.model import NotCached, Outcome, Status
from synapse_runtime.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from synapse_runtime.identity import Role

if TYPE_CHECKING:
    from synapse_cache.invalidation import Invalidation
    from synapse_cache.model import Place, Policy, Question
    from synapse_cache.read_through import ReadThrough
    from synapse_cache.report import Report
    from synapse_runtime.call import Call


@dataclass(frozen=True)
class CacheRpc:
    """The servicer of CacheService."""

    cache: ReadThrough
    invalidation: Invalidation
    report: Report
    rules: QuestionRules
    embedder: Callable[[], str]

    async def generate(self, request: wire.GenerateRequest, call: Call) -> wire.GenerateResponse:
        """Answer whole."""
        question, place, policy = self._asked(request, call)
        try:
            served = await self.cache.generate(question, place, policy, messages.caller_of(call))
        except NotCached as miss:
            raise _not_cached(miss.outcome) from miss
        reply = wire.GenerateResponse(outcome=messages.outcome_of(served.outcome))
        if served.answer is not None:
            reply.generation.ParseFromString(served.answer)
        call.context.set_trailing_metadata(messages.metadata_of(served.outcome))
        return reply

    async def stream_generate(
        self, request: wire.StreamGenerateRequest, call: Call
    ) -> AsyncGenerator[wire.StreamGenerateResponse, None]:
        """Answer as a stream; the outcome travels with the first events of a hit, and before those of a miss."""
        question, place, policy = self._asked(request, call)
        try:
            async with aclosing(self.cache.stream(question, place, policy, messages.caller_of(call))) as parts:
                reply = wire.StreamGenerateResponse()
                async for part in parts:
                    if isinstance(part, Outcome):
                        call.context.set_trailing_metadata(messages.metadata_of(part))
                        reply.outcome.CopyFrom(messages.outcome_of(part))
                        if part.status is Status.HIT:
                            continue  # its events are here already: one message carries all
                    elif isinstance(part, bytes):
                        reply.events.extend(events_of(Generation.FromString(part)))
                    else:
                        for batch in part:
                            reply.events.extend(batch)
                    yield reply
                    reply = wire.StreamGenerateResponse()
        except NotCached as miss:
            raise _not_cached(miss.outcome) from miss

    async def lookup(self, request: wire.LookupRequest, call: Call) -> wire.LookupResponse:
        """Look up and ask nobody."""
        question, place, policy = self._asked(request, call)
        outcome, answer = await self.cache.look(question, place, policy)
        reply = wire.LookupResponse(outcome=messages.outcome_of(outcome))
        for entry_id, similarity, veto in outcome.considered:
            reply.candidates.add(entry_id=entry_id, similarity=similarity, veto=veto)
        if answer is not None:
            reply.generation.ParseFromString(answer)
        return reply

    async def store(self, request: wire.StoreRequest, call: Call) -> wire.StoreResponse:
        """Store an answer from outside."""
        _require_operator(call)
        question, place, policy = self._asked(request, call)
        if not request.generation.choices:
            raise InvalidArgument("generation has no choices", metadata={"field": "generation"})
        entry_id, refusal = await self.cache.store(question, answer_of(request.generation), place, policy)
        return wire.StoreResponse(stored=not refusal, reason=refusal, entry_id=entry_id, key=question.key)

    async def get_entry(self, request: wire.GetEntryRequest, call: Call) -> wire.GetEntryResponse:
        """Show one entry of the caller's tenant."""
        entry = await self.invalidation.get(call.identity.tenant, request.id)
        if entry is None or max(entry.expires_at, entry.semantic_expires_at) <= time.time():
            raise _no_entry(request.id)
        return wire.GetEntryResponse(entry=messages.entry_of(entry, self.embedder()))

    async def delete_entry(self, request: wire.DeleteEntryRequest, call: Call) -> wire.DeleteEntryResponse:
        """Remove one entry of the caller's tenant."""
        _require_operator(call)
        removed = await self.invalidation.by_id(call.identity.tenant, request.id)
        if not removed:
            raise _no_entry(request.id)
        return wire.DeleteEntryResponse(removed=removed)

    async def invalidate(self, request: wire.InvalidateRequest, call: Call) -> wire.InvalidateResponse:
        """Remove entries of the caller's tenant by id, key or namespace."""
        _require_operator(call)
        if request.id and not (request.key or request.namespace):
            removed = await self.invalidation.by_id(call.identity.tenant, request.id)
        elif request.key and not request.id:
            place = messages.place_of(call, request.namespace)
            removed = await self.invalidation.by_key(place, messages.check_key(request.key))
        elif request.namespace and not request.id:
            removed = await self.invalidation.flush(messages.place_of(call, request.namespace))
        else:
            raise InvalidArgument("give id, or key (in namespace), or namespace", metadata={"field": "id"})
        return wire.InvalidateResponse(removed=removed)

    async def get_stats(self, _request: wire.GetStatsRequest, call: Call) -> wire.GetStatsResponse:
        """Tell what the cache did: over all tenants for an admin."""
        tenant = None if call.identity.role is Role.ADMIN else call.identity.tenant
        return await self.report.stats(tenant)

    def _asked(
        self,
        request: wire.GenerateRequest | wire.StreamGenerateRequest | wire.LookupRequest | wire.StoreRequest,
        call: Call,
    ) -> tuple[Question, Place, Policy]:
        messages.check_request(request.request)
        place = messages.place_of(call, request.control.namespace)
        return question_of(request.request, self.rules), place, messages.policy_of(request.control)


def _require_operator(call: Call) -> None:
    if call.identity.role is Role.VIEWER:
        raise PermissionDenied("changing the cache needs the role operator or admin")


def _not_cached(outcome: Outcome) -> FailedPrecondition:
    return FailedPrecondition(
        f"only-if-cached: there is no stored answer ({outcome.reason})",
        reason="ONLY_IF_CACHED_MISS",
        metadata={"cache_reason": outcome.reason, "key": outcome.key},
    )


def _no_entry(entry_id: str) -> NotFound:
    return NotFound(f"there is no entry {entry_id!r}", reason="ENTRY_NOT_FOUND")
