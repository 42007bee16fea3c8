"""What every exact store does: in memory and on three real servers."""

from __future__ import annotations

import dataclasses

import pytest

from synapse_cache.invalidation.conditions import Conditions, Likeness, ref_of
from synapse_cache.model import Embedding, Place
from tests.contract.cache.conftest import ALIAS, HERE, HOUR, KEY, OTHER_ALIAS

ANYTHING = Conditions()
NASTY = [
    ("a:b", "c", "a", "b:c"),
    ("a", "", "", "a"),
    ("a}b", "c", "a", "b}c"),
    ("{a}", "{b}", "{a}{b}", ""),
    ("a\n", "b", "a", "\nb"),
    ("a\0", "b", "a", "\0b"),
    ("1:a", "b", "1", "a1:b"),
    ("é", "x", "e\u0301", "x"),
    ("ß", "x", "ss", "x"),
    ("x" * 10_000, "y", "x" * 9_999, "xy"),
    ("*", "default", "acme", "default"),
]


async def test_nothing_is_found_in_an_empty_store(store):
    entry, epoch = await store.get(HERE, KEY)
    assert entry is None
    assert epoch > 0


async def test_what_was_put_is_found_whole(store, entry_at):
    entry = await entry_at(answer=bytes(range(256)) * 300, prompt="día\n\0", tags=("x", "ü"))
    await store.put(entry)
    assert await store.get(HERE, KEY) == (entry, entry.epoch)
    assert await store.find("acme", entry.id) == entry


async def test_the_epoch_stays_the_same_until_a_flush(store):
    assert len({(await store.get(HERE, key))[1] for key in (KEY, ALIAS, KEY)}) == 1


async def test_the_epoch_in_the_place_does_not_matter_while_the_store_knows_its_own(store, entry_at):
    entry = await entry_at()
    await store.put(entry)
    assert (await store.get(dataclasses.replace(HERE, epoch=7), KEY))[0] == entry


async def test_an_epoch_that_the_caller_knew_is_taken_up_by_a_store_that_lost_it(store):
    lost = dataclasses.replace(HERE, namespace="lost", epoch=1_795_000_000_000_000)
    assert await store.get(lost, KEY) == (None, lost.epoch)
    assert (await store.get(dataclasses.replace(lost, epoch=0), KEY))[1] == lost.epoch
    assert await store.flush(lost.tenant, lost.namespace) > lost.epoch


async def test_a_put_replaces_what_was_there(store, entry_at):
    await store.put(await entry_at(id="first"))
    second = await entry_at(id="second", answer=b"other")
    await store.put(second)
    assert (await store.get(HERE, KEY))[0] == second


async def test_an_alias_leads_to_the_entry(store, entry_at):
    entry = await entry_at()
    await store.put(entry, alias_keys=[ALIAS, OTHER_ALIAS, KEY])
    for key in (KEY, ALIAS, OTHER_ALIAS):
        assert (await store.get(HERE, key))[0] == entry


async def test_expiry_hides_an_entry_and_its_aliases_at_once(store, entry_at, clock):
    entry = await entry_at()
    await store.put(entry, alias_keys=[ALIAS])
    clock.advance(HOUR - 0.001)
    assert (await store.get(HERE, ALIAS))[0] == entry
    clock.advance(0.002)
    for key in (KEY, ALIAS):
        assert (await store.get(HERE, key))[0] is None
    assert await store.find("acme", entry.id) is None


async def test_an_alias_has_the_remaining_life_of_its_entry(store, entry_at, clock):
    entry = await entry_at()
    await store.put(entry)
    clock.advance(HOUR - 10)
    await store.put(entry, alias_keys=[ALIAS])
    clock.advance(11)
    assert (await store.get(HERE, ALIAS))[0] is None


async def test_an_expired_entry_is_not_stored_and_replaces_what_was_there(store, entry_at, clock):
    await store.put(await entry_at(id="first"))
    await store.put(await entry_at(id="second", expires_at=clock() - 1))
    assert (await store.get(HERE, KEY))[0] is None
    assert await store.find("acme", "second") is None


@pytest.mark.parametrize(
    "place", [Place("evil", "default"), Place("acme", "other"), Place("ACME", "default"), Place("", "")]
)
async def test_another_place_never_finds_it(store, entry_at, place):
    entry = await entry_at()
    await store.put(entry, alias_keys=[ALIAS])
    assert (await store.get(place, KEY))[0] is None
    assert (await store.get(place, ALIAS))[0] is None


async def test_another_tenant_never_finds_or_deletes_by_id(store, entry_at):
    entry = await entry_at()
    await store.put(entry)
    assert await store.find("evil", entry.id) is None
    assert await store.delete("evil", entry.id) is None
    assert await store.delete_key(Place("evil", "default"), KEY) is None
    assert (await store.get(HERE, KEY))[0] == entry


