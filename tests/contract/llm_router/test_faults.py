"""What goes wrong at a backend reaches the caller as what it is, in bounded time."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import grpc
import orjson
import pytest

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse.router.v1 import router_pb2 as wire
from tests.contract.llm_router.conftest import Stub, backend, details_of, question, router_of
from tests.support.openai_upstream import WORDS, OpenAIDouble, sse

BOTH = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


async def failure_of(
    stub: Stub, *, streamed: bool, request: GenerationRequest | None = None, seconds: float | None = None
) -> tuple[Any, str]:
    """How the call fails, and the text that came before."""
    asked = request or question()
    said: list[str] = []

    async def ask() -> None:
        if not streamed:
            await stub.Generate(wire.GenerateRequest(request=asked), timeout=seconds)
        async for response in stub.StreamGenerate(wire.StreamGenerateRequest(request=asked), timeout=seconds):
            said.extend(delta.content for event in response.events for delta in event.deltas)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask()
    return details_of(caught.value), "".join(said)


@BOTH
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "FAILED_PRECONDITION"),
        (403, "FAILED_PRECONDITION"),
        (404, "NOT_FOUND"),
        (408, "DEADLINE_EXCEEDED"),
        (409, "RESOURCE_EXHAUSTED"),
        (413, "INVALID_ARGUMENT"),
        (422, "INVALID_ARGUMENT"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
    ],
)
async def test_an_error_keeps_its_status_and_body(
    stub: Stub, double: OpenAIDouble, status: int, code: str, *, streamed: bool
) -> None:
    body = b'{"error": {"message": "Nein.", "type": "t", "code": 17},  "extra": 1.0}'
    double.behaviour.status, double.behaviour.body = status, body
    error, _ = await failure_of(stub, streamed=streamed)
    assert (error.code.name, error.reason, error.message) == (code, "PROVIDER_ERROR", "Nein.")
    assert (error.provider.http_status, error.provider.body) == (status, body.decode())
    assert (error.provider.backend, error.provider.content_type) == ("double", "application/json")


@BOTH
async def test_the_backends_limits_reach_the_caller(stub: Stub, double: OpenAIDouble, *, streamed: bool) -> None:
    headers = {"Retry-After": "7", "X-RateLimit-Remaining-Tokens": "0", "x-request-id": "r", "server": "secret"}
    double.behaviour.status, double.behaviour.headers = 429, headers
    error, _ = await failure_of(stub, streamed=streamed)
    assert error.retry_after_seconds == 7
    kept = {"retry-after": "7", "x-ratelimit-remaining-tokens": "0", "x-request-id": "r"}
    assert dict(error.provider.headers) == kept


async def test_a_large_error_body_arrives_up_to_64_kib(stub: Stub, double: OpenAIDouble) -> None:
    double.behaviour.status, double.behaviour.body = 500, b"x" * 100_000
    error, _ = await failure_of(stub, streamed=False)
    assert error.provider.http_status == 500
    assert error.provider.body == "x" * 65_536


@BOTH
async def test_a_refused_connection_is_unreachable(*, streamed: bool) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with router_of({"name": "gone", "endpoint": endpoint, "models": ["m"]}) as stub:
            error, _ = await failure_of(stub, streamed=streamed)
    assert (error.code.name, error.reason, error.provider) == ("UNAVAILABLE", "UPSTREAM_UNREACHABLE", None)


@BOTH
async def test_a_slow_head_is_a_timeout(impatient: Stub, double: OpenAIDouble, *, streamed: bool) -> None:
    double.behaviour.head_delay_seconds = 5
    error, _ = await failure_of(impatient, streamed=streamed)
    assert (error.code.name, error.reason) == ("DEADLINE_EXCEEDED", "UPSTREAM_TIMEOUT")
    assert error.metadata["phase"] == "first_byte"
    await asyncio.wait_for(double.abandoned.wait(), 2)


async def test_silence_inside_a_stream_is_a_timeout(impatient: Stub, double: OpenAIDouble) -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": "a"}}]}
    double.behaviour.events = [sse(chunk)] * 3
    double.behaviour.event_delay_seconds = 0.7
    error, text = await failure_of(impatient, streamed=True)
    assert (error.reason, error.metadata["phase"], text) == ("UPSTREAM_TIMEOUT", "between_events", "a")


async def test_an_endless_stream_ends_at_the_total_bound(impatient: Stub, double: OpenAIDouble) -> None:
    double.behaviour.events = [sse({"choices": [{"index": 0, "delta": {"content": "a"}}]})] * 1000
    double.behaviour.event_delay_seconds = 0.05
    error, text = await failure_of(impatient, streamed=True)
    assert (error.reason, error.metadata["phase"]) == ("UPSTREAM_TIMEOUT", "total")
    assert len(text) > 10


@BOTH
async def test_the_callers_deadline_ends_the_call_of_the_backend(
    stub: Stub, double: OpenAIDouble, *, streamed: bool
) -> None:
    double.behaviour.head_delay_seconds = 5
    error, _ = await failure_of(stub, streamed=streamed, seconds=0.1)
    assert error.code.name == "DEADLINE_EXCEEDED"
    await asyncio.wait_for(double.abandoned.wait(), 2)


@BOTH
async def test_a_cancelled_call_leaves_the_backend_at_once(stub: Stub, double: OpenAIDouble, *, streamed: bool) -> None:
    double.behaviour.event_delay_seconds = double.behaviour.head_delay_seconds = 0.5
    if streamed:
        call: Any = stub.StreamGenerate(wire.StreamGenerateRequest(request=question()))
        await call.read()
    else:
        call = stub.Generate(wire.GenerateRequest(request=question()))
        await asyncio.sleep(0.05)
    call.cancel()
    await asyncio.wait_for(double.abandoned.wait(), 2)


async def test_a_stream_without_an_end_is_truncated(stub: Stub, double: OpenAIDouble) -> None:
    double.behaviour.end_after = 3
    error, text = await failure_of(stub, streamed=True)
    assert (error.code.name, error.reason) == ("UNAVAILABLE", "UPSTREAM_TRUNCATED")
    assert (error.provider.http_status, text) == (502, "".join(WORDS[:3]))


async def test_a_stream_with_a_finish_reason_but_no_done_is_whole(stub: Stub, double: OpenAIDouble) -> None:
    double.behaviour.end_after = len(WORDS) + 1
    call = stub.StreamGenerate(wire.StreamGenerateRequest(request=question()))
    text = "".join([d.content async for response in call for event in response.events for d in event.deltas])
    assert text == "".join(WORDS)


async def test_a_stream_where_one_choice_is_open_is_truncated(stub: Stub, double: OpenAIDouble) -> None:
    double.behaviour.end_after = len(WORDS) + 3
    request = question()
    request.sampling.choice_count = 2
    error, _ = await failure_of(stub, streamed=True, request=request)
    assert error.reason == "UPSTREAM_TRUNCATED"


@BOTH
async def test_a_connection_lost_inside_the_body_is_truncated(
    stub: Stub, double: OpenAIDouble, *, streamed: bool
) -> None:
    double.behaviour.cut_after = 3
    error, _ = await failure_of(stub, streamed=streamed)
    assert (error.reason, error.provider.http_status) == ("UPSTREAM_TRUNCATED", 502)


@BOTH
async def test_a_backend_that_hangs_up_is_tried_twice(stub: Stub, double: OpenAIDouble, *, streamed: bool) -> None:
    double.behaviour.hang_up = True
    error, _ = await failure_of(stub, streamed=streamed)
    assert error.reason in {"UPSTREAM_TRUNCATED", "UPSTREAM_UNREACHABLE"}
    assert len(double.requests) == 2


async def test_a_connection_that_the_backend_closed_meanwhile_is_replaced(stub: Stub, double: OpenAIDouble) -> None:
    double.behaviour.hang_up_on_reuse = True
    for _ in range(3):
        await stub.Generate(wire.GenerateRequest(request=question()))
    assert double.connections == 3


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"error": {"message": "Nein.", "code": 400}}, "INVALID_ARGUMENT"),
        ({"error": {"message": "Nein.", "type": "server_error"}}, "UNAVAILABLE"),
        ({"error": {"message": "Nein.", "code": "rate_limited"}}, "UNAVAILABLE"),
        ({"error": "Nein.", "error_type": "overloaded"}, "RESOURCE_EXHAUSTED"),
        ({"error": "Nein.", "error_type": "generation"}, "UNAVAILABLE"),
        ({"error": {"message": "Nein.", "http_status_code": 422}}, "INVALID_ARGUMENT"),
        ({"object": "error", "message": "Nein.", "code": 429}, "RESOURCE_EXHAUSTED"),
    ],
)
async def test_an_error_inside_a_stream_comes_after_what_was_said(
    stub: Stub, double: OpenAIDouble, error: dict[str, Any], code: str
) -> None:
    double.behaviour.events = [sse({"choices": [{"index": 0, "delta": {"content": "a"}}]}) + sse(error)]
    known, text = await failure_of(stub, streamed=True)
    assert (known.code.name, known.reason, known.message, text) == (code, "PROVIDER_ERROR", "Nein.", "a")
    assert known.provider.http_status == 200
    assert orjson.loads(known.provider.body) == error


@pytest.mark.parametrize("event", [b'event: error\ndata: {"message":"Nein."}\n\n', b'error: {"message":"Nein."}\n\n'])
async def test_an_error_event_by_name_is_an_error(stub: Stub, double: OpenAIDouble, event: bytes) -> None:
    double.behaviour.events = [event]
    error, _ = await failure_of(stub, streamed=True)
    assert (error.reason, error.message) == ("PROVIDER_ERROR", "Nein.")


@BOTH
async def test_an_error_object_under_200_is_an_error(stub: Stub, double: OpenAIDouble, *, streamed: bool) -> None:
    double.behaviour.body = b'{"error":{"message":"Nein.","code":503}}'
    error, _ = await failure_of(stub, streamed=streamed)
    assert (error.code.name, error.reason, error.provider.http_status) == ("UNAVAILABLE", "PROVIDER_ERROR", 200)


@BOTH
@pytest.mark.parametrize("body", [b"<html>login</html>", b'"text"', b"{}", b'{"choices":{}}', b""])
async def test_what_is_no_answer_is_invalid(stub: Stub, double: OpenAIDouble, body: bytes, *, streamed: bool) -> None:
    double.behaviour.body = body
    error, _ = await failure_of(stub, streamed=streamed)
    assert (error.code.name, error.reason, error.provider.http_status) == ("UNAVAILABLE", "UPSTREAM_INVALID", 502)


@pytest.mark.parametrize(
    "event",
    [b"data: {garbage\n\n", b"data: 7\n\n", b'data: {"choices":[7]}\n\n', b'data: {"choices":[{"index":-1}]}\n\n'],
)
async def test_garbage_inside_a_stream_is_invalid(stub: Stub, double: OpenAIDouble, event: bytes) -> None:
    double.behaviour.events = [sse({"choices": [{"index": 0, "delta": {"content": "a"}}]}), event]
    error, text = await failure_of(stub, streamed=True)
    assert (error.reason, text) == ("UPSTREAM_INVALID", "a")


async def test_a_redirect_is_not_an_answer(stub: Stub, double: OpenAIDouble) -> None:
    double.behaviour.status, double.behaviour.headers = 302, {"location": "http://127.0.0.1:1/"}
    error, _ = await failure_of(stub, streamed=False)
    assert error.reason == "UPSTREAM_INVALID"


async def test_a_huge_body_is_refused(stub: Stub, double: OpenAIDouble) -> None:
    double.behaviour.body = b" " * 300_000
    error, _ = await failure_of(stub, streamed=False)
    assert error.reason == "UPSTREAM_TOO_LARGE"


async def test_a_body_that_unpacks_to_a_huge_one_is_refused(stub: Stub, double: OpenAIDouble) -> None:
    double.behaviour.body, double.behaviour.compressed = b" " * 3_000_000, True
    error, _ = await failure_of(stub, streamed=False)
    assert error.reason == "UPSTREAM_TOO_LARGE"


@pytest.mark.parametrize(
    "events", [[b"data: " + b"x" * 60_000], [b"x" * 10_000] * 6, [b"data: " + b"x" * 9_000 + b"\n"] * 6]
)
async def test_a_huge_event_is_refused(stub: Stub, double: OpenAIDouble, events: list[bytes]) -> None:
    double.behaviour.events = events
    error, _ = await failure_of(stub, streamed=True)
    assert error.reason == "UPSTREAM_TOO_LARGE"


async def test_a_stream_longer_than_a_body_may_be_is_refused(stub: Stub, double: OpenAIDouble) -> None:
    double.behaviour.events = [sse({"choices": [{"index": 0, "delta": {"content": "a" * 1000}}]})] * 300
    error, text = await failure_of(stub, streamed=True)
    assert error.reason == "UPSTREAM_TOO_LARGE"
    assert text, "what came before the limit has reached the caller"


async def test_a_call_that_gets_no_connection_is_told_that_all_are_taken(double: OpenAIDouble) -> None:
    double.behaviour.head_delay_seconds = 1
    async with router_of(backend(double, max_connections=1, connect_seconds=0.1)) as stub:
        first = asyncio.ensure_future(stub.Generate(wire.GenerateRequest(request=question())))
        await asyncio.sleep(0.05)
        error, _ = await failure_of(stub, streamed=False)
        await first
    assert (error.code.name, error.reason) == ("RESOURCE_EXHAUSTED", "UPSTREAM_BUSY")


async def test_what_is_not_http_is_invalid() -> None:
    left = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\r\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with router_of({"name": "mail", "endpoint": endpoint, "models": ["m"]}) as stub:
            error, _ = await failure_of(stub, streamed=False)
        await asyncio.wait_for(left.wait(), 5)
    assert error.reason == "UPSTREAM_INVALID"
