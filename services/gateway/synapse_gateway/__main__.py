"""The gateway as a process: `python -m synapse_gateway`."""

from __future__ import annotations

import asyncio

from synapse_gateway.app import run
from synapse_runtime import process
from synapse_runtime.settings import Config


async def serve(config: Config, stopping: asyncio.Event) -> None:
    """Serve until told to stop."""
    async with run(config):
        await stopping.wait()


def main() -> None:
    """Run the gateway."""
    process.run("gateway", serve)


if __name__ == "__main__":
    main()
