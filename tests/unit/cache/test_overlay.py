"""Recent writes: found at once, and left to the stores when those show them."""

from __future__ import annotations

import numpy as np

from synapse_cache.model import Embedding, Entry, Place
from synapse_cache.overlay import RecentWrites
from tests.support.entries import an_entry

HERE = Place("acme", "default", 1)
NOW = 1_795_000_001.0


def unit(*values: float, space: str = "one") -> Embedding:
    vector = np.array(values, dtype=np.float32)
    return Embedding(vector / np.linalg.norm(vector), space)


def found(recent: RecentWrites, vector: Embedding, *, place: Place = HERE, now: float = NOW) -> list[str]:
    scope = an_entry().scope
    return [match.entry_id for match in recent.search(vector, place=place, scope=scope, min_similarity=0.5, now=now)]


def entry(name: str) -> Entry:
    return an_entry(id=name, key=name * 32)


def overlay(*, capacity: int = 10, lag: float = 0.0) -> RecentWrites:
    recent = RecentWrites(capacity=capacity, seconds=60, visible_after_seconds=lag)
    recent.add(entry("aa"), unit(1, 0), now=NOW)
    recent.add(entry("bb"), unit(0, 1), now=NOW)
    return recent


def test_a_write_is_found_by_key_and_by_meaning() -> None:
    recent = overlay()
    assert recent.get(HERE, "aa" * 32, now=NOW) == entry("aa")
    assert found(recent, unit(1, 0.1)) == ["aa"]


def test_another_place_or_epoch_finds_nothing() -> None:
    recent = overlay()
    for place in (Place("globex", "default", 1), Place("acme", "drafts", 1), Place("acme", "default", 2)):
        assert found(recent, unit(1, 0), place=place) == []
        assert recent.get(place, "aa" * 32, now=NOW) is None


def test_what_the_store_shows_is_left_to_it_but_known_by_key() -> None:
    recent = overlay()
    recent.in_store([entry("aa")], now=NOW)
    assert found(recent, unit(1, 0.9)) == ["bb"]
    assert recent.get(HERE, "aa" * 32, now=NOW) is not None


def test_a_store_that_shows_late_is_covered_until_then() -> None:
    recent = overlay(lag=10)
    recent.in_store([entry("aa")], now=NOW)
    assert found(recent, unit(1, 0), now=NOW + 9) == ["aa"]
    assert found(recent, unit(1, 0), now=NOW + 10) == []


def test_a_replaced_write_is_not_found() -> None:
    recent = overlay()
    recent.add(an_entry(id="cc", key="aa" * 32), unit(0, 1), now=NOW)
    assert sorted(found(recent, unit(0, 1))) == ["bb", "cc"]
    assert found(recent, unit(1, 0)) == []


def test_the_oldest_go_beyond_the_capacity() -> None:
    recent = overlay(capacity=1)
    assert len(recent) == 1
    assert found(recent, unit(1, 0)) == []


def test_a_forgotten_write_is_gone() -> None:
    recent = overlay()
    assert recent.forget("acme", "aa")
    assert not recent.forget("globex", "bb")
    assert found(recent, unit(1, 1)) == ["bb"]


def test_vectors_of_another_space_are_never_compared() -> None:
    recent = overlay()
    recent.add(entry("dd"), unit(1, 0, 0, space="longer"), now=NOW)
    recent.add(entry("ee"), unit(1, 0, space="other"), now=NOW)
    assert found(recent, unit(1, 0, 0, space="longer")) == ["dd"]
    assert found(recent, unit(1, 0, space="other")) == ["ee"]
    assert found(recent, unit(1, 0)) == ["aa"]
