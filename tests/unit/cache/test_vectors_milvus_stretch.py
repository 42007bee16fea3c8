"""Stretches of primary keys cover all of them, each once."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from synapse_cache.adapters.vectors_milvus_stretch import Stretch


def ends(clause: str) -> tuple[str, str]:
    """The first primary key of a clause, and the first one after it; g lies after every hash."""
    start = re.search(r"pk >= '(\w{32})'", clause)
    end = re.search(r"pk < '(\w{32})'", clause)
    assert start is not None
    return start[1], end[1] if end else "g"


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=30))
def test_a_walk_leaves_nothing_out_and_shows_nothing_twice(steps: list[tuple[int, bool]]) -> None:
    stretch, reached = Stretch(), "0" * 32
    for narrowings, wider in steps:
        for _ in range(narrowings):
            stretch = stretch.narrower()
        start, end = ends(stretch.clause)
        assert start == reached
        assert end > start
        after = stretch.next(wider=wider)
        reached = end
        if not after:
            assert end == "g"
            return
        stretch = Stretch.read(after)


def test_a_walk_ends() -> None:
    stretch, pages = Stretch().narrower().narrower(), 1
    while after := stretch.next(wider=False):
        stretch, pages = Stretch.read(after), pages + 1
    assert pages == 64


def test_a_walk_past_a_crowd_gets_faster_again() -> None:
    stretch, pages = Stretch().narrower().narrower(), 1
    while after := stretch.next(wider=True):
        stretch, pages = Stretch.read(after), pages + 1
    assert pages == 7
