"""A model goes to every backend that lists it, in the order of the configuration, unless a route says otherwise."""

from __future__ import annotations

from collections.abc import Sequence

from synapse_llm_router.balancing import LeastInFlight, Ordered, Target
from synapse_llm_router.faults import Fault
from synapse_llm_router.routing import Fallback, Offer, Route, Routes, Rule, models_of

LISTED = [Offer("a", {"m": "m"}), Offer("b", {"m": "x", "org/n": "org/n"})]
SPARE = Fallback(frozenset({Fault.UNAVAILABLE}), "spare")


def routes(offers: Sequence[Offer], *rules: Rule, default_backend: str = "") -> Routes:
    kinds = {"": Ordered, "least_in_flight": LeastInFlight}
    return Routes(offers, balancer=lambda name: kinds[name](), rules=rules, default_backend=default_backend)


def places(route: Route | None) -> list[tuple[str, str]]:
    return [(target.backend, target.model) for target in route.targets] if route else []


def test_every_backend_that_lists_a_model_is_in_its_pool() -> None:
    found = routes(LISTED)
    assert places(found.listed("m")) == [("a", "m"), ("b", "x")]
    assert places(found.listed("org/n")) == [("b", "org/n")]
    assert found.listed("other") is None


def test_a_route_says_where_a_model_goes_and_how() -> None:
    rule = Rule("m", (Target("b", "org/n", 3), Target("a", "alias")), "least_in_flight", (SPARE,))
    route = routes([Offer("a", {"alias": "real"}), LISTED[1]], rule).listed("m")
    assert route is not None
    assert places(route) == [("b", "org/n"), ("a", "real")]
    assert (type(route.balancer), route.fallbacks, route.targets[0].weight) == (LeastInFlight, (SPARE,), 3)


def test_a_route_without_targets_keeps_those_that_list_the_model() -> None:
    route = routes(LISTED, Rule("m", (), "", (SPARE,))).listed("m")
    assert route is not None
    assert (places(route), route.fallbacks) == ([("a", "m"), ("b", "x")], (SPARE,))


def test_each_model_has_a_balancer_of_its_own() -> None:
    found = routes(LISTED, Rule("m", strategy="least_in_flight"), Rule("org/n", strategy="least_in_flight"))
    one, other = found.listed("m"), found.listed("org/n")
    assert one is found.listed("m")
    assert one is not None
    assert other is not None
    assert one.balancer is not other.balancer


def test_the_rest_goes_to_the_wildcards_else_to_the_default() -> None:
    offers = [Offer("a", {"m": "m"}), Offer("b", {}, wildcard=True), Offer("c", {}, wildcard=True)]
    assert places(routes(offers, default_backend="a").rest("x/y")) == [("b", "x/y"), ("c", "x/y")]
    assert places(routes(offers[:1], default_backend="a").rest("x/y")) == [("a", "x/y")]
    assert routes(offers[:1]).rest("x/y") is None


def test_what_only_a_wildcard_takes_may_have_fallbacks() -> None:
    route = routes([Offer("a", {}, wildcard=True)], Rule("x", (), "", (SPARE,))).rest("x")
    assert route is not None
    assert route.fallbacks == (SPARE,)


def test_an_alias_is_split_at_the_first_equals_sign() -> None:
    assert models_of(["a", "b=org/c", "d=e=f", "a=late"]) == {"a": "a", "b": "org/c", "d": "e=f"}


def test_only_a_backend_without_list_and_wildcard_has_to_be_asked() -> None:
    offers = [Offer("a", {}), Offer("b", {"m": "m"}), Offer("c", {}, wildcard=True)]
    assert [offer.discovers for offer in offers] == [True, False, False]
