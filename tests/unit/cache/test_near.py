"""The near cache keeps hot entries for a while, and only while it hears of invalidations."""

from __future__ import annotations

import dataclasses

import pytest

from synapse_cache.invalidation.conditions import Conditions, Likeness
from synapse_cache.model import Embedding, Entry, Place
from synapse_cache.near import NearCache
from tests.support.entries import an_entry

HERE = Place("acme", "default", 1)
ENTRY = an_entry(tags=("x",))
NOW = ENTRY.created_at + 1
KEY = "c" * 64


def near(*entries: Entry, capacity: int = 10) -> NearCache:
    cache = NearCache(capacity=capacity, seconds=5)
    cache.hear(hears=True)
    for entry in entries or (ENTRY,):
        cache.put(Place(entry.tenant, entry.namespace), entry.key, entry, now=NOW)
    return cache


def test_an_entry_is_kept_for_its_time() -> None:
    cache = near()
    assert cache.get(HERE, ENTRY.key, now=NOW + 4.9) is ENTRY
    assert cache.get(HERE, ENTRY.key, now=NOW + 5) is None
    assert len(cache) == 0


def test_an_entry_ends_when_its_life_does() -> None:
    cache = near(an_entry(expires_at=NOW + 2))
    assert cache.get(HERE, ENTRY.key, now=NOW + 2) is None


@pytest.mark.parametrize("place", [Place("globex"), Place("acme", "docs")])
def test_another_place_never_finds_it(place: Place) -> None:
    assert near().get(place, ENTRY.key, now=NOW) is None


def test_the_longest_unused_goes_first() -> None:
    first, second, third = (an_entry(id=name, key=name * 64) for name in "123")
    cache = near(first, second, capacity=2)
    assert cache.get(HERE, first.key, now=NOW) is first
    cache.put(HERE, third.key, third, now=NOW)
    assert [cache.get(HERE, one.key, now=NOW) for one in (first, second, third)] == [first, None, third]


def test_nothing_is_kept_while_invalidations_are_not_heard() -> None:
    cache = near()
    cache.hear(hears=False)
    assert cache.get(HERE, ENTRY.key, now=NOW) is None
    cache.put(HERE, ENTRY.key, ENTRY, now=NOW)
    assert len(cache) == 0


def test_a_cache_of_no_capacity_and_a_long_answer_keep_nothing() -> None:
    assert len(near(capacity=0)) == 0
    assert len(near(an_entry(answer=b"x" * 100_000))) == 0


@pytest.mark.parametrize(
    "wanted",
    [
        Conditions(),
        Conditions(namespace="default"),
        Conditions(tag="x"),
        Conditions(id="entry-1"),
        Conditions(key=ENTRY.key),
        Conditions(likeness=Likeness("anything", Embedding(vector=None), 0.9)),  # type: ignore[arg-type]
    ],
)
def test_an_invalidation_drops_what_it_concerns(wanted: Conditions) -> None:
    others = (an_entry(id="o1", tenant="globex"), an_entry(id="o2", namespace="docs", tags=(), key="d" * 64))
    cache = near(ENTRY, *others)
    cache.drop("acme", wanted)
    assert cache.get(HERE, ENTRY.key, now=NOW) is None
    assert cache.get(Place("globex"), ENTRY.key, now=NOW) is others[0]


def test_an_alias_goes_with_its_entry_and_by_its_own_key() -> None:
    for wanted in (Conditions(id=ENTRY.id), Conditions(key=KEY)):
        cache = near()
        cache.put(HERE, KEY, ENTRY, now=NOW)
        cache.drop("acme", wanted)
        assert cache.get(HERE, KEY, now=NOW) is None


def test_what_does_not_meet_the_conditions_stays() -> None:
    cache = near()
    for wanted in (Conditions(tag="y"), Conditions(namespace="docs"), Conditions(tag="x", model="other")):
        cache.drop("acme", wanted)
    assert cache.get(dataclasses.replace(HERE), ENTRY.key, now=NOW) is ENTRY
