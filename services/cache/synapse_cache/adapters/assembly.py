"""A streamed answer put together: batches of events to the one answer that is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from synapse.llm.v1.content_pb2 import Thinking, ToolCall
from synapse.llm.v1.generation_pb2 import (
    BLOCK_KIND_TEXT,
    BLOCK_KIND_THINKING,
    BLOCK_KIND_TOOL_CALL,
    FINISH_REASON_UNSPECIFIED,
    Choice,
    ContentBlock,
    Generation,
)
from synapse_cache.adapters.answers import answer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from synapse.llm.v1.generation_pb2 import (
        ChoiceDelta,
        GenerationEvent,
        Logprobs,
        ReasoningText,
        StreamHead,
        ThinkingDelta,
        ToolCallDelta,
    )
    from synapse_cache.model import Answer

_NAMES = frozenset({"id", "type", "index", "role", "name", "format", "object"})
"""Members that say which thing a piece belongs to: told again they mean the same."""


class EventAssembler:
    """Puts the events of one answer together."""

    def __init__(self) -> None:
        self._generation = Generation()
        self._extra: dict[str, Any] = {}
        self._choices: dict[int, _ChoiceParts] = {}

    def add(self, batch: Iterable[GenerationEvent]) -> None:
        """Take the next events."""
        for event in batch:
            if event.HasField("head"):
                self._head(event.head)
            for delta in event.deltas:
                parts = self._choices.get(delta.index)
                if parts is None:
                    parts = self._choices[delta.index] = _ChoiceParts(delta.index)
                parts.add(delta)
            if event.HasField("usage"):
                self._generation.usage.CopyFrom(event.usage)
            if event.extra_json:
                merge(self._extra, event.extra_json)

    def finish(self) -> Answer:
        """The whole answer."""
        for index in sorted(self._choices):
            self._generation.choices.append(self._choices[index].finish())
        self._generation.extra_json = dump(self._extra)
        return answer_of(self._generation)

    def _head(self, head: StreamHead) -> None:
        whole = self._generation
        whole.id = head.id or whole.id
        whole.model = head.model or whole.model
        if head.HasField("create_time"):
            whole.create_time.CopyFrom(head.create_time)
        whole.protocol = head.protocol or whole.protocol
        if head.HasField("system_fingerprint"):
            whole.system_fingerprint = head.system_fingerprint
        if head.HasField("service_tier"):
            whole.service_tier = head.service_tier


class _ChoiceParts:
    """The pieces of one choice; texts are joined once, at the end."""

    def __init__(self, index: int) -> None:
        self._choice = Choice(index=index)
        self._texts: dict[str, list[str]] = {}
        self._calls: dict[int, ToolCall] = {}
        self._thinking: dict[int, Thinking] = {}
        self._message_extra: dict[str, Any] = {}
        self._extra: dict[str, Any] = {}
        self._blocks: list[ContentBlock] = []

    def add(self, delta: ChoiceDelta) -> None:
        """Take the next piece."""
        if delta.HasField("block"):
            self._blocks.append(delta.block)
        if self._blocks:
            self._grow_block(delta)
        if delta.HasField("content"):
            self._texts.setdefault("content", []).append(delta.content)
        if delta.finish_reason != FINISH_REASON_UNSPECIFIED:
            self._choice.finish_reason = delta.finish_reason
        for field, value in delta.ListFields():
            take = self._RARE.get(field.name)
            if take is not None:
                take(self, value)

    def _refuse(self, text: str) -> None:
        self._texts.setdefault("refusal", []).append(text)

    def _reason(self, piece: ReasoningText) -> None:
        self._texts.setdefault("reasoning", []).append(piece.text)
        self._choice.reasoning.field = piece.field or self._choice.reasoning.field

    def _think(self, piece: ThinkingDelta) -> None:
        block = self._thinking.setdefault(piece.index, Thinking())
        block.text += piece.text
        block.signature = piece.signature or block.signature
        block.redacted_data = piece.redacted_data or block.redacted_data

    def _call(self, pieces: Iterable[ToolCallDelta]) -> None:
        for piece in pieces:
            call = self._calls.setdefault(piece.index, ToolCall())
            call.id = piece.id or call.id
            call.type = piece.type or call.type
            call.name = piece.name or call.name
            self._texts.setdefault(f"arguments {piece.index}", []).append(piece.arguments)
            if piece.extra_json:
                call.extra_json = merged(call.extra_json, piece.extra_json, grow=True)

    def _measure(self, piece: Logprobs) -> None:
        logprobs = self._choice.logprobs
        logprobs.SetInParent()
        logprobs.content.extend(piece.content)
        logprobs.refusal.extend(piece.refusal)
        if piece.legacy_json:
            logprobs.legacy_json = merged(logprobs.legacy_json, piece.legacy_json)

    def _grow_block(self, delta: ChoiceDelta) -> None:
        block = self._blocks[-1]
        if block.kind == BLOCK_KIND_TEXT:
            block.text_length += len(delta.content)
        if delta.block_extra_json:
            block.extra_json = merged(block.extra_json, delta.block_extra_json, grow=True)

    def _detail(self, text: str) -> None:
        self._choice.finish_detail = text

    def _stopped_by(self, text: str) -> None:
        self._choice.stop_sequence = text

    def _message_members(self, text: str) -> None:
        merge(self._message_extra, text, grow=True)

    def _members(self, text: str) -> None:
        merge(self._extra, text)

    _RARE: ClassVar[dict[str, Callable[[Any, Any], None]]] = {
        "refusal": _refuse,
        "reasoning": _reason,
        "thinking": _think,
        "tool_calls": _call,
        "logprobs": _measure,
        "finish_detail": _detail,
        "stop_sequence": _stopped_by,
        "delta_extra_json": _message_members,
        "extra_json": _members,
    }

    def finish(self) -> Choice:
        """The whole choice."""
        choice = self._choice
        if "content" in self._texts:
            choice.content = "".join(self._texts["content"])
        if "refusal" in self._texts:
            choice.refusal = "".join(self._texts["refusal"])
        if "reasoning" in self._texts:
            choice.reasoning.text = "".join(self._texts["reasoning"])
        for index, call in sorted(self._calls.items()):
            call.arguments = "".join(self._texts.get(f"arguments {index}", ()))
            choice.tool_calls.append(call)
        choice.thinking.extend(block for _, block in sorted(self._thinking.items()))
        if _unusual(self._blocks):
            choice.blocks.extend(self._blocks)
        if (choice.tool_calls or choice.HasField("refusal")) and choice.content == "":
            choice.ClearField("content")  # backends open such a stream with an empty text that means null
        choice.message_extra_json = dump(self._message_extra)
        choice.extra_json = dump(self._extra)
        return choice


def _unusual(blocks: list[ContentBlock]) -> bool:
    """Whether the order of the blocks, or what they carry, is more than an answer's fields tell."""
    kinds = [block.kind for block in blocks]
    if any(block.extra_json for block in blocks) or kinds.count(BLOCK_KIND_TEXT) > 1:
        return True
    usual = (BLOCK_KIND_THINKING, BLOCK_KIND_TEXT, BLOCK_KIND_TOOL_CALL)
    return any(kind not in usual for kind in kinds) or kinds != sorted(kinds, key=usual.index)


def merge(known: dict[str, Any], text: str, *, grow: bool = False) -> None:
    """Lay the JSON object in `text` over `known`: lists grow, objects merge, others replace.

    With `grow` texts grow, too, as in the members of a delta, of which each piece carries more; names do not.
    """
    _lay(known, orjson.loads(text), grow=grow)


def _lay(known: dict[str, Any], members: dict[str, Any], *, grow: bool) -> None:
    for name, value in members.items():
        before = known.get(name)
        if isinstance(before, list) and isinstance(value, list):
            before.extend(value)
        elif isinstance(before, dict) and isinstance(value, dict):
            _lay(before, value, grow=grow)
        elif grow and isinstance(before, str) and isinstance(value, str) and name not in _NAMES:
            known[name] = before + value
        else:
            known[name] = value


def dump(members: dict[str, Any]) -> str:
    """The members as JSON text; empty for none."""
    return orjson.dumps(members).decode() if members else ""


def merged(known: str, text: str, *, grow: bool = False) -> str:
    """The JSON object in `text` laid over the one in `known`, as JSON text."""
    members: dict[str, Any] = orjson.loads(known) if known else {}
    merge(members, text, grow=grow)
    return dump(members)
