"""A model's card says all that decides about its vector space."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from synapse_embed.adapters.minilm import card


def test_the_fingerprint_of_the_bundled_model_is_stable() -> None:
    assert card().fingerprint == (
        "backend=onnxruntime;model=all-MiniLM-L6-v2;revision=53aa51172d14;dimension=384;pooling=mean;prefix=;"
        "normalisation=l2;precision=fp32"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"backend": "tei"},
        {"id": "other"},
        {"revision": "2"},
        {"dimension": 256},
        {"pooling": "cls"},
        {"prefix": "query: "},
        {"normalisation": "none"},
        {"precision": "int8"},
    ],
)
def test_another_vector_space_has_another_fingerprint(change: dict[str, Any]) -> None:
    assert replace(card(), **change).fingerprint != card().fingerprint


def test_a_model_answers_to_its_names_and_to_none() -> None:
    names = ("", "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2")
    assert all(map(card().answers_to, names))
    assert not card().answers_to("all-minilm-l12-v2")
