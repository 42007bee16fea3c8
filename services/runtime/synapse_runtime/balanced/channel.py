"""A channel that shares its calls among the replicas behind a target, and tries another where one cannot be reached."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from typing import Any, Self, TypeAlias

import grpc

from synapse_runtime.balanced.addresses import Resolve
from synapse_runtime.balanced.replicas import Replica, Replicas

KeyOf: TypeAlias = Callable[[Any], bytes | None]
"""What of a request decides which replica it goes to, at most 64 bytes; None leaves it to the load."""
_STATUS_DETAILS = "grpc-status-details-bin"
_MOST_TRIES = 3


class BalancedChannel(grpc.aio.Channel):
    """Calls by `open_one(address)`, to whichever replicas `resolve` tells.

    `keys` holds, for paths of methods, what brings requests that are equal to the same replica. A call whose replica
    cannot be reached goes to the next one, up to three, as long as nothing of its reply has come.
    """

    def __init__(
        self,
        resolve: Resolve,
        open_one: Callable[[str], grpc.aio.Channel],
        *,
        keys: Mapping[str, KeyOf] | None = None,
    ) -> None:
        self.replicas = Replicas(resolve, open_one)
        self._keys = keys or {}

    def unary_unary(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, **_rest: Any
    ) -> Any:
        """A unary method."""
        return self._method(_UnaryCall, "unary_unary", method, request_serializer, response_deserializer)

    def unary_stream(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, **_rest: Any
    ) -> Any:
        """A server-streamed method."""
        return self._method(_StreamedCall, "unary_stream", method, request_serializer, response_deserializer)

    def stream_unary(self, *args: Any, **_rest: Any) -> Any:
        """A client-streamed method, at one replica of those known by then."""

        def begin(**given: Any) -> Any:
            return self._any().method("stream_unary", *args)(**given)

        return begin

    def stream_stream(self, *args: Any, **_rest: Any) -> Any:
        """A method streamed both ways, likewise."""

        def begin(**given: Any) -> Any:
            return self._any().method("stream_stream", *args)(**given)

        return begin

    async def ready(self) -> None:
        """Wait until the addresses are known."""
        await self.replicas.found()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Close the channels to all replicas."""
        await self.replicas.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002  # gRPC's
        """READY when a replica's channel is, else that of any of them."""
        states = [replica.channel.get_state(try_to_connect) for replica in self.replicas.known]
        ready = grpc.ChannelConnectivity.READY
        return ready if ready in states else next(iter(states), grpc.ChannelConnectivity.IDLE)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until `get_state` tells another."""
        while self.get_state() is last_observed_state:  # noqa: ASYNC110  # rarely used
            await asyncio.sleep(0.05)

    async def channel_ready(self) -> None:
        """Wait until a replica is connected."""
        await self.ready()
        while self.get_state(try_to_connect=True) is not grpc.ChannelConnectivity.READY:  # noqa: ASYNC110  # rarely used
            await asyncio.sleep(0.05)

    def _any(self) -> Replica:
        order = self.replicas.order(None)
        if not order:
            raise _nobody()
        return order[0]

    def _method(self, call: type[_Call], kind: str, path: str, serialise: Any, parse: Any) -> Any:
        key_of = self._keys.get(path)

        def begin(request: Any, *, timeout: float | None = None, metadata: Any = None, **_rest: Any) -> _Call:
            def at(replica: Replica, seconds: float | None) -> Any:
                return replica.method(kind, path, serialise, parse)(request, timeout=seconds, metadata=metadata)

            return call(self.replicas, at, timeout, (lambda: None) if key_of is None else (lambda: key_of(request)))

        return begin


class _Call:
    """A call that may be made at several replicas, one after the other."""

    def __init__(
        self,
        replicas: Replicas,
        at: Callable[[Replica, float | None], Any],
        timeout: float | None,
        key: Callable[[], bytes | None],
    ) -> None:
        self._replicas = replicas
        self._at = at
        self._ends = None if timeout is None else asyncio.get_running_loop().time() + timeout
        self._key = key
        self._untried: list[Replica] | None = None
        self._replica: Replica | None = None
        self._running: Any = None
        self._cancelled = False

    def cancel(self) -> bool:
        """Leave the call; True when it was still under way."""
        under_way = not self._cancelled and (self._running is None or bool(self._running.cancel()))
        self._cancelled = True
        self._end()
        return under_way

    async def _begin(self) -> Any:
        """The call at the next replica; raises AioRpcError when there is none."""
        if self._untried is None:
            await self._replicas.found()
            key = self._key() if len(self._replicas) > 1 else None
            self._untried = list(self._replicas.order(key))[:_MOST_TRIES]
            if not self._untried:
                self._replicas.refresh()
                raise _nobody()
        if self._cancelled:
            raise asyncio.CancelledError
        left = None if self._ends is None else self._ends - asyncio.get_running_loop().time()
        replica = self._untried.pop(0)
        self._running = self._at(replica, left)
        self._replica = replica
        replica.in_flight += 1
        return self._running

    def _end(self) -> None:
        """The call at the replica of now is over."""
        if self._replica is not None:
            self._replica.in_flight -= 1
            self._replica = None

    def _elsewhere(self, error: grpc.aio.AioRpcError) -> bool:
        """Whether to try the next replica: this one was not reached, and is left alone for now."""
        replica = self._replica
        if replica is None or error.code() is not grpc.StatusCode.UNAVAILABLE or _told(error):
            return False
        replica.unreached()
        self._replicas.refresh()
        return bool(self._untried)


class _UnaryCall(_Call):
    """To be awaited; raises AioRpcError."""

    def __await__(self) -> Generator[Any, None, Any]:
        return self._reply().__await__()

    async def _reply(self) -> Any:
        while True:
            running = await self._begin()
            try:
                return await running
            except grpc.aio.AioRpcError as error:
                if not self._elsewhere(error):
                    raise
            finally:
                self._end()


class _StreamedCall(_Call):
    """To be iterated; raises AioRpcError."""

    _messages: Any = None
    _told_some = False

    def __aiter__(self) -> _StreamedCall:
        return self

    async def __anext__(self) -> Any:
        while True:
            if self._messages is None:
                self._messages = aiter(await self._begin())
            try:
                message = await anext(self._messages)
            except grpc.aio.AioRpcError as error:
                again = not self._told_some and self._elsewhere(error)
                self._end()
                if not again:
                    raise
                self._messages = None
            except (StopAsyncIteration, asyncio.CancelledError):
                self._end()
                raise
            else:
                self._told_some = True
                return message


def _told(error: grpc.aio.AioRpcError) -> bool:
    """Whether the service itself says so: what a service says carries details."""
    trailing: Any = error.trailing_metadata()
    return any(key == _STATUS_DETAILS for key, _ in trailing or ())


def _nobody() -> grpc.aio.AioRpcError:
    make: Any = grpc.aio.AioRpcError
    told = "no replica of the service is known"
    error: grpc.aio.AioRpcError = make(
        grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details=told
    )
    return error
