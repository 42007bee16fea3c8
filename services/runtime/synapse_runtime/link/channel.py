"""A channel whose calls travel over a link where one can be had, and by themselves where not."""

from __future__ import annotations

import asyncio
import functools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

import grpc

from synapse_runtime.link.asked import Link, LinkedReply, LinkedStream, Pending, open_link

LARGEST_REQUEST_BYTES = 256 * 1024
"""Larger requests go by themselves, so that small ones never wait behind them."""
_OPEN_SECONDS = 2.0
_AGAIN_SECONDS = 1.0
_MOST_WAITING_BYTES = 16 * 1024 * 1024
_OURS = "/synapse."


class LinkedChannel(grpc.aio.Channel):
    """`channel` with its unary and server-streamed calls over one link at a time.

    A link is opened with the first call and again when it broke; meanwhile, and where the server offers none, calls go
    by themselves. After `age_seconds` a link is left for a new one, which may lead to another server. With `retries`, a
    unary call that ended as unavailable, or whose link broke, is made again by itself.
    """

    def __init__(self, channel: grpc.aio.Channel, *, age_seconds: float, retries: bool) -> None:
        self._channel = channel
        self._age = age_seconds
        self.retries = retries
        self._link: Link | None = None
        self._links: list[Link] = []
        self._born = 0.0
        self._opening: asyncio.Task[None] | None = None
        self._not_before = 0.0

    def link_for(self, request: bytes) -> Link | None:
        """The link that `request` may travel on; opens one in the background where there is none."""
        link, now = self._link, time.monotonic()
        if link is not None and link.takes_calls and now - self._born > self._age:
            link.retire()
        if link is None or not link.takes_calls:
            self._open(now)
            return None
        if len(request) > LARGEST_REQUEST_BYTES or link.waiting_bytes > _MOST_WAITING_BYTES:
            return None
        return link

    @property
    def messages_written(self) -> int:
        """Messages that the link in use has sent."""
        return 0 if self._link is None else self._link.messages_written

    def break_link(self) -> None:
        """Cut the link in use off, as a broken connection would."""
        if self._link is not None:
            self._link.cut()

    async def link_ready(self) -> bool:
        """Wait until a link was tried; whether calls now travel over one."""
        self.link_for(b"")
        if self._opening is not None:
            await asyncio.shield(self._opening)
        return self._link is not None and self._link.takes_calls

    def _open(self, now: float) -> None:
        if self._opening is None and now >= self._not_before:
            self._not_before = now + _AGAIN_SECONDS
            self._opening = asyncio.create_task(self._opened())

    async def _opened(self) -> None:
        try:
            link = await open_link(self._channel, timeout_seconds=_OPEN_SECONDS)
            if link is not None:
                self._link, self._born = link, time.monotonic()
                self._links = [known for known in self._links if not known.ended] + [link]
        finally:
            self._opening = None

    def unary_unary(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, **rest: Any
    ) -> Any:
        """A unary method."""
        plain = self._channel.unary_unary(method, request_serializer, response_deserializer, **rest)
        if not method.startswith(_OURS) or request_serializer is None or response_deserializer is None:
            return plain
        return _Unary(self, method, plain, request_serializer, response_deserializer)

    def unary_stream(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, **rest: Any
    ) -> Any:
        """A server-streamed method."""
        plain = self._channel.unary_stream(method, request_serializer, response_deserializer, **rest)
        if not method.startswith(_OURS) or request_serializer is None or response_deserializer is None:
            return plain
        return _Streamed(self, method, plain, request_serializer, response_deserializer)

    def stream_unary(self, *args: Any, **rest: Any) -> Any:
        """A client-streamed method: never over a link."""
        return self._channel.stream_unary(*args, **rest)

    def stream_stream(self, *args: Any, **rest: Any) -> Any:
        """A method streamed both ways: never over a link."""
        return self._channel.stream_stream(*args, **rest)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Close the link and the channel."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        for link in self._links:
            await link.close()
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002  # gRPC's
        """The channel's state."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until the channel's state is another."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until the channel is connected."""
        await self._channel.channel_ready()


class _Method(ABC):
    """A method of a linked channel, called as gRPC's own is; `plain` is that."""

    def __init__(
        self,
        channel: LinkedChannel,
        path: str,
        plain: Callable[..., Any],
        serialise: Callable[[Any], bytes],
        parse: Callable[[bytes], Any],
    ) -> None:
        self._channel = channel
        self._path = path
        self._plain = plain
        self._serialise = serialise
        self._parse = parse

    def __call__(self, request: Any, *, timeout: float | None = None, metadata: Any = None, **rest: Any) -> Any:
        """The call, over a link where there is one for it."""
        raw = self._serialise(request)
        link = self._channel.link_for(raw) if not rest else None
        if link is None:
            return self._plain(request, timeout=timeout, metadata=metadata, **rest)
        pending = link.begin(self._path, raw, timeout=timeout, metadata=metadata)
        return self._call(link, pending, timeout, functools.partial(self._plain, request, metadata=metadata))

    @abstractmethod
    def _call(self, link: Link, pending: Pending, timeout: float | None, again: Callable[..., Any]) -> Any:
        """The object of a call that was begun on `link`; `again` makes it by itself."""


class _Unary(_Method):
    """To be awaited; raises AioRpcError."""

    def _call(self, link: Link, pending: Pending, timeout: float | None, again: Callable[..., Any]) -> Any:
        return LinkedReply(link, pending, self._parse, timeout, again if self._channel.retries else None)


class _Streamed(_Method):
    """To be iterated; raises AioRpcError."""

    def _call(self, link: Link, pending: Pending, _timeout: float | None, _again: Callable[..., Any]) -> Any:
        return LinkedStream(link, pending, self._parse)
