"""Runs the cache service as a process: `python -m synapse_cache`."""

from __future__ import annotations

import asyncio

from synapse_cache.app import run
from synapse_cache.settings import CacheSettings
from synapse_runtime import process
from synapse_runtime.settings import Config, MeshSettings


async def serve(config: Config, stopping: asyncio.Event) -> None:
    """Serve until `stopping` is set."""
    async with run(config.section("cache", CacheSettings), config.section("mesh", MeshSettings)):
        await stopping.wait()


def main() -> None:
    """Run the service."""
    process.run("cache", serve)


if __name__ == "__main__":
    main()
