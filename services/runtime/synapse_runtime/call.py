"""One call as a handler sees it: who it is for, its id, the time left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from synapse_runtime.errors import DeadlineExceeded, Unauthenticated
from synapse_runtime.identity import METADATA_KEY, Identity, Role, TokenVerifier
from synapse_runtime.ids import fresh_id

if TYPE_CHECKING:
    import grpc

REQUEST_ID_KEY = "x-request-id"
TRACEPARENT_KEY = "traceparent"
ANONYMOUS = Identity(tenant="default", subject="anonymous", role=Role.VIEWER)
_MAX_REQUEST_ID = 128


@dataclass(frozen=True, slots=True)
class Call:
    """A call being served.

    `identity` is proven by the mesh secret (or ANONYMOUS where none is set), `context` is gRPC's own.
    """

    identity: Identity
    request_id: str
    traceparent: str | None
    context: grpc.aio.ServicerContext[Any, Any]

    def remaining_seconds(self) -> float | None:
        """Time left until the caller's deadline; None when it set none. Raises DeadlineExceeded when it has passed."""
        left = self.context.time_remaining()
        if left is None or left > 1e8:  # grpc's "no deadline" is about 292 years
            return None
        if left <= 0:
            raise DeadlineExceeded("the caller's deadline has passed")
        return left


class CallReader:
    """Reads Call objects out of gRPC contexts; identities are accepted only with the mesh secret's signature."""

    def __init__(self, secret: str) -> None:
        self._verifier = TokenVerifier(secret) if secret else None

    def read(self, context: grpc.aio.ServicerContext[Any, Any]) -> Call:
        """The call behind `context`; raises Unauthenticated when a secret is set and the token is missing or wrong."""
        token = request_id = traceparent = None
        for key, value in context.invocation_metadata() or ():
            if key == METADATA_KEY:
                token = value
            elif key == REQUEST_ID_KEY:
                request_id = value
            elif key == TRACEPARENT_KEY:
                traceparent = value
        return Call(self._identity(token), _text(request_id) or new_request_id(), _text(traceparent) or None, context)

    def _identity(self, token: str | bytes | None) -> Identity:
        if self._verifier is None:
            return ANONYMOUS
        if not token:
            raise Unauthenticated("the call carries no identity token", reason="IDENTITY_MISSING")
        return self._verifier.identity(_text(token, limit=4096))


def new_request_id() -> str:
    """A fresh request id."""
    return fresh_id("req_")


def _text(value: str | bytes | None, *, limit: int = _MAX_REQUEST_ID) -> str:
    if value is None:
        return ""
    return (value.decode("ascii", "replace") if isinstance(value, bytes) else value)[:limit]
