"""The serving side of links: calls that come over a stream, run by the same handlers as calls of their own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

import grpc

from synapse.mesh.v1.link_pb2 import Ask, Begin, End, ExchangeRequest, ExchangeResponse, Header, Reply
from synapse_runtime.link.outbox import Outbox

SERVICE = "synapse.mesh.v1.LinkService"
WINDOW_BYTES = 1024 * 1024
"""A stream's messages beyond this many bytes wait until the asker has taken some."""
_FRAME_BYTES = 32
_log = logging.getLogger("synapse.link")
Metadata: TypeAlias = "tuple[tuple[str, str | bytes], ...]"


@dataclass(frozen=True, slots=True)
class Method:
    """A method that may be called: its handler, and how its messages are read and written."""

    serve: Callable[[Any, Any], Awaitable[Any]]
    parse: Callable[[bytes], Any]
    serialise: Callable[[Any], bytes]
    streamed: bool


class _Aborted(Exception):
    """A handler gave up with a status; it is raised through the handler as gRPC's own abort is."""


class LinkedContext:
    """What a handler sees of a call that came over a link: the part of gRPC's context that handlers here use."""

    def __init__(self, call: int, begin: Begin, method: Method, out: Outbox[Reply]) -> None:
        self._call = call
        self._out = out
        self._method = method
        self._headers = begin.headers
        self._deadline = None
        if begin.HasField("timeout"):
            self._deadline = time.monotonic() + begin.timeout.ToNanoseconds() / 1e9
        self._untaken = 0
        self._room = asyncio.Event()
        self.end = End()

    def invocation_metadata(self) -> Metadata:
        """The call's metadata."""
        return tuple((header.name, _value(header)) for header in self._headers)

    def time_remaining(self) -> float | None:
        """Seconds left to the deadline; None without one."""
        return None if self._deadline is None else self._deadline - time.monotonic()

    def set_trailing_metadata(self, metadata: object) -> None:
        """Take trailing metadata of a successful call, which nobody who asks over a link reads."""

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = ()) -> NoReturn:
        """End the call with a status."""
        self.end = End(code=code.value[0], message=details, trailers=headers_of(trailing_metadata))
        raise _Aborted

    async def write(self, message: Any) -> None:
        """Send the next message of a stream; waits while the asker has too much to take."""
        while self._untaken >= WINDOW_BYTES:
            self._room.clear()
            await self._room.wait()
        raw = self._method.serialise(message)
        self._untaken += len(raw)
        self._out.put(Reply(call=self._call, message=raw))

    def taken(self, count: int) -> None:
        """Note that the asker has taken `count` more bytes."""
        self._untaken -= count
        self._room.set()


class Session:
    """The calls of one stream."""

    def __init__(self, methods: Mapping[str, Method]) -> None:
        self._methods = methods
        self._out: Outbox[Reply] = Outbox(lambda reply: len(reply.message) + _FRAME_BYTES)
        self._calls: dict[int, tuple[asyncio.Task[None], LinkedContext]] = {}
        self._draining = False
        self._asker_left = False

    async def serve(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """Serve until the asker has closed its side and every call has ended, or the stream breaks."""
        await context.write(ExchangeResponse())
        reading = asyncio.create_task(self._read(context))
        try:
            while batch := await self._out.batch():
                frames = [frame for frame in batch if frame.call]
                await context.write(ExchangeResponse(replies=frames, draining=self._draining))
        finally:
            reading.cancel()
            running = [task for task, _ in self._calls.values()]
            for task in running:
                task.cancel()
            await asyncio.gather(reading, *running, return_exceptions=True)

    def drain(self) -> None:
        """Tell the asker to take new calls elsewhere."""
        self._draining = True
        self._out.put(Reply())

    async def _read(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        while isinstance(request := await context.read(), ExchangeRequest):
            for ask in request.asks:
                self._step(ask)
        self._asker_left = True
        self._end_when_idle()

    def _step(self, ask: Ask) -> None:
        step = ask.WhichOneof("step")
        if step == "begin":
            self._begin(ask.call, ask.begin)
            return
        known = self._calls.get(ask.call)
        if known is None:
            return  # it ended meanwhile
        task, context = known
        if step == "taken":
            context.taken(ask.taken)
        elif step == "left":
            task.cancel()

    def _begin(self, call: int, begin: Begin) -> None:
        method = self._methods.get(begin.method)
        if method is None:
            end = End(code=grpc.StatusCode.UNIMPLEMENTED.value[0], message=f"there is no method {begin.method!r}")
            self._out.put(Reply(call=call, end=end))
            return
        context = LinkedContext(call, begin, method, self._out)
        task = asyncio.create_task(self._run(call, begin, method, context))
        self._calls[call] = task, context

    async def _run(self, call: int, begin: Begin, method: Method, context: LinkedContext) -> None:
        reply = Reply(call=call)
        try:
            async with asyncio.timeout(context.time_remaining()):
                response = await method.serve(method.parse(begin.request), context)
            if not method.streamed:
                reply.message = method.serialise(response)
        except _Aborted:
            pass
        except TimeoutError:
            context.end = End(code=grpc.StatusCode.DEADLINE_EXCEEDED.value[0], message="Deadline Exceeded")
        except asyncio.CancelledError:
            context.end = End(code=grpc.StatusCode.CANCELLED.value[0], message="the call was cancelled")
            raise
        except Exception:  # noqa: BLE001  # the task's outer edge: one call must not end the others
            _log.exception("a call over a link failed", extra={"method": begin.method})
            context.end = End(code=grpc.StatusCode.UNKNOWN.value[0], message="an unknown error occurred")
        finally:
            del self._calls[call]
            reply.end.CopyFrom(context.end)
            self._out.put(reply)
            self._end_when_idle()

    def _end_when_idle(self) -> None:
        if self._asker_left and not self._calls:
            self._out.close()


class Links:
    """LinkService: the sessions of all askers."""

    def __init__(self, methods: Mapping[str, Method]) -> None:
        self._methods = methods
        self._sessions: set[Session] = set()
        self._draining = False

    def handler(self) -> grpc.GenericRpcHandler[Any, Any]:
        """The service as gRPC takes it."""
        exchange = grpc.stream_stream_rpc_method_handler(
            self._exchange, ExchangeRequest.FromString, ExchangeResponse.SerializeToString
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"Exchange": exchange})

    def drain(self) -> None:
        """Tell every asker to take new calls elsewhere."""
        self._draining = True
        for session in self._sessions:
            session.drain()

    async def _exchange(self, _requests: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        if self._draining:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is going")
        session = Session(self._methods)
        self._sessions.add(session)
        try:
            await session.serve(context)
        finally:
            self._sessions.discard(session)


def headers_of(metadata: Iterable[tuple[str, str | bytes]] | None) -> list[Header]:
    """Metadata of gRPC as the wire's headers."""
    return [
        Header(name=name, value=value if isinstance(value, bytes) else value.encode()) for name, value in metadata or ()
    ]


def metadata_of(headers: Iterable[Header]) -> Metadata:
    """The wire's headers as gRPC metadata."""
    return tuple((header.name, _value(header)) for header in headers)


def _value(header: Header) -> str | bytes:
    return header.value if header.name.endswith("-bin") else header.value.decode("ascii", "replace")
