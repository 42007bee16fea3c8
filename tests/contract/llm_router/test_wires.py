"""What holds for the adapter of every wire: answers, calls of tools, usage, and every fault as what it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from synapse.llm.v1 import generation_pb2 as llm
from synapse.llm.v1.request_pb2 import PROTOCOL_ANTHROPIC, PROTOCOL_OPENAI, GenerationRequest
from synapse_llm_router.ports import ListingFailed, Terms, Upstream
from tests.contract.llm_router.asking import (
    BOUNDS,
    SIZES,
    TERMS,
    asking,
    events,
    failure,
    provider_error,
    responses,
    text_of,
    whole,
)
from tests.support import anthropic_upstream, openai_upstream
from tests.support.http_double import HttpDouble

BOTH = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
TEXT = "".join(openai_upstream.WORDS)


@dataclass(frozen=True)
class Wire:
    """A wire: its protocol, the double that speaks it, and the words that are its own."""

    protocol: int
    double: Callable[[], AbstractAsyncContextManager[HttpDouble]]
    settings: dict[str, Any]
    begun: list[bytes]
    """What comes before the first text."""
    text_event: Callable[[str], bytes]
    end: bytes
    """What comes after the last text."""
    error: dict[str, Any]
    """An error that says that the backend has too much to do."""
    fragments: list[bytes]
    """Bodies that are JSON and no answers."""


def openai_text(text: str) -> bytes:
    return openai_upstream.sse({"choices": [{"index": 0, "delta": {"content": text}}]})


WIRES = {
    "openai": Wire(
        protocol=PROTOCOL_OPENAI,
        double=openai_upstream.openai_double,
        settings={},
        begun=[],
        text_event=openai_text,
        end=openai_upstream.sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
        error={"error": {"message": "Nein.", "type": "server_error", "code": 503}},
        fragments=[b"{}", b'{"choices":{}}'],
    ),
    "anthropic": Wire(
        protocol=PROTOCOL_ANTHROPIC,
        double=anthropic_upstream.anthropic_double,
        settings={"api_type": "anthropic"},
        begun=[anthropic_upstream.begin_text()],
        text_event=anthropic_upstream.text_event,
        end=anthropic_upstream.end_text(),
        error=anthropic_upstream.error("overloaded_error"),
        fragments=[b"{}", b'{"type":"message","content":{}}'],
    ),
}


@pytest.fixture(params=WIRES)
def wire(request: pytest.FixtureRequest) -> Wire:
    return WIRES[request.param]


@pytest.fixture
async def double(wire: Wire) -> AsyncIterator[HttpDouble]:
    async with wire.double() as running:
        yield running


@pytest.fixture
async def upstream(wire: Wire, double: HttpDouble) -> AsyncIterator[Upstream]:
    async with asking(double, **wire.settings, **SIZES) as running:
        yield running


@pytest.fixture
async def impatient(wire: Wire, double: HttpDouble) -> AsyncIterator[Upstream]:
    async with asking(double, **wire.settings, **SIZES, **BOUNDS) as running:
        yield running


def question(*, tools: bool = False) -> GenerationRequest:
    request = GenerationRequest(model="m", protocol=PROTOCOL_OPENAI)
    request.messages.add(role="user", text="Hello?")
    if tools:
        request.tools.add(type="function", name="weather", parameters_json='{"type":"object"}')
    return request


async def test_a_whole_answer_says_all(wire: Wire, upstream: Upstream) -> None:
    answer = await whole(upstream, question())
    (choice,) = answer.choices
    assert (answer.protocol, choice.content, choice.finish_reason) == (wire.protocol, TEXT, llm.FINISH_REASON_STOP)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (9, 7, 16)


async def test_a_stream_says_the_same(wire: Wire, upstream: Upstream) -> None:
    answer, told = await whole(upstream, question()), await events(upstream, question())
    assert text_of(told) == TEXT
    assert (told[0].head.id, told[0].head.model, told[0].head.protocol) == (answer.id, answer.model, wire.protocol)
    assert [delta.finish_reason for event in told for delta in event.deltas][-1] == llm.FINISH_REASON_STOP
    assert [event.usage for event in told if event.HasField("usage")][-1] == answer.usage


async def test_calls_at_once_keep_apart(upstream: Upstream) -> None:
    (choice,) = (await whole(upstream, question(tools=True))).choices
    pieces: dict[int, dict[str, str]] = {}
    for event in await events(upstream, question(tools=True)):
        for call in (call for delta in event.deltas for call in delta.tool_calls):
            made = pieces.setdefault(call.index, {"id": "", "name": "", "arguments": ""})
            for name in made:
                made[name] += getattr(call, name)
    assert list(pieces.values()) == [
        {"id": call.id, "name": call.name, "arguments": call.arguments} for call in choice.tool_calls
    ]
    assert [orjson.loads(call.arguments)["city"] for call in choice.tool_calls] == ["Paris", "Rome"]
    assert choice.finish_reason == llm.FINISH_REASON_TOOL_CALLS


async def test_the_first_response_has_the_origin(upstream: Upstream, double: HttpDouble) -> None:
    double.behaviour.headers["request-id"] = "req_up"
    double.behaviour.event_delay_seconds = 0.01
    first, *rest = await responses(upstream, question())
    assert (first.origin.backend, first.origin.provider, first.origin.provider_request_id) == (
        "double",
        "custom",
        "req_up",
    )
    assert rest
    assert not any(response.HasField("origin") for response in rest)


async def test_events_that_came_together_go_together(wire: Wire, upstream: Upstream, double: HttpDouble) -> None:
    double.behaviour.events = [b"".join([*wire.begun, wire.text_event("a") * 200, wire.end])]
    told = await responses(upstream, question())
    assert text_of([event for response in told for event in response.events]) == "a" * 200
    assert len(told) <= 3


@BOTH
async def test_a_call_that_is_left_leaves_the_backend_at_once(
    upstream: Upstream, double: HttpDouble, *, streamed: bool
) -> None:
    double.behaviour.event_delay_seconds = double.behaviour.head_delay_seconds = 0.3
    if streamed:
        async with aclosing(upstream.stream(question(), "m", TERMS)) as stream:
            await anext(stream)
    else:
        call = asyncio.ensure_future(upstream.generate(question(), "m", TERMS))
        await asyncio.sleep(0.05)
        call.cancel()
    await asyncio.wait_for(double.abandoned.wait(), 2)


async def test_connections_are_used_again(upstream: Upstream, double: HttpDouble) -> None:
    for _ in range(3):
        await whole(upstream, question())
        await events(upstream, question())
    assert (len(double.requests), double.connections) == (6, 1)


async def test_the_models_are_listed(upstream: Upstream, double: HttpDouble) -> None:
    double.behaviour.models = ("org/one", "two")
    listed = await upstream.list_models()
    assert [model.id for model in listed] == ["org/one", "two"]
    assert all(model.created and model.created > 1_600_000_000 for model in listed)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data":[7]}'])
async def test_a_list_that_is_none_fails(upstream: Upstream, double: HttpDouble, body: bytes) -> None:
    double.behaviour.body = body
    with pytest.raises(ListingFailed):
        await upstream.list_models()


async def test_the_callers_own_key_takes_the_place_of_ours(wire: Wire, double: HttpDouble) -> None:
    async with asking(double, **wire.settings, api_key="sk-ours") as upstream:
        await whole(upstream, question())
        await upstream.generate(question(), "m", Terms(None, "req_1", provider_key="sk-theirs"))
    ours, theirs = (" ".join(received.headers.values()) for received in double.requests)
    assert "sk-ours" in ours
    assert "sk-theirs" in theirs
    assert "sk-ours" not in theirs


@BOTH
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "FAILED_PRECONDITION"),
        (402, "FAILED_PRECONDITION"),
        (403, "FAILED_PRECONDITION"),
        (404, "NOT_FOUND"),
        (413, "INVALID_ARGUMENT"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
        (529, "UNAVAILABLE"),
    ],
)
async def test_an_error_keeps_its_status_body_and_wait(
    wire: Wire, upstream: Upstream, double: HttpDouble, status: int, code: str, *, streamed: bool
) -> None:
    body = orjson.dumps(wire.error)
    double.behaviour.status, double.behaviour.body = status, body
    double.behaviour.headers = {"Retry-After": "7", "request-id": "req_up"}
    error, _ = await failure(upstream, question(), streamed=streamed)
    assert (error.code.name, error.reason, error.message) == (code, "PROVIDER_ERROR", "Nein.")
    assert error.retry_after_seconds == 7
    told = provider_error(error)
    assert told is not None
    assert (told.http_status, told.body, told.headers["request-id"]) == (status, body.decode(), "req_up")


async def test_an_error_inside_a_stream_comes_after_what_was_said(
    wire: Wire, upstream: Upstream, double: HttpDouble
) -> None:
    failed = b"event: error\ndata: " + orjson.dumps(wire.error) + b"\n\n"
    double.behaviour.events = [*wire.begun, wire.text_event("a"), failed]
    error, said = await failure(upstream, question(), streamed=True)
    assert (error.code.name, error.reason, error.message, said) == ("UNAVAILABLE", "PROVIDER_ERROR", "Nein.", "a")
    told = provider_error(error)
    assert told is not None
    assert (told.http_status, orjson.loads(told.body)) == (200, wire.error)


@BOTH
async def test_an_error_under_200_is_an_error(
    wire: Wire, upstream: Upstream, double: HttpDouble, *, streamed: bool
) -> None:
    double.behaviour.body = orjson.dumps(wire.error)
    error, _ = await failure(upstream, question(), streamed=streamed)
    assert (error.code.name, error.reason) == ("UNAVAILABLE", "PROVIDER_ERROR")


async def test_a_stream_without_its_end_is_truncated(wire: Wire, upstream: Upstream, double: HttpDouble) -> None:
    double.behaviour.end_after = len(wire.begun) * 2 + 4
    error, said = await failure(upstream, question(), streamed=True)
    assert (error.code.name, error.reason) == ("UNAVAILABLE", "UPSTREAM_TRUNCATED")
    assert said
    assert TEXT.startswith(said)


@BOTH
async def test_a_connection_lost_inside_the_answer_is_truncated(
    upstream: Upstream, double: HttpDouble, *, streamed: bool
) -> None:
    double.behaviour.cut_after = 5
    error, _ = await failure(upstream, question(), streamed=streamed)
    assert error.reason == "UPSTREAM_TRUNCATED"


@BOTH
async def test_a_backend_that_hangs_up_is_not_there(upstream: Upstream, double: HttpDouble, *, streamed: bool) -> None:
    double.behaviour.hang_up = True
    error, _ = await failure(upstream, question(), streamed=streamed)
    assert error.reason in {"UPSTREAM_TRUNCATED", "UPSTREAM_UNREACHABLE"}


@BOTH
@pytest.mark.parametrize("body", [b"<html>login</html>", b'"text"', b"", None], ids=["html", "text", "none", "other"])
async def test_what_is_no_answer_is_invalid(
    wire: Wire, upstream: Upstream, double: HttpDouble, body: bytes | None, *, streamed: bool
) -> None:
    for fragment in [body] if body is not None else wire.fragments:
        double.behaviour.body = fragment
        error, _ = await failure(upstream, question(), streamed=streamed)
        assert (error.code.name, error.reason) == ("UNAVAILABLE", "UPSTREAM_INVALID")


@pytest.mark.parametrize("event", [b"data: {garbage\n\n", b"data: 7\n\n", b"data: \xff\n\n"])
async def test_garbage_inside_a_stream_is_invalid(
    wire: Wire, upstream: Upstream, double: HttpDouble, event: bytes
) -> None:
    double.behaviour.events = [*wire.begun, wire.text_event("a"), event]
    error, said = await failure(upstream, question(), streamed=True)
    assert (error.reason, said) == ("UPSTREAM_INVALID", "a")


@BOTH
async def test_an_answer_that_is_too_long_is_refused(
    wire: Wire, upstream: Upstream, double: HttpDouble, *, streamed: bool
) -> None:
    double.behaviour.body = None if streamed else b" " * 300_000
    double.behaviour.events = [*wire.begun, *[wire.text_event("a" * 1000)] * 300]
    error, said = await failure(upstream, question(), streamed=streamed)
    assert error.reason == "UPSTREAM_TOO_LARGE"
    assert bool(said) == streamed


async def test_an_event_that_is_too_long_is_refused(upstream: Upstream, double: HttpDouble) -> None:
    double.behaviour.events = [b"data: " + b"x" * 60_000]
    error, _ = await failure(upstream, question(), streamed=True)
    assert error.reason == "UPSTREAM_TOO_LARGE"


@BOTH
async def test_a_slow_head_is_late(impatient: Upstream, double: HttpDouble, *, streamed: bool) -> None:
    double.behaviour.head_delay_seconds = 5
    error, _ = await failure(impatient, question(), streamed=streamed)
    assert (error.code.name, error.reason, error.metadata["phase"]) == (
        "DEADLINE_EXCEEDED",
        "UPSTREAM_TIMEOUT",
        "first_byte",
    )


async def test_silence_inside_a_stream_is_late(wire: Wire, impatient: Upstream, double: HttpDouble) -> None:
    double.behaviour.events = [b"".join([*wire.begun, wire.text_event("a")]), wire.text_event("b")]
    double.behaviour.event_delay_seconds = 0.7
    error, said = await failure(impatient, question(), streamed=True)
    assert (error.reason, error.metadata["phase"], said) == ("UPSTREAM_TIMEOUT", "between_events", "a")
