"""Which entries an invalidation is about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synapse_cache.model import Embedding, Entry, Vector


@dataclass(frozen=True, slots=True)
class Likeness:
    """Cosine similarity of at least `min_similarity` to the vector of `text`."""

    text: str
    embedding: Embedding
    min_similarity: float

    def holds(self, embedding: Embedding) -> bool:
        """Whether a question of that vector is like the text; one of another vector space cannot be told from it."""
        if embedding.fingerprint != self.embedding.fingerprint:
            return True
        return float(embedding.vector @ self.embedding.vector) >= self.min_similarity


@dataclass(frozen=True, slots=True)
class Conditions:
    """What an entry must meet, all of it; an empty text and None ask for nothing.

    `created_before` is a moment in seconds since the epoch, itself included.
    """

    id: str = ""
    key: str = ""
    namespace: str | None = None
    tag: str = ""
    model: str = ""
    created_before: float | None = None
    likeness: Likeness | None = None

    @property
    def flushes(self) -> bool:
        """Whether a whole namespace is meant, or everything: that takes no search."""
        return self == Conditions(namespace=self.namespace)

    def covers(self, entry: Entry, embedding: Embedding | None = None) -> bool:
        """Whether `entry`, with its question's vector where that is known, meets them; unknown likeness is none."""
        return self.covers_plainly(entry) and (
            self.likeness is None or (embedding is not None and self.likeness.holds(embedding))
        )

    def covers_plainly(self, entry: Entry) -> bool:
        """Whether `entry` meets all of them but the likeness."""
        return (
            (not self.id or self.id == entry.id)
            and (not self.key or self.key == entry.key)
            and (self.namespace is None or self.namespace == entry.namespace)
            and (not self.tag or self.tag in entry.tags)
            and (not self.model or self.model == entry.model)
            and (self.created_before is None or entry.created_at <= self.created_before)
        )

    def until(self, moment: float) -> Conditions:
        """The same, for entries of that moment and before it."""
        before = moment if self.created_before is None else min(moment, self.created_before)
        return replace(self, created_before=before)


@dataclass(frozen=True, slots=True)
class Ref:
    """An entry by name: what finds it in every store."""

    id: str
    key: str
    namespace: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a walk through a store: what was found, and where to go on; `after` is empty at the end.

    A walk shows every entry that is there from its beginning to its end, some of them perhaps twice.
    """

    refs: tuple[Ref, ...]
    after: str = ""


@dataclass(frozen=True, slots=True)
class Leg:
    """As Page, with the entries themselves and the vectors of their questions."""

    items: tuple[tuple[Entry, Vector], ...]
    after: str = ""


def ref_of(entry: Entry) -> Ref:
    """The entry by name."""
    return Ref(entry.id, entry.key, entry.namespace, entry.epoch)
