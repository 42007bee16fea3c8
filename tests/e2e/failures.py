"""What a client of each protocol sees where an answer fails: before it began, or after its first piece."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anthropic
import openai

from tests.e2e.questions import Question, Told
from tests.e2e.speakers import BrokenOff, Speaker, tell


@dataclass(frozen=True)
class Failure:
    """A failed answer. `status` is 200 where it failed after its first piece."""

    status: int
    message: str
    kind: str
    """The protocol's own word for it: `type` of the error object."""
    error: Exception | None
    headers: Mapping[str, str]

    @property
    def is_late(self) -> bool:
        """Whether the answer had begun."""
        return self.status == 200


def outcome(speaker: Speaker, form: str, model: str, question: Question, **options: Any) -> Told | Failure:
    """Ask, and return what came of it."""
    try:
        return tell(speaker, form, model, question, **options)
    except (openai.APIStatusError, anthropic.APIStatusError) as error:
        return _failure(error, error.response.status_code, error.response.headers)
    except openai.APIError as error:
        return _failure(error, 200, {})
    except BrokenOff as broken:
        return Failure(200, broken.message, broken.kind, broken, {})


def _failure(error: openai.APIError | anthropic.APIStatusError, status: int, headers: Mapping[str, str]) -> Failure:
    told: Any = error.body
    if isinstance(told, dict) and isinstance(told.get("error"), dict):
        told = told["error"]
    assert isinstance(told, dict), f"an error without an error object: {told!r}"
    return Failure(status, told["message"], told["type"], error, headers)
