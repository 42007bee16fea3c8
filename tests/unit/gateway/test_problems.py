"""Refusals tell when to come back."""

from __future__ import annotations

import pytest

from synapse_gateway.problems import retry_headers


def test_a_short_wait_is_told_in_seconds_and_milliseconds() -> None:
    assert retry_headers(0.25) == [(b"retry-after", b"1"), (b"retry-after-ms", b"250")]


@pytest.mark.parametrize(("seconds", "told"), [(120, False), (121, True)])
def test_a_wait_longer_than_sdks_accept_says_not_to_retry(seconds: float, *, told: bool) -> None:
    assert ((b"x-should-retry", b"false") in retry_headers(seconds)) is told
