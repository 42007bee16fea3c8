"""What one failed request does next: other backends, a back-off, fallback models, or the truth."""

from __future__ import annotations

import pytest

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse_llm_router.adapters import failures
from synapse_llm_router.faults import Fault
from synapse_llm_router.ports import Terms
from synapse_llm_router.retries import RetryRules
from synapse_llm_router.routing import Fallback
from synapse_runtime.errors import InvalidArgument, SynapseError, Unavailable
from tests.unit.llm_router.rigged import RETRIES, Rig
from tests.unit.llm_router.scripted import Scripted, answered, provider


async def failure(rig: Rig, **terms: object) -> SynapseError:
    with pytest.raises(SynapseError) as caught:
        await rig.ask(**terms)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503, 504])
async def test_another_backend_of_the_model_takes_over(status: int) -> None:
    a, b = Scripted("a", answered(status)), Scripted("b")
    rig = Rig({"m": [a, b]})
    rig.know()
    assert await rig.ask() == "b"
    assert (a.calls[0][0], b.calls[0][0], rig.slept) == ("a-m", "b-m", [])


@pytest.mark.parametrize("status", [400, 409, 413, 422])
async def test_a_callers_own_error_is_nobody_elses_business(status: int) -> None:
    a, b = Scripted("a", answered(status)), Scripted("b")
    error = await failure(Rig({"m": [a, b]}, retries=RETRIES))
    assert provider(error).http_status == status
    assert (a.asked, b.asked) == (1, 0)


async def test_what_one_backend_cannot_do_another_may() -> None:
    a = Scripted("a", InvalidArgument("no pictures", reason="UNSUPPORTED_CONTENT"))
    assert await Rig({"m": [a, Scripted("b")]}).ask() == "b"


async def test_the_last_error_is_told_when_all_fail() -> None:
    rig = Rig({"m": [Scripted("a", answered(500)), Scripted("b", answered(502))]})
    rig.know()
    assert provider(await failure(rig)).http_status == 502


async def test_a_single_backend_is_asked_again_after_growing_waits() -> None:
    a = Scripted("a", answered(500), answered(503))
    rig = Rig({"m": [a]}, retries=RETRIES)
    rig.know()
    assert await rig.ask() == "a"
    assert rig.slept == [0.25, 0.5]


async def test_retries_end_and_the_error_is_told() -> None:
    a = Scripted("a", *[answered(500)] * 9)
    rig = Rig({"m": [a]}, retries=RETRIES)
    error = await failure(rig)
    assert (provider(error).http_status, a.asked) == (500, 3)


async def test_retry_after_is_kept_to() -> None:
    rig = Rig({"m": [Scripted("a", answered(429, retry_after="3"))]}, retries=RETRIES)
    assert await rig.ask() == "a"
    assert rig.slept == [3.0]


async def test_a_retry_after_beyond_the_bound_is_passed_on() -> None:
    a = Scripted("a", answered(429, retry_after="30"))
    rig = Rig({"m": [a]}, retries=RETRIES)
    error = await failure(rig)
    assert (error.retry_after_seconds, provider(error).http_status, a.asked, rig.slept) == (30, 429, 1, [])


async def test_nobody_waits_beyond_the_callers_deadline() -> None:
    a = Scripted("a", answered(429, retry_after="3"))
    rig = Rig({"m": [a]}, retries=RETRIES)
    assert (await failure(rig, remaining=2.9)).retry_after_seconds == 3
    assert rig.slept == []


async def test_a_later_attempt_has_only_the_time_that_is_left() -> None:
    a = Scripted("a", answered(429, retry_after="3"))
    rig = Rig({"m": [a]}, retries=RETRIES)
    await rig.ask(remaining=10)
    assert [terms.remaining_seconds for _, terms in a.calls] == [10, 7]


async def test_retries_do_not_multiply_the_load_of_a_backend_that_fails() -> None:
    a = Scripted("a", *[answered(503)] * 1000)
    budget = RetryRules(max_retries=2, budget_ratio=0.2, budget_reserve=10)
    rig = Rig({"m": [a]}, retries=budget)
    for _ in range(100):
        rig.backends["a"].breaker.close()
        await failure(rig)
    assert a.asked <= 100 + 10 + 0.2 * 100


