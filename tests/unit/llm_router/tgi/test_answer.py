"""A streamed and a whole answer of TGI say the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from synapse.llm.v1 import generation_pb2 as llm
from synapse_llm_router.adapters import failures, whole
from synapse_llm_router.adapters.tgi.answer import TokenReader
from tests.unit.llm_router.openai.requests import values

tokens = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(0, 9),
            "text": st.text("abc", max_size=3),
            "logprob": st.floats(-9, 0),
            "special": st.booleans(),
        }
    ),
    min_size=1,
    max_size=8,
)
stops = st.lists(st.text("abc", min_size=1, max_size=3), max_size=2)


def reader(ends: list[str]) -> TokenReader:
    return TokenReader("m", stops=ends, ends=("<end>",), completion=False, probabilities=True)


def text_of(said: list[Any]) -> str:
    return "".join(token["text"] for token in said if not token["special"])


def streamed(said: list[Any], ends: list[str], details: Any) -> list[llm.GenerationEvent]:
    reading, told = reader(ends), []
    for number, token in enumerate(said):
        last = number == len(said) - 1
        end = {"generated_text": text_of(said), "details": details} if last else {}
        event = llm.GenerationEvent()
        if reading.read_event({"index": number, "token": token, **end}, event):
            told.append(event)
    assert reading.done
    return told


@given(tokens, stops, st.sampled_from(["eos_token", "length", "stop_sequence", "other"]))
def test_the_stream_and_the_whole_say_the_same(said: list[Any], ends: list[str], reason: str) -> None:
    details = {"finish_reason": reason, "generated_tokens": len(said), "input_length": 3}
    event, generation = llm.GenerationEvent(), llm.Generation()
    answer = {"generated_text": text_of(said), "details": {**details, "tokens": said}}
    reader(ends).read_whole(answer, {}, event)
    whole.fill(generation, event)
    (choice,) = generation.choices
    told = streamed(said, ends, details)
    deltas = [delta for one in told for delta in one.deltas]
    assert "".join(delta.content for delta in deltas) == choice.content
    assert (deltas[-1].finish_reason, deltas[-1].stop_sequence) == (choice.finish_reason, choice.stop_sequence)
    assert told[-1].usage == generation.usage


@given(values)
def test_no_event_breaks_it(value: Any) -> None:
    for damaged in (value, {"token": value}, {"token": {"text": "a", "logprob": value}}):
        try:
            reader([]).read_event(damaged, llm.GenerationEvent())
        except failures.Malformed:
            continue
