"""Calling other services: channels with keepalive and retries, metadata, deadlines, errors of our own tree."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc

from synapse_runtime import tracing
from synapse_runtime.balanced.addresses import resolver_of
from synapse_runtime.balanced.channel import BalancedChannel, KeyOf
from synapse_runtime.call import REQUEST_ID_KEY, TRACEPARENT_KEY
from synapse_runtime.errors import from_rpc_error
from synapse_runtime.identity import METADATA_KEY, Identity, TokenSigner
from synapse_runtime.link.channel import LinkedChannel
from synapse_runtime.secured import SecuredChannel
from synapse_runtime.settings import MeshSettings, TlsSettings
from synapse_runtime.tls import Certificates, peer_name

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
MAX_METADATA_BYTES = 256 * 1024  # a status carries a provider's error body of up to 64 KiB, in base64
MESSAGE_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
]
_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.02s",
                "maxBackoff": "0.2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}
_LINK_AGE_SECONDS = 240.0
"""Below the age at which a server would have the connection renewed, see MeshSettings.max_connection_age_seconds."""
T = TypeVar("T")


def open_channel(
    target: str,
    *,
    retries: bool = True,
    linked: bool = True,
    tls: TlsSettings | None = None,
    keys: Mapping[str, KeyOf] | None = None,
) -> grpc.aio.Channel:
    """A channel to `target`; the caller closes it.

    host:port is one server. dns:///name:port and ipv4:a:1,b:2 are replicas that share the calls (see
    `synapse_runtime.balanced`); `keys` says for the paths of methods which requests belong to the same one.

    Lost connections come back within a second. With `retries`, calls that ended in UNAVAILABLE before their first
    message are tried again, up to three times; keep it off where the other side's own UNAVAILABLE must pass unchanged.

    Calls of our own services travel over a link (see `synapse_runtime.link`) unless `linked` is off. With tracing each
    goes by itself, since its span is made there.

    With `tls` both sides prove who they are, and the peer's certificate must carry the host of `target`; raises
    SettingsError when the certificates cannot be used.
    """
    certificates = None if tls is None else Certificates(tls)

    def open_one(address: str) -> grpc.aio.Channel:
        channel = _plain(address, certificates, name=peer_name(target), retries=retries)
        if not linked or tracing.enabled():
            return channel
        return LinkedChannel(channel, age_seconds=_LINK_AGE_SECONDS, retries=retries)

    resolve = resolver_of(target)
    return open_one(target) if resolve is None else BalancedChannel(resolve, open_one, keys=keys)


def _plain(address: str, certificates: Certificates | None, *, name: str, retries: bool) -> grpc.aio.Channel:
    """A channel of gRPC's own to one server, whose certificate must carry `name`."""
    config = _SERVICE_CONFIG if retries else {"loadBalancingConfig": [{"round_robin": {}}]}
    options = [
        *MESSAGE_OPTIONS,
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        ("grpc.enable_retries", 1 if retries else 0),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.service_config", json.dumps(config)),
    ]
    interceptors = tracing.client_interceptors()
    if certificates is None:
        return grpc.aio.insecure_channel(address, options=options, interceptors=interceptors)
    return SecuredChannel(address, certificates, name=name, options=options, interceptors=interceptors)


class CallMetadata:
    """Builds the metadata of outgoing calls: the signed identity, the request id, the trace."""

    def __init__(self, mesh: MeshSettings) -> None:
        secret = mesh.secret.get_secret_value()
        self._signer = TokenSigner(secret) if secret else None

    def of(self, identity: Identity, request_id: str, traceparent: str | None = None) -> tuple[tuple[str, str], ...]:
        """Metadata for one call on behalf of `identity`."""
        pairs = [(REQUEST_ID_KEY, request_id)]
        if self._signer is not None:
            pairs.append((METADATA_KEY, self._signer.token(identity)))
        if traceparent:
            pairs.append((TRACEPARENT_KEY, traceparent))
        return tuple(pairs)


@contextmanager
def own_errors() -> Iterator[None]:
    """Turn gRPC's errors inside the block into errors of our own tree."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error


async def read_stream(call: grpc.aio.UnaryStreamCall[Any, T]) -> AsyncGenerator[T, None]:
    """The messages of a streamed call; errors of our own tree; the call is cancelled when the reader leaves."""
    try:
        with own_errors():
            async for message in call:
                yield message
    finally:
        call.cancel()
