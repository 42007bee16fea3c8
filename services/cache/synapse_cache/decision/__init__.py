"""May a stored answer be reused for a new wording? Decision logic without I/O; the verifier is handed in."""

from synapse_cache.decision.calibration import Calibration
from synapse_cache.decision.features import TextFeatures, analyse
from synapse_cache.decision.screening import Screened, screen
from synapse_cache.decision.verdict import Candidate, Decision, Judged, Standing, Verdict, VetoReason
from synapse_cache.decision.verified import VerifiedDecision
from synapse_cache.decision.veto import veto

__all__ = [
    "Calibration",
    "Candidate",
    "Decision",
    "Judged",
    "Screened",
    "Standing",
    "TextFeatures",
    "Verdict",
    "VerifiedDecision",
    "VetoReason",
    "analyse",
    "screen",
    "veto",
]
