"""Errors cross a hop, and two, without losing anything."""

from __future__ import annotations

import inspect

import grpc
import pytest

from synapse.router.v1 import router_pb2
from synapse_runtime import errors
from synapse_runtime.errors import Internal, SynapseError, Unavailable, from_rpc_error, to_status

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, SynapseError) and kind is not SynapseError
]
BODY = router_pb2.ProviderError(backend="b", http_status=418, body='{"error": "ü"}')


def crossed(error):
    """The error as the other side sees it."""
    status = to_status(error)
    trailing = grpc.aio.Metadata(*status.trailing_metadata)
    return from_rpc_error(grpc.aio.AioRpcError(status.code, grpc.aio.Metadata(), trailing, details=status.details))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_crosses_with_all_that_it_says(kind):
    error = kind("größer\nals", reason="BECAUSE", metadata={"a": "ü"}, retry_after_seconds=1.25, details=[BODY])
    back = crossed(error)
    assert (type(back), back.message, back.reason) == (kind, "größer\nals", "BECAUSE")
    assert (back.metadata, back.retry_after_seconds) == ({"a": "ü"}, 1.25)


def test_a_kind_has_its_own_code_and_reason():
    assert len({kind.code for kind in KINDS}) == len(KINDS) == 11
    assert Unavailable("x").reason == "UNAVAILABLE"


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_details_are_the_same_after_any_number_of_hops(hops):
    error = Unavailable("x", details=[BODY])
    for _ in range(hops):
        error = crossed(error)
    (detail,) = error.details
    found = router_pb2.ProviderError()
    assert detail.Unpack(found)
    assert found == BODY


def test_a_status_without_details_keeps_code_and_message():
    error = grpc.aio.AioRpcError(grpc.StatusCode.NOT_FOUND, grpc.aio.Metadata(), grpc.aio.Metadata(), details="gone")
    back = from_rpc_error(error)
    assert (type(back), back.message, back.reason, back.retry_after_seconds) == (
        errors.NotFound,
        "gone",
        "NOT_FOUND",
        None,
    )


@pytest.mark.parametrize("code", [grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS, grpc.StatusCode.ABORTED])
def test_a_code_that_is_none_of_ours_is_internal(code):
    error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details="odd")
    assert type(from_rpc_error(error)) is Internal


def test_details_that_contradict_the_status_are_not_believed():
    status = to_status(Unavailable("x", reason="LIE"))
    error = grpc.aio.AioRpcError(
        grpc.StatusCode.NOT_FOUND, grpc.aio.Metadata(), grpc.aio.Metadata(*status.trailing_metadata), details="gone"
    )
    assert (type(from_rpc_error(error)), from_rpc_error(error).reason) == (errors.NotFound, "NOT_FOUND")
