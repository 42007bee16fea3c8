"""What a reuse decision is asked, what it answers, and the port that every decision implements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class VetoReason(StrEnum):
    """Why two prompts may not share an answer; the values are stable, they appear in headers and logs."""

    PRIVATE = "private"
    CODE = "code"
    QUOTED = "quoted"
    IDENTIFIER = "identifier"
    OTHER_LANGUAGE = "other_language"
    NUMBER = "number"
    UNIT = "unit"
    DATE = "date"
    VERSION = "version"
    NEGATION = "negation"
    ANTONYM = "antonym"
    COMPARATIVE = "comparative"
    FORMAT = "format"
    LANGUAGE = "language"
    PROGRAMMING = "programming"
    ENTITY = "entity"
    SYMBOL = "symbol"
    WORDS = "words"
    QUESTION = "question"
    TENSE = "tense"
    PERSON = "person"
    ROLE = "role"
    ORDER = "order"
    TOO_LONG = "too_long"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored prompt that the vector search proposed; `similarity` is a cosine."""

    entry_id: str
    text: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """The candidate whose answer may be served (None: a miss), why, and who was vetoed on the way."""

    candidate: Candidate | None
    reason: str
    vetoes: tuple[tuple[str, VetoReason], ...] = ()


class Decision(Protocol):
    """Decides whether a stored answer is right for a new prompt."""

    async def decide(self, text: str, candidates: Sequence[Candidate], *, max_error: float) -> Verdict:
        """Pick the candidate to serve, if any.

        `max_error` is the share of requests, 0 to 1, that may be answered wrongly.
        """
        ...
