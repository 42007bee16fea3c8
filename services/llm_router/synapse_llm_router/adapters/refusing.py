"""Saying no to what a backend cannot do: the question is refused, never changed."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from synapse_runtime.errors import InvalidArgument

if TYPE_CHECKING:
    from synapse.llm.v1.request_pb2 import Sampling

UNSUPPORTED_CONTENT = "UNSUPPORTED_CONTENT"
UNSUPPORTED_PARAMETER = "UNSUPPORTED_PARAMETER"
_NAMES = {"choice_count": "n", "logit_bias_json": "logit_bias"}
_NEUTRAL: dict[str, Any] = {
    "top_p": 1,
    "min_p": 0,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "choice_count": 1,
    "best_of": 1,
    "logprobs": False,
    "logit_bias_json": "{}",
}
"""Values that ask for what every backend does anyway."""


def content(backend: str, member: str, why: str = "") -> InvalidArgument:
    """The error for content in `member` that `backend` cannot take."""
    return _refused(backend, member, why, UNSUPPORTED_CONTENT)


def parameter(backend: str, member: str, why: str = "") -> InvalidArgument:
    """The error for a parameter that `backend` does not know."""
    return _refused(backend, member, why, UNSUPPORTED_PARAMETER)


def require_known(backend: str, sampling: Sampling, known: Collection[str]) -> None:
    """Raise InvalidArgument for a field of `sampling` outside of `known`, unless its value asks for nothing."""
    for field, value in sampling.ListFields():
        name = field.name
        if name not in known and name != "stop_is_text" and _NEUTRAL.get(name) != value:
            raise parameter(backend, _NAMES.get(name, name))


def _refused(backend: str, member: str, why: str, reason: str) -> InvalidArgument:
    because = f": {why}" if why else ""
    return InvalidArgument(
        f"the backend {backend!r} cannot take {member}{because}",
        reason=reason,
        metadata={"backend": backend, "field": member},
    )
