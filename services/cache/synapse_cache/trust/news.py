"""What one replica found out about a namespace and the others do not know yet."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from synapse_cache.trust.evidence import LOWEST_STRICTNESS, Evidence, Record, Stretch, Tally


@dataclass(frozen=True, slots=True)
class Switch:
    """Reuse by meaning went off `at` a moment in seconds since the epoch; or, `at` None, on again after `was`."""

    at: float | None
    was: float | None = None


@dataclass(frozen=True, slots=True)
class News:
    """Evidence, counts, the factor that the strictness is to be changed by, and whether reuse is to be switched."""

    evidence: tuple[Evidence, ...] = ()
    tally: Tally = field(default_factory=Tally)
    factor: float = 1.0
    switch: Switch | None = None

    def __add__(self, later: News) -> News:
        return News(
            self.evidence + later.evidence,
            self.tally + later.tally,
            self.factor * later.factor,
            later.switch or self.switch,
        )


NOTHING = News()


def updated(record: Record, news: News) -> Record:
    """`record` once `news` are known; its evidence is left as it is.

    A suspension holds from its first moment; reuse begins again, as strict as can be and with a stretch of its own,
    unless another suspension came in between.
    """
    tally = record.tally + news.tally
    strictness = min(1.0, max(LOWEST_STRICTNESS, record.strictness * news.factor))
    result = replace(record, tally=tally, strictness=strictness, stretch=record.stretch.at(tally))
    if news.switch is None:
        return result
    if news.switch.at is not None:
        return replace(result, suspended_at=record.suspended_at or news.switch.at)
    if record.suspended_at not in {None, news.switch.was}:
        return result
    return replace(result, suspended_at=None, strictness=LOWEST_STRICTNESS, stretch=Stretch(tally, tally))


@dataclass(frozen=True, slots=True)
class Parcel:
    """News on their way to the store.

    `replica` and `sequence` name them, so that a store takes them in once however often they are sent; `seen` is how
    much of the namespace's evidence the replica has; `known` is what it last heard, for a store that lost its data.
    """

    replica: str
    sequence: int
    news: News
    seen: int = 0
    known: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class Heard:
    """What the store knows after a parcel: its `record` holds only evidence of others that the replica had not `seen`.

    `more` is true when there is more of it than one exchange brings.
    """

    record: Record
    seen: int
    more: bool = False
