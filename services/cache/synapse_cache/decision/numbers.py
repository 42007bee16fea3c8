"""Numbers as people write them ("120k", "2,500", "twenty-five", "1.5 million") to one exact form."""

from __future__ import annotations

import re
from decimal import Decimal

from synapse_cache.decision.wordlist import word_list

_SMALL = word_list(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TENS = word_list("twenty thirty forty fifty sixty seventy eighty ninety")
NUMBER_WORDS: dict[str, int] = {word: value for value, word in enumerate(_SMALL)} | {
    word: 10 * (value + 2) for value, word in enumerate(_TENS)
}
SCALES: dict[str, int] = {
    "hundred": 100,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "dozen": 12,
    "lakh": 10**5,
    "crore": 10**7,
    "k": 10**3,
    "bn": 10**9,
    "mn": 10**6,
}
ORDINALS: dict[str, str] = {
    word: f"ord:{value}"
    for value, word in enumerate(
        word_list("second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth"), 2
    )
} | {"once": "num:x1", "twice": "num:x2", "thrice": "num:x3", "half": "num:1/2", "quarter": "num:1/4"}
_DIGITS = re.compile(r"\d")
_GROUPED = re.compile(r"-?\d+(?:,\d{3})+(?:\.\d+)?")


def is_number(word: str) -> bool:
    """Whether a token is written as digits or is a number word that can start a number."""
    return word in NUMBER_WORDS or bool(_DIGITS.match(word.lstrip("-")))


def exact(digits: str) -> str:
    """A number written in digits without its thousands separators; versions and decimals keep their spelling."""
    return digits.replace(",", "") if _GROUPED.fullmatch(digits) else digits


def scaled(digits: str, scale: int) -> str:
    """`digits` times `scale`, in plain digits."""
    try:
        value = Decimal(exact(digits)) * scale
    except ArithmeticError:
        return f"{digits}x{scale}"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def read(words: list[str], start: int) -> tuple[str, int]:
    """The number that begins at `start` and the index behind it ("two", "hundred", "five" -> "205")."""
    first = words[start]
    if first not in NUMBER_WORDS:
        end = start + 1
        value = exact(first)
        while end < len(words) and words[end] in SCALES:
            value, end = scaled(value, SCALES[words[end]]), end + 1
        return value, end
    total, current, end = 0, NUMBER_WORDS[first], start + 1
    previous = current
    while end < len(words):
        word = words[end]
        if word in SCALES:
            current *= SCALES[word]
            if SCALES[word] >= 1000:
                total, current = total + current, 0
            previous = 100
        elif word in NUMBER_WORDS and _may_follow(previous, NUMBER_WORDS[word]):
            current, previous = current + NUMBER_WORDS[word], NUMBER_WORDS[word]
        else:
            break
        end += 1
    return str(total + current), end


def _may_follow(previous: int, value: int) -> bool:
    """Whether number words add up: "twenty five", "hundred five"; never "five six"."""
    return previous >= 100 or (20 <= previous < 100 and previous % 10 == 0 and 0 < value < 10)
