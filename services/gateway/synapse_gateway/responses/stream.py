"""Streamed responses: server-sent events with names, numbered from 0.

What every piece of a text has in common is made once as bytes; the pieces, which most events are, are laid between
without building an object.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import orjson

from synapse.llm.v1 import generation_pb2
from synapse_gateway.dialect import Asked, Events, Stamp
from synapse_gateway.pieces import bare_text
from synapse_gateway.problems import Problem
from synapse_gateway.responses.answer import custom_call, ended, envelope, item_status, logprobs
from synapse_gateway.responses.output import Output, Part
from synapse_runtime import jsontext

PING = b": ping\n\n"
_BARE = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta",%b,"delta":'
_ERRORS = {400: "invalid_prompt", 422: "invalid_prompt", 429: "rate_limit_exceeded"}


class ResponseEvents:
    """Writes the events of one response; `clock` says the time of its end, in seconds since the epoch."""

    def __init__(self, asked: Asked, stamp: Stamp, *, clock: Callable[[], float] = time.time) -> None:
        self._asked = asked
        self._stamp = stamp
        self._clock = clock
        self._head = generation_pb2.StreamHead()
        self._envelope: dict[str, Any] = {}
        self._out: list[bytes] = []
        self._number = 0
        self._output = Output(self._tell)
        self._bare_part: Part | None = None
        self._bare_start = b""
        self._finish = generation_pb2.FINISH_REASON_UNSPECIFIED
        self._usage: generation_pb2.Usage | None = None

    @property
    def total_tokens(self) -> int:
        """What the answer cost, as far as it is known."""
        return self._usage.total_tokens if self._usage is not None else 0

    def render(self, events: Events) -> bytes:
        """The events as one piece of the body."""
        for event in events:
            text = self._bare_text(event)
            if text is None:
                self._take(event)
            elif text:
                self._out += (self._bare_start, orjson.dumps(text), self._bare_end())
        return self._flushed()

    def finish(self) -> bytes:
        """The end of a complete answer."""
        self._begin()
        self._output.end(item_status(self._finish))
        made = ended(self._output, self._finish, self._usage, now=int(self._clock()))
        self._tell(f"response.{made['status']}", {"response": self._envelope | made})
        return self._flushed()

    def failure(self, problem: Problem) -> bytes:
        """The end of an answer that failed: the error, and the response as far as it came."""
        self._begin()
        self._tell("error", {"code": problem.code or problem.kind, "message": problem.message, "param": problem.param})
        error = {"code": _ERRORS.get(problem.status, "server_error"), "message": problem.message}
        made = {"status": "failed", "error": error, "output": self._output.shown()}
        self._tell("response.failed", {"response": self._envelope | made})
        return self._flushed()

    def _bare_text(self, event: generation_pb2.GenerationEvent) -> str | None:
        """The event's text when it is nothing but more text of the open part."""
        if self._bare_part is None or self._output.part is not self._bare_part:
            return None
        text = bare_text(event)
        if text is not None:
            self._bare_part.pieces.append(text)
        return text

    def _bare_end(self) -> bytes:
        number = self._number
        self._number = number + 1
        return b',"logprobs":[],"sequence_number":%d}\n\n' % number

    def _take(self, event: generation_pb2.GenerationEvent) -> None:
        if event.HasField("head"):
            self._head.MergeFrom(event.head)
        if event.HasField("usage"):
            self._usage = event.usage
        self._begin()
        for delta in event.deltas:
            if not delta.index:
                self._piece(delta)

    def _piece(self, delta: generation_pb2.ChoiceDelta) -> None:
        output = self._output
        if delta.HasField("block") and delta.block.kind == generation_pb2.BLOCK_KIND_TEXT:
            output.split()
            self._bare_part = None
        if delta.HasField("reasoning"):
            if delta.reasoning.text:
                output.think(None, delta.reasoning.text)
        elif delta.HasField("thinking"):
            thinking = delta.thinking
            output.think(
                thinking.index, thinking.text, signature=thinking.signature, redacted_data=thinking.redacted_data
            )
        if delta.content:
            output.say(delta.content, logprobs(delta.logprobs.content))
            self._prepare_bare()
        if delta.refusal:
            output.refuse(delta.refusal)
        for call in delta.tool_calls:
            self._call(call)
        if delta.finish_reason:
            self._finish = delta.finish_reason
            output.close(item_status(self._finish))

    def _call(self, call: generation_pb2.ToolCallDelta) -> None:
        name, text = custom_call(call.extra_json)
        custom = call.type == "custom" or bool(name or text)
        self._output.call(call.index, text or call.arguments, call_id=call.id, name=name or call.name, custom=custom)

    def _prepare_bare(self) -> None:
        part = self._output.part
        if part is not None and part is not self._bare_part:
            self._bare_part = part
            self._bare_start = _BARE % orjson.dumps(part.place)[1:-1]

    def _begin(self) -> None:
        """Tell once that the response begins."""
        if self._envelope:
            return
        self._envelope = envelope(self._asked, self._stamp, self._head)
        for kind in ("response.created", "response.in_progress"):
            self._tell(kind, {"response": self._envelope})

    def _tell(self, kind: str, members: dict[str, Any]) -> None:
        body = jsontext.encode({"type": kind, **members, "sequence_number": self._number})
        self._number += 1
        self._out.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), body))

    def _flushed(self) -> bytes:
        piece = b"".join(self._out)
        self._out.clear()
        return piece
