"""The models that are served, by their names: the first is the default one, further ones are there to move to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from synapse_embed.embedder import Embedder
from synapse_embed.errors import EncoderDown, UnknownModel

Present: TypeAlias = Callable[[], Embedder]
"""Gives the embedder of the moment; raises EncoderDown while its backend has not answered yet."""


class Models:
    """Finds the embedder that a request names."""

    def __init__(self, first: Present, others: Sequence[Present] = ()) -> None:
        self._first = first
        self._others = tuple(others)

    def of(self, name: str) -> Embedder:
        """The embedder of a model; raises UnknownModel, and EncoderDown while it may be one that does not answer."""
        first = self._first()
        if first.card.answers_to(name):
            return first
        others, down = self._answering()
        for other in others:
            if other.card.answers_to(name):
                return other
        if down is not None:
            raise EncoderDown(f"no model {name[:200]!r} answers; one that may be it does not answer yet") from down
        served = ", ".join(repr(embedder.card.id) for embedder in (first, *others))
        raise UnknownModel(f"there is no model {name[:200]!r}; this service has {served}", reason="UNKNOWN_MODEL")

    def all(self) -> list[Embedder]:
        """Those that answer, the default one first."""
        return [self._first(), *self._answering()[0]]

    def _answering(self) -> tuple[list[Embedder], EncoderDown | None]:
        """Those of the others that answer, and why one does not."""
        found: list[Embedder] = []
        down = None
        for other in self._others:
            try:
                found.append(other())
            except EncoderDown as error:
                down = error
        return found, down
