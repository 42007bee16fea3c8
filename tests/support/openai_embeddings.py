"""A double of a backend of the OpenAI embeddings API, with the bundled model behind it, and of the rerank API beside it.

async with embeddings_double() as double:
    double.served.long = "refuse"
    ... requests to double.url ...
"""

from __future__ import annotations

import asyncio
import base64
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tests.support import minilm_texts
from tests.support.http_double import HttpDouble, Received, listening


class _RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Served:
    """What the backend does; the defaults are those of one that cuts silently, as Ollama does."""

    model: str = "all-minilm"
    told_model: str = ""
    """The model that answers name; empty names the one asked for."""
    long: Literal["cut", "refuse"] = "cut"
    usage: bool = True
    backwards: bool = False
    """Whether `data` comes in the reverse order, which `index` allows."""
    length: float = 1.0
    """Length of the vectors."""
    most_texts: int = 2048
    data: list[Any] | None = None
    """`data` in place of the right one."""
    members: set[str] = field(default_factory=lambda: {"model", "input", "encoding_format", "dimensions"})
    """Members of the body that are known; others are refused."""


class EmbeddingsDouble(HttpDouble):
    """POST /v1/embeddings and /v1/rerank."""

    def __init__(self) -> None:
        super().__init__()
        self.served = Served()

    @property
    def asked(self) -> list[list[str]]:
        """The inputs of each request to embed."""
        return [request.body["input"] for request in self.requests if request.path == "/v1/embeddings"]

    async def _answer(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        status = self.behaviour.status
        if status != 200:
            return await self._plain(writer, _error("out of order"), status=status)
        try:
            answer = self._ranked(request.body) if request.path == "/v1/rerank" else self._embedded(request.body)
        except _RefusedError as refused:
            return await self._plain(writer, _error(str(refused)), status=refused.status)
        return await self._plain(writer, answer)

    def _check_model(self, body: Any) -> None:
        if body["model"] != self.served.model:
            raise _RefusedError(404, f"model {body['model']!r} not found")

    def _read(self, body: Any) -> list[minilm_texts.Read]:
        self._check_model(body)
        strange = sorted(body.keys() - self.served.members)
        if strange:
            raise _RefusedError(400, f"unknown member {strange[0]}")
        if len(body["input"]) > self.served.most_texts:
            raise _RefusedError(400, "too many inputs")
        read = [minilm_texts.read(text) for text in body["input"]]
        if self.served.long == "refuse" and any(one.too_long for one in read):
            raise _RefusedError(400, f"This model's maximum context length is {minilm_texts.WINDOW} tokens.")
        return read

    def _embedded(self, body: Any) -> dict[str, Any]:
        served, read = self.served, self._read(body)
        rows = [_shortened(one.vector, body.get("dimensions")) * np.float32(served.length) for one in read]
        coded = body.get("encoding_format") == "base64"
        data: list[Any] = [
            {"object": "embedding", "index": index, "embedding": _base64(row) if coded else row.tolist()}
            for index, row in enumerate(rows)
        ]
        answer: dict[str, Any] = {"object": "list", "model": served.told_model or served.model}
        answer["data"] = served.data if served.data is not None else data[:: -1 if served.backwards else 1]
        if served.usage:
            tokens = sum(one.tokens for one in read)
            answer["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
        return answer

    def _ranked(self, body: Any) -> dict[str, Any]:
        self._check_model(body)
        query, documents = body["query"], body["documents"]
        tokens = sum(minilm_texts.read(text).tokens for text in (query, *documents))
        results: list[dict[str, Any]] = [
            {"index": index, "document": {"text": text}, "relevance_score": minilm_texts.cosine(query, text)}
            for index, text in enumerate(documents)
        ]
        results.sort(key=lambda one: -one["relevance_score"])
        return {"id": "rerank-1", "model": body["model"], "usage": {"total_tokens": tokens}, "results": results}


def embeddings_double() -> AbstractAsyncContextManager[EmbeddingsDouble]:
    """A double on a free port of 127.0.0.1."""
    return listening(EmbeddingsDouble())


def _shortened(row: NDArray[np.float32], dimensions: int | None) -> NDArray[np.float32]:
    head = row[: dimensions or len(row)]
    return np.asarray(head / np.linalg.norm(head), np.float32)


def _base64(row: NDArray[np.float32]) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode()


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}
