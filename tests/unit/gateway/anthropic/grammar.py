"""The grammar of Anthropic's streams, checked event by event, and the SDK's own way to put one together."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from anthropic.lib.streaming._messages import accumulate_event

Events = list[dict[str, Any]]
_DELTAS = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
}


def events_of(body: bytes) -> Events:
    """The data of each event; its name and type must agree."""
    parts = body.decode().split("\n\n")
    assert parts.pop() == ""
    found = []
    for part in parts:
        name, data = part.split("\n")
        value = json.loads(data.removeprefix("data: "))
        assert name == f"event: {value['type']}"
        found.append(value)
    return found


def check(events: Iterable[dict[str, Any]]) -> None:
    """Fail unless the events are one whole message: its start, blocks one behind the other, its delta, its stop."""
    first, *middle, told, last = [event for event in events if event["type"] != "ping"]
    assert first["type"] == "message_start"
    assert (first["message"]["content"], first["message"]["stop_reason"]) == ([], None)
    open_block: str | None = None
    count = 0
    for event in middle:
        assert event["index"] == count
        if event["type"] == "content_block_start":
            assert open_block is None
            open_block = event["content_block"]["type"]
        elif event["type"] == "content_block_delta":
            assert event["delta"]["type"] in _DELTAS[open_block or ""]
        else:
            assert event["type"] == "content_block_stop"
            assert open_block is not None
            open_block, count = None, count + 1
    assert open_block is None
    assert told["type"] == "message_delta"
    assert told["delta"]["stop_reason"]
    assert "output_tokens" in told["usage"]
    assert last == {"type": "message_stop"}


def accumulated(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The message that the SDK makes of the events."""
    message: Any = None
    buffers: dict[int, bytes] = {}
    for event in events:
        message = accumulate_event(event=event, current_snapshot=message, json_bufs=buffers)  # type: ignore[arg-type]
    made: dict[str, Any] = message.to_dict()
    return made


def without_nulls(value: Any) -> Any:
    """A value without members that are null, which mean the same as none."""
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    return [without_nulls(member) for member in value] if isinstance(value, list) else value


def streamed(message: dict[str, Any]) -> Events:
    """The events in which Anthropic tells a message, a few characters at a time."""
    counts = message["usage"]
    start = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    made: Events = [{"type": "message_start", "message": {**start, "usage": {**counts, "output_tokens": 1}}}]
    for index, block in enumerate(message["content"]):
        opening, deltas = _told(block)
        made.append({"type": "content_block_start", "index": index, "content_block": opening})
        made += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        made.append({"type": "content_block_stop", "index": index})
    ended = {name: message[name] for name in ("stop_reason", "stop_sequence")}
    made.append({"type": "message_delta", "delta": ended, "usage": {"output_tokens": counts["output_tokens"]}})
    return [*made, {"type": "message_stop"}]


def _told(block: dict[str, Any]) -> tuple[dict[str, Any], Events]:
    kind = block["type"]
    if kind == "text":
        cited = [{"type": "citations_delta", "citation": citation} for citation in block.get("citations") or ()]
        opening = {**block, "text": ""} | ({"citations": []} if cited else {})
        return opening, [*cited, *_pieces("text_delta", "text", block["text"])]
    if kind == "thinking":
        signed = {"type": "signature_delta", "signature": block["signature"]}
        opening = {**block, "thinking": "", "signature": ""}
        return opening, [*_pieces("thinking_delta", "thinking", block["thinking"]), signed]
    if kind == "tool_use":
        return {**block, "input": {}}, _pieces("input_json_delta", "partial_json", json.dumps(block["input"]))
    return block, []


def _pieces(kind: str, name: str, text: str) -> Events:
    return [{"type": kind, name: text[start : start + 3]} for start in range(0, len(text), 3)]
