"""Streamed answers in Anthropic's form: named server-sent events.

A piece that is bare text of the block that is open, which most are, is laid between bytes made once.
"""

from __future__ import annotations

from typing import Any

import orjson

from synapse.llm.v1 import content_pb2, generation_pb2, request_pb2
from synapse_gateway.anthropic.answer import answer_id, merged, stop_reason, usage
from synapse_gateway.anthropic.block_writer import PLAIN_THOUGHTS, REFUSAL, TEXT, BlockWriter
from synapse_gateway.anthropic.events import CLOSE, MESSAGE_STOP, event
from synapse_gateway.anthropic.failure import event as failure_event
from synapse_gateway.dialect import Asked, Events, Stamp, is_own
from synapse_gateway.pieces import bare_text
from synapse_gateway.problems import Problem
from synapse_runtime import jsontext


class MessageWriter:
    """Writes the events of one answer: its choice 0, for this protocol asks for no other."""

    def __init__(self, asked: Asked, stamp: Stamp) -> None:
        self._stamp = stamp
        self._head = generation_pb2.StreamHead(model=asked.request.model)
        self._own = True
        self._usage: generation_pb2.Usage | None = None
        self._blocks = BlockWriter()
        self._begun = self._called = self._refused = False
        self._ended = generation_pb2.ChoiceDelta()
        self._end_members: dict[str, Any] = {}

    @property
    def total_tokens(self) -> int:
        """What the answer cost, as far as it is known."""
        return self._usage.total_tokens if self._usage is not None else 0

    def render(self, events: Events) -> bytes:
        """The events as one piece of the body."""
        out: list[bytes] = []
        blocks = self._blocks
        for given in events:
            if blocks.bare is not None and (text := bare_text(given)) is not None:
                out += (blocks.bare, orjson.dumps(text), CLOSE)
                continue
            if given.HasField("head"):
                self._head.MergeFrom(given.head)
                self._own = blocks.own = is_own(self._head.protocol, request_pb2.PROTOCOL_ANTHROPIC)
            if given.HasField("usage"):
                self._usage = given.usage
            if not self._begun:
                self._begin(given, events, out)
            elif given.extra_json and self._own:
                self._end_members |= jsontext.load(given.extra_json)
            for piece in given.deltas:
                if piece.index == 0:
                    self._tell(piece, out)
        return b"".join(out)

    def finish(self) -> bytes:
        """The end of a complete answer: why it ended, what it cost."""
        out: list[bytes] = []
        if not self._begun:
            self._begin(generation_pb2.GenerationEvent(), (), out)
        self._blocks.close(out)
        reason = stop_reason(self._ended, own=self._own, calls=self._called, refused=self._refused)
        stop = self._ended.stop_sequence if self._ended.HasField("stop_sequence") else None
        counts = usage(self._usage, own=self._own)
        members = {
            "delta": {"stop_reason": reason, "stop_sequence": stop, **self._end_members},
            "usage": {name: count for name, count in counts.items() if count is not None},
        }
        return b"".join([*out, event("message_delta", members), MESSAGE_STOP])

    def failure(self, problem: Problem) -> bytes:
        """The end of an answer that failed: nothing else follows."""
        return failure_event(problem)

    def _begin(self, first: generation_pb2.GenerationEvent, events: Events, out: list[bytes]) -> None:
        """The message without content; its usage tells of the prompt what is known, for a stored answer all."""
        head, self._begun = self._head, True
        told = first.usage if first.HasField("usage") else _usage_among(events)
        counts = usage(told, own=self._own)
        if not first.HasField("usage"):
            counts["output_tokens"] = 0
            counts.pop("output_tokens_details", None)
        message: dict[str, Any] = {
            "id": answer_id(head.id, fresh=self._stamp.fresh),
            "type": "message",
            "role": "assistant",
            "model": head.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": counts,
        }
        if self._own:
            message = merged(message, first.extra_json)
        if self._stamp.metadata is not None:
            message["synapse_metadata"] = self._stamp.metadata
        out.append(event("message_start", {"message": message}))

    def _tell(self, piece: generation_pb2.ChoiceDelta, out: list[bytes]) -> None:
        """One piece of the choice."""
        blocks = self._blocks
        if piece.HasField("block") and self._own:
            blocks.announce(piece.block, out)
        if piece.reasoning.text:
            blocks.think(content_pb2.Thinking(text=piece.reasoning.text), PLAIN_THOUGHTS, out)
        if piece.HasField("thinking"):
            blocks.think(_thinking(piece.thinking), piece.thinking.index, out)
        if piece.content:
            blocks.say(TEXT, piece.content, out)
        if piece.refusal:
            self._refused = True
            blocks.say(REFUSAL, piece.refusal, out)
        for call in piece.tool_calls:
            self._called = True
            blocks.call(call, out)
        if self._own:
            self._members(piece, out)
        if piece.finish_reason:
            self._ended = piece
            blocks.close(out)

    def _members(self, piece: generation_pb2.ChoiceDelta, out: list[bytes]) -> None:
        """Members without a field: the block's where they grow it, the answer's with its end."""
        if piece.block_extra_json:
            self._blocks.grow(jsontext.load(piece.block_extra_json), out)
        for members in (piece.delta_extra_json, piece.extra_json):
            if members:
                self._end_members |= jsontext.load(members)


def _thinking(piece: generation_pb2.ThinkingDelta) -> content_pb2.Thinking:
    return content_pb2.Thinking(text=piece.text, signature=piece.signature, redacted_data=piece.redacted_data)


def _usage_among(events: Events) -> generation_pb2.Usage | None:
    found = None
    for given in events:
        if given.HasField("usage"):
            found = given.usage
    return found
