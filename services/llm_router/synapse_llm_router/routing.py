"""Which backend takes which model: the first configured wins, wildcards and the default come last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


class UnknownModel(Exception):
    """No backend takes the model."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.model = model


@dataclass(frozen=True, slots=True)
class Offer:
    """What one backend takes: `models` maps the names callers use to the backend's own."""

    backend: str
    models: Mapping[str, str]
    wildcard: bool = False

    @property
    def discovers(self) -> bool:
        """Whether the backend has to be asked what it serves before a model can be given to it."""
        return not self.models and not self.wildcard


@dataclass(frozen=True, slots=True)
class Route:
    """The backend to ask, and the model's name there."""

    backend: str
    model: str


class Routes:
    """The configured routes."""

    def __init__(self, offers: Sequence[Offer], *, default_backend: str = "") -> None:
        self.offers = tuple(offers)
        self._listed: dict[str, Route] = {}
        for offer in offers:
            for name, target in offer.models.items():
                self._listed.setdefault(name, Route(offer.backend, target))
        wildcards = [offer.backend for offer in offers if offer.wildcard]
        self._last = next(iter((*wildcards, *filter(None, [default_backend]))), None)

    def listed(self, model: str) -> Route | None:
        """The route of a model that the configuration lists."""
        return self._listed.get(model)

    def fallback(self, model: str) -> Route | None:
        """The route of a model that nobody lists: the first wildcard, else the default backend."""
        return Route(self._last, model) if self._last else None


def models_of(entries: Iterable[str]) -> dict[str, str]:
    """Names and the backend's own names out of entries "name" and "alias=name"; the first of equal names wins."""
    models: dict[str, str] = {}
    for entry in entries:
        alias, _, target = entry.partition("=")
        models.setdefault(alias.strip(), target.strip() or alias.strip())
    return models
