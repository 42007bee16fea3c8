"""Runs the upstream until SIGTERM or SIGINT: `python -m tests.bench.upstream --port PORT`."""

from __future__ import annotations

import argparse
import asyncio
import signal

import uvloop

from tests.bench.upstream.connection import Calls, Connection


async def serve(port: int) -> None:
    """Serve on 127.0.0.1."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    calls = Calls()
    server = await loop.create_server(lambda: Connection(calls), "127.0.0.1", port, backlog=1024)
    await stopping.wait()
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A mock upstream for the benchmark.")
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))
