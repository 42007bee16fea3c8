"""Strategies: in which order the backends of a model are asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Target:
    """A backend, the model's name there, and its share under the strategy `weighted`."""

    backend: str
    model: str
    weight: int = 1


class Load(Protocol):
    """What a strategy may know of a backend."""

    @property
    def in_flight(self) -> int:
        """Requests that it answers now."""

    def latency_seconds(self, *, streamed: bool) -> float | None:
        """Moving average of its time to the first token, or to a whole answer; None before the first."""


Loads: TypeAlias = Mapping[str, Load]
Cost: TypeAlias = Callable[[Target], float | None]
"""What a target costs, in any unit; None where it is not known."""


class Balancer(Protocol):
    """A strategy, with what it has to remember of one model."""

    def order(self, targets: Sequence[Target], loads: Loads, *, streamed: bool) -> Sequence[Target]:
        """`targets`, the one to ask first; `loads` has an entry for each backend."""


class Ordered:
    """The order of the configuration."""

    def order(self, targets: Sequence[Target], loads: Loads, *, streamed: bool) -> Sequence[Target]:  # noqa: ARG002
        """As configured."""
        return targets


class Weighted:
    """Each target gets its share by weight, evenly spread over time (smooth weighted round robin)."""

    def __init__(self) -> None:
        self._credit: dict[Target, int] = {}

    def order(self, targets: Sequence[Target], loads: Loads, *, streamed: bool) -> Sequence[Target]:  # noqa: ARG002
        """The one that is owed most first."""
        for target in targets:
            self._credit[target] = self._credit.get(target, 0) + target.weight
        ranked = sorted(targets, key=lambda target: -self._credit[target])
        self._credit[ranked[0]] -= sum(target.weight for target in targets)
        return ranked


class LeastInFlight:
    """The least busy first; equally busy ones take turns."""

    def __init__(self) -> None:
        self._turn = 0

    def order(self, targets: Sequence[Target], loads: Loads, *, streamed: bool) -> Sequence[Target]:  # noqa: ARG002
        """By requests under way."""
        self._turn = (self._turn + 1) % len(targets)
        rotated = (*targets[self._turn :], *targets[: self._turn])
        return sorted(rotated, key=lambda target: loads[target.backend].in_flight)


class Quickest:
    """The lowest latency first; one of unknown latency is tried by one request at a time.

    A share `exploration` of the requests goes to another one, so that a target that was slow once is measured again.
    """

    def __init__(self, *, exploration: float, random: Callable[[], float]) -> None:
        self._exploration = exploration
        self._random = random

    def order(self, targets: Sequence[Target], loads: Loads, *, streamed: bool) -> Sequence[Target]:
        """By moving average."""

        def rank(target: Target) -> tuple[int, float]:
            load = loads[target.backend]
            seconds = load.latency_seconds(streamed=streamed)
            if seconds is None:
                return (2 if load.in_flight else 0, 0.0)
            return (1, seconds)

        ranked = sorted(targets, key=rank)
        if len(ranked) > 1 and self._random() < self._exploration:
            other = 1 + int(self._random() * (len(ranked) - 1))
            ranked.insert(0, ranked.pop(other))
        return ranked


class Cheapest:
    """The lowest price first; what has no known price comes last."""

    def __init__(self, cost: Cost) -> None:
        self._cost = cost

    def order(self, targets: Sequence[Target], loads: Loads, *, streamed: bool) -> Sequence[Target]:  # noqa: ARG002
        """By price."""

        def rank(target: Target) -> float:
            cost = self._cost(target)
            return float("inf") if cost is None else cost

        return sorted(targets, key=rank)
