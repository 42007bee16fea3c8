"""Runs the embed service as a process: `python -m synapse_embed`."""

from __future__ import annotations

import asyncio

from synapse_embed.app import run
from synapse_embed.settings import EmbedSettings
from synapse_runtime import process
from synapse_runtime.settings import Config, MeshSettings


async def serve(config: Config, stopping: asyncio.Event) -> None:
    """Serve until `stopping` is set, which may be while a backend is still waited for."""
    started = asyncio.Event()
    serving = asyncio.create_task(_serve(config, started, stopping))
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not started.is_set():
        serving.cancel()
    await asyncio.wait({serving})
    if not serving.cancelled():
        serving.result()


async def _serve(config: Config, started: asyncio.Event, stopping: asyncio.Event) -> None:
    async with run(config.section("embed", EmbedSettings), config.section("mesh", MeshSettings)):
        started.set()
        await stopping.wait()


def main() -> None:
    """Run the service."""
    process.run("embed", serve)


if __name__ == "__main__":
    main()
