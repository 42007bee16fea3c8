"""Which backends take which model: explicit routes, then every backend that lists it, then the wildcards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from synapse_llm_router.balancing import Balancer, Ordered, Target
from synapse_llm_router.faults import Fault


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
class Fallback:
    """Another model for requests that failed in one of the ways `on`."""

    on: frozenset[Fault]
    model: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What the configuration says of one model; without `targets` it goes to every backend that lists it."""

    model: str
    targets: tuple[Target, ...] = ()
    strategy: str = ""
    fallbacks: tuple[Fallback, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """Where a model goes: at least one target, in order of preference."""

    model: str
    targets: tuple[Target, ...]
    balancer: Balancer
    fallbacks: tuple[Fallback, ...] = ()


class Routes:
    """The configured routes. `balancer` makes one for a strategy's name, "" being the default strategy's."""

    def __init__(
        self,
        offers: Sequence[Offer],
        *,
        balancer: Callable[[str], Balancer],
        rules: Iterable[Rule] = (),
        default_backend: str = "",
    ) -> None:
        self.offers = tuple(offers)
        self._aliases = {offer.backend: offer.models for offer in offers}
        self._balancer = balancer
        self._rules = {rule.model: rule for rule in rules}
        self._static = {model: self.route(model, targets) for model, targets in self._listed().items()}
        wildcards = [offer.backend for offer in offers if offer.wildcard]
        self._last = wildcards or [name for name in (default_backend,) if name]

    @property
    def models(self) -> Mapping[str, Sequence[str]]:
        """Every model that the configuration names, with its backends."""
        return {model: list(dict.fromkeys(t.backend for t in route.targets)) for model, route in self._static.items()}

    def listed(self, model: str) -> Route | None:
        """The route of a model that the configuration lists."""
        return self._static.get(model)

    def rest(self, model: str) -> Route | None:
        """The route of a model that nobody lists: the wildcards in order, else the default backend."""
        targets = tuple(Target(name, model) for name in self._last)
        rule = self._rules.get(model)
        return Route(model, targets, Ordered(), rule.fallbacks if rule else ()) if targets else None

    def route(self, model: str, targets: Sequence[Target]) -> Route:
        """The route of `model` to these targets, by what the configuration says of it."""
        rule = self._rules.get(model) or Rule(model)
        return Route(model, tuple(targets), self._balancer(rule.strategy), rule.fallbacks)

    def _listed(self) -> dict[str, list[Target]]:
        found: dict[str, list[Target]] = {}
        for rule in self._rules.values():
            if rule.targets:
                found[rule.model] = [self._resolved(target) for target in rule.targets]
        explicit = frozenset(found)
        for offer in self.offers:
            for name, model in offer.models.items():
                if name not in explicit:
                    found.setdefault(name, []).append(Target(offer.backend, model))
        return found

    def _resolved(self, target: Target) -> Target:
        """The target by the backend's own name of the model, where the route used an alias."""
        model = self._aliases[target.backend].get(target.model, target.model)
        return Target(target.backend, model, target.weight)


def models_of(entries: Iterable[str]) -> dict[str, str]:
    """Names and the backend's own names out of entries "name" and "alias=name"; the first of equal names wins."""
    models: dict[str, str] = {}
    for entry in entries:
        alias, _, target = entry.partition("=")
        models.setdefault(alias.strip(), target.strip() or alias.strip())
    return models
