"""What decisions draw from one namespace's history: what its verdicts taught, and how its budget is being spent."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from synapse_cache.decision.budget import Budget
from synapse_cache.decision.learning import MOST_VERDICTS, PRIOR, Posterior, Traits, learn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from synapse_cache.decision import Verdict
    from synapse_cache.trust.evidence import Evidence

_FEWEST_NEW = 5
_NEW_SHARE = 0.05


class Experience:
    """Learns anew whenever the verdicts have grown by a twentieth: that costs a millisecond or two."""

    def __init__(self) -> None:
        self.budget = Budget()
        self.posterior: Posterior = PRIOR
        self._verdicts: deque[tuple[Traits, bool]] = deque(maxlen=MOST_VERDICTS)
        self._new = 0

    def learn(self, evidence: Iterable[Evidence]) -> None:
        """Take verdicts in; those without traits, such as of exact hits, teach nothing here."""
        for one in evidence:
            if len(one.traits) == 2:
                self._verdicts.append(((one.traits[0], one.traits[1]), one.same))
                self._new += 1
        if self._new >= max(_FEWEST_NEW, _NEW_SHARE * len(self._verdicts)):
            self._new = 0
            self.posterior = learn(list(self._verdicts))

    def note(self, verdict: Verdict | None) -> None:
        """A request was looked up by meaning; None where there was no candidate."""
        best = verdict.best if verdict is not None else None
        self.budget.note(best.error if best is not None else None)
