"""Anthropic's turns to canonical messages: fields wherever they lose nothing, parts in odd orders (ADR 4)."""

from __future__ import annotations

from typing import Any

from synapse.llm.v1 import content_pb2
from synapse_gateway.anthropic.blocks import bare_text, kind_of, part, parts, tool_call, tool_message
from synapse_gateway.anthropic.checks import mapping, need, text, wrong
from synapse_runtime import jsontext

Message = content_pb2.Message
_ROLES = frozenset({"user", "assistant", "system"})
_TOOL_USE, _TOOL_RESULT = "tool_use", "tool_result"


def system(value: Any) -> Message | None:
    """The message that `system` is; None when it is none."""
    if isinstance(value, str):
        return Message(role="system", text=value)
    if not isinstance(value, list):
        raise wrong("system", "Input should be a valid string or list")
    return _plain("system", parts(value, "system")) if value else None


def turn(value: Any, where: str) -> list[Message]:
    """The messages of one turn; raises Problem 400."""
    rest = mapping(value, where)
    role = need(rest, "role", text, where)
    if role not in _ROLES:
        raise wrong(f"{where}.role", "Input should be 'user', 'assistant' or 'system'")
    content = need(rest, "content", _any, where)
    if isinstance(content, str):
        made = [Message(role=role, text=content)]
    elif isinstance(content, list):
        made = _messages(role, content, f"{where}.content", whole=bool(rest))
    else:
        raise wrong(f"{where}.content", "Input should be a valid string or list")
    if not content and isinstance(content, list):
        rest["content"] = content  # told from a text by staying among the other members
    if rest:
        made[0].extra_json = jsontext.dump(rest)
    return made


def _messages(role: str, content: list[Any], where: str, *, whole: bool) -> list[Message]:
    """The messages of a turn of blocks; one alone with `whole`, so that members of the turn have a place."""
    kinds = [kind_of(value, f"{where}.{number}") for number, value in enumerate(content)]
    if role == "assistant" and _TOOL_USE in kinds and _TOOL_RESULT not in kinds:
        first = kinds.index(_TOOL_USE)
        if all(kind == _TOOL_USE for kind in kinds[first:]):
            return [_calling(content, first, where)]
    if role == "user" and kinds[:1] == [_TOOL_RESULT] and not whole:
        end = next((number for number, kind in enumerate(kinds) if kind != _TOOL_RESULT), len(kinds))
        if _TOOL_RESULT not in kinds[end:]:
            return _answering(content, end, where)
    return [_plain(role, parts(content, where))]


def _calling(content: list[Any], first: int, where: str) -> Message:
    """An assistant's turn that ends in tool calls."""
    made = _plain("assistant", parts(content[:first], where))
    for number in range(first, len(content)):
        made.tool_calls.append(tool_call(content[number], f"{where}.{number}"))
    return made


def _answering(content: list[Any], end: int, where: str) -> list[Message]:
    """A user's turn that begins with the results of tools."""
    made = [tool_message(content[number], f"{where}.{number}") for number in range(end)]
    if rest := [part(content[number], f"{where}.{number}") for number in range(end, len(content))]:
        made.append(_plain("user", rest))
    return made


def _plain(role: str, given: list[content_pb2.ContentPart]) -> Message:
    made = Message(role=role)
    if role == "assistant" and _thinks_unsigned(given):
        made.reasoning = given[0].thinking.text
        given = given[1:]
    bare = bare_text(given)
    if bare is None:
        made.parts.extend(given)
    else:
        made.text = bare
    return made


def _thinks_unsigned(given: list[content_pb2.ContentPart]) -> bool:
    """Whether the one thinking block comes first and is unsigned, as those made of other backends' thoughts are."""
    thoughts = [part for part in given if part.WhichOneof("part") == "thinking"]
    if len(thoughts) != 1 or thoughts[0] is not given[0] or thoughts[0].extra_json:
        return False
    return bool(thoughts[0].thinking.text and not thoughts[0].thinking.signature)


def _any(value: Any, _where: str) -> Any:
    return value
