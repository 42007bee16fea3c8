"""What kind of answer a prompt wants: its question word, tense, persons and modality."""

from __future__ import annotations

from dataclasses import dataclass

from synapse_cache.decision import lexicon as lex
from synapse_cache.decision.reading import Word
from synapse_cache.decision.wordlist import word_set
from synapse_cache.decision.wrappers import Ask

_DETERMINERS = word_set("the a an this that these those my your our all some any")
_PREPOSITIONS = word_set("in on at for to from by with of")
_OPENERS = _DETERMINERS | frozenset(("what", "which"))


@dataclass(frozen=True, slots=True)
class Question:
    """The kind of answer that is wanted.

    `kind`: `what` (also fragments and commands), `yesno`, `statement`, or the question word (`how`, `how many`).
    `past`, `present`, `future`: an auxiliary says so. `persons`: 1 and 2 in order of appearance.
    """

    kind: str
    ask: Ask
    past: bool
    present: bool
    future: bool
    persons: tuple[int, ...]
    owners: frozenset[str]


def read_question(words: list[Word], asked: Ask) -> tuple[Question, list[Word]]:
    """The question, and the words that remain to be compared."""
    kind, used = _kind(words)
    if kind == "what" and asked is Ask.OPEN:
        asked = _asked(words)
    plains = {word.plain for word in words if not word.sense}
    persons: list[int] = []
    for word in words:
        if word.sense:
            continue
        person = 1 if word.plain in lex.FIRST_PERSON else 2 if word.plain in lex.SECOND_PERSON else 0
        if person and (not persons or persons[-1] != person):
            persons.append(person)
    question = Question(
        kind=kind,
        ask=asked if kind == "what" else Ask.OPEN,
        past=not plains.isdisjoint(lex.PAST),
        present=not plains.isdisjoint(lex.PRESENT),
        future=not plains.isdisjoint(lex.FUTURE),
        persons=tuple(persons),
        owners=frozenset(_owner(plain) for plain in plains & lex.POSSESSIVES),
    )
    return question, [word for index, word in enumerate(words) if index not in used]


def _owner(plain: str) -> str:
    return "2" if plain in ("your", "yours") else "1"


def _asked(words: list[Word]) -> Ask:
    """`which ...` lists, `what is photosynthesis` describes, `what is the ...` may do either."""
    plains = [word.plain for word in words[:3] if not word.sense]
    if plains[:1] == ["which"]:
        return Ask.LIST
    if len(words) > 2 and plains[:1] == ["what"] and plains[1:2] and plains[1] in ("is", "are", "was", "were"):
        named = words[2].plain in _DETERMINERS or words[2].possessor or words[2].sense[:4] == "cmp:"
        return Ask.OPEN if named else Ask.DESCRIBE
    return Ask.OPEN


def _kind(words: list[Word]) -> tuple[str, frozenset[int]]:
    """The kind of question, and the indices of the words that told it."""
    first = next((index for index, word in enumerate(words) if word.plain), 0)
    if first >= len(words):
        return "what", frozenset()
    for index in _clause_starts(words, first):
        plain = words[index].plain
        if words[index].sense:
            continue
        if plain == "how":
            return _how(words, index)
        if plain in ("who", "whom", "whose", "when", "where", "why"):
            return ("who" if plain == "whom" else plain), frozenset((index,))
        if plain in ("if", "whether") and index == first:
            return "yesno", frozenset((index,))
    compound = _compound_count(words, first)
    return ("how many", compound) if compound else (_plain_kind(words, first), frozenset())


def _compound_count(words: list[Word], first: int) -> frozenset[int]:
    """Where a heading such as "Saturn number of moons" counts: "how many" right behind bare names."""
    for index in range(first, len(words) - 1):
        word = words[index]
        if word.plain == "how" and not word.sense and words[index + 1].plain == "many":
            return frozenset((index, index + 1))
        if word.sense == "break" or word.plain in lex.DROPPED or word.plain in _PREPOSITIONS:
            break
    return frozenset()


def _plain_kind(words: list[Word], first: int) -> str:
    opener = words[first].plain
    for index in _clause_starts(words, first):
        plain = words[index].plain
        if plain in ("what", "which") and not words[index].sense:
            return "what"
    if not words[first].sense and (opener in lex.AUXILIARIES or opener in ("if", "whether")):
        return "yesno"
    for index in _clause_starts(words, first)[1:]:
        if not words[index].sense and words[index].plain in lex.AUXILIARIES:
            return "yesno"
    subject = not words[first].sense and opener in ("i", "we", "he", "she", "they", "it", "my", "there", "you")
    return "statement" if subject else "what"


def _clause_starts(words: list[Word], first: int) -> list[int]:
    """Indices at which a question word is one: clause beginnings, after a leading preposition, and the very end."""
    starts = [first]
    end = len(words)
    while end and not words[end - 1].plain:
        end -= 1
    if first + 1 < end and words[first].plain in _PREPOSITIONS:
        starts.append(first + 1)
    starts += [index + 1 for index in range(first, end - 1) if not words[index].plain]
    if end - 1 not in starts and end > 0 and words[end - 1].plain in ("how", "what", "who", "when", "where", "why"):
        starts.append(end - 1)
    return starts


def _how(words: list[Word], index: int) -> tuple[str, frozenset[int]]:
    degree = words[index + 1].plain if index + 1 < len(words) else ""
    if degree not in lex.HOW_DEGREES:
        return "how", frozenset((index,))
    if degree == "much" and any(word.plain in ("cost", "costs") for word in words):
        return "what", frozenset((index, index + 1))
    return f"how {degree}", frozenset((index, index + 1))


__all__ = ["Question", "read_question"]
