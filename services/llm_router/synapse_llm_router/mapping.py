"""The mapping of a backend with a protocol of its own: how a question is written, and where its answer tells what.

Texts of the body, the path and the headers may hold placeholders, {temperature} for example. A text that is one
placeholder becomes its value, whatever its type; inside a longer text it is written out. A member whose placeholder has
no value is left out. {{ and }} are braces. Places in answers are JSON pointers (RFC 6901), such as /choices/0/text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from synapse_runtime.settings import Section

Finish = Literal["stop", "length", "tool_calls", "content_filter"]
PLACEHOLDERS = frozenset(
    {
        "model",
        "messages",
        "prompt",
        "stream",
        "request_id",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "seed",
        "stop",
        "max_tokens",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "schema",
        "reasoning_effort",
        "user",
    }
)
"""What a body may hold: members of OpenAI's requests by their names, and a few of our own."""
LINE_PLACEHOLDERS = frozenset({"model", "request_id"})
"""What a path or header may hold."""
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_ABSENT = object()


def placeholders_in(template: Any) -> Iterator[str]:
    """The names of all placeholders in the JSON value `template`; a stray brace is the name "{" or "}"."""
    match template:
        case str():
            for piece in _PIECE.finditer(template):
                if piece.group() not in {"{{", "}}"}:
                    yield piece.group(1) if piece.group(1) is not None else piece.group()
        case dict():
            for value in template.values():
                yield from placeholders_in(value)
        case list():
            for value in template:
                yield from placeholders_in(value)


def filled(template: Any, values: Mapping[str, Any], write: Callable[[Any], str]) -> Any:
    """The JSON value `template` with `values` in place; `write` makes text of a value inside of a text.

    None where the template is a placeholder without a value.
    """
    value = _filled(template, values, write)
    return None if value is _ABSENT else value


def _filled(template: Any, values: Mapping[str, Any], write: Callable[[Any], str]) -> Any:
    match template:
        case str():
            return _filled_text(template, values, write)
        case dict():
            members = ((name, _filled(value, values, write)) for name, value in template.items())
            return {name: value for name, value in members if value is not _ABSENT}
        case list():
            return [value for one in template if (value := _filled(one, values, write)) is not _ABSENT]
        case _:
            return template


def _filled_text(template: str, values: Mapping[str, Any], write: Callable[[Any], str]) -> Any:
    whole = _PIECE.fullmatch(template)
    if whole and whole.group(1):
        return values.get(whole.group(1), _ABSENT)
    if any(name not in values for name in placeholders_in(template)):
        return _ABSENT
    return _PIECE.sub(lambda piece: write(values[piece.group(1)]) if piece.group(1) else piece.group()[0], template)


@lru_cache(maxsize=1024)
def steps_of(pointer: str) -> tuple[str, ...]:
    """The steps of a JSON pointer."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


def _is_pointer(value: str) -> str:
    if (value and not value.startswith("/")) or re.search(r"~(?![01])", value):
        raise ValueError(f"{value!r} is not a JSON pointer: it begins with / and names one member after the other")
    return value


Pointer = Annotated[str, AfterValidator(_is_pointer)]


class Places(Section):
    """Where an answer, or an event of a stream, tells what."""

    text: Pointer
    """The answer's text, in a stream the next piece of it."""
    reasoning: Pointer | None = None
    """The model's thinking, likewise."""
    tool_calls: Pointer | None = None
    """Tool calls in OpenAI's form, in a stream keyed by `index`."""
    finish_reason: Pointer | None = None
    """Why the answer ended. Unset: a whole answer ended by itself."""
    prompt_tokens: Pointer | None = None
    """Tokens of the prompt."""
    completion_tokens: Pointer | None = None
    """Tokens of the answer."""


class StreamPlaces(Places):
    """How answers are streamed, and where their events tell what."""

    framing: Literal["sse", "ndjson"] = "sse"
    """Server-sent events whose data is JSON, or lines of JSON."""
    path: str = ""
    """Path of streamed questions; empty: the same."""
    done: Pointer | None = None
    """Place that holds something other than null, false and an empty text in the last event."""
    done_data: str = ""
    """Data of the event that ends a stream, such as [DONE]."""

    @model_validator(mode="after")
    def _tells_its_end(self) -> Self:
        if self.done is None and not self.done_data and self.finish_reason is None:
            raise ValueError(
                "needs done, done_data or finish_reason: a stream that broke off must be told from a whole"
            )
        return self


class CustomMapping(Section):
    """How a backend with a protocol of its own is asked."""

    method: Literal["POST", "PUT"] = "POST"
    """Method of the requests."""
    path: str
    """Path below the endpoint, which may hold {model}."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers that hold {model} or {request_id}; fixed ones belong to the backend's `headers`."""
    key_header: str = "authorization: Bearer {key}"
    """The header that carries the key."""
    body: dict[str, Any]
    """The JSON body, with placeholders."""
    left_out: tuple[str, ...] = ()
    """Parameters, by their names as placeholders, that the backend lacks and that are left out where others are
    refused."""
    answer: Places
    """Where a whole answer tells what."""
    stream: StreamPlaces | None = None
    """How answers are streamed. Unset: streamed questions get the whole answer as one event."""
    finish_reasons: dict[str, Finish] = Field(default_factory=dict)
    """The backend's words for why an answer ended."""
    error: Pointer | None = "/error"
    """Place that holds something other than null, false and an empty text in an answer or event that is an error."""

    @field_validator("key_header")
    @classmethod
    def _carries_a_key(cls, value: str) -> str:
        name, _, text = value.partition(":")
        if not name.strip() or "{key}" not in text:
            raise ValueError("must be a header's name, a colon and a text with {key}")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        self._require(self.body, PLACEHOLDERS, "body")
        for line in (self.path, self.stream.path if self.stream else "", *self.headers.values()):
            self._require(line, LINE_PLACEHOLDERS, "path and headers")
        held = self.placeholders
        if len(held & {"prompt", "messages"}) != 1:
            raise ValueError("body: must hold {prompt} or {messages}, and not both")
        if self.stream and not self.stream.path and "stream" not in held:
            raise ValueError("stream: needs a path of its own, or {stream} in the body")
        if "tools" in held and self.answer.tool_calls is None:
            raise ValueError("answer: needs tool_calls, for the body holds {tools}")
        if unknown := set(self.left_out) - PLACEHOLDERS:
            raise ValueError(f"left_out: {min(unknown)!r} is no parameter")
        if not all(path.startswith("/") for path in self.paths):
            raise ValueError("path: must begin with /")
        return self

    @property
    def placeholders(self) -> frozenset[str]:
        """The names of the placeholders in the body."""
        return frozenset(placeholders_in(self.body))

    @property
    def paths(self) -> tuple[str, str]:
        """The paths of whole and of streamed questions."""
        return self.path, (self.stream.path if self.stream else "") or self.path

    def key_headers(self, key: str) -> Mapping[str, str]:
        """The header that carries `key`."""
        name, _, text = self.key_header.partition(":")
        return {name.strip().lower(): text.strip().replace("{key}", key)}

    @staticmethod
    def _require(template: Any, known: frozenset[str], where: str) -> None:
        for name in placeholders_in(template):
            if name not in known:
                raise ValueError(f"{where}: {{{name}}} is no placeholder; known are {', '.join(sorted(known))}")
