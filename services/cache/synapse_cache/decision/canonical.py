"""Spellings and orders that mean the same, brought together before two prompts are aligned."""

from __future__ import annotations

import re
from collections.abc import Sequence

from synapse_cache.decision.names import CATEGORIES
from synapse_cache.decision.numbers import NUMBER_WORDS, SCALES, read, scaled
from synapse_cache.decision.stems import lemma

_WORDS = "|".join(sorted(NUMBER_WORDS, key=len, reverse=True))
_SPELLED = re.compile(
    rf"\b(?:{_WORDS})(?:[- ](?:and )?(?:{_WORDS}|hundred|thousand|million))*\b(?![.,]?\d)", re.IGNORECASE
)
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}\b)")
_SCALED = re.compile(r"\b(\d+(?:\.\d+)?) ?(k|thousand|million|billion)\b", re.IGNORECASE)
_HALF_DAY = re.compile(r"(?<=\d) ?([ap])\.?m\b\.?", re.IGNORECASE)
_PERCENT = re.compile(r" ?(?:%|\bper ?cent\b)", re.IGNORECASE)
_BE = frozenset(("is", "are", "was", "were", "be", "been", "being", "am"))
_JOINING = frozenset(("and", "or", "&"))
_ARTICLES = frozenset(("a", "an", "the"))
_ENDS = frozenset(
    re.findall(r"\S+", "in on at for with before after during if when while from to and or , . ? ! by because since")
)
_PARTICIPLE = re.compile(r".*(?:ed|en|wn|ught|old|ost|ut|ead|aid|ung|one|ade|eft|ent|elt|uilt|ound|eard)$")
_LONGEST_NAME = 3


def tidy(text: str) -> str:
    """The text with its numbers in digits ("1,500", "120k", "twenty-five"), "am", "pm" and "%" in one spelling."""
    text = _GROUPED.sub("", text)
    text = _SPELLED.sub(_in_digits, text)
    text = _SCALED.sub(lambda found: scaled(found[1], SCALES[found[2].lower()]), text)
    return _PERCENT.sub(" %", _HALF_DAY.sub(lambda found: f" {found[1].lower()}m", text))


def _in_digits(found: re.Match[str]) -> str:
    words = [word for word in re.split(r"[- ]", found[0].lower()) if word != "and"]
    if words == ["one"]:
        return found[0]
    said, place = [], 0
    while place < len(words):
        value, place = read(words, place) if words[place] in NUMBER_WORDS else (words[place], place + 1)
        said.append(value)
    return " ".join(said)


def normal(word: str) -> str:
    """The form under which the spellings of one word meet; `word` is in lower case."""
    return CATEGORIES.get(word) or lemma(word)


def order(words: Sequence[str]) -> list[int]:
    """The places of the words in an order of their own: active for passive, "from" before "to", pairs sorted.

    It serves the alignment alone: words that trade roles then show as moved, and those that keep them do not.
    """
    places = list(range(len(words)))
    places = _from_before_to(words, places)
    places = _active(words, places)
    return _sorted_pairs(words, places)


def _active(words: Sequence[str], places: list[int]) -> list[int]:
    """Put "is A seen by B" as "is B seen A by"."""
    said = [words[place] for place in places]
    for by in range(3, len(said) - 1):
        if said[by] != "by" or not _PARTICIPLE.match(said[by - 1]):
            continue
        be = next((place for place in range(by - 2, -1, -1) if said[place] in _BE), None)
        end = _name_end(said, by + 1)
        if be is not None and 0 < by - 2 - be <= _LONGEST_NAME + 1 and end > by + 1:
            patient, agent = places[be + 1 : by - 1], places[by + 1 : end]
            return [*places[: be + 1], *agent, places[by - 1], *patient, places[by], *places[end:]]
    return places


def _from_before_to(words: Sequence[str], places: list[int]) -> list[int]:
    """Put "to A from B" as "from B to A"."""
    for to in range(len(words) - 3):
        if words[to] != "to":
            continue
        start = _name_end(words, to + 1)
        if start < len(words) and words[start] == "from" and start > to + 1:
            end = _name_end(words, start + 1)
            if end > start + 1:
                return [*places[:to], *places[start:end], *places[to:start], *places[end:]]
    return places


def _name_end(words: Sequence[str], start: int) -> int:
    """Where the name that begins at `start` ends."""
    end = start
    while end < len(words) and end - start <= _LONGEST_NAME and words[end] not in _ENDS:
        end += 1
    return end


def _sorted_pairs(words: Sequence[str], places: list[int]) -> list[int]:
    """Put "a nurse and a cook" as "a cook and a nurse"."""
    found = list(places)
    for joint in range(1, len(found) - 1):
        if words[found[joint]] not in _JOINING:
            continue
        right = joint + 2 if words[found[joint + 1]] in _ARTICLES else joint + 1
        if right < len(found) and normal(words[found[right]]) < normal(words[found[joint - 1]]):
            found[joint - 1], found[right] = found[right], found[joint - 1]
    return found
