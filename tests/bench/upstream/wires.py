"""The four wires: where each finds the question, and how it tells an answer whole and in pieces.

POST .../chat/completions                 OpenAI
POST .../messages                         Anthropic
POST .../api/chat                         Ollama
POST .../generate  .../generate_stream    TGI
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

JsonObject: TypeAlias = dict[str, Any]
Around: TypeAlias = tuple[bytes, bytes]
"""What stands before and behind a piece of text, which is a JSON string."""
PROMPT_TOKENS = 15
_HOLE = "|hole|"


@dataclass(frozen=True, slots=True)
class Script:
    """A streamed answer without its text: what stands around its first piece and the others, and its end."""

    media_type: bytes
    first: Around
    more: Around
    end: bytes


class Wire(ABC):
    """One wire."""

    @abstractmethod
    def prompt(self, asked: JsonObject) -> str:
        """The text that was asked last."""

    @abstractmethod
    def whole(self, asked: JsonObject, text: str) -> bytes:
        """The whole answer."""

    @abstractmethod
    def script(self, asked: JsonObject, events: int) -> Script:
        """The streamed answer, of so many pieces of text."""

    def streams(self, path: bytes, asked: JsonObject) -> bool:  # for TGI the path tells
        """Whether a stream is asked for."""
        return bool(asked.get("stream"))


class OpenAI(Wire):
    """Chat completions."""

    def prompt(self, asked: JsonObject) -> str:
        return _last_message(asked)

    def whole(self, asked: JsonObject, text: str) -> bytes:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        used = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": 400, "total_tokens": PROMPT_TOKENS + 400}
        return orjson.dumps({**self._head(asked), "object": "chat.completion", "choices": [choice], "usage": used})

    def script(self, asked: JsonObject, events: int) -> Script:
        first = self._piece(asked, {"role": "assistant", "content": _HOLE})
        more = self._piece(asked, {"content": _HOLE})
        end = [self._chunk(asked, [{"index": 0, "delta": {}, "finish_reason": "stop"}])]
        if (asked.get("stream_options") or {}).get("include_usage"):
            total = PROMPT_TOKENS + events
            used = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": events, "total_tokens": total}
            end.append(self._chunk(asked, [], usage=used))
        return Script(b"text/event-stream", first, more, b"".join(end) + b"data: [DONE]\n\n")

    def _piece(self, asked: JsonObject, delta: JsonObject) -> Around:
        return _around(self._chunk(asked, [{"index": 0, "delta": delta, "finish_reason": None}]))

    def _chunk(self, asked: JsonObject, choices: list[JsonObject], **more: object) -> bytes:
        return _event({**self._head(asked), "object": "chat.completion.chunk", "choices": choices, **more})

    def _head(self, asked: JsonObject) -> JsonObject:
        return {"id": "chatcmpl-upstream", "created": 1_700_000_000, "model": asked["model"]}


class Anthropic(Wire):
    """Messages."""

    def prompt(self, asked: JsonObject) -> str:
        return _last_message(asked)

    def whole(self, asked: JsonObject, text: str) -> bytes:
        return orjson.dumps(self._message(asked, [{"type": "text", "text": text}], "end_turn", 400))

    def script(self, asked: JsonObject, events: int) -> Script:
        block = {"type": "text", "text": ""}
        opening = [
            self._event("message_start", message=self._message(asked, [], None, 1)),
            self._event("content_block_start", index=0, content_block=block),
        ]
        more = _around(self._event("content_block_delta", index=0, delta={"type": "text_delta", "text": _HOLE}))
        ended = {"stop_reason": "end_turn", "stop_sequence": None}
        end = [
            self._event("content_block_stop", index=0),
            self._event("message_delta", delta=ended, usage={"output_tokens": events}),
            self._event("message_stop"),
        ]
        return Script(b"text/event-stream", (b"".join(opening) + more[0], more[1]), more, b"".join(end))

    def _event(self, kind: str, **members: object) -> bytes:
        return b"event: %b\n%b" % (kind.encode(), _event({"type": kind, **members}))

    def _message(
        self, asked: JsonObject, content: list[JsonObject], reason: str | None, output_tokens: int
    ) -> JsonObject:
        return {
            "id": "msg_upstream",
            "type": "message",
            "role": "assistant",
            "model": asked["model"],
            "content": content,
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": {"input_tokens": PROMPT_TOKENS, "output_tokens": output_tokens},
        }


class Ollama(Wire):
    """Ollama's chat: lines of JSON, streamed unless `stream` is false."""

    def prompt(self, asked: JsonObject) -> str:
        return _last_message(asked)

    def streams(self, path: bytes, asked: JsonObject) -> bool:
        return asked.get("stream") is not False

    def whole(self, asked: JsonObject, text: str) -> bytes:
        return self._line(asked, text, **self._end(400))

    def script(self, asked: JsonObject, events: int) -> Script:
        more = _around(self._line(asked, _HOLE, done=False))
        return Script(b"application/x-ndjson", more, more, self._line(asked, "", **self._end(events)))

    def _line(self, asked: JsonObject, text: str, **members: object) -> bytes:
        message = {"role": "assistant", "content": text}
        head = {"model": asked["model"], "created_at": "2026-11-23T10:00:00.123456789Z", "message": message}
        return orjson.dumps({**head, **members}) + b"\n"

    def _end(self, tokens: int) -> JsonObject:
        counts = {"prompt_eval_count": PROMPT_TOKENS, "eval_count": tokens}
        return {"done_reason": "stop", "done": True, "total_duration": 1, "load_duration": 1, **counts}


