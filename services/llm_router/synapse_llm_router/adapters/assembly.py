"""A fleet out of the settings."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from synapse_llm_router.adapters.build import check_of, upstream_of
from synapse_llm_router.adapters.priced import PricedUpstream
from synapse_llm_router.backend import Backend, Rules, Traits
from synapse_llm_router.balancing import Balancer, Cheapest, LeastInFlight, Ordered, Quickest, Target, Weighted
from synapse_llm_router.breaker import BreakerRules
from synapse_llm_router.catalog import Catalog, Lister
from synapse_llm_router.dispatch import Dispatcher
from synapse_llm_router.faults import Fault
from synapse_llm_router.fleet import Fleet
from synapse_llm_router.health import Watch
from synapse_llm_router.ports import Closing, Upstream
from synapse_llm_router.prices import CurrentPrices
from synapse_llm_router.retries import RetryRules
from synapse_llm_router.routing import Fallback, Offer, Routes, Rule, models_of
from synapse_llm_router.settings import BackendSettings, RouterSettings
from synapse_llm_router.trip import World

_INPUT_SHARE = 0.75
_RANDOM = random.SystemRandom()


def fleet_of(settings: RouterSettings, prices: CurrentPrices) -> Fleet:
    """The fleet of these settings, to be entered and closed by the caller; raises SettingsError, and opens nothing.

    Every backend's key must be at its place in `api_key`.
    """
    rules = Rules(BreakerRules(**settings.breaker.model_dump()), RetryRules(**settings.retries.model_dump()))
    upstreams: dict[str, Upstream] = {
        one.name: PricedUpstream(upstream_of(one), one.provider, prices) for one in settings.backends
    }
    backends = {
        one.name: Backend(_traits(one, settings), upstreams[one.name], rules, clock=time.monotonic)
        for one in settings.backends
    }
    catalog = Catalog(_routes(settings, prices), _listers(settings, upstreams), clock=time.time)
    world = World(backends, rules.retries, catalog.route, time.monotonic, asyncio.sleep, _RANDOM.random)
    checks = {one.name: check_of(one) for one in settings.backends if one.health.interval_of(one.provider)}
    watches = [
        Watch(backends[one.name], checks[one.name], interval_seconds=one.health.interval_of(one.provider))
        for one in settings.backends
        if one.name in checks
    ]
    closing: tuple[Closing, ...] = (*checks.values(), *upstreams.values())
    return Fleet(tuple(backends.values()), catalog, Dispatcher(world), watches=watches, closing=closing)


def _traits(one: BackendSettings, settings: RouterSettings) -> Traits:
    parts = urlsplit(one.endpoint)
    return Traits(
        one.name,
        one.provider,
        service=f"{parts.scheme}://{parts.netloc}".lower(),
        caller_keys=one.caller_keys,
        max_in_flight=one.max_in_flight,
        max_queued=one.max_queued,
        queue_seconds=one.queue_seconds,
        starting_retry_seconds=settings.starting_retry_seconds,
        watched=one.health.interval_of(one.provider) > 0,
    )


def _routes(settings: RouterSettings, prices: CurrentPrices) -> Routes:
    offers = [Offer(one.name, models_of(one.models), one.wildcard) for one in settings.backends]
    rules = [
        Rule(
            route.model,
            tuple(Target(one.backend, one.model or route.model, one.weight) for one in route.targets),
            route.strategy or "",
            tuple(Fallback(frozenset(map(Fault, one.on)), one.model) for one in route.fallbacks),
        )
        for route in settings.routes
    ]
    balancer = _balancers(settings, prices)
    return Routes(offers, balancer=balancer, rules=rules, default_backend=settings.default_backend)


def _balancers(settings: RouterSettings, prices: CurrentPrices) -> Callable[[str], Balancer]:
    providers = {one.name: one.provider for one in settings.backends}

    def cost(target: Target) -> float | None:
        """Dollars for a million tokens, of which three quarters are prompt, as is usual."""
        price = prices.price(target.model, provider=providers[target.backend], backend=target.backend)
        if price is None:
            return None
        return _INPUT_SHARE * price.rates.input + (1 - _INPUT_SHARE) * price.rates.output

    def balancer(strategy: str) -> Balancer:
        match strategy or settings.strategy:
            case "weighted":
                return Weighted()
            case "least_in_flight":
                return LeastInFlight()
            case "latency":
                return Quickest(exploration=settings.latency_exploration, random=_RANDOM.random)
            case "cost":
                return Cheapest(cost)
        return Ordered()

    return balancer


def _listers(settings: RouterSettings, upstreams: Mapping[str, Upstream]) -> dict[str, Lister]:
    """The backends whose own lists count: those that take models which the configuration does not name."""
    return {one.name: upstreams[one.name].list_models for one in settings.backends if one.wildcard or not one.models}
