"""What every exact store does with answers that are kept past their end."""

from __future__ import annotations

import pytest

from tests.contract.cache.conftest import ALIAS, HERE, HOUR, KEY, OTHER_ALIAS


@pytest.fixture
async def kept(store, entry_at, clock):
    """An entry that ends in an hour and is kept for another one, with an alias."""
    entry = await entry_at(stale_until=clock() + 2 * HOUR)
    await store.put(entry, alias_keys=[ALIAS])
    return entry


async def test_an_entry_that_is_kept_past_its_end_is_found_only_by_who_wants_it_stale(store, kept, clock):
    assert (await store.get(HERE, KEY, stale=True))[0] == kept
    clock.advance(HOUR)
    for key in (KEY, ALIAS):
        assert (await store.get(HERE, key))[0] is None
        assert (await store.get(HERE, key, stale=True))[0] == kept
    assert await store.find("acme", kept.id) == kept


async def test_a_kept_entry_goes_at_the_end_of_its_stale_life(store, kept, clock):
    clock.advance(2 * HOUR)
    for key in (KEY, ALIAS):
        assert (await store.get(HERE, key, stale=True))[0] is None
    assert await store.find("acme", kept.id) is None


async def test_an_entry_past_its_end_that_is_still_of_use_is_stored(store, kept, clock):
    clock.advance(HOUR)
    await store.put(kept, alias_keys=[OTHER_ALIAS])
    assert (await store.get(HERE, OTHER_ALIAS, stale=True))[0] == kept


async def test_a_flush_kills_what_is_kept(store, kept, clock):
    clock.advance(HOUR)
    await store.flush("acme", "default")
    assert (await store.get(HERE, KEY, stale=True))[0] is None


@pytest.mark.parametrize("by_key", [True, False])
async def test_what_is_kept_can_be_deleted(store, kept, clock, by_key):
    clock.advance(HOUR)
    gone = store.delete_key(HERE, KEY) if by_key else store.delete("acme", kept.id)
    assert await gone == kept
    for key in (KEY, ALIAS):
        assert (await store.get(HERE, key, stale=True))[0] is None


async def test_a_fresh_entry_replaces_a_stale_one(store, kept, entry_at, clock):
    clock.advance(HOUR)
    fresh = await entry_at(id="fresh")
    await store.put(fresh)
    assert (await store.get(HERE, KEY, stale=True))[0] == fresh
