"""The embed service as the cache's embedder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synapse.embed.v1.embed_pb2 import EmbedRequest, ListModelsRequest
from synapse.embed.v1.embed_pb2_grpc import EmbedServiceStub
from synapse_cache.model import Embedding
from synapse_cache.ports import StoreUnavailable
from synapse_runtime.call import new_request_id
from synapse_runtime.channel import CallMetadata, own_errors
from synapse_runtime.errors import SynapseError
from synapse_runtime.identity import Identity, Role

if TYPE_CHECKING:
    import grpc

_SELF = Identity(tenant="", subject="cache", role=Role.OPERATOR)


class GrpcEmbedder:
    """Asks the embed service over `channel`; the caller's budget bounds each call, `timeout_seconds` the longest."""

    def __init__(self, channel: grpc.aio.Channel, metadata: CallMetadata, *, timeout_seconds: float) -> None:
        self._stub = EmbedServiceStub(channel)
        self._metadata = metadata
        self._timeout = timeout_seconds

    async def embed(self, text: str) -> Embedding:
        """The vector of `text`."""
        request = EmbedRequest(inputs=(text,), truncate=True)
        try:
            with own_errors():
                reply = await self._stub.Embed(
                    request, timeout=self._timeout, metadata=self._metadata.of(_SELF, new_request_id())
                )
        except SynapseError as error:
            raise StoreUnavailable(f"embed: {error.reason}: {error.message}") from error
        if len(reply.embeddings) != 1:
            raise StoreUnavailable(f"embed: {len(reply.embeddings)} vectors for one text")
        found = reply.embeddings[0]
        vector = np.array(found.values, dtype=np.float32)
        return Embedding(vector, reply.fingerprint, found.truncated)

    async def describe(self) -> tuple[str, int]:
        """Fingerprint and dimension of the default model's vector space."""
        try:
            with own_errors():
                reply = await self._stub.ListModels(
                    ListModelsRequest(), timeout=self._timeout, metadata=self._metadata.of(_SELF, new_request_id())
                )
        except SynapseError as error:
            raise StoreUnavailable(f"embed: {error.reason}: {error.message}") from error
        if not reply.models:
            raise StoreUnavailable("embed: no model is served")
        return reply.models[0].fingerprint, reply.models[0].dimension
