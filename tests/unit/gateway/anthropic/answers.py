"""What Anthropic's answers, and the canonical ones of any backend, may look like, for property tests."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from synapse.llm.v1 import content_pb2, generation_pb2, request_pb2
from tests.unit.gateway.anthropic.shapes import NAME, OBJECT, TEXT

SOME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
COUNT = st.integers(0, 2**31)
CITATION = st.fixed_dictionaries({"type": st.just("char_location"), "cited_text": SOME, "document_index": COUNT})
TEXT_BLOCK = st.fixed_dictionaries(
    {"type": st.just("text"), "text": SOME}, optional={"citations": st.lists(CITATION, min_size=1, max_size=2)}
)
THINKING = st.fixed_dictionaries({"type": st.just("thinking"), "thinking": SOME, "signature": SOME})
REDACTED = st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": SOME})
PLAIN_OBJECT = st.dictionaries(NAME, st.booleans() | st.integers(-9, 9) | TEXT, max_size=2)
"""Objects that the SDK's lenient parser reads alike."""
TOOL_USE = st.fixed_dictionaries(
    {"type": st.just("tool_use"), "id": SOME, "name": NAME, "input": PLAIN_OBJECT},
    optional={"caller": st.just({"type": "direct"})},
)
SERVER_TOOL = st.fixed_dictionaries(
    {"type": st.just("server_tool_use"), "id": SOME, "name": st.just("web_search"), "input": PLAIN_OBJECT}
)
PAGE = st.fixed_dictionaries(
    {"type": st.just("web_search_result"), "url": SOME, "title": SOME, "encrypted_content": SOME, "page_age": SOME}
)
FOUND = st.fixed_dictionaries(
    {"type": st.just("web_search_tool_result"), "tool_use_id": SOME, "content": st.lists(PAGE, max_size=2)}
)
BLOCKS = st.lists(TEXT_BLOCK | THINKING | REDACTED | TOOL_USE | SERVER_TOOL | FOUND, max_size=5)
USAGE = st.fixed_dictionaries(
    {
        "input_tokens": COUNT,
        "cache_creation_input_tokens": st.none() | COUNT,
        "cache_read_input_tokens": st.none() | COUNT,
        "output_tokens": COUNT,
    },
    optional={
        "service_tier": st.just("standard"),
        "cache_creation": st.just({"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 0}),
    },
)


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    """An answer of Anthropic's."""
    content = draw(BLOCKS)
    called = any(block["type"] == "tool_use" for block in content)
    usual = ["tool_use"] if called else ["end_turn", "stop_sequence", "model_context_window_exceeded", "refusal"]
    reason = draw(st.sampled_from([*usual, "max_tokens", "pause_turn"]))
    return {
        "id": "msg_" + draw(NAME),
        "type": "message",
        "role": "assistant",
        "model": draw(NAME),
        "content": content,
        "stop_reason": reason,
        "stop_sequence": draw(SOME) if reason == "stop_sequence" else None,
        "usage": draw(USAGE),
        **draw(st.fixed_dictionaries({}, optional={"x_member": OBJECT})),
    }


@st.composite
def generations(draw: st.DrawFn) -> generation_pb2.Generation:
    """The answer of a backend that speaks another protocol."""
    protocol = draw(st.sampled_from([request_pb2.PROTOCOL_OPENAI, request_pb2.PROTOCOL_UNSPECIFIED]))
    made = generation_pb2.Generation(id="chatcmpl-1", model=draw(NAME), protocol=protocol)
    choice = made.choices.add(finish_reason=draw(st.sampled_from(range(1, 7))))
    if draw(st.booleans()):
        choice.reasoning.text, choice.reasoning.field = draw(SOME), "reasoning_content"
    if draw(st.booleans()):
        choice.content = draw(SOME)
    if draw(st.booleans()):
        choice.refusal = draw(SOME)
    for arguments in draw(st.lists(PLAIN_OBJECT, max_size=3)):
        choice.tool_calls.append(
            content_pb2.ToolCall(id=draw(SOME), type="function", name=draw(NAME), arguments=json.dumps(arguments))
        )
    if draw(st.booleans()):
        made.usage.prompt_tokens, made.usage.completion_tokens = draw(COUNT), draw(COUNT)
        made.usage.reasoning_tokens = draw(COUNT)
    return made
