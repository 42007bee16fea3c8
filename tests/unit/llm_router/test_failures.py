"""Failures of a backend are told by kind, with what it said about retrying, and counted under few words."""

from __future__ import annotations

import asyncio

import pytest

from synapse.router.v1.router_pb2 import ProviderError
from synapse_llm_router import metrics
from synapse_llm_router.adapters import failures

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after": "3", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:07 GMT"}, 7.0),
        ({"retry-after": "Fri, 15 Jan 2027 07:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "soon"}, None),
        ({}, None),
    ],
)
def test_the_wait_is_read_from_the_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert failures.answered("b", 429, b"", headers, now=NOW).retry_after_seconds == seconds


def test_what_a_backend_says_about_its_limits_is_kept_and_nothing_else() -> None:
    told = {"Request-Id": "r", "anthropic-ratelimit-tokens-remaining": "0", "x-ratelimit-reset": "1s", "server": "x"}
    (detail,) = failures.answered("b", 429, b"", told, now=NOW).details
    assert isinstance(detail, ProviderError)
    assert set(detail.headers) == {"request-id", "anthropic-ratelimit-tokens-remaining", "x-ratelimit-reset"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":{"message":"a"}}', "a"),
        (b'{"error":"a","error_type":"t"}', "a"),
        (b'{"message":"a","object":"error"}', "a"),
        (b'{"detail":"a"}', "a"),
        (b'{"detail":[{"loc":[]}]}', "the backend answered with status 500"),
        (b"<html>", "the backend answered with status 500"),
        (b"\xff", "the backend answered with status 500"),
        (b'{"error":{"message":"' + b"a" * 9000 + b'"}}', "a" * 500),
    ],
)
def test_the_message_is_the_backends_where_it_has_one(body: bytes, message: str) -> None:
    assert failures.answered("b", 500, body, {}, now=NOW).message == message


def test_a_long_body_is_cut_between_characters() -> None:
    error = failures.answered("b", 500, "é".encode() * 40_000 + b"x", {}, now=NOW)
    (detail,) = error.details
    assert isinstance(detail, ProviderError)
    assert detail.body == "é" * 32_768


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (failures.answered("b", 400, b"", {}, now=NOW), "caller_request"),
        (failures.answered("b", 401, b"", {}, now=NOW), "provider_credentials"),
        (failures.answered("b", 404, b"", {}, now=NOW), "provider_not_found"),
        (failures.answered("b", 429, b"", {}, now=NOW), "provider_limit"),
        (failures.answered("b", 500, b"", {}, now=NOW), "provider_error"),
        (failures.answered("b", 504, b"", {}, now=NOW), "provider_timeout"),
        (failures.inside_stream("b", b'{"error":{"code":429}}', {}), "provider_limit"),
        (failures.truncated("b"), "provider_truncated"),
        (failures.invalid("b", "x"), "provider_invalid"),
        (failures.too_large("b", 7), "provider_too_large"),
        (failures.unreachable("b", "x"), "provider_unreachable"),
        (failures.busy("b"), "policy_connections"),
        (failures.late("b", "total"), "provider_timeout"),
        (asyncio.CancelledError(), "caller_cancelled"),
        (GeneratorExit(), "caller_cancelled"),
        (RuntimeError(), "synapse_internal"),
    ],
)
def test_each_end_of_a_call_has_its_word(error: BaseException, outcome: str) -> None:
    assert metrics.outcome_of(error) == outcome
