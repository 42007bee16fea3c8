"""Lines of Ollama's answers as canonical events; a whole answer is one line that tells all.

| Ollama member                               | canonical place                                                       |
|---------------------------------------------|-----------------------------------------------------------------------|
| `model` `created_at`                        | `head`, from the first line                                           |
| `message.content` or `response`             | `content`                                                             |
| `message.thinking` or `thinking`            | `reasoning`                                                           |
| `message.tool_calls[].function`             | `tool_calls`: `name`; `arguments` as JSON text                        |
| `message.tool_calls[].id`                   | `id`; where there is none, one made of the call and the turn          |
| `logprobs[]`                                | `logprobs`                                                            |
| `done_reason` stop, or none                 | FINISH_REASON_STOP, or _TOOL_CALLS when there were calls              |
| `done_reason` length                        | FINISH_REASON_LENGTH                                                  |
| `done_reason` load, unload and others       | FINISH_REASON_OTHER, the word in `finish_detail`                      |
| `prompt_eval_count` `eval_count`            | `usage.prompt_tokens` `.completion_tokens`, their sum `.total_tokens` |
| durations, `context`, `remote_…`, the rest  | left out: they have no place in another protocol                      |
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from synapse.llm.v1 import generation_pb2 as wire
from synapse.router.v1.router_pb2 import StreamGenerateResponse
from synapse_llm_router.adapters import failures
from synapse_llm_router.adapters.members_json import JsonObject, text_of
from synapse_llm_router.adapters.probabilities import LegacyLogprobs
from synapse_llm_router.adapters.streaming import event_value

_FINISH = {"": wire.FINISH_REASON_STOP, "stop": wire.FINISH_REASON_STOP, "length": wire.FINISH_REASON_LENGTH}


class LineReader:
    """Reads the lines of one answer, in order.

    `turn` is the position of the answer in its conversation: it keeps the ids of equal calls in one conversation apart.
    """

    def __init__(self, *, completion: bool, turn: int) -> None:
        self._legacy = LegacyLogprobs() if completion else None
        self._turn = turn
        self._calls = 0
        self._told_text = False
        self._begun = False
        self.done = False

    def read(self, line: Any, event: wire.GenerationEvent) -> bool:
        """Fill `event` from the JSON value `line`; returns whether there was anything to tell. Raises Malformed."""
        try:
            return self._read(line, event)
        except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:  # a value of another type
            raise failures.Malformed(f"a line does not have Ollama's form: {error}") from error

    def _read(self, line: JsonObject, event: wire.GenerationEvent) -> bool:
        self.done = line["done"] is True
        delta = wire.ChoiceDelta()
        said = {"content": line["response"], "thinking": line.get("thinking")} if self._legacy else line["message"]
        self._read_message(said, delta)
        for token in line.get("logprobs") or ():
            _read_token(token, delta.logprobs.content.add())
        if self._legacy and delta.HasField("logprobs"):
            tokens = list(delta.logprobs.content)
            del delta.logprobs.content[:]
            self._legacy.write(tokens, delta.logprobs)
        if self.done:
            self._read_end(line, delta, event)
        told = bool(delta.ByteSize())
        if told and not self._begun:
            self._begun = True
            if not self._legacy:
                delta.role = "assistant"
            event.head.model = line["model"]
            if created := line.get("created_at"):
                event.head.create_time.FromJsonString(created)
        if told:
            event.deltas.add().CopyFrom(delta)
        return told

    def _read_message(self, message: JsonObject, delta: wire.ChoiceDelta) -> None:
        if text := message.get("content"):
            delta.content = text
            self._told_text = True
        if thinking := message.get("thinking"):
            delta.reasoning.text = thinking
            delta.reasoning.field = "reasoning_content"
        for call in message.get("tool_calls") or ():
            self._read_call(call, delta.tool_calls.add())
        if message.get("images"):
            raise failures.Malformed("it answers with pictures")

    def _read_call(self, call: JsonObject, target: wire.ToolCallDelta) -> None:
        function = call["function"]
        arguments = text_of(function.get("arguments") or {})
        target.index = self._calls
        target.id = call.get("id") or self._made_id(function["name"], arguments)
        target.type = "function"
        target.name = function["name"]
        target.arguments = arguments
        self._calls += 1

    def _made_id(self, name: str, arguments: str) -> str:
        said = f"{self._turn}:{self._calls}:{name}:{arguments}"
        return f"call_{hashlib.sha256(said.encode()).hexdigest()[:24]}"

    def _read_end(self, line: JsonObject, delta: wire.ChoiceDelta, event: wire.GenerationEvent) -> None:
        word = line.get("done_reason") or ""
        delta.finish_reason = _FINISH.get(word, wire.FINISH_REASON_OTHER)
        if delta.finish_reason == wire.FINISH_REASON_OTHER:
            delta.finish_detail = word
        elif self._calls and delta.finish_reason == wire.FINISH_REASON_STOP:
            delta.finish_reason = wire.FINISH_REASON_TOOL_CALLS
        if not (self._told_text or self._calls):
            delta.content = ""
        if "eval_count" in line or "prompt_eval_count" in line:
            usage = event.usage
            usage.prompt_tokens = line.get("prompt_eval_count", 0)
            usage.completion_tokens = line.get("eval_count", 0)
            usage.total_tokens = usage.prompt_tokens + usage.completion_tokens


class LineEvents:
    """The lines of a streamed answer of `backend`."""

    complete = False

    def __init__(self, backend: str, headers: Mapping[str, str], reader: LineReader) -> None:
        self._backend = backend
        self._headers = headers
        self._reader = reader

    def read(self, _name: bytes, data: bytes, response: StreamGenerateResponse) -> bool:
        """Add the line in `data` to `response`; returns whether it is the last. Raises SynapseError or Malformed."""
        event = wire.GenerationEvent()
        if self._reader.read(event_value(data, self._backend, self._headers), event):
            response.events.append(event)
        return self._reader.done


def _read_token(token: JsonObject, target: wire.TokenLogprob) -> None:
    target.token = token["token"]
    target.logprob = token["logprob"]
    if (raw := token.get("bytes")) is not None:
        target.token_bytes = bytes(list(raw))
    for top in token.get("top_logprobs") or ():
        _read_token(top, target.top.add())
