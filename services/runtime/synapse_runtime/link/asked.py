"""The asking side of one link: calls begun over a stream, and their replies brought to who waits for them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Generic, TypeVar

import grpc

from synapse.mesh.v1.link_pb2 import Ask, Begin, End, ExchangeRequest, ExchangeResponse
from synapse_runtime.link.outbox import Outbox
from synapse_runtime.link.served import SERVICE, WINDOW_BYTES, Metadata, headers_of, metadata_of

PATH = f"/{SERVICE}/Exchange"
_TELL_TAKEN_BYTES = WINDOW_BYTES // 4
_FRAME_BYTES = 32
_CODES = {code.value[0]: code for code in grpc.StatusCode}
T = TypeVar("T")


class Pending:
    """A call under way: the replies that have come and were not taken yet, its end, its deadline's timer."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.replies: deque[bytes] = deque()
        self.end: End | None = None
        self.broken = False
        self.deadline: asyncio.TimerHandle | None = None
        self._changed: asyncio.Future[None] | None = None

    @property
    def under_way(self) -> bool:
        """Whether more may come."""
        return self.end is None and not self.broken

    @property
    def unavailable(self) -> bool:
        """Whether it ended because the server, or the way to it, was not there."""
        return self.broken or (self.end is not None and self.end.code == grpc.StatusCode.UNAVAILABLE.value[0])

    def finish(self, end: End | None) -> None:
        """Nothing more comes: it ended so, or with None its link broke."""
        self.end, self.broken = end, end is None
        self.forget_deadline()
        self.notify()

    def forget_deadline(self) -> None:
        """Have it ended by nothing but its server."""
        if self.deadline is not None:
            self.deadline.cancel()

    def notify(self) -> None:
        """Wake who waits."""
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    async def changed(self) -> None:
        """Wait until something new has come."""
        self._changed = asyncio.get_running_loop().create_future()
        try:
            await self._changed
        finally:
            self._changed = None

    def check(self) -> None:
        """Raise AioRpcError for a call that failed or whose link broke; nothing while it goes on or ended well."""
        if self.broken:
            raise broken()
        if self.end is not None and self.end.code:
            code = _CODES.get(self.end.code, grpc.StatusCode.UNKNOWN)
            raise failed(code, self.end.message, metadata_of(self.end.trailers))


class Link:
    """One stream to one server. Made by `open_link`; ends by itself once it takes no more and its calls have ended."""

    def __init__(self, stream: grpc.aio.StreamStreamCall[ExchangeRequest, ExchangeResponse]) -> None:
        self._stream = stream
        self._out: Outbox[Ask] = Outbox(lambda ask: len(ask.begin.request) + _FRAME_BYTES)
        self._calls: dict[int, Pending] = {}
        self._last = 0
        self._taking = True
        self.messages_written = 0
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]

    @property
    def takes_calls(self) -> bool:
        """Whether new calls may be begun on it."""
        return self._taking

    @property
    def ended(self) -> bool:
        """Whether its stream has ended."""
        return all(task.done() for task in self._tasks)

    @property
    def waiting_bytes(self) -> int:
        """Bytes that the stream has not taken yet."""
        return self._out.waiting_bytes

    def begin(self, method: str, request: bytes, *, timeout: float | None, metadata: Any) -> Pending:
        """Begin a call; `timeout` in seconds."""
        self._last += 1
        begin = Begin(method=method, request=request, headers=headers_of(metadata))
        if timeout is not None:
            begin.timeout.FromNanoseconds(int(timeout * 1e9))
        pending = self._calls[self._last] = Pending(self._last)
        if timeout is not None:
            pending.deadline = asyncio.get_running_loop().call_later(timeout, self._expire, pending)
        self._out.put(Ask(call=self._last, begin=begin))
        return pending

    def leave(self, pending: Pending) -> None:
        """Wait for a call no longer; cancels it where it has not ended."""
        if self._calls.pop(pending.number, None) is not None:
            pending.forget_deadline()
            self._out.put(Ask(call=pending.number, left=True))
        self._end_when_idle()

    def took(self, pending: Pending, count: int) -> None:
        """Tell the server that `count` more bytes of a stream's messages were taken."""
        if pending.number in self._calls:
            self._out.put(Ask(call=pending.number, taken=count))

    def retire(self) -> None:
        """Begin no more calls on it; those under way end on it."""
        self._taking = False
        self._end_when_idle()

    def cut(self) -> None:
        """End it at once; calls under way fail."""
        self._taking = False
        self._stream.cancel()

    async def close(self) -> None:
        """End it at once, and wait for its end."""
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self) -> None:
        try:
            while isinstance(response := await self._stream.read(), ExchangeResponse):
                for reply in response.replies:
                    pending = self._calls.get(reply.call)
                    if pending is None:
                        continue
                    if reply.HasField("message"):
                        pending.replies.append(reply.message)
                    if reply.HasField("end"):
                        del self._calls[reply.call]
                        pending.finish(reply.end)
                    else:
                        pending.notify()
                if response.draining:
                    self._taking = False
                self._end_when_idle()
        except grpc.aio.AioRpcError:
            pass  # told to every call below
        finally:
            self._break()

    async def _write(self) -> None:
        try:
            while batch := await self._out.batch():
                await self._stream.write(ExchangeRequest(asks=batch))
                self.messages_written += 1
            await self._stream.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            self._break()

    def _break(self) -> None:
        self._taking = False
        self._out.close()
        for pending in self._calls.values():
            pending.finish(None)
        self._calls.clear()

    def _expire(self, pending: Pending) -> None:
        self.leave(pending)
        pending.finish(End(code=grpc.StatusCode.DEADLINE_EXCEEDED.value[0], message="Deadline Exceeded"))

    def _end_when_idle(self) -> None:
        if not self._taking and not self._calls:
            self._out.close()


