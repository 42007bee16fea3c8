"""The gateway as a process: clear failures at the start, a drain at the end."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.contract.gateway.conftest import SECRET
from tests.support.cache_double import MeshDouble, events, mesh_double, message, miss

ASK = {"model": "small", "messages": [{"role": "user", "content": "hi"}], "stream": True}


@asynccontextmanager
async def started(folder: Path, target: str, listen: str) -> AsyncIterator[asyncio.subprocess.Process]:
    path = folder / "config.json"
    mesh = {"secret": SECRET, "cache_target": target, "drain_seconds": 5}
    path.write_text(json.dumps({"mesh": mesh, "gateway": {"listen": listen, "api_key": "sk"}}))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "synapse_gateway",
        env={"SYNAPSE_CONFIG_PATH": str(path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
async def mesh() -> AsyncIterator[MeshDouble]:
    async with mesh_double(secret=SECRET) as made:
        yield made


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def healthy(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                if (await client.get("/health")).status_code == 200:
                    return
            except httpx.ConnectError:
                await asyncio.sleep(0.05)


async def test_a_port_in_use_is_one_clear_line_and_status_69(tmp_path: Path, mesh: MeshDouble) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        async with started(tmp_path, mesh.target, listen) as process:
            _, complaint = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 69
    assert complaint.decode() == f"synapse gateway: cannot listen on {listen}: Address already in use\n"


async def test_a_stream_in_flight_is_finished_before_the_process_ends(tmp_path: Path, mesh: MeshDouble) -> None:
    first, *rest = events("a", "b")
    mesh.cache.script = [message(first, outcome=miss()), 1.0, message(*rest)]
    port = free_port()
    async with (
        started(tmp_path, mesh.target, f"127.0.0.1:{port}") as process,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={"x-api-key": "sk"}, timeout=10) as client,
    ):
        await healthy(client)
        async with client.stream("POST", "/v1/chat/completions", json=ASK) as got:
            pieces = got.aiter_text()
            read = await anext(pieces)
            process.send_signal(signal.SIGTERM)
            read += "".join([piece async for piece in pieces])
        assert read.endswith("data: [DONE]\n\n")
        assert await asyncio.wait_for(process.wait(), 10) == 0
        with pytest.raises(httpx.ConnectError):
            await client.get("/health")
