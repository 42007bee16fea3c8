"""Streamed answers in OpenAI's forms: server-sent events of chat and completion chunks.

What every chunk of a stream has in common is made once as bytes; a piece that is bare text, which most are, is laid
between them without building an object.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import orjson

from synapse.llm.v1 import generation_pb2, request_pb2
from synapse_gateway.dialect import Asked, Events, Stamp, is_own
from synapse_gateway.openai.answer import finish_reason, logprobs, merged, tool_call_delta, usage
from synapse_gateway.openai.failure import event as failure_event
from synapse_gateway.pieces import bare_text
from synapse_gateway.problems import Problem
from synapse_runtime import jsontext
from synapse_runtime.ids import fresh_id

PING = b": ping\n\n"
DONE = b"data: [DONE]\n\n"
_SILENT = frozenset({"index", "block", "block_extra_json", "delta_extra_json", "extra_json", "stop_sequence"})


class Chunks(ABC):
    """Writes the events of one answer. Subclasses say how a piece of a choice looks."""

    kind = ""
    id_prefix = ""
    bare_open = b""
    bare_close = b""
    """What stands before and behind a bare text of the choice 0."""

    def __init__(self, asked: Asked, stamp: Stamp) -> None:
        self._stamp = stamp
        self._metadata = stamp.metadata
        self._head = generation_pb2.StreamHead(model=asked.request.model)
        self._own_id = fresh_id(self.id_prefix)
        self._own = True
        self._begun: set[int] = set()
        self._usage: generation_pb2.Usage | None = None
        self._usage_extra = ""
        self._include_usage = asked.include_usage
        self._end = b'],"usage":null}\n\n' if asked.include_usage else b"]}\n\n"
        self._restart()

    @property
    def total_tokens(self) -> int:
        """What the answer cost, as far as it is known."""
        return self._usage.total_tokens if self._usage is not None else 0

    def render(self, events: Events) -> bytes:
        """The events as one piece of the body."""
        out: list[bytes] = []
        for event in events:
            text = self._bare_text(event)
            if text is not None:
                out += (self._bare_start, orjson.dumps(text), self._bare_end)
                continue
            if event.HasField("head"):
                self._head.MergeFrom(event.head)
                self._own = is_own(self._head.protocol, request_pb2.PROTOCOL_OPENAI)
                self._restart()
            if event.HasField("usage"):
                self._usage = event.usage
            deltas = event.deltas if self._own else [delta for delta in event.deltas if _shows(delta)]
            if (event.extra_json and self._own) or self._metadata is not None:
                self._render_odd(event, out)
            elif len(deltas) == 1:
                out += (self._start, self._choice(deltas[0]), self._end)
            elif deltas:
                out += (self._start, b",".join([self._choice(delta) for delta in deltas]), self._end)
        return b"".join(out)

    def finish(self) -> bytes:
        """The end of a complete answer: its usage where it was asked for and is known, then `[DONE]`."""
        if self._usage is None or not self._include_usage:
            return DONE
        chunk = merged({**self._chunk(), "usage": usage(self._usage, own=self._own)}, self._usage_extra)
        return _event(chunk) + DONE

    def failure(self, problem: Problem) -> bytes:
        """The end of an answer that failed: no `[DONE]` follows."""
        return failure_event(problem)

    def _bare_text(self, event: generation_pb2.GenerationEvent) -> str | None:
        """The event's text when it is nothing but more text of the choice 0, whose beginning has gone out."""
        if 0 not in self._begun or self._metadata is not None:
            return None
        return bare_text(event)

    def _render_odd(self, event: generation_pb2.GenerationEvent, out: list[bytes]) -> None:
        """An event with members of its own; those that came with the usage alone go out with it."""
        extra_json = event.extra_json if self._own else ""
        if not event.deltas and (event.HasField("usage") or not extra_json):
            self._usage_extra = extra_json or self._usage_extra
            return
        chunk = self._chunk()
        chunk["choices"] = [jsontext.load(self._choice(delta).decode()) for delta in event.deltas]
        if self._metadata is not None:
            chunk["synapse_metadata"], self._metadata = self._metadata, None
        if self._include_usage:
            chunk["usage"] = None
        chunk = merged(chunk, extra_json)
        chunk.pop("obfuscation", None)
        out.append(_event(chunk))

    def _chunk(self) -> dict[str, Any]:
        head, as_it_came = self._head, not self._stamp.fresh
        chunk: dict[str, Any] = {
            "id": (head.id if as_it_came else "") or self._own_id,
            "object": self.kind,
            "created": (head.create_time.seconds if as_it_came else 0) or self._stamp.now,
            "model": head.model,
        }
        if head.HasField("service_tier"):
            chunk["service_tier"] = head.service_tier
        if head.HasField("system_fingerprint"):
            chunk["system_fingerprint"] = head.system_fingerprint
        chunk["choices"] = []
        return chunk

    def _restart(self) -> None:
        """Make anew what all chunks have in common."""
        self._start = b"data: " + orjson.dumps(self._chunk())[:-2]  # open again: the list of choices comes last
        self._bare_start = self._start + self.bare_open
        self._bare_end = self.bare_close + self._end

    def _choice(self, delta: generation_pb2.ChoiceDelta) -> bytes:
        """A piece of one choice."""
        made = {**self._piece(delta), "finish_reason": finish_reason(delta, own=self._own)}
        self._begun.add(delta.index)
        return jsontext.encode(merged(made, delta.extra_json if self._own else ""))

    @abstractmethod
    def _piece(self, delta: generation_pb2.ChoiceDelta) -> dict[str, Any]:
        """A piece of one choice in the form of this kind of answer."""


