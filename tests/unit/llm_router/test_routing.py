"""Each model has one place to go to, by the order of the configuration."""

from __future__ import annotations

from synapse_llm_router.routing import Offer, Route, Routes, models_of


def test_the_first_backend_that_lists_a_model_wins() -> None:
    routes = Routes([Offer("a", {"m": "m"}), Offer("b", {"m": "x", "org/n": "org/n"})])
    assert routes.listed("m") == Route("a", "m")
    assert routes.listed("org/n") == Route("b", "org/n")
    assert routes.listed("other") is None


def test_the_rest_goes_to_the_first_wildcard_before_the_default() -> None:
    offers = [Offer("a", {"m": "m"}), Offer("b", {}, wildcard=True), Offer("c", {}, wildcard=True)]
    assert Routes(offers, default_backend="a").fallback("x/y") == Route("b", "x/y")
    assert Routes(offers[:1], default_backend="a").fallback("x/y") == Route("a", "x/y")
    assert Routes(offers[:1]).fallback("x/y") is None


def test_an_alias_is_split_at_the_first_equals_sign() -> None:
    assert models_of(["a", "b=org/c", "d=e=f", "a=late"]) == {"a": "a", "b": "org/c", "d": "e=f"}


def test_only_a_backend_without_list_and_wildcard_has_to_be_asked() -> None:
    offers = [Offer("a", {}), Offer("b", {"m": "m"}), Offer("c", {}, wildcard=True)]
    assert [offer.discovers for offer in offers] == [True, False, False]
