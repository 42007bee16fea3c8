"""A stored answer told as a stream and put together again is the same answer, field for field."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from synapse.llm.v1 import generation_pb2 as llm
from synapse_cache.adapters.assembly import EventAssembler
from synapse_cache.adapters.replay import LARGEST_PIECE_COUNT, events_of, pieces_of

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
words = st.text("abcdef", min_size=1, max_size=6)
objects = st.dictionaries(words, st.integers(-9, 9) | words | st.none(), max_size=3).map(
    lambda value: json.dumps(value, separators=(",", ":")) if value else ""
)


@st.composite
def token_logprobs(draw: st.DrawFn) -> llm.TokenLogprob:
    token = llm.TokenLogprob(token=draw(words), logprob=draw(st.floats(-20, 0)))
    if draw(st.booleans()):
        token.token_bytes = token.token.encode()
    token.top.add(token=draw(words), logprob=-1.5)
    return token


@st.composite
def choices(draw: st.DrawFn, index: int) -> llm.Choice:
    choice = llm.Choice(index=index, finish_reason=draw(st.sampled_from((1, 2, 3, 4, 6))))
    kind = draw(st.sampled_from(("text", "tools", "refusal", "logprobs")))
    if kind == "text":
        choice.content = draw(texts)
    elif kind == "refusal":
        choice.refusal = draw(texts.filter(bool))
    elif kind == "tools":
        for _ in range(draw(st.integers(1, 3))):
            choice.tool_calls.add(
                id=draw(words), type="function", name=draw(words), arguments=draw(texts), extra_json=draw(objects)
            )
    else:
        tokens = draw(st.lists(token_logprobs(), min_size=1, max_size=4))
        choice.logprobs.content.extend(tokens)
        choice.content = "".join(token.token for token in tokens)
    if draw(st.booleans()):
        choice.reasoning.text = draw(texts.filter(bool))
        choice.reasoning.field = draw(st.sampled_from(("reasoning", "reasoning_content")))
    if draw(st.booleans()):
        choice.thinking.add(text=draw(texts), signature=draw(words))
    if kind in {"text", "tools"} and draw(st.booleans()):
        draw(laid_out(choice))
    if draw(st.booleans()):
        choice.finish_detail = draw(words)
    if draw(st.booleans()):
        choice.stop_sequence = draw(words)
    choice.message_extra_json = draw(objects)
    choice.extra_json = draw(objects)
    return choice


@st.composite
def laid_out(draw: st.DrawFn, choice: llm.Choice) -> None:
    """Give `choice` blocks in an order that its fields do not tell."""
    kinds = [llm.BLOCK_KIND_THINKING] * len(choice.thinking) + [llm.BLOCK_KIND_TOOL_CALL] * len(choice.tool_calls)
    cuts = draw(st.lists(words, max_size=3))
    choice.blocks.extend(llm.ContentBlock(kind=kind) for kind in draw(st.permutations(kinds)))
    for text in cuts:
        place = draw(st.integers(0, len(choice.blocks)))
        choice.blocks.insert(place, llm.ContentBlock(kind=llm.BLOCK_KIND_TEXT, text_length=len(text)))
    choice.blocks.append(llm.ContentBlock(kind=llm.BLOCK_KIND_OPAQUE, opaque_json='{"type":"new"}'))
    choice.blocks[0].extra_json = draw(objects)
    choice.ClearField("content")
    if cuts:
        choice.content = "".join(cuts)


@st.composite
def generations(draw: st.DrawFn) -> llm.Generation:
    generation = llm.Generation(id=draw(words), model=draw(words), extra_json=draw(objects))
    generation.protocol = draw(st.sampled_from((0, 1, 2)))
    generation.choices.extend(draw(choices(index)) for index in range(draw(st.integers(1, 3))))
    generation.create_time.FromSeconds(1_795_000_000)
    if draw(st.booleans()):
        generation.system_fingerprint = draw(words)
        generation.service_tier = draw(words)
    if draw(st.booleans()):
        generation.usage.total_tokens = draw(st.integers(0, 10**6))
        generation.usage.extra_json = draw(objects)
    return generation


@given(generations(), st.integers(1, 7))
def test_an_answer_survives_the_stream(generation: llm.Generation, batch_size: int) -> None:
    events = events_of(generation)
    assembler = EventAssembler()
    for start in range(0, len(events), batch_size):
        assembler.add(events[start : start + batch_size])
    assert llm.Generation.FromString(assembler.finish().payload) == generation


@given(generations())
def test_each_choice_says_who_speaks_first_and_why_it_ends_last(generation: llm.Generation) -> None:
    deltas = [delta for event in events_of(generation) for delta in event.deltas]
    for choice in generation.choices:
        own = [delta for delta in deltas if delta.index == choice.index]
        assert own[0].role == "assistant"
        assert own[-1].finish_reason == choice.finish_reason
        assert not any(delta.finish_reason for delta in own[:-1])


@given(texts)
def test_pieces_are_the_text(text: str) -> None:
    assert "".join(pieces_of(text)) == text


def test_a_long_text_comes_in_a_bounded_number_of_pieces() -> None:
    assert len(pieces_of("word " * 10_000)) <= LARGEST_PIECE_COUNT
