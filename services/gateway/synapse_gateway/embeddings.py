"""The embeddings endpoint: texts to vectors, in OpenAI's form."""

from __future__ import annotations

import base64
import sys
import time
from array import array
from collections.abc import Callable
from typing import Any

import orjson

from synapse.embed.v1 import embed_pb2
from synapse_gateway.body import read_object
from synapse_gateway.exchange import Exchange
from synapse_gateway.metrics import Metrics
from synapse_gateway.openai.content import required_text
from synapse_gateway.ports import Mesh
from synapse_gateway.presence import Presence
from synapse_gateway.problems import invalid, missing, wrong_type

_MAX_DIMENSIONS = 65_536


class Embeddings:
    """Answers `/v1/embeddings`."""

    route = "embeddings"

    def __init__(self, mesh: Mesh, metrics: Metrics, *, max_body_bytes: int) -> None:
        self._mesh = mesh
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        body = read_object(await exchange.body(self._max_body_bytes))
        request, write = _request(body), _writer(body)
        exchange.known_account.require_model(request.model)
        began = time.perf_counter()
        with Presence(exchange):
            response = await self._mesh.embed(request, exchange.caller)
        self._metrics.embedding(time.perf_counter() - began)
        exchange.known_account.meter.used(response.token_count, time.monotonic())
        headers = [(b"x-synapse-cached-inputs", b"%d" % response.cached_count)]
        if truncated := sum(embedding.truncated for embedding in response.embeddings):
            headers.append((b"x-synapse-truncated-inputs", b"%d" % truncated))
        await exchange.reply_json(_answer(response, write), headers)


def _request(body: dict[str, Any]) -> embed_pb2.EmbedRequest:
    request = embed_pb2.EmbedRequest(model=required_text(body, "model", ""), inputs=_inputs(body.get("input")))
    dimensions = body.get("dimensions")
    if dimensions is not None:
        if not isinstance(dimensions, int) or isinstance(dimensions, bool):
            raise wrong_type("dimensions", "an integer", dimensions)
        if not 1 <= dimensions <= _MAX_DIMENSIONS:
            raise invalid(f"'dimensions' must be from 1 to {_MAX_DIMENSIONS}.", "dimensions")
        request.dimensions = dimensions
    return request


def _inputs(value: Any) -> list[str]:
    if value is None:
        raise missing("input")
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list):
        raise wrong_type("input", "a string or an array of strings", value)
    if not texts:
        raise invalid("'input' must not be an empty array.", "input", "empty_array")
    for number, text in enumerate(texts):
        if isinstance(text, int | list):
            raise invalid("Arrays of tokens are not supported: give 'input' as text.", "input", "unsupported_value")
        if not isinstance(text, str):
            raise wrong_type(f"input[{number}]", "a string", text)
        if not text:
            raise invalid("'input' must not hold an empty string.", "input" if text is value else f"input[{number}]")
    return texts


def _writer(body: dict[str, Any]) -> Callable[[embed_pb2.Embedding], object]:
    """How a vector is written: `encoding_format` is "float" (the default) or "base64"."""
    wanted = body.get("encoding_format")
    writer = _WRITERS.get(wanted) if wanted is None or isinstance(wanted, str) else None
    if writer is None:
        raise invalid("'encoding_format' must be 'float' or 'base64'.", "encoding_format")
    return writer


def _answer(response: embed_pb2.EmbedResponse, write: Callable[[embed_pb2.Embedding], object]) -> bytes:
    data = [
        {"object": "embedding", "index": index, "embedding": write(embedding)}
        for index, embedding in enumerate(response.embeddings)
    ]
    usage = {"prompt_tokens": response.token_count, "total_tokens": response.token_count}
    return orjson.dumps({"object": "list", "data": data, "model": response.model, "usage": usage})


def _floats(embedding: embed_pb2.Embedding) -> object:
    return list(embedding.values)


def _base64(embedding: embed_pb2.Embedding) -> object:
    values = array("f", embedding.values)
    if sys.byteorder == "big":
        values.byteswap()
    return base64.b64encode(values.tobytes()).decode()


_WRITERS: dict[str | None, Callable[[embed_pb2.Embedding], object]] = {
    None: _floats,
    "float": _floats,
    "base64": _base64,
}
