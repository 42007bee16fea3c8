"""A whole answer out of the one event that tells it all, for wires whose whole answers and events have one form."""

from __future__ import annotations

from synapse.llm.v1.generation_pb2 import ChoiceDelta, Generation, GenerationEvent


def fill(generation: Generation, event: GenerationEvent) -> None:
    """Put what `event` tells into `generation`."""
    head = event.head
    generation.id = head.id
    generation.model = head.model
    generation.protocol = head.protocol
    if head.HasField("create_time"):
        generation.create_time.CopyFrom(head.create_time)
    if event.HasField("usage"):
        generation.usage.CopyFrom(event.usage)
    for delta in event.deltas:
        _fill_choice(generation, delta)


def _fill_choice(generation: Generation, delta: ChoiceDelta) -> None:
    choice = generation.choices.add(index=delta.index, finish_reason=delta.finish_reason)
    for name in ("content", "finish_detail", "stop_sequence"):
        if delta.HasField(name):
            setattr(choice, name, getattr(delta, name))
    if delta.HasField("reasoning"):
        choice.reasoning.CopyFrom(delta.reasoning)
    if delta.HasField("logprobs"):
        choice.logprobs.CopyFrom(delta.logprobs)
    for call in delta.tool_calls:
        choice.tool_calls.add(id=call.id, type=call.type, name=call.name, arguments=call.arguments)
