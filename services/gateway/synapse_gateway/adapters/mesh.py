"""The mesh over gRPC: channels to cache, embed and router, with deadlines, retries and errors of our own tree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

import grpc
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc

from synapse.cache.v1 import cache_pb2
from synapse.embed.v1 import embed_pb2
from synapse.router.v1 import router_pb2
from synapse_gateway.adapters import detour
from synapse_gateway.adapters.meeting import KEYS
from synapse_gateway.ports import Caller
from synapse_runtime.channel import CallMetadata, open_channel
from synapse_runtime.errors import SynapseError, Unavailable, from_rpc_error
from synapse_runtime.settings import MeshSettings

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.message import Message

_CACHE = cache_pb2.DESCRIPTOR.services_by_name["CacheService"]
_EMBED = embed_pb2.DESCRIPTOR.services_by_name["EmbedService"]
_ROUTER = router_pb2.DESCRIPTOR.services_by_name["RouterService"]
SERVICES = (_CACHE, _EMBED, _ROUTER)
"""The services that the gateway reaches."""
_GENERATE = "Generate"

_STATUS_DETAILS = "grpc-status-details-bin"
_RETRY_PAUSES_SECONDS = (0.05, 0.15)
_RETRY_AFTER_SECONDS = 1.0
T = TypeVar("T")


class GrpcMesh:
    """The services behind the gateway, each over one channel.

    `deadline_seconds` bounds generating and embedding, `admin_seconds` everything else. A service that cannot be
    reached is tried again twice, within a quarter of a second; what a service said itself is never asked again. With
    `detours`, the router answers what no cache could be reached for.
    """

    def __init__(
        self,
        mesh: MeshSettings,
        *,
        deadline_seconds: float,
        admin_seconds: float,
        ready_seconds: float,
        detours: bool = True,
    ) -> None:
        self._metadata = CallMetadata(mesh)
        self._deadline = deadline_seconds
        self._admin = admin_seconds
        self._ready = ready_seconds
        self._detours = detours
        targets = {_CACHE: mesh.cache_target, _EMBED: mesh.embed_target, _ROUTER: mesh.router_target}
        self._channels = {
            service.full_name: open_channel(target, retries=False, tls=mesh.tls, keys=KEYS)
            for service, target in targets.items()
        }
        self._generate = self._callable(_CACHE.methods_by_name["Generate"])
        self._stream = self._callable(_CACHE.methods_by_name["StreamGenerate"])
        self._embed = self._callable(_EMBED.methods_by_name["Embed"])
        self._rerank = self._callable(_EMBED.methods_by_name["Rerank"])
        library: Any = health_pb2_grpc.HealthStub
        answering = (_CACHE, _ROUTER) if detours else (_CACHE,)
        self._health = [library(self._channels[service.full_name]) for service in answering]

    async def close(self) -> None:
        """Close the channels."""
        for channel in self._channels.values():
            await channel.close(None)

    async def generate(self, request: cache_pb2.GenerateRequest, caller: Caller) -> cache_pb2.GenerateResponse:
        """A whole answer from the cache service, or from the router where no cache can be reached."""
        metadata = self._of(caller)
        try:
            return await _reached("cache", lambda: self._generate(request, timeout=self._deadline, metadata=metadata))
        except SynapseError as error:
            if not self._detours or not detour.may_detour(request, error):
                raise
        asked = router_pb2.GenerateRequest(request=request.request)
        call = self._callable(_ROUTER.methods_by_name["Generate"])
        return detour.whole(await _reached("router", lambda: call(asked, timeout=self._deadline, metadata=metadata)))

    async def stream_generate(
        self, request: cache_pb2.StreamGenerateRequest, caller: Caller
    ) -> AsyncGenerator[cache_pb2.StreamGenerateResponse, None]:
        """A streamed answer from the cache service, or from the router where no cache can be reached."""
        begun = False
        try:
            async with aclosing(self._streamed("cache", self._stream, request, caller)) as replies:
                async for reply in replies:
                    begun = True
                    yield reply
        except SynapseError as error:
            if begun or not self._detours or not detour.may_detour(request, error):
                raise
        else:
            return
        asked = router_pb2.StreamGenerateRequest(request=request.request)
        call = self._callable(_ROUTER.methods_by_name["StreamGenerate"])
        async with aclosing(self._streamed("router", call, asked, caller)) as events:
            async for reply in detour.streamed(events):
                yield reply

    async def embed(self, request: embed_pb2.EmbedRequest, caller: Caller) -> embed_pb2.EmbedResponse:
        """Vectors from the embed service."""
        metadata = self._of(caller)
        return await _reached("embed", lambda: self._embed(request, timeout=self._deadline, metadata=metadata))

    async def rerank(self, request: embed_pb2.RerankRequest, caller: Caller) -> embed_pb2.RerankResponse:
        """Ranked documents from the embed service."""
        metadata = self._of(caller)
        return await _reached("embed", lambda: self._rerank(request, timeout=self._deadline, metadata=metadata))

    async def count_tokens(
        self, request: router_pb2.CountTokensRequest, caller: Caller
    ) -> router_pb2.CountTokensResponse:
        """How many tokens a prompt has, from the router service."""
        reply = await self.invoke(_ROUTER.methods_by_name["CountTokens"], request, caller)
        return cast("router_pb2.CountTokensResponse", reply)

    async def models(self, caller: Caller) -> router_pb2.ListModelsResponse:
        """The models of the backends."""
        reply = await self.invoke(_ROUTER.methods_by_name["ListModels"], router_pb2.ListModelsRequest(), caller)
        return cast("router_pb2.ListModelsResponse", reply)

    async def embed_models(self, caller: Caller) -> embed_pb2.ListModelsResponse:
        """The models of the embed service."""
        reply = await self.invoke(_EMBED.methods_by_name["ListModels"], embed_pb2.ListModelsRequest(), caller)
        return cast("embed_pb2.ListModelsResponse", reply)

    async def invoke(self, method: MethodDescriptor, request: Message, caller: Caller) -> Message:
        """The reply of any unary method."""
        call, metadata = self._callable(method), self._of(caller)
        patience = self._deadline if method.name == _GENERATE else self._admin
        return await _reached(_name(method), lambda: call(request, timeout=patience, metadata=metadata))

    def invoke_streamed(
        self, method: MethodDescriptor, request: Message, caller: Caller
    ) -> AsyncGenerator[Message, None]:
        """The replies of any server-streamed method."""
        return self._streamed(_name(method), self._callable(method), request, caller)

    async def invoke_fed(self, method: MethodDescriptor, requests: AsyncIterator[Message], caller: Caller) -> Message:
        """The reply of any client-streamed method; what was sent is not sent again."""
        running = self._callable(method)(timeout=self._deadline, metadata=self._of(caller))
        try:
            await _feed(running, requests)
            reply: Message = await running
        except grpc.aio.AioRpcError as error:
            raise _own(_name(method), error) from error
        finally:
            running.cancel()
        return reply

    async def ready(self) -> bool:
        """Whether the cache service says that it serves, or the router where that may answer in its place."""
        for health in self._health:
            with suppress(grpc.aio.AioRpcError):
                reply = await health.Check(health_pb2.HealthCheckRequest(service=""), timeout=self._ready)
                if reply.status == health_pb2.HealthCheckResponse.SERVING:
                    return True
        return False

    def _callable(self, method: MethodDescriptor) -> Callable[..., Any]:
        channel = self._channels[method.containing_service.full_name]
        if method.client_streaming:
            make: Callable[..., Any] = channel.stream_unary
        else:
            make = channel.unary_stream if method.server_streaming else channel.unary_unary
        made: Callable[..., Any] = make(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=GetMessageClass(method.input_type).SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        return made

    def _of(self, caller: Caller) -> tuple[tuple[str, str], ...]:
        return self._metadata.of(caller.identity, caller.request_id, caller.traceparent)

    async def _streamed(
        self, name: str, call: Callable[..., Any], request: Message, caller: Caller
    ) -> AsyncGenerator[Any, None]:
        pauses = iter(_RETRY_PAUSES_SECONDS)
        metadata = self._of(caller)
        while True:
            running = call(request, timeout=self._deadline, metadata=metadata)
            begun = False
            try:
                async for message in running:
                    begun = True
                    yield message
            except grpc.aio.AioRpcError as error:
                pause = None if begun or not _unreached(error) else next(pauses, None)
                if pause is None:
                    raise _own(name, error) from error
            else:
                return
            finally:
                running.cancel()
            await asyncio.sleep(pause)


async def _reached(name: str, call: Callable[[], Awaitable[T]]) -> T:
    """The call's reply, with further tries while the service cannot be reached."""
    for pause in _RETRY_PAUSES_SECONDS:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            if not _unreached(error):
                raise from_rpc_error(error) from error
        await asyncio.sleep(pause)
    try:
        return await call()
    except grpc.aio.AioRpcError as error:
        raise _own(name, error) from error


async def _feed(running: Any, requests: AsyncIterator[Message]) -> None:
    """Write requests to a call, each once it has room for it, until its initial metadata says that it wants no more."""
    told = asyncio.ensure_future(running.initial_metadata())
    try:
        with suppress(asyncio.InvalidStateError):  # it is over: its reply or its error tells more
            async for request in requests:
                if told.done():
                    break
                await running.write(request)
            await running.done_writing()
    finally:
        told.cancel()


def _unreached(error: grpc.aio.AioRpcError) -> bool:
    """Whether gRPC itself says UNAVAILABLE: what a service says carries details."""
    if error.code() is not grpc.StatusCode.UNAVAILABLE:
        return False
    trailing: Any = error.trailing_metadata()
    return all(key != _STATUS_DETAILS for key, _ in trailing or ())


def _own(name: str, error: grpc.aio.AioRpcError) -> SynapseError:
    if _unreached(error):
        message = f"The {name} service cannot be reached at the moment."
        return Unavailable(message, reason=detour.UNREACHABLE, retry_after_seconds=_RETRY_AFTER_SECONDS)
    return from_rpc_error(error)


def _name(method: MethodDescriptor) -> str:
    return method.containing_service.full_name.split(".")[1]
