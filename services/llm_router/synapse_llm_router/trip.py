"""The way of one request: which backend it is given to next, and what is tried when one fails."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from synapse_llm_router import metrics, refusals
from synapse_llm_router.attempt import Attempt
from synapse_llm_router.backend import Backend
from synapse_llm_router.balancing import Target
from synapse_llm_router.faults import MOVING, Fault, fault_of, may_be_repeated
from synapse_llm_router.ports import Terms
from synapse_llm_router.queueing import NoPlace, wait_for_place
from synapse_llm_router.retries import RetryRules
from synapse_llm_router.routing import Route, UnknownModel
from synapse_runtime.errors import SynapseError

_log = logging.getLogger("synapse.router")


@dataclass(frozen=True, slots=True)
class World:
    """What every trip shares: the backends by name, the bounds of retries, the way to a model, time and chance."""

    backends: Mapping[str, Backend]
    retries: RetryRules
    route: Callable[[str], Awaitable[Route]]
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    random: Callable[[], float]


class Trip:
    """The way of one request along `route`.

    After each failed attempt `failed` either raises, or returns when there is something else to try, which `next` then
    gives. The other backends of the model come first, then the same ones again after a back-off, then the fallback
    models. What the caller is told when all of that fails is the last error that the model asked for met.
    """

    def __init__(self, world: World, route: Route, terms: Terms, *, streamed: bool | None) -> None:
        self._world = world
        self._backends = world.backends
        self._terms = terms
        self._streamed = streamed
        self._asked = self._route = route
        self._deadline = None if terms.remaining_seconds is None else world.clock() + terms.remaining_seconds
        self._service: str | None = None
        self._targets = self._eligible(route)
        self._tried: set[Target] = set()
        self._fallbacks = list(route.fallbacks)
        self._retries = 0
        self._waited = 0.0
        self._error: SynapseError | None = None
        self.attempts = 0
        if not self._targets:
            raise refusals.provider_key(route.model, given=bool(terms.provider_key))

    async def next(self) -> Attempt:
        """The next attempt, with a place at its backend; waits for one. Raises SynapseError."""
        while True:
            targets = self._candidates()
            try:
                if not targets:
                    raise refusals.nobody(self._route.model, [self._backends[t.backend] for t in self._targets])
                target = self._at_once(targets) or await self._queued(targets)
            except SynapseError as error:
                await self.failed(error)
            else:
                backend = self._backends[target.backend]
                if backend.admits:
                    return self._attempt(backend, target)
                backend.places.leave()  # it broke while the request waited for it

    async def failed(self, error: SynapseError, target: Target | None = None) -> None:
        """The attempt at `target`, or without one the search for a backend, ended in `error`.

        Returns when there is something else to try; raises SynapseError.
        """
        fault = fault_of(error)
        if self._route is self._asked and (self._error is None or target is not None):
            self._error = self._told(error, target)
        if target is not None and fault in MOVING:
            self._tried.add(target)
            if self._candidates():
                self._backends[target.backend].series.failed_over(fault.value)
                self._note("another backend is asked", error, fault, target)
                return
            if await self._backs_off(error, fault, target):
                return
        if await self._falls_back(error, fault):
            return
        raise self._error or error

    def _attempt(self, backend: Backend, target: Target) -> Attempt:
        terms = self._terms
        self.attempts += 1
        if self.attempts == 1:
            backend.budget.earn()
        elif self._deadline is not None:
            terms = replace(terms, remaining_seconds=max(0.0, self._deadline - self._world.clock()))
        return Attempt(backend, target, terms, streamed=self._streamed, replaceable=len(self._targets) > 1)

    def _eligible(self, route: Route) -> Sequence[Target]:
        """The targets that may be asked on these terms: a caller's key is only for the service that it came to."""
        backends = self._backends
        if not self._terms.provider_key:
            return [t for t in route.targets if backends[t.backend].traits.caller_keys != "required"]
        open_ones = [t for t in route.targets if backends[t.backend].traits.caller_keys != "forbidden"]
        if self._service is None and open_ones:
            self._service = backends[open_ones[0].backend].traits.service
        return [t for t in open_ones if backends[t.backend].traits.service == self._service]

    def _candidates(self) -> Sequence[Target]:
        """The targets not tried yet that are not left alone; those that asked to be left alone only if need be."""
        backends, tried = self._backends, self._tried
        found = [t for t in self._targets if t not in tried and backends[t.backend].admits]
        if len(found) > 1:
            return [t for t in found if not backends[t.backend].rests] or found
        return found

    def _at_once(self, targets: Sequence[Target]) -> Target | None:
        """Take a free place at the first target, by the strategy, that has one."""
        if len(targets) > 1:
            targets = self._route.balancer.order(targets, self._backends, streamed=bool(self._streamed))
        for target in targets:
            places = self._backends[target.backend].places
            if places.free:
                places.take()
                return target
        return None

    async def _queued(self, targets: Sequence[Target]) -> Target:
        """Wait for a place at any of the targets; raises SynapseError."""
        backends = [self._backends[target.backend] for target in targets]
        seconds = max(backend.traits.queue_seconds for backend in backends) - self._waited
        if self._deadline is not None:
            seconds = min(seconds, self._deadline - self._world.clock())
        began, outcome = self._world.clock(), "left"
        try:
            places = await wait_for_place([backend.places for backend in backends], seconds=seconds)
            outcome = "served"
        except NoPlace as error:
            outcome = "late" if error.waited else "full"
            raise refusals.no_place(self._route.model, waited=error.waited) from error
        finally:
            waited = self._world.clock() - began
            self._waited += waited
            metrics.QUEUE_SECONDS.labels(outcome).observe(waited)
        return next(target for target in targets if self._backends[target.backend].places is places)

    async def _backs_off(self, error: SynapseError, fault: Fault, target: Target) -> bool:
        """Wait before the same targets are asked again; False, at once, when that is not to be."""
        backend, world = self._backends[target.backend], self._world
        tried, self._tried = self._tried, set()
        delay = world.retries.delay(self._retries, error.retry_after_seconds, random=world.random)
        in_time = delay is not None and (self._deadline is None or world.clock() + delay < self._deadline)
        if (
            delay is None
            or not in_time
            or not may_be_repeated(error, fault)
            or not self._candidates()
            or not backend.budget.spend()
        ):
            self._tried = tried
            return False
        self._retries += 1
        backend.series.retried(fault.value)
        self._note("the request is repeated", error, fault, target)
        await world.sleep(delay)
        return True

    async def _falls_back(self, error: SynapseError, fault: Fault) -> bool:
        """Turn to the next model that is meant for such a failure; False when there is none."""
        for fallback in [one for one in self._fallbacks if fault in one.on]:
            self._fallbacks.remove(fallback)
            try:
                route = await self._world.route(fallback.model)
            except UnknownModel:
                _log.warning("no backend takes the fallback model", extra={"model": fallback.model})
                continue
            if targets := self._eligible(route):
                self._route, self._targets, self._tried = route, targets, set()
                metrics.FALLBACKS.labels(fault.value).inc()
                self._note("a fallback model is asked", error, fault, None)
                return True
        return False

    def _told(self, error: SynapseError, target: Target | None) -> SynapseError:
        """What the caller is told of `error`: that its backend starts, where health checks will see the end of that."""
        backend = self._backends[target.backend] if target else None
        if backend is None or not backend.is_starting:
            return error
        if backend.traits.watched:
            return refusals.starting(self._route.model, [backend])
        if error.retry_after_seconds is None:
            error.retry_after_seconds = backend.traits.starting_retry_seconds
        return error

    def _note(self, what: str, error: SynapseError, fault: Fault, target: Target | None) -> None:
        facts = {"request_id": self._terms.request_id, "fault": fault.value, "reason": error.reason}
        backend = target.backend if target else ""
        _log.info(what, extra={**facts, "backend": backend, "model": self._route.model, "attempts": self.attempts})
