"""Lists of backends are asked for seldom, waited for briefly, and missed by nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from synapse_llm_router.catalog import FRESH_SECONDS, RETRY_SECONDS, Catalog
from synapse_llm_router.ports import ListedModel, ListingFailed
from synapse_llm_router.routing import Offer, Route, Routes, UnknownModel


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Backend:
    """A backend's list, which may be late or fail."""

    def __init__(self, *models: str) -> None:
        self.models = models
        self.calls = 0
        self.fails = False
        self.delay_seconds = 0.0

    async def __call__(self) -> Sequence[ListedModel]:
        self.calls += 1
        await asyncio.sleep(self.delay_seconds)
        if self.fails:
            raise ListingFailed("down")
        return [ListedModel(model, 77) for model in self.models]


def catalog(backend: Backend, clock: Clock, *others: Offer, wait_seconds: float = 0.05) -> Catalog:
    routes = Routes([Offer("asked", {}), *others])
    return Catalog(routes, {"asked": backend}, clock=clock, wait_seconds=wait_seconds)


async def ids(found: Catalog) -> list[str]:
    return [model.id for model in await found.models()]


async def test_a_list_is_kept_for_a_minute() -> None:
    backend, clock = Backend("a"), Clock()
    found = catalog(backend, clock)
    assert await ids(found) == await ids(found) == ["a"]
    assert backend.calls == 1
    backend.models = ("a", "b")
    clock.now += FRESH_SECONDS + 1
    assert await ids(found) == ["a", "b"]


async def test_calls_at_once_ask_once() -> None:
    backend = Backend("a")
    found = catalog(backend, Clock())
    await asyncio.gather(*(found.route("a") for _ in range(20)))
    assert backend.calls == 1


async def test_a_known_model_needs_no_new_list() -> None:
    backend, clock = Backend("a"), Clock()
    found = catalog(backend, clock)
    await found.route("a")
    clock.now += 10 * FRESH_SECONDS
    assert await found.route("a") == Route("asked", "a")
    assert backend.calls == 1


async def test_a_backend_that_fails_keeps_its_last_list_and_is_left_alone_a_while() -> None:
    backend, clock = Backend("a"), Clock()
    found = catalog(backend, clock)
    await found.models()
    backend.fails = True
    clock.now += FRESH_SECONDS + 1
    assert await ids(found) == await ids(found) == ["a"]
    assert backend.calls == 2
    clock.now += RETRY_SECONDS + 1
    assert await ids(found) == ["a"]
    assert backend.calls == 3


async def test_a_late_backend_is_waited_for_only_so_long() -> None:
    backend = Backend("a")
    backend.delay_seconds = 30
    found = catalog(backend, Clock(), Offer("other", {"m": "m"}))
    async with asyncio.timeout(2):
        assert await ids(found) == ["m"]


async def test_an_unknown_model_is_unknown() -> None:
    with pytest.raises(UnknownModel):
        await catalog(Backend("a"), Clock()).route("b")


async def test_a_listed_model_asks_nobody() -> None:
    backend = Backend("m")
    found = catalog(backend, Clock(), Offer("other", {"m": "n"}))
    assert await found.route("m") == Route("other", "n")
    assert backend.calls == 0


async def test_a_model_is_as_old_as_its_backend_says_else_as_the_catalog() -> None:
    found = catalog(Backend("a"), Clock(), Offer("other", {"m": "m"}))
    assert {model.id: (model.created, model.backends) for model in await found.models()} == {
        "a": (77, ["asked"]),
        "m": (1_000.0, ["other"]),
    }
