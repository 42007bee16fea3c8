"""Values that slots may take: vocabulary, numbers, dates; each with the spellings that mean the same."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DATA = Path(__file__).parent / "data"
_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_UNITS = (("minute", 60), ("hour", 24), ("day", 7), ("week", 4), ("month", 12), ("year", 10))


@dataclass(frozen=True, slots=True)
class Value:
    """One meaning and its spellings, never empty."""

    key: str
    spellings: tuple[str, ...]

    def say(self, rng: random.Random, plain: float = 0.6) -> str:
        """One spelling; the first, with probability `plain` at least."""
        return self.spellings[0] if rng.random() < plain else rng.choice(self.spellings)


def _value(*spellings: str) -> Value:
    return Value(spellings[0], spellings)


@cache
def vocabulary() -> dict[str, tuple[Value, ...]]:
    """The word lists of slots.txt, phrases.txt and places.txt by type."""
    found: dict[str, tuple[Value, ...]] = {}
    for name in ("slots.txt", "phrases.txt", "places.txt"):
        for line in (DATA / name).read_text().splitlines():
            if line and not line.startswith("#"):
                kind, _, rest = line.partition(": ")
                found[kind] = tuple(_value(*(word.strip().split("="))) for word in rest.split(","))
    return found


def in_words(number: int) -> str:
    """A number below a million in English words."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else "")
    if number < 1000:
        hundreds, rest = divmod(number, 100)
        return f"{_ONES[hundreds]} hundred" + (f" {in_words(rest)}" if rest else "")
    thousands, rest = divmod(number, 1000)
    return f"{in_words(thousands)} thousand" + (f" {in_words(rest)}" if rest else "")


def _ordinal(number: int) -> str:
    suffix = "th" if 10 <= number % 100 <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def _number(rng: random.Random, number: int = 0) -> Value:
    """A number, drawn unless it is given."""
    number = number or rng.choice(
        (rng.randint(20, 999), rng.randint(1, 99) * 100, rng.randint(1, 200) * 1000, rng.randint(2, 99))
    )
    spellings = [str(number)]
    if number >= 1000:
        spellings += [f"{number:,}", f"{number:,}"]
    if number % 1000 == 0:
        spellings += [f"{number // 1000}k", f"{number // 1000} thousand"]
    if number < 100 or number % 100 == 0:
        spellings.append(in_words(number))
    return Value(str(number), tuple(spellings))


def _small(rng: random.Random) -> Value:
    number = rng.choice((rng.randint(2, 12), rng.randint(2, 40)))
    return _value(str(number), in_words(number))


def _year(rng: random.Random) -> Value:
    return _value(str(rng.choice((rng.randint(1990, 2026), rng.randint(2010, 2026), rng.randint(1800, 2030)))))


def _percent(rng: random.Random) -> Value:
    number = rng.choice((5, 10, 15, 20, 25, 30, 40, 50, 60, 75, rng.randint(1, 99)))
    return _value(f"{number}%", f"{number} percent", f"{number} per cent", f"{in_words(number)} percent", f"{number} %")


def _money(rng: random.Random) -> Value:
    number = rng.choice((rng.randint(2, 99), rng.randint(1, 40) * 50, rng.randint(1, 30) * 1000))
    sign, name = rng.choice((("$", "dollars"), ("€", "euros"), ("£", "pounds")))
    return _value(f"{sign}{number}", f"{number} {name}", f"{sign}{number:,}", f"{in_words(number)} {name}")


def _clock(rng: random.Random) -> Value:
    hour, minute = rng.randint(1, 12), rng.choice((0, 0, 0, 30, 15, 45))
    half = rng.choice(("am", "pm"))
    day = hour % 12 + (12 if half == "pm" else 0)
    dotted = "a.m." if half == "am" else "p.m."
    if minute:
        spoken = {30: "half past", 15: "quarter past", 45: "quarter to"}[minute]
        named = _ONES[hour if minute != 45 else hour % 12 + 1]
        part = "in the morning" if half == "am" else "in the afternoon" if hour % 12 < 6 else "in the evening"
        return _value(
            f"{hour}:{minute}{half}", f"{hour}:{minute} {half}", f"{day}:{minute}", f"{spoken} {named} {part}"
        )
    return _value(
        f"{hour}{half}",
        f"{hour} {half}",
        f"{hour}:00 {half}",
        f"{hour} {dotted}",
        f"{day}:00",
        f"{hour} {half.upper()}",
    )


