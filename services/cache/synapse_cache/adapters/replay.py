"""A stored answer told as a stream: the one answer to events, as a backend would have sent them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from synapse.llm.v1.generation_pb2 import (
    BLOCK_KIND_TEXT,
    BLOCK_KIND_THINKING,
    BLOCK_KIND_TOOL_CALL,
    Choice,
    ChoiceDelta,
    ContentBlock,
    Generation,
    GenerationEvent,
    Logprobs,
    ReasoningText,
    ThinkingDelta,
    ToolCallDelta,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synapse.llm.v1.content_pb2 import ToolCall

LARGEST_PIECE_COUNT = 64
"""Most pieces that one text is told in: longer texts come in longer pieces, so that a hit stays cheap."""
_WORDS = re.compile(r"\s*\S+|\s+$")


def events_of(generation: Generation) -> list[GenerationEvent]:
    """The events that tell `generation`; assembled again they give the same answer."""
    first = GenerationEvent(extra_json=generation.extra_json)
    head = first.head
    head.id = generation.id
    head.model = generation.model
    head.protocol = generation.protocol
    if generation.HasField("create_time"):
        head.create_time.CopyFrom(generation.create_time)
    if generation.HasField("system_fingerprint"):
        head.system_fingerprint = generation.system_fingerprint
    if generation.HasField("service_tier"):
        head.service_tier = generation.service_tier
    events = [first]
    for choice in generation.choices:
        events.extend(GenerationEvent(deltas=(delta,)) for delta in _deltas(choice))
    if len(events) > 1:
        events[1].head.CopyFrom(head)
        events[1].extra_json = first.extra_json
        del events[0]
    if generation.HasField("usage"):
        events.append(GenerationEvent(usage=generation.usage))
    return events


def pieces_of(text: str) -> list[str]:
    """The text cut at words, at most LARGEST_PIECE_COUNT pieces; joined they are the text."""
    words: list[str] = _WORDS.findall(text)
    step = -(-len(words) // LARGEST_PIECE_COUNT)
    if step > 1:
        words = ["".join(words[start : start + step]) for start in range(0, len(words), step)]
    return words or [text]


def _deltas(choice: Choice) -> Iterator[ChoiceDelta]:
    """The choice's pieces: who speaks, thinking, text, refusal, tool calls, end."""
    index = choice.index
    start = ChoiceDelta(index=index, role="assistant", delta_extra_json=choice.message_extra_json)
    if choice.HasField("content") and not choice.content:
        start.content = ""
    yield start
    if choice.HasField("reasoning"):
        field = choice.reasoning.field
        for piece in pieces_of(choice.reasoning.text):
            yield ChoiceDelta(index=index, reasoning=ReasoningText(text=piece, field=field))
    yield from _blocks(choice) if choice.blocks else _usual_order(choice)
    end = ChoiceDelta(index=index, finish_reason=choice.finish_reason, extra_json=choice.extra_json)
    if choice.HasField("finish_detail"):
        end.finish_detail = choice.finish_detail
    if choice.HasField("stop_sequence"):
        end.stop_sequence = choice.stop_sequence
    yield end


def _usual_order(choice: Choice) -> Iterator[ChoiceDelta]:
    """Thinking, text and refusal, tool calls."""
    for position in range(len(choice.thinking)):
        yield _thinking(choice, position)
    yield from _texts(choice)
    for position in range(len(choice.tool_calls)):
        yield from _call(choice, position)


def _blocks(choice: Choice) -> Iterator[ChoiceDelta]:
    """The blocks in the order that the answer tells, each begun by what it is."""
    index, told, thoughts, calls = choice.index, 0, 0, 0
    for block in choice.blocks:
        beginning = ContentBlock(kind=block.kind, opaque_json=block.opaque_json, extra_json=block.extra_json)
        yield ChoiceDelta(index=index, block=beginning)
        if block.kind == BLOCK_KIND_TEXT:
            text = choice.content[told : told + block.text_length]
            told += block.text_length
            for piece in pieces_of(text):
                yield ChoiceDelta(index=index, content=piece)
        elif block.kind == BLOCK_KIND_THINKING:
            yield _thinking(choice, thoughts)
            thoughts += 1
        elif block.kind == BLOCK_KIND_TOOL_CALL:
            yield from _call(choice, calls)
            calls += 1
    if told < len(choice.content):
        yield ChoiceDelta(index=index, content=choice.content[told:])
    yield from _refusal(choice)


def _thinking(choice: Choice, position: int) -> ChoiceDelta:
    block = choice.thinking[position]
    delta = ThinkingDelta(index=position, text=block.text, signature=block.signature, redacted_data=block.redacted_data)
    return ChoiceDelta(index=choice.index, thinking=delta)


def _call(choice: Choice, position: int) -> Iterator[ChoiceDelta]:
    for part in _call_pieces(position, choice.tool_calls[position]):
        yield ChoiceDelta(index=choice.index, tool_calls=(part,))


def _call_pieces(position: int, call: ToolCall) -> Iterator[ToolCallDelta]:
    """A tool call's pieces: what it is, then its arguments; calls other than of functions have all in the first."""
    opening = ToolCallDelta(index=position, id=call.id, type=call.type, extra_json=call.extra_json)
    if call.type not in {"", "function"}:
        yield opening
        return
    opening.name = call.name
    opening.arguments = ""
    yield opening
    yield ToolCallDelta(index=position, arguments=call.arguments)


def _texts(choice: Choice) -> Iterator[ChoiceDelta]:
    """Text and refusal; token by token where probabilities were kept, so that each goes with its token."""
    index, logprobs = choice.index, choice.logprobs
    if logprobs.content and "".join(token.token for token in logprobs.content) == choice.content:
        for token in logprobs.content:
            yield ChoiceDelta(index=index, content=token.token, logprobs=Logprobs(content=(token,)))
    elif choice.content:
        for position, piece in enumerate(pieces_of(choice.content)):
            delta = ChoiceDelta(index=index, content=piece)
            if position == 0 and choice.HasField("logprobs"):
                delta.logprobs.content.extend(logprobs.content)
                delta.logprobs.legacy_json = logprobs.legacy_json
            yield delta
    elif choice.HasField("logprobs") and not choice.HasField("refusal"):
        yield ChoiceDelta(index=index, logprobs=Logprobs(content=logprobs.content, legacy_json=logprobs.legacy_json))
    yield from _refusal(choice)


def _refusal(choice: Choice) -> Iterator[ChoiceDelta]:
    if choice.HasField("refusal"):
        delta = ChoiceDelta(index=choice.index, refusal=choice.refusal)
        if choice.logprobs.refusal:
            delta.logprobs.refusal.extend(choice.logprobs.refusal)
        yield delta
