"""Reads tokens as words with a canonical sense: contractions, phrases, numbers, units and names resolved."""

from __future__ import annotations

import re
from typing import NamedTuple

from synapse_cache.decision import lexicon as lex
from synapse_cache.decision.names import CATEGORIES
from synapse_cache.decision.numbers import NUMBER_WORDS, ORDINALS, SCALES, is_number, read, scaled
from synapse_cache.decision.phrases import CONTRACTIONS, IS_AFTER, MARKERS, PHRASES
from synapse_cache.decision.wordlist import word_set

_ACRONYM_EXEMPT = word_set("not no and or all any only never must i a do is are the to in of if")
_CURRENCY_SIGNS = frozenset("$€£¥₹")
_TIME = re.compile(r"(\d{1,2})((?::\d{2})*)\s?(?:([ap])\.?m\.?)?", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d\d")
_PROGRAMMING_CASE = {"Go": "prog:golang", "R": "prog:r", "C": "prog:c"}
_DATE_BEFORE = word_set("in of on by since until from next last this")


class Word(NamedTuple):
    """One word of a question.

    `plain` is its lower-case spelling (empty for breaks); `sense` its fixed canonical sense such as `num:5` or
    `name:usa`, empty for ordinary words; `possessor` marks a word with a genitive 's.
    """

    plain: str
    sense: str = ""
    possessor: bool = False


BREAK = Word("", "break")


def read_words(
    found: list[tuple[str, str]], *, slots: tuple[tuple[str, ...], tuple[str, ...]], shouted: bool
) -> list[Word]:
    """The words of a token list; `slots` holds code and quotations, `shouted` says that capitals mean nothing."""
    words: list[Word] = []
    last = len(found) - 1
    for index, (kind, spelling) in enumerate(found):
        if kind == "word":
            _read_word(words, spelling, shouted=shouted, first=not words)
        elif kind == "break":
            following = found[index + 1] if index < last else ("", "")
            sign = spelling in "-–" and following[0] == "number" and index > 0 and found[index - 1][0] != "word"
            words.append(Word(spelling, "sym:-") if sign else BREAK)
        elif kind != "joint":
            _read_other(words, kind, spelling, slots)
    words = _join_phrases(words)
    return _join_numbers(words)


def _read_word(words: list[Word], spelling: str, *, shouted: bool, first: bool) -> None:
    plain = spelling.lower()
    if "'" in plain:
        _read_apostrophe(words, plain)
        return
    if spelling.isupper() and not shouted and len(plain) > 1 and plain not in _ACRONYM_EXEMPT:
        if plain in ("us", "usa"):
            words.append(Word("usa", "name:usa"))
            return
        if plain in lex.DROPPED or plain in lex.ROLE_CONNECTORS or plain in lex.NEUTRAL_CONNECTORS:
            words.append(Word(plain, f"name:{plain}"))
            return
    if spelling in _PROGRAMMING_CASE and not shouted and (not first or plain != "go"):
        words.append(Word(plain, _PROGRAMMING_CASE[spelling]))
    elif plain in CONTRACTIONS:
        words.extend(Word(word) for word in CONTRACTIONS[plain])
    elif plain == "may" and not shouted and _is_month(words, spelling, first=first):
        words.append(Word("may", "date:may"))
    elif not plain.isalpha():
        words.append(Word(plain, f"id:{plain}"))
    else:
        words.append(Word(plain))


def _is_month(words: list[Word], spelling: str, *, first: bool) -> bool:
    return (spelling == "May" and not first) or bool(words and words[-1].plain in _DATE_BEFORE)


def _read_apostrophe(words: list[Word], plain: str) -> None:
    if plain in CONTRACTIONS:
        words.extend(Word(word) for word in CONTRACTIONS[plain])
        return
    stem, _, ending = plain.rpartition("'")
    if ending == "t" and stem.endswith("n"):
        words.extend((Word(stem[:-1]), Word("not")))
    elif ending in ("re", "ve", "ll", "d", "m"):
        verb = {"re": "are", "ve": "have", "ll": "will", "d": "would", "m": "am"}[ending]
        words.extend((Word(stem), Word(verb)))
    elif ending == "s" and stem in IS_AFTER:
        words.extend((Word(stem), Word("is")))
    elif ending in ("s", "") and stem:
        words.append(Word(stem, CATEGORIES.get(stem, ""), possessor=True))
    else:
        words.append(Word(plain.replace("'", "")))


def _read_other(words: list[Word], kind: str, spelling: str, slots: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
    plain = spelling.lower()
    if kind == "slot":
        number = int(spelling.strip("\x00"))
        quoted = number % 2
        words.append(Word("\x00", f"{'quote' if quoted else 'code'}:{slots[quoted][number // 2 - 1]}"))
    elif kind == "number":
        words.append(Word(plain))
    elif kind == "suffix":
        _read_suffix(words, plain)
    elif kind == "time":
        words.append(Word(plain, _time(plain)))
    elif kind == "lang":
        words.append(Word(plain, CATEGORIES.get(plain, f"prog:{plain}")))
    elif kind == "short":
        letters = plain.replace(".", "")
        words.append(Word(letters, CATEGORIES.get(letters, f"name:{'usa' if letters == 'us' else letters}")))
    elif plain in CATEGORIES:
        words.append(Word(plain, CATEGORIES[plain]))
    else:
        words.append(Word(plain, f"{'id' if kind == 'ident' else 'sym'}:{spelling if kind == 'ident' else plain}"))


def _read_suffix(words: list[Word], suffix: str) -> None:
    """What sticks to a number: a scale, an ordinal ending, a unit; anything else makes an identifier."""
    number = words.pop().plain
    if suffix in SCALES:
        words.append(Word(number, f"num:{scaled(number, SCALES[suffix])}"))
    elif suffix in ("st", "nd", "rd", "th"):
        words.append(Word(number, f"ord:{number}"))
    elif CATEGORIES.get(suffix, "").startswith("unit:"):
        words.extend((Word(number), Word(suffix)))
    else:
        words.append(Word(number + suffix, f"id:{number}{suffix}"))


def _time(plain: str) -> str:
    found = _TIME.match(plain)
    if found is None:
        return f"time:{plain}"
    hour, minutes, half = int(found.group(1)), found.group(2), found.group(3)
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return f"time:{hour}{minutes or ':00'}"


def _join_phrases(words: list[Word]) -> list[Word]:
    """Replace known phrases, longest first; a replacement is not searched again."""
    plains = tuple(word.plain for word in words)
    out: list[Word] = []
    index, count = 0, len(words)
    while index < count:
        for phrase, replacement in PHRASES.get(plains[index], ()):
            end = index + len(phrase)
            if plains[index:end] == phrase:
                owner = words[end - 1].possessor
                out.extend(Word(part, MARKERS.get(part, ""), possessor=owner) for part in replacement)
                index = end
                break
        else:
            out.append(words[index])
            index += 1
    return out


def _join_numbers(words: list[Word]) -> list[Word]:
    """Give numbers, ordinals, units and names their senses; a currency sign moves behind its amount."""
    out: list[Word] = []
    plains = [word.plain if not word.sense else "" for word in words]
    index = 0
    while index < len(words):
        word = words[index]
        if word.plain in _CURRENCY_SIGNS and index + 1 < len(words):
            sense = CATEGORIES.get(word.plain, word.sense)
            if is_number(plains[index + 1]):
                value, index = read(plains, index + 1)
                out.extend((Word(value, f"num:{value}"), Word(word.plain, sense)))
                continue
            if words[index + 1].sense.startswith("num:"):
                out.extend((words[index + 1], Word(word.plain, sense)))
                index += 2
                continue
        if word.sense or not word.plain:
            out.append(word)
            index += 1
        elif is_number(word.plain):
            year = _YEAR.fullmatch(word.plain) is not None
            value, index = read(plains, index)
            counted = index < len(plains) and CATEGORIES.get(plains[index], "")[:5] == "unit:"
            out.append(Word(value, f"{'date' if year and not counted else 'num'}:{value}"))
        else:
            out.append(_sensed(word))
            index += 1
    return out


def _sensed(word: Word) -> Word:
    plain = word.plain
    if plain in lex.DROPPED:
        return word
    sense = ORDINALS.get(plain) or CATEGORIES.get(plain) or lex.PRONOUNS.get(plain) or lex.NEGATIONS.get(plain)
    if sense is None and plain in SCALES:
        sense = f"num:{SCALES[plain]}"
    return Word(plain, sense, possessor=word.possessor) if sense else word


__all__ = ["BREAK", "NUMBER_WORDS", "Word", "read_words"]
