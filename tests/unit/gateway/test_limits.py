"""Limits hold, refill, and are told in OpenAI's headers."""

from __future__ import annotations

import pytest

from synapse_gateway.limits import Limits, Meter, duration_text
from synapse_gateway.openai.failure import OpenAIForm
from synapse_gateway.problems import Problem


def headers(meter: Meter, now: float) -> dict[str, str]:
    told = OpenAIForm().headers("id", 0.0, meter.levels(now), now=0.0)
    return {name.decode(): value.decode() for name, value in told if name.startswith(b"x-ratelimit-")}


def test_without_limits_nothing_is_refused_or_told() -> None:
    meter = Meter(Limits(), 0.0)
    for _ in range(1000):
        meter.enter(0.0)
    assert headers(meter, 0.0) == {}


def test_a_burst_is_served_and_the_next_request_is_told_when_to_come_back() -> None:
    meter = Meter(Limits(requests_per_second=2, burst=3), 0.0)
    for _ in range(3):
        meter.enter(0.0)
    with pytest.raises(Problem) as caught:
        meter.enter(0.0)
    assert (caught.value.status, caught.value.code) == (429, "rate_limit_exceeded")
    assert caught.value.headers == [(b"retry-after", b"1"), (b"retry-after-ms", b"500")]


def test_the_bucket_refills_up_to_its_capacity() -> None:
    meter = Meter(Limits(requests_per_second=2, burst=3), 0.0)
    for _ in range(3):
        meter.enter(0.0)
    meter.enter(0.5)
    assert headers(meter, 100.0)["x-ratelimit-remaining-requests"] == "3"


def test_headers_tell_limit_remaining_and_reset() -> None:
    meter = Meter(Limits(requests_per_second=100), 0.0)
    meter.enter(0.0)
    assert headers(meter, 0.0) == {
        "x-ratelimit-limit-requests": "100",
        "x-ratelimit-remaining-requests": "99",
        "x-ratelimit-reset-requests": "10ms",
    }


def test_tokens_used_count_after_the_fact() -> None:
    meter = Meter(Limits(tokens_per_minute=60), 0.0)
    meter.enter(0.0)
    meter.used(120, 0.0)
    with pytest.raises(Problem):
        meter.enter(30.0)
    meter.enter(61.0)
    assert headers(meter, 61.0)["x-ratelimit-remaining-tokens"] == "1"


def test_concurrency_counts_what_has_not_left() -> None:
    meter = Meter(Limits(max_concurrent=1), 0.0)
    meter.enter(0.0)
    with pytest.raises(Problem):
        meter.enter(0.0)
    meter.leave()
    meter.enter(0.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.012, "12ms"), (0.9994, "999ms"), (1, "1s"), (1.2, "2s"), (360, "6m0s"), (3723.5, "1h2m4s")],
)
def test_durations_are_written_as_openai_does(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
