"""Tells Envoy who a caller is (`ext_authz` over HTTP), so that gRPC clients use the same keys as HTTP clients."""

from __future__ import annotations

import base64
import re

import orjson
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from synapse_gateway.exchange import JSON, Receive, Scope, Send
from synapse_gateway.keys import KeyRing
from synapse_gateway.metrics import Metrics
from synapse_gateway.problems import Headers, Problem
from synapse_runtime.errors import DOMAIN
from synapse_runtime.identity import METADATA_KEY, TokenSigner

PATH = "/check"
"""What Envoy puts before the path of the call that it asks about."""
TENANT_KEY, SUBJECT_KEY = "x-synapse-tenant", "x-synapse-subject"
_REASON = "INVALID_API_KEY"
_RPC = re.compile(r"/check/[\w.]+\.\w+/\w+")
"""Paths of gRPC calls, `/package.Service/Method`; REST has none like that before Envoy transcodes it."""
_TEXT = (b"content-type", b"text/plain; charset=utf-8")


class Check:
    """The ASGI application that Envoy asks before it lets a call in.

    200 carries the caller's signed identity, which goes on with the call, and the key's tenant and name, for limits.
    A refusal is worded for the caller: a text with the status's details for gRPC, a google.rpc.Status in JSON for REST.
    Which it is says the path: were Envoy to pass on the media type of a gRPC call, its question would be a gRPC call to
    itself, and it would take its own 200 with "unavailable" inside, when no gateway answers, for ours.
    """

    def __init__(self, keys: KeyRing, signer: TokenSigner, metrics: Metrics) -> None:
        self._keys = keys
        self._signer = signer
        self._metrics = metrics

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one question of Envoy's."""
        headers = dict(scope["headers"])
        if not scope["path"].startswith(PATH):
            await _reply(send, 404, b"Envoy asks below /check.\n", [_TEXT])
            return
        try:
            identity = self._keys.account(headers).identity
        except Problem as problem:
            self._metrics.error(problem.fault)
            await _refuse(send, problem, grpc=_RPC.fullmatch(scope["path"]) is not None)
            return
        facts = {METADATA_KEY: self._signer.token(identity), TENANT_KEY: identity.tenant, SUBJECT_KEY: identity.subject}
        await _reply(send, 200, b"", [(name.encode(), _plain(value)) for name, value in facts.items()])


async def _refuse(send: Send, problem: Problem, *, grpc: bool) -> None:
    status = _status(problem.message)
    if grpc:
        details = base64.b64encode(status.SerializeToString()).rstrip(b"=")
        await _reply(send, problem.status, problem.message.encode(), [_TEXT, (b"grpc-status-details-bin", details)])
        return
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": _REASON, "domain": DOMAIN}
    body = orjson.dumps({"code": status.code, "message": status.message, "details": [info]})
    await _reply(send, problem.status, body, [JSON, (b"www-authenticate", b"Bearer")])


def _status(message: str) -> status_pb2.Status:
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason=_REASON, domain=DOMAIN))
    return status_pb2.Status(code=code_pb2.UNAUTHENTICATED, message=message, details=[detail])


def _plain(value: str) -> bytes:
    """What may stand in a header; a key's name may hold any text."""
    return value.encode("ascii", "backslashreplace").replace(b"\n", b"\\n").replace(b"\r", b"\\r")


async def _reply(send: Send, status: int, body: bytes, headers: Headers) -> None:
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
