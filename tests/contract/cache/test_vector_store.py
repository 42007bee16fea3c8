"""What every vector store does: in memory, embedded, and a real Milvus."""

from __future__ import annotations

import asyncio
import random
import secrets
import time

import numpy as np
import pytest

from synapse_cache.invalidation.conditions import Conditions, Likeness, Page, Ref
from synapse_cache.model import Embedding, Place
from tests.contract.cache.vectors_world import (
    DIMENSION,
    EAST,
    MILVUS_SHOWS_SECONDS,
    NORTH,
    NORTH_EAST,
    SCOPE,
    World,
    opened,
    unit,
)

HOSTILE = [
    "' or tenant != '",
    '" or 1 == 1 or "',
    "x'] or part == 0 or pk in ['",
    "'; DROP TABLE entries; --",
    "back\\slash\\'quote",
    "per%cent_under",
    "nul\0inside",
    "line\nbreak\ttab",
    "Ελληνικά 🎉 e\u0301",
    "",
    "long" * 5000,
]


@pytest.fixture(params=["memory", "embedded", pytest.param("milvus", marks=pytest.mark.milvus)])
async def world(request, tmp_path):
    def endpoint():
        return request.getfixturevalue("milvus_endpoint")

    if request.param == "milvus":
        endpoint()
    async with opened(request.param, folder=tmp_path, milvus_endpoint=endpoint) as store:
        patience = MILVUS_SHOWS_SECONDS if request.param == "milvus" else 0.0
        yield World(store, f"tenant-{secrets.token_hex(6)}", patience)


async def test_the_most_similar_come_first(world):
    await world.insert((world.entry("n"), NORTH), (world.entry("ne"), NORTH_EAST), (world.entry("e"), EAST))
    matches = await world.search(EAST)
    assert [match.entry_id for match in matches] == ["e", "ne", "n"]
    assert [match.similarity for match in matches] == pytest.approx([1.0, 0.7071, 0.0], abs=1e-3)


async def test_no_more_than_the_limit_come_back(world):
    await world.insert(*((world.entry(f"e{i}"), unit(1, i / 10)) for i in range(8)))
    assert await world.ids(EAST, limit=3) == ["e0", "e1", "e2"]


async def test_nothing_below_the_least_similarity_comes_back(world):
    await world.insert((world.entry("ne"), NORTH_EAST), (world.entry("e"), EAST))
    assert await world.ids(EAST, min_similarity=0.9) == ["e"]


async def test_a_match_tells_what_a_decision_needs(world):
    entry = world.entry("e", prompt="Où est « Lyon » ?\n\0", key="k" * 64)
    await world.insert((entry, EAST))
    (match,) = await world.search(EAST)
    assert (match.key, match.prompt) == (entry.key, entry.prompt)
    assert (match.created_at, match.expires_at) == (entry.created_at, entry.semantic_expires_at)


async def test_no_similarity_is_above_one(world):
    generator = np.random.default_rng(7)
    vectors = [unit(*generator.standard_normal(DIMENSION)) for _ in range(40)]
    await world.insert(*((world.entry(f"e{i}"), vector) for i, vector in enumerate(vectors)))
    best = [(await world.search(vector, limit=1))[0].similarity for vector in vectors]
    assert max(best) <= 1.0
    assert min(best) > 0.999


@pytest.mark.parametrize("other", ["tenant", "namespace", "epoch", "scope"])
async def test_another_place_or_scope_never_finds_it(world, other):
    await world.insert((world.entry("e"), EAST))
    place = {
        "tenant": Place(world.tenant + "x", "default", 1),
        "namespace": Place(world.tenant, "defaultx", 1),
        "epoch": Place(world.tenant, "default", 2),
        "scope": world.place,
    }[other]
    assert await world.ids(EAST) == ["e"]
    assert await world.ids(EAST, place=place, scope="c" * 64 if other == "scope" else SCOPE) == []


