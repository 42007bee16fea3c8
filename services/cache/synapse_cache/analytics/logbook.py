"""The log of requests, read again: newest first, one by its id, those like another."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse_cache.analytics.sketch import likeness

if TYPE_CHECKING:
    from synapse_cache.analytics.request_log import Logged, RequestLogger
    from synapse_cache.model import Status, Tier
    from synapse_cache.ports import RequestLogStore

_CHUNK = 200


@dataclass(frozen=True, slots=True)
class Sieve:
    """Which requests to list; None lets everything pass."""

    tier: Tier | None = None
    status: Status | None = None
    namespace: str | None = None
    model: str | None = None

    def passes(self, one: Logged) -> bool:
        """Whether `one` is wanted."""
        return (
            (self.tier is None or (one.hit and one.tier is self.tier))
            and self.status in {None, one.status}
            and self.namespace in {None, one.namespace}
            and self.model in {None, one.model}
        )


class Logbook:
    """Reads the log of one tenant at a time; what `logger` has noted here is written first.

    Every method raises StoreUnavailable.
    """

    def __init__(self, store: RequestLogStore, logger: RequestLogger) -> None:
        self._store = store
        self._logger = logger

    async def page(self, tenant: str, sieve: Sieve, *, before: str, limit: int) -> tuple[list[Logged], str]:
        """At most `limit` requests, newest first, and the position to go on before; empty at the end."""
        found: list[Logged] = []
        last = ""
        async with aclosing(self._all(tenant, before=before)) as records:
            async for position, one in records:
                if len(found) == limit:
                    return found, last
                if sieve.passes(one):
                    found.append(one)
                    last = position
        return found, ""

    async def find(self, tenant: str, request_id: str) -> Logged | None:
        """The newest request of that id."""
        async with aclosing(self._all(tenant)) as records:
            async for _, one in records:
                if one.id == request_id:
                    return one
        return None

    async def since(self, tenant: str, *, oldest_at: float, namespace: str | None = None) -> list[Logged]:
        """The requests from `oldest_at` on, oldest first."""
        found: list[Logged] = []
        async with aclosing(self._all(tenant)) as records:
            async for _, one in records:
                if one.at >= oldest_at and namespace in {None, one.namespace}:
                    found.append(one)
        return found[::-1]

    async def like(self, tenant: str, request_id: str, *, limit: int) -> list[tuple[Logged, float]] | None:
        """Other questions like that of a request, with their cosines, most similar first; None when it is not there.

        Of requests that asked the same only the newest is told, and none that asked what this one did. Empty when the
        question's vector is not in the log.
        """
        asked: Logged | None = None
        newest: dict[str, Logged] = {}
        sketches: dict[str, bytes] = {}
        async with aclosing(self._all(tenant)) as records:
            async for _, one in records:
                if asked is None and one.id == request_id:
                    asked = one
                newest.setdefault(one.key, one)
                if one.sketch:
                    sketches.setdefault(one.key, one.sketch)
        if asked is None:
            return None
        own = sketches.pop(asked.key, None)
        if own is None:
            return []
        cosines = zip(sketches, likeness(own, list(sketches.values())), strict=True)
        nearest = sorted(((cosine, key) for key, cosine in cosines if cosine > -1), reverse=True)
        return [(newest[key], cosine) for cosine, key in nearest[:limit]]

    async def _all(self, tenant: str, *, before: str = "") -> AsyncGenerator[tuple[str, Logged], None]:
        if not before:
            await self._logger.flush()
        while True:
            chunk = await self._store.page(tenant, before=before, limit=_CHUNK)
            for position, one in chunk:
                yield position, one
            if not chunk:
                return
            before = chunk[-1][0]
