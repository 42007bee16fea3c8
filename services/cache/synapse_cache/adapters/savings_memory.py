"""Savings in memory: for tests, for one process alone, and as the measure of what the other must do."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from synapse_cache.analytics.savings import KEPT_DAYS, MOST_MODELS, OTHER_MODEL, Account, Saved, day_of

_MOST_BATCHES = 1_000
_DAY_SECONDS = 86_400


class MemorySavings:
    """SavingsStore of one process."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._models: dict[tuple[str, str], dict[str, Saved]] = {}
        self._batches: OrderedDict[str, None] = OrderedDict()

    async def add(self, counts: Mapping[Account, Saved], *, batch_id: str) -> None:
        """As in SavingsStore."""
        if batch_id in self._batches:
            return
        self._batches[batch_id] = None
        if len(self._batches) > _MOST_BATCHES:
            self._batches.popitem(last=False)
        for (tenant, day, model), saved in counts.items():
            models = self._models.setdefault((day, tenant), {})
            name = model if model in models or len(models) < MOST_MODELS else OTHER_MODEL
            models[name] = models.get(name, Saved()) + saved
        forgotten = day_of(self._clock() - KEPT_DAYS * _DAY_SECONDS)
        for old in [account for account in self._models if account[0] < forgotten]:
            del self._models[old]

    async def read(self, tenant: str | None, *, first_day: str, last_day: str) -> dict[Account, Saved]:
        """As in SavingsStore."""
        return {
            Account(whose, day, model): saved
            for (day, whose), models in self._models.items()
            if first_day <= day <= last_day and tenant in {None, whose}
            for model, saved in models.items()
        }

    async def close(self) -> None:
        """As in SavingsStore."""
