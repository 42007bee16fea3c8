"""Chunks of a streamed OpenAI answer as canonical GenerationEvents.

The mapping is that of answer.py with `delta` in place of `message`, and besides:

- `id`, `model`, `created`, `system_fingerprint` and `service_tier` make the `head`, which is set on the first event,
  with the protocol, and again, whole, when one of them takes another value (a member that a later chunk lacks has not
  changed);
- `delta.role` is `ChoiceDelta.role`; other members of the delta are in `delta_extra_json`;
- `delta.tool_calls[].index` is `ToolCallDelta.index`; an empty list of calls is dropped;
- `usage: null`, `object` and `obfuscation` are dropped; a chunk with nothing else in it makes no event;
- other members of the chunk, such as llama.cpp's `timings`, are in the event's `extra_json`.
"""

from __future__ import annotations

from typing import Any

from synapse.llm.v1 import generation_pb2 as wire
from synapse.llm.v1.request_pb2 import PROTOCOL_OPENAI
from synapse_llm_router.adapters.failures import Malformed
from synapse_llm_router.adapters.members_json import JsonObject, text_of
from synapse_llm_router.adapters.openai import members
from synapse_llm_router.adapters.openai.answer import read_created

_HEAD = ("id", "model", "created", "system_fingerprint", "service_tier")
_KNOWN = frozenset({*_HEAD, "object", "choices", "usage", "obfuscation"})
_PLAIN_CHOICE = frozenset({"index", "delta", "finish_reason", "logprobs"})


class ChunkReader:
    """Reads the chunks of one stream, in order."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._told: tuple[Any, ...] = ()
        self._begun = False
        self._seen: set[int] = set()
        self._ended: set[int] = set()

    @property
    def finished(self) -> bool:
        """Whether every choice seen so far has told why it ended, and there was one."""
        return bool(self._seen) and self._seen == self._ended

    def more_text(self, chunk: Any) -> tuple[int, str] | None:
        """Index and text when `chunk` is nothing but more text of a choice that has begun, which most chunks are."""
        if type(chunk) is not dict or not chunk.keys() <= _KNOWN or chunk.get("usage") is not None:
            return None
        choices = chunk.get("choices")
        choice = choices[0] if type(choices) is list and len(choices) == 1 else None
        if type(choice) is not dict or not choice.keys() <= _PLAIN_CHOICE or choice.get("finish_reason") is not None:
            return None
        delta, index = choice.get("delta"), choice.get("index")
        if type(delta) is not dict or len(delta) != 1 or type(index) is not int or index not in self._seen:
            return None
        if choice.get("logprobs") or tuple(map(chunk.get, _HEAD)) != self._told:
            return None
        text = delta.get("content")
        return (index, text) if isinstance(text, str) else None

    def read(self, chunk: Any, event: wire.GenerationEvent) -> bool:
        """Fill `event` from the JSON value `chunk`; returns whether there was anything to tell.

        Raises Malformed when it is not a chunk.
        """
        if not isinstance(chunk, dict):
            raise Malformed("a chunk of the stream is not an object")
        try:
            return self._read(chunk, event)
        except (TypeError, ValueError, KeyError, AttributeError) as error:  # a value of another type
            raise Malformed(f"a chunk does not have the OpenAI form: {error}") from error

    def _read(self, chunk: JsonObject, event: wire.GenerationEvent) -> bool:
        told = self._read_head(chunk, event)
        for position, choice in enumerate(chunk.get("choices") or ()):
            self._read_choice(choice, event.deltas.add(index=choice.get("index", position)))
            told = True
        usage = chunk.get("usage")
        if usage is not None:
            members.read_usage(event.usage, usage)
            told = True
        if not chunk.keys() <= _KNOWN:
            event.extra_json = text_of({name: value for name, value in chunk.items() if name not in _KNOWN})
            told = True
        if told and not self._begun:
            event.head.protocol = PROTOCOL_OPENAI
            self._begun = True
        return told

    def _read_head(self, chunk: JsonObject, event: wire.GenerationEvent) -> bool:
        head = self._head
        self._told = tuple(map(chunk.get, _HEAD))
        changed = False
        for name in _HEAD:
            value = chunk.get(name)
            if value is not None and head.get(name) != value:
                head[name] = value
                changed = True
        if changed:
            event.head.protocol = PROTOCOL_OPENAI
            members.read_members(event.head, head, _HEAD_READERS, {})
        return changed

    def _read_choice(self, choice: JsonObject, delta: wire.ChoiceDelta) -> None:
        legacy = "text" in choice
        extra: JsonObject = {}
        if legacy:
            members.read_members(delta, choice, _LEGACY_CHOICE, extra)
        else:
            inner = choice.get("delta")
            if inner:
                _read_delta(delta, inner)
            if choice.get("finish_reason") is not None or choice.get("logprobs") or not choice.keys() <= _PLAIN_CHOICE:
                members.read_members(delta, choice, _CHAT_CHOICE, extra)
        if extra:
            members.read_stop_text(delta, extra)
            delta.extra_json = text_of(extra)
        self._seen.add(delta.index)
        if delta.finish_reason:
            self._ended.add(delta.index)


def _read_delta(target: wire.ChoiceDelta, delta: JsonObject) -> None:
    extra: JsonObject = {}
    members.read_members(target, delta, _DELTA, extra)
    if extra:
        target.delta_extra_json = text_of(extra)


def _read_calls(delta: wire.ChoiceDelta, calls: Any) -> bool:
    if not isinstance(calls, list):
        return False
    for position, value in enumerate(calls):
        index = value.get("index", position)
        members.read_call(
            delta.tool_calls.add(index=index), {name: member for name, member in value.items() if name != "index"}
        )
    return True


def _drop(_target: Any, _value: Any) -> bool:
    return True


_HEAD_READERS: dict[str, members.Reader] = {
    "created": read_created,
    **{name: members.read_text(name) for name in _HEAD if name != "created"},
}
_DELTA: dict[str, members.Reader] = {
    "role": members.read_text("role"),
    "content": members.read_text("content"),
    "refusal": members.read_text("refusal"),
    "reasoning_content": members.read_reasoning("reasoning_content"),
    "reasoning": members.read_reasoning("reasoning"),
    "tool_calls": _read_calls,
}
_CHOICE: dict[str, members.Reader] = {"index": _drop, "finish_reason": members.read_finish}
_CHAT_CHOICE = {**_CHOICE, "delta": _drop, "logprobs": members.read_chat_logprobs}
_LEGACY_CHOICE = {**_CHOICE, "text": members.read_text("content"), "logprobs": members.read_legacy_logprobs}
