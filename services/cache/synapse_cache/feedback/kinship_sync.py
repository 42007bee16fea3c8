"""Kinship shared: what is learnt goes to the store, and what other replicas learnt comes from it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from synapse_cache import telemetry
from synapse_cache.feedback.relations import Relation, Relations
from synapse_cache.ports import StoreUnavailable

if TYPE_CHECKING:
    from synapse_cache.feedback.kinship import Kinship
    from synapse_cache.ports import KinshipStore

_log = logging.getLogger("synapse.cache.kinship")
_BATCH = 500
_EVERY_SECONDS = 0.5
_RETRY_SECONDS = 2.0


class KinshipSync:
    """Keeps one replica's kinship and the store alike, half a second behind at most while the store answers."""

    def __init__(self, kinship: Kinship, store: KinshipStore) -> None:
        self._kinship = kinship
        self._store = store
        self._cursor: str | None = None
        self._down = False

    async def run(self) -> None:
        """Exchange with the store until cancelled; at once when there is something to tell or to read."""
        while True:
            try:
                await self.exchange()
            except StoreUnavailable as error:
                self._trouble(error)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._down = False
                with suppress(TimeoutError):
                    async with asyncio.timeout(_EVERY_SECONDS):
                        await self._kinship.news.wait()

    async def drain(self) -> None:
        """Tell what is still to be told; what the store does not take now is lost."""
        with suppress(StoreUnavailable):
            await self._tell()

    async def exchange(self) -> None:
        """Tell, read and hear everything there is; raises StoreUnavailable, and all is read again then."""
        kinship = self._kinship
        kinship.news.clear()
        try:
            await self._tell()
            if self._cursor is None:
                self._cursor = await self._store.cursor()  # before anything is read, so that nothing is missed
                kinship.read_again()
            while (reading := kinship.begin_reading()) is not None:
                home, known = reading
                stored = await self._store.load(home)
                kinship.end_reading(home, await asyncio.to_thread(_made, (*stored, *known)))
            await self._hear(self._cursor)
        except BaseException:
            self._cursor = None
            raise

    async def _tell(self) -> None:
        while told := self._kinship.take_outgoing(limit=_BATCH):
            try:
                await self._store.add(told)
            except BaseException:
                self._kinship.put_back(told)
                raise

    async def _hear(self, cursor: str) -> None:
        while True:
            cursor, changes = await self._store.changes(cursor, limit=_BATCH)
            self._cursor = cursor
            for home, group in groupby(changes, key=itemgetter(0)):
                if self._kinship.knows(home):
                    self._kinship.hear(home, [relation for _, relation in group])
            if len(changes) < _BATCH:
                return

    def _trouble(self, error: StoreUnavailable) -> None:
        telemetry.dependency_failed("kinship")
        if not self._down:
            _log.warning("what is known about wordings is not shared now", extra={"cause": str(error)})
        self._down = True


def _made(relations: Iterable[Relation]) -> Relations:
    made = Relations()
    made.take(relations)
    return made
