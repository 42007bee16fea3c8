"""A backend is waited for, looked after, and given a new embedder when its model becomes another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from synapse_embed import source as module
from synapse_embed.embedder import Embedder, Limits
from synapse_embed.errors import BackendMisfit, EncoderDown, EncoderFailed, ModelChanged
from synapse_embed.remote import RemoteLimits
from synapse_embed.source import Source
from tests.unit.embed.backends import HeldBackend


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(module, "_LAST_RETRY_SECONDS", 0.02)


def source_of(backend: HeldBackend, *, dimension: int | None = None) -> Source:
    return Source(backend, RemoteLimits(), lambda encoder: Embedder(encoder, Limits()), dimension=dimension)


class Watched:
    """A source that is connected and looked after, and what it told."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.told: list[bool] = []

    async def tell(self, ready: bool) -> None:  # noqa: FBT001  # a setter
        self.told.append(ready)


@asynccontextmanager
async def watched(
    backend: HeldBackend, *, every_seconds: float = 0.01, dimension: int | None = None
) -> AsyncIterator[Watched]:
    source = source_of(backend, dimension=dimension)
    await source.connect(within_seconds=1)
    watched = Watched(source)
    task = asyncio.create_task(source.watch(every_seconds=every_seconds, tell=watched.tell))
    try:
        yield watched
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_backend_that_is_still_starting_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    backend = HeldBackend()
    backend.error = EncoderDown("loading the model")
    connecting = asyncio.create_task(source_of(backend).connect(within_seconds=5))
    await asyncio.sleep(0.05)
    assert not connecting.done()
    backend.error = None
    await connecting
    assert "does not answer yet" in caplog.text


async def test_a_backend_that_never_comes_ends_the_wait() -> None:
    backend = HeldBackend()
    backend.error = EncoderDown("no such host")
    with pytest.raises(EncoderDown, match="no such host"):
        await source_of(backend).connect(within_seconds=0.05)
    assert backend.descriptions > 1


@pytest.mark.parametrize("error", [BackendMisfit("wrong model"), EncoderFailed("garbage", reason="X")])
async def test_a_backend_that_is_wrong_is_not_waited_for(error: EncoderFailed | BackendMisfit) -> None:
    backend = HeldBackend()
    backend.error = error
    with pytest.raises(type(error)):
        await source_of(backend).connect(within_seconds=5)
    assert backend.descriptions == 1


async def test_a_dimension_other_than_the_settings_is_told_with_both() -> None:
    with pytest.raises(BackendMisfit, match=r"embed\.dimension is 768, but the vectors of hashing have 384 dimensions"):
        await source_of(HeldBackend(), dimension=768).connect(within_seconds=1)


async def test_nothing_is_embedded_before_the_first_answer() -> None:
    with pytest.raises(EncoderDown):
        source_of(HeldBackend()).embedder  # noqa: B018  # it is the look that raises


async def test_an_outage_is_told_and_its_end_too() -> None:
    backend = HeldBackend()
    async with watched(backend) as seen:
        backend.error = EncoderDown("gone")
        await asyncio.sleep(0.1)
        assert seen.told[-1:] == [False]
        backend.error = None
        await asyncio.sleep(0.1)
        assert seen.told[-1:] == [True]


async def test_one_failed_look_is_no_outage() -> None:
    backend = HeldBackend()
    async with watched(backend, every_seconds=0.05) as seen:
        backend.error = EncoderDown("a hiccup")
        await asyncio.sleep(0.07)
        backend.error = None
        await asyncio.sleep(0.1)
    assert False not in seen.told


async def test_another_model_gets_an_embedder_of_its_own_that_keeps_nothing_of_the_old() -> None:
    backend = HeldBackend()
    async with watched(backend) as seen:
        old = seen.source.embedder
        await old.embed(["cat"])
        backend.card = replace(backend.card, revision="2")
        await asyncio.sleep(0.05)
        new = seen.source.embedder
        assert (old.card.revision, new.card.revision) == ("1", "2")
        await new.embed(["cat"])
        assert backend.batches == [["cat"], ["cat"]]
        with pytest.raises(ModelChanged):
            await old.embed(["dog"])


async def test_a_change_that_a_request_finds_is_acted_on_at_once() -> None:
    backend = HeldBackend()
    async with watched(backend, every_seconds=0) as seen:
        backend.card = replace(backend.card, revision="2")
        backend.doubts += 1
        with pytest.raises(ModelChanged):
            await seen.source.embedder.embed(["cat"])
        await asyncio.sleep(0.05)
        assert (await seen.source.embedder.embed(["cat"])).vectors
        assert seen.source.embedder.card.revision == "2"


async def test_a_model_of_another_dimension_than_the_settings_serves_nothing() -> None:
    backend = HeldBackend()
    async with watched(backend, dimension=384) as seen:
        backend.card = replace(backend.card, dimension=768)
        await asyncio.sleep(0.05)
        assert seen.told[-1:] == [False]
        with pytest.raises(ModelChanged):
            await seen.source.embedder.embed(["cat"])
        backend.card = replace(backend.card, dimension=384)
        await asyncio.sleep(0.1)
        assert seen.told[-1:] == [True]
        assert (await seen.source.embedder.embed(["cat"])).vectors
