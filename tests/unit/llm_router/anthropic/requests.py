"""Hypothesis strategies for requests of Anthropic's Messages with everything that they may carry."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.unit.llm_router.openai.requests import members, objects, texts, values

names = texts.filter(bool)
bare_text = st.fixed_dictionaries({"type": st.just("text"), "text": texts})
text_blocks = bare_text | members({"type": st.just("text"), "text": texts}, {"cache_control": objects})
sources = st.one_of(
    members({"type": st.just("base64"), "media_type": st.just("image/png"), "data": texts}, {}),
    members({"type": st.just("url"), "url": texts.map(lambda path: f"https://h/{path}")}, {}),
    members({"type": st.just("file"), "file_id": texts}, {}),
)
text_sources = st.fixed_dictionaries({"type": st.sampled_from(["text", "content"]), "data": texts})
images = members({"type": st.just("image"), "source": sources}, {"cache_control": objects})
documents = members(
    {"type": st.just("document"), "source": sources | text_sources}, {"title": texts, "citations": objects}
)
others = members({"type": st.sampled_from(["search_result", "server_tool_use", "container_upload"])}, {"x": values})
thoughts = st.one_of(
    members({"type": st.just("thinking"), "thinking": texts, "signature": names}, {}),
    members({"type": st.just("redacted_thinking"), "data": names}, {}),
)
calls = members(
    {"type": st.just("tool_use"), "id": texts, "name": texts, "input": objects},
    {"cache_control": objects, "caller": objects},
)
results = members(
    {"type": st.just("tool_result"), "tool_use_id": texts},
    {"content": texts | st.lists(text_blocks | images, min_size=1, max_size=2), "is_error": st.booleans()},
)
user_blocks = st.one_of(text_blocks, images, documents, others)
user_content = st.one_of(
    texts,
    st.lists(user_blocks, min_size=1, max_size=3),
    st.tuples(st.lists(results, min_size=1, max_size=2), st.lists(user_blocks, max_size=2)).map(lambda b: b[0] + b[1]),
    st.lists(user_blocks | results, min_size=1, max_size=3),
)
assistant_content = st.one_of(
    texts,
    st.lists(text_blocks | thoughts | others, min_size=1, max_size=3),
    st.tuples(st.lists(text_blocks | thoughts, max_size=2), st.lists(calls, min_size=1, max_size=2)).map(
        lambda b: b[0] + b[1]
    ),
    st.lists(text_blocks | thoughts | calls, min_size=1, max_size=4),
)
system_content = texts | st.lists(text_blocks, min_size=1, max_size=2)


def turn_of(role: str, content: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"role": st.just(role), "content": content})


user_turns = turn_of("user", user_content)
conversations = st.one_of(
    user_turns.map(lambda turn: [turn]),
    st.tuples(user_turns, turn_of("assistant", assistant_content), user_turns).map(list),
    st.tuples(user_turns, turn_of("system", system_content), turn_of("assistant", assistant_content)).map(list),
    members({"role": st.just("user"), "content": user_content}, {}).map(lambda turn: [turn]),
)
tools = st.one_of(
    members(
        {"name": texts, "input_schema": objects},
        {"description": texts, "strict": st.booleans(), "cache_control": objects},
    ),
    members({"type": st.sampled_from(["web_search_20250305", "bash_20250124"]), "name": texts}, {"max_uses": values}),
)
choices = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["auto", "any", "none"])}, optional={"disable_parallel_tool_use": st.booleans()}
    ),
    st.fixed_dictionaries({"type": st.just("tool"), "name": texts}),
    st.fixed_dictionaries({"type": st.just("allowed"), "names": st.lists(texts, max_size=2)}),
)
thinking = st.one_of(
    members({"type": st.just("enabled"), "budget_tokens": st.integers(0, 2**40)}, {"display": texts}),
    st.just({"type": "disabled"}),
    members({"type": st.sampled_from(["adaptive", "between_tools"])}, {"display": texts}),
)
formats = members({"type": st.just("json_schema"), "schema": objects}, {})
_requests = members(
    {"model": names, "max_tokens": st.integers(0, 2**40), "messages": conversations},
    {
        "system": system_content,
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(0, 2**40),
        "stop_sequences": st.lists(texts, min_size=1, max_size=3),
        "tools": st.lists(tools, min_size=1, max_size=2),
        "tool_choice": choices,
        "thinking": thinking,
        "output_config": members({}, {"effort": texts, "format": formats}).filter(bool),
        "metadata": members({}, {"user_id": texts}).filter(bool),
        "service_tier": texts,
        "container": values,
        "cache_control": objects,
    },
)


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """Any request; a strategy of its own, for the text of what it is made of is too long to be told."""
    return draw(_requests)
