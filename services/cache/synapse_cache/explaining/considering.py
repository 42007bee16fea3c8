"""What became of each candidate of a lookup by meaning, for whoever asks why it was served or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from synapse_cache.model import Considered

if TYPE_CHECKING:
    from synapse_cache.decision import Candidate, Judged, Standing, Verdict


def considered(
    candidates: Sequence[Candidate], verdict: Verdict, standing: Standing, *, gone: bool = False
) -> tuple[Considered, ...]:
    """The candidates with what the decision thought of them; `gone` says that the chosen one's answer is not there."""
    served = {one.candidate.entry_id: one for one in verdict.judged}
    known = served | {one.candidate.entry_id: one for one in verdict.every}
    found = []
    for candidate in candidates:
        one = known.get(candidate.entry_id)
        if candidate is verdict.candidate:
            reason = "entry_gone" if gone else ""
        elif one is not None and one.veto:
            reason = ""
        else:
            reason = _why_not(candidate, one, served.get(candidate.entry_id), verdict, standing)
        found.append(_considered(candidate, one, reason))
    return tuple(found)


def _considered(candidate: Candidate, one: Judged | None, reason: str) -> Considered:
    if one is None:
        return Considered(candidate.entry_id, candidate.text, candidate.similarity, reason=reason)
    return Considered(
        candidate.entry_id,
        candidate.text,
        candidate.similarity,
        veto=str(one.veto or ""),
        reason=reason,
        probability=None if one.error is None else 1 - one.error,
        score=one.score,
        doubt=str(one.doubt or ""),
    )


def _why_not(
    candidate: Candidate, one: Judged | None, served: Judged | None, verdict: Verdict, standing: Standing
) -> str:
    """Why a candidate without a veto was passed over; `served` is how the decision to serve saw it, if it did."""
    if candidate.similarity < standing.floor:
        return "below_floor"
    if one is None:
        return "not_best" if verdict.candidate is not None else verdict.reason
    if one.denied:
        return "denied"
    if one.error is not None and one.error > standing.bar:
        return "above_bar"
    if verdict.candidate is None and (served is None or served.error is None):
        return "unverified"
    return "suspended" if standing.suspended else "not_best"
