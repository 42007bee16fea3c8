"""Answering questions: generate, stream, look up, store."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse.cache.v1 import cache_pb2 as wire
from synapse.llm.v1.generation_pb2 import Generation
from synapse_cache.adapters import messages
from synapse_cache.adapters.answers import answer_of
from synapse_cache.adapters.questions import QuestionRules
from synapse_cache.adapters.replay import events_of
from synapse_cache.model import NotCached, Outcome, Status
from synapse_cache.rpc.checks import asked, require_operator
from synapse_runtime.errors import FailedPrecondition, InvalidArgument
from synapse_runtime.identity import Role

if TYPE_CHECKING:
    from synapse_cache.model import Place, Policy, Question
    from synapse_cache.read_through import ReadThrough
    from synapse_runtime.call import Call


@dataclass(frozen=True)
class ServingRpc:
    """The servicer of what answers questions."""

    cache: ReadThrough
    rules: QuestionRules

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
        outcome, answer = await self.cache.look(question, place, policy, messages.caller_of(call))
        reply = wire.LookupResponse(outcome=messages.outcome_of(outcome))
        if call.identity.role is not Role.VIEWER:  # what others asked is for those who run the cache
            reply.candidates.extend(map(messages.candidate_of, outcome.considered))
        if answer is not None:
            reply.generation.ParseFromString(answer)
        return reply

    async def store(self, request: wire.StoreRequest, call: Call) -> wire.StoreResponse:
        """Store an answer from outside."""
        require_operator(call)
        question, place, policy = self._asked(request, call)
        if not request.generation.choices:
            raise InvalidArgument("generation has no choices", metadata={"field": "generation"})
        entry_id, refusal = await self.cache.store(question, answer_of(request.generation), place, policy)
        return wire.StoreResponse(stored=not refusal, reason=refusal, entry_id=entry_id, key=question.key)

    def _asked(
        self,
        request: wire.GenerateRequest | wire.StreamGenerateRequest | wire.LookupRequest | wire.StoreRequest,
        call: Call,
    ) -> tuple[Question, Place, Policy]:
        return asked(request.request, request.control, call, self.rules)


def _not_cached(outcome: Outcome) -> FailedPrecondition:
    return FailedPrecondition(
        f"only-if-cached: there is no stored answer ({outcome.reason})",
        reason="ONLY_IF_CACHED_MISS",
        metadata={"cache_reason": outcome.reason, "key": outcome.key},
    )
