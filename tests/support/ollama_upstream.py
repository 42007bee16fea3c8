"""A double of an Ollama server in its native wire, with the fault switches of http_double.py.

It answers in WORDS. With tools it calls the first of them with ARGUMENTS, with `think` it thinks THOUGHTS before, with
`logprobs` every piece tells its probability, and a model that it does not have is 404.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

import orjson

from tests.support.http_double import HttpDouble, Received, listening

WORDS = ["Hello", " there", ",", " how", " are", " you", "?"]
THOUGHTS = ["Let me", " see."]
ARGUMENTS = {"city": "Ulm", "days": 3}
DAY = "2026-11-23T12:00:00.123456789+01:00"
SECONDS_OF_DAY = 1795431600
END = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 10706818083,
    "load_duration": 6338219291,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 130079000,
    "eval_count": len(WORDS),
    "eval_duration": 4232710000,
}


class OllamaDouble(HttpDouble):
    """The double; `gives_ids` tells whether its tool calls have ids, as those of newer servers have."""

    stream_type = "application/x-ndjson"

    def __init__(self) -> None:
        super().__init__()
        self.behaviour.models = ("m", "llama3.2:latest")
        self.gives_ids = False

    async def _answer(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        how, body = self.behaviour, request.body
        if request.path == "/api/tags":
            models = [{"name": name, "model": name, "modified_at": DAY} for name in how.models]
            return await self._plain(writer, {"models": models}, status=how.status)
        if request.path not in {"/api/chat", "/api/generate"}:
            return await self._plain(writer, {"error": "404 page not found"}, status=404)
        if not {body["model"], f"{body['model']}:latest"} & {*how.models}:
            return await self._plain(writer, {"error": f"model '{body['model']}' not found"}, status=404)
        lines = self._lines(body, chat=request.path == "/api/chat")
        if body.get("stream", True) and how.status == 200 and how.body is None:
            return await self._stream(writer, how.events if how.events is not None else list(map(ndjson, lines)))
        return await self._plain(writer, _joined(lines), status=how.status)

    def _lines(self, body: Any, *, chat: bool) -> list[dict[str, Any]]:
        said = [{"thinking": text} for text in THOUGHTS] if body.get("think") else []
        if body.get("tools"):
            said.append({"tool_calls": [self._call(body["tools"][0])]})
        else:
            said.extend({"content": word} for word in WORDS)
        lines = [line_of(piece, chat=chat) for piece in said]
        if body.get("logprobs"):
            for line, piece in zip(lines, said, strict=True):
                line["logprobs"] = [_probability(piece.get("content", ""), body.get("top_logprobs", 0))]
        return [*lines, {**line_of({}, chat=chat), **END}]

    def _call(self, tool: Any) -> dict[str, Any]:
        call = {"function": {"index": 0, "name": tool["function"]["name"], "arguments": ARGUMENTS}}
        return {"id": "call_given", **call} if self.gives_ids else call


def ollama_double() -> AbstractAsyncContextManager[OllamaDouble]:
    """A double that listens on a free port of 127.0.0.1."""
    return listening(OllamaDouble())


def ndjson(value: Any) -> bytes:
    """One line of a stream."""
    return orjson.dumps(value) + b"\n"


def line_of(piece: dict[str, Any], *, chat: bool = True) -> dict[str, Any]:
    """A line that says `piece` and is not the last."""
    head = {"model": "m", "created_at": DAY}
    if chat:
        return {**head, "message": {"role": "assistant", "content": "", **piece}, "done": False}
    thinking = {"thinking": piece["thinking"]} if "thinking" in piece else {}
    return {**head, "response": piece.get("content", ""), **thinking, "done": False}


def _joined(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The whole answer that `lines` stream."""
    *pieces, answer = lines
    for piece in pieces:
        said, target = (piece["message"], answer["message"]) if "message" in piece else (piece, answer)
        for name in ("content", "response", "thinking"):
            if name in said:
                target[name] = target.get(name, "") + said[name]
        if "tool_calls" in said:
            target["tool_calls"] = [*target.get("tool_calls", []), *said["tool_calls"]]
        if "logprobs" in piece:
            answer["logprobs"] = [*answer.get("logprobs", []), *piece["logprobs"]]
    return answer


def _probability(token: str, top: int) -> dict[str, Any]:
    likely = [{"token": token, "logprob": -0.25, "bytes": list(token.encode())}, {"token": " or", "logprob": -1.5}]
    return {**likely[0], "top_logprobs": likely[:top]} if top else likely[0]
