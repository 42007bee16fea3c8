"""What Anthropic's requests may look like, for property tests, and the form in which equal ones are equal."""

from __future__ import annotations

from typing import Any, TypeAlias

from hypothesis import strategies as st

Shape: TypeAlias = dict[str, st.SearchStrategy[Any]]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAME = st.text("abc", min_size=1, max_size=3)
LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUE = st.booleans() | st.integers() | TEXT | st.lists(TEXT, max_size=2)
"""A member's value; a null is the same as nothing."""
JSON = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)
EXTRA = st.dictionaries(TEXT.map(lambda name: "x_" + name), VALUE, max_size=2)
INT64 = st.integers(0, 2**63 - 1)


def shaped(required: Shape, optional: Shape | None = None) -> st.SearchStrategy[Any]:
    """Objects of these members and some that nobody knows."""
    known = st.fixed_dictionaries(required, optional=optional or {})
    return st.builds(lambda members, extra: {**members, **extra}, known, EXTRA)


CACHE = {"cache_control": st.just({"type": "ephemeral"})}
SOURCE = st.one_of(
    shaped({"type": st.just("base64"), "media_type": st.just("image/png"), "data": st.just("aWk=")}),
    shaped({"type": st.just("url"), "url": st.just("https://example.com/a.png")}),
    shaped({"type": st.just("file"), "file_id": NAME}),
)
BARE = st.fixed_dictionaries({"type": st.just("text"), "text": TEXT})
TEXT_BLOCK = shaped({"type": st.just("text"), "text": TEXT}, {**CACHE, "citations": st.lists(OBJECT, max_size=2)})
IMAGE = shaped({"type": st.just("image"), "source": SOURCE}, CACHE)
DOCUMENT = shaped({"type": st.just("document"), "source": SOURCE}, {**CACHE, "title": TEXT, "context": TEXT})
PLAIN_DOCUMENT = shaped(
    {"type": st.just("document"), "source": shaped({"type": st.just("text"), "data": TEXT})}, {"title": TEXT}
)
OWN = shaped({"type": st.just("search_result"), "source": TEXT, "content": st.lists(BARE, max_size=1)})
THINKING = shaped({"type": st.just("thinking"), "thinking": TEXT, "signature": st.text("ab=", min_size=1)})
REDACTED = shaped({"type": st.just("redacted_thinking"), "data": st.text("ab=", min_size=1)})
TOOL_USE = shaped({"type": st.just("tool_use"), "id": NAME, "name": NAME, "input": OBJECT}, CACHE)
INNER = BARE | TEXT_BLOCK | IMAGE | DOCUMENT | OWN
TOOL_RESULT = shaped(
    {"type": st.just("tool_result"), "tool_use_id": NAME},
    {**CACHE, "content": TEXT | st.lists(INNER, max_size=2), "is_error": st.booleans()},
)
SAID = BARE | TEXT_BLOCK | IMAGE | DOCUMENT | PLAIN_DOCUMENT | OWN
USER = shaped({"role": st.just("user"), "content": TEXT | st.lists(SAID | TOOL_RESULT, max_size=4)})
RESULTS = shaped({"role": st.just("user"), "content": st.lists(TOOL_RESULT, min_size=1, max_size=3)})
ASSISTANT = shaped(
    {
        "role": st.just("assistant"),
        "content": TEXT | st.lists(BARE | TEXT_BLOCK | THINKING | REDACTED | TOOL_USE | OWN, max_size=4),
    }
)
FUNCTION = shaped({"name": NAME, "input_schema": OBJECT}, {**CACHE, "description": TEXT, "strict": st.booleans()})
TOOL = FUNCTION | shaped({"type": st.just("bash_20250124"), "name": st.just("bash")})
SINGLE = {"disable_parallel_tool_use": st.booleans()}
CHOICE = st.one_of(
    shaped({"type": st.sampled_from(["auto", "any", "none", "future"])}, SINGLE),
    shaped({"type": st.just("tool"), "name": NAME}, SINGLE),
)
THOUGHT = st.one_of(
    shaped({"type": st.just("enabled"), "budget_tokens": INT64}, {"display": TEXT}),
    shaped({"type": st.just("disabled")}),
    shaped({"type": st.just("adaptive")}, {"display": TEXT}),
)
FORMAT = shaped({"type": st.just("json_schema"), "schema": OBJECT})
NUMBER = st.integers(0, 2) | st.floats(0, 2)
REQUEST = shaped(
    {
        "model": st.text("abc/-", min_size=1),
        "max_tokens": INT64,
        "messages": st.lists(USER | RESULTS | ASSISTANT, min_size=1, max_size=4),
    },
    {
        "system": TEXT | st.lists(BARE | TEXT_BLOCK, max_size=2),
        "temperature": NUMBER,
        "top_p": NUMBER,
        "top_k": INT64,
        "stop_sequences": st.lists(TEXT, max_size=3),
        "tools": st.lists(TOOL, max_size=2),
        "tool_choice": CHOICE,
        "thinking": THOUGHT,
        "output_config": shaped({}, {"effort": TEXT, "format": FORMAT}),
        "metadata": shaped({"user_id": TEXT}),
        "service_tier": TEXT,
        "container": JSON,
        "mcp_servers": st.lists(OBJECT, max_size=1),
        "cache_control": st.just({"type": "ephemeral"}),
    },
)


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """A request in which what means the same is the same: texts as blocks, and turns of one role in a row as one."""
    made = {**body, "messages": []}
    if isinstance(made.get("system"), str):
        made["system"] = _blocks(made["system"])
    for turn in body["messages"]:
        written = {**turn, "content": [_plain_block(block) for block in _blocks(turn["content"])]}
        before = made["messages"][-1] if made["messages"] else None
        if before is not None and before["role"] == turn["role"] and len(before) == len(turn) == 2:
            before["content"] += written["content"]
        else:
            made["messages"].append(written)
    return made


def _plain_block(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "tool_result" and "content" in block:
        return {**block, "content": _blocks(block["content"])}
    return block


def _blocks(content: str | list[Any]) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
