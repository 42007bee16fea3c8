"""What is known about pairs of wordings in one namespace: who says the same, who does not, and the families of it."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from synapse_cache.feedback.families import Pair, families, pair_of
from synapse_cache.trust.evidence import Source

MOST_RELATIONS = 20_000
"""Relations kept of one namespace, the newest; a few more until they are next looked through."""
_SLACK = MOST_RELATIONS // 20
_Fact: TypeAlias = "tuple[str, str, Source]"


@dataclass(frozen=True, slots=True)
class Relation:
    """Whether the answer of the entry `entry_id` is right for the wording whose exact key is `asked`.

    `entry_key` is the wording that the entry answers by itself and `asked_id` the entry that answers `asked` by itself,
    both empty where they are not known; `at` is in seconds since the epoch.
    """

    source: Source
    entry_id: str
    asked: str
    same: bool
    at: float
    entry_key: str = ""
    asked_id: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """How many wordings an entry's answer is known to be right for, its own apart, and how many it is wrong for."""

    confirmed: int = 0
    denied: int = 0


@dataclass(frozen=True, slots=True)
class _Verdict:
    same: bool
    at: float


class Relations:
    """The newest relations of one namespace; what comes in any order gives the same.

    Of several relations of a pair the newest counts, but what somebody called wrong only somebody can call right again.
    A pair is one of wordings as far as the entries' own wordings are known, and of entries otherwise.
    """

    def __init__(self, *, most: int = MOST_RELATIONS, slack: int = _SLACK) -> None:
        self._most = most
        self._slack = slack
        self._facts: dict[_Fact, Relation] = {}
        self._mentions: dict[str, set[_Fact]] = {}
        self._wordings = _Wordings()
        self._verdicts: dict[str, dict[str, _Verdict]] = {}
        self._families: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._facts)

    def all(self) -> list[Relation]:
        """The relations kept, in no order."""
        return list(self._facts.values())

    def take(self, relations: Iterable[Relation]) -> None:
        """Take relations in."""
        changed: set[str] = set()
        for relation in relations:
            if relation.entry_id and relation.asked:
                changed |= self._note(relation)
        if len(self._facts) > self._most + self._slack:
            surplus = len(self._facts) - self._most
            for relation in heapq.nsmallest(surplus, self._facts.values(), key=_newness):
                changed |= self._drop(relation)
        self._settle(changed)

    def family(self, entry_id: str) -> str:
        """A name that all entries and wordings known to say the same have in common; it may change as more is known."""
        name = self._wordings.of(entry_id)
        return self._families.get(name, name)

    def denied(self, asked: str, entry_id: str, entry_key: str = "") -> bool:
        """Whether the entry's answer is known to be wrong for a wording."""
        verdicts = self._verdicts.get(asked)
        if not verdicts:
            return False
        verdict = verdicts.get(entry_key or self._wordings.of(entry_id)) or verdicts.get(entry_id)
        return verdict is not None and not verdict.same

    def confirmed(self, asked: str) -> list[Relation]:
        """The entries whose answers were called right for a wording, the newest first.

        Answers that merely came out equal after a miss do not count: nobody said that the questions are.
        """
        verdicts = self._verdicts.get(asked)
        if not verdicts:
            return []
        found: list[Relation] = []
        for one in self._about(asked):
            verdict = verdicts.get(self._wordings.of(one.entry_id))
            if one.asked == asked and one.same and one.source is not Source.MISS and verdict and verdict.same:
                found.append(one)
        return sorted(found, key=lambda one: (-one.at, one.entry_id))

    def known(self, entry_id: str) -> Known:
        """How many wordings an entry's answer is known to be right and wrong for."""
        verdicts = self._verdicts.get(self._wordings.of(entry_id), {}).values()
        confirmed = sum(verdict.same for verdict in verdicts)
        return Known(confirmed, len(verdicts) - confirmed)

    def _note(self, relation: Relation) -> set[str]:
        """Keep a relation if it is the newest of its kind; returns whose verdicts may have changed."""
        known = self._facts.get(_fact(relation))
        if known is None:
            return self._put(relation)
        newer, older = (relation, known) if _newness(known) < _newness(relation) else (known, relation)
        kept = newer if newer.entry_key else replace(newer, entry_key=older.entry_key)
        return set() if kept == known else self._drop(known) | self._put(kept)

    def _put(self, relation: Relation) -> set[str]:
        fact = _fact(relation)
        self._facts[fact] = relation
        for name in fact[:2]:
            self._mentions.setdefault(name, set()).add(fact)
        return self._wordings.count(relation, 1)

    def _drop(self, relation: Relation) -> set[str]:
        fact = _fact(relation)
        del self._facts[fact]
        for name in fact[:2]:
            self._mentions[name].discard(fact)
            if not self._mentions[name]:
                del self._mentions[name]
        return self._wordings.count(relation, -1)

    def _settle(self, changed: set[str]) -> None:
        """Find the verdicts and families anew of everybody who is connected with `changed`, or was."""
        reached: set[str] = set()
        waiting = list(changed)
        while waiting:
            name = waiting.pop()
            if name in reached:
                continue
            reached.add(name)
            before, now = self._verdicts.pop(name, {}), self._judged(name)
            for other in before:
                self._verdicts.get(other, {}).pop(name, None)
            for other, verdict in now.items():
                self._verdicts.setdefault(other, {})[name] = verdict
            if now:
                self._verdicts[name] = now
            waiting += (other for one in (before, now) for other, verdict in one.items() if verdict.same)
        self._regroup(reached)

    def _judged(self, name: str) -> dict[str, _Verdict]:
        """The verdicts on the pairs that `name` is one of."""
        if self._wordings.of(name) != name:  # an entry that goes by its wording
            return {}
        pairs: dict[str, list[Relation]] = {}
        for relation in self._about(name):
            for other in {self._wordings.of(relation.entry_id), relation.asked} - {name}:
                pairs.setdefault(other, []).append(relation)
        return {other: _verdict(known) for other, known in pairs.items()}

    def _about(self, name: str) -> Iterator[Relation]:
        """The relations of a wording, and of the entries that answer it by themselves."""
        for one in (name, *self._wordings.entries(name)):
            for fact in self._mentions.get(one, ()):
                yield self._facts[fact]

    def _regroup(self, names: set[str]) -> None:
        """Make the families of `names` anew, which nobody else is connected with."""
        confirmed: dict[Pair, float] = {}
        denied: set[Pair] = set()
        for name in names:
            self._families.pop(name, None)
            for other, verdict in self._verdicts.get(name, {}).items():
                if verdict.same:
                    confirmed[pair_of(name, other)] = verdict.at
                else:
                    denied.add(pair_of(name, other))
        if confirmed:
            self._families.update(families(confirmed.items(), denied))


