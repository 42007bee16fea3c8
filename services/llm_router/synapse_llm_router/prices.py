"""What tokens cost: the prices of models by provider, and what an answer cost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_DATED = re.compile(r"(.+?)[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest)")
_NANOS_A_TOKEN = 1000  # a US dollar per million tokens
_MOST_KNOWN = 10_000
ANY = "*"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an answer used; `prompt` counts what was read from and written to the provider's own cache, too."""

    prompt: int
    completion: int
    cache_read: int = 0
    cache_write: int = 0


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars per million tokens: of the prompt, of the answer, of the provider's own cache."""

    input: float
    output: float
    cache_read: float
    cache_write: float

    def nanos(self, tokens: Tokens) -> int:
        """What `tokens` cost, in billionths of a US dollar."""
        fresh = max(0, tokens.prompt - tokens.cache_read - tokens.cache_write)
        dollars = fresh * self.input + tokens.completion * self.output
        dollars += tokens.cache_read * self.cache_read + tokens.cache_write * self.cache_write
        return round(dollars * _NANOS_A_TOKEN)


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs: `long_rates`, where it has them, hold for prompts over `long_over_tokens`."""

    rates: Rates
    long_rates: Rates | None = None
    long_over_tokens: int = 0

    def nanos(self, tokens: Tokens) -> int:
        """What `tokens` cost, in billionths of a US dollar."""
        if self.long_rates is not None and tokens.prompt > self.long_over_tokens:
            return self.long_rates.nanos(tokens)
        return self.rates.nanos(tokens)


class PriceTable:
    """Prices by owner and model: `entries` maps the name of a backend, of a provider or * to model patterns.

    A pattern is a model's name, in which * stands for anything; `default` is the price of what no pattern knows.
    """

    def __init__(
        self, entries: Mapping[str, Mapping[str, Price]], *, default: Price | None = None, as_of: str = ""
    ) -> None:
        self.entries = {owner: dict(models) for owner, models in entries.items()}
        self.default = default
        self.as_of = as_of
        self._patterns = {owner: _compiled(models) for owner, models in entries.items()}
        self._known: dict[tuple[str, str, str], Price | None] = {}

    def over(self, below: PriceTable) -> PriceTable:
        """This table laid over `below`: of equal owners and patterns this one's price counts."""
        entries = {owner: dict(models) for owner, models in below.entries.items()}
        for owner, models in self.entries.items():
            entries.setdefault(owner, {}).update(models)
        return PriceTable(entries, default=self.default or below.default, as_of=self.as_of or below.as_of)

    def price(self, model: str, *, provider: str, backend: str = "") -> Price | None:
        """The price of a backend's `model`; None when it is not known.

        What is listed under the backend's own name comes before what its provider's list says, and that before *.
        Inside a list the most specific pattern counts: the name itself, then the name of which the model's is a dated
        version, then the pattern with the most letters.
        """
        key = (backend, provider, model)
        if key not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[key] = self._found(model, (backend, provider, ANY))
        return self._known[key]

    def _found(self, model: str, owners: Iterable[str]) -> Price | None:
        family = family_of(model)
        for owner in owners:
            models = self.entries.get(owner, {})
            exact = models.get(model) or models.get(family)
            if exact is not None:
                return exact
            for pattern, price in self._patterns.get(owner, ()):
                if pattern.fullmatch(model) or pattern.fullmatch(family):
                    return price
        return self.default


class CurrentPrices:
    """The table in use, which a reload may replace."""

    def __init__(self, table: PriceTable) -> None:
        self.table = table

    def price(self, model: str, *, provider: str, backend: str = "") -> Price | None:
        """The price of a backend's `model`; None where it is not known."""
        return self.table.price(model, provider=provider, backend=backend)


def family_of(model: str) -> str:
    """The name of which `model` is a dated version, such as gpt-4o of gpt-4o-2024-08-06; else the name itself."""
    dated = _DATED.fullmatch(model)
    return dated.group(1) if dated else model


def _compiled(models: Mapping[str, Price]) -> list[tuple[re.Pattern[str], Price]]:
    """The patterns that have a *, the most specific first."""
    patterns = sorted((name for name in models if ANY in name), key=lambda name: (-len(name), name))
    return [(re.compile(".*".join(map(re.escape, name.split(ANY)))), models[name]) for name in patterns]
