"""Compares stored answers with fresh ones, and asks a judge about what the comparison leaves open."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from synapse_cache import telemetry
from synapse_cache.audits.comparison import Comparison, Likeness, Said, compare
from synapse_runtime.errors import SynapseError

if TYPE_CHECKING:
    from synapse_cache.model import Caller, Question
    from synapse_cache.ports import Judge

_log = logging.getLogger("synapse.cache.audits")
_MINUTE = 60.0
UNREADABLE = Comparison(Likeness.OPEN, "unreadable")
BY_JUDGE = "judge"
"""The reason of verdicts that a judge gave."""


class Referee:
    """Says whether two answers to a question say the same.

    `said` reads answers in the wire's form, None for one that it cannot read. A judge is asked at most
    `calls_per_minute` times a minute, and never about questions with a credential of the caller's own: they are
    nobody's business but the backend's that it is for.
    """

    def __init__(
        self,
        said: Callable[[bytes], Said | None],
        judge: Judge | None = None,
        *,
        calls_per_minute: int = 10,
        timeout_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._said = said
        self._judge = judge
        self._most = calls_per_minute
        self._timeout = timeout_seconds
        self._clock = clock
        self._asked: deque[float] = deque()

    def compare(self, stored: bytes, fresh: bytes) -> Comparison:
        """What the texts alone say."""
        one, two = self._said(stored), self._said(fresh)
        return UNREADABLE if one is None or two is None else compare(one, two)

    async def settle(self, question: Question, stored: bytes, fresh: bytes, caller: Caller) -> Comparison:
        """What the texts say, and a judge where they leave it open and one may be asked."""
        found = self.compare(stored, fresh)
        one, two = self._said(stored), self._said(fresh)
        if found.likeness is not Likeness.OPEN or one is None or two is None or not (one.text and two.text):
            return found
        if self._judge is None or question.prompt is None or question.credential or not self._affords():
            return found
        try:
            async with asyncio.timeout(self._timeout):
                same = await self._judge.same(question.prompt, one.text, two.text, caller=caller)
        except (SynapseError, TimeoutError) as error:
            telemetry.judged("failed")
            _log.info("the judge did not answer", extra={"cause": str(error) or "timeout"})
            return found
        telemetry.judged("open" if same is None else "same" if same else "different")
        if same is None:
            return found
        return Comparison(Likeness.SAME if same else Likeness.DIFFERENT, BY_JUDGE)

    def _affords(self) -> bool:
        """Whether another call of the judge is within its budget; counts it."""
        now = self._clock()
        while self._asked and now - self._asked[0] >= _MINUTE:
            self._asked.popleft()
        if len(self._asked) >= self._most:
            return False
        self._asked.append(now)
        return True
