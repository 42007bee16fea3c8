"""Streams byte by byte: the grammar that strict clients rely on, the same for a miss and for a hit."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.e2e.answers import SCENARIOS

STATUSES = ["MISS", "HIT-L1"]


def streamed(http: httpx.Client, status: str, model: str = "rich/everything", **members: Any) -> httpx.Response:
    """A raw stream; the question is asked once before where a hit is wanted."""
    body = {"model": model, "messages": [{"role": "user", "content": "Tell me."}], "stream": True, **members}
    for _ in range(STATUSES.index(status)):
        http.post("/v1/chat/completions", json=body).raise_for_status()
    reply = http.post("/v1/chat/completions", json=body)
    assert reply.headers["x-synapse-cache-status"] == status
    return reply


def chunks_in(reply: httpx.Response) -> list[dict[str, Any]]:
    """The chunks of a raw stream, whose grammar is checked."""
    assert reply.content.endswith(b"data: [DONE]\n\n")
    events = reply.text.removesuffix("\n\n").split("\n\n")
    assert all(event.startswith("data: ") and "\n" not in event for event in events)
    return [json.loads(event.removeprefix("data: ")) for event in events[:-1]]


@pytest.mark.parametrize("status", STATUSES)
def test_the_headers_are_those_of_an_event_stream(http: httpx.Client, status: str) -> None:
    headers = streamed(http, status).headers
    assert headers["content-type"].startswith("text/event-stream")
    assert "no-cache" in headers["cache-control"]
    assert headers["x-accel-buffering"] == "no"
    assert "content-length" not in headers


@pytest.mark.parametrize("status", STATUSES)
def test_the_first_piece_of_each_choice_carries_the_role(http: httpx.Client, status: str) -> None:
    roles: dict[int, list[Any]] = {}
    for chunk in chunks_in(streamed(http, status)):
        for choice in chunk["choices"]:
            roles.setdefault(choice["index"], []).append(choice["delta"].get("role"))
    assert sorted(roles) == [0, 1, 2]
    assert all(first == "assistant" and not any(rest) for first, *rest in roles.values())


@pytest.mark.parametrize("status", STATUSES)
def test_each_choice_ends_with_one_finish_chunk(http: httpx.Client, status: str) -> None:
    ends: dict[int, list[str]] = {}
    for chunk in chunks_in(streamed(http, status)):
        for choice in chunk["choices"]:
            ends.setdefault(choice["index"], []).append(choice["finish_reason"])
    assert {index: reasons[-1] for index, reasons in ends.items()} == {0: "stop", 1: "tool_calls", 2: "stop"}
    assert not any(reason for reasons in ends.values() for reason in reasons[:-1])


@pytest.mark.parametrize("status", STATUSES)
def test_usage_comes_last_and_only_where_it_was_asked_for(http: httpx.Client, status: str) -> None:
    *others, last = chunks_in(streamed(http, status, stream_options={"include_usage": True}))
    assert last["choices"] == []
    assert last["usage"] == SCENARIOS["everything"]["usage"]
    assert all(chunk["choices"] and chunk["usage"] is None for chunk in others)
    assert not any("usage" in chunk for chunk in chunks_in(streamed(http, "HIT-L1")))


@pytest.mark.parametrize("status", STATUSES)
def test_a_tool_call_is_named_once_and_keyed_by_its_index(http: httpx.Client, status: str) -> None:
    pieces: dict[int, list[dict[str, Any]]] = {}
    for chunk in chunks_in(streamed(http, status, model="rich/tools")):
        for piece in chunk["choices"][0]["delta"].get("tool_calls", ()):
            pieces.setdefault(piece["index"], []).append(piece)
    assert sorted(pieces) == [0, 1, 2]
    for first, *rest in pieces.values():
        assert first["id"]
        assert first["type"] == "function"
        assert first["function"]["name"]
        assert all(piece.keys() == {"index", "function"} and "name" not in piece["function"] for piece in rest)


@pytest.mark.parametrize("status", STATUSES)
def test_the_pieces_of_every_event_name_the_answering_model(http: httpx.Client, status: str) -> None:
    for chunk in chunks_in(streamed(http, status)):
        assert chunk["object"] == "chat.completion.chunk"
        assert chunk["model"] == "rich-2026-11-23"
        assert chunk["system_fingerprint"] == "fp_5ca1ab1e"


def test_the_first_words_arrive_long_before_the_last(http: httpx.Client) -> None:
    body = {"model": "slow", "messages": [{"role": "user", "content": "Slowly."}], "stream": True}
    with http.stream("POST", "/v1/chat/completions", json=body) as reply:
        pieces = reply.iter_raw()
        early = b"".join(next(pieces) for _ in range(4))
    assert b"w0" in early
    assert b"w50" not in early


@pytest.mark.parametrize(("model", "message"), [("late-error", "Overheated."), ("torn", "broke off")])
def test_a_late_failure_is_an_error_event_and_nothing_is_stored(http: httpx.Client, model: str, message: str) -> None:
    for _ in range(2):
        reply = streamed(http, "MISS", model=model)
        assert reply.status_code == 200
        last = json.loads(reply.text.strip().rpartition("data: ")[2])
        assert message in last["error"]["message"]
        assert b"[DONE]" not in reply.content
