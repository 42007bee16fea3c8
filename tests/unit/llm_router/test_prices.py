"""What tokens cost, which price counts for a model, and which tables are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_llm_router.adapters.prices_file import bundled, read_prices
from synapse_llm_router.prices import CurrentPrices, Price, PriceTable, Rates, Tokens, family_of
from synapse_runtime.settings import SettingsError


def price(dollars: float) -> Price:
    return Price(Rates(dollars, dollars, dollars, dollars))


def table(**owners: dict[str, float]) -> PriceTable:
    return PriceTable({owner: {name: price(dollars) for name, dollars in of.items()} for owner, of in owners.items()})


def dollars_of(prices: PriceTable, model: str, **where: str) -> float | None:
    found = prices.price(model, **{"provider": "openai", **where})
    return found.rates.input if found else None


def own(folder: Path, content: Any) -> PriceTable:
    path = folder / "prices.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_prices(str(path))


def test_every_kind_of_token_has_its_own_rate() -> None:
    rates = Rates(input=3, output=15, cache_read=0.3, cache_write=3.75)
    tokens = Tokens(prompt=1000, completion=100, cache_read=600, cache_write=300)
    assert rates.nanos(tokens) == (100 * 3 + 100 * 15 + 600 * 0.3 + 300 * 3.75) * 1000


def test_a_long_prompt_has_the_rates_of_long_prompts() -> None:
    long = Price(Rates(1, 1, 1, 1), Rates(2, 2, 2, 2), long_over_tokens=100)
    assert long.nanos(Tokens(100, 1)) == 101_000
    assert long.nanos(Tokens(101, 1)) == 204_000


@given(st.integers(0, 10**7), st.integers(0, 10**6), st.integers(0, 10**7), st.integers(0, 10**7))
def test_a_cost_is_never_negative(prompt: int, completion: int, read: int, write: int) -> None:
    assert price(2.5).nanos(Tokens(prompt, completion, read, write)) >= 0


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4"),
        ("claude-3-5-sonnet@20240620", "claude-3-5-sonnet"),
        ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
        ("gpt-4-0613", "gpt-4"),
        ("claude-opus-4-1", "claude-opus-4-1"),
        ("gpt-4o-mini", "gpt-4o-mini"),
    ],
)
def test_a_dated_name_belongs_to_its_family(model: str, family: str) -> None:
    assert family_of(model) == family


def test_the_most_specific_pattern_counts() -> None:
    prices = table(openai={"*": 1, "gpt-*": 2, "gpt-4o-*": 3, "gpt-4o": 4, "gpt-4o-2024-05-13": 5})
    asked = ["davinci", "gpt-5", "gpt-4o-mini", "gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-2024-05-13"]
    assert [dollars_of(prices, model) for model in asked] == [1, 2, 3, 4, 4, 5]


def test_a_backend_s_own_prices_come_before_those_of_its_provider() -> None:
    prices = table(cheap={"gpt-*": 1}, openai={"gpt-4o": 4}, **{"*": {"*": 9}})
    assert dollars_of(prices, "gpt-4o", backend="cheap") == 1
    assert dollars_of(prices, "gpt-4o", backend="other") == 4
    assert dollars_of(prices, "o1", backend="other") == 9


def test_a_pattern_s_signs_mean_themselves() -> None:
    prices = table(openai={"a.b[1]?*": 1})
    assert dollars_of(prices, "a.b[1]?x") == 1
    assert dollars_of(prices, "aXb1?x") is None


def test_an_unknown_model_has_no_price_unless_there_is_a_default() -> None:
    assert table(openai={"gpt-4o": 1}).price("gpt-9", provider="openai") is None
    assert PriceTable({}, default=price(7)).price("gpt-9", provider="openai") == price(7)


def test_the_bundled_table_knows_what_is_asked_most() -> None:
    prices = bundled()
    assert dollars_of(prices, "gpt-4o-2024-08-06") == 2.5
    assert dollars_of(prices, "claude-haiku-4-5-20251001", provider="anthropic") == 1
    assert [dollars_of(prices, "any", provider=local) for local in ("vllm", "ollama", "llamacpp", "tgi")] == [0] * 4
    assert dollars_of(prices, "gpt-4o", provider="custom") is None
    assert prices.as_of > "2026"


def test_the_operator_s_table_lies_over_the_bundled_one(tmp_path: Path) -> None:
    prices = own(tmp_path, {"as_of": "2027-01-01", "prices": {"openai": {"gpt-4o": {"input": 1, "output": 2}}}})
    found = prices.price("gpt-4o", provider="openai")
    assert found is not None
    assert found.rates == Rates(1, 2, 1, 1)
    assert dollars_of(prices, "gpt-4o-mini") == 0.15
    assert prices.as_of == "2027-01-01"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not JSON"),
        ("[]", "prices.json"),
        ('{"prices": {"a": {}, "a": {}}}', "'a' is there twice"),
        ({"prices": {}, "price": {}}, "price: Extra inputs"),
        ({"prices": {"openai": {"m": {"input": 1}}}}, "prices.openai.m.output: Field required"),
        ({"prices": {"openai": {"m": {"input": -1, "output": 1}}}}, "prices.openai.m.input: Input should be greater"),
        ({"prices": {"openai": {"m": {"input": "x", "output": 1}}}}, "prices.openai.m.input: Input should be a valid"),
        ({"prices": {}, "as_of": "soon"}, "as_of"),
    ],
)
def test_a_wrong_table_is_refused_by_name(tmp_path: Path, content: Any, complaint: str) -> None:
    with pytest.raises(SettingsError, match=r"prices\.json") as refusal:
        own(tmp_path, content)
    assert complaint in str(refusal.value)


def test_a_table_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"router\.prices_path"):
        read_prices("/nowhere/prices.json")


def test_the_table_in_use_can_be_replaced() -> None:
    prices = CurrentPrices(table(openai={"m": 1}))
    prices.table = table(openai={"m": 2})
    assert prices.price("m", provider="openai") == price(2)
    assert prices.price("other", provider="openai") is None
