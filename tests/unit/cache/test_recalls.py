"""What was invalidated is not served, and what came later is."""

from __future__ import annotations

import numpy as np
import pytest

from synapse_cache.invalidation.conditions import Conditions, Likeness
from synapse_cache.invalidation.recalls import Recalls
from synapse_cache.model import Embedding
from tests.support.entries import an_entry

NOW = 1_795_000_100.0
OLD = an_entry(created_at=NOW - 10, tags=("x", "y"))
NEW = an_entry(created_at=NOW + 10, tags=("x", "y"), id="entry-2")


def embedding(*values: float, space: str = "one") -> Embedding:
    return Embedding(np.array(values, np.float32), space)


def recalled(**wanted: object) -> Recalls:
    recalls = Recalls()
    recalls.add("acme", Conditions(**wanted).until(NOW))  # type: ignore[arg-type]
    return recalls


@pytest.mark.parametrize(
    "wanted",
    [
        {"tag": "x"},
        {"tag": "y"},
        {"model": "some/model"},
        {"key": "a" * 64},
        {"namespace": "default", "tag": "y"},
        {"created_before": NOW - 5},
        {"tag": "x", "model": "some/model", "key": "a" * 64, "id": "entry-1"},
    ],
)
def test_what_meets_the_conditions_is_covered_until_then(wanted: dict[str, object]) -> None:
    recalls = recalled(**wanted)
    assert recalls.cover(OLD)
    assert not recalls.cover(NEW)


@pytest.mark.parametrize(
    "wanted",
    [{"tag": "z"}, {"tag": "x", "model": "m"}, {"namespace": "docs", "tag": "x"}, {"created_before": NOW - 20}],
)
def test_what_misses_one_condition_is_not(wanted: dict[str, object]) -> None:
    assert not recalled(**wanted).cover(OLD)


def test_an_id_is_covered_whatever_the_clocks_say() -> None:
    assert recalled(id="entry-2").cover(NEW)


def test_another_tenant_is_not_concerned() -> None:
    recalls = Recalls()
    recalls.add("globex", Conditions(tag="x").until(NOW))
    assert not recalls.cover(OLD)


def test_likeness_is_seen_where_the_vector_is_known() -> None:
    recalls = recalled(likeness=Likeness("hello", embedding(1, 0), 0.9))
    assert recalls.cover(OLD, embedding(1, 0))
    assert not recalls.cover(OLD, embedding(0, 1))
    assert not recalls.cover(OLD)


def test_a_vector_that_cannot_be_compared_counts_as_alike() -> None:
    assert recalled(likeness=Likeness("hello", embedding(1, 0), 0.9)).cover(OLD, embedding(0, 1, space="two"))


def test_texts_that_differ_are_remembered_apart() -> None:
    recalls = recalled(likeness=Likeness("hello", embedding(1, 0), 0.9))
    recalls.add("acme", Conditions(likeness=Likeness("bye", embedding(0, 1), 0.9)).until(NOW))
    assert recalls.cover(OLD, embedding(1, 0))
    assert recalls.cover(OLD, embedding(0, 1))


def test_the_same_again_counts_from_the_later_time_and_once() -> None:
    recalls = recalled(tag="x")
    recalls.add("acme", Conditions(tag="x").until(NOW + 20))
    recalls.add("acme", Conditions(tag="x").until(NOW - 50))
    assert recalls.cover(NEW)
    assert len(recalls) == 1


def test_the_oldest_are_forgotten_beyond_the_bound() -> None:
    recalls = Recalls(most=2)
    for tag in ("x", "b", "c"):
        recalls.add("acme", Conditions(tag=tag).until(NOW))
    assert len(recalls) == 2
    assert not recalls.cover(OLD)