async def test_an_entry_is_hidden_at_the_moment_it_expires(world):
    end = time.time() + 1000
    await world.insert((world.entry("e", semantic_expires_at=end), EAST))
    assert await world.ids(EAST, now=end - 0.01) == ["e"]
    assert await world.ids(EAST, now=end) == []


async def test_expired_neighbours_do_not_crowd_out_a_live_one(world):
    end = time.time() + 1000
    dying = [(world.entry(f"d{i}", semantic_expires_at=end), unit(1, i / 1000)) for i in range(40)]
    await world.insert(*dying, (world.entry("live", semantic_expires_at=end + 1000), NORTH_EAST))
    assert await world.ids(EAST, now=end + 1) == ["live"]


async def test_an_expired_entry_can_be_fetched_until_it_is_removed(world):
    long_ago = world.entry("old", semantic_expires_at=1000.0)
    await world.insert((long_ago, EAST), (world.entry("young"), EAST))
    assert await world.store.fetch(world.tenant, "old") == long_ago
    assert await world.store.expire(now=1000.0) == 1
    assert await world.store.fetch(world.tenant, "old") is None
    assert await world.store.count(world.tenant) == 1


async def test_an_entry_comes_back_whole(world):
    entry = world.entry("e", prompt="What?", tags=("a", "b c", "ü"), answer=bytes(range(256)), tokens=12)
    await world.insert((entry, EAST))
    assert await world.store.fetch(world.tenant, "e") == entry
    assert await world.store.fetch(world.tenant + "x", "e") is None
    assert await world.store.fetch(world.tenant, "f") is None


@pytest.mark.parametrize("answer", [random.Random(1).randbytes(200_000), "überlang 🎉 ".encode() * 20_000, b""])
async def test_an_answer_of_any_length_is_exact_to_the_byte(world, answer):
    await world.insert((world.entry("e", answer=answer), EAST))
    entry = await world.store.fetch(world.tenant, "e")
    assert entry.answer == answer
    assert await world.ids(EAST) == ["e"]


async def test_an_entry_that_is_there_is_left_as_it_is(world):
    await world.insert((world.entry("e", answer=b"first"), EAST))
    await world.store.insert([(world.entry("e", answer=b"second"), NORTH), (world.entry("f"), NORTH)])
    await world.shows(lambda: world.store.fetch(world.tenant, "f"))
    assert (await world.store.fetch(world.tenant, "e")).answer == b"first"
    assert await world.ids(NORTH, limit=8) == ["f", "e"]
    assert await world.store.count(world.tenant) == 2


async def test_an_entry_twice_in_one_insert_is_one(world):
    await world.insert((world.entry("e", answer=b"first"), EAST), (world.entry("e", answer=b"second"), EAST))
    assert (await world.store.fetch(world.tenant, "e")).answer == b"first"
    assert await world.store.count(world.tenant) == 1


async def test_one_id_in_two_tenants_is_two_entries(world):
    other = world.tenant + "x"
    await world.insert((world.entry("e", answer=b"mine"), EAST), (world.entry("e", tenant=other, answer=b"his"), EAST))
    assert (await world.store.fetch(world.tenant, "e")).answer == b"mine"
    assert await world.store.delete(world.tenant, ["e"]) == 1
    assert (await world.store.fetch(other, "e")).answer == b"his"


async def test_a_deleted_entry_is_gone_at_once(world):
    await world.insert(*((world.entry(name, answer=b"x" * 200_000), EAST) for name in "abc"))
    assert await world.store.delete(world.tenant, ["a", "b", "nobody"]) == 2
    assert await world.ids(EAST) == ["c"]
    assert await world.store.fetch(world.tenant, "a") is None
    assert await world.store.count(world.tenant) == 1


async def test_deleting_nothing_deletes_nothing(world):
    await world.insert((world.entry("e"), EAST))
    assert await world.store.delete(world.tenant, []) == 0
    assert await world.store.delete(world.tenant, ["x"]) == 0
    assert await world.store.count(world.tenant) == 1


