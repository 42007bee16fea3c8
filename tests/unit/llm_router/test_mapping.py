"""A mapping is checked when the router starts, and fills in what a question has."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from synapse_llm_router.adapters.custom.answer import found
from synapse_llm_router.mapping import CustomMapping, filled
from synapse_llm_router.settings import BackendSettings
from tests.unit.llm_router.openai.requests import values

GOOD: dict[str, Any] = {"path": "/ask", "body": {"q": "{prompt}"}, "answer": {"text": "/a"}}
STREAM = {"text": "/a", "done": "/end", "path": "/live"}


def mapping(**changes: Any) -> CustomMapping:
    return CustomMapping.model_validate({**GOOD, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"body": {"q": "{promt}"}}, "{promt} is no placeholder"),
        ({"body": {"q": "{prompt"}}, "{{} is no placeholder"),
        ({"body": {"q": "{}", "p": "{prompt}"}}, "{} is no placeholder"),
        ({"body": {"q": "Hello"}}, "must hold {prompt} or {messages}"),
        ({"body": {"q": ["{prompt}", "{messages}"]}}, "must hold {prompt} or {messages}"),
        ({"body": {"q": "{messages}", "t": "{tools}"}}, "needs tool_calls"),
        ({"path": "ask"}, "must begin with /"),
        ({"path": "/{prompt}"}, "{prompt} is no placeholder"),
        ({"headers": {"x": "{key}"}}, "{key} is no placeholder"),
        ({"key_header": "x-key"}, "a colon and a text with {key}"),
        ({"answer": {"text": "a"}}, "is not a JSON pointer"),
        ({"answer": {"text": "/a~2"}}, "is not a JSON pointer"),
        ({"answer": {}}, "Field required"),
        ({"stream": {**STREAM, "done": None}}, "needs done, done_data or finish_reason"),
        ({"stream": {**STREAM, "path": ""}}, "a path of its own, or {stream}"),
        ({"stream": {**STREAM, "path": "live"}}, "must begin with /"),
        ({"left_out": ["heat"]}, "'heat' is no parameter"),
        ({"finish_reasons": {"x": "done"}}, "Input should be 'stop'"),
        ({"unknown": 1}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_with_a_mapping_is_said(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        mapping(**changes)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"api_type": "custom", "models": ["m"]}, "needs the mapping"),
        ({"custom": GOOD, "models": ["m"]}, "needs the mapping"),
        ({"api_type": "custom", "custom": GOOD}, "needs models or wildcard"),
    ],
)
def test_a_backend_and_its_mapping_fit(members: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        BackendSettings.model_validate({"name": "own", "endpoint": "http://x", **members})
    assert said in str(caught.value)


@given(values)
def test_a_value_keeps_its_type(value: Any) -> None:
    assert filled({"a": ["{x}"]}, {"x": value}, str) == {"a": [value]}


@given(st.text("ab{}", max_size=8))
def test_doubled_braces_are_braces(text: str) -> None:
    written = text.replace("{", "{{").replace("}", "}}")
    assert filled({"a": f"{written}"}, {}, str) == {"a": text}


def test_what_has_no_value_leaves_no_trace() -> None:
    template = {"a": "{x}", "b": {"c": "so {x}"}, "d": ["{x}", 1, None], "e": "{y}"}
    assert filled(template, {"y": None}, str) == {"b": {}, "d": [1, None], "e": None}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", {"a": [1, {"b/c": 2, "d~": 3}]}),
        ("/a/0", 1),
        ("/a/1/b~1c", 2),
        ("/a/1/d~0", 3),
        ("/a/2", None),
        ("/a/-1", None),
        ("/a/x", None),
        ("/a/0/b", None),
        ("/z", None),
        (None, None),
    ],
)
def test_pointers_lead_to_their_places(pointer: str | None, value: Any) -> None:
    assert found({"a": [1, {"b/c": 2, "d~": 3}]}, pointer) == value
