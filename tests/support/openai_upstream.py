"""A double of a backend on the OpenAI wire.

async with openai_double() as double:
    double.behaviour.status = 429
    ... requests to double.url ...
    assert double.requests[0].body["model"] == "m"
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import orjson

from tests.support.http_double import Behaviour, HttpDouble, Received, listening

__all__ = ["Behaviour", "OpenAIDouble", "Received", "completion_of", "openai_double", "sse"]
WORDS = ["Hello", " there", ",", " how", " are", " you", "?"]
USAGE = {"prompt_tokens": 9, "completion_tokens": len(WORDS), "total_tokens": 9 + len(WORDS)}
CALLS = [
    {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}},
    {"id": "call_2", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}},
]


class OpenAIDouble(HttpDouble):
    """The double: it answers in WORDS, and with tools makes two CALLS at once."""

    async def _answer(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        """Answer as an OpenAI backend does."""
        how = self.behaviour
        if request.path == "/health":
            return await self._plain(writer, {}, status=how.health)
        if request.path.endswith("/models"):
            return await self._plain(writer, {"data": [{"id": name, "created": 1700000000} for name in how.models]})
        status = how.statuses.pop(0) if how.statuses else how.status
        if not how.knows_stream_options and "stream_options" in request.body:
            error = {"error": {"message": "Unrecognized request argument: stream_options", "code": 400}}
            return await self._plain(writer, error, status=400)
        if request.body.get("stream") and status == 200 and how.body is None:
            return await self._stream(writer, how.events if how.events is not None else _events(request.body))
        return await self._plain(writer, completion_of(request.body), status=status)


def openai_double(*, port: int = 0) -> AbstractAsyncContextManager[OpenAIDouble]:
    """A double that listens on 127.0.0.1, by default on a free port."""
    return listening(OpenAIDouble(), port=port)


def sse(value: Any) -> bytes:
    """One event of a stream."""
    return b"data: " + (value if isinstance(value, bytes) else orjson.dumps(value)) + b"\n\n"


def completion_of(body: Any) -> dict[str, Any]:
    """The right whole answer."""
    text = "".join(WORDS)
    calls = {"tool_calls": CALLS} if body.get("tools") else {}
    chat = {"message": {"role": "assistant", "content": text, "refusal": None, **calls}}
    answer = {**(chat if "messages" in body else {"text": text}), "logprobs": None, "finish_reason": _end(body)}
    choices = [{"index": index, **answer} for index in range(body.get("n") or 1)]
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
        calls = [{"tool_calls": [piece]} for piece in _call_pieces()] if body.get("tools") else []
        chunks.extend({**head, "choices": [{"index": index, "delta": delta}]} for delta in calls)
        last: dict[str, Any] = {"delta": {}} if chat else {"text": ""}
        chunks.append({**head, "choices": [{"index": index, **last, "finish_reason": _end(body)}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        chunks.append({**head, "choices": [], "usage": USAGE})
    return [*map(sse, chunks), sse(b"[DONE]")]


def _end(body: Any) -> str:
    return "tool_calls" if body.get("tools") else "stop"


def _call_pieces() -> Iterator[dict[str, Any]]:
    """The pieces of the calls: what each is, then its arguments."""
    for index, call in enumerate(CALLS):
        function: Any = call["function"]
        yield {"index": index, **call, "function": {**function, "arguments": ""}}
        for piece in (function["arguments"][:7], function["arguments"][7:]):
            yield {"index": index, "function": {"arguments": piece}}
