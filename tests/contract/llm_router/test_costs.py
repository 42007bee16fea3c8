"""An answer's usage says what it cost, where its price is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from synapse.llm.v1.generation_pb2 import Usage
from synapse.router.v1 import router_pb2 as wire
from synapse_llm_router import app
from synapse_runtime.settings import Config, SettingsError
from tests.contract.llm_router.conftest import Stub, backend, question, router_of
from tests.support.openai_upstream import OpenAIDouble, completion_of

MODEL = "gpt-4o-mini-2024-07-18"
COST = 9 * 150 + 7 * 600
"""Of the double's answer: 0.15 and 0.60 dollars per million tokens."""


async def usage_of(stub: Stub, model: str = MODEL) -> Usage:
    answer = await stub.Generate(wire.GenerateRequest(request=question(model=model)))
    return answer.generation.usage  # type: ignore[no-any-return]


def priced(double: OpenAIDouble, **settings: Any) -> dict[str, Any]:
    return backend(double, **{"provider": "openai", "models": [MODEL, "unknown"], **settings})


async def test_a_whole_answer_says_what_it_cost(double: OpenAIDouble) -> None:
    async with router_of(priced(double)) as stub:
        assert (await usage_of(stub)).cost_nanos == COST


async def test_a_stream_says_at_its_end_what_it_cost(double: OpenAIDouble) -> None:
    async with router_of(priced(double)) as stub:
        request = wire.StreamGenerateRequest(request=question(model=MODEL))
        usages = [e.usage async for r in stub.StreamGenerate(request) for e in r.events if e.HasField("usage")]
    assert [usage.cost_nanos for usage in usages] == [COST]


async def test_what_the_provider_had_in_its_cache_costs_less(double: OpenAIDouble) -> None:
    answer = completion_of({"messages": [], "model": MODEL})
    answer["usage"] = {**answer["usage"], "prompt_tokens_details": {"cached_tokens": 4}}
    double.behaviour.body = orjson.dumps(answer)
    async with router_of(priced(double)) as stub:
        assert (await usage_of(stub)).cost_nanos == 5 * 150 + 4 * 75 + 7 * 600


async def test_a_local_backend_costs_nothing(double: OpenAIDouble) -> None:
    async with router_of(priced(double, provider="vllm")) as stub:
        usage = await usage_of(stub)
    assert (usage.HasField("cost_nanos"), usage.cost_nanos) == (True, 0)


async def test_what_nobody_knows_the_price_of_has_no_cost(double: OpenAIDouble) -> None:
    async with router_of(priced(double)) as stub:
        assert not (await usage_of(stub, "unknown")).HasField("cost_nanos")


async def test_a_service_tier_of_another_price_has_no_cost(double: OpenAIDouble) -> None:
    double.behaviour.body = orjson.dumps({**completion_of({"messages": [], "model": MODEL}), "service_tier": "flex"})
    async with router_of(priced(double)) as stub:
        assert not (await usage_of(stub)).HasField("cost_nanos")


async def test_the_operator_s_prices_count_first(double: OpenAIDouble, tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({"prices": {"double": {"*": {"input": 1, "output": 0}}}}))
    async with router_of(priced(double), prices_path=str(path)) as stub:
        assert (await usage_of(stub)).cost_nanos == 9_000


async def test_wrong_prices_end_the_start(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text('{"prices": {"openai": {"m": {"input": 1}}}}')
    config = Config({"router": {"prices_path": str(path)}}, origin="test")
    with pytest.raises(SettingsError, match=r"prices\.openai\.m\.output: Field required"):
        async with app.run(config):
            pass
