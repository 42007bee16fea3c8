"""Items of the responses protocol gathered into messages: what the assistant did in a row is one turn.

The usual order (thoughts, one text, calls) makes the plain form: a message with fields. Thoughts or texts after a call
make a message of parts. Signed thoughts are parts in either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synapse.llm.v1 import content_pb2
from synapse_runtime import jsontext

if TYPE_CHECKING:
    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

_ROLE = "assistant"


class Turns:
    """Adds what comes to `messages`, oldest first; `close` when there is no more."""

    def __init__(self, messages: RepeatedCompositeFieldContainer[content_pb2.Message]) -> None:
        self._messages = messages
        self._restart()

    def _restart(self) -> None:
        self._thoughts: list[content_pb2.Thinking] = []
        self._said: content_pb2.Message | None = None
        self._calls: list[content_pb2.ToolCall] = []
        self._after: list[content_pb2.ContentPart] = []

    def other(self, message: content_pb2.Message) -> None:
        """A message of anybody else, results of tools too."""
        self.close()
        self._messages.append(message)

    def think(self, thought: content_pb2.Thinking) -> None:
        """The assistant thought."""
        if self._calls:
            self._after.append(content_pb2.ContentPart(thinking=thought))
            return
        if self._said is not None:
            self.close()
        self._thoughts.append(thought)

    def say(self, message: content_pb2.Message) -> None:
        """The assistant spoke."""
        if self._calls:
            self._after += _parts(message)
            return
        if self._said is not None:
            self.close()
        self._said = message

    def call(self, call: content_pb2.ToolCall) -> None:
        """The assistant called a tool."""
        if self._after:
            self._after.append(content_pb2.ContentPart(tool_call=call))
        else:
            self._calls.append(call)

    def close(self) -> None:
        """The assistant's turn is over."""
        if self._said is not None or self._thoughts or self._calls:
            self._messages.append(self._in_parts() if self._after else self._plain())
        self._restart()

    def _plain(self) -> content_pb2.Message:
        made = self._said or content_pb2.Message(role=_ROLE)
        if len(self._thoughts) == 1 and _is_bare(self._thoughts[0]):
            made.reasoning = self._thoughts[0].text
        elif self._thoughts:
            said = [content_pb2.ContentPart(text=made.text)] if made.text else list(made.parts)
            made.ClearField("text")
            made.ClearField("parts")
            made.parts.extend([*self._thought_parts(), *said])
        made.tool_calls.extend(self._calls)
        return made

    def _in_parts(self) -> content_pb2.Message:
        said = self._said or content_pb2.Message(role=_ROLE)
        called = [content_pb2.ContentPart(tool_call=call) for call in self._calls]
        parts = [*self._thought_parts(), *_parts(said), *called, *self._after]
        return content_pb2.Message(role=_ROLE, parts=parts)

    def _thought_parts(self) -> list[content_pb2.ContentPart]:
        return [content_pb2.ContentPart(thinking=thought) for thought in self._thoughts]


def _is_bare(thought: content_pb2.Thinking) -> bool:
    return not thought.signature and not thought.redacted_data


def _parts(message: content_pb2.Message) -> list[content_pb2.ContentPart]:
    made = [content_pb2.ContentPart(text=message.text)] if message.text else list(message.parts)
    if message.HasField("refusal"):
        made.append(content_pb2.ContentPart(refusal=message.refusal))
    if made and message.extra_json:
        own = jsontext.load(made[0].extra_json or "{}")
        made[0].extra_json = jsontext.dump({**jsontext.load(message.extra_json), **own})
    return made