async def test_a_deleted_entry_can_be_stored_again(world):
    await world.insert((world.entry("e", answer=b"old"), EAST))
    await world.store.delete(world.tenant, ["e"])
    await world.store.insert([(world.entry("e", answer=b"new"), EAST)])
    entry = await world.shows(lambda: world.store.fetch(world.tenant, "e"))
    assert entry.answer == b"new"
    assert await world.ids(EAST) == ["e"]


async def test_old_epochs_of_a_namespace_are_removed_and_nothing_else(world):
    kept = [world.entry("new", epoch=3), world.entry("elsewhere", namespace="other"), world.entry("e", tenant="t9")]
    old = [world.entry("old1", epoch=1), world.entry("old2", epoch=2, scope="c" * 64)]
    before = await world.store.count()
    await world.insert(*((entry, EAST) for entry in kept + old))
    assert await world.store.delete_namespace(world.tenant, "default", before_epoch=3) == 2
    assert await world.ids(EAST) == []
    for entry in kept:
        assert await world.store.fetch(entry.tenant, entry.id) == entry
    assert await world.store.count() == before + 3
    await world.store.delete("t9", ["e"])


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_hostile_name_is_only_a_name(world, text):
    mine = f"{world.tenant}{text}"
    await world.insert((world.entry("bystander"), EAST))
    entry = world.entry(f"id{text}", tenant=mine, namespace=text, tags=(text,), key=text, model=text, scope=f"s{text}")
    await world.insert((entry, EAST))
    assert await world.ids(EAST, place=Place(mine, text, 1), scope=f"s{text}") == [entry.id]
    assert await world.ids(EAST, place=Place(mine, text, 2), scope=f"s{text}") == []
    assert await world.store.fetch(mine, entry.id) == entry
    assert await world.store.delete(mine, [text, entry.id]) == 1
    assert await world.store.delete_namespace(mine, text, before_epoch=99) == 0
    assert await world.ids(EAST) == ["bystander"]


async def test_entries_are_counted_by_tenant_and_in_all(world):
    before = await world.store.count()
    other = world.tenant + "x"
    await world.insert((world.entry("a"), EAST), (world.entry("b"), EAST), (world.entry("c", tenant=other), EAST))
    assert await world.store.count(world.tenant) == 2
    assert await world.store.count(other) == 1
    assert await world.store.count() == before + 3


async def test_inserts_and_searches_at_the_same_time_do_not_disturb_each_other(world):
    async def write(part):
        for i in range(5):
            await world.store.insert([(world.entry(f"{part}-{i}"), unit(1, part, i))])

    async def read():
        for _ in range(20):
            assert len(set(await world.ids(EAST, limit=8))) <= 8
            await asyncio.sleep(0.01)

    await asyncio.gather(*(write(part) for part in range(6)), *(read() for _ in range(4)))
    await world.shows(lambda: world.store.fetch(world.tenant, "5-4"))
    assert await world.store.count(world.tenant) == 30
    assert len(set(await world.shows(lambda: world.ids(EAST, limit=40)))) == 30


async def test_a_store_that_answers_pings(world):
    assert await world.store.ping() is None


async def walked(world, *, tenant="", limit=3, **wanted):
    """Ids of all that a walk shows."""
    found, after = [], ""
    while True:
        page = await world.store.select(
            tenant or world.tenant, Conditions(**wanted), now=time.time(), limit=limit, after=after
        )
        found += [ref.id for ref in page.refs]
        if not page.after:
            return sorted(found)
        after = page.after


