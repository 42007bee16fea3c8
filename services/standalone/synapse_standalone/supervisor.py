"""Runs all parts of the mesh: starts them together, keeps each alive, stops them in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from operator import attrgetter

from synapse_standalone.child import Child, Status
from synapse_standalone.errors import EXIT_CONFIG, EXIT_SOFTWARE, CommandError

CRASHES_TO_GIVE_UP = 3
"""Quick crashes of one part before the first readiness that end the start."""
_TAIL_LINES = 12
_TRIM_SECONDS = 10.0


class Supervisor:
    """The children of one `synapse up`; `show(child)` is called at every change of one."""

    def __init__(self, show: Callable[[Child], None]) -> None:
        self.children: list[Child] = []
        self._show = show
        self._changed = asyncio.Event()

    def child_changed(self, child: Child) -> None:
        """What every child calls when its status changes."""
        self._changed.set()
        self._show(child)

    @asynccontextmanager
    async def running(self, children: Sequence[Child]) -> AsyncIterator[None]:
        """Keep the children running until the block ends, then stop them stage by stage."""
        self.children = sorted(children, key=attrgetter("part.stage"))
        failure: CommandError | None = None
        async with asyncio.TaskGroup() as group:
            for child in self.children:
                group.create_task(child.keep(), name=child.part.name)
            trimming = group.create_task(self._trim_logs(), name="logs")
            try:
                yield
            except CommandError as error:
                failure = error  # raised below: a task group would wrap it
            finally:
                trimming.cancel()
                await self._stop()
        if failure is not None:
            raise failure

    async def until_ready(self) -> None:
        """Return when every child is ready; raises CommandError when one cannot be started."""
        while not all(child.status is Status.READY for child in self.children):
            self._changed.clear()
            for child in self.children:
                _require_hope(child)
            await self._changed.wait()

    async def kill(self) -> None:
        """End every child at once."""
        async with asyncio.TaskGroup() as group:
            for child in self.children:
                group.create_task(child.kill())

    async def _stop(self) -> None:
        for _, stage in groupby(self.children, key=attrgetter("part.stage")):
            async with asyncio.TaskGroup() as group:
                for child in stage:
                    group.create_task(child.stop())

    async def _trim_logs(self) -> None:
        while True:
            await asyncio.sleep(_TRIM_SECONDS)
            for child in self.children:
                child.log.trim()


def last_words(child: Child) -> str:
    """The end of a child's log, indented, and where the rest is."""
    lines = child.log.tail(_TAIL_LINES) or ["(it wrote nothing)"]
    return "\n".join([f"The last lines of {child.log.path}:", *(f"  {line}" for line in lines)])


def _require_hope(child: Child) -> None:
    if child.misconfigured:
        complaint = "\n".join(child.log.tail(_TAIL_LINES)) or "its settings are wrong"
        raise CommandError(complaint, status=EXIT_CONFIG, remedy="`synapse check` explains what is wrong.")
    if child.crashes >= CRASHES_TO_GIVE_UP and not child.was_ready:
        raise CommandError(
            f"{child.part.name} does not start: {child.detail.partition(';')[0]}",
            status=EXIT_SOFTWARE,
            remedy=last_words(child),
        )
