"""What every vector store gives to whoever carries its entries elsewhere, and how it goes for good."""

from __future__ import annotations

import os
import secrets
import time

import numpy as np
import pytest

from synapse_cache.adapters.vectors_embedded import EmbeddedVectorStore
from synapse_cache.adapters.vectors_memory import MemoryVectorStore
from synapse_cache.adapters.vectors_milvus import MilvusVectorStore
from synapse_cache.invalidation.conditions import Conditions
from tests.contract.cache.vectors_world import (
    DIMENSION,
    EAST,
    MILVUS_SHOWS_SECONDS,
    NORTH,
    NORTH_EAST,
    World,
    opened,
    unit,
)

KINDS = ["memory", "embedded", pytest.param("milvus", marks=pytest.mark.milvus)]


@pytest.fixture(params=KINDS)
async def world(request, tmp_path):
    def endpoint():
        return request.getfixturevalue("milvus_endpoint")

    if request.param == "milvus":
        endpoint()
    async with opened(request.param, folder=tmp_path, milvus_endpoint=endpoint) as store:
        patience = MILVUS_SHOWS_SECONDS if request.param == "milvus" else 0.0
        yield World(store, f"tenant-{secrets.token_hex(6)}", patience)


async def walked(world, tenant, *, limit=3, **wanted):
    """Every item that a walk gives, in its order."""
    items, after = [], ""
    while True:
        leg = await world.store.walk(tenant, Conditions(**wanted), now=time.time(), limit=limit, after=after)
        items += leg.items
        if not leg.after:
            return items
        after = leg.after


async def test_a_walk_gives_each_entry_once_with_its_vector(world):
    kept = {f"e{i}": (world.entry(f"e{i}", answer=b"a%d" % i), unit(1, i)) for i in range(20)}
    await world.insert(*kept.values())
    items = await walked(world, world.tenant)
    assert sorted(entry.id for entry, _ in items) == sorted(kept)
    for entry, vector in items:
        assert entry == kept[entry.id][0]
        assert np.allclose(vector, kept[entry.id][1], atol=1e-6)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, {"plain", "docs"}),
        ({"namespace": "docs"}, {"docs"}),
        ({"tag": "x"}, {"docs"}),
        ({"model": "m2"}, {"plain"}),
        ({"tag": "x", "model": "m2"}, set()),
    ],
)
async def test_a_walk_gives_what_is_live_and_meets_the_conditions(world, wanted, found):
    await world.insert(
        (world.entry("plain", model="m2"), EAST),
        (world.entry("docs", namespace="docs", tags=("x",)), NORTH),
        (world.entry("expired", model="m2", tags=("x",), semantic_expires_at=1.0), NORTH_EAST),
        (world.entry("theirs", model="m2", tags=("x",), tenant=world.tenant + "x"), NORTH),
    )
    assert {entry.id for entry, _ in await walked(world, world.tenant, **wanted)} == found


async def test_a_walk_without_a_tenant_gives_the_entries_of_all(world):
    tenants = {world.tenant, world.tenant + "x"}
    await world.insert(*((world.entry("e", tenant=tenant), EAST) for tenant in tenants))
    everyones = await walked(world, None, limit=50)
    assert {entry.tenant for entry, _ in everyones} >= tenants


async def test_large_entries_come_a_few_at_a_time(world):
    large = {f"e{i}": os.urandom(3_000_000) for i in range(6)}
    await world.insert(*((world.entry(name, answer=answer), EAST) for name, answer in large.items()))
    first = await world.store.walk(world.tenant, Conditions(), now=time.time(), limit=100)
    items = await walked(world, world.tenant, limit=100)
    assert {entry.id: entry.answer for entry, _ in items} == large
    if not isinstance(world.store, MemoryVectorStore):
        assert len(first.items) < len(large)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_store_that_was_dropped_begins_anew(kind, tmp_path, request):
    space = {"fingerprint": f"contract/drop:{secrets.token_hex(4)}", "dimension": DIMENSION}

    async def begun():
        if kind == "milvus":
            return await MilvusVectorStore.open(request.getfixturevalue("milvus_endpoint"), **space)
        if kind == "embedded":
            return await EmbeddedVectorStore.open(tmp_path, **space)
        return MemoryVectorStore()

    store = await begun()
    world = World(store, "acme", MILVUS_SHOWS_SECONDS if kind == "milvus" else 0.0)
    await world.insert((world.entry("e"), EAST))
    await store.drop()
    again = await begun()
    try:
        assert await again.count() == 0
    finally:
        await again.close()
