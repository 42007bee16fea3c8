"""The cache's decision on a stream, in this process: the very classes that the cache service runs.

`make` is a policy for the yardstick `stream_eval.py --policy scripts.verifier.replay:make`: hits that are audited count
as misses, and the yardstick's feedback is the verdict that comparing the answers would give.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scripts.verifier.embedding import embed

from synapse_cache.adapters.verifier_onnx import FOLDER, OnnxVerifier
from synapse_cache.decision import Calibration, Candidate, VerifiedDecision
from synapse_cache.decision.learning import record
from synapse_cache.decision.verdict import Judged, Standing
from synapse_cache.trust.evidence import Evidence, Source
from synapse_cache.trust.experience import Experience

AUDIT_SHARE = 0.02
_CANDIDATES = 8
_LOWEST_COSINE = 0.7


@cache
def _verifier() -> OnnxVerifier:
    return OnnxVerifier()


async def _ask(asked: str, stored: str) -> float | None:
    return _verifier().logit(stored, asked)


class Replay:
    """One cache, empty at first; `max_error` is its budget, `audits` the share of its hits that are audited."""

    def __init__(
        self,
        vectors: NDArray[np.float32],
        texts: Sequence[str],
        *,
        max_error: float = 0.01,
        audits: float = AUDIT_SHARE,
        learns: bool = True,
        seed: int = 0,
        calibration: Calibration | None = None,
        ask: Callable[[str, str], Awaitable[float | None]] = _ask,
    ) -> None:
        self._vectors, self._texts = vectors, texts
        self._max_error, self._audits, self._learns = max_error, audits, learns
        self._decision = VerifiedDecision(calibration or Calibration.read(FOLDER / "calibration.json"), ask, seconds=5)
        self._experience = Experience()
        self._rng = random.Random(seed)  # noqa: S311  # no secret
        self._stored: list[int] = []
        self._records: dict[str, list[int]] = {}
        self._judged: Judged | None = None
        self._loop = asyncio.new_event_loop()
        self.candidate: int | None = None

    def request(self, place: int, _text: str) -> int | None:
        """The place of the earlier request whose answer is served; None for a miss, which is stored."""
        verdict = self._loop.run_until_complete(self._decide(place))
        self._experience.note(verdict)
        best = verdict.best if verdict is not None else None
        self._judged = best
        self.candidate = int(best.candidate.entry_id) if best is not None else None
        served = verdict is not None and verdict.candidate is not None
        if served and not self._is_audited():
            return self.candidate
        self._stored.append(place)
        return None

    def feedback(self, _place: int, candidate: int, same: bool) -> None:  # noqa: FBT001  # the yardstick's signature
        """The fresh answer was compared with the candidate's."""
        if not self._learns or self._judged is None:
            return
        counts = self._records.setdefault(str(candidate), [0, 0])
        counts[not same] += 1
        evidence = Evidence(Source.MISS, str(candidate), "", same, 0.0, traits=self._judged.traits)
        self._experience.learn([evidence])

    def close(self) -> None:
        """Let go of the loop that decisions run in."""
        self._loop.close()

    async def _decide(self, place: int) -> Any:
        if not self._stored:
            return None
        cosines = self._vectors[self._stored] @ self._vectors[place]
        nearest = [int(one) for one in np.argsort(-cosines)[:_CANDIDATES] if cosines[one] >= _LOWEST_COSINE]
        if not nearest:
            return None
        candidates = [
            Candidate(str(self._stored[one]), self._texts[self._stored[one]], float(cosines[one])) for one in nearest
        ]
        standing = Standing(
            self._max_error,
            bar=self._experience.budget.bar(self._max_error),
            floor=_LOWEST_COSINE,
            posterior=self._experience.posterior,
            record=lambda entry_id: record(*self._records.get(entry_id, (0, 0))),
        )
        return await self._decision.decide(self._texts[place], candidates, standing)

    def _is_audited(self) -> bool:
        return self._rng.random() < self._audits


def make(rows: Sequence[dict[str, Any]], seed: int) -> Replay:
    """The policy of the yardstick at a budget of 1 %."""
    texts = [row["text"] for row in rows]
    return Replay(embed(texts), texts, seed=seed)
