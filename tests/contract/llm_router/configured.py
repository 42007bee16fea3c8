"""A router in this process whose configuration is a file, to be edited while it runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from prometheus_client import REGISTRY

from synapse.router.v1 import router_pb2 as wire
from synapse.router.v1.router_pb2_grpc import RouterServiceStub
from synapse_llm_router import app
from synapse_runtime.channel import CallMetadata, open_channel
from synapse_runtime.identity import Identity, Role
from synapse_runtime.settings import MeshSettings, load
from tests.contract.llm_router.conftest import Stub, question

MESH = MeshSettings.model_validate({"secret": "mesh-secret", "drain_seconds": 1})
SOON = 5.0


def calls_as(role: Role) -> dict[str, Any]:
    """The metadata of a call by somebody of this role."""
    return {"metadata": CallMetadata(MESH).of(Identity("default", "test", role), "req-1")}


def admin() -> dict[str, Any]:
    """The metadata of a call by an admin, made anew: its token lives for a minute."""
    return calls_as(Role.ADMIN)


class ConfiguredRouter:
    """The file, and the router that reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stub: Stub = None

    def write(self, *backends: dict[str, Any], **settings: Any) -> None:
        """Replace the file's content in one step, as editors and Kubernetes do."""
        where = {
            "listen": "127.0.0.1:0",
            "probes": "127.0.0.1:0",
            "reload_seconds": 0.05,
            "retries": {"max_retries": 0},
        }
        section = {**where, "backends": list(backends), **settings}
        self.write_text(json.dumps({"router": section, "mesh": {"secret": "mesh-secret", "drain_seconds": 1}}))

    def write_text(self, content: str) -> None:
        """Replace the file's content by any text."""
        new = self.path.with_suffix(".new")
        new.write_text(content)
        new.replace(self.path)

    async def ask(self, *, model: str = "m") -> wire.GenerateResponse:
        """The whole answer to a question; raises AioRpcError."""
        request = wire.GenerateRequest(request=question(model=model))
        return await self.stub.Generate(request, **admin())  # type: ignore[no-any-return]

    def stream(self) -> Any:
        """The call of a streamed answer."""
        return self.stub.StreamGenerate(wire.StreamGenerateRequest(request=question()), **admin())

    async def backends(self) -> list[str]:
        """The names of the backends."""
        return [one.name for one in (await self.stub.GetBackends(wire.GetBackendsRequest(), **admin())).backends]

    async def until_backends_are(self, *names: str) -> None:
        """Wait until a change of the file is in use."""
        async with asyncio.timeout(SOON):
            while await self.backends() != list(names):  # noqa: ASYNC110  # the file's watcher tells nobody
                await asyncio.sleep(0.02)

    async def config(self) -> dict[str, Any]:
        """What GetConfig says, the section parsed as `router`."""
        told = MessageToDict(
            await self.stub.GetConfig(wire.GetConfigRequest(), **admin()),
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        return {**told, "router": json.loads(told["config_json"])}

    async def until_rejected(self) -> str:
        """Wait until a configuration was refused; returns why."""
        async with asyncio.timeout(SOON):
            while not (complaint := (await self.config())["rejected"]):  # noqa: ASYNC110  # likewise
                await asyncio.sleep(0.02)
        return str(complaint)

    async def reload(self, *, validate_only: bool = False) -> wire.ReloadConfigResponse:
        """Ask for a reload as an admin; raises AioRpcError."""
        request = wire.ReloadConfigRequest(validate_only=validate_only)
        return await self.stub.ReloadConfig(request, **admin())  # type: ignore[no-any-return]


@asynccontextmanager
async def serving(router: ConfiguredRouter, **environ: str) -> AsyncIterator[ConfiguredRouter]:
    """`router`, serving by what its file says."""
    async with app.run(load({"SYNAPSE_CONFIG_PATH": str(router.path), **environ})) as running:
        channel = open_channel(f"127.0.0.1:{running.port}", retries=False)
        router.stub = RouterServiceStub(channel)
        try:
            yield router
        finally:
            await channel.close(grace=None)


def reloads(result: str) -> float:
    """How many reloads ended so in this process."""
    return REGISTRY.get_sample_value("synapse_router_config_reloads_total", {"result": result}) or 0.0
