"""What the texts alone settle: a pair that may never share an answer, one that surely does, or neither.

The veto asks for a match of every word, so what it lets pass is sure. Most of its reasons only doubt; some are final,
because an answer for one text is wrong for the other whatever else they say.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from synapse_cache.decision.features import TextFeatures
from synapse_cache.decision.verdict import VetoReason
from synapse_cache.decision.veto import veto

_AND = re.compile(r"\band\b|&", re.IGNORECASE)
# Final as soon as the veto names them: one of the texts asks for something that the other does not mention.
_FINAL = frozenset((
    VetoReason.PRIVATE, VetoReason.CODE, VetoReason.QUOTED, VetoReason.IDENTIFIER, VetoReason.OTHER_LANGUAGE,
    VetoReason.VERSION, VetoReason.FORMAT, VetoReason.LANGUAGE, VetoReason.PROGRAMMING, VetoReason.SYMBOL,
    VetoReason.TOO_LONG,
))  # fmt: skip
# Final where both texts name one and they differ.
_RIVALS = {
    "num": VetoReason.NUMBER,
    "ord": VetoReason.NUMBER,
    "unit": VetoReason.UNIT,
    "date": VetoReason.DATE,
    "time": VetoReason.DATE,
    "name": VetoReason.ENTITY,
}


@dataclass(frozen=True, slots=True)
class Screened:
    """`final` says why the pair may never share an answer, `doubt` what is left open; neither: they surely do."""

    final: VetoReason | None = None
    doubt: VetoReason | None = None

    @property
    def sure(self) -> bool:
        """Whether every word of both texts has its match."""
        return self.final is None and self.doubt is None


def screen(asked: TextFeatures, stored: TextFeatures) -> Screened:
    """What the two texts settle; symmetric."""
    reason = veto(asked, stored)
    if reason is None:
        return Screened()
    if reason in _FINAL or not _english(asked, stored):  # the verifier knows English only
        return Screened(final=reason)
    rivalry = _rivalry(asked, stored)
    return Screened(final=rivalry) if rivalry else Screened(doubt=reason)


def _english(one: TextFeatures, other: TextFeatures) -> bool:
    """Whether both are clearly English, or one is and the other, a few words, says at least half of them there, too."""
    if one.clear and other.clear:
        return True
    if not (one.clear or other.clear):
        return False
    clear, short = (one, other) if one.clear else (other, one)
    words = set(short.clause.words)
    return bool(words) and 2 * len(words & set(clear.clause.words)) >= len(words)


def _rivalry(asked: TextFeatures, stored: TextFeatures) -> VetoReason | None:
    """The kind of thing of which each text names another one."""
    left, right = Counter(asked.clause.words), Counter(stored.clause.words)
    if _joined_otherwise(asked, left - right, stored) or _joined_otherwise(stored, right - left, asked):
        return VetoReason.WORDS
    only_left, only_right = _kinds(left - right), _kinds(right - left)
    return next((reason for kind, reason in _RIVALS.items() if kind in only_left and kind in only_right), None)


def _joined_otherwise(one: TextFeatures, only_one: Counter[str], other: TextFeatures) -> bool:
    """Whether one says "or" where the other says "and"."""
    return "conj:or" in only_one and len(_AND.findall(other.text)) > len(_AND.findall(one.text))


def _kinds(words: Counter[str]) -> set[str]:
    return {word.partition(":")[0] for word in words if ":" in word}
