"""A double of Text Embeddings Inference, over HTTP and over gRPC, with the bundled model behind it.

async with tei_http() as double:
    double.served.overloaded = True
    ... requests to double.url ...
async with tei_grpc() as double:
    ... calls to double.target ...
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc

from tei.v1 import tei_pb2, tei_pb2_grpc
from tests.support import minilm_texts
from tests.support.http_double import HttpDouble, Received, listening


class TeiError(Exception):
    """An error by its type, as TEI writes it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class Served:
    """What the server runs, its limits, and the fault switches; the defaults answer properly."""

    model_id: str = "sentence-transformers/all-MiniLM-L6-v2"
    model_sha: str | None = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
    dtype: str = "float32"
    pooling: str = "mean"
    kind: str = "embedding"
    client_batch: int = 32
    dimension: int = 384
    api_key: str = ""
    scale: float = 1.0
    """What the vectors are multiplied with: 0 has no direction, NaN is no number."""
    overloaded: bool = False
    unhealthy: bool = False
    backend_fails: bool = False
    tokenizer_fails: bool = False
    delay_seconds: float = 0.0
    validation_status: int = 422
    """HTTP's status of a validation error: 413 in some versions."""

    def embed(self, text: str, *, truncate: bool) -> tuple[list[float], int]:
        """The vector of a text and its tokens; raises TeiError."""
        self.check()
        if not text:
            raise TeiError("Empty", "`inputs` cannot be empty")
        found = minilm_texts.read(text)
        if found.too_long and not truncate:
            raise TeiError("Validation", f"`inputs` must have less than {minilm_texts.WINDOW} tokens. Given: 999")
        return (found.vector[: self.dimension] * self.scale).tolist(), found.tokens

    def rank(self, query: str, text: str, *, truncate: bool) -> tuple[float, int]:
        """A score between 0 and 1 and the tokens of both; raises TeiError."""
        tokens = self.embed(query, truncate=truncate)[1] + self.embed(text, truncate=truncate)[1]
        return 1 / (1 + math.exp(-4 * minilm_texts.cosine(query, text))), tokens

    def check(self) -> None:
        """Raise the TeiError of the switch that is on."""
        if self.overloaded:
            raise TeiError("Overloaded", "Model is overloaded")
        if self.unhealthy:
            raise TeiError("Unhealthy", "Model is unhealthy")
        if self.backend_fails:
            raise TeiError("Backend", "Inference failed")
        if self.tokenizer_fails:
            raise TeiError("Tokenizer", "Tokenization error")


