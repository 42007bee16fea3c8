"""Each strategy spreads requests as its name says."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_llm_router.balancing import Balancer, Cheapest, LeastInFlight, Ordered, Quickest, Target, Weighted

A, B, C = Target("a", "m"), Target("b", "m"), Target("c", "m")


@dataclass
class Load:
    in_flight: int = 0
    seconds: float | None = None

    def latency_seconds(self, *, streamed: bool) -> float | None:
        return self.seconds if streamed else None


def first_of(balancer: Balancer, loads: dict[str, Load], times: int, *targets: Target) -> Counter[str]:
    return Counter(balancer.order(targets or (A, B, C), loads, streamed=True)[0].backend for _ in range(times))


IDLE = {"a": Load(), "b": Load(), "c": Load()}


def test_the_configured_order_is_kept() -> None:
    assert Ordered().order((B, A), IDLE, streamed=False) == (B, A)


@given(weights=st.lists(st.integers(1, 20), min_size=2, max_size=6))
def test_weights_are_met_exactly_over_a_round(weights: list[int]) -> None:
    targets = [Target(str(index), "m", weight) for index, weight in enumerate(weights)]
    balancer = Weighted()
    for _ in range(3):
        round_ = first_of(balancer, {}, sum(weights), *targets)
        assert [round_[str(index)] for index in range(len(weights))] == weights


def test_weighted_turns_are_spread_and_not_in_blocks() -> None:
    heavy, light = Target("a", "m", 3), Target("b", "m", 1)
    balancer = Weighted()
    turns = "".join(balancer.order((heavy, light), {}, streamed=False)[0].backend for _ in range(8))
    assert turns == "aabaaaba"


def test_weights_hold_among_those_that_are_left() -> None:
    balancer = Weighted()
    targets = [Target("a", "m", 6), Target("b", "m", 2), Target("c", "m", 1)]
    first_of(balancer, {}, 5, *targets)
    left = first_of(balancer, {}, 300, *targets[1:])
    assert left["b"] == pytest.approx(200, abs=4)


def test_the_least_busy_comes_first_and_equals_take_turns() -> None:
    balancer = LeastInFlight()
    assert first_of(balancer, {"a": Load(3), "b": Load(1), "c": Load(2)}, 4) == {"b": 4}
    assert first_of(balancer, IDLE, 300) == {"a": 100, "b": 100, "c": 100}


def test_the_quickest_comes_first() -> None:
    balancer = Quickest(exploration=0, random=random.random)
    loads = {"a": Load(0, 0.3), "b": Load(0, 0.1), "c": Load(0, 0.2)}
    ranked = balancer.order((A, B, C), loads, streamed=True)
    assert [target.backend for target in ranked] == ["b", "c", "a"]


def test_one_of_unknown_latency_is_tried_by_one_request_at_a_time() -> None:
    balancer = Quickest(exploration=0, random=random.random)
    loads = {"a": Load(0, 0.1), "b": Load(0, None), "c": Load(0, 0.2)}
    assert balancer.order((A, B, C), loads, streamed=True)[0] == B
    loads["b"].in_flight = 1
    assert balancer.order((A, B, C), loads, streamed=True) == [A, C, B]


def test_a_slow_one_is_tried_again_now_and_then() -> None:
    balancer = Quickest(exploration=0.1, random=random.Random(7).random)
    loads = {"a": Load(0, 0.1), "b": Load(0, 9.0), "c": Load(0, 9.0)}
    firsts = first_of(balancer, loads, 10_000)
    assert firsts["a"] == pytest.approx(9000, abs=150)
    assert firsts["b"] == pytest.approx(500, abs=120)


def test_the_cheapest_comes_first_and_what_has_no_price_last() -> None:
    prices = {"a": None, "b": 3.0, "c": 0.5}
    ranked = Cheapest(lambda target: prices[target.backend]).order((A, B, C), IDLE, streamed=False)
    assert [target.backend for target in ranked] == ["c", "b", "a"]


@given(
    order=st.permutations([A, B, C]),
    busy=st.lists(st.integers(0, 9), min_size=3, max_size=3),
    seconds=st.lists(st.none() | st.floats(0.01, 9), min_size=3, max_size=3),
)
def test_every_strategy_gives_every_target_once(
    order: list[Target], busy: list[int], seconds: list[float | None]
) -> None:
    loads = {name: Load(n, s) for name, n, s in zip("abc", busy, seconds, strict=True)}
    quickest = Quickest(exploration=0.5, random=random.random)
    for balancer in (Ordered(), Weighted(), LeastInFlight(), quickest, Cheapest(lambda _: None)):
        assert sorted(t.backend for t in balancer.order(order, loads, streamed=True)) == ["a", "b", "c"]
