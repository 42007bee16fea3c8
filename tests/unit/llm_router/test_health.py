"""A backend is watched while nobody asks it, closely while it starts."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

from synapse_llm_router.backend import Backend, Rules, State, Traits
from synapse_llm_router.health import Watch
from synapse_llm_router.ports import CheckFailed
from tests.support.clock import Clock
from tests.unit.llm_router.scripted import Scripted


class Enough(Exception):
    """The watch has slept as often as the test wanted."""


class Watched:
    """A watched backend whose checks end as `outcomes` say: "" passes, other words fail."""

    def __init__(self, *outcomes: str) -> None:
        self.clock = Clock(1_000.0)
        self.backend = Backend(Traits("a", watched=True), Scripted("a"), Rules(), clock=self.clock)
        self.outcomes = deque(outcomes)
        self.slept: list[float] = []
        self.looks = 0

    async def run(self, *, sleeps: int) -> None:
        watch = Watch(self.backend, self._check, interval_seconds=10, sleep=self._sleep)
        self._sleeps = sleeps
        with pytest.raises(Enough):
            await watch.run()

    async def _check(self) -> None:
        self.looks += 1
        if why := self.outcomes.popleft():
            raise CheckFailed(why)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)
        if len(self.slept) == self._sleeps:
            raise Enough
        await asyncio.sleep(0)


async def test_a_backend_is_looked_at_at_once_and_closely_until_it_answers() -> None:
    watched = Watched(*["refused"] * 6, "", "")
    await watched.run(sleeps=8)
    assert watched.slept == [0.1, 0.2, 0.4, 0.8, 1.6, 2, 10, 10]
    assert watched.backend.state is State.HEALTHY


async def test_a_backend_that_does_not_answer_is_starting_and_not_asked() -> None:
    watched = Watched("refused")
    await watched.run(sleeps=1)
    assert (watched.backend.is_starting, watched.backend.admits) == (True, False)


async def test_a_backend_that_was_heard_of_is_not_looked_at() -> None:
    watched = Watched("")
    watched.backend.answered(0.1, streamed=True, trial=False)
    await watched.run(sleeps=1)
    assert watched.looks == 0
    await watched.run(sleeps=2)
    assert watched.looks == 1


async def test_five_checks_that_fail_in_a_row_are_enough() -> None:
    watched = Watched("", *["500"] * 5)
    await watched.run(sleeps=5)
    assert watched.backend.state is State.HEALTHY
    await watched.run(sleeps=6)
    assert watched.backend.state is State.PROBING
