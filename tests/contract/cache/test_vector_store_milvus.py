"""What only the Milvus vector store promises: outages are told in time and end by themselves."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time

import pytest
from pymilvus import DataType, MilvusClient

from synapse_cache.adapters.vectors_milvus import MilvusVectorStore
from synapse_cache.adapters.vectors_milvus_rows import collection_name, rows_of
from synapse_cache.ports import StoreUnavailable
from tests.contract.cache.vectors_world import DIMENSION, EAST, MILVUS_SHOWS_SECONDS, NORTH, SPACE, World
from tests.support.relay import Relay

pytestmark = pytest.mark.milvus


@pytest.fixture
async def relay(milvus_endpoint):
    relay = Relay(milvus_endpoint)
    await relay.start()
    yield relay
    await relay.cut()


@pytest.fixture
async def world(relay):
    store = await MilvusVectorStore.open(relay.endpoint, **SPACE, timeout_seconds=1.0)
    await ready(store)
    yield World(store, f"tenant-{secrets.token_hex(6)}", MILVUS_SHOWS_SECONDS)
    await store.close()


async def ready(store, *, seconds=30.0):
    """Wait until the store answers, as its users do: by asking again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            return await store.ping()
        except StoreUnavailable:
            await asyncio.sleep(0.1)
    raise AssertionError(f"not ready within {seconds} s")


async def unavailable_after(call):
    """Seconds until `call` said that the store is unavailable."""
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match="milvus"):
        await call
    return time.monotonic() - started


async def test_a_milvus_that_is_gone_is_told_in_time_and_found_again(world, relay):
    await world.insert((world.entry("e"), EAST))
    await relay.cut()
    assert await unavailable_after(world.search()) < 1.5
    assert await unavailable_after(world.store.fetch(world.tenant, "e")) < 1.5
    assert await unavailable_after(world.store.insert([(world.entry("f"), EAST)])) < 1.5
    await relay.start()
    await ready(world.store)
    assert await world.ids() == ["e"]


async def test_a_milvus_that_is_silent_is_told_in_time(world, relay):
    relay.freeze()
    assert 0.9 < await unavailable_after(world.search()) < 1.5
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await world.search()


async def test_a_store_opens_while_nothing_listens_and_connects_later(relay):
    endpoint = relay.endpoint
    await relay.cut()
    started = time.monotonic()
    store = await MilvusVectorStore.open(endpoint, **SPACE, timeout_seconds=1.0)
    assert time.monotonic() - started < 0.5
    assert await unavailable_after(store.ping()) < 1.5
    await relay.start()
    await ready(store)
    await store.close()


async def test_closing_does_not_wait_for_a_milvus_that_is_gone(relay):
    endpoint = relay.endpoint
    await relay.cut()
    store = await MilvusVectorStore.open(endpoint, **SPACE)
    started = time.monotonic()
    await store.close()
    assert time.monotonic() - started < 0.5
    assert await unavailable_after(store.ping()) < 0.5


async def test_a_collection_that_is_not_loaded_is_unavailable_until_it_is(world, milvus_endpoint):
    await world.insert((world.entry("e"), EAST))
    client = MilvusClient(f"http://{milvus_endpoint}")
    await asyncio.to_thread(client.release_collection, world.store.collection)
    client.close()
    assert await unavailable_after(world.search()) < 1.5
    await ready(world.store)
    assert await world.shows(world.ids) == ["e"]


async def test_the_log_tells_of_connecting_and_of_failures(relay, caplog):
    caplog.set_level(logging.INFO, logger="synapse.milvus")
    store = await MilvusVectorStore.open(relay.endpoint, **SPACE, timeout_seconds=1.0)
    await ready(store)
    await relay.cut()
    await unavailable_after(store.ping())
    await store.close()
    told = [record.getMessage() for record in caplog.records]
    assert "milvus connected" in told
    assert "milvus call failed" in told


async def test_an_entry_that_two_replicas_inserted_is_found_once(world):
    entry = world.entry("twice")
    for _ in range(2):
        await world.store._link.call("insert", data=rows_of(entry, EAST))
    await world.insert((world.entry("other"), NORTH))
    assert await world.ids() == ["twice", "other"]
    assert await world.store.fetch(world.tenant, "twice") == entry
    assert await world.store.delete(world.tenant, ["twice"]) == 1
    assert await world.ids() == ["other"]


async def test_a_prompt_longer_than_a_row_is_left_out_alone(world):
    await world.store.insert([(world.entry("huge", prompt="ü" * 40_000), EAST), (world.entry("e"), EAST)])
    assert await world.shows(world.ids) == ["e"]


def test_the_collection_is_named_after_the_vector_space():
    name = collection_name("all-MiniLM-L6-v2@53aa/mean+l2", 384)
    assert name.startswith("synapse_v2_all_MiniLM_L6_v2_53aa_mean_l2_")
    assert name != collection_name("all-MiniLM-L6-v2@53aa/mean+l2", 768)
    assert name != collection_name("all-MiniLM-L6-v2@53aa/mean l2", 384)
    assert len(collection_name("x/" * 500, 1024)) < 255


def test_an_upserted_row_of_a_partition_key_collection_is_lost_to_filters(milvus_endpoint):
    """Why the store never upserts. Where this fails, Milvus was mended."""
    client, name = MilvusClient(f"http://{milvus_endpoint}"), f"upsert_{secrets.token_hex(4)}"
    schema = client.create_schema(auto_id=False)
    schema.add_field("pk", DataType.VARCHAR, is_primary=True, max_length=64)
    schema.add_field("tenant", DataType.VARCHAR, is_partition_key=True, max_length=64)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="COSINE")
    client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")
    rows = [{"pk": f"{i}{secrets.token_hex(8)}", "tenant": f"t{i}", "vector": EAST.tolist()} for i in range(8)]
    client.insert(name, rows)
    assert len(found_by_tenant(client, name, rows)) == 8
    client.upsert(name, rows)
    assert len(found_by_tenant(client, name, rows)) < 8
    client.drop_collection(name)
    client.close()


def found_by_tenant(client, name, rows):
    """Keys of the rows that a search filtered on their own tenant finds."""
    found = set()
    for row in rows:
        hits = client.search(name, [row["vector"]], filter=f"tenant == '{row['tenant']}'", limit=4)
        found |= {hit["id"] for hit in hits[0]}
    return found
