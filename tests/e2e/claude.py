"""A backend on Anthropic's wire whose behaviour the model's name chooses, for meshes beside `upstream.py`.

| model                  | what it does                                                                          |
|------------------------|---------------------------------------------------------------------------------------|
| `claude/NAME`          | the answer NAME of MESSAGES; `echo` answers "You said: " and the last user text       |
| `claude/fail/STATUS`   | an error of this HTTP status with a body and headers of its own                       |
| `claude/once-busy`     | 529 with `retry-after-ms: 300` to the first request of each prompt, then as `echo`    |
| `claude/slow`          | streams a word each 20 ms, 200 in all; the whole answer comes after 0.5 s             |
| `claude/torn`          | breaks off inside the answer                                                          |
| `claude/late-error`    | an error event inside a stream                                                        |
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import orjson

from tests.support.http_double import HttpDouble, Received, listening

PREFIX = "claude/"
WORDS = 200
TOKENS = 42
"""What count_tokens tells."""
USAGE = {
    "input_tokens": 20,
    "cache_creation_input_tokens": 3,
    "cache_read_input_tokens": 8,
    "output_tokens": 34,
    "service_tier": "standard",
}
SIGNATURE = "c2lnbmF0dXJl/wIDBA=="


def _text(text: str, **members: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **members}


def _use(number: int, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": arguments}


_CALLS = [
    _use(1, "get_weather", {"city": "Bern"}),
    _use(2, "get_weather", {"city": "Oslo"}),
    _use(3, "get_time", {}),
]
_CITED = {
    "type": "char_location",
    "cited_text": "Bern is the seat.",
    "document_index": 0,
    "document_title": "Cities",
    "start_char_index": 0,
    "end_char_index": 17,
}
_THOUGHT = {"type": "thinking", "thinking": "Six times seven …", "signature": SIGNATURE}


def _message(*content: dict[str, Any], stop_reason: str = "end_turn", **members: Any) -> dict[str, Any]:
    return {
        "id": "msg_upstream",
        "type": "message",
        "role": "assistant",
        "model": "claude-2026-11-23",
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": dict(USAGE),
        **members,
    }


MESSAGES: dict[str, dict[str, Any]] = {
    "text": _message(_text("Paris is the capital.\n\n  And  it is — as ever — lovely. 🎉")),
    "tools": _message(*_CALLS, stop_reason="tool_use"),
    "text_and_tools": _message(_text("Let me look."), *_CALLS[:2], stop_reason="tool_use"),
    "odd_order": _message(_CALLS[0], _text("And now:"), _CALLS[1], stop_reason="tool_use"),
    "thinking": _message(_THOUGHT, _text("42")),
    "thinking_and_tools": _message(_THOUGHT, _text("Let me look."), _CALLS[0], stop_reason="tool_use"),
    "redacted": _message({"type": "redacted_thinking", "data": "ZW5jcnlwdGVk"}, _text("42")),
    "citations": _message(_text("The seat is "), _text("Bern", citations=[_CITED]), _text(".")),
    "schema": _message(_text('{"city":"Bern"}')),
    "stopped": _message(_text("One, two"), stop_reason="stop_sequence", stop_sequence=", three"),
    "length": _message(_text("And so on and"), stop_reason="max_tokens"),
    "full": _message(_text("And so on and"), stop_reason="model_context_window_exceeded"),
    "refusal": _message(_text("I can't help with that."), stop_reason="refusal"),
    "pause": _message(_text("Searching."), stop_reason="pause_turn"),
}


FAILURES = (400, 401, 403, 404, 413, 429, 500, 529)
MODELS = [
    PREFIX + name
    for name in (
        "echo",
        "slow",
        "torn",
        "late-error",
        "once-busy",
        *MESSAGES,
        *(f"fail/{status}" for status in FAILURES),
    )
]


class Claude(HttpDouble):
    """The double; `left` are the requests whose caller left before the end."""

    def __init__(self) -> None:
        super().__init__()
        self.left: list[Received] = []
        self._busy: set[str] = set()

    @property
    def last(self) -> Received:
        """The last question."""
        return next(request for request in reversed(self.requests) if request.method == "POST")

    async def _answer(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        if request.path.endswith("/models"):
            data = [{"type": "model", "id": name, "display_name": name} for name in MODELS]
            return await _reply(writer, 200, orjson.dumps({"data": data, "has_more": False}))
        if request.path.endswith("/count_tokens"):
            return await _reply(writer, 200, orjson.dumps({"input_tokens": TOKENS}))
        if request.method != "POST":
            return await _reply(writer, 404, b"{}")
        try:
            return await self._answer_model(request.body, writer)
        except asyncio.CancelledError:
            self.left.append(request)
            raise

    async def _answer_model(self, body: Any, writer: asyncio.StreamWriter) -> bool:
        name = body["model"].removeprefix(PREFIX)
        if name.startswith("fail/"):
            status = int(name.removeprefix("fail/"))
            return await _reply(writer, status, *failure_of(status))
        if name == "once-busy" and prompt_of(body) not in self._busy:
            self._busy.add(prompt_of(body))
            return await _reply(writer, 529, failure_of(529)[0], {"retry-after-ms": "300"})
        message = message_of(name, body)
        if body.get("stream"):
            return await _stream(writer, name, message)
        await asyncio.sleep(0.5 if name == "slow" else 0)
        return await _reply(writer, 200, orjson.dumps(message), cut=name == "torn")


def claude_double() -> AbstractAsyncContextManager[Claude]:
    """A double that listens on a free port of 127.0.0.1."""
    return listening(Claude())


def message_of(name: str, body: Any) -> dict[str, Any]:
    """The whole answer of a model that answers."""
    if name in {"slow", "torn"}:
        return _message(_text(" ".join(f"w{number}" for number in range(WORDS))))
    return MESSAGES.get(name) or _message(_text(echo(prompt_of(body))))


def prompt_of(body: Any) -> str:
    """The text of the last turn."""
    content = body["messages"][-1]["content"]
    if isinstance(content, str):
        return content
    return " ".join(block["text"] for block in content if block["type"] == "text")


def echo(prompt: str) -> str:
    """What `echo` answers."""
    return f"You said: {prompt}"


_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


def failure_of(status: int) -> tuple[bytes, dict[str, str]]:
    """A body in Anthropic's form, with a member that nobody here knows, and headers."""
    error = {"type": _KINDS.get(status, "api_error"), "message": f"Provider says {status}.", "incident": 7}
    body = orjson.dumps({"type": "error", "error": error, "request_id": "req_up"}, option=orjson.OPT_INDENT_2)
    return body, {"retry-after": "7", "x-should-retry": "false", "request-id": "req_up"}


