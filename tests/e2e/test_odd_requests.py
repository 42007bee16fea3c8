"""Odd requests are answered or refused with 400; none breaks anything."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.e2e.asking import Asker

USER = {"role": "user", "content": "Hello"}
DEEP = '{"a":' * 2000 + "1" + "}" * 2000


def body(**members: Any) -> str:
    return json.dumps({"model": "echo", "messages": [USER], **members})


ANSWERED = {
    "every null": body(temperature=None, tools=None, stop=None, n=None, stream=None, response_format=None, user=None),
    "an unknown member": body(zebra={"stripes": [1, 2.5, None, True, "x"]}),
    "a large number": body(zebra=2**63 - 1),
    "a null character": body(messages=[{"role": "user", "content": "a\u0000b"}]),
    "emoji and scripts": body(messages=[{"role": "user", "content": "👩🏽‍🚀 שלום 你好 \u202e"}]),
    "white space": body(messages=[{"role": "user", "content": "   \n\t "}]),
    "no content": body(messages=[{"role": "user", "content": ""}]),
    "an assistant's last word": body(messages=[USER, {"role": "assistant", "content": "Well,"}]),
    "an image": body(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]}]),
    "a part nobody knows": body(messages=[{"role": "user", "content": [{"type": "smell", "smell": {"of": "rain"}}]}]),
    "an empty list of tools": body(tools=[]),
    "a long prompt": body(messages=[{"role": "user", "content": "word " * 100_000}]),
    "many messages": body(messages=[USER, {"role": "assistant", "content": "Hi"}] * 500 + [USER]),
    "a member twice": '{"model": "slow", "model": "echo", "messages": [{"role": "user", "content": "Hello"}]}',
}
REFUSED = {
    "half a surrogate": '{"model": "echo", "messages": [{"role": "user", "content": "\\ud800"}]}',
    "not a number": '{"model": "echo", "messages": [{"role": "user", "content": "x"}], "temperature": NaN}',
    "depth": '{"model": "echo", "messages": [{"role": "user", "content": "x"}], "zebra": ' + DEEP + "}",
    "a wrong type everywhere": '{"model": ["echo"], "messages": {"role": 1}}',
    "a message that is a text": body(messages=["Hello"]),
    "an infinite temperature": body(temperature="inf"),
    "too many choices": body(n=100_000),
    "a boolean count": body(n=True),
}


@pytest.mark.parametrize("stream", ["false", "true"])
@pytest.mark.parametrize("name", ANSWERED)
def test_an_odd_request_is_answered_twice(http: httpx.Client, name: str, stream: str) -> None:
    content = ANSWERED[name][:-1] + f', "stream": {stream}}}'
    for _ in range(2):
        reply = http.post("/v1/chat/completions", content=content.encode())
        assert reply.status_code == 200, reply.text
        assert "error" not in reply.text[:200]


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_request_is_refused_and_the_next_is_served(http: httpx.Client, name: str) -> None:
    refused = http.post("/v1/chat/completions", content=REFUSED[name].encode())
    assert refused.status_code == 400, refused.text
    assert refused.json()["error"]["type"] == "invalid_request_error"
    assert http.post("/v1/chat/completions", content=body().encode()).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"x-request-id": "a b\tc"},
        {"x-request-id": "x" * 5000},
        {"traceparent": "nonsense"},
        {"cache-control": ",,, =; max-stale"},
        {"x-synapse-tags": ""},
        {"accept": "text/html"},
        {"content-type": "text/plain"},
        {"authorization": "Bearer"},
    ],
)
def test_odd_headers_break_nothing(http: httpx.Client, headers: dict[str, str]) -> None:
    reply = http.post("/v1/chat/completions", content=body().encode(), headers=headers)
    assert reply.status_code in {200, 400, 401}
    assert reply.headers["x-request-id"]


def test_long_prompts_that_differ_in_the_last_word_never_share_an_answer(ask: Asker) -> None:
    story = "Once upon a time there was a small village by the sea where the days were long. " * 60
    first = ask(f"{story} What was the name of the baker?")
    second = ask(f"{story} What was the name of the miller?")
    assert [first.status, second.status] == ["MISS", "MISS"]
    assert second.headers["x-synapse-reason"] in {"truncated", "long_prompt"}
    assert ask(f"{story} What was the name of the baker?").status == "HIT-L1"


def test_personal_data_is_matched_by_its_key_only(ask: Asker) -> None:
    assert ask("Write to ada@example.org that I am late.").status == "MISS"
    assert ask("Write to ada@example.org that I'm late.").headers["x-synapse-reason"] == "personal_data"
    assert ask("Write to ada@example.org that I am late.").status == "HIT-L1"
