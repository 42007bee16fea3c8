"""Request headers become the cache controls they stand for, or a 400 that names them."""

from __future__ import annotations

import pytest

from synapse.cache.v1 import outcome_pb2
from synapse_gateway import controls
from synapse_gateway.problems import Problem


def read(**headers: str) -> outcome_pb2.CacheControl | None:
    return controls.read({name.replace("_", "-").encode(): value.encode() for name, value in headers.items()})


def test_no_header_is_no_control() -> None:
    assert read(authorization="Bearer x") is None


def test_standard_cache_control_is_understood() -> None:
    control = read(cache_control="No-Cache, no-store, only-if-cached, max-age=60, private")
    assert control is not None
    assert (control.no_cache, control.no_store, control.only_if_cached) == (True, True, True)
    assert control.max_age.seconds == 60


def test_how_stale_an_answer_may_be_where_backends_fail_is_told() -> None:
    control = read(cache_control="max-age=60, stale-if-error=0")
    assert control is not None
    assert (control.HasField("stale_if_error"), control.stale_if_error.seconds) == (True, 0)


def test_max_age_zero_is_told_from_none() -> None:
    control = read(cache_control="max-age=0")
    assert control is not None
    assert control.HasField("max_age")


def test_our_own_headers_are_understood() -> None:
    control = read(
        x_synapse_skip_cache="true",
        x_synapse_preview_cache="1",
        x_synapse_passthrough="yes",
        x_synapse_ttl="300",
        x_synapse_namespace="docs",
        x_synapse_tags="a, b",
        x_synapse_max_error="0.01",
    )
    assert control is not None
    assert (control.skip, control.preview, control.passthrough) == (True, True, True)
    assert (control.ttl.seconds, control.namespace, list(control.tags), control.max_error) == (
        300,
        "docs",
        ["a", "b"],
        0.01,
    )


def test_max_error_zero_is_told_from_none() -> None:
    control = read(x_synapse_max_error="0")
    assert control is not None
    assert control.HasField("max_error")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cache-control", "max-age=soon"),
        ("cache-control", "stale-if-error"),
        ("cache-control", "max-age=-1"),
        ("x-synapse-skip-cache", "maybe"),
        ("x-synapse-ttl", "0"),
        ("x-synapse-ttl", "1h"),
        ("x-synapse-namespace", ""),
        ("x-synapse-namespace", "a b"),
        ("x-synapse-namespace", "n" * 129),
        ("x-synapse-tags", ",".join("abcdefghijklmnopq")),
        ("x-synapse-tags", "t" * 65),
        ("x-synapse-tags", "a,,b"),
        ("x-synapse-max-error", "2"),
        ("x-synapse-max-error", "nan"),
        ("x-synapse-max-error", "low"),
    ],
)
def test_a_wrong_value_is_refused_by_the_headers_name(name: str, value: str) -> None:
    with pytest.raises(Problem) as caught:
        controls.read({name.encode(): value.encode()})
    assert (caught.value.status, caught.value.param) == (400, name)


def test_metadata_in_the_body_must_be_asked_for() -> None:
    assert controls.wants_metadata({}) is False
    assert controls.wants_metadata({b"x-synapse-metadata": b"body"}) is True
    with pytest.raises(Problem):
        controls.wants_metadata({b"x-synapse-metadata": b"trailer"})
