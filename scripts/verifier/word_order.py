"""Word order: pairs whose words are the same and only their places tell whether the answer is."""

from __future__ import annotations

import random

from scripts.verifier.frames import Family, Form, Sampler, Values, families, slots
from scripts.verifier.pairs import Pair
from scripts.verifier.values import other

_ADVERBS = ("easily", "quickly", "safely", "legally", "secretly", "cheaply", "properly", "slowly", "carefully")
_VERB_PHRASES = (
    "clean a {ware}", "sell my {ware}", "learn {prog}", "cook {food}", "move to {city}", "visit {country}",
    "open a {account}", "treat {disease}", "repair a {ware}", "send a {ware} to {city}", "study {subject}",
    "leave {company}", "train a {animal}", "get a {document}", "stop {relation}", "watch {film}", "use {app}",
    "record {relation}", "travel to {country}", "grow {plant}",
)  # fmt: skip
# Where an adverb and a circumstance may stand without a change of meaning.
_CIRCUMSTANCES = (
    "in {city}", "in {country}", "on {weekday}", "in {month}", "during {event}", "after {event}", "before {event}",
    "for {audience}", "with {relation}", "without {relation}", "at {clock}", "as a {profession}", "with {money}",
)  # fmt: skip
# Ways of asking, and what may be asked in their place with another answer.
_ASKING = {
    "how do i": ("why do i", "when do i", "how did i"), "how can i": ("why should i", "when can i", "can i"),
    "can i": ("why can't i", "how can i", "should i"), "should i": ("how do i", "can i", "why should i"),
    "why can't i": ("can i", "how can i", "when can i"), "where can i": ("when can i", "why can i", "can i"),
    "is it a good idea to": ("is it possible to", "is it a bad idea to"), "may i": ("must i", "should i"),
    "is it possible to": ("is it a good idea to", "is it expensive to"),
}  # fmt: skip


class Orders:
    """Draws pairs of equal words; `rng` decides everything."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._sampler = Sampler(rng)
        self._families = families("word_order.txt")
        self._lines = [(family, meaning) for family in self._families for meaning in family.meanings]
        self._kept = [(family, line) for family, line in self._lines if len(line) > 1 or _symmetric(line)]
        self._tradable = [(family, line) for family, line in self._lines if _traded_kinds(line)]

    def pair(self, label: int) -> Pair:
        """The same question in another order, or another question of the same words."""
        if self._rng.random() < 0.2:
            return self._placed(label)
        return self._same() if label else self._other()

    def _same(self) -> Pair:
        rng, sampler = self._rng, self._sampler
        family, line = rng.choice(self._kept)
        values = sampler.values(slots(*line), "city")
        symmetric = _symmetric(line)
        if not symmetric:
            one, two = rng.sample(line, 2)
        else:
            one, two = rng.choice(line), rng.choice(line)
        turned = self._trade(values) if symmetric and (one is two or rng.random() < 0.7) else values
        return self._said(sampler.word(one, values), sampler.word(two, turned), 1, family)

    def _other(self) -> Pair:
        rng, sampler = self._rng, self._sampler
        if rng.random() < 0.12:
            family, line = rng.choice(self._lines)
            values = sampler.values(slots(*line), "city")
            changed = self._renamed(values)
        else:
            family, line = rng.choice(self._tradable)
            values = sampler.values(slots(*line), "city")
            changed = self._trade(values)
        one = rng.choice(line)
        two = one if rng.random() < 0.6 else rng.choice(line)
        return self._said(sampler.word(one, values), sampler.word(two, changed), 0, family)

    def _trade(self, values: Values) -> Values:
        """Two values of one type in each other's place."""
        pairs = [(key, twin) for key in values if (twin := f"{key}.2") in values]
        one, two = self._rng.choice(pairs)
        return values | {one: values[two], two: values[one]}

    def _renamed(self, values: Values) -> Values:
        key = self._rng.choice(sorted(values))
        fresh = other(key.split(".")[0], values[key], self._rng)
        return values if any(fresh.key == one.key for one in values.values()) else values | {key: fresh}

    def _placed(self, label: int) -> Pair:
        """Adverbs and circumstances that move, or two circumstances whose values trade places."""
        rng, sampler = self._rng, self._sampler
        asking = rng.choice(tuple(_ASKING))
        phrase, adverb = rng.choice(_VERB_PHRASES), rng.choice(_ADVERBS)
        where = rng.choice([one for one in _CIRCUMSTANCES if one.split("{")[1] not in phrase])
        values = sampler.values(slots(Form(phrase + where, "", symmetric=False)), "city")
        orders = (
            f"{asking} {phrase} {where}", f"{where}, {asking} {phrase}",
            f"{asking} {adverb} {phrase} {where}", f"{asking} {phrase} {adverb} {where}",
            f"{where}, {asking} {adverb} {phrase}",
        )  # fmt: skip
        chosen = orders[:2] if rng.random() < 0.5 else orders[2:]
        one, two = rng.sample(chosen, 2)
        if label:
            changed = values
        elif chosen is orders[2:] and rng.random() < 0.3:
            changed, two = values, two.replace(adverb, rng.choice([word for word in _ADVERBS if word != adverb]))
        elif rng.random() < 0.4:
            changed, two = values, two.replace(asking, rng.choice(_ASKING[asking]))
        else:
            changed = self._renamed(values)
        a, b = sampler.say(one, values), sampler.say(two, changed)
        return Pair(a, b, label, "word_order", "order:placed")

    @staticmethod
    def _said(a: str, b: str, label: int, family: Family) -> Pair:
        return Pair(a, b, label, "word_order", f"order:{family.name}")


def _symmetric(line: tuple[Form, ...]) -> bool:
    return all(form.symmetric for form in line)


def _traded_kinds(line: tuple[Form, ...]) -> bool:
    return not _symmetric(line) and bool({number for _, number in slots(*line)} & {"2"})
