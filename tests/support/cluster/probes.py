"""Probes: is a container started, ready, alive? Asked from the node, as a kubelet does."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.cluster.manifests import Object
from tests.support.cluster.processes import Process

KINDS = ("startupProbe", "readinessProbe", "livenessProbe")
_HEAD_BYTES = 64 * 1024


@dataclass(frozen=True)
class Probe:
    """One probe of one container; `speed` divides its delay and period, not its time-out."""

    told: Object
    container: Object
    address: str
    process: Process
    speed: float

    async def watch(self, passed: Callable[[bool, str], Awaitable[None]]) -> None:
        """Ask until cancelled; `passed` hears of every change that the thresholds let through, and why."""
        await asyncio.sleep(self.told.get("initialDelaySeconds", 0) / self.speed)
        row, last = 0, None
        while True:
            good, why = await self._ask()
            row = row + 1 if good == last else 1
            last = good
            if row == self.told.get("successThreshold" if good else "failureThreshold", 1 if good else 3):
                await passed(good, why)
            await asyncio.sleep(self.told.get("periodSeconds", 10) / self.speed)

    async def _ask(self) -> tuple[bool, str]:
        seconds = self.told.get("timeoutSeconds", 1)
        try:
            async with asyncio.timeout(seconds):
                return await self._handler(seconds)
        except TimeoutError:
            return False, f"no answer within {seconds} s"
        except (OSError, EOFError, ValueError) as error:
            return False, str(error) or type(error).__name__

    async def _handler(self, seconds: float) -> tuple[bool, str]:
        match self.told:
            case {"httpGet": told}:
                return await self._http(told)
            case {"grpc": told}:
                return await self._grpc(told, seconds)
            case {"exec": told}:
                status, output = await self.process.execute(told["command"], seconds)
                return status == 0, output.strip()[-300:]
            case {"tcpSocket": told}:
                _, writer = await asyncio.open_connection(self.address, port_number(told["port"], [self.container]))
                writer.close()
                return True, ""
        raise ValueError(f"a probe without a handler: {self.told}")

    async def _http(self, told: Object) -> tuple[bool, str]:
        port = port_number(told["port"], [self.container])
        context = _blind() if told.get("scheme") == "HTTPS" else None
        reader, writer = await asyncio.open_connection(self.address, port, ssl=context)
        try:
            given = {"Host": f"{self.address}:{port}", "User-Agent": "kube-probe/1.30", "Connection": "close"}
            given |= {header["name"]: header["value"] for header in told.get("httpHeaders") or ()}
            lines = [f"GET {told.get('path', '/')} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            line = (await reader.readline()).decode(errors="replace").strip()
            body = (await reader.read(_HEAD_BYTES)).decode(errors="replace")
        finally:
            writer.close()
        words = line.split()
        good = len(words) > 1 and words[1].isdigit() and 200 <= int(words[1]) < 400
        return good, f"{line} {body[-300:]}"

    async def _grpc(self, told: Object, seconds: float) -> tuple[bool, str]:
        target = f"{self.address}:{told['port']}"
        async with grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service=told.get("service", ""))
            try:
                reply = await stub.Check(request, timeout=seconds)
            except grpc.aio.AioRpcError as error:
                return False, f"{error.code().name}: {error.details()}"
        return (
            reply.status == health_pb2.HealthCheckResponse.SERVING,
            health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status),
        )


def port_number(port: int | str, containers: list[Object]) -> int:
    """The number of a port that is given by number or by name; ValueError when no container has such a name."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    named = [one for container in containers for one in container.get("ports") or () if one.get("name") == port]
    if not named:
        raise ValueError(f"no container has a port named {port!r}")
    return int(named[0]["containerPort"])


def _blind() -> ssl.SSLContext:
    """A kubelet believes every certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def ended(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it has ended."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
