"""RPCs that ask rather than administer: any key may, within the time of a question, and pays for what backends used."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from synapse.cache.v1 import cache_pb2, outcome_pb2
from synapse.embed.v1 import embed_pb2
from synapse.router.v1 import router_pb2
from synapse_gateway import outcome as outcomes
from synapse_gateway.metrics import Metrics
from synapse_gateway.ports import Caller, Mesh

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from synapse_gateway.keys import Account
    from synapse_gateway.transcoding import Binding

ROUTE = "rpc"
"""Name of these requests in the metrics."""
METHODS = frozenset({"Generate", "StreamGenerate", "Embed", "Rerank", "CountTokens"})
_OWN: dict[type[Message], Callable[[Mesh, Any, Caller], Awaitable[Message]]] = {
    cache_pb2.GenerateRequest: lambda mesh, request, caller: mesh.generate(request, caller),
    embed_pb2.EmbedRequest: lambda mesh, request, caller: mesh.embed(request, caller),
    embed_pb2.RerankRequest: lambda mesh, request, caller: mesh.rerank(request, caller),
}
"""Requests for which the mesh has more than a bare call."""


def asks(binding: Binding) -> bool:
    """Whether the RPC asks a model."""
    return binding.rpc.name in METHODS


async def reply(binding: Binding, request: Message, mesh: Mesh, caller: Caller) -> Message:
    """The reply to a request that is not streamed."""
    own = _OWN.get(type(request))
    return await (mesh.invoke(binding.rpc, request, caller) if own is None else own(mesh, request, caller))


def replies(binding: Binding, request: Message, mesh: Mesh, caller: Caller) -> AsyncGenerator[Any, None]:
    """The replies to a request that is streamed."""
    if isinstance(request, cache_pb2.StreamGenerateRequest):
        return mesh.stream_generate(request, caller)
    return mesh.invoke_streamed(binding.rpc, request, caller)


class Bill:
    """What one request costs its key: a hit is free, and a shared call is paid by who began it."""

    def __init__(self, account: Account, metrics: Metrics) -> None:
        self._account = account
        self._metrics = metrics
        self._outcome: outcome_pb2.Outcome | None = None
        self._is_answered = False
        self._tokens = 0

    def note(self, message: Any) -> None:
        """Read what a reply, or one message of it, tells of cost."""
        if isinstance(message, _TELLING) and message.HasField("outcome"):
            self._outcome = message.outcome
        if isinstance(message, _EVENTFUL):
            self._is_answered |= bool(message.events)
            self._tokens = max([self._tokens, *(event.usage.total_tokens for event in message.events)])
        elif isinstance(message, _WHOLE):
            self._is_answered = message.HasField("generation")
            self._tokens = message.generation.usage.total_tokens
        elif isinstance(message, _COUNTED):
            self._tokens = message.token_count

    def charge(self) -> None:
        """Charge what was noted, and count what the cache did unless it was a mere preview."""
        told = self._outcome
        if told is not None and self._is_answered:
            self._metrics.outcome(told)
        if told is None or not (outcomes.is_hit(told) or told.collapsed):
            self._account.meter.used(self._tokens, time.monotonic())

    async def charged(self, messages: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
        """The messages of a stream, charged at their end, whatever ends them."""
        try:
            async with aclosing(messages):
                async for message in messages:
                    self.note(message)
                    yield message
        finally:
            self.charge()


_TELLING = (cache_pb2.GenerateResponse, cache_pb2.StreamGenerateResponse)
_EVENTFUL = (cache_pb2.StreamGenerateResponse, router_pb2.StreamGenerateResponse)
_WHOLE = (cache_pb2.GenerateResponse, router_pb2.GenerateResponse)
_COUNTED = (embed_pb2.EmbedResponse, embed_pb2.RerankResponse)
