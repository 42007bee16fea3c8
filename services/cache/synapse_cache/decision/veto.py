"""The text veto: says why two prompts may not share an answer, or None if nothing speaks against it."""

from __future__ import annotations

from collections import Counter

from synapse_cache.decision.antonyms import ANTONYMS, NEGATIVE_PREFIXES
from synapse_cache.decision.clause import Clause
from synapse_cache.decision.features import TextFeatures
from synapse_cache.decision.questions import Question
from synapse_cache.decision.verdict import VetoReason
from synapse_cache.decision.wrappers import Ask

# Which reason an unmatched word gives, by its category, most telling first.
_BY_CATEGORY: tuple[tuple[str, VetoReason], ...] = (
    ("neg", VetoReason.NEGATION),
    ("id", VetoReason.IDENTIFIER),
    ("ver", VetoReason.VERSION),
    ("num", VetoReason.NUMBER),
    ("ord", VetoReason.NUMBER),
    ("unit", VetoReason.UNIT),
    ("date", VetoReason.DATE),
    ("time", VetoReason.DATE),
    ("past", VetoReason.TENSE),
    ("cmp", VetoReason.COMPARATIVE),
    ("fmt", VetoReason.FORMAT),
    ("prog", VetoReason.PROGRAMMING),
    ("lang", VetoReason.LANGUAGE),
    ("name", VetoReason.ENTITY),
    ("pro", VetoReason.PERSON),
    ("quote", VetoReason.QUOTED),
    ("code", VetoReason.CODE),
    ("sym", VetoReason.SYMBOL),
    ("mod", VetoReason.QUESTION),
    ("conj", VetoReason.WORDS),
)
# Tests in order; the first that objects names the reason.
_CLASHING_FORMS = (frozenset(("ing", "ed")), frozenset(("ing", "past")), frozenset(("s", "past")))


def veto(a: TextFeatures, b: TextFeatures) -> VetoReason | None:
    """Why the answer to one prompt may be wrong for the other; symmetric, None for equal texts."""
    if a.text == b.text:
        return None
    return (
        _opaque(a, b)
        or (None if a.english else _literal(a, b))
        or _content(a, b)
        or _asked(a.question, b.question)
        or _inflected(a.clause, b.clause)
        or _ordered(a.clause, b.clause)
    )


def _opaque(a: TextFeatures, b: TextFeatures) -> VetoReason | None:
    if not (a.comparable and b.comparable):
        return VetoReason.TOO_LONG
    if a.private or b.private:
        return VetoReason.PRIVATE
    if a.code != b.code:
        return VetoReason.CODE
    if sorted(a.quoted) != sorted(b.quoted):
        return VetoReason.QUOTED
    if a.tags != b.tags:
        return VetoReason.IDENTIFIER
    return None if a.english == b.english else VetoReason.OTHER_LANGUAGE


def _literal(a: TextFeatures, b: TextFeatures) -> VetoReason | None:
    """Outside English only case, space and punctuation may differ."""
    return None if a.literal == b.literal and a.quoted == b.quoted else VetoReason.OTHER_LANGUAGE


def _content(a: TextFeatures, b: TextFeatures) -> VetoReason | None:
    if a.clause.words == b.clause.words:
        return None
    left, right = Counter(a.clause.words), Counter(b.clause.words)
    only_left, only_right = left - right, right - left
    categories = {word.partition(":")[0] for word in (*only_left, *only_right) if ":" in word}
    for category, reason in _BY_CATEGORY:
        if category in categories:
            if reason is VetoReason.NUMBER and _versioned(a, b):
                return VetoReason.VERSION
            return reason
    return _opposed(list(only_left), list(only_right)) or VetoReason.WORDS


def _versioned(a: TextFeatures, b: TextFeatures) -> bool:
    """Whether a differing number stands next to the name of a program."""
    for features in (a, b):
        for _, chunk in (("", features.clause.flat[0]), *features.clause.flat[1]):
            if any(word[:4] == "num:" for word in chunk) and any(w[:5] == "prog:" for w in features.clause.words):
                return True
    return False


def _opposed(left: list[str], right: list[str]) -> VetoReason | None:
    for one in left:
        for other in right:
            if any(one == prefix + other or other == prefix + one for prefix in NEGATIVE_PREFIXES):
                return VetoReason.NEGATION
            if {one[-4:], other[-3:]} == {"less", "ful"} or {other[-4:], one[-3:]} == {"less", "ful"}:
                return VetoReason.NEGATION
            if frozenset((one, other)) in ANTONYMS:
                return VetoReason.ANTONYM
    return None


def _asked(a: Question, b: Question) -> VetoReason | None:
    if a.kind != b.kind or {a.ask, b.ask} == {Ask.LIST, Ask.DESCRIBE}:
        return VetoReason.QUESTION
    if a.past != b.past and (a.present or b.present):
        return VetoReason.TENSE
    if a.future != b.future and (a.present or b.present or a.past or b.past):
        return VetoReason.TENSE
    if a.owners and b.owners and a.owners != b.owners:
        return VetoReason.PERSON
    if a.kind != "how" and a.persons != b.persons:
        shorter, longer = sorted((a.persons, b.persons), key=len)
        if longer[: len(shorter)] != shorter:
            return VetoReason.PERSON
    return None


def _inflected(a: Clause, b: Clause) -> VetoReason | None:
    """Inflections that turn the sense: "is eating" and "is eaten", "won" and "wins", "largest city" and "cities"."""
    if a.forms == b.forms:
        return None
    for stem, forms in a.forms.items():
        others = b.forms.get(stem, forms)
        if forms == others:
            continue
        changed = forms ^ others
        if any(clash <= changed for clash in _CLASHING_FORMS):
            return VetoReason.TENSE
        if a.superlative and changed == {"", "s"}:
            return VetoReason.COMPARATIVE
    return None


def _ordered(a: Clause, b: Clause) -> VetoReason | None:
    """Words may move as whole phrases under their prepositions, or between "X of Y" and "Y X"."""
    if a.settings == b.settings and (a.flat == b.flat or a.chunks == b.chunks or a.literal == b.literal):
        return None
    return VetoReason.ORDER if a.roles == b.roles and a.flat[1] == b.flat[1] else VetoReason.ROLE
