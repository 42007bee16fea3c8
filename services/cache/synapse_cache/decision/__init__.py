"""May a stored answer be reused for a new wording? Pure decision logic: no I/O, no clock."""

from .features import TextFeatures, analyse
from .strict import CALIBRATED_FLOOR, CERTIFIED_ERROR, StrictDecision
from .verdict import Candidate, Decision, Verdict, VetoReason
from .veto import veto

__all__ = [
    "CALIBRATED_FLOOR",
    "CERTIFIED_ERROR",
    "Candidate",
    "Decision",
    "StrictDecision",
    "TextFeatures",
    "Verdict",
    "VetoReason",
    "analyse",
    "veto",
]
