"""Work that runs beside a service for as long as it serves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from prometheus_client import Counter

_log = logging.getLogger("synapse.background")
_FAILURES = Counter("synapse_background_failures_total", "Times that work beside a service failed.", ["work"])
_RESTART_SECONDS = 1.0


@asynccontextmanager
async def background(**work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run each named `work()` beside the block; one that fails is logged, counted and begun again after a second."""
    tasks = [asyncio.create_task(_keep_running(name, begin), name=name) for name, begin in work.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_running(name: str, begin: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await begin()
        except Exception:  # noqa: BLE001  # a task's outer edge
            _FAILURES.labels(name).inc()
            _log.exception("work beside the service failed", extra={"work": name})
        await asyncio.sleep(_RESTART_SECONDS)
