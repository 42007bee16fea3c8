"""The llm-router as a process."""

from __future__ import annotations

import asyncio

from synapse_llm_router.app import run
from synapse_runtime import process
from synapse_runtime.settings import Config


async def serve(config: Config, stopping: asyncio.Event) -> None:
    """Serve until `stopping` is set."""
    async with run(config):
        await stopping.wait()


def main() -> None:
    """Run the llm-router until it is told to stop."""
    process.run("llm-router", serve)


if __name__ == "__main__":
    main()
