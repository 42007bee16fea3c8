"""Explain and ExplainVariations over a real gRPC channel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from copy import copy
from dataclasses import dataclass
from typing import Any

import pytest

from synapse.cache.v1 import explain_pb2 as wire
from synapse.cache.v1 import outcome_pb2
from synapse.cache.v1.cache_pb2_grpc import CacheServiceStub
from synapse.llm.v1.request_pb2 import GENERATION_KIND_COMPLETION, GenerationRequest
from synapse_cache.app import SERVICE
from synapse_cache.rpc.explain import ExplainRpc
from synapse_cache.thresholds.thresholds import Level
from synapse_runtime import errors
from synapse_runtime.channel import CallMetadata, open_channel, own_errors
from synapse_runtime.identity import Identity, Role
from synapse_runtime.server import Service, serving
from synapse_runtime.settings import MeshSettings
from tests.support.cache_world import RULES, CacheWorld, a_request, cache_world

MESH = MeshSettings.model_validate({"secret": "test-secret", "drain_seconds": 1})
FIVE, SEVEN, SAME = "How do I tie 5 knots?", "How do I tie 7 knots?", "Can you tell me how to tie 5 knots?"
HIT, MISS = outcome_pb2.CACHE_STATUS_HIT, outcome_pb2.CACHE_STATUS_MISS


@dataclass
class Door:
    """The service's stub, and the world behind it."""

    stub: CacheServiceStub
    world: CacheWorld

    def as_(self, role: Role, tenant: str) -> dict[str, Any]:
        return {"metadata": CallMetadata(MESH).of(Identity(tenant, "test", role), "req-1"), "timeout": 30}

    async def explain(
        self, text: str | GenerationRequest, role: Role = Role.OPERATOR, tenant: str = "acme", **control: Any
    ) -> wire.Explanation:
        request = a_request(text) if isinstance(text, str) else text
        asked = wire.ExplainRequest(request=request, control=outcome_pb2.CacheControl(**control))
        reply: wire.ExplainResponse = await self.stub.Explain(asked, **self.as_(role, tenant))
        return reply.explanation

    async def vary(
        self, text: str | GenerationRequest, *variations: str, role: Role = Role.OPERATOR
    ) -> list[wire.Variation]:
        request = a_request(text) if isinstance(text, str) else text
        asked = wire.ExplainVariationsRequest(request=request, variations=variations)
        return list((await self.stub.ExplainVariations(asked, **self.as_(role, "acme"))).variations)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with cache_world() as world:
        await world.ask(FIVE)
        await world.settled()
        face = ExplainRpc(world.explaining, RULES)
        async with (
            serving("127.0.0.1:0", [Service(SERVICE, face)], mesh=MESH) as server,
            open_channel(f"127.0.0.1:{server.port}", linked=False) as channel,
        ):
            yield Door(CacheServiceStub(channel), world)


async def test_a_rewording_would_hit_and_says_what(door: Door) -> None:
    told = await door.explain(SAME)
    assert (told.outcome.status, told.outcome.reason) == (HIT, "semantic")
    assert (told.entry_prompt, told.candidates[0].prompt) == (FIVE, FIVE)
    assert told.entry_key
    assert told.entry_key != told.outcome.key
    assert told.summary.startswith(f'would hit: a stored question says the same, word by word, "{FIVE}"; it is right')
    assert 0 < told.bar < 1
    assert told.thresholds.max_error == 0.01
    assert (len(told.scope), told.freshness, told.suspended) == (64, "static", False)


async def test_another_number_would_miss_and_says_which(door: Door) -> None:
    told = await door.explain(SEVEN)
    assert (told.outcome.status, told.outcome.reason) == (MISS, "veto_number")
    assert told.summary == "would miss: the nearest stored question differs in a number (7 against 5)"
    assert [(one.veto, one.reason) for one in told.candidates] == [("number", "")]
    assert not told.candidates[0].HasField("probability")


async def test_the_very_request_is_told_by_its_key(door: Door) -> None:
    told = await door.explain(FIVE)
    assert (told.outcome.tier, told.outcome.reason) == (outcome_pb2.CACHE_TIER_L1, "exact")
    assert told.entry_key == told.outcome.key
    assert told.summary == "would hit: this very request is stored"


