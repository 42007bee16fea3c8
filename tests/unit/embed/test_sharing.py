"""A text that several ask for at the same time is encoded once, and one caller's trouble is not another's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from synapse_embed.embedder import Embedder, Limits
from synapse_embed.errors import EncoderDown, TextTooLong, TooSlow
from synapse_embed.remote import RemoteEncoder, RemoteLimits
from tests.unit.embed.backends import HeldBackend
from tests.unit.embed.instruments import alone

LONG = "long " * 300


def over(backend: HeldBackend, **limits: Any) -> Embedder:
    return Embedder(RemoteEncoder(backend, backend.card, RemoteLimits(), doubts=0), Limits(**limits))


@pytest.fixture
def backend() -> HeldBackend:
    backend = HeldBackend(batch_texts=32)
    backend.go.clear()
    return backend


async def asked(embedder: Embedder, *texts: str, **options: Any) -> asyncio.Task[list[bytes]]:
    """A request that has reached the backend or another request's flight."""

    async def values() -> list[bytes]:
        return [vector.values for vector in (await embedder.embed(texts, **options)).vectors]

    task = asyncio.create_task(values())
    await asyncio.sleep(0.01)
    return task


def expected(*texts: str) -> list[bytes]:
    return [alone(text) for text in texts]


async def test_the_same_text_in_flight_twice_is_encoded_once(backend: HeldBackend) -> None:
    embedder = over(backend)
    tasks = [await asked(embedder, "cat") for _ in range(10)]
    backend.go.set()
    assert [await task for task in tasks] == [expected("cat")] * 10
    assert backend.batches == [["cat"]]


async def test_a_request_asks_only_for_what_is_neither_kept_nor_in_flight(backend: HeldBackend) -> None:
    embedder = over(backend)
    backend.go.set()
    await embedder.embed(["kept"])
    backend.go.clear()
    first = await asked(embedder, "a", "b")
    second = await asked(embedder, "new", "b", "kept", "new", "a")
    backend.go.set()
    assert await first == expected("a", "b")
    assert await second == expected("new", "b", "kept", "new", "a")
    assert backend.batches == [["kept"], ["a", "b"], ["new"]]


async def test_what_came_for_one_is_kept_for_all(backend: HeldBackend) -> None:
    embedder = over(backend)
    backend.go.set()
    await embedder.embed(["a", "b"])
    assert len((await embedder.embed(["b", "a", "b"])).vectors) == 3
    assert backend.batches == [["a", "b"]]


async def test_who_leaves_does_not_take_the_text_from_others(backend: HeldBackend) -> None:
    embedder = over(backend)
    first, second = await asked(embedder, "cat"), await asked(embedder, "cat")
    first.cancel()
    await asyncio.wait([first])
    backend.go.set()
    assert await second == expected("cat")
    assert backend.batches == [["cat"]]


async def test_what_nobody_waits_for_any_more_is_not_encoded(backend: HeldBackend) -> None:
    embedder = over(backend)
    tasks = [await asked(embedder, "cat") for _ in range(2)]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert backend.at_once == 0
    again = await asked(embedder, "cat")
    backend.go.set()
    assert await again == expected("cat")


async def test_each_caller_has_its_own_patience(backend: HeldBackend) -> None:
    embedder = over(backend, timeout_seconds=0.05)
    first = await asked(embedder, "cat")
    with pytest.raises(TooSlow):
        await first
    second = await asked(embedder, "cat")
    backend.go.set()
    assert await second == expected("cat")


async def test_a_backend_that_fails_fails_all_who_wait_and_nothing_is_kept(backend: HeldBackend) -> None:
    embedder = over(backend)
    tasks = [await asked(embedder, "cat") for _ in range(3)]
    backend.error = EncoderDown("gone")
    backend.go.set()
    for task in tasks:
        with pytest.raises(EncoderDown):
            await task
    backend.error = None
    assert (await embedder.embed(["cat"])).vectors[0].values == alone("cat")


async def test_a_text_too_long_is_its_askers_trouble_only(backend: HeldBackend) -> None:
    embedder = over(backend)
    first = await asked(embedder, "cat", LONG, truncate=False)
    second = await asked(embedder, "dog", "cat", truncate=False)
    backend.go.set()
    with pytest.raises(TextTooLong) as refused:
        await first
    assert refused.value.index == 1
    assert await second == expected("dog", "cat")


async def test_a_text_too_long_in_flight_is_told_by_its_place_in_each_request(backend: HeldBackend) -> None:
    embedder = over(backend)
    first = await asked(embedder, LONG, truncate=False)
    second = await asked(embedder, "a", "b", LONG, truncate=False)
    backend.go.set()
    for task, index in ((first, 0), (second, 2)):
        with pytest.raises(TextTooLong) as refused:
            await task
        assert refused.value.index == index


async def test_who_may_not_cut_does_not_join_who_may(backend: HeldBackend) -> None:
    embedder = over(backend)
    cut, uncut = await asked(embedder, LONG, truncate=True), await asked(embedder, LONG, truncate=False)
    backend.go.set()
    assert await cut == expected(LONG)
    with pytest.raises(TextTooLong):
        await uncut
