"""The journal in memory: for tests, and where nothing needs to survive the process."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from itertools import islice

from synapse_cache.adapters.codec import encode
from synapse_cache.model import Entry


class MemoryJournal:
    """Journal of at most `max_bytes` of encoded entries."""

    def __init__(self, *, max_bytes: int = 64 << 20) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: dict[str, tuple[Entry, int]] = {}
        self._closed = False

    async def append(self, entry: Entry) -> None:
        """As in Journal."""
        self._require_open()
        size = len(encode(entry))
        if self._bytes + size > self._max_bytes:
            raise OSError(errno.ENOSPC, f"the journal holds its {self._max_bytes} bytes")
        await self.settle([entry.id])
        self._entries[entry.id] = (entry, size)
        self._bytes += size

    async def settle(self, entry_ids: Sequence[str]) -> None:
        """As in Journal."""
        self._require_open()
        for entry_id in entry_ids:
            _, size = self._entries.pop(entry_id, (None, 0))
            self._bytes -= size

    async def pending(self, *, limit: int) -> list[Entry]:
        """As in Journal."""
        self._require_open()
        return [entry for entry, _ in islice(self._entries.values(), limit)]

    async def pending_count(self) -> int:
        """As in Journal."""
        self._require_open()
        return len(self._entries)

    async def close(self) -> None:
        """As in Journal."""
        self._closed = True

    def _require_open(self) -> None:
        if self._closed:
            raise OSError(errno.EBADF, "the journal is closed")
