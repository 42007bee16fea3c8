"""Hypothesis strategies for OpenAI requests with everything that they may carry."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

texts = st.text(st.characters(codec="utf-8"), max_size=12)
integers = st.integers(-(2**63), 2**63 - 1)
numbers = st.one_of(st.integers(-10, 10), st.floats(-2, 2, allow_nan=False))
scalars = st.one_of(st.none(), st.booleans(), integers, st.floats(allow_nan=False, allow_infinity=False), texts)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
objects = st.dictionaries(texts, values, max_size=3)
unknown = st.dictionaries(texts.map(lambda name: f"x_{name}"), values, max_size=2)


def members(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of these members and a few that nobody knows."""
    known = st.fixed_dictionaries(required, optional=optional)
    return st.tuples(known, unknown).map(lambda both: {**both[1], **both[0]})


def media(name: str, required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Content parts called `name`."""
    return members({"type": st.just(name), name: members(required, optional)}, {})


parts = st.one_of(
    members({"type": st.just("text"), "text": texts}, {"cache_control": objects}),
    members({"type": st.just("refusal"), "refusal": texts}, {}),
    media("image_url", {"url": texts}, {"detail": texts}),
    media("audio_url", {"url": texts}, {}),
    media("video_url", {"url": texts}, {}),
    media("input_audio", {"data": texts, "format": texts}, {}),
    media("file", {}, {"file_id": texts, "filename": texts}),
    media("file", {"file_data": texts | texts.map(lambda text: f"data:{text}")}, {"filename": texts}),
    members({"type": st.just("hologram")}, {"hologram": values}),
)
calls = st.one_of(
    members(
        {
            "id": texts,
            "type": st.just("function"),
            "function": members({"name": texts, "arguments": texts}, {}),
        },
        {},
    ),
    members({"id": texts, "type": st.just("custom"), "custom": objects}, {}),
)
messages = members(
    {"role": st.sampled_from(["system", "user", "assistant", "tool", "developer", "bard", ""])},
    {
        "content": st.one_of(st.none(), texts, st.lists(parts, max_size=3)),
        "name": texts,
        "tool_call_id": texts,
        "refusal": texts,
        "reasoning_content": texts,
        "reasoning": texts,
        "tool_calls": st.lists(calls, max_size=2),
        "function_call": objects,
        "audio": objects,
    },
)
tools = st.one_of(
    members(
        {
            "type": st.just("function"),
            "function": members(
                {"name": texts}, {"description": texts, "parameters": objects, "strict": st.booleans()}
            ),
        },
        {"cache_control": objects},
    ),
    members({"type": st.sampled_from(["custom", "web_search"])}, {"custom": objects, "filters": values}),
)
choices = st.one_of(
    st.sampled_from(["auto", "none", "required"]),
    st.fixed_dictionaries({"type": st.just("function"), "function": st.fixed_dictionaries({"name": texts})}),
    st.fixed_dictionaries({"type": st.just("allowed_tools"), "function": objects}),
)
common: dict[str, Any] = {
    **dict.fromkeys(["temperature", "top_p", "min_p", "presence_penalty", "frequency_penalty"], numbers),
    **dict.fromkeys(["top_k", "seed", "max_tokens", "max_completion_tokens"], integers),
    "stop": st.one_of(texts, st.lists(texts, min_size=1, max_size=4)),
    "logit_bias": st.dictionaries(st.integers(0, 99_999).map(str), numbers, max_size=3),
    "n": st.integers(0, 8),
    "user": texts,
    "metadata": objects,
    "safety_identifier": texts,
    "store": st.booleans(),
    "service_tier": texts,
    "prompt_cache_key": texts,
    "reasoning": objects,
    "audio": objects,
}
chat_requests = members(
    {"model": texts, "messages": st.lists(messages, max_size=3)},
    {
        **common,
        "logprobs": st.booleans(),
        "top_logprobs": st.integers(0, 20),
        "tools": st.lists(tools, min_size=1, max_size=2),
        "tool_choice": choices,
        "parallel_tool_calls": st.booleans(),
        "reasoning_effort": texts,
        "modalities": st.lists(texts, min_size=1, max_size=2),
        "response_format": members({"type": texts.filter(bool)}, {"json_schema": objects}),
        "functions": st.lists(objects, max_size=1),
    },
)
tokens = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=3)
completion_requests = members(
    {
        "model": texts,
        "prompt": st.one_of(texts, tokens, st.lists(texts, max_size=3), st.lists(tokens, min_size=1, max_size=2)),
    },
    {
        **common,
        "suffix": texts,
        "echo": st.booleans(),
        "logprobs": st.integers(0, 5),
        "best_of": st.integers(0, 5),
    },
)
