"""May a stored answer be reused for a new wording? Pure decision logic: no I/O, no clock."""

from synapse_cache.decision.features import TextFeatures, analyse
from synapse_cache.decision.strict import CALIBRATED_FLOOR, CERTIFIED_ERROR, StrictDecision
from synapse_cache.decision.verdict import Candidate, Decision, Judged, Standing, Verdict, VetoReason
from synapse_cache.decision.veto import veto

__all__ = [
    "CALIBRATED_FLOOR",
    "CERTIFIED_ERROR",
    "Candidate",
    "Decision",
    "Judged",
    "Standing",
    "StrictDecision",
    "TextFeatures",
    "Verdict",
    "VetoReason",
    "analyse",
    "veto",
]
