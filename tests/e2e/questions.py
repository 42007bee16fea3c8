"""Conversations in no protocol's words, what came back of them, and the tools and pictures that tests ask with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import httpx

STATUS = "x-synapse-cache-status"
MAX_TOKENS = 400
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""One pixel."""
Finish: TypeAlias = Literal["stop", "length", "calls", "filtered", "other"]


@dataclass(frozen=True)
class Tool:
    """A function that the model may call, with arguments of a strict schema."""

    name: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """A call that a model made."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Said:
    """A turn of words."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True)
class Called:
    """A turn of the assistant that calls tools, with words before it or none."""

    calls: tuple[Call, ...]
    text: str = ""


@dataclass(frozen=True)
class Returned:
    """What the tools answered: the text of each call."""

    results: Mapping[str, str]


Turn: TypeAlias = Said | Called | Returned


@dataclass(frozen=True)
class Question:
    """A conversation that wants an answer."""

    turns: tuple[Turn, ...]
    system: str = ""
    picture: str = ""
    """PNG in base64, shown with the last turn of the user."""
    tools: tuple[Tool, ...] = ()
    tool_choice: str = ""
    """"required", or the name of a tool; empty says nothing."""
    schema: Mapping[str, Any] | None = None
    temperature: float | None = None
    max_tokens: int = MAX_TOKENS
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further members of the body, in the words of the protocol that is asked in."""

    def with_(self, **changes: Any) -> Question:
        """The question with these changes."""
        return replace(self, **changes)


def question(text: str, **options: Any) -> Question:
    """A question of one turn."""
    return Question((Said("user", text),), **options)


@dataclass(frozen=True)
class Told:
    """What a client was told."""

    text: str
    finish: Finish
    calls: tuple[Call, ...]
    thinking: str
    tokens: tuple[int, int]
    """Of the prompt and of the answer."""
    headers: httpx.Headers | Mapping[str, str]
    raw: Any
    """The answer as the SDK has it."""

    @property
    def status(self) -> str:
        """What the cache did."""
        return self.headers.get(STATUS, "")

    @property
    def said(self) -> tuple[Any, ...]:
        """All that must be the same in every protocol."""
        return self.text, self.finish, self.calls, self.tokens


_CITY = {"type": "string", "enum": ["Bern", "Oslo"]}
_OF_A_CITY = {"type": "object", "properties": {"city": _CITY}, "required": ["city"], "additionalProperties": False}
WEATHER = Tool("get_weather", _OF_A_CITY)
SCHEMA = _OF_A_CITY
