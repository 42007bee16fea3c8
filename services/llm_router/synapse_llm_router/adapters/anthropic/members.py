"""Members that Anthropic's whole and streamed answers share: usage, stop reasons, and what has no field.

| Anthropic member                                           | canonical place                                       |
|------------------------------------------------------------|-------------------------------------------------------|
| `usage.input_tokens` and both kinds of cache tokens        | `usage.prompt_tokens`, their sum                      |
| `usage.cache_read_input_tokens`                            | `usage.cache_read_tokens`                             |
| `usage.cache_creation_input_tokens`                        | `usage.cache_write_tokens`                            |
| `usage.output_tokens`                                      | `usage.completion_tokens`                             |
| `usage.output_tokens_details.thinking_tokens`              | `usage.reasoning_tokens` as well as in `extra_json`   |
| other members of `usage`                                   | `usage.extra_json`                                    |
| `stop_reason` end_turn, stop_sequence                      | FINISH_REASON_STOP                                    |
| `stop_reason` max_tokens, model_context_window_exceeded    | FINISH_REASON_LENGTH, the latter in `finish_detail`   |
| `stop_reason` tool_use, refusal                            | FINISH_REASON_TOOL_CALLS, FINISH_REASON_CONTENT_FILTER|
| any other `stop_reason`                                    | FINISH_REASON_OTHER with `finish_detail`              |
| `stop_sequence`                                            | `stop_sequence`                                       |

A null of these is the same as nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synapse.llm.v1 import generation_pb2 as wire
from synapse_llm_router.adapters.members_json import JsonObject, text_of

_REASONS: Mapping[str, wire.FinishReason.ValueType] = {
    "end_turn": wire.FINISH_REASON_STOP,
    "stop_sequence": wire.FINISH_REASON_STOP,
    "max_tokens": wire.FINISH_REASON_LENGTH,
    "model_context_window_exceeded": wire.FINISH_REASON_LENGTH,
    "tool_use": wire.FINISH_REASON_TOOL_CALLS,
    "refusal": wire.FINISH_REASON_CONTENT_FILTER,
}
_USUAL_WORDS = frozenset({"end_turn", "max_tokens", "tool_use", "refusal"})
_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")


def others(source: JsonObject, known: frozenset[str]) -> str:
    """The members of `source` that are not `known`, as JSON text; empty for none."""
    if source.keys() <= known:
        return ""
    return text_of({name: value for name, value in source.items() if name not in known})


def read_stop(choice: wire.Choice | wire.ChoiceDelta, told: JsonObject) -> None:
    """Read why the answer ended; nothing while it has not."""
    word, stop = told.get("stop_reason"), told.get("stop_sequence")
    if stop is not None:
        choice.stop_sequence = stop
    if word is None:
        return
    choice.finish_reason = _REASONS.get(word, wire.FINISH_REASON_OTHER)
    if word not in _USUAL_WORDS and (word != "stop_sequence" or stop is None):
        choice.finish_detail = word


def read_usage(usage: wire.Usage, told: JsonObject) -> None:
    """Read what the answer cost."""
    fresh, written, read, said = (told.get(name) for name in _COUNTS)
    usage.prompt_tokens = (fresh or 0) + (written or 0) + (read or 0)
    usage.completion_tokens = said or 0
    usage.total_tokens = usage.prompt_tokens + usage.completion_tokens
    if read is not None:
        usage.cache_read_tokens = read
    if written is not None:
        usage.cache_write_tokens = written
    extra = {name: value for name, value in told.items() if name not in _COUNTS}
    if extra:
        _read_details(usage, extra.get("output_tokens_details"))
        usage.extra_json = text_of(extra)


def _read_details(usage: wire.Usage, details: Any) -> None:
    thought = details.get("thinking_tokens") if isinstance(details, dict) else None
    if isinstance(thought, int):
        usage.reasoning_tokens = thought
