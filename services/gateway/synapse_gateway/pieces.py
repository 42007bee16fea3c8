"""The commonest step of a stream: nothing but more text."""

from __future__ import annotations

from synapse.llm.v1 import generation_pb2

_CONTENT = generation_pb2.ChoiceDelta.CONTENT_FIELD_NUMBER
_DELTAS = generation_pb2.GenerationEvent.DELTAS_FIELD_NUMBER


def bare_text(event: generation_pb2.GenerationEvent) -> str | None:
    """The event's text when it is nothing but more text of the choice 0."""
    fields = event.ListFields()
    if len(fields) != 1 or fields[0][0].number != _DELTAS:
        return None
    deltas = fields[0][1]
    parts = deltas[0].ListFields()
    if len(deltas) != 1 or len(parts) != 1 or parts[0][0].number != _CONTENT:
        return None
    text: str = parts[0][1]
    return text
