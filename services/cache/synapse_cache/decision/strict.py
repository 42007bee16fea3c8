"""The strict decision: the most similar candidate above the floor that the text veto lets pass."""

from __future__ import annotations

import math
from collections.abc import Sequence

from synapse_cache.decision.features import analyse
from synapse_cache.decision.verdict import Candidate, Judged, Standing, Verdict
from synapse_cache.decision.veto import veto

# One grid step above what scripts/calibrate_floor.py chooses on the dev halves; docs/decision.md has the figures.
CALIBRATED_FLOOR = 0.75
CERTIFIED_ERROR = 0.01
MAX_CANDIDATES = 8


class StrictDecision:
    """Serves a candidate at or above `floor` (a cosine) that no veto speaks against.

    `CERTIFIED_ERROR` is the rate that the calibration vouches for: a `max_error` below it, 0 included, turns
    semantic reuse off, since no floor of this decision is known to keep it.
    """

    def __init__(self, floor: float = CALIBRATED_FLOOR) -> None:
        if not 0.0 < floor <= 1.0:
            raise ValueError(f"a similarity floor lies above 0 and at or below 1, not {floor}")
        self.floor = floor

    async def decide(self, text: str, candidates: Sequence[Candidate], standing: Standing) -> Verdict:
        """The best of the `MAX_CANDIDATES` nearest candidates that passes; they may come in any order."""
        if standing.suspended:
            return Verdict(None, "suspended")
        if not standing.max_error >= CERTIFIED_ERROR:
            return Verdict(None, "max_error")
        floor = max(self.floor, standing.floor)
        near = [one for one in candidates if math.isfinite(one.similarity) and one.similarity >= floor]
        if not near:
            return Verdict(None, "below_floor" if candidates else "no_candidate")
        asked = analyse(text)
        judged: list[Judged] = []
        for candidate in sorted(near, key=lambda one: -one.similarity)[:MAX_CANDIDATES]:
            reason = veto(asked, analyse(candidate.text))
            judged.append(Judged(candidate, reason))
            if reason is None:
                return Verdict(candidate, "semantic", tuple(judged))
        return Verdict(None, f"veto_{judged[0].veto}", tuple(judged))
