"""JSON text keeps what it is given."""

from __future__ import annotations

import orjson
import pytest

from synapse_runtime import jsontext


@pytest.mark.parametrize("number", [2**63, 2**200, -(2**64)])
def test_long_integers_stay_integers_also_beside_fragments(number: int) -> None:
    value = {"n": number, "kept": orjson.Fragment('{"a": [1, 2.50]}')}
    assert jsontext.load(jsontext.encode(value)) == {"n": number, "kept": {"a": [1, 2.5]}}


def test_a_fragment_is_taken_in_as_it_is() -> None:
    assert jsontext.encode({"a": orjson.Fragment('{"b" : 1.0}')}) == b'{"a":{"b" : 1.0}}'


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError):
        jsontext.dump({"n": 2**64, "x": object()})
    with pytest.raises(ValueError, match="column"):
        jsontext.load("{")
