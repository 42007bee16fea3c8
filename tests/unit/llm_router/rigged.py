"""A dispatcher over scripted backends, with a clock that only waiting moves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse_llm_router.backend import Backend, Rules, Traits
from synapse_llm_router.balancing import Balancer, Ordered, Target
from synapse_llm_router.breaker import BreakerRules
from synapse_llm_router.dispatch import Dispatcher
from synapse_llm_router.ports import Terms
from synapse_llm_router.retries import RetryRules
from synapse_llm_router.routing import Fallback, Route, UnknownModel
from synapse_llm_router.trip import World
from tests.support.clock import Clock
from tests.unit.llm_router.scripted import Scripted

BREAKER = BreakerRules(consecutive_failures=5, cooldown_seconds=5)
NO_RETRIES = RetryRules(max_retries=0)
RETRIES = RetryRules(max_retries=2, base_seconds=0.25)


class Rig:
    """`pools` maps models to the backends of each; `traits` are given to all backends."""

    def __init__(
        self,
        pools: dict[str, Sequence[Scripted]],
        *,
        retries: RetryRules = NO_RETRIES,
        breaker: BreakerRules = BREAKER,
        fallbacks: Sequence[Fallback] = (),
        balancer: Balancer | None = None,
        **traits: Any,
    ) -> None:
        self.clock = Clock(1_000.0)
        self.slept: list[float] = []
        self.sleeps_for_ever = False
        self.heard: list[str] = []
        self.chance = 0.0
        rules = Rules(breaker, retries)
        scripts = {script.name: script for pool in pools.values() for script in pool}
        self.backends = {
            name: Backend(Traits(name, **self._of(traits, name)), script, rules, clock=self.clock)
            for name, script in scripts.items()
        }
        self._routes = {
            model: Route(
                model,
                tuple(Target(script.name, f"{script.name}-{model}") for script in pool),
                balancer or Ordered(),
                tuple(fallbacks) if model == "m" else (),
            )
            for model, pool in pools.items()
        }
        world = World(self.backends, retries, self._route, self.clock, self._sleep, lambda: self.chance)
        self.dispatcher = Dispatcher(world)

    async def ask(self, *, key: str = "", remaining: float | None = None) -> str:
        """The backend that gave the whole answer for the model m."""
        terms = Terms(remaining, "r", provider_key=key)
        return (await self.dispatcher.generate(GenerationRequest(model="m"), terms)).origin.backend

    async def stream(self) -> list[str]:
        """The backends that the events of a streamed answer came from."""
        async for response in self.dispatcher.stream(GenerationRequest(model="m"), Terms(None, "r")):
            self.heard.append(response.origin.backend)
        return self.heard

    def know(self, *names: str) -> None:
        """Let these backends, or all, have answered before."""
        for name in names or self.backends:
            self.backends[name].check_passed()

    @staticmethod
    def _of(traits: dict[str, Any], name: str) -> dict[str, Any]:
        """The traits of one backend: a dict among the values tells them by backend."""
        return {key: value[name] if isinstance(value, dict) else value for key, value in traits.items()}

    async def _route(self, model: str) -> Route:
        if model not in self._routes:
            raise UnknownModel(model)
        return self._routes[model]

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self.sleeps_for_ever:
            await asyncio.Event().wait()
        self.clock.advance(seconds)
