"""Feedback over a real gRPC channel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from synapse.cache.v1 import cache_pb2, outcome_pb2, trust_pb2
from synapse.cache.v1.cache_pb2_grpc import CacheServiceStub
from synapse_cache.app import SERVICE
from synapse_cache.rpc.feedback import FeedbackRpc
from synapse_cache.rpc.serving import ServingRpc
from synapse_runtime import errors
from synapse_runtime.channel import CallMetadata, open_channel, own_errors
from synapse_runtime.identity import Identity, Role
from synapse_runtime.server import Service, serving
from synapse_runtime.settings import MeshSettings
from tests.support.cache_world import RULES, CacheWorld, a_request, cache_world

MESH = MeshSettings.model_validate({"secret": "test-secret", "drain_seconds": 1})
FRANCE = "What is the capital of France?"
REWORDED = "what's the capital of France?"
WRONG, RIGHT = trust_pb2.RATING_WRONG, trust_pb2.RATING_RIGHT


@dataclass
class Door:
    """The service's stub, and the world behind it."""

    stub: CacheServiceStub
    world: CacheWorld

    def as_(self, role: Role, request_id: str = "req-1", tenant: str = "acme") -> dict[str, object]:
        return {"metadata": CallMetadata(MESH).of(Identity(tenant, role.value, role), request_id), "timeout": 5}

    async def ask(self, text: str, request_id: str = "req-1") -> outcome_pb2.Outcome:
        request = cache_pb2.GenerateRequest(request=a_request(text))
        reply = await self.stub.Generate(request, **self.as_(Role.VIEWER, request_id))
        await self.world.settled()
        return reply.outcome

    async def say(self, role: Role = Role.VIEWER, **said: object) -> tuple[str, int]:
        reply = await self.stub.ReportFeedback(trust_pb2.ReportFeedbackRequest(**said), **self.as_(role))
        return reply.effect, reply.removed


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with cache_world() as world:
        faces = (ServingRpc(world.cache, RULES), FeedbackRpc(world.feedback))
        async with (
            serving("127.0.0.1:0", [Service(SERVICE, *faces)], mesh=MESH) as server,
            open_channel(f"127.0.0.1:{server.port}", linked=False) as channel,
        ):
            yield Door(CacheServiceStub(channel), world)


async def test_a_viewer_splits_a_pair_by_its_request(door: Door) -> None:
    entry_id = (await door.ask(FRANCE)).entry_id
    assert (await door.ask(REWORDED, "reworded")).entry_id == entry_id
    effect, _ = await door.say(entry_id=entry_id, rating=WRONG, request_id="reworded", comment="Lyon!")
    assert effect == "split"
    assert (await door.ask(REWORDED)).status == outcome_pb2.CACHE_STATUS_MISS
    assert (await door.ask(FRANCE)).entry_id == entry_id


async def test_a_right_answer_is_confirmed(door: Door) -> None:
    entry_id = (await door.ask(FRANCE)).entry_id
    await door.ask(REWORDED, "reworded")
    assert await door.say(entry_id=entry_id, rating=RIGHT, request_id="reworded") == ("confirmed", 0)
    assert await door.say(entry_id=entry_id, rating=RIGHT) == ("noted", 0)


async def test_the_role_decides_what_a_wrong_entry_comes_to(door: Door) -> None:
    entry_id = (await door.ask(FRANCE)).entry_id
    assert await door.say(entry_id=entry_id, rating=WRONG) == ("noted", 0)
    assert await door.say(Role.OPERATOR, entry_id=entry_id, rating=WRONG) == ("evicted", 1)
    with pytest.raises(errors.NotFound), own_errors():
        await door.say(Role.OPERATOR, entry_id=entry_id, rating=WRONG)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"rating": WRONG}, "entry_id"),
        ({"entry_id": "e"}, "rating"),
        ({"entry_id": "e", "rating": WRONG, "comment": "x" * 1001}, "comment"),
        ({"entry_id": "e", "rating": WRONG, "idempotency_key": "x" * 129}, "idempotency_key"),
    ],
)
async def test_a_report_that_is_not_clear_is_refused_by_its_field(
    door: Door, said: dict[str, object], field: str
) -> None:
    with pytest.raises(errors.InvalidArgument) as caught, own_errors():
        await door.say(**said)
    assert caught.value.metadata["field"] == field


async def test_a_caller_beyond_its_limit_is_told_when_to_come_back(door: Door) -> None:
    entry_id = (await door.ask(FRANCE)).entry_id
    for _ in range(30):
        await door.say(entry_id=entry_id, rating=RIGHT)
    with pytest.raises(errors.ResourceExhausted) as caught, own_errors():
        await door.say(entry_id=entry_id, rating=RIGHT)
    assert caught.value.reason == "FEEDBACK_LIMIT"
    assert caught.value.retry_after_seconds is not None
