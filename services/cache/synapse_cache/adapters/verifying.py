"""The decision as the settings ask for it: with the verifier that ships, or by the texts alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from synapse_cache import telemetry
from synapse_cache.adapters.verifier_onnx import FOLDER, OnnxVerifier
from synapse_cache.decision import Calibration, VerifiedDecision
from synapse_cache.ports import StoreUnavailable
from synapse_runtime.guard import DependencyDown, Guard

if TYPE_CHECKING:
    from synapse_cache.ports import Verifier
    from synapse_cache.settings import VerifierSettings


@asynccontextmanager
async def opened_decision(settings: VerifierSettings) -> AsyncIterator[VerifiedDecision]:
    """The decision, its verifier loaded until the block ends."""
    calibration = Calibration.read(FOLDER / "calibration.json")
    if not settings.enabled:
        yield VerifiedDecision(calibration, _nobody)
        return
    verifier = OnnxVerifier()
    try:
        yield guarded_decision(calibration, verifier, seconds=settings.budget_ms / 1000)
    finally:
        await verifier.close()


def guarded_decision(calibration: Calibration, verifier: Verifier, *, seconds: float) -> VerifiedDecision:
    """The decision with `verifier` behind a guard: down or late, it has no word, and what is open is not served."""
    guard = Guard("verifier", budget_seconds=seconds, failures=(StoreUnavailable,))

    async def ask(asked: str, stored: str) -> float | None:
        try:
            return await guard.call(lambda: verifier.score(asked, stored))
        except DependencyDown as down:
            telemetry.dependency_failed(down.name)
            return None

    return VerifiedDecision(calibration, ask, seconds=seconds)


async def _nobody(_asked: str, _stored: str) -> float | None:
    return None