class _Wordings:
    """Which wordings entries answer by themselves, as the relations that are kept say."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, int]] = {}
        self._names: dict[str, str] = {}
        self._entries: dict[str, set[str]] = {}

    def of(self, entry_id: str) -> str:
        """The entry's own wording, or the entry where it is not known; the smallest should there be several."""
        return self._names.get(entry_id, entry_id)

    def entries(self, wording: str) -> Iterable[str]:
        """The entries that answer a wording by themselves."""
        return self._entries.get(wording, ())

    def count(self, relation: Relation, change: int) -> set[str]:
        """Note that one relation more or less says so; returns the names that both its sides had and have."""
        changed = {self.of(relation.entry_id), relation.asked}
        for entry_id, wording in ((relation.entry_id, relation.entry_key), (relation.asked_id, relation.asked)):
            if entry_id and wording:
                changed |= {self.of(entry_id)}
                self._change(entry_id, wording, change)
                changed |= {self.of(entry_id)}
        return changed

    def _change(self, entry_id: str, wording: str, change: int) -> None:
        told = self._told.setdefault(entry_id, {})
        told[wording] = told.get(wording, 0) + change
        if told[wording]:
            self._entries.setdefault(wording, set()).add(entry_id)
        else:
            del told[wording]
            self._entries[wording].discard(entry_id)
            if not self._entries[wording]:
                del self._entries[wording]
        if told:
            self._names[entry_id] = min(told)
        else:
            del self._told[entry_id], self._names[entry_id]


def _fact(relation: Relation) -> _Fact:
    return (relation.entry_id, relation.asked, relation.source)


def _newness(relation: Relation) -> tuple[float, bool, str, str]:
    """Orders relations: of two of one moment the denial is the newer."""
    return (relation.at, not relation.same, relation.entry_id, relation.asked_id)


def _verdict(relations: list[Relation]) -> _Verdict:
    """What counts of all that is known about a pair."""
    if len(relations) == 1:
        return _Verdict(relations[0].same, relations[0].at)
    newest = max(relations, key=_newness)
    told = max((one for one in relations if one.source is Source.FEEDBACK), key=_newness, default=newest)
    counts = newest if told.same else told
    return _Verdict(counts.same, counts.at)
