"""The llm-router as the cache's way to the backends."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse.router.v1.router_pb2 import GenerateRequest, StreamGenerateRequest
from synapse.router.v1.router_pb2_grpc import RouterServiceStub
from synapse_cache.adapters.answers import answer_of
from synapse_runtime.channel import CallMetadata, own_errors, read_stream
from synapse_runtime.identity import Identity, Role

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import grpc

    from synapse_cache.model import Answer, Caller, Question
    from synapse_cache.ports import Batch


class GrpcUpstream:
    """Asks the llm-router over `channel`, at most `timeout_seconds` a call; its errors pass unchanged."""

    def __init__(self, channel: grpc.aio.Channel, metadata: CallMetadata, *, timeout_seconds: float) -> None:
        self._stub = RouterServiceStub(channel)
        self._metadata = metadata
        self._timeout = timeout_seconds

    async def generate(self, question: Question, *, caller: Caller) -> Answer:
        """Ask and return the whole answer."""
        request = GenerateRequest(request=_request(question))
        with own_errors():
            reply = await self._stub.Generate(request, timeout=self._timeout, metadata=self._of(caller))
        return answer_of(reply.generation)

    async def stream(self, question: Question, *, caller: Caller) -> AsyncGenerator[Batch, None]:
        """Ask and return the answer as it comes."""
        request = StreamGenerateRequest(request=_request(question))
        call = self._stub.StreamGenerate(request, timeout=self._timeout, metadata=self._of(caller))
        async with aclosing(read_stream(call)) as messages:
            async for message in messages:
                if message.events:
                    yield message.events

    def _of(self, caller: Caller) -> tuple[tuple[str, str], ...]:
        identity = Identity(caller.tenant, caller.subject, Role(caller.role))
        return self._metadata.of(identity, caller.request_id, caller.traceparent)


def _request(question: Question) -> GenerationRequest:
    if not isinstance(question.payload, GenerationRequest):
        raise TypeError("a question of another wire")
    return question.payload
