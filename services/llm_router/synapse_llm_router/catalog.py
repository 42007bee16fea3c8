"""The models that can be asked: configured ones, and those that backends list themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from synapse_llm_router.balancing import Target
from synapse_llm_router.ports import ListedModel, ListingFailed
from synapse_llm_router.routing import Route, Routes, UnknownModel

FRESH_SECONDS = 60.0
RETRY_SECONDS = 10.0
WAIT_SECONDS = 2.0
_MOST_KEPT = 10_000
Clock = Callable[[], float]
Lister = Callable[[], Awaitable[Sequence[ListedModel]]]


@dataclass(slots=True)
class KnownModel:
    """A model that can be asked: who serves it, and since when it is known (seconds since 1970)."""

    id: str
    created: float
    backends: list[str] = field(default_factory=list)


class Discovery:
    """What one backend lists, kept for a minute; a backend that fails keeps its last list and is left alone a while."""

    def __init__(self, lister: Lister, *, clock: Clock, wait_seconds: float = WAIT_SECONDS) -> None:
        self._lister = lister
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._next = float("-inf")
        self._asking = asyncio.Lock()
        self.models: Mapping[str, ListedModel] = {}

    async def refresh(self) -> None:
        """Ask the backend if its list is no longer fresh; waits `wait_seconds` at most and never fails."""
        if self._clock() < self._next:
            return
        async with self._asking:
            if self._clock() < self._next:
                return
            try:
                async with asyncio.timeout(self._wait_seconds):
                    listed = await self._lister()
            except (ListingFailed, TimeoutError):
                self._next = self._clock() + RETRY_SECONDS
                return
            self.models = {model.id: model for model in listed}
            self._next = self._clock() + FRESH_SECONDS


class Catalog:
    """Finds the backends of a model, and lists all models.

    `discoveries` has one entry for each backend whose own list counts. `started` is when the router did, in seconds
    since 1970.
    """

    def __init__(self, routes: Routes, discoveries: Mapping[str, Discovery], *, started: float) -> None:
        self._routes = routes
        self._started = started
        self._discoveries = discoveries
        self._found: dict[str, Route] = {}

    async def route(self, model: str) -> Route:
        """Where `model` goes; raises UnknownModel."""
        found = self._routes.listed(model) or self._discovered(model)
        if found is None:
            await self._refresh([offer.backend for offer in self._routes.offers if offer.discovers])
            found = self._discovered(model) or self._routes.rest(model)
        if found is None:
            raise UnknownModel(model)
        return found

    async def models(self) -> list[KnownModel]:
        """Every known model, by id, with its backends in order; one that does not answer only lacks its own."""
        await self._refresh(self._discoveries)
        known = {
            name: KnownModel(name, self._started, list(backends)) for name, backends in self._routes.models.items()
        }
        for offer in self._routes.offers:
            discovery = self._discoveries.get(offer.backend)
            listed = discovery.models if discovery else {}
            for name in (*offer.models, *listed):
                told = listed.get(name) or listed.get(offer.models.get(name, ""))
                model = known.setdefault(name, KnownModel(name, self._started))
                if offer.backend not in model.backends and name not in self._routes.models:
                    model.backends.append(offer.backend)
                if told and told.created is not None:
                    model.created = told.created
        return sorted(known.values(), key=lambda model: model.id)

    def models_at(self, backend: str) -> list[str]:
        """The models that lead to `backend`, as far as known without asking."""
        configured = [model for model, backends in self._routes.models.items() if backend in backends]
        discovery = self._discoveries.get(backend)
        return list(dict.fromkeys((*configured, *(discovery.models if discovery else ()))))

    def _discovered(self, model: str) -> Route | None:
        targets = tuple(
            Target(offer.backend, model)
            for offer in self._routes.offers
            if offer.discovers and model in self._discoveries[offer.backend].models
        )
        if not targets:
            return None
        kept = self._found.get(model)
        if kept is None or kept.targets != targets:
            if len(self._found) >= _MOST_KEPT:
                self._found.clear()
            kept = self._found[model] = self._routes.route(model, targets)
        return kept

    async def _refresh(self, backends: Sequence[str] | Mapping[str, Discovery]) -> None:
        if backends:
            await asyncio.gather(*(self._discoveries[name].refresh() for name in backends))
