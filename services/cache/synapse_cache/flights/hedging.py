"""Hedging: asking a backend before the search by meaning has ended, and serving what comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from synapse_cache.model import Miss

if TYPE_CHECKING:
    from synapse_cache.flights.calls import Trip
    from synapse_cache.lookup import Found


async def hedged(
    found: Found, searching: asyncio.Task[Found], depart: Callable[[Found], Trip], *, after_seconds: float
) -> tuple[Found, Trip | None]:
    """What the search finds, or the backend call that `depart` begins meanwhile if that brings something first.

    `found` is what is known before the search, which is cancelled where nobody waits for it any more.
    """
    first: asyncio.Task[None] | None = None
    try:
        await asyncio.wait({searching}, timeout=after_seconds)
        if searching.done():
            return searching.result(), None
        trip = depart(found)
        first = asyncio.create_task(trip.flight.first())
        await asyncio.wait({searching, first}, return_when=asyncio.FIRST_COMPLETED)
        if not searching.done() and trip.flight.brings:
            return replace(found, result=Miss("hedged")), trip
        return await searching, trip
    finally:
        searching.cancel()
        if first is not None:
            first.cancel()
