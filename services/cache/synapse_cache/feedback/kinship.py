"""Which wordings say the same and which do not, in every namespace seen lately; answered from memory."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from synapse_cache.feedback.relations import Known, Relation, Relations

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from synapse_cache.model import Place
    from synapse_cache.trust.evidence import Evidence
    from synapse_cache.trust.trust import Home

_MOST_HOMES = 10_000
_MOST_RELATIONS = 200_000
_MOST_OUTGOING = 20_000


class Kinship:
    """The relations of namespaces: at most 10,000 namespaces and 200,000 relations, the longest unused go first.

    What is learnt here goes out to the other replicas, and what they know comes in, by `KinshipSync`; `news` is set
    while something waits to go out or to be read. Without it everything works for this process alone.
    """

    def __init__(self, *, most_homes: int = _MOST_HOMES, most_relations: int = _MOST_RELATIONS) -> None:
        self.news = asyncio.Event()
        self._most_homes = most_homes
        self._most_relations = most_relations
        self._homes: OrderedDict[Home, Relations] = OrderedDict()
        self._relations = 0
        self._unread: dict[Home, None] = {}
        self._reading: dict[Home, list[Relation]] = {}
        self._outgoing: deque[tuple[Home, Relation]] = deque(maxlen=_MOST_OUTGOING)

    def family(self, place: Place, entry_id: str) -> str:
        """A name that all entries and wordings known to say the same have in common; it may change as more is known."""
        return self._of(_home(place)).family(entry_id)

    def denied(self, place: Place, asked: str, entry_id: str, *, entry_key: str = "") -> bool:
        """Whether an entry's answer is known to be wrong for the wording of the exact key `asked`.

        With `entry_key`, the wording that the entry answers by itself, what was said of an earlier answer to it holds.
        """
        return self._of(_home(place)).denied(asked, entry_id, entry_key)

    def confirmed(self, place: Place, asked: str) -> list[Relation]:
        """The entries whose answers were called right for a wording, the newest first."""
        return self._of(_home(place)).confirmed(asked)

    def known(self, place: Place, entry_id: str) -> Known:
        """How many wordings an entry's answer is known to be right and wrong for."""
        return self._of(_home(place)).known(entry_id)

    def learn(self, place: Place, evidence: Iterable[Evidence]) -> None:
        """Take verdicts in, and let the other replicas know."""
        relations = [_relation(one) for one in evidence if one.entry_id and one.asked]
        if not relations:
            return
        home = _home(place)
        self.hear(home, relations)
        self._outgoing.extend((home, relation) for relation in relations)
        self.news.set()

    def hear(self, home: Home, relations: Sequence[Relation]) -> None:
        """Take in what another replica has learnt, if the namespace is in memory; the store has the others'."""
        known = self._of(home)
        self._relations -= len(known)
        known.take(relations)
        self._relations += len(known)
        if home in self._reading:
            self._reading[home] += relations
        self._make_room()

    def knows(self, home: Home) -> bool:
        """Whether a namespace is in memory."""
        return home in self._homes

    def take_outgoing(self, *, limit: int) -> list[tuple[Home, Relation]]:
        """The oldest relations that the other replicas do not know yet, at most `limit`."""
        return [self._outgoing.popleft() for _ in range(min(limit, len(self._outgoing)))]

    def put_back(self, relations: Sequence[tuple[Home, Relation]]) -> None:
        """Let relations go out later that did not reach the store; the oldest are lost when there are too many."""
        room = _MOST_OUTGOING - len(self._outgoing)
        self._outgoing.extendleft(reversed(relations[-room:] if room else []))

    def read_again(self) -> None:
        """Note that the store may hold more about everything than is in memory, and that no reading is under way."""
        self._reading.clear()
        self._unread.update(dict.fromkeys(self._homes))

    def begin_reading(self) -> tuple[Home, list[Relation]] | None:
        """A namespace that the store is to be asked about, and what is known of it; None when there is none."""
        for home in self._unread:
            del self._unread[home]
            self._reading[home] = []
            return home, self._of(home).all()
        return None

    def end_reading(self, home: Home, relations: Relations) -> None:
        """Take `relations` for what is known of a namespace, together with what came in since the reading began."""
        relations.take(self._reading.pop(home))
        self._relations += len(relations) - len(self._homes.pop(home, ()))
        self._homes[home] = relations
        self._make_room()

    def _of(self, home: Home) -> Relations:
        known = self._homes.get(home)
        if known is None:
            known = self._homes[home] = Relations()
            self._unread[home] = None
            self.news.set()
            self._make_room()
        else:
            self._homes.move_to_end(home)
        return known

    def _make_room(self) -> None:
        """Forget the namespaces that were not used for longest; the store still knows them."""
        while len(self._homes) > 1 and (len(self._homes) > self._most_homes or self._relations > self._most_relations):
            home, forgotten = self._homes.popitem(last=False)
            self._relations -= len(forgotten)
            self._unread.pop(home, None)


def _home(place: Place) -> Home:
    return (place.tenant, place.namespace)


def _relation(evidence: Evidence) -> Relation:
    return Relation(
        evidence.source,
        evidence.entry_id,
        evidence.asked,
        evidence.same,
        evidence.at,
        evidence.entry_key,
        evidence.asked_id,
    )
