"""Questions to a database: an aim, one or two conditions, and the many ways of putting them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import cache

from scripts.verifier.frames import Form, Sampler, slots
from scripts.verifier.pairs import Pair
from scripts.verifier.values import DATA, Value, other

_AIMS: dict[str, tuple[str, ...]] = {
    "list": (
        "list all {e} {c}", "which {e} are there {c}", "show me the {e} {c}", "what are the {e} {c}", "find {e} {c}",
        "{e} {c}", "give me every {s} {c}", "i want to see the {e} {c}", "what {e} {c} are there", "return the {e} {c}",
    ),
    "count": (
        "how many {e} {c} are there", "what is the number of {e} {c}", "count the {e} {c}", "number of {e} {c}",
        "give me the number of {e} {c}", "how many {e} {c} do we have", "what's the total count of {e} {c}",
    ),
    "max": (
        "which {s} {c} has the highest {a}", "what {s} {c} has the largest {a}", "the {s} {c} with the highest {a}",
        "among {e} {c}, which has the greatest {a}", "find the {s} {c} with the maximum {a}",
    ),
    "min": (
        "which {s} {c} has the lowest {a}", "what {s} {c} has the smallest {a}", "the {s} {c} with the lowest {a}",
        "among {e} {c}, which has the least {a}", "find the {s} {c} with the minimum {a}",
    ),
    "avg": (
        "what is the average {a} of {e} {c}", "average {a} for {e} {c}", "the mean {a} of the {e} {c}",
        "what is the {a} of {e} {c} on average",
    ),
    "top": (
        "what is the highest {a} of {e} {c}", "the maximum {a} of {e} {c}", "how large is the {a} of {e} {c} at most",
        "the largest {a} among {e} {c}",
    ),
    "low": (
        "what is the lowest {a} of {e} {c}", "the minimum {a} of {e} {c}", "how small is the {a} of {e} {c} at least",
        "the smallest {a} among {e} {c}",
    ),
    "over": (
        "list {e} {c} with {a} over {num}", "which {e} {c} have {a} greater than {num}",
        "show the {e} {c} whose {a} is more than {num}", "{e} {c} where the {a} exceeds {num}",
        "{e} {c} with a {a} above {num}", "{e} {c} with {a} exceeding {num}", "{e} {c} that have more than {num} {a}",
    ),
    "under": (
        "list {e} {c} with {a} under {num}", "which {e} {c} have {a} less than {num}",
        "show the {e} {c} whose {a} is below {num}", "{e} {c} where the {a} is smaller than {num}",
        "{e} {c} with a {a} below {num}", "{e} {c} with {a} lower than {num}", "{e} {c} that have less than {num} {a}",
    ),
    "floor": (
        "{e} {c} with {a} of at least {num}", "which {e} {c} have {a} of {num} or more",
        "show the {e} {c} whose {a} is no less than {num}", "{e} {c} with a minimum {a} of {num}",
    ),
    "cap": (
        "{e} {c} with {a} of at most {num}", "which {e} {c} have {a} of {num} or less",
        "show the {e} {c} whose {a} is no more than {num}", "{e} {c} with a maximum {a} of {num}",
    ),
    "sorted": (
        "list {e} {c} by {a}", "sort the {e} {c} by {a}", "{e} {c} ordered by {a}", "show {e} {c} in order of {a}",
    ),
    "any": (
        "is there any {s} {c}", "are there {e} {c}", "do we have {e} {c}", "does any {s} {c} exist",
    ),
}  # fmt: skip
_WITHOUT_ATTRIBUTE = frozenset(("list", "count", "any"))


@cache
def _tables() -> tuple[list[str], ...]:
    lines = (DATA / "tables.txt").read_text().splitlines()
    return tuple(line.split(";") for line in lines if not line.startswith("#"))


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of which table, under which conditions; `values` fills the conditions' slots."""

    table: int
    aim: str
    attribute: str
    conditions: tuple[int, ...]
    values: tuple[tuple[str, Value], ...]


class Questions:
    """Draws pairs of questions about made-up tables."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._sampler = Sampler(rng)
        self._tables = _tables()

    def query(self) -> Query:
        """A random query."""
        rng = self._rng
        table = rng.randrange(len(self._tables))
        conditions = rng.choice(((3,), (4,), (3, 4), (3, 4)))
        wanted = {("num", "")}.union(*(slots(self._form(table, place)) for place in conditions))
        values = tuple(sorted(self._sampler.values(wanted, "city").items(), key=lambda item: item[0]))
        return Query(table, rng.choice(tuple(_AIMS)), rng.choice(self._tables[table][2].split(",")), conditions, values)

    def _form(self, table: int, place: int) -> Form:
        return Form(f"[{self._tables[table][place]}]", "", symmetric=False)

    def say(self, query: Query) -> str:
        """One way of asking."""
        rng = self._rng
        conditions = rng.sample(query.conditions, len(query.conditions))
        said = [f"[{self._tables[query.table][place]}]" for place in conditions]
        plural, singular = self._tables[query.table][:2]
        text = rng.choice(_AIMS[query.aim])
        front = len(said) == 2 and rng.random() < 0.2
        text = text.replace("{e}", plural).replace("{s}", singular).replace("{a}", query.attribute)
        text = text.replace("{c}", said[0] if front else " ".join(said))
        return self._sampler.say(f"{text} {said[1]}" if front else text, dict(query.values))

    def near_miss(self, query: Query) -> Query:
        """A query that differs in its aim, its attribute, a value or a condition."""
        rng = self._rng
        way = rng.choice(("aim", "attribute", "value", "value", "condition"))
        if way == "attribute" and query.aim not in _WITHOUT_ATTRIBUTE:
            others = [one for one in self._tables[query.table][2].split(",") if one != query.attribute]
            return replace(query, attribute=rng.choice(others))
        if way == "value":
            used = {kind for place in query.conditions for kind, _ in slots(self._form(query.table, place))}
            used |= {"num"} if "{num}" in _AIMS[query.aim][0] else set()
            if used:
                changed = rng.choice(sorted(used))
                values = tuple((key, other(key, one, rng) if key == changed else one) for key, one in query.values)
                return replace(query, values=values)
        if way == "condition" and len(query.conditions) == 2:
            return replace(query, conditions=(rng.choice(query.conditions),))
        return replace(query, aim=rng.choice([aim for aim in _AIMS if aim not in (query.aim, "any", "list")]))

    def pair(self, label: int) -> Pair:
        """Two questions: the same query in other words, or a near miss."""
        query = self.query()
        rival = query if label else self.near_miss(query)
        return Pair(self.say(query), self.say(rival), label, "schema", f"schema:{query.table}")
