"""Canonical messages as Anthropic's turns and system prompt.

| Anthropic                                       | canonical place                                               |
|-------------------------------------------------|---------------------------------------------------------------|
| `system`, text or blocks                        | the leading messages of role `system` or `developer`          |
| a turn's content, text or blocks                | `text` or `parts` (blocks.py)                                 |
| `tool_use` blocks at the end of a turn          | `tool_calls`                                                  |
| a user's `tool_result` block                    | a message of role `tool`: `tool_call_id`, `text` or `parts`   |
| other members of a turn / of a `tool_result`    | `extra_json` of the message                                   |

Messages of one role that follow each other are one turn, results of tools and what the user says after them likewise.
Of a question that came in another protocol, later system messages join the system prompt, the refusal of an
assistant is text, unsigned thoughts (`reasoning`) and empty texts beside other blocks are left out; the name of a
speaker and the legacy role `function` are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse_llm_router.adapters import refusing
from synapse_llm_router.adapters.anthropic.blocks import Block, block_of, text_block, tool_use
from synapse_llm_router.adapters.members_json import JsonObject, adopt
from synapse_llm_router.adapters.target import Target

if TYPE_CHECKING:
    from synapse.llm.v1.content_pb2 import Message

_SYSTEM = frozenset({"system", "developer"})
_SPEAKERS = frozenset({"user", "assistant"})


@dataclass
class _Turn:
    role: str
    content: str | list[Block]
    extra_json: str = ""

    def blocks(self) -> list[Block]:
        return [text_block(self.content)] if isinstance(self.content, str) else self.content


def put_conversation(body: JsonObject, messages: Sequence[Message], target: Target) -> None:
    """Put `system` and `messages` into `body`; raises InvalidArgument for what has no form in Anthropic's Messages."""
    system: list[_Turn] = []
    turns: list[_Turn] = []
    for number, message in enumerate(messages):
        turn = _turn(message, target, f"messages[{number}]")
        if message.role in _SYSTEM and (not target.own or not (turns or turn.extra_json)):
            system.append(turn)
        elif turns and _is_one(turns[-1], turn):
            turns[-1].content = [*turns[-1].blocks(), *turn.blocks()]
        else:
            turns.append(turn)
    if len(system) == 1:
        body["system"] = system[0].content
    elif system:
        body["system"] = [block for turn in system for block in turn.blocks()]
    body["messages"] = [_written(turn, target) for turn in turns]


def _is_one(before: _Turn, turn: _Turn) -> bool:
    return before.role == turn.role and not (before.extra_json or turn.extra_json)


def _written(turn: _Turn, target: Target) -> JsonObject:
    body: JsonObject = {"role": turn.role, "content": turn.content}
    if target.own and turn.extra_json:
        adopt(body, turn.extra_json, "messages.extra_json")
    return body


def _turn(message: Message, target: Target, where: str) -> _Turn:
    refusing.require_plain(target, message, where)
    if message.role == "tool":
        return _Turn("user", [_result(message, target, where)])
    if not (target.own or message.role in _SYSTEM | _SPEAKERS):
        raise target.lacks_content(f"{where}.role", f"Anthropic's Messages know no role {message.role!r}")
    extra_json = message.extra_json if target.own else ""
    content = _content(message, target, where)
    calls: list[Block] = [
        tool_use(call, target, f"{where}.tool_calls[{number}]") for number, call in enumerate(message.tool_calls)
    ]
    if calls or message.HasField("refusal"):
        said = [text_block(message.refusal)] if message.refusal else []
        content = [*_blocks(content, target), *said, *calls]
    return _Turn(message.role, content, extra_json)


def _content(message: Message, target: Target, where: str) -> str | list[Block]:
    if not message.parts:
        return message.text if message.HasField("text") else []
    parts = [block_of(part, target, f"{where}.content[{number}]") for number, part in enumerate(message.parts)]
    return [text_block(message.text), *parts] if message.text else parts


def _blocks(content: str | list[Block], target: Target) -> list[Block]:
    if isinstance(content, list):
        return content
    return [text_block(content)] if content or target.own else []


def _result(message: Message, target: Target, where: str) -> JsonObject:
    if not message.HasField("tool_call_id"):
        raise target.lacks_content(where, "a message of role 'tool' must name its call in tool_call_id")
    block: JsonObject = {"type": "tool_result", "tool_use_id": message.tool_call_id}
    if message.parts or message.HasField("text"):
        block["content"] = _content(message, target, where)
    if target.own:
        adopt(block, message.extra_json, f"{where}.extra_json")
    return block
