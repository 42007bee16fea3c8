"""Bodies of requests are JSON objects of a sane depth."""

from __future__ import annotations

import pytest

from synapse_gateway.body import read_object
from synapse_gateway.problems import Problem


def nested(depth: int) -> bytes:
    """An object with lists in each other, `depth` deep in all."""
    return b'{"x":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"1", b"null", b'"\xff"', nested(201), nested(1010), nested(5000)])
def test_what_is_no_object_of_a_sane_depth_is_refused(raw: bytes) -> None:
    with pytest.raises(Problem) as caught:
        read_object(raw)
    assert (caught.value.status, caught.value.code) == (400, "invalid_json")


def test_a_deep_object_is_read_and_so_is_a_wide_one() -> None:
    assert list(read_object(nested(200))) == ["x"]
    assert len(read_object(b'{"x":[' + b"[]," * 5000 + b"{}]}")["x"]) == 5001
