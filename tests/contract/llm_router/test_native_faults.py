"""Every fault of a backend on Ollama's, TGI's or a mapped wire is told as what it is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from synapse_llm_router.ports import Terms, Upstream
from tests.contract.llm_router.asking import BOUNDS, SIZES, TERMS, asking, failure, provider_error, responses, whole
from tests.contract.llm_router.native import question, streamed
from tests.support.http_double import HttpDouble
from tests.support.ollama_upstream import line_of, ndjson, ollama_double
from tests.support.openai_upstream import openai_double, sse
from tests.support.tgi_upstream import WORDS, event_of, tgi_double, token_of

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
TEXT = "".join(WORDS)
MAPPING: dict[str, Any] = {
    "path": "/v1/chat/completions",
    "body": {"model": "{model}", "messages": "{messages}", "stream": "{stream}"},
    "answer": {"text": "/choices/0/message/content", "finish_reason": "/choices/0/finish_reason"},
    "stream": {
        "text": "/choices/0/delta/content",
        "finish_reason": "/choices/0/finish_reason",
        "done_data": "[DONE]",
    },
}


@dataclass(frozen=True)
class Wire:
    """A wire: its settings, the double that speaks it, how it writes an event, and an event that says a text."""

    settings: dict[str, Any]
    double: Callable[[], AbstractAsyncContextManager[HttpDouble]]
    event: Callable[[Any], bytes]
    saying: Callable[[str], Any]


WIRES = {
    "ollama": Wire({"provider": "ollama"}, ollama_double, ndjson, lambda text: line_of({"content": text})),
    "tgi": Wire({"provider": "tgi", "api_type": "tgi"}, tgi_double, sse, lambda text: event_of(token_of(text))),
    "custom": Wire(
        {"api_type": "custom", "custom": MAPPING},
        openai_double,
        sse,
        lambda text: {"choices": [{"delta": {"content": text}}]},
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


async def test_it_answers_whole_and_streamed_alike(upstream: Upstream) -> None:
    (choice,) = (await whole(upstream, question())).choices
    assert choice.content == (await streamed(upstream, question())).text == TEXT


async def test_connections_are_used_again(upstream: Upstream, double: HttpDouble) -> None:
    for _ in range(3):
        await whole(upstream, question())
        await streamed(upstream, question())
    assert (len(double.requests), double.connections) == (6, 1)


async def test_the_first_response_has_the_origin(upstream: Upstream, double: HttpDouble) -> None:
    double.behaviour.event_delay_seconds = 0.01
    first, *rest = await responses(upstream, question())
    assert first.origin.backend == "double"
    assert rest
    assert not any(response.HasField("origin") for response in rest)


async def test_the_callers_own_key_takes_the_place_of_ours(wire: Wire, double: HttpDouble) -> None:
    async with asking(double, **wire.settings, api_key="sk-ours") as upstream:
        await whole(upstream, question())
        await upstream.generate(question(), "m", Terms(None, "req_1", provider_key="sk-theirs"))
    ours, theirs = (received.headers["authorization"] for received in double.requests)
    assert (ours, theirs) == ("Bearer sk-ours", "Bearer sk-theirs")


@BOTH
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "FAILED_PRECONDITION"),
        (404, "NOT_FOUND"),
        (422, "INVALID_ARGUMENT"),
        (424, "UNAVAILABLE"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
    ],
)
async def test_an_error_keeps_its_status_and_body(
    upstream: Upstream, double: HttpDouble, status: int, code: str, *, stream: bool
) -> None:
    body = b'{"error": "Nein.",  "error_type": "any"}'
    double.behaviour.status, double.behaviour.body = status, body
    error, _ = await failure(upstream, question(), streamed=stream)
    assert (error.code.name, error.reason, error.message) == (code, "PROVIDER_ERROR", "Nein.")
    told = provider_error(error)
    assert told is not None
    assert (told.http_status, told.body) == (status, body.decode())


@BOTH
async def test_an_error_under_200_is_an_error(upstream: Upstream, double: HttpDouble, *, stream: bool) -> None:
    double.behaviour.body = b'{"error": "Nein."}'
    error, _ = await failure(upstream, question(), streamed=stream)
    assert (error.code.name, error.reason, error.message) == ("UNAVAILABLE", "PROVIDER_ERROR", "Nein.")


async def test_an_error_inside_a_stream_comes_after_what_was_said(
    wire: Wire, upstream: Upstream, double: HttpDouble
) -> None:
    failed = {"error": "Nein."}
    double.behaviour.events = [wire.event(wire.saying("a")) + wire.event(failed)]
    error, said = await failure(upstream, question(), streamed=True)
    assert (error.code.name, error.reason, error.message, said) == ("UNAVAILABLE", "PROVIDER_ERROR", "Nein.", "a")
    told = provider_error(error)
    assert told is not None
    assert (told.http_status, orjson.loads(told.body)) == (200, failed)


async def test_a_stream_without_its_end_is_truncated(upstream: Upstream, double: HttpDouble) -> None:
    double.behaviour.end_after = 3
    error, said = await failure(upstream, question(), streamed=True)
    assert (error.code.name, error.reason, said) == ("UNAVAILABLE", "UPSTREAM_TRUNCATED", "".join(WORDS[:3]))


@BOTH
async def test_a_connection_lost_inside_the_answer_is_truncated(
    upstream: Upstream, double: HttpDouble, *, stream: bool
) -> None:
    double.behaviour.cut_after = 3
    error, _ = await failure(upstream, question(), streamed=stream)
    assert error.reason == "UPSTREAM_TRUNCATED"


@BOTH
async def test_a_backend_that_hangs_up_is_not_there(upstream: Upstream, double: HttpDouble, *, stream: bool) -> None:
    double.behaviour.hang_up = True
    error, _ = await failure(upstream, question(), streamed=stream)
    assert error.reason in {"UPSTREAM_TRUNCATED", "UPSTREAM_UNREACHABLE"}


@BOTH
async def test_a_refused_connection_is_unreachable(wire: Wire, double: HttpDouble, *, stream: bool) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with asking(double, **wire.settings, endpoint=gone) as upstream:
            error, _ = await failure(upstream, question(), streamed=stream)
    assert (error.code.name, error.reason) == ("UNAVAILABLE", "UPSTREAM_UNREACHABLE")


@BOTH
@pytest.mark.parametrize("body", [b"<html>login</html>", b'"text"', b"[7]", b"{}", b""])
async def test_what_is_no_answer_is_invalid(
    upstream: Upstream, double: HttpDouble, body: bytes, *, stream: bool
) -> None:
    double.behaviour.body = body
    error, _ = await failure(upstream, question(), streamed=stream)
    expected = {"UPSTREAM_INVALID", "UPSTREAM_TRUNCATED"} if body == b"" else {"UPSTREAM_INVALID"}
    assert error.code.name == "UNAVAILABLE"
    assert error.reason in expected


@pytest.mark.parametrize("garbage", [b"{garbage", b"\xff", b"<html>"])
async def test_garbage_inside_a_stream_is_invalid(
    wire: Wire, upstream: Upstream, double: HttpDouble, garbage: bytes
) -> None:
    framed = wire.event({}).replace(b"{}", garbage)
    double.behaviour.events = [wire.event(wire.saying("a")), framed]
    error, said = await failure(upstream, question(), streamed=True)
    assert (error.reason, said) == ("UPSTREAM_INVALID", "a")


@BOTH
async def test_an_answer_that_is_too_long_is_refused(
    wire: Wire, upstream: Upstream, double: HttpDouble, *, stream: bool
) -> None:
    double.behaviour.body = None if stream else b" " * 300_000
    double.behaviour.events = [wire.event(wire.saying("a" * 1000))] * 300
    error, said = await failure(upstream, question(), streamed=stream)
    assert error.reason == "UPSTREAM_TOO_LARGE"
    assert bool(said) == stream


async def test_an_event_that_is_too_long_is_refused(wire: Wire, upstream: Upstream, double: HttpDouble) -> None:
    double.behaviour.events = [wire.event(wire.saying("a" * 60_000))[:-2]]
    error, _ = await failure(upstream, question(), streamed=True)
    assert error.reason == "UPSTREAM_TOO_LARGE"


@BOTH
async def test_a_slow_head_is_late(impatient: Upstream, double: HttpDouble, *, stream: bool) -> None:
    double.behaviour.head_delay_seconds = 5
    error, _ = await failure(impatient, question(), streamed=stream)
    assert (error.code.name, error.reason) == ("DEADLINE_EXCEEDED", "UPSTREAM_TIMEOUT")
    await asyncio.wait_for(double.abandoned.wait(), 2)


async def test_silence_inside_a_stream_is_late(wire: Wire, impatient: Upstream, double: HttpDouble) -> None:
    double.behaviour.events = [wire.event(wire.saying("a"))] * 3
    double.behaviour.event_delay_seconds = 0.7
    error, said = await failure(impatient, question(), streamed=True)
    assert (error.reason, error.metadata["phase"], said) == ("UPSTREAM_TIMEOUT", "between_events", "a")


@BOTH
async def test_a_call_that_is_left_leaves_the_backend_at_once(
    upstream: Upstream, double: HttpDouble, *, stream: bool
) -> None:
    double.behaviour.event_delay_seconds = double.behaviour.head_delay_seconds = 0.3
    if stream:
        async with aclosing(upstream.stream(question(), "m", TERMS)) as answer:
            await anext(answer)
    else:
        call = asyncio.ensure_future(upstream.generate(question(), "m", TERMS))
        await asyncio.sleep(0.05)
        call.cancel()
    await asyncio.wait_for(double.abandoned.wait(), 2)
