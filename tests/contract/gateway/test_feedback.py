"""Feedback over REST: in the body, or as the headers of the reply that it is about; from any key."""

from __future__ import annotations

import pytest

from synapse.cache.v1 import trust_pb2
from synapse_runtime.identity import Role
from tests.contract.gateway.conftest import World

VIEWER = {"authorization": "Bearer sk-viewer"}
REPLY = {"x-synapse-entry-id": "e1", "x-request-id": "req-7"}
PATH = "/api/v1/feedback"


async def test_a_report_in_the_body_reaches_the_cache(world: World) -> None:
    said = {"entry_id": "e1", "rating": "RATING_WRONG", "request_id": "req-7", "comment": "no", "idempotency_key": "k"}
    got = await world.http.post(PATH, json=said)
    assert got.json() == {"effect": "split", "removed": "1"}
    assert world.mesh.cache.requests == [trust_pb2.ReportFeedbackRequest(**said)]


async def test_the_headers_of_a_reply_may_be_sent_back_instead(world: World) -> None:
    await world.http.post(PATH, json={"rating": "RATING_RIGHT"}, headers=REPLY)
    expected = trust_pb2.ReportFeedbackRequest(entry_id="e1", request_id="req-7", rating=trust_pb2.RATING_RIGHT)
    assert world.mesh.cache.requests == [expected]


@pytest.mark.parametrize("spelling", ["entry_id", "entryId"])
async def test_the_body_comes_before_the_headers(world: World, spelling: str) -> None:
    await world.http.post(PATH, json={"rating": "RATING_RIGHT", spelling: "e2"}, headers=REPLY)
    assert [request.entry_id for request in world.mesh.cache.requests] == ["e2"]


async def test_a_viewer_may_report_and_its_role_is_told(world: World) -> None:
    got = await world.http.post(PATH, json={"rating": "RATING_WRONG"}, headers=VIEWER | REPLY)
    assert got.status_code == 200
    identity = world.mesh.cache.calls[0].identity
    assert (identity.tenant, identity.role) == ("beta", Role.VIEWER)


async def test_other_calls_take_nothing_from_these_headers(world: World) -> None:
    got = await world.http.post("/api/v1/cache:invalidate", json={"namespace": "docs"}, headers=REPLY)
    assert got.status_code == 200
    assert world.mesh.cache.requests[0].id == ""


async def test_a_report_without_a_key_is_refused(world: World) -> None:
    got = await world.http.post(PATH, json={"rating": "RATING_WRONG"}, headers=REPLY | {"authorization": "Bearer no"})
    assert got.status_code == 401
    assert world.mesh.cache.requests == []
