"""TEI's gRPC, which the -grpc images serve: one text a call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import grpc

from synapse_embed.adapters.http_client import invalid
from synapse_embed.adapters.tei.wire import BUSY_SECONDS, Info, Numbers, Refused
from synapse_embed.errors import BackendMisfit, EncoderDown, EncoderFailed, Overloaded, TooSlow
from synapse_runtime import errors
from synapse_runtime.channel import open_channel, own_errors
from tei.v1 import tei_pb2, tei_pb2_grpc

_KINDS = {
    tei_pb2.MODEL_TYPE_EMBEDDING: "embedding",
    tei_pb2.MODEL_TYPE_RERANKER: "reranker",
    tei_pb2.MODEL_TYPE_CLASSIFIER: "classifier",
}


class GrpcWire:
    """A Wire over gRPC to `target` (host:port), without TLS; calls are bounded by `call_seconds`."""

    whole_batches = False

    def __init__(self, target: str, *, api_key: str, call_seconds: float) -> None:
        self._channel = open_channel(target, retries=False)
        self._info = tei_pb2_grpc.InfoStub(self._channel)
        self._embed = tei_pb2_grpc.EmbedStub(self._channel)
        self._rerank = tei_pb2_grpc.RerankStub(self._channel)
        self._metadata = (("authorization", f"Bearer {api_key}"),) if api_key else ()
        self._seconds = call_seconds
        self.connections = 0
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """See Wire."""
        self._watching.cancel()
        await asyncio.wait([self._watching])
        await self._channel.close(None)

    async def info(self) -> Info:
        """See Wire."""
        with _embed_errors():
            told = await self._info.Info(tei_pb2.InfoRequest(), timeout=self._seconds, metadata=self._metadata)
        return Info(
            model_id=told.model_id,
            model_sha=told.model_sha,
            dtype=told.model_dtype,
            kind=_KINDS.get(told.model_type, str(told.model_type)),
            pooling="",
            max_tokens=told.max_input_length,
            batch_texts=told.max_client_batch_size,
        )

    async def embed(self, texts: Sequence[str], *, truncate: bool) -> Numbers:
        """See Wire; exactly one text."""
        (text,) = texts
        request = tei_pb2.EmbedRequest(inputs=text, truncate=truncate, normalize=True)
        with _embed_errors():
            answer = await self._embed.Embed(request, timeout=self._seconds, metadata=self._metadata)
        return Numbers([answer.embeddings], answer.metadata.compute_tokens)

    async def rerank(self, query: str, texts: Sequence[str], *, truncate: bool) -> Numbers:
        """See Wire."""
        request = tei_pb2.RerankRequest(query=query, texts=texts, truncate=truncate)
        with _embed_errors():
            answer = await self._rerank.Rerank(request, timeout=self._seconds, metadata=self._metadata)
        scores = {rank.index: rank.score for rank in answer.ranks}
        if sorted(scores) != list(range(len(texts))):
            raise invalid(f"it does not rank {len(texts)} documents once each")
        return Numbers([scores[index] for index in range(len(texts))], answer.metadata.compute_tokens)

    async def _watch(self) -> None:
        """Count the changes of the connection's state: every new connection is one at least."""
        state = self._channel.get_state(try_to_connect=True)
        while state is not grpc.ChannelConnectivity.SHUTDOWN:
            await self._channel.wait_for_state_change(state)
            state = self._channel.get_state(try_to_connect=True)
            self.connections += 1


@contextmanager
def _embed_errors() -> Iterator[None]:
    """Turn failed calls inside the block into EmbedErrors."""
    try:
        with own_errors():
            yield
    except errors.InvalidArgument as error:
        raise Refused(error.message) from error
    except errors.ResourceExhausted as error:
        message = f"the embedding backend is overloaded: {error.message}"
        raise Overloaded(message, retry_after_seconds=BUSY_SECONDS, reason="EMBED_BACKEND_BUSY") from error
    except errors.Unavailable as error:
        raise EncoderDown(f"the embedding backend cannot be reached: {error.message}") from error
    except errors.DeadlineExceeded as error:
        raise TooSlow("the embedding backend did not answer in time", reason="EMBED_BACKEND_TIMEOUT") from error
    except (errors.Unauthenticated, errors.PermissionDenied, errors.Unimplemented, errors.NotFound) as error:
        raise BackendMisfit(f"the embedding backend does not serve us: {error.message}") from error
    except errors.SynapseError as error:
        raise EncoderFailed(f"the embedding backend failed: {error.message}", reason="EMBED_BACKEND_FAILED") from error