@pytest.mark.parametrize(("tenant", "namespace", "other_tenant", "other_namespace"), NASTY)
async def test_names_cannot_be_chosen_to_collide(store, entry_at, tenant, namespace, other_tenant, other_namespace):
    mine, theirs = Place(tenant, namespace), Place(other_tenant, other_namespace)
    entry = await entry_at(mine)
    await store.put(entry)
    before = (await store.get(theirs, KEY))[1]
    await store.flush(other_tenant, other_namespace)
    assert (await store.get(theirs, KEY))[0] is None
    assert (await store.get(theirs, KEY))[1] > before
    assert (await store.get(mine, KEY))[0] == entry
    assert await store.find(other_tenant, entry.id) is None


async def test_a_flush_kills_everything_of_the_namespace_at_once(store, entry_at):
    entry = await entry_at()
    await store.put(entry, alias_keys=[ALIAS])
    epoch = await store.flush("acme", "default")
    assert epoch > entry.epoch
    for key in (KEY, ALIAS):
        assert await store.get(HERE, key) == (None, epoch)
    assert await store.find("acme", entry.id) is None
    assert await store.delete_key(HERE, KEY) is None


async def test_a_flush_leaves_other_namespaces_and_tenants(store, entry_at):
    places = [Place("acme", "other"), Place("other", "default")]
    entries = [await entry_at(place, id=f"id-{place.tenant}") for place in places]
    for entry in entries:
        await store.put(entry)
    await store.flush("acme", "default")
    assert [(await store.get(place, KEY))[0] for place in places] == entries


async def test_what_comes_late_from_before_a_flush_is_dead(store, entry_at):
    late = await entry_at()
    await store.flush("acme", "default")
    await store.put(late)
    assert (await store.get(HERE, KEY))[0] is None


async def test_what_comes_after_a_flush_lives(store, entry_at):
    await store.flush("acme", "default")
    entry = await entry_at()
    await store.put(entry)
    assert (await store.get(HERE, KEY))[0] == entry


async def test_every_flush_begins_a_greater_epoch(store):
    epochs = [await store.flush("acme", "default") for _ in range(20)]
    assert epochs == sorted(set(epochs))


async def test_a_delete_by_id_removes_every_key(store, entry_at):
    entry = await entry_at()
    await store.put(entry, alias_keys=[ALIAS])
    await store.put(entry, alias_keys=[OTHER_ALIAS])
    assert await store.delete("acme", entry.id) == entry
    for key in (KEY, ALIAS, OTHER_ALIAS):
        assert (await store.get(HERE, key))[0] is None
    assert await store.delete("acme", entry.id) is None


@pytest.mark.parametrize("key", [KEY, ALIAS])
async def test_a_delete_by_any_key_removes_every_key(store, entry_at, key):
    entry = await entry_at()
    await store.put(entry, alias_keys=[ALIAS])
    assert await store.delete_key(HERE, key) == entry
    assert [(await store.get(HERE, each))[0] for each in (KEY, ALIAS)] == [None, None]
    assert await store.delete_key(HERE, key) is None


async def test_a_delete_spares_what_replaced_the_entry(store, entry_at):
    old, new = await entry_at(id="old"), await entry_at(id="new")
    await store.put(old, alias_keys=[ALIAS])
    await store.put(new)
    assert await store.delete("acme", "old") == old
    assert (await store.get(HERE, KEY))[0] == new
    assert (await store.get(HERE, ALIAS))[0] is None


async def test_a_late_alias_cannot_revive_a_deleted_entry(store, entry_at):
    entry = await entry_at()
    await store.put(entry)
    await store.delete("acme", entry.id)
    await store.put(entry, alias_keys=[ALIAS])
    assert [(await store.get(HERE, key))[0] for key in (KEY, ALIAS)] == [None, None]
    assert await store.find("acme", entry.id) is None


async def test_an_entry_deleted_before_it_arrived_stays_out(store, entry_at):
    entry = await entry_at()
    assert await store.delete("acme", entry.id) is None
    await store.put(entry)
    assert (await store.get(HERE, KEY))[0] is None


async def test_another_entry_takes_a_deleted_ones_key(store, entry_at):
    old, new = await entry_at(id="old"), await entry_at(id="new")
    await store.put(old)
    await store.delete("acme", "old")
    await store.put(new)
    assert (await store.get(HERE, KEY))[0] == new


async def test_a_delete_of_nothing_finds_nothing(store):
    assert await store.delete("acme", "no-such") is None
    assert await store.delete_key(HERE, "0" * 64) is None


async def test_a_store_that_answers_says_so(store):
    await store.ping()


async def walked(store, conditions=ANYTHING, *, tenant="acme", limit=7):
    """Ids of all that a walk shows."""
    found, after = [], ""
    while True:
        page = await store.select(tenant, conditions, limit=limit, after=after)
        found += [ref.id for ref in page.refs]
        if not page.after:
            return found
        after = page.after


