"""The admin REST API serves what the protos annotate, to those who may."""

from __future__ import annotations

import pytest

from tests.contract.gateway.conftest import World

VIEWER = {"authorization": "Bearer sk-viewer"}


async def test_stats_have_a_numeric_hit_rate_at_the_top(world: World) -> None:
    got = (await world.http.get("/api/v1/stats")).json()
    assert got["cache_hit_rate"] == 0
    assert isinstance(got["cache_hit_rate"], float)
    world.mesh.cache.stats.cache_hit_rate = 0.25
    assert (await world.http.get("/api/v1/stats", headers=VIEWER)).json()["cache_hit_rate"] == 0.25


async def test_an_entry_is_shown_to_its_own_tenant(world: World) -> None:
    got = await world.http.get("/api/v1/cache/ent%2F1", headers=VIEWER)
    assert got.json()["entry"]["id"] == "ent/1"
    assert got.json()["entry"]["tenant"] == "beta"


async def test_what_is_not_there_is_404_in_the_error_form(world: World) -> None:
    got = await world.http.get("/api/v1/cache/none")
    assert got.status_code == 404
    assert got.json()["error"]["message"] == "there is no entry of that id"
    assert got.headers["x-request-id"]


async def test_entries_are_invalidated_and_stored(world: World) -> None:
    got = await world.http.post("/api/v1/cache:invalidate", json={"namespace": "docs"})
    assert got.json()["removed"] == "3"
    assert world.mesh.cache.requests[0].namespace == "docs"
    body = {"request": {"model": "m", "messages": [{"role": "user", "text": "q"}]}, "generation": {"model": "m"}}
    assert (await world.http.post("/api/v1/cache", json=body)).json()["stored"] is True
    assert (await world.http.delete("/api/v1/cache/e")).json() == {"removed": "1"}


async def test_lookups_accept_both_spellings(world: World) -> None:
    for name in ("max_error", "maxError"):
        got = await world.http.post("/api/v1/cache:lookup", json={"control": {name: 0.5}}, headers=VIEWER)
        assert got.json()["outcome"]["status"] == "CACHE_STATUS_MISS"
        assert world.mesh.cache.requests[-1].control.max_error == 0.5


async def test_an_unknown_member_is_refused_by_name(world: World) -> None:
    got = await world.http.post("/api/v1/cache:lookup", json={"control": {"max_eror": 0.5}})
    assert got.status_code == 400
    assert got.json()["error"]["param"] == "control.max_eror"


@pytest.mark.parametrize(
    ("verb", "path"), [("POST", "/api/v1/cache"), ("POST", "/api/v1/cache:invalidate"), ("DELETE", "/api/v1/cache/e")]
)
async def test_a_viewer_changes_nothing(world: World, verb: str, path: str) -> None:
    got = await world.http.request(verb, path, headers=VIEWER)
    assert (got.status_code, got.json()["error"]["type"]) == (403, "permission_error")
    assert world.mesh.cache.requests == []


async def test_a_broken_body_is_400_and_an_unknown_path_404(world: World) -> None:
    assert (await world.http.post("/api/v1/cache:lookup", content=b"{")).status_code == 400
    assert (await world.http.get("/api/v1/nothing")).status_code == 404
    assert (await world.http.put("/api/v1/stats")).status_code == 405
