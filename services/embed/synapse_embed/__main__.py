"""Runs the embed service as a process: `python -m synapse_embed`."""

from __future__ import annotations

import asyncio

from synapse_embed.app import run
from synapse_embed.settings import EmbedSettings
from synapse_runtime import process
from synapse_runtime.settings import Config, MeshSettings


async def serve(config: Config, stopping: asyncio.Event) -> None:
    """Serve until `stopping` is set."""
    async with run(config.section("embed", EmbedSettings), config.section("mesh", MeshSettings)):
        await stopping.wait()


def main() -> None:
    """Run the service."""
    process.run("embed", serve)


if __name__ == "__main__":
    main()
