"""What the gateway needs of the mesh behind it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from synapse_runtime.identity import Identity

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.message import Message

    from synapse.cache.v1 import cache_pb2
    from synapse.embed.v1 import embed_pb2
    from synapse.router.v1 import router_pb2


@dataclass(frozen=True, slots=True)
class Caller:
    """For whom a call is made, and under which id and trace."""

    identity: Identity
    request_id: str
    traceparent: str | None = None


class Mesh(Protocol):
    """The services behind the gateway. Every call is bounded in time and raises errors of the runtime's tree."""

    async def generate(self, request: cache_pb2.GenerateRequest, caller: Caller) -> cache_pb2.GenerateResponse:
        """A whole answer from the cache service; cancelling the task cancels the call."""
        ...

    def stream_generate(
        self, request: cache_pb2.StreamGenerateRequest, caller: Caller
    ) -> AsyncGenerator[cache_pb2.StreamGenerateResponse, None]:
        """A streamed answer from the cache service; closing the generator cancels the call."""
        ...

    async def embed(self, request: embed_pb2.EmbedRequest, caller: Caller) -> embed_pb2.EmbedResponse:
        """Vectors from the embed service."""
        ...

    async def rerank(self, request: embed_pb2.RerankRequest, caller: Caller) -> embed_pb2.RerankResponse:
        """Documents in the order in which they answer a query, from the embed service."""
        ...

    async def count_tokens(
        self, request: router_pb2.CountTokensRequest, caller: Caller
    ) -> router_pb2.CountTokensResponse:
        """How many tokens a prompt has, from the router service."""
        ...

    async def models(self, caller: Caller) -> router_pb2.ListModelsResponse:
        """The models of the backends."""
        ...

    async def embed_models(self, caller: Caller) -> embed_pb2.ListModelsResponse:
        """The models of the embed service."""
        ...

    async def invoke(self, method: MethodDescriptor, request: Message, caller: Caller) -> Message:
        """The reply of any unary method."""
        ...

    def invoke_streamed(
        self, method: MethodDescriptor, request: Message, caller: Caller
    ) -> AsyncGenerator[Message, None]:
        """The replies of any server-streamed method."""
        ...

    async def invoke_fed(self, method: MethodDescriptor, requests: AsyncIterator[Message], caller: Caller) -> Message:
        """The reply of any client-streamed method to `requests`, which are read as fast as it takes them."""
        ...

    async def ready(self) -> bool:
        """Whether the cache service says that it serves."""
        ...
