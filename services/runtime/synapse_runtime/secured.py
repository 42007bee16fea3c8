"""A channel over mutual TLS that goes on when the mesh's certificate is renewed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

import grpc

from synapse_runtime.tls import Certificates, client_credentials, peer_name

LOOK_SECONDS = 1.0


class Inner:
    """A channel of one certificate, and how many calls are under way on it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.calls = 0


class SecuredChannel(grpc.aio.Channel):
    """A channel to `target` whose peer must carry `name` in its certificate; empty takes the host of the target.

    gRPC fixes a channel's certificate when the channel is made. So there is one inside, made anew when the files
    change: new calls begin on it, and those under way end on the one before, which is closed behind them.
    """

    def __init__(
        self,
        target: str,
        certificates: Certificates,
        *,
        name: str = "",
        options: Sequence[tuple[str, Any]] = (),
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._target = target
        self._certificates = certificates
        named = name or peer_name(target)
        self._options = [*options, ("grpc.ssl_target_name_override", named)] if named else list(options)
        self._interceptors = interceptors
        self._certified = certificates.current()
        self._latest = self._made()
        self._look_seconds = look_seconds
        self._look_at = time.monotonic() + look_seconds
        self._left: set[Inner] = set()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def latest(self) -> Inner:
        """What new calls begin on; looks at the files, every `look_seconds` at most."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + self._look_seconds
            self._renew()
        return self._latest

    def ended(self, inner: Inner) -> None:
        """A call on `inner` has ended: close it when it was the last of one that was left."""
        inner.calls -= 1
        if inner in self._left and not inner.calls:
            self._close(inner)

    def unary_unary(self, *args: Any, **rest: Any) -> Any:
        """A unary method."""
        return _Method(self, lambda channel: channel.unary_unary(*args, **rest))

    def unary_stream(self, *args: Any, **rest: Any) -> Any:
        """A server-streamed method."""
        return _Method(self, lambda channel: channel.unary_stream(*args, **rest))

    def stream_unary(self, *args: Any, **rest: Any) -> Any:
        """A client-streamed method."""
        return _Method(self, lambda channel: channel.stream_unary(*args, **rest))

    def stream_stream(self, *args: Any, **rest: Any) -> Any:
        """A method streamed both ways."""
        return _Method(self, lambda channel: channel.stream_stream(*args, **rest))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Close it, and those that were left."""
        for inner in (*self._left, self._latest):
            await inner.channel.close(grace)
        await asyncio.gather(*self._closing)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002  # gRPC's
        """The latest channel's state."""
        return self.latest.channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until the latest channel's state is another."""
        await self.latest.channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until the latest channel is connected."""
        await self.latest.channel.channel_ready()

    def _made(self) -> Inner:
        credentials = client_credentials(self._certified)
        return Inner(
            grpc.aio.secure_channel(self._target, credentials, options=self._options, interceptors=self._interceptors)
        )

    def _renew(self) -> None:
        certified = self._certificates.current()
        if certified is self._certified:
            return
        left, self._certified = self._latest, certified
        self._latest = self._made()
        self._left.add(left)
        if not left.calls:
            self._close(left)

    def _close(self, inner: Inner) -> None:
        self._left.discard(inner)
        task = asyncio.get_running_loop().create_task(inner.channel.close(None))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


class _Method:
    """A method of a secured channel, called as gRPC's own is."""

    def __init__(self, channel: SecuredChannel, make: Callable[[grpc.aio.Channel], Any]) -> None:
        self._channel = channel
        self._make = make
        self._inner = channel.latest
        self._plain = make(self._inner.channel)

    def __call__(self, *args: Any, **rest: Any) -> Any:
        """The call, on the channel of now."""
        inner = self._channel.latest
        if inner is not self._inner:
            self._inner, self._plain = inner, self._make(inner.channel)
        call = self._plain(*args, **rest)
        inner.calls += 1
        call.add_done_callback(lambda _call: self._channel.ended(inner))
        return call
