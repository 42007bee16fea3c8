"""What only the embedded vector store promises: it survives kills, says what is wrong, and stays exact and bounded."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from synapse_cache.adapters.vectors_embedded import EmbeddedVectorStore
from synapse_cache.ports import StoreUnavailable
from tests.contract.cache.vectors_world import DIMENSION, EAST, NORTH, SPACE, World, unit

WRITER = """
import asyncio, sys
from pathlib import Path
from tests.contract.cache.vectors_world import SPACE, World, unit
from synapse_cache.adapters.vectors_embedded import EmbeddedVectorStore

async def main():
    world = World(await EmbeddedVectorStore.open(Path(sys.argv[1]), **SPACE), "acme", 0.0)
    async def write(part):
        for i in range(100_000):
            name = f"{part}-{i}"
            await world.store.insert([(world.entry(name, answer=name.encode() * 500), unit(1, part, i))])
            print(name, flush=True)
    await asyncio.gather(*(write(part) for part in range(4)))

asyncio.run(main())
"""


@pytest.fixture
async def world(tmp_path):
    store = await EmbeddedVectorStore.open(tmp_path, **SPACE)
    yield World(store, "acme", 0.0)
    await store.close()


async def reopened(world, folder):
    await world.store.close()
    return World(await EmbeddedVectorStore.open(folder, **SPACE), world.tenant, 0.0)


def acknowledged_until_killed(folder, count):
    """Names that a writing child had reported when it was killed without warning."""
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", WRITER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as child:
        names = [child.stdout.readline().strip() for _ in range(count)]
        child.send_signal(signal.SIGKILL)
        names += child.stdout.read().split("\n")[:-1]
        assert child.wait() == -signal.SIGKILL
    return names


@pytest.mark.parametrize("count", [1, 50, 400])
async def test_every_acknowledged_entry_survives_kill_9(tmp_path, count):
    names = acknowledged_until_killed(tmp_path, count)
    store = await EmbeddedVectorStore.open(tmp_path, **SPACE)
    world = World(store, "acme", 0.0)
    found = {match.entry_id for match in await world.search(limit=100_000)}
    assert len(names) >= count
    assert found >= set(names)
    assert await store.count() == len(found)
    for name in names:
        assert (await store.fetch("acme", name)).answer == name.encode() * 500
    await store.close()


async def test_what_was_stored_is_found_after_a_restart(world, tmp_path):
    entry = world.entry("e")
    await world.insert((entry, EAST), (world.entry("gone"), EAST), (world.entry("old", semantic_expires_at=1.0), EAST))
    await world.store.delete(world.tenant, ["gone"])
    await world.store.expire(now=2.0)
    again = await reopened(world, tmp_path)
    assert await again.ids(EAST) == ["e"]
    assert await again.store.fetch(again.tenant, "e") == entry
    await again.store.close()


async def test_an_entry_inserted_after_the_scope_was_searched_is_found(world):
    assert await world.ids(EAST) == []
    await world.insert((world.entry("a"), NORTH))
    await world.insert((world.entry("b"), EAST))
    assert await world.ids(EAST) == ["b", "a"]


async def test_another_vector_space_is_another_store(world, tmp_path):
    await world.insert((world.entry("e"), EAST))
    other = await EmbeddedVectorStore.open(tmp_path, fingerprint="another", dimension=DIMENSION)
    assert await other.count() == 0
    await other.close()


async def test_a_vector_of_another_dimension_is_refused(world):
    with pytest.raises(StoreUnavailable, match="8 dimensions"):
        await world.search(np.ones(9, np.float32))
    with pytest.raises(StoreUnavailable, match="8 dimensions"):
        await world.store.insert([(world.entry("e"), np.ones(9, np.float32))])


async def test_a_store_that_is_open_cannot_be_opened_again(world, tmp_path):
    with pytest.raises(StoreUnavailable, match="another process has it open"):
        await EmbeddedVectorStore.open(tmp_path, **SPACE)


async def test_a_closed_store_is_unavailable(world):
    await world.store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await world.search()
    with pytest.raises(StoreUnavailable, match="closed"):
        await world.store.insert([(world.entry("e"), EAST)])


async def test_a_file_that_is_no_database_is_named(world, tmp_path):
    await world.store.close()
    (path,) = tmp_path.glob("*.db")
    path.write_bytes(b"this is not a database" * 1000)
    with pytest.raises(StoreUnavailable, match=rf"{path.name}.*move it away"):
        await EmbeddedVectorStore.open(tmp_path, **SPACE)


async def test_damage_inside_the_file_is_told_and_never_served(world, tmp_path):
    await world.insert(*((world.entry(f"e{i}", answer=b"x" * 5000), EAST) for i in range(50)))
    await world.store.close()
    (path,) = tmp_path.glob("*.db")
    content = bytearray(path.read_bytes())
    content[8192:] = bytes(reversed(content[8192:]))
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match="vector store"):
        await open_and_search(tmp_path)


async def open_and_search(folder):
    store = await EmbeddedVectorStore.open(folder, **SPACE)
    try:
        await World(store, "acme", 0.0).search()
    finally:
        await store.close()


async def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreUnavailable, match="taken"):
        await EmbeddedVectorStore.open(tmp_path / "taken", **SPACE)


async def test_a_full_store_refuses_writes_and_goes_on_serving(tmp_path):
    store = await EmbeddedVectorStore.open(tmp_path, **SPACE, size_limit_bytes=400_000)
    world = World(store, "acme", 0.0)
    await world.insert((world.entry("first", answer=b"x" * 100_000), EAST))
    with pytest.raises(StoreUnavailable, match="full"):
        await store.insert([(world.entry("big", answer=b"x" * 400_000), EAST)])
    assert await world.ids(EAST) == ["first"]
    await store.delete(world.tenant, ["first"])
    await world.insert((world.entry("second", answer=b"x" * 100_000), EAST))
    assert await world.ids(EAST) == ["second"]
    await store.close()


async def test_what_one_insert_does_wrong_fails_no_other(world):
    broken = world.entry("broken", epoch=2**70)
    outcomes = await asyncio.gather(
        *(world.store.insert([(entry, EAST)]) for entry in (world.entry("a"), broken, world.entry("b"))),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), StoreUnavailable, type(None)]
    assert sorted(await world.ids(EAST)) == ["a", "b"]


async def test_a_big_scope_is_searched_exactly(tmp_path):
    generator = np.random.default_rng(3)
    vectors = generator.standard_normal((10_000, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    store = await EmbeddedVectorStore.open(tmp_path, fingerprint="big", dimension=64)
    world = World(store, "acme", 0.0)
    await store.insert([(world.entry(str(i)), vector) for i, vector in enumerate(vectors)])
    for query in vectors[:50]:
        expected = [str(i) for i in np.argsort(-(vectors @ query))[:4]]
        assert await world.ids(query) == expected
    await store.close()


async def test_memory_is_bounded_and_what_left_it_is_found_again(tmp_path):
    limit = 200_000
    store = await EmbeddedVectorStore.open(tmp_path, **SPACE, memory_limit_bytes=limit)
    world = World(store, "acme", 0.0)
    scopes = [f"{i:064d}" for i in range(300)]
    await store.insert([(world.entry(f"e{scope}", scope=scope), EAST) for scope in scopes])
    for scope in scopes * 2:
        assert await world.ids(EAST, scope=scope) == [f"e{scope}"]
        assert store.memory_bytes <= limit
    await store.close()


async def test_of_a_scope_bigger_than_memory_the_newest_are_searched(tmp_path):
    store = await EmbeddedVectorStore.open(tmp_path, **SPACE, memory_limit_bytes=50_000)
    world = World(store, "acme", 0.0)
    for start in range(0, 4000, 500):
        await store.insert([(world.entry(str(start + i)), unit(1, i)) for i in range(500)])
        await world.search()
    found = {int(name) for name in await world.ids(EAST, limit=4000)}
    assert 1000 < len(found) < 2000
    assert found == set(range(4000 - len(found), 4000))
    again = await reopened_bounded(store, tmp_path)
    assert {int(name) for name in await again.ids(EAST, limit=4000)} >= set(range(3000, 4000))
    await again.store.close()


async def reopened_bounded(store, folder):
    await store.close()
    return World(await EmbeddedVectorStore.open(folder, **SPACE, memory_limit_bytes=50_000), "acme", 0.0)


async def test_deletes_in_a_searched_scope_leave_the_rest_in_order(world):
    names = [f"e{i:03d}" for i in range(200)]
    await world.insert(*((world.entry(name), unit(1, i / 100)) for i, name in enumerate(names)))
    assert await world.ids(EAST, limit=200) == names
    await world.store.delete(world.tenant, names[::2] + names[151:])
    assert await world.ids(EAST, limit=200) == names[1:151:2]
    assert await world.store.count() == 75


async def test_a_search_of_a_big_scope_leaves_the_event_loop_free(tmp_path):
    store = await EmbeddedVectorStore.open(tmp_path, fingerprint="big", dimension=384)
    world = World(store, "acme", 0.0)
    vectors = np.random.default_rng(5).standard_normal((10_000, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    await store.insert([(world.entry(str(i)), vector) for i, vector in enumerate(vectors)])
    turns = 0

    async def turn():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    for query in vectors[:20]:
        await world.search(query)
    turning.cancel()
    await store.close()
    assert turns > 20 * 5
