"""Other wordings made out of a text: some that ask the same on the surface, some that one edit makes ask otherwise.

They are made by rule and without chance, of English; of other texts only what holds in every language. They know
nothing of the decision, so that they can show what it makes of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from synapse_cache.decision import analyse

_LONGEST_TEXT = 2_000
_MOST_PER_EDIT = 3


@dataclass(frozen=True, slots=True)
class Wording:
    """A wording; `edit` says how it was made, empty where it was given, `same` whether it asks the same by that."""

    text: str
    edit: str = ""
    same: bool | None = None


def wordings(text: str) -> list[Wording]:
    """Wordings of `text`, each once and none of them `text`; those that ask the same come first."""
    text = text.strip()
    if len(text) > _LONGEST_TEXT:
        return []
    features = analyse(text)
    if features.code:
        rules = _OTHER_ANYWHERE
    else:
        rules = [*_SAME, *_OTHER] if features.english else [*_SAME_ANYWHERE, *_OTHER_ANYWHERE]
    found: dict[str, Wording] = {}
    for edit, same, rule in rules:
        for made in list(rule(text))[:_MOST_PER_EDIT]:
            if made != text and made.strip():
                found.setdefault(made, Wording(made, edit, same))
    return list(found.values())


_Rule = Callable[[str], Iterator[str]]
_END = re.compile(r"[\s.?!]*$")
_WORD = re.compile(r"[^\W\d_]+")
_QUESTION = re.compile(
    r"(?:what|who|where|when|why|how|which|is|are|does|do|did|can|could|should|will)\b", re.IGNORECASE
)
_WHAT_IS = re.compile(
    r"(?P<word>what|who|where)(?P<be>['’]s|\s+is|\s+are|\s+was|\s+were)\s+(?P<rest>[^.?!,;:\n]{2,80})[\s.?!]*",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"\b(?:that|which|who|if|when|because|is|are|was|were|there|it|going|happening|wrong)\b", re.IGNORECASE
)
_HOW_TO = re.compile(r"how\s+(?:do|can|should)\s+(?:i|you|we)\s+(?P<rest>[^.?!;:\n]{3,120})[\s.?!]*", re.IGNORECASE)
_CONTRACTIONS = (
    ("what is", "what's"),
    ("who is", "who's"),
    ("where is", "where's"),
    ("how is", "how's"),
    ("it is", "it's"),
    ("that is", "that's"),
    ("do not", "don't"),
    ("does not", "doesn't"),
    ("did not", "didn't"),
    ("is not", "isn't"),
    ("are not", "aren't"),
    ("cannot", "can't"),
    ("i am", "i'm"),
    ("i would", "i'd"),
)
_NUMBER = re.compile(r"(?<![\w.,:/-])(\d{1,9})(?![\w:/-]|[.,]\d)")
_SERIES = (
    "January February March April May June July August September October November December",
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
)
_NUMBER_WORDS = "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
_QUOTE = re.compile(r"(?<!\w)['\"“‘«`]")
_UNITS = (
    ("kilometers", "miles"),
    ("kilograms", "pounds"),
    ("celsius", "fahrenheit"),
    ("hours", "minutes"),
    ("days", "weeks"),
    ("months", "years"),
    ("dollars", "euros"),
    ("gigabytes", "megabytes"),
    ("percent", "per mille"),
)
_OPPOSITES = (
    ("safe", "unsafe"),
    ("legal", "illegal"),
    ("possible", "impossible"),
    ("healthy", "unhealthy"),
    ("increase", "decrease"),
    ("buy", "sell"),
    ("largest", "smallest"),
    ("highest", "lowest"),
    ("longest", "shortest"),
    ("oldest", "youngest"),
    ("best", "worst"),
    ("most", "least"),
    ("maximum", "minimum"),
    ("before", "after"),
    ("first", "last"),
    ("enable", "disable"),
    ("open", "close"),
    ("start", "stop"),
    ("add", "remove"),
    ("import", "export"),
    ("encrypt", "decrypt"),
    ("with", "without"),
    ("advantages", "disadvantages"),
    ("hot", "cold"),
    ("north", "south"),
    ("east", "west"),
)
_NOT = re.compile(r"\s+(?:not|never)\b|(?<=[a-z])n['’]t\b", re.IGNORECASE)
_AUXILIARY = re.compile(
    r"""(?P<head>
      (?:what|who|where)['’]s
    | (?:(?:what|who|which|where|when|why)\b[^.?!,;\n]*?|how\s+)
      \b(?:is|are|was|were|do|does|did|can|could|should|would|will|must)(?:\s+(?:i|you|we|he|she|it|they))?
    )(?=\s)""",
    re.VERBOSE | re.IGNORECASE,
)
_FROM_TO = re.compile(
    r"\b(?i:from)\s+(?P<one>\w[\w'-]*(?:\s\w[\w'-]*){0,2}?)\s+(?i:to)\s+(?P<other>[A-Z][\w'-]*(?:\s[A-Z][\w'-]*){0,2}"
    r"|\w[\w'-]*)"
)


def _case(text: str) -> Iterator[str]:
    """First letter, all small, all capitals; not where capitals may mean something, as in acronyms and quotations."""
    words = _WORD.findall(text)
    if words and not _QUOTE.search(text) and not any(map(_is_acronym, words)):
        yield text[0].swapcase() + text[1:]
        yield text.lower()
        yield text.upper()


def _punctuation(text: str) -> Iterator[str]:
    bare = _END.sub("", text)
    yield bare
    yield f"{bare}?" if _QUESTION.match(text) else f"{bare}."
    yield f"{bare}??" if _QUESTION.match(text) else f"{bare}!"


def _spaces(text: str) -> Iterator[str]:
    if not _QUOTE.search(text):
        yield text.replace(" ", "  ")


def _politeness(text: str) -> Iterator[str]:
    yield f"Hi! {text}"
    yield f"{text} Thanks!" if text[-1:] in "?.!" else f"{text}, thanks"
    yield f"{_END.sub('', text)}, please{'?' if _QUESTION.match(text) else '.'}"


def _contraction(text: str) -> Iterator[str]:
    for long, short in _CONTRACTIONS:
        yield from _replaced(text, long, short)
        yield from _replaced(text, short, long)
        yield from _replaced(text, short.replace("'", "’"), long)


def _what_is(text: str) -> Iterator[str]:
    """Of "what is X?" a request to tell what X is."""
    found = _WHAT_IS.fullmatch(text)
    if found is None or _CLAUSE.search(found["rest"]):
        return
    be = "is" if found["be"][1:] == "s" else found["be"].strip().lower()
    asked = f"{found['word'].lower()} {found['rest'].strip()} {be}"
    yield f"Tell me {asked}."
    yield f"Can you tell me {asked}?"
    yield f"I would like to know {asked}."


def _how_to(text: str) -> Iterator[str]:
    found = _HOW_TO.fullmatch(text)
    if found is not None:
        yield f"How can I {found['rest'].strip()}?"
        yield f"Can you tell me how to {found['rest'].strip()}?"


def _number(text: str) -> Iterator[str]:
    for found in _NUMBER.finditer(text):
        if not _is_year(found[1]):
            yield _with(text, found.span(1), str(int(found[1]) + 1).zfill(len(found[1])))


def _number_word(text: str) -> Iterator[str]:
    yield from _next_of(text, _NUMBER_WORDS, re.IGNORECASE)


def _year(text: str) -> Iterator[str]:
    for found in _NUMBER.finditer(text):
        if _is_year(found[1]):
            yield _with(text, found.span(1), str(int(found[1]) + 1))


def _date(text: str) -> Iterator[str]:
    for series in _SERIES:
        for made in _next_of(text, series):
            if made[0] == text[0]:  # not "May I ..."
                yield made


def _negation(text: str) -> Iterator[str]:
    """Without the "not" that is there; or, in a question for something, with one."""
    found = _NOT.search(text)
    if found is not None:
        yield _with(text, found.span(), "")
        return
    auxiliary = _AUXILIARY.match(text)
    if auxiliary is not None:
        yield _with(text, (auxiliary.end("head"), auxiliary.end("head")), " not")


def _opposite(text: str) -> Iterator[str]:
    yield from _exchanged(text, _OPPOSITES)


def _unit(text: str) -> Iterator[str]:
    yield from _exchanged(text, _UNITS)


def _swapped(text: str) -> Iterator[str]:
    """Of "from A to B" the way back."""
    for found in _FROM_TO.finditer(text):
        one, other = found["one"], found["other"]
        if one.casefold() != other.casefold():
            yield _with(text, (found.start("one"), found.end("other")), f"{other} to {one}")


def _is_year(digits: str) -> bool:
    return len(digits) == 4 and digits[:2] in {"18", "19", "20"}


def _is_acronym(word: str) -> bool:
    """Whether the capitals of a word are more than its beginning, or it is a letter such as "R"."""
    return word[1:] != word[1:].lower() or (len(word) == 1 and word.isupper() and word != "I")


def _exchanged(text: str, pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """`text` with one word of a pair in place of the other, or both exchanged."""
    for one, other in pairs:
        for found, instead in ((one, other), (other, one)):
            for made in _replaced(text, found, instead):
                both = re.sub(rf"(?<![\w'’-]){instead}(?![\w'’-])", "\0", text, flags=re.IGNORECASE)
                yield made if both == text else next(_replaced(both, found, instead)).replace("\0", found)


def _next_of(text: str, series: str, flags: int = 0) -> Iterator[str]:
    """`text` with each member of a series replaced by the one that follows it."""
    members = series.split()
    for place, word in enumerate(members):
        yield from _replaced(text, word, members[(place + 1) % len(members)], flags)


def _replaced(text: str, old: str, new: str, flags: int = re.IGNORECASE) -> Iterator[str]:
    """`text` with the first `old` as a word of its own replaced, in its case; nothing where it has none."""
    found = re.search(rf"(?<![\w'’-]){re.escape(old)}(?![\w'’-])", text, flags)
    if found is not None:
        yield _with(text, found.span(), new.capitalize() if found[0][0].isupper() and new[0].islower() else new)


def _with(text: str, span: tuple[int, int], new: str) -> str:
    return text[: span[0]] + new + text[span[1] :]


_SAME_ANYWHERE: list[tuple[str, bool, _Rule]] = [("spaces", True, _spaces)]
_OTHER_ANYWHERE: list[tuple[str, bool, _Rule]] = [("number", False, _number), ("date", False, _year)]
_SAME: list[tuple[str, bool, _Rule]] = [
    ("case", True, _case),
    ("punctuation", True, _punctuation),
    *_SAME_ANYWHERE,
    ("politeness", True, _politeness),
    ("contraction", True, _contraction),
    ("what_is", True, _what_is),
    ("how_to", True, _how_to),
]
_OTHER: list[tuple[str, bool, _Rule]] = [
    *_OTHER_ANYWHERE,
    ("number", False, _number_word),
    ("date", False, _date),
    ("negation", False, _negation),
    ("opposite", False, _opposite),
    ("unit", False, _unit),
    ("swapped", False, _swapped),
]
