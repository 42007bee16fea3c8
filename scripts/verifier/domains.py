"""Questions to the tables of everyday domains: flights, restaurants, papers, films, courses, states, rivers."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from functools import cache

from scripts.verifier.frames import Form, Sampler, Values, slots, trade
from scripts.verifier.pairs import Pair
from scripts.verifier.values import DATA, other

_SPOT = re.compile(r"<([s1a])>")
_IN_FRONT = re.compile(r"(in|on|at|from|for|before|after|with|by|during|without|between|around|next) ")
_AGREEING = {
    "go~": ("go", "goes"),
    "cross~": ("cross", "crosses"),
    "%are": ("are", "is"),
    "%have": ("have", "has"),
    "%do": ("do", "does"),
    "%were": ("were", "was"),
    "~": ("", "s"),
}
_MOST_CONDITIONS = 3


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on rows: conditions of one group exclude each other; `wordings` before the noun begin with ^."""

    group: str
    always: bool
    wordings: tuple[str, ...]

    def slots(self) -> set[tuple[str, str]]:
        """What has to be drawn to say it."""
        return slots(*(Form(wording, "", symmetric=False) for wording in self.wordings))


@dataclass(frozen=True, slots=True)
class Domain:
    """A table: names of its rows (singular, plural), what may be asked, conditions."""

    name: str
    nouns: tuple[tuple[str, str], ...]
    aims: tuple[tuple[str, ...], ...]
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of a domain; places of the aim and the conditions, and the drawn values."""

    domain: Domain
    aim: int
    conditions: tuple[int, ...]
    values: Values


@cache
def domains() -> tuple[Domain, ...]:
    """All domains of domains.txt."""
    found = []
    for block in (DATA / "domains.txt").read_text().split("\n== ")[1:]:
        name, nouns, *lines = block.strip().splitlines()
        parsed = [(line[0], tuple(part.strip() for part in line[2:].split(" | "))) for line in lines]
        found.append(
            Domain(
                name,
                tuple(_noun(pair) for pair in nouns.removeprefix("nouns: ").split()),
                tuple(wordings for mark, wordings in parsed if mark == ">"),
                tuple(_condition(mark, wordings) for mark, wordings in parsed if mark in "-!"),
            )
        )
    return tuple(found)


def _noun(pair: str) -> tuple[str, str]:
    one, many = pair.replace("_", " ").split("/")
    return one, many


def _condition(mark: str, wordings: tuple[str, ...]) -> Condition:
    group, _, first = wordings[0].partition(": ")
    return Condition(group, mark == "!", (first, *wordings[1:]))


class Tables:
    """Draws pairs of questions to the domains; `rng` decides everything."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._sampler = Sampler(rng)
        self._weights = [len(domain.aims) + len(domain.conditions) for domain in domains()]

    def query(self) -> Query:
        """A random query with up to three conditions of different groups."""
        rng = self._rng
        domain = rng.choices(domains(), self._weights)[0]
        groups = list(dict.fromkeys(condition.group for condition in domain.conditions))
        always = {condition.group for condition in domain.conditions if condition.always}
        free = [group for group in groups if group not in always]
        room = _MOST_CONDITIONS - len(always)
        least = 0 if always else 1
        chosen = always | set(rng.sample(free, min(len(free), rng.choice((least, 1, 1, room)))))
        places = tuple(self._of_group(domain, group) for group in groups if group in chosen)
        wanted = set[tuple[str, str]]().union(*(domain.conditions[place].slots() for place in places))
        wanted |= slots(*(Form(many, "", symmetric=False) for _, many in domain.nouns))
        return Query(domain, rng.randrange(len(domain.aims)), places, self._sampler.values(wanted, "city"))

    def _of_group(self, domain: Domain, group: str, but: int = -1) -> int:
        of = [place for place, one in enumerate(domain.conditions) if one.group == group and place != but]
        return self._rng.choice(of) if of else but

    def say(self, query: Query) -> str:
        """One way of asking."""
        rng = self._rng
        before: list[str] = []
        behind: list[str] = []
        for place in rng.sample(query.conditions, len(query.conditions)):
            wordings = query.domain.conditions[place].wordings
            said = rng.choice(wordings)
            if said.startswith("^") and before:
                said = rng.choice([one for one in wordings if not one.startswith("^")] or [said])
            (before if said.startswith("^") else behind).append(said.removeprefix("^"))
        aim = rng.choice(query.domain.aims[query.aim])
        front = ""
        if behind and _IN_FRONT.match(behind[-1]) and rng.random() < 0.15:
            front = _agreed(behind.pop(), many=True) + rng.choice((", ", ", ", " "))
        one, many = rng.choice(query.domain.nouns)

        def rows(match: re.Match[str]) -> str:
            noun = many if match[1] == "s" else one
            said = " ".join((*before, noun, *behind))
            return _agreed(f"a {said}" if match[1] == "a" else said, many=match[1] == "s")

        return self._sampler.say(front + _SPOT.sub(rows, aim), query.values)

    def near_miss(self, query: Query) -> Query:
        """A query of the same domain that differs in one thing: a value, the aim, a condition, two roles."""
        ways = (self._another_value, self._another_aim, self._more_or_less, self._sibling, self._traded)
        (way,) = self._rng.choices(ways, (5, 2.5, 2, 2, 1.5))
        return way(query) or self._another_aim(query)

    def _another_value(self, query: Query) -> Query | None:
        if not query.values:
            return None
        key = self._rng.choice(sorted(query.values))
        kind = key.split(".")[0]
        fresh = other(kind, query.values[key], self._rng)
        if any(fresh.key == value.key for value in query.values.values()):
            return None
        return replace(query, values=query.values | {key: fresh})

    def _another_aim(self, query: Query) -> Query:
        others = [aim for aim in range(len(query.domain.aims)) if aim != query.aim]
        return replace(query, aim=self._rng.choice(others))

    def _more_or_less(self, query: Query) -> Query | None:
        """A condition left out, or one more."""
        conditions = query.domain.conditions
        loose = [place for place in query.conditions if not conditions[place].always]
        if loose and (len(query.conditions) > 1) and self._rng.random() < 0.5:
            dropped = self._rng.choice(loose)
            return replace(query, conditions=tuple(place for place in query.conditions if place != dropped))
        used = {conditions[place].group for place in query.conditions}
        free = [place for place, one in enumerate(conditions) if one.group not in used]
        return self._with(query, (*query.conditions, self._rng.choice(free))) if free else None

    def _sibling(self, query: Query) -> Query | None:
        """Another condition of the same group: before for after, nonstop for one stop."""
        place = self._rng.choice(query.conditions)
        rival = self._of_group(query.domain, query.domain.conditions[place].group, place)
        if rival == place:
            return None
        return self._with(query, tuple(rival if one == place else one for one in query.conditions))

    def _with(self, query: Query, conditions: tuple[int, ...]) -> Query:
        wanted = set[tuple[str, str]]().union(*(query.domain.conditions[place].slots() for place in conditions))
        return replace(query, conditions=conditions, values=self._sampler.values(wanted, "city") | query.values)

    def _traded(self, query: Query) -> Query | None:
        routes = [place for place in query.conditions if query.domain.conditions[place].group == "route"]
        traded = trade(query.values) if routes else None
        return replace(query, values=traded) if traded else None

    def pair(self, label: int) -> Pair:
        """Two questions: the same query in other words, or a near miss."""
        query = self.query()
        rival = query if label else self.near_miss(query)
        return Pair(self.say(query), self.say(rival), label, "domains", f"domains:{query.domain.name}")


def _agreed(text: str, *, many: bool) -> str:
    for mark, (plural, singular) in _AGREEING.items():
        text = text.replace(mark, plural if many else singular)
    return text
