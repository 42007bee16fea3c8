"""Answers about texts, remembered: the questions of a cache come again and again."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

T = TypeVar("T")
MOST_TEXTS = 2_048
LONGEST_TEXT = 1_000


def remembered(classify: Callable[[str], T]) -> Callable[[str], T]:
    """`classify`, a pure function, with the answers for its latest texts of up to LONGEST_TEXT characters kept."""
    kept = lru_cache(MOST_TEXTS)(classify)

    @wraps(classify)
    def answer(text: str) -> T:
        return kept(text) if len(text) <= LONGEST_TEXT else classify(text)

    return answer
