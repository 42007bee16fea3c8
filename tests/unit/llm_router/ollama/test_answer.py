"""What Ollama's lines say is in the events, however the answer is cut into lines."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from synapse.llm.v1 import generation_pb2 as llm
from synapse_llm_router.adapters import failures
from synapse_llm_router.adapters.ollama.answer import LineReader
from tests.unit.llm_router.openai.requests import objects, texts, values

pieces = st.one_of(
    st.builds(lambda text: {"content": text}, texts),
    st.builds(lambda text: {"content": "", "thinking": text}, texts),
    st.builds(
        lambda name, arguments: {"content": "", "tool_calls": [{"function": {"name": name, "arguments": arguments}}]},
        texts,
        objects,
    ),
)
endings = st.fixed_dictionaries(
    {"done": st.just(True), "done_reason": st.sampled_from(["stop", "length", "load", "any"])},
    optional={"prompt_eval_count": st.integers(0, 2**40), "eval_count": st.integers(0, 2**40)},
)


def read(lines: list[Any]) -> list[llm.GenerationEvent]:
    reader = LineReader(completion=False, turn=1)
    told = []
    for line in lines:
        event = llm.GenerationEvent()
        if reader.read(line, event):
            told.append(event)
    assert reader.done
    return told


def line(message: Any, **members: Any) -> Any:
    return {"model": "m", "message": {"role": "assistant", **message}, "done": False, **members}


@given(st.lists(pieces, max_size=6), endings)
def test_what_is_mapped_comes_back(said: list[Any], ending: Any) -> None:
    told = read([*map(line, said), line({"content": ""}, **ending)])
    deltas = [delta for event in told for delta in event.deltas]
    assert "".join(delta.content for delta in deltas) == "".join(piece["content"] for piece in said)
    assert "".join(delta.reasoning.text for delta in deltas) == "".join(piece.get("thinking", "") for piece in said)
    calls = [call["function"] for piece in said for call in piece.get("tool_calls", ())]
    heard = [call for delta in deltas for call in delta.tool_calls]
    assert [{"name": call.name, "arguments": orjson.loads(call.arguments)} for call in heard] == calls
    assert [call.index for call in heard] == list(range(len(calls)))
    assert len({call.id for call in heard}) == len(calls)
    assert _word(deltas[-1], calls) == ending["done_reason"]
    usage = told[-1].usage
    counts = (ending.get("prompt_eval_count", 0), ending.get("eval_count", 0))
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (*counts, sum(counts))


def _word(last: llm.ChoiceDelta, calls: list[Any]) -> str:
    usual = {
        llm.FINISH_REASON_TOOL_CALLS if calls else llm.FINISH_REASON_STOP: "stop",
        llm.FINISH_REASON_LENGTH: "length",
    }
    return usual.get(last.finish_reason, last.finish_detail)


@given(values)
def test_no_line_breaks_it(value: Any) -> None:
    for damaged in (
        value,
        line({"content": value}),
        line({"content": "", "tool_calls": value}),
        line(value if isinstance(value, dict) else {}, logprobs=value),
    ):
        event = llm.GenerationEvent()
        try:
            LineReader(completion=False, turn=0).read(damaged, event)
        except failures.Malformed:
            continue


def test_an_answer_that_says_nothing_says_an_empty_text() -> None:
    (event,) = read([line({"content": ""}, done=True)])
    assert event.deltas[0].HasField("content")
