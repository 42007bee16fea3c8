"""Answers of a mapped backend as canonical events; a whole answer is one event that tells all.

Nothing but what the mapping names is taken. A word for the end that neither the mapping nor OpenAI has is
FINISH_REASON_OTHER; an end with tool calls and without a word is FINISH_REASON_TOOL_CALLS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synapse.llm.v1 import generation_pb2 as wire
from synapse.router.v1.router_pb2 import StreamGenerateResponse
from synapse_llm_router.adapters import failures
from synapse_llm_router.adapters.members_json import JsonObject
from synapse_llm_router.adapters.openai.members import read_call
from synapse_llm_router.mapping import CustomMapping, Places, StreamPlaces, steps_of
from synapse_runtime import jsontext

_FINISH = {
    "stop": wire.FINISH_REASON_STOP,
    "length": wire.FINISH_REASON_LENGTH,
    "tool_calls": wire.FINISH_REASON_TOOL_CALLS,
    "content_filter": wire.FINISH_REASON_CONTENT_FILTER,
}


def found(document: Any, pointer: str | None) -> Any:
    """The value at a JSON pointer; None where there is none, or null."""
    if pointer is None:
        return None
    for step in steps_of(pointer):
        if isinstance(document, dict):
            document = document.get(step)
        elif isinstance(document, list):
            document = document[int(step)] if step.isdecimal() and int(step) < len(document) else None
        else:
            return None
    return document


def is_said(value: Any) -> bool:
    """Whether a place that tells an end or an error tells one."""
    return value is not None and value is not False and value != ""


class PlaceReader:
    """Reads one answer of `model`, whole or event by event, by its places."""

    def __init__(self, places: Places, finish_reasons: Mapping[str, str], model: str) -> None:
        self._places = places
        self._words = finish_reasons
        self._model = model
        self._begun = False
        self._told_text = False
        self._calls = 0
        self._counts: dict[str, int] = {}
        self.finished = False

    def read(self, value: Any, event: wire.GenerationEvent, *, last: bool) -> bool:
        """Fill `event` from a JSON value, which ends the answer if it is the `last`.

        Returns whether there was anything to tell. Raises Malformed.
        """
        try:
            return self._read(value, event, last=last)
        except (TypeError, ValueError, KeyError, AttributeError) as error:  # a value of another type
            raise failures.Malformed(f"a value does not have the type that its place needs: {error!r}") from error

    def end(self, event: wire.GenerationEvent) -> bool:
        """Fill `event` with the end of an answer that ends by itself; returns whether it was not told before."""
        return not self.finished and self.read({}, event, last=True)

    def _read(self, value: Any, event: wire.GenerationEvent, *, last: bool) -> bool:
        places = self._places
        delta = wire.ChoiceDelta()
        if text := found(value, places.text):
            delta.content = text
            self._told_text = True
        if thought := found(value, places.reasoning):
            delta.reasoning.text = thought
            delta.reasoning.field = "reasoning_content"
        self._read_calls(found(value, places.tool_calls), delta)
        for name in ("prompt_tokens", "completion_tokens"):
            if (count := found(value, getattr(places, name))) is not None:
                self._counts[name] = count
        word = found(value, places.finish_reason)
        if not self.finished and (word is not None or last):
            self._put_end(word, delta)
        if self.finished and len(self._counts) == 2:
            self._put_usage(event.usage)
        self._put_delta(delta, event)
        return bool(event.ByteSize())

    def _read_calls(self, calls: Any, delta: wire.ChoiceDelta) -> None:
        for position, call in enumerate(calls or ()):
            index = call.get("index", position)
            members = {name: member for name, member in call.items() if name != "index"}
            read_call(delta.tool_calls.add(index=index), _with_text(members))
            self._calls = max(self._calls, index + 1)

    def _put_end(self, word: Any, delta: wire.ChoiceDelta) -> None:
        usual = "tool_calls" if self._calls else "stop"
        reason = usual if word is None else self._words.get(word, word)
        delta.finish_reason = _FINISH.get(reason, wire.FINISH_REASON_OTHER)
        if delta.finish_reason == wire.FINISH_REASON_OTHER:
            delta.finish_detail = word
        if not (self._told_text or self._calls):
            delta.content = ""
        self.finished = True

    def _put_usage(self, usage: wire.Usage) -> None:
        usage.prompt_tokens = self._counts["prompt_tokens"]
        usage.completion_tokens = self._counts["completion_tokens"]
        usage.total_tokens = usage.prompt_tokens + usage.completion_tokens
        self._counts.clear()

    def _put_delta(self, delta: wire.ChoiceDelta, event: wire.GenerationEvent) -> None:
        if not delta.ByteSize():
            return
        if not self._begun:
            self._begun = True
            event.head.model = self._model
            delta.role = "assistant"
        event.deltas.append(delta)


class MappedEvents:
    """The events of a streamed answer of `backend`."""

    def __init__(self, backend: str, headers: Mapping[str, str], mapping: CustomMapping, reader: PlaceReader) -> None:
        if mapping.stream is None:
            raise ValueError("the mapping has no streams")
        self._backend = backend
        self._headers = headers
        self._places: StreamPlaces = mapping.stream
        self._error = mapping.error
        self._done_data = self._places.done_data.encode()
        self._ends_by_reason = self._places.done is None and not self._done_data
        self._reader = reader

    @property
    def complete(self) -> bool:
        """Whether the answer has told why it ended."""
        return self._reader.finished

    def read(self, name: bytes, data: bytes, response: StreamGenerateResponse) -> bool:
        """Add the event in `data` to `response`; returns whether it is the last. Raises SynapseError or Malformed."""
        event = wire.GenerationEvent()
        if self._done_data and data == self._done_data:
            if self._reader.end(event):
                response.events.append(event)
            return True
        value = read_json(data)
        if name == b"error" or is_said(found(value, self._error)):
            raise failures.inside_stream(self._backend, data, self._headers)
        last = is_said(found(value, self._places.done))
        if self._reader.read(value, event, last=last):
            response.events.append(event)
        return last or (self._ends_by_reason and self._reader.finished)


def read_json(data: bytes) -> Any:
    """The value of JSON; raises Malformed."""
    try:
        return jsontext.load(data)
    except ValueError as error:
        raise failures.Malformed("it is not JSON") from error


def _with_text(call: JsonObject) -> JsonObject:
    """`call` with its arguments as text, where a backend gives them as an object."""
    function = call.get("function")
    if isinstance(function, dict) and isinstance(function.get("arguments"), dict):
        return {**call, "function": {**function, "arguments": jsontext.dump(function["arguments"])}}
    return call
