"""Hypothesis strategies for answers of Anthropic's Messages, and the streams that tell them."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from tests.unit.llm_router.anthropic.requests import names
from tests.unit.llm_router.openai.requests import members, objects, texts, values

counts = st.integers(0, 2**40)
citations = st.lists(objects.map(lambda members: {**members, "type": "char_location"}), min_size=1, max_size=2)
text_blocks = members({"type": st.just("text"), "text": texts}, {"citations": citations})
plain_text = st.fixed_dictionaries({"type": st.just("text"), "text": texts})
thoughts = st.one_of(
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": texts, "signature": names}),
    st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": names}),
)
plain_calls = st.fixed_dictionaries(
    {"type": st.just("tool_use"), "id": names, "name": names, "input": objects.filter(bool)}
)
calls = members({"type": st.just("tool_use"), "id": names, "name": names, "input": objects}, {"caller": objects})
others = st.one_of(
    members({"type": st.just("server_tool_use"), "id": names, "name": names, "input": objects}, {}),
    members({"type": st.just("web_search_tool_result"), "tool_use_id": texts, "content": st.lists(objects)}, {}),
)
usual = st.tuples(
    st.lists(thoughts, max_size=2), st.lists(plain_text, max_size=1), st.lists(plain_calls, max_size=2)
).map(lambda parts: [block for part in parts for block in part])
odd = st.lists(st.one_of(text_blocks, thoughts, calls, others), max_size=4)
stops = st.one_of(
    st.sampled_from(
        ["end_turn", "max_tokens", "tool_use", "refusal", "pause_turn", "model_context_window_exceeded"]
    ).map(lambda word: {"stop_reason": word, "stop_sequence": None}),
    names.map(lambda stop: {"stop_reason": "stop_sequence", "stop_sequence": stop}),
    st.just({"stop_reason": "stop_sequence", "stop_sequence": None}),
)
usages = members(
    {"input_tokens": counts, "output_tokens": counts},
    {
        "cache_read_input_tokens": counts,
        "cache_creation_input_tokens": counts,
        "output_tokens_details": st.fixed_dictionaries({"thinking_tokens": counts}),
        "service_tier": texts,
    },
)
messages = st.builds(
    lambda body, stop: {**body, **stop},
    members(
        {
            "id": names,
            "type": st.just("message"),
            "role": st.just("assistant"),
            "model": names,
            "content": usual | odd,
            "usage": usages,
        },
        {"container": objects, "context_management": values},
    ),
    stops,
)


def stream_of(message: dict[str, Any], cuts: list[int]) -> list[dict[str, Any]]:
    """The events that tell `message`, its texts cut at `cuts`; late members and counts come at the end."""
    late = {name: message[name] for name in ("stop_reason", "stop_sequence", "container") if name in message}
    first = {name: value for name, value in message.items() if name not in late}
    usage = {**message["usage"], "output_tokens": 1}
    start = {**first, "stop_reason": None, "stop_sequence": None, "content": [], "usage": usage}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(message["content"]):
        bare, pieces = begin(block, cuts)
        events.append({"type": "content_block_start", "index": index, "content_block": bare})
        events += [{"type": "content_block_delta", "index": index, "delta": piece} for piece in pieces]
        events.append({"type": "content_block_stop", "index": index})
    ended = {"output_tokens": message["usage"]["output_tokens"], "input_tokens": None}
    return [*events, {"type": "message_delta", "delta": late, "usage": ended}, {"type": "message_stop"}]


def begin(block: dict[str, Any], cuts: list[int]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a block says at its start, and the pieces that follow."""
    match block["type"]:
        case "text":
            pieces = [{"type": "text_delta", "text": piece} for piece in cut(block["text"], cuts)]
            cited = [{"type": "citations_delta", "citation": value} for value in block.get("citations", ())]
            bare = {name: value for name, value in block.items() if name != "citations"}
            return {**bare, "text": ""}, pieces + cited
        case "thinking":
            pieces = [{"type": "thinking_delta", "thinking": piece} for piece in cut(block["thinking"], cuts)]
            signed = {"type": "signature_delta", "signature": block["signature"]}
            return {**block, "thinking": "", "signature": ""}, [*pieces, signed]
        case "tool_use" | "server_tool_use" if block["input"]:
            written = cut(json.dumps(block["input"], indent=1), cuts)
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in written]
    return block, []


def cut(text: str, cuts: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(min(edge, len(text)) for edge in cuts)})
    return [text[start:stop] for start, stop in pairwise(edges)]
