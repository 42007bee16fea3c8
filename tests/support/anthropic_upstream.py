"""A double of a backend on the wire of Anthropic's Messages.

async with anthropic_double() as double:
    double.behaviour.status = 529
    ... requests to double.url ...
    assert double.requests[0].body["max_tokens"] == 4096
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import parse_qs

import orjson

from tests.support.http_double import HttpDouble, Received, listening

WORDS = ["Hello", " there", ",", " how", " are", " you", "?"]
USAGE = {"input_tokens": 4, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2, "output_tokens": len(WORDS)}
CALLS = [
    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}},
    {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {"city": "Rome"}},
]
THOUGHT = {"type": "thinking", "thinking": "Let me see.", "signature": "EqQBCg=="}
CREATED = "2025-09-29T00:00:00Z"


class AnthropicDouble(HttpDouble):
    """The double: it thinks where it may, and calls the tools that it is given twice at once."""

    counts = True
    """Whether it can count tokens; otherwise the path is unknown."""
    page_length = 1000
    """Most models that it lists on one page."""

    async def _answer(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        """Answer as Anthropic does."""
        how = self.behaviour
        path, _, query = request.path.partition("?")
        if path.endswith("/models"):
            return await self._plain(writer, self._page(parse_qs(query)), status=how.status)
        if path.endswith("/count_tokens"):
            if self.counts:
                return await self._plain(writer, {"input_tokens": 42}, status=how.status)
            return await self._plain(writer, {"detail": "Not Found"}, status=404)
        message = message_of(request.body)
        if request.body.get("stream") and how.status == 200 and how.body is None:
            return await self._stream(writer, how.events if how.events is not None else events_of(message))
        return await self._plain(writer, message, status=how.status)

    def _page(self, query: dict[str, list[str]]) -> dict[str, Any]:
        names = list(self.behaviour.models)
        start = names.index(query["after_id"][0]) + 1 if "after_id" in query else 0
        page = names[start : start + min(self.page_length, int(query.get("limit", ["20"])[0]))]
        listed = [{"type": "model", "id": name, "display_name": name, "created_at": CREATED} for name in page]
        more = start + len(page) < len(names)
        ends = {"first_id": page[0], "last_id": page[-1]} if page else {"first_id": None, "last_id": None}
        return {"data": listed, "has_more": more, **ends}


def anthropic_double() -> AbstractAsyncContextManager[AnthropicDouble]:
    """A double that listens on a free port of 127.0.0.1."""
    return listening(AnthropicDouble())


def sse(event: dict[str, Any]) -> bytes:
    """One event of a stream, under its name."""
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps(event))


def text_event(text: str) -> bytes:
    """More text of the first block."""
    return sse({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})


def begin_text(model: str = "m") -> bytes:
    """The beginning of a message whose first block is text."""
    start = {"type": "message_start", "message": {**message_of({"model": model}), "content": [], "stop_reason": None}}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    return sse(start) + sse(block)


def end_text() -> bytes:
    """The end of a message whose last block is text."""
    delta = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}
    return sse({"type": "content_block_stop", "index": 0}) + sse(delta) + sse({"type": "message_stop"})


def error(kind: str, message: str = "Nein.") -> dict[str, Any]:
    """An error in the form of this wire."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_up"}


def message_of(body: Any) -> dict[str, Any]:
    """The right whole answer."""
    thoughts = [THOUGHT] if (body.get("thinking") or {}).get("type") == "enabled" else []
    calls = CALLS if body.get("tools") else []
    content = [*thoughts, {"type": "text", "text": "".join(WORDS)}, *calls]
    return {
        "id": "msg_up",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": "tool_use" if calls else "end_turn",
        "stop_sequence": None,
        "usage": USAGE,
    }


def events_of(message: dict[str, Any]) -> list[bytes]:
    """The right stream of `message`."""
    begun = {**message, "content": [], "stop_reason": None, "usage": {**USAGE, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, block in enumerate(message["content"]):
        bare, pieces = _told(block)
        events.append({"type": "content_block_start", "index": index, "content_block": bare})
        events += [{"type": "content_block_delta", "index": index, "delta": piece} for piece in pieces]
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    usage = {"output_tokens": USAGE["output_tokens"]}
    return [
        *map(sse, events),
        sse({"type": "message_delta", "delta": delta, "usage": usage}),
        sse({"type": "message_stop"}),
    ]


def _told(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a block says at its start, and the pieces that follow."""
    match block["type"]:
        case "text":
            return {**block, "text": ""}, [{"type": "text_delta", "text": word} for word in WORDS]
        case "thinking":
            thought = {"type": "thinking_delta", "thinking": block["thinking"]}
            signed = {"type": "signature_delta", "signature": block["signature"]}
            return {**block, "thinking": "", "signature": ""}, [thought, signed]
    written = orjson.dumps(block["input"]).decode()
    pieces = ["", written[:7], written[7:]]
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
