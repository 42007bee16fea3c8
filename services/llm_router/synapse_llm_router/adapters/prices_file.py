"""The table of prices as a JSON file: the bundled one, and the operator's own laid over it.

    {"as_of": "2026-11-05",
     "prices": {"openai": {"gpt-4o": {"input": 2.5, "output": 10, "cache_read": 1.25}}},
     "default": null}

Prices are US dollars per million tokens. `cache_read` and `cache_write` default to `input`. `long_prompt` holds other
rates for prompts of more than `over_tokens`.
"""

from __future__ import annotations

import datetime as dt
import json
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from synapse_llm_router.prices import Price, PriceTable, Rates
from synapse_runtime.settings import Section, SettingsError

_MAX_BYTES = 4 * 1024 * 1024
_BUNDLED = "prices.json"


class _Rates(Section):
    """US dollars per million tokens."""

    input: float = Field(ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)
    cache_read: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    cache_write: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    def rates(self) -> Rates:
        """The rates, with those that are not given."""
        read, write = (self.input if rate is None else rate for rate in (self.cache_read, self.cache_write))
        return Rates(self.input, self.output, read, write)


class _LongRates(_Rates):
    """The rates of long prompts."""

    over_tokens: int = Field(gt=0)


class _Price(_Rates):
    """The price of a model."""

    long_prompt: _LongRates | None = None

    def price(self) -> Price:
        """The same in the domain's form."""
        if self.long_prompt is None:
            return Price(self.rates())
        return Price(self.rates(), self.long_prompt.rates(), self.long_prompt.over_tokens)


class _Table(Section):
    """The file."""

    as_of: dt.date | None = None
    note: str = ""
    prices: dict[str, dict[str, _Price]]
    default: _Price | None = None


def bundled() -> PriceTable:
    """The public list prices that come with the router."""
    return _parsed(resources.files("synapse_llm_router").joinpath(_BUNDLED).read_bytes(), "the bundled prices")


def read_prices(path: str) -> PriceTable:
    """The bundled prices with those of the file `path` over them, "" for none.

    Raises SettingsError that names the file and what is wrong in it.
    """
    if not path:
        return bundled()
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(f"cannot read {path} (router.prices_path): {error.strerror}") from error
    return _parsed(content, path).over(bundled())


def _parsed(content: bytes, origin: str) -> PriceTable:
    if len(content) > _MAX_BYTES:
        raise SettingsError(f"{origin} is longer than a table of prices can be ({_MAX_BYTES} bytes)")
    try:
        table = _Table.model_validate(json.loads(content, object_pairs_hook=_unique))
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise SettingsError(f"wrong prices ({origin}):\n" + "\n".join(lines)) from error
    except ValueError as error:
        raise SettingsError(f"{origin} is not JSON: {error}") from error
    entries = {
        owner: {pattern: price.price() for pattern, price in models.items()} for owner, models in table.prices.items()
    }
    default = table.default.price() if table.default else None
    return PriceTable(entries, default=default, as_of=table.as_of.isoformat() if table.as_of else "")


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object; raises ValueError for a name that comes twice."""
    found = dict(members)
    if len(found) < len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is there twice")
    return found