async def test_others_are_asked_before_anybody_waits() -> None:
    a, b = Scripted("a", answered(500), answered(500)), Scripted("b", answered(500))
    rig = Rig({"m": [a, b]}, retries=RETRIES)
    rig.know()
    assert await rig.ask() == "b"
    assert (a.asked, b.asked, rig.slept) == (2, 2, [0.25])


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (answered(503), Fault.UNAVAILABLE),
        (answered(429), Fault.RATE_LIMITED),
        (answered(400, "prompt is too long"), Fault.CONTEXT_WINDOW),
        (answered(400, code="content_policy_violation"), Fault.CONTENT_POLICY),
        (failures.late("a", "first_byte"), Fault.TIMEOUT),
    ],
)
async def test_a_fallback_model_is_for_the_faults_it_names(error: SynapseError, fault: Fault) -> None:
    fallbacks = [Fallback(frozenset(set(Fault) - {fault}), "wrong"), Fallback(frozenset({fault}), "right")]
    pools = {"m": [Scripted("a", error)], "wrong": [Scripted("w")], "right": [Scripted("r")]}
    assert await Rig(pools, fallbacks=fallbacks).ask() == "r"


async def test_fallbacks_are_tried_in_order_and_skip_what_nobody_takes() -> None:
    down = frozenset({Fault.UNAVAILABLE})
    fallbacks = [Fallback(down, "gone"), Fallback(down, "x"), Fallback(down, "y")]
    pools = {"m": [Scripted("a", answered(500))], "x": [Scripted("x", answered(500))], "y": [Scripted("y")]}
    assert await Rig(pools, fallbacks=fallbacks).ask() == "y"


async def test_when_fallbacks_fail_too_the_error_of_the_model_asked_for_is_told() -> None:
    fallbacks = [Fallback(frozenset({Fault.CONTEXT_WINDOW}), "x")]
    pools = {"m": [Scripted("a", answered(400, "prompt is too long"))], "x": [Scripted("x", answered(500))]}
    error = await failure(Rig(pools, fallbacks=fallbacks))
    assert provider(error).http_status == 400


async def test_a_stream_that_fails_before_its_first_event_goes_elsewhere() -> None:
    rig = Rig({"m": [Scripted("a", answered(500)), Scripted("b")]})
    assert await rig.stream() == ["b", "b"]


async def test_no_switch_after_the_first_event() -> None:
    a, b = Scripted("a", events=1), Scripted("b")
    a.breaks_with = failures.truncated("a")
    rig = Rig({"m": [a, b]}, retries=RETRIES)
    with pytest.raises(Unavailable):
        await rig.stream()
    assert (rig.heard, a.asked, b.asked) == (["a"], 1, 0)


async def test_a_stream_that_breaks_after_it_began_counts_against_its_backend() -> None:
    a = Scripted("a", events=1)
    a.breaks_with = failures.truncated("a")
    rig = Rig({"m": [a]})
    with pytest.raises(Unavailable):
        await rig.stream()
    assert rig.backends["a"].breaker.error_ratio == 0.5
    assert rig.backends["a"].in_flight == 0


async def test_a_model_is_needed_and_must_be_known() -> None:
    rig = Rig({"m": [Scripted("a")]})
    with pytest.raises(SynapseError) as caught:
        await rig.dispatcher.generate(GenerationRequest(), Terms(None, "r"))
    assert caught.value.reason == "MODEL_MISSING"
    with pytest.raises(SynapseError) as caught:
        await rig.dispatcher.generate(GenerationRequest(model="x"), Terms(None, "r"))
    assert caught.value.reason == "MODEL_NOT_FOUND"


async def test_tokens_are_counted_by_the_backend_or_by_nobody() -> None:
    a = Scripted("a")
    rig = Rig({"m": [a]})
    assert (await rig.dispatcher.count_tokens(GenerationRequest(model="m"), Terms(None, "r")))[0] is None
    a.counts = 17
    assert (await rig.dispatcher.count_tokens(GenerationRequest(model="m"), Terms(None, "r")))[0] == 17
    assert rig.backends["a"].first_latency_seconds is None
