"""The fleet in use, and those that it replaced: a configuration that is good takes over without a pause."""

from __future__ import annotations

from typing import Self

from synapse_llm_router.adapters.assembly import fleet_of
from synapse_llm_router.adapters.configuration import Loaded
from synapse_llm_router.adapters.roster import Roster
from synapse_llm_router.fleet import Fleet
from synapse_llm_router.holding import Holder
from synapse_llm_router.prices import CurrentPrices

_SHORTEST_LINGER_SECONDS = 60.0


class Fleets:
    """Makes fleets out of configurations; `in_use` holds the one that serves."""

    def __init__(self, first: Loaded) -> None:
        self._prices = CurrentPrices(first.prices)
        self._roster = Roster(self._prices)
        self._first = first
        self.in_use: Holder[Fleet]

    async def __aenter__(self) -> Self:
        self.in_use = Holder(await self._began(self._first), _close, linger_seconds=_linger_seconds(self._first))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.in_use.close()

    async def check(self, new: Loaded) -> None:
        """Make a fleet of `new` and close it, unused; raises SettingsError."""
        await (await fleet_of(new.with_keys, self._roster, self._prices)).close()

    async def use(self, new: Loaded) -> None:
        """Serve new calls by `new`; those under way end on what they began with. Raises SettingsError."""
        fleet = await self._began(new)
        self._prices.table = new.prices
        old = self.in_use.current
        self.in_use.replace(fleet, linger_seconds=_linger_seconds(new))
        await old.stop_checks()

    async def _began(self, loaded: Loaded) -> Fleet:
        fleet = await fleet_of(loaded.with_keys, self._roster, self._prices)
        return await fleet.__aenter__()


async def _close(fleet: Fleet) -> None:
    await fleet.close()


def _linger_seconds(loaded: Loaded) -> float:
    """Longer than any call may take that tries every backend twice."""
    return max([_SHORTEST_LINGER_SECONDS, *(2 * one.total_seconds for one in loaded.settings.backends)])