def events_of(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events in which Anthropic would stream `message`."""
    usage = message["usage"]
    begun = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": begun}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        start, deltas = _pieces(block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    end = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": usage["output_tokens"]}}
    yield {"type": "message_stop"}


def _pieces(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it begins, and the deltas that fill it."""
    match block["type"]:
        case "text":
            words = block["text"].split(" ")
            texts = [words[0], *(f" {word}" for word in words[1:])]
            cited = [{"type": "citations_delta", "citation": citation} for citation in block.get("citations", ())]
            begun = {**block, "text": "", **({"citations": []} if cited else {})}
            return begun, [*cited, *({"type": "text_delta", "text": text} for text in texts)]
        case "tool_use":
            text = orjson.dumps(block["input"]).decode()
            halves = ("", text[: len(text) // 2], text[len(text) // 2 :])
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": half} for half in halves]
        case "thinking":
            middle = len(block["thinking"]) // 2
            halves = (block["thinking"][:middle], block["thinking"][middle:])
            deltas = [{"type": "thinking_delta", "thinking": half} for half in halves]
            signed = {"type": "signature_delta", "signature": block["signature"]}
            return {**block, "thinking": "", "signature": ""}, [*deltas, signed]
        case _:
            return block, []


async def _reply(
    writer: asyncio.StreamWriter, status: int, body: bytes, headers: dict[str, str] | None = None, *, cut: bool = False
) -> bool:
    lines = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
    writer.write(_head(status, lines) + (body[: len(body) // 2] if cut else body))
    await writer.drain()
    return not cut


async def _stream(writer: asyncio.StreamWriter, name: str, message: dict[str, Any]) -> bool:
    writer.write(_head(200, {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"}))
    for number, event in enumerate(events_of(message)):
        if name == "torn" and number == 5:
            await asyncio.sleep(0.05)
            return False
        failed = name == "late-error" and number == 4
        told = {"type": "error", "error": {"type": "overloaded_error", "message": "Overheated."}} if failed else event
        await asyncio.sleep(0.02 if name == "slow" else 0)
        piece = b"event: %b\ndata: %b\n\n" % (told["type"].encode(), orjson.dumps(told))
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        await writer.drain()
        if failed:
            break
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Double", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
