"""What `synapse reembed` tells people."""

from __future__ import annotations

from typing import Any

import pytest

from synapse_standalone.reembedding import lines_of

FOUND = {"from_model": "mini", "to_model": "bge-m3", "done": "5", "total": "9", "error": "", "removed": False}


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"stage": "STAGE_BUILDING"}, ["building the vectors of bge-m3; mini serves", "5 of 9 entries"]),
        ({"stage": "STAGE_BUILDING", "total": "-1"}, ["building the vectors of bge-m3; mini serves", "5 entries"]),
        (
            {"stage": "STAGE_SWITCHED", "remove_time": "2026-12-01T00:00:00Z"},
            ["bge-m3 serves", "the vectors that do not serve are kept until 2026-12-01T00:00:00Z"],
        ),
        (
            {"stage": "STAGE_SWITCHED", "remove_time": "2026-12-01T00:00:00Z", "removed": True},
            ["bge-m3 serves", "the vectors that do not serve were removed"],
        ),
        ({"stage": "STAGE_FAILED", "error": "it broke"}, ["failed; mini serves", "note: it broke"]),
    ],
)
def test_each_stage_is_told_in_words(changes: dict[str, Any], lines: list[str]) -> None:
    assert lines_of(FOUND | changes) == lines


def test_that_nothing_was_begun_is_told() -> None:
    assert lines_of({}) == ["no re-embedding was ever begun"]
