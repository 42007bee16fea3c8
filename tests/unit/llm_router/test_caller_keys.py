"""A caller's own key goes where the operator allows it, to one service only, and concerns nobody else."""

from __future__ import annotations

from synapse_llm_router.backend import State
from synapse_llm_router.faults import Fault
from synapse_llm_router.routing import Fallback
from tests.unit.llm_router.rigged import RETRIES, Rig
from tests.unit.llm_router.scripted import Scripted, answered, provider
from tests.unit.llm_router.test_trip import failure


async def test_a_key_is_refused_unless_it_is_allowed() -> None:
    a = Scripted("a")
    error = await failure(Rig({"m": [a]}), key="sk-own")
    assert (error.code.name, error.reason, a.asked) == ("PERMISSION_DENIED", "PROVIDER_KEY_FORBIDDEN", 0)


async def test_an_allowed_key_reaches_the_backend() -> None:
    a = Scripted("a")
    rig = Rig({"m": [a]}, caller_keys="allowed")
    await rig.ask(key="sk-own")
    await rig.ask()
    assert [terms.provider_key for _, terms in a.calls] == ["sk-own", ""]


async def test_a_key_that_is_required_must_be_given() -> None:
    error = await failure(Rig({"m": [Scripted("a")]}, caller_keys="required"))
    assert (error.code.name, error.reason) == ("FAILED_PRECONDITION", "PROVIDER_KEY_REQUIRED")


async def test_of_several_backends_those_that_fit_are_asked() -> None:
    pool = [Scripted("a"), Scripted("b")]
    rig = Rig({"m": pool}, caller_keys={"a": "forbidden", "b": "required"})
    assert (await rig.ask(), await rig.ask(key="sk-own")) == ("a", "b")


async def test_a_key_never_goes_to_another_service() -> None:
    a, b, c = Scripted("a", answered(500)), Scripted("b"), Scripted("c", answered(500))
    services = {"a": "https://one", "b": "https://two", "c": "https://one", "x": "https://two"}
    pools = {"m": [a, b, c], "x": [Scripted("x")]}
    fallbacks = [Fallback(frozenset(Fault), "x")]
    rig = Rig(pools, fallbacks=fallbacks, caller_keys="allowed", service=services)
    await failure(rig, key="sk-own")
    assert (a.asked, b.asked, c.asked) == (1, 0, 1)


async def test_a_wrong_key_or_a_spent_limit_of_a_caller_concerns_nobody_else() -> None:
    a, b = Scripted("a", answered(401, "Bad key sk-own"), answered(429, retry_after="60")), Scripted("b", answered(401))
    rig = Rig({"m": [a, b]}, caller_keys="allowed")
    assert provider(await failure(rig, key="sk-own")).http_status == 401
    assert await rig.ask(key="sk-own") == "b"
    assert rig.backends["a"].state is State.HEALTHY
    assert rig.backends["a"].last_error == ""
    assert await rig.ask() == "a"


async def test_the_terms_do_not_show_the_key() -> None:
    a = Scripted("a", answered(500))
    rig = Rig({"m": [a]}, caller_keys="allowed", retries=RETRIES)
    await rig.ask(key="sk-own")
    assert "sk-own" not in repr(a.calls)