class Tgi(Wire):
    """TGI's own wire, which takes one text and tells tokens."""

    def prompt(self, asked: JsonObject) -> str:
        """The last turn of a conversation in the template "plain", or all of another text."""
        text = str(asked["inputs"]).removesuffix("\nAssistant:")
        return text.rpartition("User: ")[2]

    def streams(self, path: bytes, asked: JsonObject) -> bool:
        return path.endswith(b"_stream")

    def whole(self, asked: JsonObject, text: str) -> bytes:
        return orjson.dumps({"generated_text": text, "details": {**self._details(400), "prefill": [], "tokens": []}})

    def script(self, asked: JsonObject, events: int) -> Script:
        more = _around(self._token(_HOLE, generated_text=None, details=None))
        end = self._token("</s>", special=True, generated_text="", details=self._details(events))
        return Script(b"text/event-stream", more, more, end)

    def _token(self, text: str, *, special: bool = False, **members: object) -> bytes:
        return _event({"index": 1, "token": {"id": 1, "text": text, "logprob": -0.1, "special": special}, **members})

    def _details(self, tokens: int) -> JsonObject:
        return {
            "finish_reason": "eos_token",
            "generated_tokens": tokens,
            "input_length": PROMPT_TOKENS,
            "seed": None,
        }


_WIRES: dict[bytes, Wire] = {
    b"/chat/completions": OpenAI(),
    b"/messages": Anthropic(),
    b"/api/chat": Ollama(),
    b"/generate": Tgi(),
    b"/generate_stream": Tgi(),
}


def wire_of(path: bytes) -> Wire | None:
    """The wire that is spoken at `path`, None where none is."""
    return next((wire for end, wire in _WIRES.items() if path.endswith(end)), None)


def _last_message(asked: JsonObject) -> str:
    """The text of the last message, whether it is one or a list of blocks."""
    content = asked["messages"][-1]["content"]
    return str(content if isinstance(content, str) else content[-1]["text"])


def _event(value: JsonObject) -> bytes:
    return b"data: %b\n\n" % orjson.dumps(value)


def _around(made: bytes) -> Around:
    before, _, behind = made.partition(orjson.dumps(_HOLE))
    return before, behind
