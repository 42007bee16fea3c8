"""A double of a backend on the OpenAI wire.

async with openai_double() as double:
    double.behaviour.status = 429
    ... requests to double.url ...
    assert double.requests[0].body["model"] == "m"
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

import orjson

from tests.support.http_double import Behaviour, HttpDouble, Received, listening

__all__ = ["Behaviour", "OpenAIDouble", "Received", "completion_of", "openai_double", "sse"]
WORDS = ["Hello", " there", ",", " how", " are", " you", "?"]
USAGE = {"prompt_tokens": 9, "completion_tokens": len(WORDS), "total_tokens": 9 + len(WORDS)}


class OpenAIDouble(HttpDouble):
    """The double."""

    async def _answer(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        """Answer as an OpenAI backend does."""
        how = self.behaviour
        if request.path.endswith("/models"):
            return await self._plain(writer, {"data": [{"id": name, "created": 1700000000} for name in how.models]})
        if not how.knows_stream_options and "stream_options" in request.body:
            error = {"error": {"message": "Unrecognized request argument: stream_options", "code": 400}}
            return await self._plain(writer, error, status=400)
        if request.body.get("stream") and how.status == 200 and how.body is None:
            return await self._stream(writer, how.events if how.events is not None else _events(request.body))
        return await self._plain(writer, completion_of(request.body), status=how.status)


def openai_double() -> AbstractAsyncContextManager[OpenAIDouble]:
    """A double that listens on a free port of 127.0.0.1."""
    return listening(OpenAIDouble())


def sse(value: Any) -> bytes:
    """One event of a stream."""
    return b"data: " + (value if isinstance(value, bytes) else orjson.dumps(value)) + b"\n\n"


def completion_of(body: Any) -> dict[str, Any]:
    """The right whole answer."""
    text = "".join(WORDS)
    answer = (
        {"message": {"role": "assistant", "content": text, "refusal": None}} if "messages" in body else {"text": text}
    )
    choices = [{"index": i, **answer, "logprobs": None, "finish_reason": "stop"} for i in range(body.get("n") or 1)]
    kind = "chat.completion" if "messages" in body else "text_completion"
    return {
        "id": "up-1",
        "object": kind,
        "created": 1700000000,
        "model": body["model"],
        "choices": choices,
        "usage": USAGE,
    }


def _events(body: Any) -> list[bytes]:
    chat = "messages" in body
    head = {"id": "up-1", "created": 1700000000, "model": body["model"]}
    head["object"] = "chat.completion.chunk" if chat else "text_completion"
    chunks: list[dict[str, Any]] = []
    for index in range(body.get("n") or 1):
        for word in WORDS:
            piece: dict[str, Any] = {"delta": {"content": word}} if chat else {"text": word}
            chunks.append({**head, "choices": [{"index": index, **piece, "finish_reason": None}]})
        last: dict[str, Any] = {"delta": {}} if chat else {"text": ""}
        chunks.append({**head, "choices": [{"index": index, **last, "finish_reason": "stop"}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        chunks.append({**head, "choices": [], "usage": USAGE})
    return [*map(sse, chunks), sse(b"[DONE]")]
