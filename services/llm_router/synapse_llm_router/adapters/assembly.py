"""A fleet out of the settings."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

from synapse_llm_router.adapters.roster import Roster
from synapse_llm_router.backend import Rules
from synapse_llm_router.balancing import Balancer, Cheapest, LeastInFlight, Ordered, Quickest, Target, Weighted
from synapse_llm_router.breaker import BreakerRules
from synapse_llm_router.catalog import Catalog
from synapse_llm_router.dispatch import Dispatcher
from synapse_llm_router.faults import Fault
from synapse_llm_router.fleet import Fleet
from synapse_llm_router.prices import CurrentPrices
from synapse_llm_router.retries import RetryRules
from synapse_llm_router.routing import Fallback, Offer, Routes, Rule, models_of
from synapse_llm_router.settings import RouterSettings
from synapse_llm_router.trip import World

_INPUT_SHARE = 0.75
_RANDOM = random.SystemRandom()


async def fleet_of(settings: RouterSettings, roster: Roster, prices: CurrentPrices) -> Fleet:
    """The fleet of these settings, to be entered and closed by the caller; raises SettingsError, and asks nobody.

    Every backend's key must be at its place in `api_key`. What `roster` has of the backends already is shared.
    """
    rules = Rules(BreakerRules(**settings.breaker.model_dump()), RetryRules(**settings.retries.model_dump()))
    async with AsyncExitStack() as stack:
        shares = []
        for one in settings.backends:
            shares.append(roster.share(one, rules, starting_retry_seconds=settings.starting_retry_seconds))
            stack.push_async_callback(shares[-1].close)
        members = [share.member for share in shares]
        backends = {member.backend.name: member.backend for member in members}
        discoveries = {member.backend.name: member.discovery for member in members if member.discovery}
        catalog = Catalog(_routes(settings, prices), discoveries, started=roster.started)
        world = World(backends, rules.retries, catalog.route, time.monotonic, asyncio.sleep, _RANDOM.random)
        watches = [member.watch for member in members if member.watch]
        stack.pop_all()
    return Fleet(tuple(backends.values()), catalog, Dispatcher(world), watches=watches, closing=shares)


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
