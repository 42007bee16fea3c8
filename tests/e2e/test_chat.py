"""Chat with the official Python SDK: whole and streamed answers, from the backend and from the cache."""

from __future__ import annotations

from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.e2e.asking import Asker
from tests.e2e.upstream import Upstream, echo
from tests.support.mesh import MeshProcess

QUESTION = "What is the capital of France?"
REWORDED = "Can you tell me the capital of France?"


@pytest.fixture(params=["double", "real"])
def either(request: pytest.FixtureRequest) -> Asker:
    """Asks the mesh with the double, then the one with the real model."""
    asker: Asker = request.getfixturevalue("ask" if request.param == "double" else "ask_real")
    return asker


def test_a_question_asked_twice_is_answered_once(either: Asker) -> None:
    first, second = either(QUESTION), either(QUESTION)
    assert (first.status, second.status) == ("MISS", "HIT-L1")
    assert first.text
    assert second.json["choices"] == first.json["choices"]
    assert second.json["usage"] == first.json["usage"]
    assert second.json["model"] == first.json["model"]


def test_a_streamed_answer_is_replayed_with_the_same_text(either: Asker) -> None:
    first, second = either.stream(QUESTION), either.stream(QUESTION)
    assert (first.status, second.status) == ("MISS", "HIT-L1")
    assert len(first.chunks) > 3
    assert second.text == first.text != ""


def test_a_streamed_hit_says_what_the_plain_answer_said(either: Asker) -> None:
    plain, streamed = either(QUESTION), either.stream(QUESTION)
    assert streamed.status == "HIT-L1"
    assert streamed.text == plain.text


def test_a_plain_hit_says_what_the_streamed_answer_said(either: Asker) -> None:
    streamed, plain = either.stream(QUESTION), either(QUESTION)
    assert plain.status == "HIT-L1"
    assert plain.text == streamed.text


@pytest.mark.parametrize("form", ["plain", "streamed"])
def test_a_reworded_question_hits_by_meaning_and_then_by_its_own_key(either: Asker, form: str) -> None:
    first = either.in_form(form, QUESTION)
    by_meaning, by_alias = either.in_form(form, REWORDED), either.in_form(form, REWORDED)
    assert (by_meaning.status, by_alias.status) == ("HIT-L2", "HIT-L1")
    assert first.text == by_meaning.text == by_alias.text
    assert 0.7 < float(by_meaning.headers["x-synapse-similarity"]) < 1


@pytest.mark.parametrize(
    "other",
    [
        "What is not the capital of France?",
        "What is the capital of Germany?",
        "What was the capital of France in 1940?",
        "What is the capital of France? Answer in French.",
    ],
)
def test_a_similar_question_with_another_answer_misses(ask: Asker, other: str) -> None:
    ask(QUESTION)
    assert ask(other).text == echo(other)


def test_words_differing_in_the_system_prompt_never_share_an_answer(ask: Asker) -> None:
    def asked(system: str) -> str:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": QUESTION}]
        return ask("", messages=messages).status

    assert [asked("Be kind."), asked("Be rude."), asked("Be kind.")] == ["MISS", "MISS", "HIT-L1"]


def test_the_question_reaches_the_backend_as_it_was_asked(ask: Asker, upstream: Upstream) -> None:
    question: dict[str, Any] = {
        "messages": [
            {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "name": "ada", "content": "Hello"},
            {"role": "assistant", "content": None, "tool_calls": [_CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "21 °C"},
        ],
        "temperature": 0.25,
        "top_p": 0.5,
        "max_completion_tokens": 77,
        "stop": ["\n\n"],
        "seed": 7,
        "logit_bias": {"50256": -100},
        "response_format": {"type": "json_object"},
        "parallel_tool_calls": False,
    }
    ask("", **question, extra_body={"top_k": 40, "mirostat": {"tau": 5.0}})
    assert upstream.last == {"model": "echo", **question, "top_k": 40, "mirostat": {"tau": 5.0}}


_CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}


def test_an_answer_that_was_cut_short_is_not_kept(ask: Asker) -> None:
    for model in ("length", "filtered"):
        assert [ask(QUESTION, model=model).status for _ in range(2)] == ["MISS", "MISS"]


async def test_the_asynchronous_client_streams_too(mesh_double: MeshProcess, namespace: str) -> None:
    options: Any = {"default_headers": {"x-synapse-namespace": namespace}}
    async with AsyncOpenAI(base_url=mesh_double.base_url, api_key=mesh_double.endpoint.key, **options) as client:
        messages: Any = [{"role": "user", "content": QUESTION}]
        stream = await client.chat.completions.create(model="echo", messages=messages, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == echo(QUESTION)


def test_no_answer_is_lost_on_a_closed_stream_of_the_backend(ask: Asker, upstream: Upstream) -> None:
    before = upstream.asked
    assert ask.stream(QUESTION).text == ask(QUESTION).text == echo(QUESTION)
    assert upstream.asked == before + 1
