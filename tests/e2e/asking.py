"""Questions asked with the official SDK, and what came back with its headers."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openai import OpenAI

STATUS = "x-synapse-cache-status"
RECOVERY_SECONDS = 40.0


@dataclass(frozen=True)
class Reply:
    """A whole answer: as the SDK parsed it, as it came, and its headers."""

    parsed: Any
    json: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def status(self) -> str:
        """What the cache did."""
        return self.headers.get(STATUS, "")

    @property
    def text(self) -> str | None:
        """The first choice's text."""
        content: str | None = self.json["choices"][0]["message"]["content"]
        return content


@dataclass(frozen=True)
class Streamed:
    """A streamed answer: the chunks as the SDK parsed them, as they came, and the headers."""

    parsed: list[Any]
    chunks: list[dict[str, Any]]
    headers: Mapping[str, str]

    @property
    def status(self) -> str:
        """What the cache did."""
        return self.headers.get(STATUS, "")

    @property
    def text(self) -> str:
        """The first choice's text."""
        pieces = [choice for chunk in self.chunks for choice in chunk["choices"] if choice["index"] == 0]
        return "".join(piece["delta"].get("content") or "" for piece in pieces)


class Asker:
    """Asks chat questions with one SDK client; `usual` are the members of every question that says nothing else."""

    def __init__(self, client: OpenAI, **usual: Any) -> None:
        self.client = client
        self.usual = usual

    def __call__(self, prompt: str, **options: Any) -> Reply:
        """Ask for a whole answer."""
        raw = self.client.chat.completions.with_raw_response.create(**self._question(prompt, options))
        return Reply(raw.parse(), json.loads(raw.text), raw.headers)

    def stream(self, prompt: str, **options: Any) -> Streamed:
        """Ask for a stream and read it to its end."""
        raw = self.client.chat.completions.with_raw_response.create(stream=True, **self._question(prompt, options))
        with raw.parse() as stream:
            parsed = list(stream)
        return Streamed(parsed, [chunk.to_dict(mode="json") for chunk in parsed], raw.headers)

    def in_form(self, form: str, prompt: str, **options: Any) -> Reply | Streamed:
        """Ask in the `form` "plain" or "streamed"."""
        return self.stream(prompt, **options) if form == "streamed" else self(prompt, **options)

    def _question(self, prompt: str, options: dict[str, Any]) -> dict[str, Any]:
        messages = options.pop("messages", [{"role": "user", "content": prompt}])
        return {**self.usual, "messages": messages, **options}


def eventually_hit(asker: Asker, prompt: str) -> str:
    """What a question finds that leaves no trace, asked again until it hits."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while (status := asker(prompt, extra_headers={"cache-control": "no-store"}).status) == "MISS":
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return status
