"""The OpenAI-compatible double of the end-to-end tests as the program of a pod: `python -m tests.cluster.backend PORT`."""

from __future__ import annotations

import asyncio
import signal
import sys

from tests.e2e.upstream import Upstream


async def serve(port: int) -> None:
    """Serve on all addresses until SIGTERM."""
    double, over = Upstream(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    server = await asyncio.start_server(double.connected, "0.0.0.0", port)
    await over.wait()
    server.close()
    await double.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
