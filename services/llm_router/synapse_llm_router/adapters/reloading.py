"""Reading the configuration anew while the router serves: when a file changes, or when an administrator says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from synapse_llm_router.adapters.configuration import (
    Difference,
    Digests,
    Loaded,
    difference,
    digests,
    files_of,
    loaded,
)
from synapse_llm_router.metrics import RELOADS
from synapse_llm_router.settings import RouterSettings
from synapse_runtime.settings import Config, SettingsError

_log = logging.getLogger("synapse.router")
_SETTLE_SECONDS = 0.2
_MOST_WRITES = 25
_IDLE_SECONDS = 60.0


class Serves(Protocol):
    """What is built from a configuration."""

    async def check(self, new: Loaded) -> None:
        """Raise SettingsError if nothing that serves can be built from `new`."""

    async def use(self, new: Loaded) -> None:
        """Serve new requests by `new`, requests under way by the old; raises SettingsError and stays as it was."""


class Reloader:
    """Keeps the configuration in use; a new one that is not good in any part is refused as a whole.

    `clock` tells seconds since 1970.
    """

    def __init__(self, first: Loaded, serves: Serves, *, clock: Callable[[], float]) -> None:
        self.current = first
        self.rejected = ""
        """What was wrong with the configuration that was read last, where it is not the one in use."""
        self.load_seconds = clock()
        """When the one in use was read, in seconds since 1970."""
        self.needs_restart: tuple[str, ...] = ()
        """Settings that changed since the start and take effect only at the next one."""
        self._start = first.config
        self._serves = serves
        self._clock = clock
        self._reading = asyncio.Lock()
        self._seen: Digests = {}  # so that the first look reloads: what is in use was read a while ago
        self._tried: tuple[Config, RouterSettings] = (first.config, first.settings)

    async def check(self) -> Difference:
        """What a reload would change; raises SettingsError if the configuration is not good."""
        async with self._reading:
            new = await asyncio.to_thread(self._read)
            await self._serves.check(new)
            return difference(self._start, self.current, new)

    async def reload(self) -> Difference:
        """Read the configuration and use it; raises SettingsError if it is not good, and the old one stays in use."""
        async with self._reading:
            try:
                new = await asyncio.to_thread(self._read)
                brought = difference(self._start, self.current, new)
                if brought.changed:
                    await self._serves.use(new)
            except SettingsError as error:
                self.rejected = str(error)
                RELOADS.labels("rejected").inc()
                _log.error(
                    "the new configuration is refused, the old one stays in use", extra={"complaint": str(error)}
                )
                raise
            self._accepted(new, brought)
            return brought

    async def watch(self) -> None:
        """Reload whenever a file of the configuration changes; never ends."""
        while True:
            await asyncio.sleep(self.current.settings.reload_seconds or _IDLE_SECONDS)
            if not self.current.settings.reload_seconds:
                continue
            found = await asyncio.to_thread(digests, self._files())
            if found == self._seen:
                continue
            self._seen = found = await self._settled(found)
            with suppress(SettingsError):  # told by reload
                await self.reload()
            self._seen = {**await asyncio.to_thread(digests, self._files()), **found}

    async def _settled(self, found: Digests) -> Digests:
        """What the files hold once nobody is writing them any more, or after a while."""
        for _ in range(_MOST_WRITES):
            await asyncio.sleep(_SETTLE_SECONDS)
            before, found = found, await asyncio.to_thread(digests, self._files())
            if found == before:
                break
        return found

    def _read(self) -> Loaded:
        config = self._start.reload()
        self._tried = (config, config.section("router", RouterSettings))
        return loaded(config)

    def _files(self) -> set[Path]:
        """The files to look at: of the configuration in use, and of the one that was tried last."""
        return files_of(self.current.config, self.current.settings) | files_of(*self._tried)

    def _accepted(self, new: Loaded, brought: Difference) -> None:
        self.current, self.rejected, self.load_seconds = new, "", self._clock()
        self.needs_restart = brought.needs_restart
        RELOADS.labels("applied" if brought.changed else "unchanged").inc()
        if brought.changed or brought.needs_restart:
            _log.info(
                "configuration read anew",
                extra={
                    "changed": brought.changed,
                    "added": brought.added_backends,
                    "removed": brought.removed_backends,
                    "backends": brought.changed_backends,
                    "needs_restart": brought.needs_restart,
                },
            )
