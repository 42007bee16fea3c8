"""Frames: meanings with several wordings and slots; they yield same-answer pairs and near misses."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache

from scripts.verifier.pairs import Pair
from scripts.verifier.shells import RIVALS, SHELLS, fill
from scripts.verifier.values import DATA, Value, draw, other

_ALTERNATIVES = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)(?:\.(\d))?(?:#(\d))?\}")
_SHELL = re.compile(r"@(\w+) (.*)")
_ANY = (
    "city",
    "country",
    "animal",
    "food",
    "brand",
    "company",
    "sport",
    "instrument",
    "prog",
    "db",
    "river",
    "subject",
)
_AN = re.compile(r"\b([Aa]) (?=[aeiouAEIOU](?!uro|niv|ni[oq]|s[aeu]|ne\b))")
# Phrases that any question may carry: where, when, for whom, how. Front or back, they mean the same.
ADJUNCTS = (
    "in {country}", "in {city}", "on {weekday}", "on a {weekday}", "in {month}", "in {season}", "for {audience}",
    "for {relation}", "on {os}", "with my {device}", "without a lawyer", "with a lawyer", "on a budget", "at night",
    "during the day", "in the morning", "in the evening", "[after/following] {event}", "[before/prior to] {event}",
    "during {event}", "if I am {adj}", "if I am not {adj}", "as a {profession}", "by phone", "online", "in person",
    "by email", "since {year}", "before {year}", "after {year}", "[until/till] {date}", "from {date} on",
    "with {small} people", "for [free/no money]", "for less than {money}", "for more than {money}", "within {dur}",
    "[more than/over] {dur} ago", "[less than/under] {dur} ago", "at {clock}", "before {clock}", "after {clock}",
    "from home", "[next/the coming] {weekday}", "last {weekday}", "with {relation}", "without {relation}",
    "in the {place}", "outside the {place}", "using {app}", "without {app}", "under {country}'s law", "on {holiday}",
    "[every/each] {dur}", "when it rains", "when it does not rain", "if I live in {state}", "if I have {disease}",
    "while on {drug}", "for [at least/no less than] {dur}", "for [at most/no more than] {dur}", "on my {brand}",
    "{cond}", "{cond}", "{cond}", "{cond}", "{when}", "{when}", "for {audience}",
)  # fmt: skip
# Sentences before the question that its answer hangs on.
PREAMBLES = (
    "I am {adj}.", "I live in {country}.", "I have {disease}.", "I am a {profession}.", "I am {small} years old.",
    "I hurt my {bodypart} when I played {sport}.", "My {product} is broken.", "I use {os}.", "I earn {money} a month.",
    "I am allergic to {food}.", "I am travelling to {city} in {month}.", "I already tried {app}.", "I rent a house.",
    "I own a house.", "I am learning {language}.", "{relation} is a {profession}.", "I take {drug} every day.",
    "I bought it {dur} ago.", "I only have {dur}.",
    "My budget is {money}.", "I was born in {year}.", "I work in {dept}.", "I have a {animal}.", "I am not {adj}.",
)  # fmt: skip
# How often the least like of three wordings is taken for a repeat, and the most like of six for a near miss.
FARTHEST = 0.5
Values = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Form:
    """One wording: its text, the shell it goes into (or none), whether two slots of one type may trade places."""

    text: str
    shell: str
    symmetric: bool


@dataclass(frozen=True, slots=True)
class Family:
    """Meanings that are near misses of each other; every meaning is a tuple of wordings."""

    name: str
    meanings: tuple[tuple[Form, ...], ...]


def _forms(line: str) -> tuple[Form, ...]:
    forms = []
    everywhere = line.startswith("& ") and "| &" not in line
    for part in line.split(" | "):
        text = part.strip()
        symmetric = everywhere or text.startswith("& ")
        text = text.removeprefix("& ")
        shell, text = (match[1], match[2]) if (match := _SHELL.match(text)) else ("", text)
        forms.append(Form(text, shell, symmetric))
    return tuple(forms)


@cache
def families(file: str = "frames.txt") -> tuple[Family, ...]:
    """All families of a file; the first words of a family name it."""
    found = []
    for block in (DATA / file).read_text().split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        if lines:
            found.append(Family(f"frame:{lines[0][:40]}", tuple(_forms(line) for line in lines)))
    return tuple(found)


def slots(*forms: Form) -> set[tuple[str, str]]:
    """The slots of some wordings as (type, number)."""
    return {(kind, number or "") for form in forms for kind, number, _ in _SLOT.findall(form.text)}


def _shared(one: Form, two: Form) -> float:
    """How many words two wordings share, as a part of all."""
    first, second = set(one.text.lower().split()), set(two.text.lower().split())
    return len(first & second) / len(first | second)


def _key(kind: str, number: str) -> str:
    return f"{kind}.{number}" if number else kind


class Sampler:
    """Draws pairs; `rng` decides everything."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def values(self, wanted: set[tuple[str, str]], any_kind: str) -> Values:
        """A value for each slot; two slots of one type differ."""
        drawn: Values = {}
        for kind, number in sorted(wanted):
            real = any_kind if kind == "any" else kind
            value = draw(real, self.rng)
            for other_key, taken in drawn.items():
                if other_key.split(".")[0] == kind and taken.key == value.key:
                    value = other(real, taken, self.rng)
            drawn[_key(kind, number)] = value
        return drawn

    def say(self, text: str, values: Values) -> str:
        """A template's text with words chosen and slots filled."""
        while match := _ALTERNATIVES.search(text):
            text = text[: match.start()] + self.rng.choice(match[1].split("/")) + text[match.end() :]

        def one(match: re.Match[str]) -> str:
            value = values[_key(match[1], match[2] or "")]
            said = value.say(self.rng, 0.3 if match[1] == "syn" else 0.6)
            return said.split("/")[int(match[3])] if match[3] else said

        said = " ".join(_SLOT.sub(one, text).split())
        return _AN.sub(lambda found: found[1] + "n ", said)

    def word(self, form: Form, values: Values) -> str:
        """One wording said aloud."""
        phrase = self.say(form.text, values)
        return fill(self.rng.choice(SHELLS[form.shell]), phrase) if form.shell in SHELLS else phrase

    def positive(self, family: Family) -> Pair:
        """Two wordings of one meaning with the same values, some with an adjunct in front or behind."""
        rng = self.rng
        meaning = rng.choice(family.meanings)
        one, two = rng.choice(meaning), rng.choice(meaning)
        if rng.random() < FARTHEST:
            two = min(rng.choices(meaning, k=3), key=lambda form: _shared(one, form))
        adjunct = self.adjunct() if rng.random() < 0.25 else ""
        values = self.values(slots(*meaning, Form(adjunct, "", symmetric=False)), rng.choice(_ANY))
        swapped = values
        if one.symmetric and two.symmetric and rng.random() < 0.6:
            swapped = trade(values) or values
        a, b = self.word(one, values), self.word(two, swapped)
        if adjunct:
            a, b = self.attach(a, adjunct, values), self.attach(b, adjunct, values)
        return Pair(a, b, 1, "frames", family.name)

    def adjunct(self) -> str:
        """What a question may carry before or behind it."""
        return self.rng.choice(PREAMBLES if self.rng.random() < 0.25 else ADJUNCTS)

    def compound(self, family: Family, label: int) -> Pair:
        """Two questions in one: in another order or other words, or with two values that traded places."""
        rng = self.rng
        lines = rng.sample(family.meanings, 2) if len(family.meanings) > 1 else (family.meanings[0],) * 2
        if lines[0] is lines[1] and not label:
            return self.negative(family)
        one, two = rng.choice(lines[0]), rng.choice(lines[1])
        wanted = slots(one, two)
        first, second = self.values(wanted, rng.choice(_ANY)), self.values(wanted, rng.choice(_ANY))
        if label:
            a, b = (self.word(one, first), self.word(two, second)), (self.word(one, first), self.word(two, second))
            b = b[::-1] if rng.random() < 0.5 else b
        else:
            shared = sorted(slots(one) & slots(two)) or sorted(wanted)
            key = _key(*rng.choice(shared)) if shared else ""
            traded = (first | {key: second[key]}, second | {key: first[key]}) if key else (second, first)
            a = (self.word(one, first), self.word(two, second))
            b = (self.word(one, traded[0]), self.word(two, traded[1]))
        joint = rng.choice((" and ", " and ", ", and ", "? ", ". Also, "))
        return Pair(joint.join(a), joint.join(b), label, "frames", family.name)

    def attach(self, text: str, adjunct: str, values: Values) -> str:
        """The text with an adjunct behind it or, less often, in front; a preamble always stands in front."""
        said = self.say(adjunct, values)
        if adjunct in PREAMBLES:
            return f"{said[:1].upper()}{said[1:]} {text[:1].upper()}{text[1:]}"
        return f"{text} {said}" if self.rng.random() < 0.6 else f"{said}, {text}"

    def negative(self, family: Family) -> Pair:
        """A near miss: another value, traded values, another meaning, another question, another adjunct."""
        rng = self.rng
        meaning = rng.choice(family.meanings)
        one = rng.choice(meaning)
        two = one if rng.random() < 0.45 else rng.choice(meaning)
        values = self.values(slots(*meaning), rng.choice(_ANY))
        ways = [self._another_value, self._another_meaning, self._another_adjunct, self._traded, self._rival]
        weights = (
            3,
            3 if len(family.meanings) > 1 else 0,
            1,
            3 if _tradable(one, two) else 0,
            1 if one.shell in RIVALS else 0,
        )
        way = rng.choices(ways, weights)[0]
        a, b = way(family, meaning, one, two, values)
        return Pair(a, b, 0, "frames", family.name)

    def _another_value(
        self, family: Family, meaning: tuple[Form, ...], one: Form, two: Form, values: Values
    ) -> tuple[str, str]:
        shared = sorted(slots(one) & slots(two))
        if not shared or not slots(one) or "any" in {kind for kind, _ in shared}:
            return self._another_adjunct(family, meaning, one, two, values)
        kind, number = self.rng.choice(shared)
        changed = values | {_key(kind, number): other(kind, values[_key(kind, number)], self.rng)}
        taken = [value.key for key, value in values.items() if key.split(".")[0] == kind]
        if changed[_key(kind, number)].key in taken:
            return self._another_adjunct(family, meaning, one, two, values)
        return self.word(one, values), self.word(two, changed)

    def _another_meaning(
        self, family: Family, meaning: tuple[Form, ...], one: Form, two: Form, values: Values
    ) -> tuple[str, str]:
        del two
        rivals = [(line, form) for line in family.meanings if line is not meaning for form in line]
        drawn = self.rng.choices(rivals, k=6 if self.rng.random() < FARTHEST else 1)
        rival, form = max(drawn, key=lambda pair: _shared(one, pair[1]))
        missing = slots(*rival) - slots(*meaning)
        return self.word(one, values), self.word(form, self.values(missing, self.rng.choice(_ANY)) | values)

    def _another_adjunct(
        self, family: Family, meaning: tuple[Form, ...], one: Form, two: Form, values: Values
    ) -> tuple[str, str]:
        del family, meaning
        rng = self.rng
        adjunct = self.adjunct()
        form = Form(adjunct, "", symmetric=False)
        own = self.values(slots(form), "city")
        a, b = self.word(one, values), self.word(two, values)
        way = rng.random()
        if way < 0.35 or not own:
            return (self.attach(a, adjunct, own), b) if rng.random() < 0.5 else (a, self.attach(b, adjunct, own))
        (kind, number), *_ = sorted(slots(form))
        changed = own | {_key(kind, number): other(kind, own[_key(kind, number)], rng)}
        rival = (
            adjunct if way < 0.8 else rng.choice([one for one in ADJUNCTS if one != adjunct and not _SLOT.search(one)])
        )
        return self.attach(a, adjunct, own), self.attach(b, rival, changed)

    def _traded(
        self, family: Family, meaning: tuple[Form, ...], one: Form, two: Form, values: Values
    ) -> tuple[str, str]:
        traded = trade(values)
        if traded is None:
            return self._another_adjunct(family, meaning, one, two, values)
        return self.word(one, values), self.word(two, traded)

    def _rival(
        self, family: Family, meaning: tuple[Form, ...], one: Form, two: Form, values: Values
    ) -> tuple[str, str]:
        del family, meaning, two
        phrase = self.say(one.text, values)
        return fill(self.rng.choice(SHELLS[one.shell]), phrase), fill(self.rng.choice(RIVALS[one.shell]), phrase)


def _tradable(one: Form, two: Form) -> bool:
    if one.symmetric or two.symmetric:
        return False
    return all(any(number for _, number in slots(form)) for form in (one, two))


def trade(values: Values) -> Values | None:
    """The values with two of one type in each other's place; None when no type has two."""
    for key in values:
        kind, dot, number = key.partition(".")
        if dot and kind in values:
            return values | {kind: values[key], f"{kind}.{number}": values[kind]}
    return None
