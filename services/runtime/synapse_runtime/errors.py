"""The one error tree of the mesh, and its two-way mapping to gRPC statuses.

SynapseError
├── InvalidArgument       the request is wrong                      INVALID_ARGUMENT     400
├── FailedPrecondition    the request cannot be served as asked     FAILED_PRECONDITION  400
├── Unauthenticated       no valid credential                       UNAUTHENTICATED      401
├── PermissionDenied      the credential does not allow it          PERMISSION_DENIED    403
├── NotFound              there is no such thing                    NOT_FOUND            404
├── ResourceExhausted     a limit is reached; may say when to retry RESOURCE_EXHAUSTED   429
├── Internal              our own fault                             INTERNAL             500
├── Unimplemented         not offered                               UNIMPLEMENTED        501
├── Unavailable           a dependency is down; may say when to retry UNAVAILABLE        503
├── DeadlineExceeded      time ran out                              DEADLINE_EXCEEDED    504
└── Cancelled             the caller left                           CANCELLED            499
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

DOMAIN = "synapse"


class SynapseError(Exception):
    """An error that a caller may see.

    `reason` is a stable UPPER_SNAKE_CASE word, `metadata` short facts about it, `retry_after_seconds` when a retry
    makes sense, `details` further protobuf messages that travel with the status.
    """

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN
    default_reason: ClassVar[str] = "UNKNOWN"

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        metadata: dict[str, str] | None = None,
        retry_after_seconds: float | None = None,
        details: Sequence[Message] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason
        self.metadata = metadata or {}
        self.retry_after_seconds = retry_after_seconds
        self.details = tuple(details)


class InvalidArgument(SynapseError):
    """The request is wrong."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    default_reason = "INVALID_ARGUMENT"


class FailedPrecondition(SynapseError):
    """The request cannot be served as asked."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    default_reason = "FAILED_PRECONDITION"


class Unauthenticated(SynapseError):
    """There is no valid credential."""

    code = grpc.StatusCode.UNAUTHENTICATED
    default_reason = "UNAUTHENTICATED"


class PermissionDenied(SynapseError):
    """The credential does not allow this."""

    code = grpc.StatusCode.PERMISSION_DENIED
    default_reason = "PERMISSION_DENIED"


class NotFound(SynapseError):
    """There is no such thing."""

    code = grpc.StatusCode.NOT_FOUND
    default_reason = "NOT_FOUND"


class ResourceExhausted(SynapseError):
    """A limit is reached."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    default_reason = "RESOURCE_EXHAUSTED"


class Internal(SynapseError):
    """Our own fault."""

    code = grpc.StatusCode.INTERNAL
    default_reason = "INTERNAL"


class Unimplemented(SynapseError):
    """This is not offered."""

    code = grpc.StatusCode.UNIMPLEMENTED
    default_reason = "UNIMPLEMENTED"


class Unavailable(SynapseError):
    """A dependency is down."""

    code = grpc.StatusCode.UNAVAILABLE
    default_reason = "UNAVAILABLE"


class DeadlineExceeded(SynapseError):
    """Time ran out."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    default_reason = "DEADLINE_EXCEEDED"


class Cancelled(SynapseError):
    """The caller left."""

    code = grpc.StatusCode.CANCELLED
    default_reason = "CANCELLED"


_BY_CODE: dict[int, type[SynapseError]] = {
    kind.code.value[0]: kind
    for kind in (
        InvalidArgument,
        FailedPrecondition,
        Unauthenticated,
        PermissionDenied,
        NotFound,
        ResourceExhausted,
        Internal,
        Unimplemented,
        Unavailable,
        DeadlineExceeded,
        Cancelled,
    )
}


def to_status(error: SynapseError) -> grpc.Status:
    """The error as a gRPC status with ErrorInfo, RetryInfo where it applies, and the error's own details."""
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    messages: list[Message] = [info]
    if error.retry_after_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_after_seconds * 1e9))
        messages.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=error.code.value[0], message=error.message)
    for message in (*messages, *error.details):
        if isinstance(message, any_pb2.Any):  # packed already by the service that it came from
            status.details.append(message)
        else:
            status.details.add().Pack(message)
    return rpc_status.to_status(status)


def from_rpc_error(error: grpc.aio.AioRpcError) -> SynapseError:
    """The error behind a failed call; details that are not ours stay packed in `details`."""
    try:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]  # AioRpcError has the three methods it reads
    except ValueError:  # the details contradict the status line: trust the line
        status = None
    kind = _BY_CODE.get(error.code().value[0], Internal)
    message = error.details() or error.code().name
    if status is None:
        return kind(message)
    return _unpacked(kind, message, status.details)


def _unpacked(kind: type[SynapseError], message: str, details: Sequence[any_pb2.Any]) -> SynapseError:
    reason, metadata, retry_after = None, {}, None
    others: list[Message] = []
    for packed in details:
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if packed.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
        elif packed.Unpack(retry):
            retry_after = retry.retry_delay.ToNanoseconds() / 1e9
        else:
            others.append(packed)
    return kind(message, reason=reason, metadata=metadata, retry_after_seconds=retry_after, details=others)
