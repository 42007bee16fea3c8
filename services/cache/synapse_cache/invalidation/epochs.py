"""The epochs of namespaces while a walk lasts: which of the entries that it meets were flushed."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from synapse_cache.model import Place
from synapse_cache.transfer.patience import patiently

if TYPE_CHECKING:
    from synapse_cache.model import Entry
    from synapse_cache.ports import ExactStore

_NO_KEY = "0" * 64
_MOST = 10_000


class Epochs:
    """Asks for each namespace's epoch once; raises StoreUnavailable."""

    def __init__(self, exact: ExactStore) -> None:
        self._exact = exact
        self._known: OrderedDict[tuple[str, str], int] = OrderedDict()

    async def hold(self, entry: Entry) -> bool:
        """Whether `entry` is of its namespace's epoch."""
        home = (entry.tenant, entry.namespace)
        if home not in self._known:
            place = Place(*home)
            self._known[home] = (await patiently(lambda: self._exact.get(place, _NO_KEY)))[1]
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        return entry.epoch == self._known[home]