def _duration(rng: random.Random) -> Value:
    place = rng.randrange(len(_UNITS))
    unit, many = _UNITS[place]
    number = rng.choice((1, 2, 3, 4, 5, 6, 7, 10, 14, 15, 20, 30, 45, 60, 90))
    end = "" if number == 1 else "s"
    spellings = [f"{number} {unit}{end}", f"{in_words(number)} {unit}{end}"]
    if number % many == 0 and place + 1 < len(_UNITS) and unit != "week":
        bigger = number // many
        spellings.append(f"{bigger} {_UNITS[place + 1][0]}{'s' if bigger > 1 else ''}")
    return Value(f"{number}{unit}", tuple(spellings))


def _date(rng: random.Random) -> Value:
    month, day, year = rng.randrange(12), rng.randint(1, 28), rng.randint(1990, 2027)
    name = _MONTHS[month]
    if rng.random() < 0.5:
        return _value(f"{name} {day}", f"{day} {name}", f"{name} {_ordinal(day)}", f"the {_ordinal(day)} of {name}")
    return _value(
        f"{name} {day}, {year}", f"{day} {name} {year}", f"{year}-{month + 1:02}-{day:02}",
        f"{name[:3]} {day} {year}", f"the {_ordinal(day)} of {name} {year}",
    )  # fmt: skip


def _name(rng: random.Random) -> Value:
    words = vocabulary()
    return _value(f"{rng.choice(words['first']).key} {rng.choice(words['last']).key}")


def _course(rng: random.Random) -> Value:
    subject = rng.choice(
        ("EECS", "MATH", "PHYS", "CHEM", "HIST", "ECON", "BIO", "PSYCH", "STATS", "MUS", "PHIL", "ENGL")
    )
    number = rng.randint(100, 699)
    spellings = (
        f"{subject} {number}",
        f"{subject}{number}",
        f"{subject.lower()} {number}",
        f"{subject.title()} {number}",
    )
    return Value(spellings[0], spellings) if rng.random() < 0.8 else _value(str(number))


def _version(rng: random.Random) -> Value:
    return _value(
        rng.choice(
            (
                f"{rng.randint(2, 21)}",
                f"{rng.randint(1, 9)}.{rng.randint(0, 15)}",
                f"{rng.randint(1, 5)}.{rng.randint(0, 9)}.{rng.randint(0, 9)}",
            )
        )
    )


MADE: dict[str, Callable[[random.Random], Value]] = {
    "num": _number, "small": _small, "year": _year, "pct": _percent, "money": _money, "clock": _clock,
    "dur": _duration, "date": _date, "name": _name, "course": _course, "ver": _version,
}  # fmt: skip


def draw(kind: str, rng: random.Random) -> Value:
    """A value of a type; raises KeyError for a type that is not known."""
    made = MADE.get(kind)
    return made(rng) if made else rng.choice(vocabulary()[kind])


def _near(kind: str, value: Value, rng: random.Random) -> Value | None:
    """A value that is easily taken for this one: ten times as much, one more, a name that begins alike."""
    if rng.random() < 0.5:
        return None
    if kind == "num":
        number = int(value.key)
        return _number(rng, rng.choice((number * 10, number + 1, number + 10, number + 100, number // 10 or 3)))
    like = [one for one in vocabulary().get(kind, ()) if one.key[:1] == value.key[:1] and one.key != value.key]
    return rng.choice(like) if like else None


def other(kind: str, value: Value, rng: random.Random) -> Value:
    """Another value of the type, often a near one (a digit changed, a name that shares a word)."""
    if kind == "name" and rng.random() < 0.6:
        first, _, last = value.key.partition(" ")
        fresh = draw("name", rng).key.split(" ")
        near = f"{first} {fresh[1]}" if rng.random() < 0.5 else f"{fresh[0]} {last}"
        if near != value.key:
            return _value(near)
    while True:
        found = _near(kind, value, rng) or draw(kind, rng)
        if found.key != value.key and not set(found.spellings) & set(value.spellings):
            return found
