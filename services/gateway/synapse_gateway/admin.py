"""The admin REST API: whatever the protos annotate, answered by one handler."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import orjson
from fastapi import Request
from google.protobuf.message import Message
from starlette.responses import Response

from synapse_gateway import asking
from synapse_gateway.body import read_object
from synapse_gateway.exchange import SCOPE_KEY, Exchange
from synapse_gateway.lines import TYPES as LINES
from synapse_gateway.lines import lines_of, type_sent
from synapse_gateway.metrics import Metrics
from synapse_gateway.ports import Mesh
from synapse_gateway.presence import Presence
from synapse_gateway.problems import Problem, invalid
from synapse_gateway.streams import PRIVATE, streamed
from synapse_gateway.transcoding import Binding, RestMap
from synapse_gateway.uploads import Upload, unsupported
from synapse_runtime.identity import Role

_FOR_EVERY_KEY = asking.METHODS | {"ReportFeedback"}
"""Methods that any key may call although they are no mere reading; what feedback changes depends on the key's role."""
_SENT_BACK = {"ReportFeedback": {"entry_id": b"x-synapse-entry-id", "request_id": b"x-request-id"}}
"""Members that may come as headers instead: those of the reply that a call is about, sent back as they were."""


class Admin:
    """Answers requests to the annotated paths.

    Reading and asking need any key, most changes an operator's or an admin's.
    """

    def __init__(self, rest: RestMap, mesh: Mesh, metrics: Metrics, *, max_body_bytes: int) -> None:
        self._rest = rest
        self._mesh = mesh
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes

    async def answer(self, request: Request) -> Response:
        """The reply of the RPC behind the path."""
        exchange: Exchange = request.scope[SCOPE_KEY]
        exchange.route = "admin"
        path = request.scope.get("raw_path", b"").decode("ascii", "replace") or request.scope["path"]
        binding, match = self._rest.find(request.method, path)
        _require_role(exchange, binding)
        if binding.rpc.client_streaming:
            return await self._fed(exchange, binding, request.scope["query_string"].decode("ascii", "replace"))
        body = await self._body(exchange, binding)
        message = binding.request(match, request.scope["query_string"].decode("ascii", "replace"), body)
        if asking.asks(binding):
            return await self._asked(exchange, binding, message)
        if binding.rpc.server_streaming:
            replies = self._mesh.invoke_streamed(binding.rpc, message, exchange.caller)
            return await _streamed(exchange, binding, replies)
        return _whole(binding, await self._mesh.invoke(binding.rpc, message, exchange.caller))

    async def _asked(self, exchange: Exchange, binding: Binding, message: Message) -> Response:
        """The reply of an RPC that asks a model; a client that leaves before it begins ends the work for it."""
        exchange.route = asking.ROUTE
        bill = asking.Bill(exchange.known_account, self._metrics)
        with Presence(exchange):
            if binding.rpc.server_streaming:
                replies = bill.charged(asking.replies(binding, message, self._mesh, exchange.caller))
                return await _streamed(exchange, binding, replies)
            reply = await asking.reply(binding, message, self._mesh, exchange.caller)
        bill.note(reply)
        bill.charge()
        return _whole(binding, reply)

    async def _fed(self, exchange: Exchange, binding: Binding, query: str) -> Response:
        """The reply to a body of many messages: JSON lines of any number, or a JSON array in a body of usual size."""
        upload = Upload(binding, query)
        sent = type_sent(exchange.headers)
        if sent in LINES:
            messages = upload.from_lines(lines_of(exchange.receive, longest=self._max_body_bytes))
        elif sent == "application/json":
            messages = upload.from_array(await exchange.body(self._max_body_bytes))
        else:
            raise unsupported(sent)
        async with aclosing(messages):
            return _whole(binding, await self._mesh.invoke_fed(binding.rpc, messages, exchange.caller))

    async def _body(self, exchange: Exchange, binding: Binding) -> object:
        raw = await exchange.body(self._max_body_bytes)
        if binding.body == "*":
            return _sent_back(exchange, binding) | (read_object(raw) if raw else {})
        if not raw:
            return None
        if not binding.body:
            return read_object(raw)
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            message = f"The body of the request is not valid JSON: {error}"
            raise invalid(message, code="invalid_json") from error


def _sent_back(exchange: Exchange, binding: Binding) -> dict[str, Any]:
    """The members of the request that its headers give; those of the body come before them."""
    names = _SENT_BACK.get(binding.rpc.name, {})
    given = ((name, exchange.headers.get(header)) for name, header in names.items())
    return {name: value.decode("ascii", "replace") for name, value in given if value}


def _require_role(exchange: Exchange, binding: Binding) -> None:
    role = exchange.known_account.identity.role
    if binding.reads_only or role in {Role.OPERATOR, Role.ADMIN} or binding.rpc.name in _FOR_EVERY_KEY:
        return
    message = f"{binding.verb} {binding.template} needs a key with the role operator or admin; this one is a {role}'s."
    raise Problem(403, message, kind="permission_error", code="role_required", fault="policy_denied")


def _whole(binding: Binding, reply: Message) -> Response:
    return Response(orjson.dumps(binding.reply(reply)), media_type="application/json", headers=PRIVATE)


async def _streamed(exchange: Exchange, binding: Binding, replies: AsyncGenerator[Any, None]) -> Response:
    def told(problem: Problem) -> bytes:
        return exchange.form.error(problem, exchange.request_id)[0]

    return await streamed(binding, replies, exchange.headers, told)
