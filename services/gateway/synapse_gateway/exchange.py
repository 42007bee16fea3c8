"""One HTTP request and its reply: the thin thing that every endpoint is given."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

from synapse_gateway.forms import form_of
from synapse_gateway.ports import Caller
from synapse_gateway.problems import Headers, Problem
from synapse_runtime.call import new_request_id

if TYPE_CHECKING:
    from synapse_gateway.keys import Account

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
SCOPE_KEY = "synapse.exchange"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_TRACEPARENT = re.compile(rb"[0-9a-f-]{20,100}")
JSON = (b"content-type", b"application/json")
_DISCARD_SECONDS = 2.0
_PRIVATE = (b"cache-control", b"private, no-store")


class Exchange:
    """A request with its headers read, and the ways to answer it.

    `status` is what went out, 0 while nothing did; `account` is set once the caller is known; `form` is how
    replies look; `traced` says that a span of ours is open, whose trace then travels by itself.
    """

    __slots__ = (
        "_send",
        "account",
        "began",
        "form",
        "headers",
        "receive",
        "request_id",
        "route",
        "scope",
        "status",
        "traced",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.began = time.perf_counter()
        self.scope = scope
        self.receive = receive
        self._send = send
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        given = self.headers.get(b"x-request-id")
        self.form = form_of(scope["path"], self.headers)
        self.request_id = given.decode() if given and _REQUEST_ID.fullmatch(given) else new_request_id()
        self.account: Account | None = None
        self.status = 0
        self.route = "other"
        self.traced = False

    @property
    def caller(self) -> Caller:
        """For whom the mesh is called."""
        account = self.known_account
        trace = None if self.traced else self.headers.get(b"traceparent")
        parent = trace.decode() if trace and _TRACEPARENT.fullmatch(trace) else None
        return Caller(account.identity, self.request_id, parent)

    @property
    def known_account(self) -> Account:
        """The caller's account; only after authentication."""
        if self.account is None:
            raise RuntimeError("the request is not authenticated")
        return self.account

    async def body(self, max_bytes: int) -> bytes:
        """The whole body; raises Problem 413 when it is larger than `max_bytes`."""
        length = self.headers.get(b"content-length")
        if length is not None and int(length) > max_bytes:
            raise await self._too_large(max_bytes, more=b"expect" not in self.headers)
        message = await self.receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False) and len(body) <= max_bytes:
            return body
        pieces, size = [body], len(body)
        while message.get("more_body", False) and size <= max_bytes:
            message = await self.receive()
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
        if size > max_bytes:
            raise await self._too_large(max_bytes, more=message.get("more_body", False))
        return b"".join(pieces)

    async def _too_large(self, max_bytes: int, *, more: bool) -> Problem:
        """The refusal of a body, after the rest of it: a client in the midst of sending reads nothing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DISCARD_SECONDS):
                while more:
                    more = (await self.receive()).get("more_body", False)
        message = f"The body of the request is larger than {max_bytes} bytes."
        return Problem(413, message, code="request_too_large", headers=[(b"connection", b"close")])

    async def reply(self, status: int, body: bytes, headers: Headers) -> None:
        """The whole reply; `headers` say the content type."""
        headers.append((b"content-length", b"%d" % len(body)))
        await self.begin(status, [*headers, _PRIVATE])
        await self._send({"type": "http.response.body", "body": body})

    async def reply_json(self, body: bytes, headers: Headers) -> None:
        """A whole reply of 200 in JSON."""
        await self.reply(200, body, [JSON, *headers])

    async def refuse(self, problem: Problem) -> None:
        """The reply that says what went wrong."""
        body, content_type = self.form.error(problem, self.request_id)
        await self.reply(problem.status, body, [(b"content-type", content_type), *problem.headers])

    async def begin(self, status: int, headers: Headers) -> None:
        """Send status and headers, with those that every reply has."""
        self.status = status
        levels = () if self.account is None else self.account.meter.levels(time.monotonic())
        if levels and any(name.startswith(self.form.limits) for name, _ in headers):
            levels = ()  # the backend's own are told
        headers += self.form.headers(self.request_id, time.perf_counter() - self.began, levels, now=time.time())
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, piece: bytes) -> None:
        """Send a piece of the body."""
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def end(self, piece: bytes = b"") -> None:
        """Send the last piece of the body and close it."""
        await self._send({"type": "http.response.body", "body": piece})

    async def send_on(self, message: Message) -> None:
        """The `send` of an application behind the edge: what it sends, with the headers that every reply has."""
        if message["type"] == "http.response.start":
            await self.begin(message["status"], list(message.get("headers", ())))
        else:
            await self._send(message)
