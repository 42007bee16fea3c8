"""What waits together is computed together; nobody waits for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_embed.batcher import Batcher, BatchLimits, _groups, batching
from synapse_embed.errors import EncoderFailed, Overloaded, TextTooLong
from tests.unit.embed.instruments import HeldModel, alone

ONE = BatchLimits(workers=1)


@pytest.fixture
def model() -> Iterator[HeldModel]:
    model = HeldModel()
    yield model
    model.release()


async def started(batcher: Batcher, *texts: str) -> asyncio.Task[list[bytes]]:
    """A request that has reached the queue or the model."""

    async def values() -> list[bytes]:
        return [vector.values for vector in await batcher.encode(texts, truncate=True)]

    task = asyncio.create_task(values())
    await asyncio.sleep(0.02)
    return task


async def test_vectors_come_in_the_order_of_the_texts(model: HeldModel) -> None:
    texts = [" ".join(["word", str(i)] * (i % 7 + 1)) for i in range(100)]
    async with batching(model, ONE) as batcher:
        vectors = await batcher.encode(texts, truncate=True)
    assert [vector.values for vector in vectors] == [alone(text) for text in texts]


async def test_concurrent_requests_each_get_their_own_vectors(model: HeldModel) -> None:
    requests = [[f"text {i} {j} " + "and more " * (j % 5) for j in range(i % 9 + 1)] for i in range(40)]
    async with batching(model, BatchLimits(workers=3)) as batcher, asyncio.TaskGroup() as group:
        tasks = [group.create_task(batcher.encode(texts, truncate=True)) for texts in requests]
    for texts, task in zip(requests, tasks, strict=True):
        assert [vector.values for vector in task.result()] == [alone(text) for text in texts]


async def test_a_lone_text_does_not_wait_for_others(model: HeldModel) -> None:
    async with batching(model, ONE) as batcher:
        await batcher.encode(["alone"], truncate=True)
    assert model.batches == [[2]]


async def test_what_waits_together_is_computed_together(model: HeldModel) -> None:
    async with batching(model, ONE) as batcher:
        model.hold()
        tasks = [await started(batcher, f"text {i}") for i in range(5)]
        model.release()
        await asyncio.gather(*tasks)
    assert [len(batch) for batch in model.batches] == [1, 4]


async def test_two_workers_compute_at_the_same_time(model: HeldModel) -> None:
    async with batching(model, BatchLimits(workers=2)) as batcher:
        model.hold()
        tasks = [await started(batcher, text) for text in ("one", "two")]
        assert len(model.batches) == 2
        model.release()
        await asyncio.gather(*tasks)


async def test_a_long_request_does_not_hold_up_a_short_one(model: HeldModel) -> None:
    async with batching(model, BatchLimits(workers=1, batch_texts=4)) as batcher:
        model.hold()
        long = await started(batcher, *(f"text {i}" for i in range(400)))
        short = await started(batcher, "short")
        model.release()
        await short
        assert len(model.batches) <= 3
        assert not long.done()
        await long


async def test_a_full_queue_refuses_and_recovers(model: HeldModel) -> None:
    async with batching(model, BatchLimits(workers=1, queue_texts=3)) as batcher:
        model.hold()
        running = await started(batcher, "running")
        waiting = await started(batcher, "a", "b")
        with pytest.raises(Overloaded) as refused:
            await batcher.encode(["c", "d"], truncate=True)
        assert refused.value.retry_after_seconds > 0
        model.release()
        assert await running
        assert await waiting == [alone("a"), alone("b")]
        assert len(await batcher.encode(["c", "d"], truncate=True)) == 2


async def test_a_caller_who_leaves_is_not_computed(model: HeldModel) -> None:
    async with batching(model, BatchLimits(workers=1, queue_texts=2)) as batcher:
        model.hold()
        running = await started(batcher, "running")
        left = await started(batcher, "a b c d", "a b c d e")
        left.cancel()
        await asyncio.wait([left])
        stays = await started(batcher, "one", "two")
        model.release()
        await asyncio.gather(running, stays)
    assert [length for batch in model.batches for length in batch] == [2, 2, 2]


async def test_a_caller_who_leaves_does_not_take_its_batch_along(model: HeldModel) -> None:
    async with batching(model, ONE) as batcher:
        model.hold()
        first = await started(batcher, "running")
        leaves, stays = await started(batcher, "a"), await started(batcher, "b")
        first.cancel()
        leaves.cancel()
        model.release()
        assert await stays == [alone("b")]


async def test_a_failed_batch_fails_its_callers_only(model: HeldModel) -> None:
    async with batching(model, ONE) as batcher:
        model.broken = True
        with pytest.raises(EncoderFailed) as failed:
            await batcher.encode(["a", "b"], truncate=True)
        assert isinstance(failed.value.__cause__, RuntimeError)
        model.broken = False
        assert len(await batcher.encode(["a", "b"], truncate=True)) == 2


async def test_a_request_of_several_batches_fails_as_a_whole(model: HeldModel) -> None:
    async with batching(model, BatchLimits(workers=1, batch_texts=2)) as batcher:
        model.broken = True
        with pytest.raises(EncoderFailed):
            await batcher.encode(["a", "b", "c", "d", "e"], truncate=True)
        model.broken = False
        assert len(await batcher.encode(["a"], truncate=True)) == 1


async def test_a_text_too_long_is_refused_by_its_place(model: HeldModel) -> None:
    async with batching(model, ONE) as batcher:
        with pytest.raises(TextTooLong) as refused:
            await batcher.encode(["short", "long " * 300], truncate=False)
    assert refused.value.index == 1
    assert model.batches == []


async def test_a_batch_holds_only_so_many_tokens(model: HeldModel) -> None:
    async with batching(model, BatchLimits(workers=1, batch_tokens=20)) as batcher:
        await batcher.encode(["a b c d e f g"] * 10, truncate=True)
    assert model.batches == [[8, 8]] * 5


@given(st.lists(st.integers(1, 256), min_size=1, max_size=64))
def test_groups_hold_every_text_once_and_hardly_any_padding(lengths: list[int]) -> None:
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    groups = _groups(order, lengths)
    assert [position for group in groups for position in group] == order
    for group in groups:
        tokens = [lengths[position] for position in group]
        assert len(tokens) * max(tokens) - sum(tokens) <= len(tokens)