class ChatChunks(Chunks):
    """Chunks of a chat completion."""

    kind = "chat.completion.chunk"
    id_prefix = "chatcmpl-"
    bare_open = b'{"index":0,"delta":{"content":'
    bare_close = b'},"logprobs":null,"finish_reason":null}'

    def _piece(self, delta: generation_pb2.ChoiceDelta) -> dict[str, Any]:
        return {
            "index": delta.index,
            "delta": self._delta(delta),
            "logprobs": logprobs(delta.logprobs) if delta.HasField("logprobs") else None,
        }

    def _delta(self, delta: generation_pb2.ChoiceDelta) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if delta.index not in self._begun:
            made["role"] = delta.role or "assistant"
        elif delta.HasField("role"):
            made["role"] = delta.role
        if delta.HasField("content"):
            made["content"] = delta.content
        if delta.HasField("refusal"):
            made["refusal"] = delta.refusal
        if delta.HasField("reasoning"):
            made[delta.reasoning.field or "reasoning_content"] = delta.reasoning.text
        elif delta.thinking.text:
            made["reasoning_content"] = delta.thinking.text
        if delta.tool_calls:
            made["tool_calls"] = [tool_call_delta(call, own=self._own) for call in delta.tool_calls]
        made = merged(made, delta.delta_extra_json if self._own else "")
        made.pop("obfuscation", None)
        return made


class CompletionChunks(Chunks):
    """Chunks of a plain completion."""

    kind = "text_completion"
    id_prefix = "cmpl-"
    bare_open = b'{"text":'
    bare_close = b',"index":0,"logprobs":null,"finish_reason":null}'

    def _piece(self, delta: generation_pb2.ChoiceDelta) -> dict[str, Any]:
        return {
            "text": delta.content,
            "index": delta.index,
            "logprobs": logprobs(delta.logprobs) if delta.HasField("logprobs") else None,
        }


def _shows(delta: generation_pb2.ChoiceDelta) -> bool:
    """Whether another protocol's piece has anything to show here: the beginning of a block has not, nor a signature."""
    return any(
        bool(value.text) if field.name == "thinking" else field.name not in _SILENT and value != ""
        for field, value in delta.ListFields()
    )


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % jsontext.encode(chunk)
