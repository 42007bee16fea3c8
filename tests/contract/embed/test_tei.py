"""A TEI server behind the service, over both of its protocols: what it is, what it cuts, what its errors mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from synapse_embed.errors import (
    BackendMisfit,
    BadRequest,
    EmbedError,
    EncoderDown,
    EncoderFailed,
    Overloaded,
    TextTooLong,
    TooSlow,
)
from synapse_embed.ports import Backend
from tests.contract.embed.remotes import WINDOW, backend_of, settings
from tests.support import minilm_texts
from tests.support.tei_server import Served, TeiGrpcDouble, TeiHttpDouble, tei_grpc, tei_http

LONG = "cat " * 300


@dataclass
class Behind:
    """A backend, and the double that it asks."""

    backend: Backend
    double: TeiHttpDouble | TeiGrpcDouble

    @property
    def served(self) -> Served:
        return self.double.served


@asynccontextmanager
async def behind(protocol: str, section: dict[str, Any] | None = None, **more: Any) -> AsyncIterator[Behind]:
    async with AsyncExitStack() as stack:
        double: TeiHttpDouble | TeiGrpcDouble
        if protocol == "http":
            double = await stack.enter_async_context(tei_http())
            endpoint = double.url
        else:
            double = await stack.enter_async_context(tei_grpc())
            endpoint = f"grpc://{double.target}"
        named = settings("tei", {"endpoint": endpoint, **(section or {})}, **more)
        yield Behind(await stack.enter_async_context(backend_of(named)), double)


@pytest.fixture(params=["http", "grpc"])
async def tei(request: pytest.FixtureRequest) -> AsyncIterator[Behind]:
    async with behind(request.param) as tei:
        await tei.backend.describe()
        yield tei


on_both = pytest.mark.parametrize("protocol", ["http", "grpc"])


@pytest.mark.parametrize(("protocol", "pooling"), [("http", "mean"), ("grpc", "")])
async def test_the_server_tells_what_it_is(protocol: str, pooling: str) -> None:
    async with behind(protocol) as tei:
        card = await tei.backend.describe()
        assert (card.backend, card.id, card.revision) == ("tei", tei.served.model_id, tei.served.model_sha)
        assert (card.dimension, card.max_tokens, card.pooling, card.precision) == (384, WINDOW, pooling, "float32")
        assert tei.backend.batch_texts == 32


async def test_settings_name_what_the_server_does_not_tell() -> None:
    async with behind("grpc", {"revision": "r1", "pooling": "mean", "prefix": "query: "}) as tei:
        tei.served.model_sha = None
        card = await tei.backend.describe()
    assert (card.revision, card.pooling, card.prefix) == ("r1", "mean", "query: ")


@on_both
@pytest.mark.parametrize(
    ("switch", "section", "told"),
    [
        ({"kind": "reranker"}, {}, "no model for dense vectors: reranker"),
        ({}, {"model": "BAAI/bge-m3"}, "embed.tei.model is BAAI/bge-m3, but .* serves sentence-transformers/"),
        ({"api_key": "k1"}, {"api_key": "k2"}, "401|No valid auth token"),
    ],
)
async def test_a_server_of_another_kind_is_a_misfit(
    protocol: str, switch: dict[str, Any], section: dict[str, Any], told: str
) -> None:
    async with behind(protocol, section) as tei:
        for name, value in switch.items():
            setattr(tei.served, name, value)
        with pytest.raises(BackendMisfit, match=told):
            await tei.backend.describe()


async def test_a_model_for_sparse_vectors_is_a_misfit() -> None:
    async with behind("http") as tei:
        tei.served.pooling = "splade"
        with pytest.raises(BackendMisfit, match="splade"):
            await tei.backend.describe()


async def test_something_else_than_tei_is_a_misfit() -> None:
    async with behind("http") as tei:
        tei.double.behaviour.body = b'{"models": []}'  # type: ignore[union-attr]
        with pytest.raises(BackendMisfit, match="/info is not that of a TEI server"):
            await tei.backend.describe()


@on_both
async def test_the_key_opens(protocol: str) -> None:
    async with behind(protocol, {"api_key": "k1"}) as tei:
        tei.served.api_key = "k1"
        assert (await tei.backend.describe()).dimension == 384


async def test_only_the_long_text_of_a_batch_is_cut(tei: Behind) -> None:
    vectors = await tei.backend.embed(["a", LONG, "b"], truncate=True)
    assert [vector.truncated for vector in vectors] == [False, True, False]
    assert [vector.token_count for vector in vectors] == [3, WINDOW, 3]


async def test_a_text_that_fills_the_window_exactly_is_not_cut(tei: Behind) -> None:
    (full,) = await tei.backend.embed(["cat " * (WINDOW - 2)], truncate=True)
    assert (full.truncated, full.token_count) == (False, WINDOW)


@pytest.mark.parametrize("status", [413, 422])
async def test_a_long_text_is_told_by_its_place_whatever_the_versions_status(status: int) -> None:
    async with behind("http") as tei:
        tei.served.validation_status = status
        await tei.backend.describe()
        with pytest.raises(TextTooLong) as refused:
            await tei.backend.embed(["a", "b", LONG], truncate=False)
    assert refused.value.index == 2


async def test_a_batch_goes_in_one_call_over_http_and_its_tokens_are_shared_out() -> None:
    async with behind("http") as tei:
        await tei.backend.describe()
        texts = ["a", "one two three four", "one two"]
        vectors = await tei.backend.embed(texts, truncate=True)
        assert isinstance(tei.double, TeiHttpDouble)
        assert tei.double.asked("/embed")[-1] == {"inputs": texts, "truncate": False, "normalize": True}
    exact = [minilm_texts.read(text).tokens for text in texts]
    assert sum(vector.token_count for vector in vectors) == sum(exact)


async def test_texts_go_one_by_one_and_at_the_same_time_over_grpc() -> None:
    async with behind("grpc") as tei:
        await tei.backend.describe()
        tei.served.delay_seconds = 0.1
        async with asyncio.timeout(1):
            vectors = await tei.backend.embed([f"text {i}" for i in range(32)], truncate=True)
    assert len(vectors) == 32


FAULTS: list[tuple[dict[str, Any], type[EmbedError], str]] = [
    ({"overloaded": True}, Overloaded, "EMBED_BACKEND_BUSY"),
    ({"unhealthy": True}, EncoderDown, "EMBED_BACKEND_DOWN"),
    ({"backend_fails": True}, EncoderFailed, "EMBED_BACKEND_FAILED"),
    ({"scale": 0.0}, EncoderFailed, "EMBED_BACKEND_INVALID"),
]


@pytest.mark.parametrize(("switch", "kind", "reason"), FAULTS)
async def test_a_fault_is_told_as_what_it_is(
    tei: Behind, switch: dict[str, Any], kind: type[EmbedError], reason: str
) -> None:
    for name, value in switch.items():
        setattr(tei.served, name, value)
    with pytest.raises(kind) as failed:
        await tei.backend.embed(["a"], truncate=True)
    assert failed.value.reason == reason
    if isinstance(failed.value, Overloaded):
        assert failed.value.retry_after_seconds > 0


async def test_a_text_that_cannot_be_read_is_the_callers() -> None:
    async with behind("http") as tei:
        await tei.backend.describe()
        tei.served.tokenizer_fails = True
        with pytest.raises(BadRequest, match="cannot read the input"):
            await tei.backend.embed(["a"], truncate=True)


@on_both
async def test_a_slow_answer_ends_with_the_call(protocol: str) -> None:
    async with behind(protocol, call_seconds=0.2) as tei:
        await tei.backend.describe()
        tei.served.delay_seconds = 5
        async with asyncio.timeout(2):
            with pytest.raises(TooSlow):
                await tei.backend.embed(["a"], truncate=True)


def body(raw: bytes) -> Callable[[TeiHttpDouble], None]:
    return lambda double: setattr(double.behaviour, "body", raw)


def switch(**values: Any) -> Callable[[TeiHttpDouble], None]:
    def turn(double: TeiHttpDouble) -> None:
        for name, value in values.items():
            setattr(double.behaviour, name, value)

    return turn


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (body(b"<html>"), EncoderFailed),
        (body(b"[[0.1, 0.2], [0.3, 0.4]]"), EncoderFailed),
        (body(b'[["a", "b"]]'), EncoderFailed),
        (body(b"[[]]"), EncoderFailed),
        (body(b"[[1e999, 1.0]]"), EncoderFailed),
        (body(b"[[[0.1]]]"), EncoderFailed),
        (body(b"{}"), EncoderFailed),
        (switch(hang_up=True), EncoderDown),
        (switch(cut_after=20), EncoderDown),
        (switch(status=500), EncoderDown),
        (switch(status=502), EncoderDown),
        (switch(status=404), BackendMisfit),
        (switch(status=429), Overloaded),
        (switch(status=413), BadRequest),
        (switch(status=418), EncoderFailed),
    ],
)
async def test_what_is_no_answer_is_not_used(fault: Callable[[TeiHttpDouble], None], kind: type[EmbedError]) -> None:
    async with behind("http") as tei:
        await tei.backend.describe()
        assert isinstance(tei.double, TeiHttpDouble)
        fault(tei.double)
        with pytest.raises(kind):
            await tei.backend.embed(["a"], truncate=True)


async def test_a_connection_that_was_closed_meanwhile_is_replaced() -> None:
    async with behind("http") as tei:
        await tei.backend.describe()
        assert isinstance(tei.double, TeiHttpDouble)
        tei.double.behaviour.hang_up_on_reuse = True
        assert len(await tei.backend.embed(["a"], truncate=True)) == 1
        assert len(await tei.backend.embed(["b"], truncate=True)) == 1


async def test_a_backend_that_keeps_failing_is_left_alone_for_a_while(tei: Behind) -> None:
    tei.served.unhealthy = True
    for _ in range(5):
        with pytest.raises(EncoderDown, match="unhealthy"):
            await tei.backend.embed(["a"], truncate=True)
    asked = len(tei.double.requests)
    with pytest.raises(EncoderDown, match="not asked"):
        await tei.backend.embed(["a"], truncate=True)
    assert len(tei.double.requests) == asked
    tei.served.unhealthy = False
    await asyncio.sleep(0.6)
    assert len(await tei.backend.embed(["a"], truncate=True)) == 1


async def test_overload_opens_no_breaker(tei: Behind) -> None:
    tei.served.overloaded = True
    for _ in range(8):
        with pytest.raises(Overloaded):
            await tei.backend.embed(["a"], truncate=True)
    tei.served.overloaded = False
    assert len(await tei.backend.embed(["a"], truncate=True)) == 1


@on_both
async def test_a_new_connection_raises_a_doubt(protocol: str) -> None:
    async with behind(protocol) as tei:
        await tei.backend.describe()
        before = tei.backend.doubts
        await tei.backend.embed(["a"], truncate=True)
        assert tei.backend.doubts == before
        if isinstance(tei.double, TeiHttpDouble):
            tei.double.behaviour.hang_up_on_reuse = True
            await tei.backend.embed(["a"], truncate=True)
            assert tei.backend.doubts == before + 1


async def test_a_server_that_is_replaced_raises_a_doubt_over_grpc() -> None:
    async with AsyncExitStack() as stack:
        first = AsyncExitStack()
        double = await first.enter_async_context(tei_grpc())
        named = settings("tei", {"endpoint": f"grpc://{double.target}"})
        backend = await stack.enter_async_context(backend_of(named))
        await backend.describe()
        before = backend.doubts
        await first.aclose()
        port = int(double.target.rpartition(":")[2])
        await stack.enter_async_context(tei_grpc(port=port))
        for _ in range(40):
            try:
                await backend.embed(["a"], truncate=True)
                break
            except EncoderDown:
                await asyncio.sleep(0.1)
        assert backend.doubts > before