async def test_a_request_that_is_exact_only_says_why(door: Door) -> None:
    request = a_request(SAME)
    request.tools.add(type="function")
    told = await door.explain(request)
    assert (told.exact_only_reason, told.scope, told.HasField("bar")) == ("tools", "", False)


async def test_a_request_that_is_not_cacheable_says_why(door: Door) -> None:
    told = await door.explain(a_request(FIVE, temperature=1.5))
    assert (told.outcome.status, told.uncacheable_reason) == (outcome_pb2.CACHE_STATUS_BYPASS, "temperature")


async def test_what_the_caller_wants_of_the_cache_counts(door: Door) -> None:
    assert (await door.explain(FIVE, skip=True)).outcome.reason == "skip"
    assert (await door.explain(FIVE, namespace="other")).outcome.reason == "no_candidate"
    assert "for it wants no backend asked" in (await door.explain(SEVEN, only_if_cached=True)).summary
    assert "else it would hit" in (await door.explain(FIVE, passthrough=True)).summary


async def test_another_tenants_entries_are_no_candidates(door: Door) -> None:
    assert not (await door.explain(SAME, Role.ADMIN, tenant="globex")).candidates


@pytest.mark.parametrize("text", [SAME, SEVEN, "Why do I tie 5 knots?"])
async def test_a_viewer_sees_figures_and_not_what_others_asked(door: Door, text: str) -> None:
    told = await door.explain(text, Role.VIEWER)
    assert [(bool(one.entry_id), one.similarity > 0, one.prompt) for one in told.candidates] == [(True, True, "")]
    assert told.entry_prompt == ""
    assert "5 knots" not in str(told)
    assert "against" not in told.summary


async def test_shadow_is_told_with_what_it_would_have_served(door: Door) -> None:
    await door.world.thresholds.change("acme", Level(shadow=True))
    told = await door.explain(SAME)
    assert (told.outcome.status, told.outcome.shadow, told.thresholds.shadow) == (MISS, True, True)
    assert "it would have hit" in told.summary
    assert told.entry_key == ""


async def test_a_request_without_a_question_is_refused(door: Door) -> None:
    with pytest.raises(errors.InvalidArgument), own_errors():
        await door.explain(GenerationRequest(model="m"))


async def test_wordings_are_judged_against_the_original_and_against_the_cache(door: Door) -> None:
    same, other = await door.vary("How do I tie 7 knots", SEVEN, SAME)
    assert (same.against_original.veto, same.against_original.reason) == ("", "")
    assert same.against_original.probability > 0.99
    assert (same.explanation.outcome.status, same.explanation.outcome.reason) == (MISS, "veto_number")
    assert (other.against_original.veto, other.explanation.outcome.status) == ("number", HIT)
    assert (same.text, same.edit, same.HasField("same")) == (SEVEN, "", False)


async def test_without_wordings_some_are_made(door: Door) -> None:
    made = await door.vary(FIVE)
    assert all(one.edit and one.HasField("same") for one in made)
    assert all(not one.against_original.veto and not one.against_original.reason for one in made if one.same)
    assert {one.edit for one in made if not one.same} == {"number", "negation"}
    assert all(one.against_original.veto or one.against_original.reason for one in made if not one.same)


async def test_wordings_ask_no_backend_and_are_not_counted(door: Door) -> None:
    counted = copy(door.world.stats.of("acme"))
    await door.vary(FIVE)
    assert (door.world.upstream.calls, door.world.stats.of("acme")) == (1, counted)


async def test_a_viewer_sees_its_own_words_only(door: Door) -> None:
    (told,) = await door.vary(SEVEN, SAME, role=Role.VIEWER)
    assert told.against_original.prompt == SEVEN
    assert [one.prompt for one in told.explanation.candidates] == [""]


@pytest.mark.parametrize("variations", [["x"] * 51, [""], ["a", " \n"], ["x" * 8_001]])
async def test_wordings_that_cannot_be_are_refused_by_name(door: Door, variations: list[str]) -> None:
    with pytest.raises(errors.InvalidArgument) as caught, own_errors():
        await door.vary(FIVE, *variations)
    assert caught.value.metadata["field"] == "variations"


async def test_what_has_no_text_has_no_other_wording(door: Door) -> None:
    completion = GenerationRequest(model="m", kind=GENERATION_KIND_COMPLETION)
    completion.prompt.texts.append(FIVE)
    with pytest.raises(errors.FailedPrecondition), own_errors():
        await door.vary(completion)
