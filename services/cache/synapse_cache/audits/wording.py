"""What of an answer's text is mere form: case, punctuation, markdown, articles; and what short texts share."""

from __future__ import annotations

import re
import unicodedata
from typing import TypeAlias

import orjson

Words: TypeAlias = "tuple[str, ...]"
SHORT_WORDS = 3
_SHORT_CHARACTERS = 40
_LISTED = {
    name: words.split()
    for name, words in (
        ("yes", "yes yep yeah true correct right ja sí si oui sim da да はい 是 是的 对"),
        ("no", "no nope false incorrect wrong nein non não nao nie нет いいえ 否 不 不是"),
        ("negation", "not no never without non n't cannot nicht kein pas sans ohne sin nunca не нет без"),
    )
}
_YES = frozenset(_LISTED["yes"])
_NO = frozenset(_LISTED["no"])
_NEGATIONS = frozenset(_LISTED["negation"])
_ARTICLES = frozenset(("a", "an", "the"))
_SPELLED = {"percent": "%", "dollars": "$", "dollar": "$", "usd": "$", "euros": "€", "euro": "€", "degrees": "°"}
_ENDINGS = ("s", "es", "'s")
_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\s]*\)")
_INITIALS = re.compile(r"\b([^\W\d_])\.(?=[^\W\d_]\b)")
_MARKS = re.compile(r"[*`]+|^\s*(?:#{1,6}|>|[-+•])\s+", re.MULTILINE)
_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
# A character of a script without spaces, a word, a number with its sign, or a symbol that means something by itself.
_WORD = re.compile(
    rf"[{_UNSPACED}]|[^\W\d_{_UNSPACED}]+(?:[.'-]?[^\W_{_UNSPACED}]+)*[+#]*"
    r"|(?:(?<![\w)])[-\u2212])?\d+(?:[.,]\d+)*|[%$€£¥°<>=≤≥≠±^~/&|+]"
)
_OPENING = re.compile(r"[\W_]*([^\W\d_]+)\s*(?:[,.;:!\u3002\uff0c\u2013\u2014-]|\n|$)")
_FENCED = re.compile(r"\s*```[\w-]*\n(.*)\n\s*```\s*", re.DOTALL)
_INDENTED = re.compile(r"^(?: {4}|\t)\S", re.MULTILINE)


def words_of(text: str) -> Words:
    """The words of a text in its order, without case, punctuation, markdown and a leading article."""
    plain = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    plain = _MARKS.sub(" ", _LINK.sub(r"\1", plain))
    plain = _INITIALS.sub(r"\1", plain).casefold()
    words = [_SPELLED.get(word, word) for word in _WORD.findall(plain)]
    return tuple(words[1:] if len(words) > 1 and words[0] in _ARTICLES else words)


def is_short(text: str) -> bool:
    """Whether a text is a label or a name rather than a sentence."""
    return len(text) <= _SHORT_CHARACTERS and 0 < len(words_of(text)) <= SHORT_WORDS


def pole_of(text: str) -> str:
    """Whether a text opens with a yes or a no that stands by itself; empty when it does not."""
    opening = _OPENING.match(text)
    word = opening[1].casefold() if opening else ""
    return "yes" if word in _YES else "no" if word in _NO else ""


def may_mean_the_same(first: Words, second: Words) -> bool:
    """Whether short texts of different words can still be one answer: more or less of it, initials, other endings."""
    one, two = set(first), set(second)
    if (one ^ two) & _NEGATIONS:
        return False
    if one <= two or two <= one or _initials(first, second) or _initials(second, first):
        return True
    return len(first) == len(second) and all(map(_alike, first, second))


def data_in(text: str) -> object | None:
    """The object or list that a text is as JSON, in a fence or bare; None when it is none."""
    fenced = _FENCED.fullmatch(text)
    bare = (fenced[1] if fenced else text).strip()
    if not bare.startswith(("{", "[")):
        return None
    try:
        found: object = orjson.loads(bare)
    except orjson.JSONDecodeError:
        return None
    return found


def has_code(text: str) -> bool:
    """Whether white space, case and punctuation may matter in a text."""
    return "```" in text or _INDENTED.search(text) is not None


def without_layout(text: str) -> str:
    """Code without white space at the ends of lines, and without empty lines."""
    lines = (line.rstrip() for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def _initials(short: Words, long: Words) -> bool:
    return len(short) == 1 and len(long) > 1 and short[0] == "".join(word[0] for word in long)


def _alike(first: str, second: str) -> bool:
    one, two = sorted((_bare(first), _bare(second)), key=len)
    return one == two or (two.startswith(one) and two[len(one) :] in _ENDINGS)


def _bare(word: str) -> str:
    """A word without accents."""
    return "".join(mark for mark in unicodedata.normalize("NFKD", word) if not unicodedata.combining(mark))
