"""The gRPC face of the embed service: parse, one call into the domain, reply."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager

from synapse.embed.v1 import embed_pb2
from synapse_embed import errors
from synapse_embed.model import ModelCard, Vector
from synapse_embed.models import Models
from synapse_embed.ranking import Reranker
from synapse_runtime.call import Call
from synapse_runtime.errors import (
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    SynapseError,
    Unavailable,
)

_KINDS: dict[type[errors.EmbedError], type[SynapseError]] = {
    errors.BadRequest: InvalidArgument,
    errors.UnknownModel: NotFound,
    errors.Overloaded: ResourceExhausted,
    errors.TooSlow: DeadlineExceeded,
    errors.EncoderFailed: Internal,
    errors.BackendMisfit: Internal,
    errors.EncoderDown: Unavailable,
}


class EmbedServicer:
    """Serves synapse.embed.v1.EmbedService."""

    def __init__(self, models: Models, reranker: Reranker) -> None:
        self._models = models
        self._reranker = reranker

    async def embed(self, request: embed_pb2.EmbedRequest, call: Call) -> embed_pb2.EmbedResponse:
        """Embed a batch of texts."""
        call.identity.require_model(request.model)
        started = time.perf_counter()
        with _statuses():
            embedder = self._models.of(request.model)  # vectors and fingerprint come from one and the same
            embedded = await embedder.embed(
                list(request.inputs),
                model=request.model,
                truncate=request.truncate if request.HasField("truncate") else None,
                dimensions=request.dimensions if request.HasField("dimensions") else None,
            )
        response = embed_pb2.EmbedResponse(
            embeddings=map(_embedding, embedded.vectors),
            model=embedder.card.id,
            fingerprint=embedder.card.fingerprint,
            token_count=embedded.token_count,
            cached_count=embedded.known_count,
        )
        response.elapsed.FromNanoseconds(int((time.perf_counter() - started) * 1e9))
        return response

    async def list_models(self, _request: embed_pb2.ListModelsRequest, _call: Call) -> embed_pb2.ListModelsResponse:
        """List the models served."""
        with _statuses():
            return embed_pb2.ListModelsResponse(models=[_model(embedder.card) for embedder in self._models.all()])

    async def rerank(self, request: embed_pb2.RerankRequest, call: Call) -> embed_pb2.RerankResponse:
        """Rank documents for a query."""
        call.identity.require_model(request.model)
        started = time.perf_counter()
        with _statuses():
            ranking = await self._reranker.rank(
                request.query,
                list(request.documents),
                model=request.model,
                top_n=request.top_n if request.HasField("top_n") else None,
                truncate=request.truncate if request.HasField("truncate") else None,
            )
            response = embed_pb2.RerankResponse(model=self._reranker.model, token_count=ranking.token_count)
        response.results.extend(embed_pb2.RankedDocument(index=one.index, score=one.score) for one in ranking.results)
        response.elapsed.FromNanoseconds(int((time.perf_counter() - started) * 1e9))
        return response


def _embedding(vector: Vector) -> embed_pb2.Embedding:
    values = array("f", vector.values)
    return embed_pb2.Embedding(values=values, token_count=vector.token_count, truncated=vector.truncated)


def _model(card: ModelCard) -> embed_pb2.EmbedModel:
    return embed_pb2.EmbedModel(
        id=card.id,
        dimension=card.dimension,
        max_tokens=card.max_tokens,
        fingerprint=card.fingerprint,
        aliases=card.aliases,
    )


@contextmanager
def _statuses() -> Iterator[None]:
    """Turn the domain's errors inside the block into the mesh's."""
    try:
        yield
    except errors.EmbedError as error:
        retry_after = error.retry_after_seconds if isinstance(error, errors.Overloaded | errors.EncoderDown) else None
        kind = next(_KINDS[one] for one in type(error).__mro__ if one in _KINDS)
        raise kind(error.message, reason=error.reason, retry_after_seconds=retry_after) from error
