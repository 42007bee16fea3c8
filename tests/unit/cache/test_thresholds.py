"""Levels of thresholds: what holds, what is refused, and what an entry's lifetimes become."""

from __future__ import annotations

from dataclasses import replace

import pytest

from synapse_cache.thresholds.thresholds import NAMES, Level, LevelRefused, Thresholds
from tests.support.entries import an_entry

SETTINGS = Thresholds(0.7, 0.6, 3600, 7200, 0.01)
NAN = float("nan")


def test_a_field_that_is_not_set_follows_the_wider_level() -> None:
    laid = Level(max_error=0.002, shadow=True).over(SETTINGS)
    assert laid == replace(SETTINGS, max_error=0.002, shadow=True)


def test_every_threshold_can_be_set() -> None:
    values = {name: name == "shadow" or 0.5 for name in NAMES}
    laid = Level(**values).over(SETTINGS)
    assert {name: getattr(laid, name) for name in NAMES} == values


def test_a_lower_bar_of_hits_takes_the_bar_of_candidates_along() -> None:
    laid = Level(hit_similarity=0.5).over(SETTINGS)
    assert (laid.hit_similarity, laid.partial_similarity) == (0.5, 0.5)


def test_a_level_that_only_tightens_never_loosens() -> None:
    level = Level(max_error=0.008, only_tightens=True)
    assert level.over(SETTINGS).max_error == 0.008
    assert level.over(replace(SETTINGS, max_error=0.002)).max_error == 0.002


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hit_similarity", -0.1),
        ("hit_similarity", 1.01),
        ("hit_similarity", NAN),
        ("partial_similarity", NAN),
        ("max_error", 1.5),
        ("audit_share", -1e-9),
        ("ttl_seconds", 0),
        ("ttl_seconds", NAN),
        ("ttl_seconds", float("inf")),
        ("semantic_ttl_seconds", -1),
        ("stale_while_revalidate_seconds", -1),
        ("stale_if_error_seconds", 1e300),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(LevelRefused) as refused:
        Level(**{name: value}).check(SETTINGS)
    assert refused.value.field == name


@pytest.mark.parametrize("level", [Level(partial_similarity=0.71), Level(hit_similarity=0.5, partial_similarity=0.6)])
def test_the_bar_of_candidates_may_not_be_above_that_of_hits(level: Level) -> None:
    with pytest.raises(LevelRefused, match="partial_similarity"):
        level.check(SETTINGS)


@pytest.mark.parametrize("thresholds", [Thresholds(hit_similarity=1), Thresholds(max_error=0)])
def test_the_ends_of_the_scales_mean_exact_only(thresholds: Thresholds) -> None:
    assert not thresholds.by_meaning
    assert Thresholds().by_meaning


def test_a_shortened_lifetime_counts_from_when_the_entry_was_made() -> None:
    entry = an_entry(created_at=1000.0, expires_at=4600.0, semantic_expires_at=8200.0)
    shortened = replace(SETTINGS, ttl_seconds=60).bounded(entry)
    assert (shortened.expires_at, shortened.semantic_expires_at) == (1060.0, 8200.0)


def test_a_lengthened_lifetime_leaves_older_entries_as_they_are() -> None:
    entry = an_entry(created_at=1000.0, expires_at=4600.0, semantic_expires_at=8200.0)
    assert replace(SETTINGS, ttl_seconds=9999, semantic_ttl_seconds=9999).bounded(entry) is entry
