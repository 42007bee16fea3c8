"""Members that OpenAI messages and deltas share, and usage and token probabilities: OpenAI JSON to canonical fields.

Each reader takes the canonical target and the JSON value and says whether the value fitted; what does not fit is an
extra of the object that held it.

| OpenAI member                                  | canonical place                                               |
|------------------------------------------------|---------------------------------------------------------------|
| `content` `refusal`                            | the fields of the same name                                   |
| `reasoning_content` or `reasoning` (text)      | `reasoning.text`, the member's name in `.field`; a second one |
|                                                | of the two is an extra                                        |
| `tool_calls[]` (delta: keyed by `index`)       | `tool_calls`: id, type, function.name, function.arguments     |
| `tool_calls: []` of a message                  | an extra                                                      |
| `finish_reason`                                | `finish_reason`; an unusual word: OTHER with `finish_detail`  |
| chat `logprobs.content[]` `.refusal[]`         | `logprobs.content` `.refusal` (token, logprob, bytes, top)    |
| completions `logprobs`                         | `logprobs.legacy_json`                                        |
| `usage.{prompt,completion,total}_tokens`       | `usage`, same names                                           |
| `usage.prompt_tokens_details.cached_tokens`    | `usage.cache_read_tokens` as well as in `extra_json`          |
| `usage.completion_tokens_details.reasoning_tokens` | `usage.reasoning_tokens` as well as in `extra_json`       |
| everything else                                | `extra_json` of the object that held it                       |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from synapse.llm.v1 import generation_pb2 as wire
from synapse_llm_router.adapters.members_json import JsonObject, text_of

Reader = Callable[[Any, Any], bool]
"""Takes (canonical target, JSON value that is not null); returns whether the value fitted."""

_FINISH: Mapping[str, wire.FinishReason.ValueType] = {
    "stop": wire.FINISH_REASON_STOP,
    "length": wire.FINISH_REASON_LENGTH,
    "tool_calls": wire.FINISH_REASON_TOOL_CALLS,
    "content_filter": wire.FINISH_REASON_CONTENT_FILTER,
    "function_call": wire.FINISH_REASON_FUNCTION_CALL,
}
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


def read_members(target: Any, source: JsonObject, readers: Mapping[str, Reader], extra: JsonObject) -> None:
    """Read each member of `source` into `target` by its reader; what has none or does not fit goes to `extra`."""
    for name, value in source.items():
        reader = readers.get(name)
        if reader is None or (value is not None and not reader(target, value)):
            extra[name] = value


def read_text(name: str) -> Reader:
    """A reader of the text field `name`."""

    def read(target: Any, value: Any) -> bool:
        if not isinstance(value, str):
            return False
        setattr(target, name, value)
        return True

    return read


def read_reasoning(name: str) -> Reader:
    """A reader of thinking that came under the member `name`."""

    def read(target: Any, value: Any) -> bool:
        if not isinstance(value, str) or target.HasField("reasoning"):
            return False
        target.reasoning.text = value
        target.reasoning.field = name
        return True

    return read


def read_finish(choice: Any, word: Any) -> bool:
    """Read why a choice ended."""
    if not isinstance(word, str):
        return False
    choice.finish_reason = _FINISH.get(word, wire.FINISH_REASON_OTHER)
    if choice.finish_reason == wire.FINISH_REASON_OTHER:
        choice.finish_detail = word
    return True


def read_stop_text(choice: Any, extra: JsonObject) -> None:
    """Read the stop text that vLLM names among the other members of a choice; the id of a token is none."""
    stop = extra.get("stop_reason")
    if isinstance(stop, str):
        choice.stop_sequence = stop


_TOKEN = frozenset({"token", "logprob", "bytes", "top_logprobs"})


def read_chat_logprobs(choice: Any, value: Any) -> bool:
    """Read token probabilities of a chat choice."""
    if not isinstance(value, dict):
        return False
    choice.logprobs.SetInParent()
    for name in ("content", "refusal"):
        for token in value.get(name) or ():
            _read_token(getattr(choice.logprobs, name).add(), token)
    return True


def read_legacy_logprobs(choice: Any, value: Any) -> bool:
    """Keep token probabilities of a completion's choice as they are."""
    choice.logprobs.legacy_json = text_of(value)
    return True


def _read_token(target: wire.TokenLogprob, token: JsonObject) -> None:
    target.token = token["token"]
    target.logprob = token["logprob"]
    raw = token.get("bytes")
    if raw is not None:
        target.token_bytes = bytes(raw)
    for top in token.get("top_logprobs") or ():
        _read_token(target.top.add(), top)
    if not token.keys() <= _TOKEN:
        target.extra_json = text_of({name: value for name, value in token.items() if name not in _TOKEN})


def read_usage(usage: wire.Usage, value: JsonObject) -> None:
    """Read what an answer cost; the details objects are kept whole among the extras."""
    usage.SetInParent()
    extra: JsonObject = {}
    for name, count in value.items():
        if name not in _COUNTS:
            extra[name] = count
        elif count is not None:
            setattr(usage, name, count)
    if extra:
        _read_details(usage, value)
        usage.extra_json = text_of(extra)


def _read_details(usage: wire.Usage, value: JsonObject) -> None:
    cached = _detail(value, "prompt_tokens_details", "cached_tokens")
    if cached is not None:
        usage.cache_read_tokens = cached
    thought = _detail(value, "completion_tokens_details", "reasoning_tokens")
    if thought is not None:
        usage.reasoning_tokens = thought


def _detail(value: JsonObject, group: str, name: str) -> int | None:
    details = value.get(group)
    count = details.get(name) if isinstance(details, dict) else None
    return count if isinstance(count, int) else None


def _read_function(call: Any, value: Any, extra: JsonObject) -> bool:
    if not isinstance(value, dict):
        return False
    inner: JsonObject = {}
    read_members(call, value, _FUNCTION, inner)
    if inner:
        extra["function"] = inner
    return True


def read_call(call: Any, value: JsonObject) -> None:
    """Read one tool call, or the next piece of one whose `index` is set already."""
    extra: JsonObject = {}
    function = value.get("function")
    if function is not None and not _read_function(call, function, extra):
        extra["function"] = function
    for name, member in value.items():
        if name == "function":
            continue
        reader = _CALL.get(name)
        if reader is None or (member is not None and not reader(call, member)):
            extra[name] = member
    if extra:
        call.extra_json = text_of(extra)


_FUNCTION: dict[str, Reader] = {"name": read_text("name"), "arguments": read_text("arguments")}
_CALL: dict[str, Reader] = {"id": read_text("id"), "type": read_text("type")}