@pytest.fixture
async def filled(store, entry_at, clock):
    """Entries of two namespaces, two models and three tags, and one of another tenant."""
    docs, other = Place("acme", "docs"), Place("globex", "docs")
    entries = [
        await entry_at(id="plain", key="1" * 64),
        await entry_at(id="tagged", key="2" * 64, tags=("x", "y")),
        await entry_at(id="asked", key="3" * 64, model="m2", created_at=clock() - 100),
        await entry_at(docs, id="exact", key="1" * 64, tags=("x",), prompt=None),
        await entry_at(other, id="theirs", key="1" * 64, tags=("x",), model="m2"),
    ]
    for entry in entries:
        await store.put(entry, alias_keys=["f" + entry.key[1:]])
    return entries


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, {"plain", "tagged", "asked", "exact"}),
        ({"tag": "x"}, {"tagged", "exact"}),
        ({"tag": "y"}, {"tagged"}),
        ({"model": "m2"}, {"asked"}),
        ({"namespace": "docs"}, {"exact"}),
        ({"tag": "x", "namespace": "default"}, {"tagged"}),
        ({"key": "1" * 64}, {"plain", "exact"}),
        ({"id": "plain"}, {"plain"}),
        ({"tag": "x", "model": "m2"}, set()),
        ({"tag": "*"}, set()),
    ],
)
async def test_a_walk_shows_what_meets_the_conditions_and_nothing_else(store, filled, wanted, found):
    assert set(await walked(store, Conditions(**wanted))) == found


async def test_a_walk_finds_entries_by_age(store, filled, clock):
    assert set(await walked(store, Conditions(created_before=clock() - 50))) == {"asked"}


async def test_a_walk_for_likeness_shows_what_has_a_prompt(store, filled):
    alike = Likeness("hello", Embedding(vector=None), 0.9)
    assert set(await walked(store, Conditions(likeness=alike))) == {"plain", "tagged", "asked"}


async def test_a_walk_shows_all_that_stays_while_others_go(store, entry_at):
    entries = [await entry_at(id=f"e{i}", key=f"{i:064x}") for i in range(60)]
    for entry in entries:
        await store.put(entry)
    seen, after, going = set(), "", entries[:30]
    while True:
        page = await store.select("acme", Conditions(), limit=5, after=after)
        seen |= {ref.id for ref in page.refs}
        if going:
            await store.remove("acme", [ref_of(going.pop())])
        if not page.after:
            break
        after = page.after
    assert seen >= {entry.id for entry in entries[30:]}


async def test_removed_entries_are_gone_with_every_key(store, filled):
    plain, tagged, *rest = filled
    await store.remove("acme", [ref_of(plain), ref_of(tagged)])
    assert set(await walked(store)) == {"asked", "exact"}
    for entry in (plain, tagged):
        for key in (entry.key, "f" + entry.key[1:]):
            assert (await store.get(HERE, key))[0] is None
    assert (await store.get(Place("globex", "docs"), "1" * 64))[0] == rest[-1]


async def test_a_removal_spares_another_tenants_entry_of_the_same_id(store, filled):
    theirs = filled[-1]
    await store.remove("acme", [ref_of(theirs)])
    assert await store.find("globex", theirs.id) == theirs


async def test_a_removed_entry_cannot_come_back_late(store, filled):
    await store.remove("acme", [ref_of(filled[0])])
    await store.put(filled[0], alias_keys=[ALIAS])
    assert "plain" not in await walked(store)


async def test_removing_nothing_removes_nothing(store, filled):
    await store.remove("acme", [])
    assert len(set(await walked(store))) == 4


async def test_a_flush_of_everything_kills_every_namespace_of_the_tenant_at_once(store, filled):
    epoch = await store.flush("acme", None)
    for place in (HERE, Place("acme", "docs")):
        assert await store.get(place, "1" * 64) == (None, epoch)
        assert await store.delete_key(place, "1" * 64) is None
    assert epoch > max(entry.epoch for entry in filled)
    assert await store.find("acme", "plain") is None
    assert (await store.get(Place("globex", "docs"), "1" * 64))[0] == filled[-1]


async def test_what_comes_after_a_flush_of_everything_lives(store, entry_at):
    await store.flush("acme", None)
    entry = await entry_at()
    await store.put(entry)
    assert (await store.get(HERE, KEY))[0] == entry


async def test_flushes_of_both_kinds_follow_each_other(store):
    epochs = []
    for namespace in ("default", None, "default", "default", None, None, "default"):
        epochs.append(await store.flush("acme", namespace))
        assert (await store.get(HERE, KEY))[1] == epochs[-1]
    assert epochs == sorted(set(epochs))


async def test_an_epoch_never_falls_below_one_that_was_known(store, entry_at):
    await store.put(await entry_at())
    later = (await store.get(HERE, KEY))[1] + 10
    assert await store.get(dataclasses.replace(HERE, epoch=later), KEY) == (None, later)
    assert await store.get(HERE, KEY) == (None, later)