class TeiHttpDouble(HttpDouble):
    """The HTTP API: /info, /embed, /rerank."""

    def __init__(self) -> None:
        super().__init__()
        self.served = Served()

    def asked(self, path: str) -> list[Any]:
        """The bodies of the requests to `path`."""
        return [request.body for request in self.requests if request.path == path]

    async def _answer(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        served, how = self.served, self.behaviour
        if how.status != 200:
            return await self._plain(writer, {}, status=how.status)
        if served.api_key and request.headers.get("authorization") != f"Bearer {served.api_key}":
            return await self._plain(writer, None, status=401)
        await asyncio.sleep(served.delay_seconds)
        try:
            answer, tokens = self._reply(request)
        except TeiError as error:
            statuses = {"Overloaded": 429, "Unhealthy": 503, "Backend": 424, "Tokenizer": 422, "Empty": 400}
            status = statuses.get(error.kind, served.validation_status)
            return await self._plain(writer, {"error": str(error), "error_type": error.kind}, status=status)
        how.headers["x-compute-tokens"] = str(tokens)
        return await self._plain(writer, answer)

    def _reply(self, request: Received) -> tuple[Any, int]:
        if request.path == "/info":
            return self._info(), 0
        body = request.body
        texts = body["inputs"] if request.path == "/embed" else body["texts"]
        if len(texts) > self.served.client_batch:
            raise TeiError("Validation", f"batch size {len(texts)} > maximum {self.served.client_batch}")
        if request.path == "/embed":
            rows = [self.served.embed(text, truncate=body["truncate"]) for text in texts]
            return [row for row, _ in rows], sum(tokens for _, tokens in rows)
        scores = [self.served.rank(body["query"], text, truncate=body["truncate"]) for text in texts]
        ranks = [{"index": index, "score": score} for index, (score, _) in enumerate(scores)]
        return sorted(ranks, key=lambda rank: -rank["score"]), sum(tokens for _, tokens in scores)

    def _info(self) -> dict[str, Any]:
        served = self.served
        about: dict[str, Any] = (
            {"pooling": served.pooling} if served.kind == "embedding" else {"id2label": {}, "label2id": {}}
        )
        return {
            "model_id": served.model_id,
            "model_sha": served.model_sha,
            "model_dtype": served.dtype,
            "model_type": {served.kind: about},
            "max_concurrent_requests": 512,
            "max_input_length": minilm_texts.WINDOW,
            "max_batch_tokens": 16384,
            "max_batch_requests": None,
            "max_client_batch_size": served.client_batch,
            "auto_truncate": False,
            "tokenization_workers": 2,
            "version": "1.8.0",
            "sha": None,
            "docker_label": None,
        }


class TeiGrpcDouble(tei_pb2_grpc.InfoServicer, tei_pb2_grpc.EmbedServicer, tei_pb2_grpc.RerankServicer):
    """The gRPC of the -grpc images."""

    def __init__(self) -> None:
        self.served = Served()
        self.target = ""
        self.requests: list[Any] = []

    async def Info(self, request: Any, context: Any) -> tei_pb2.InfoResponse:  # noqa: N802  # the service says so
        await self._admit(request, context)
        served = self.served
        return tei_pb2.InfoResponse(
            version="1.8.0",
            model_id=served.model_id,
            model_sha=served.model_sha,
            model_dtype=served.dtype,
            model_type=tei_pb2.ModelType.Value(f"MODEL_TYPE_{served.kind.upper()}"),
            max_concurrent_requests=512,
            max_input_length=minilm_texts.WINDOW,
            max_batch_tokens=16384,
            max_client_batch_size=served.client_batch,
        )

    async def Embed(self, request: Any, context: Any) -> tei_pb2.EmbedResponse:  # noqa: N802  # the service says so
        await self._admit(request, context)
        try:
            row, tokens = self.served.embed(request.inputs, truncate=request.truncate)
        except TeiError as error:
            await _abort(context, error)
        return tei_pb2.EmbedResponse(embeddings=row, metadata=tei_pb2.Metadata(compute_tokens=tokens))

    async def Rerank(self, request: Any, context: Any) -> tei_pb2.RerankResponse:  # noqa: N802  # the service says so
        await self._admit(request, context)
        try:
            scores = [self.served.rank(request.query, text, truncate=request.truncate) for text in request.texts]
        except TeiError as error:
            await _abort(context, error)
        ranks = [tei_pb2.Rank(index=index, score=score) for index, (score, _) in enumerate(scores)]
        ranks.sort(key=lambda rank: -rank.score)
        metadata = tei_pb2.Metadata(compute_tokens=sum(tokens for _, tokens in scores))
        return tei_pb2.RerankResponse(ranks=ranks, metadata=metadata)

    async def _admit(self, request: Any, context: Any) -> None:
        self.requests.append(request)
        if self.served.api_key:
            told = dict(context.invocation_metadata()).get("authorization")
            if told != f"Bearer {self.served.api_key}":
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "No valid auth token")
        await asyncio.sleep(self.served.delay_seconds)


async def _abort(context: Any, error: TeiError) -> NoReturn:
    codes = {
        "Unhealthy": grpc.StatusCode.UNAVAILABLE,
        "Overloaded": grpc.StatusCode.RESOURCE_EXHAUSTED,
        "Validation": grpc.StatusCode.INVALID_ARGUMENT,
        "Empty": grpc.StatusCode.INVALID_ARGUMENT,
    }
    await context.abort(codes.get(error.kind, grpc.StatusCode.FAILED_PRECONDITION), str(error))
    raise AssertionError("abort does not return")


def tei_http() -> AbstractAsyncContextManager[TeiHttpDouble]:
    """A double of the HTTP API on a free port of 127.0.0.1."""
    return listening(TeiHttpDouble())


@asynccontextmanager
async def tei_grpc(*, port: int = 0, served: Served | None = None) -> AsyncIterator[TeiGrpcDouble]:
    """A double of the gRPC on a port of 127.0.0.1."""
    double = TeiGrpcDouble()
    double.served = served or double.served
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    adders: Sequence[Any] = (
        tei_pb2_grpc.add_InfoServicer_to_server,
        tei_pb2_grpc.add_EmbedServicer_to_server,
        tei_pb2_grpc.add_RerankServicer_to_server,
    )
    for add in adders:
        add(double, server)
    double.target = f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    await server.start()
    try:
        yield double
    finally:
        await server.stop(0)
