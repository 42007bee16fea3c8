"""Wordings that say the same, gathered into families that no known difference runs through."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import TypeAlias

Pair: TypeAlias = "tuple[str, str]"
"""Two wordings or entries, the smaller name first."""


def pair_of(one: str, other: str) -> Pair:
    """The unordered pair of two names."""
    return (one, other) if one <= other else (other, one)


def families(confirmed: Iterable[tuple[Pair, float]], denied: AbstractSet[Pair]) -> dict[str, str]:
    """The family, named after its smallest member, of everybody in `confirmed`: pairs known to say the same, with when.

    Kinship passes on: whoever says the same as one says the same as its whole family. A pair in `denied` is never in
    one family: of the confirmations that would join it together, the newest count and the oldest are left out. The
    result depends on nothing but the two sets.
    """
    merging = _Merging(denied)
    for (one, other), _ in sorted(confirmed, key=lambda known: (-known[1], known[0])):
        merging.join(one, other)
    return merging.named()


class _Merging:
    """Families in the making, each with everybody that one of its members was told apart from."""

    def __init__(self, denied: AbstractSet[Pair]) -> None:
        self._members: dict[str, set[str]] = {}
        self._apart: dict[str, set[str]] = {}
        self._of: dict[str, str] = {}
        for one, other in denied:
            self._apart.setdefault(one, set()).add(other)
            self._apart.setdefault(other, set()).add(one)

    def join(self, one: str, other: str) -> None:
        """Make two families one, unless a denied pair would be in it."""
        large, small = self._family(one), self._family(other)
        if large == small:
            return
        if len(self._members[large]) < len(self._members[small]):
            large, small = small, large
        if self._clash(large, small):
            return
        joining = self._members.pop(small)
        self._members[large] |= joining
        self._of.update(dict.fromkeys(joining, large))
        if apart := self._apart.pop(small, None):
            self._apart.setdefault(large, set()).update(apart)

    def named(self) -> dict[str, str]:
        """Everybody's family."""
        names = {family: min(members) for family, members in self._members.items()}
        return {member: names[family] for member, family in self._of.items()}

    def _family(self, name: str) -> str:
        if name not in self._of:
            self._of[name] = name
            self._members[name] = {name}
        return self._of[name]

    def _clash(self, large: str, small: str) -> bool:
        """Whether a denied pair lies across two families; each pair is known to both of its sides."""
        return not self._members[large].isdisjoint(self._apart.get(small, ()))