@pytest.fixture
async def filled(world):
    """Entries of two namespaces, two models and three tags, an expired one, and one of another tenant."""
    entries = {
        "plain": world.entry("plain", key="1" * 64),
        "tagged": world.entry("tagged", key="2" * 64, tags=("x", "y")),
        "asked": world.entry("asked", key="3" * 64, model="m2", created_at=1000.0),
        "docs": world.entry("docs", key="1" * 64, namespace="docs", tags=("x",)),
        "expired": world.entry("expired", key="4" * 64, tags=("x",), semantic_expires_at=1001.0),
        "theirs": world.entry("theirs", key="1" * 64, tags=("x",), model="m2", tenant=world.tenant + "x"),
    }
    vectors = {"plain": EAST, "tagged": NORTH_EAST, "docs": NORTH_EAST}
    await world.insert(*((entry, vectors.get(name, NORTH)) for name, entry in entries.items()))
    return entries


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["asked", "docs", "plain", "tagged"]),
        ({"tag": "x"}, ["docs", "tagged"]),
        ({"tag": "y"}, ["tagged"]),
        ({"model": "m2"}, ["asked"]),
        ({"namespace": "docs"}, ["docs"]),
        ({"tag": "x", "namespace": "default"}, ["tagged"]),
        ({"key": "1" * 64}, ["docs", "plain"]),
        ({"key": "1" * 64, "namespace": "default"}, ["plain"]),
        ({"id": "plain"}, ["plain"]),
        ({"id": "plain", "tag": "x"}, []),
        ({"created_before": 1000.0}, ["asked"]),
        ({"created_before": 999.9}, []),
        ({"tag": "' or 1 == 1"}, []),
        ({"likeness": Likeness("", Embedding(EAST), 0.7)}, ["docs", "plain", "tagged"]),
        ({"likeness": Likeness("", Embedding(EAST), 0.72)}, ["plain"]),
        ({"likeness": Likeness("", Embedding(EAST), 0.7), "tag": "x"}, ["docs", "tagged"]),
    ],
)
async def test_a_walk_shows_what_meets_the_conditions_and_nothing_else(world, filled, wanted, found):
    assert await walked(world, **wanted) == found


async def test_a_walk_tells_how_to_find_an_entry_everywhere(world, filled):
    page = await world.store.select(world.tenant, Conditions(id="docs"), now=time.time(), limit=9)
    assert page == Page((Ref("docs", "1" * 64, "docs", 1),))


async def test_a_walk_through_many_misses_none(world):
    names = sorted(f"e{i}" for i in range(50))
    await world.store.insert([(world.entry(name), unit(1, i)) for i, name in enumerate(names)])
    await world.shows(lambda: world.store.fetch(world.tenant, names[-1]))
    assert await walked(world, limit=4) == names
    alike = Likeness("", Embedding(EAST), -1.0)
    assert await walked(world, limit=4, likeness=alike) == names


async def test_a_walk_shows_all_that_stays_while_others_go(world):
    names = [f"e{i}" for i in range(20)]
    await world.store.insert([(world.entry(name), EAST) for name in names])
    seen, after, going = set(), "", names[:4]
    while True:
        page = await world.store.select(world.tenant, Conditions(), now=time.time(), limit=3, after=after)
        seen |= {ref.id for ref in page.refs}
        if going:
            await world.store.delete(world.tenant, [going.pop()])
        if not page.after:
            break
        after = page.after
    assert seen >= set(names[4:])


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_conditions_are_only_names(world, text):
    entry = world.entry("e", namespace=text, tags=(text,), key=text, model=text)
    await world.insert((entry, EAST), (world.entry("bystander"), EAST))
    wanted = {name: text for name in ("tag", "key", "model") if text} | {"namespace": text}
    assert await walked(world, **wanted) == ["e"]


async def test_what_is_there_is_told_from_what_is_not(world, filled):
    asked = ["plain", "expired", "theirs", "nobody"]
    assert await world.store.present(world.tenant, asked) == {"plain", "expired"}
    assert await world.store.present(world.tenant, []) == set()


async def test_old_epochs_of_a_whole_tenant_are_removed_and_nothing_else(world, filled):
    await world.insert((world.entry("new", epoch=2), EAST))
    assert await world.store.delete_namespace(world.tenant, None, before_epoch=2) == 5
    assert await walked(world) == ["new"]
    assert await walked(world, tenant=world.tenant + "x") == ["theirs"]