async def open_link(channel: grpc.aio.Channel, *, timeout_seconds: float) -> Link | None:
    """A link over `channel`; None when the server offers none or does not answer in time."""
    make: Any = channel.stream_stream
    stream = make(PATH, ExchangeRequest.SerializeToString, ExchangeResponse.FromString)()
    try:
        async with asyncio.timeout(timeout_seconds):
            hello = await stream.read()
    except (grpc.aio.AioRpcError, TimeoutError):
        stream.cancel()
        return None
    if not isinstance(hello, ExchangeResponse):
        return None
    return Link(stream)


class LinkedReply(Generic[T]):
    """The reply of a unary call over a link, as gRPC's own call object gives it.

    `again`, where given, makes the call once more by itself, within the seconds it is given, when the first ended as
    unavailable.
    """

    def __init__(
        self,
        link: Link,
        pending: Pending,
        parse: Callable[[bytes], T],
        timeout: float | None,
        again: Callable[..., Awaitable[T]] | None,
    ) -> None:
        self._link = link
        self._pending = pending
        self._parse = parse
        self._deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout
        self._again = again
        self._cancelled = False

    def __await__(self) -> Generator[Any, None, T]:
        return self._reply().__await__()

    def cancel(self) -> bool:
        """Leave the call; True when it was still under way."""
        under_way = self._pending.under_way
        self._cancelled = under_way
        self._link.leave(self._pending)
        self._pending.notify()
        return under_way

    async def _reply(self) -> T:
        pending = self._pending
        try:
            while pending.under_way and not self._cancelled:
                await pending.changed()
        finally:
            self._link.leave(pending)
        if self._cancelled:
            raise asyncio.CancelledError
        if self._again is not None and pending.unavailable:
            left = None if self._deadline is None else self._deadline - asyncio.get_running_loop().time()
            return await self._again(timeout=left)
        pending.check()
        return self._parse(pending.replies[0])


class LinkedStream(Generic[T]):
    """The messages of a streamed call over a link, as gRPC's own call object gives them."""

    def __init__(self, link: Link, pending: Pending, parse: Callable[[bytes], T]) -> None:
        self._link = link
        self._pending = pending
        self._parse = parse
        self._untold = 0

    def __aiter__(self) -> LinkedStream[T]:
        return self

    async def __anext__(self) -> T:
        pending = self._pending
        if not pending.replies:
            await self._wait()
        if pending.replies:
            raw = pending.replies.popleft()
            self._untold += len(raw)
            if self._untold >= _TELL_TAKEN_BYTES:
                self._link.took(pending, self._untold)
                self._untold = 0
            return self._parse(raw)
        self._link.leave(pending)
        pending.check()
        raise StopAsyncIteration

    def cancel(self) -> bool:
        """Leave the call; True when it was still under way."""
        under_way = self._pending.under_way
        self._link.leave(self._pending)
        return under_way

    async def _wait(self) -> None:
        pending = self._pending
        try:
            while pending.under_way and not pending.replies:
                await pending.changed()
        except asyncio.CancelledError:
            self._link.leave(pending)
            raise


def broken() -> grpc.aio.AioRpcError:
    """The error of a call whose link broke under it, as gRPC tells a connection that broke."""
    return failed(grpc.StatusCode.UNAVAILABLE, "the connection broke")


def failed(code: grpc.StatusCode, details: str, trailers: Metadata = ()) -> grpc.aio.AioRpcError:
    """The error of a call that ended in `code`."""
    make: Any = grpc.aio.AioRpcError
    error: grpc.aio.AioRpcError = make(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailers), details=details)
    return error
