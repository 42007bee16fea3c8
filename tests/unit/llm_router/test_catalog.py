"""Lists of backends are asked for seldom, waited for briefly, and missed by nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from synapse_llm_router.balancing import Ordered, Target
from synapse_llm_router.catalog import FRESH_SECONDS, RETRY_SECONDS, Catalog, Discovery
from synapse_llm_router.ports import ListedModel, ListingFailed
from synapse_llm_router.routing import Offer, Routes, Rule, UnknownModel


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
    routes = Routes([Offer("asked", {}), *others], balancer=lambda _: Ordered())
    discovery = Discovery(backend, clock=clock, wait_seconds=wait_seconds)
    return Catalog(routes, {"asked": discovery}, started=clock())


async def targets(found: Catalog, model: str) -> tuple[Target, ...]:
    return (await found.route(model)).targets


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
    assert await targets(found, "a") == (Target("asked", "a"),)
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
    assert await targets(found, "m") == (Target("other", "n"),)
    assert backend.calls == 0


async def test_a_model_is_as_old_as_its_backend_says_else_as_the_catalog() -> None:
    found = catalog(Backend("a"), Clock(), Offer("other", {"m": "m"}))
    assert {model.id: (model.created, model.backends) for model in await found.models()} == {
        "a": (77, ["asked"]),
        "m": (1_000.0, ["other"]),
    }


async def test_every_backend_that_lists_a_discovered_model_is_in_its_pool() -> None:
    routes = Routes([Offer("x", {}), Offer("y", {})], balancer=lambda _: Ordered())
    lists = {"x": Backend("a"), "y": Backend("a", "b")}
    found = Catalog(routes, {name: Discovery(one, clock=Clock()) for name, one in lists.items()}, started=0)
    assert [target.backend for target in await targets(found, "a")] == ["x", "y"]
    assert await targets(found, "b") == (Target("y", "b"),)
    assert await found.route("a") is await found.route("a")


async def test_a_route_decides_who_is_told_to_serve_a_model() -> None:
    rule = Rule("m", (Target("b", "m"),))
    offers = [Offer("a", {"m": "m"}), Offer("b", {"n": "n"})]
    found = Catalog(Routes(offers, balancer=lambda _: Ordered(), rules=[rule]), {}, started=0)
    assert {model.id: model.backends for model in await found.models()} == {"m": ["b"], "n": ["b"]}
    assert found.models_at("b") == ["m", "n"]
    assert found.models_at("a") == []
