"""What comparisons of answers found out: evidence to learn from, counts for the bound, and what control makes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from synapse_cache import telemetry
from synapse_cache.audits.comparison import Likeness
from synapse_cache.audits.referee import BY_JUDGE
from synapse_cache.trust.evidence import Evidence, Source, Tally

if TYPE_CHECKING:
    from synapse_cache.audits.comparison import Comparison
    from synapse_cache.model import Entry, Place, Question
    from synapse_cache.trust.control import Control
    from synapse_cache.trust.trust import Trust


class Occasion(Enum):
    """What the stored answer was to the request."""

    SERVED = auto()
    """It was served by meaning."""
    SHADOWED = auto()
    """It would have been served by meaning: in shadow mode, suspended, or but for the strictness that audits made."""
    NEAR = auto()
    """The best of what was there, and not good enough."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A question, a stored answer to another one, and what is known of them; `own_id` is the question's own entry."""

    occasion: Occasion
    question: Question
    entry: Entry
    place: Place
    own_id: str = ""
    traits: tuple[float, ...] = ()


class Findings:
    """Hands on what was found out."""

    def __init__(self, trust: Trust, control: Control, *, clock: Callable[[], float] = time.time) -> None:
        self._trust = trust
        self._control = control
        self._clock = clock

    def take(self, pair: Pair, comparison: Comparison) -> None:
        """Learn from a comparison, count it, and let control react."""
        is_open = comparison.likeness is Likeness.OPEN
        wrong = comparison.likeness is Likeness.DIFFERENT
        if pair.occasion is Occasion.SERVED:
            telemetry.audited(comparison.likeness)
            self._trust.count(pair.place, Tally(audits=1, audits_wrong=int(wrong), audits_open=int(is_open)))
        if is_open:
            return
        if pair.occasion is Occasion.SHADOWED:
            telemetry.shadowed(comparison.likeness)
            self._trust.count(pair.place, Tally(shadows=1, shadows_wrong=int(wrong)))
        self._trust.learn(pair.place, [self._evidence(pair, comparison)])
        if pair.occasion is not Occasion.NEAR:
            self._control.compared(pair.place, same=not wrong)

    def _evidence(self, pair: Pair, comparison: Comparison) -> Evidence:
        source = Source.AUDIT if pair.occasion is Occasion.SERVED else Source.MISS
        return Evidence(
            Source.JUDGE if comparison.reason == BY_JUDGE else source,
            pair.entry.id,
            pair.question.key,
            same=comparison.likeness is Likeness.SAME,
            at=self._clock(),
            asked_id=pair.own_id,
            served=pair.occasion is Occasion.SERVED,
            traits=pair.traits,
            entry_key=pair.entry.key,
        )
