"""The embed service as the cache's embedder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from synapse.embed.v1.embed_pb2 import EmbedRequest, ListModelsRequest
from synapse.embed.v1.embed_pb2_grpc import EmbedServiceStub
from synapse_cache.model import Embedding
from synapse_cache.ports import StoreUnavailable
from synapse_cache.reembedding.reembedding import Space
from synapse_runtime.call import new_request_id
from synapse_runtime.channel import CallMetadata, own_errors
from synapse_runtime.errors import SynapseError
from synapse_runtime.identity import Identity, Role

if TYPE_CHECKING:
    import grpc

_SELF = Identity(tenant="", subject="cache", role=Role.OPERATOR)


class GrpcEmbedder:
    """Asks the embed service over `channel`; the caller's budget bounds each call, `timeout_seconds` the longest.

    `model` is one that the service lists; empty means its default one.
    """

    def __init__(
        self, channel: grpc.aio.Channel, metadata: CallMetadata, *, timeout_seconds: float, model: str = ""
    ) -> None:
        self._model = model
        self._stub = EmbedServiceStub(channel)
        self._metadata = metadata
        self._timeout = timeout_seconds

    async def embed(self, text: str) -> Embedding:
        """The vector of `text`."""
        request = EmbedRequest(model=self._model, inputs=(text,), truncate=True)
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
        """Fingerprint and dimension of the model's vector space."""
        served = await self.served()
        for space, aliases in served:
            if self._model in {"", space.model, *aliases}:
                return space.fingerprint, space.dimension
        raise StoreUnavailable(f"embed: {self._model or 'no model'} is not served")

    async def served(self) -> list[tuple[Space, tuple[str, ...]]]:
        """The models that answer, the default one first, each with its other names."""
        try:
            with own_errors():
                reply = await self._stub.ListModels(
                    ListModelsRequest(), timeout=self._timeout, metadata=self._metadata.of(_SELF, new_request_id())
                )
        except SynapseError as error:
            raise StoreUnavailable(f"embed: {error.reason}: {error.message}") from error
        return [(Space(one.id, one.fingerprint, one.dimension), tuple(one.aliases)) for one in reply.models]


class GrpcEmbedders:
    """Embedders of one embed service."""

    def __init__(self, channel: grpc.aio.Channel, metadata: CallMetadata, *, timeout_seconds: float) -> None:
        self._make = partial(GrpcEmbedder, channel, metadata, timeout_seconds=timeout_seconds)

    def of(self, model: str) -> GrpcEmbedder:
        """As in Embedders."""
        return self._make(model=model)

    async def served(self) -> list[tuple[Space, tuple[str, ...]]]:
        """As in Embedders."""
        return await self.of("").served()
