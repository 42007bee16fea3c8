"""A whole answer of Anthropic's Messages as a canonical Generation.

| Anthropic member                                     | canonical place                                            |
|------------------------------------------------------|------------------------------------------------------------|
| `id` `model`                                         | the fields of the same name                                |
| `type` `role`                                        | dropped: they are always "message" and "assistant"         |
| `content[]` of type text                             | `Choice.content`, the texts joined                         |
| `content[]` of type thinking, redacted_thinking      | `Choice.thinking`                                          |
| `content[]` of type tool_use                         | `Choice.tool_calls`: `input` is `arguments`, its JSON text |
| any other block                                      | `Choice.blocks[].opaque_json`, whole                       |
| other members of a block, such as citations          | `Choice.blocks[].extra_json`                               |
| `stop_reason` `stop_sequence` `usage`                | members.py                                                 |
| everything else                                      | `Generation.extra_json`                                    |

`Choice.blocks` stays empty where the blocks come in the usual order (thinking, one text, tool calls) and have no other
members.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from synapse.llm.v1 import generation_pb2 as wire
from synapse.llm.v1.request_pb2 import PROTOCOL_ANTHROPIC
from synapse_llm_router.adapters.anthropic import members
from synapse_llm_router.adapters.failures import Malformed
from synapse_llm_router.adapters.members_json import JsonObject, text_of

MESSAGE = frozenset({"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"})
TEXT = frozenset({"type", "text"})
THINKING = frozenset({"type", "thinking", "signature"})
REDACTED = frozenset({"type", "data"})
TOOL_USE = frozenset({"type", "id", "name", "input"})
"""The members that have a field of their own."""
_USUAL_ORDER = (wire.BLOCK_KIND_THINKING, wire.BLOCK_KIND_TEXT, wire.BLOCK_KIND_TOOL_CALL)


def read_answer(body: Any, generation: wire.Generation) -> None:
    """Fill `generation` from the JSON value `body`; raises Malformed when it is not an answer."""
    if not isinstance(body, dict) or not isinstance(body.get("content"), list):
        raise Malformed("the answer has no list of blocks")
    try:
        _read_answer(body, generation)
    except (TypeError, ValueError, KeyError, AttributeError) as error:  # a value of another type than the protocol's
        raise Malformed(f"the answer does not have the form of Anthropic's Messages: {error}") from error


def read_head(head: wire.Generation | wire.StreamHead, message: JsonObject) -> None:
    """Read which answer it is."""
    head.id = message.get("id") or ""
    head.model = message.get("model") or ""
    head.protocol = PROTOCOL_ANTHROPIC


def _read_answer(body: JsonObject, generation: wire.Generation) -> None:
    read_head(generation, body)
    generation.extra_json = members.others(body, MESSAGE)
    if (usage := body.get("usage")) is not None:
        members.read_usage(generation.usage, usage)
    choice = generation.choices.add()
    members.read_stop(choice, body)
    for block in body["content"]:
        _READERS.get(block["type"], _read_opaque)(choice, block)
    if _is_usual(choice):
        choice.ClearField("blocks")


def _is_usual(choice: wire.Choice) -> bool:
    kinds = [block.kind for block in choice.blocks]
    if kinds.count(wire.BLOCK_KIND_TEXT) > 1 or wire.BLOCK_KIND_OPAQUE in kinds:
        return False
    return kinds == sorted(kinds, key=_USUAL_ORDER.index) and not any(block.extra_json for block in choice.blocks)


def _read_text(choice: wire.Choice, block: JsonObject) -> None:
    text = block["text"]
    choice.content += text
    extra = members.others(block, TEXT)
    choice.blocks.add(kind=wire.BLOCK_KIND_TEXT, text_length=len(text), extra_json=extra)


def _read_thinking(choice: wire.Choice, block: JsonObject) -> None:
    choice.thinking.add(text=block["thinking"], signature=block.get("signature"))
    choice.blocks.add(kind=wire.BLOCK_KIND_THINKING, extra_json=members.others(block, THINKING))


def _read_redacted(choice: wire.Choice, block: JsonObject) -> None:
    choice.thinking.add(redacted_data=block["data"])
    choice.blocks.add(kind=wire.BLOCK_KIND_THINKING, extra_json=members.others(block, REDACTED))


def _read_tool_use(choice: wire.Choice, block: JsonObject) -> None:
    arguments = text_of(block["input"])
    choice.tool_calls.add(id=block["id"], type="function", name=block["name"], arguments=arguments)
    choice.blocks.add(kind=wire.BLOCK_KIND_TOOL_CALL, extra_json=members.others(block, TOOL_USE))


def _read_opaque(choice: wire.Choice, block: JsonObject) -> None:
    choice.blocks.add(kind=wire.BLOCK_KIND_OPAQUE, opaque_json=text_of(block))


_READERS: dict[str, Callable[[wire.Choice, JsonObject], None]] = {
    "text": _read_text,
    "thinking": _read_thinking,
    "redacted_thinking": _read_redacted,
    "tool_use": _read_tool_use,
}
