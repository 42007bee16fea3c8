"""The llm-router as a process: settings from the file, probes, metrics, a clean end, no secret in its log."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from synapse.router.v1 import router_pb2 as wire
from synapse.router.v1.router_pb2_grpc import RouterServiceStub
from synapse_runtime.channel import open_channel
from tests.contract.llm_router.conftest import Stub, backend, question
from tests.support.openai_upstream import OpenAIDouble

START_SECONDS = 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def get(port: int, path: str) -> str:
    def read() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as response:
            return str(response.read().decode())

    return await asyncio.to_thread(read)


async def until_ready(port: int) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                await get(port, "/ready")
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return


@asynccontextmanager
async def a_process(folder: Path, section: dict[str, Any], **environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
    config = folder / "config.json"
    config.write_text(json.dumps({"router": section}))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "synapse_llm_router"),
        env={**os.environ, "SYNAPSE_CONFIG_PATH": str(config), "SYNAPSE_LOG": "trace", **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_it_serves_counts_and_ends_on_sigterm(tmp_path: Path, double: OpenAIDouble) -> None:
    port, probes = free_port(), free_port()
    settings = backend(double, api_key="sk-very-secret", headers={"x-key": "hidden-header"})
    section = {"listen": f"127.0.0.1:{port}", "probes": f"127.0.0.1:{probes}", "backends": [settings]}
    async with a_process(tmp_path, section) as process:
        await until_ready(probes)
        async with open_channel(f"127.0.0.1:{port}") as channel:
            stub: Stub = RouterServiceStub(channel)
            await stub.Generate(wire.GenerateRequest(request=question("a private question")))
        metrics = await get(probes, "/metrics")
        process.send_signal(signal.SIGTERM)
        output = b"".join(await process.communicate()).decode()
    assert process.returncode == 0
    assert 'synapse_upstream_duration_seconds_count{backend="double",outcome="ok"} 1.0' in metrics
    assert 'synapse_upstream_in_flight{backend="double"} 0.0' in metrics
    assert not [word for word in ("sk-very-secret", "hidden-header", "private question") if word in output]


async def test_wrong_settings_end_it_with_a_clear_line(tmp_path: Path) -> None:
    async with a_process(tmp_path, {"backends": [{"name": "a", "endpoint": "nowhere", "api_key": "sk-1"}]}) as process:
        _, complaint = await process.communicate()
    assert process.returncode == 78
    assert b"router.backends.0.endpoint" in complaint
    assert b"sk-1" not in complaint
