"""Mutual TLS between the services: the mesh's certificates as their files say now, and what servers make of them.

Files are read again when they change, as they do when a certificate is renewed. What they say is tried before it is
used, by a handshake in memory of this service with itself: a wrong file is an error at the start, and afterwards leaves
the certificates before it in use.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import grpc
from prometheus_client import Gauge

from synapse_runtime.settings import SettingsError, TlsSettings

_log = logging.getLogger("synapse.tls")
_EXPIRY = Gauge(
    "synapse_tls_certificate_expiry_timestamp_seconds",
    "When this service's certificate expires, in seconds since 1970.",
    ["file"],
)
_RETRY_SECONDS = 10.0
_ROUND_TRIPS = 5
_ADDRESS_SCHEMES = frozenset({"ipv4", "ipv6", "unix"})
_Stamp: TypeAlias = "tuple[tuple[int, int, int] | None, ...]"


@dataclass(frozen=True, eq=False)
class Certified:
    """What the files said at one moment: PEM texts, seconds since 1970 at which the certificate expires."""

    chain: bytes
    key: bytes
    ca: bytes
    expires: float
    context: ssl.SSLContext
    """Serves with these, and requires a certificate of the client."""


class Certificates:
    """The mesh's certificates, as their files say now. Raises SettingsError when they cannot be used."""

    def __init__(self, tls: TlsSettings) -> None:
        self.files = {"cert": tls.cert, "key": tls.key, "ca": tls.ca}
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._again: float | None = None
        self._held = _read(self.files)
        self._tell()

    def current(self) -> Certified:
        """What the files say, or said when they last could be used; the same object while nothing changed.

        May be called from any thread; gRPC's servers do so from threads of their own.
        """
        with self._lock:
            stamp = self._stamp()
            if stamp != self._seen or (self._again is not None and time.monotonic() >= self._again):
                self._renew(stamp)
            return self._held

    def _renew(self, stamp: _Stamp) -> None:
        changed, self._seen = stamp != self._seen, stamp
        try:
            self._held = _read(self.files)
        except SettingsError as error:
            self._again = time.monotonic() + _RETRY_SECONDS
            if changed:
                _log.warning("renewed certificate cannot be used, the one before it stays", extra={"error": str(error)})
            return
        self._again = None
        self._tell()
        _log.info("certificate renewed", extra={"expires": self._held.expires})

    def _tell(self) -> None:
        _EXPIRY.labels(str(self.files["cert"])).set(self._held.expires)

    def _stamp(self) -> _Stamp:
        return tuple(_stamp(path) for path in self.files.values())


def server_credentials(certificates: Certificates) -> grpc.ServerCredentials:
    """A gRPC server's credentials: every new connection gets the certificate of now, and must show one of its own."""
    served = certificates.current()

    def renewed() -> Any:
        nonlocal served
        latest = certificates.current()
        if latest is served:
            return None
        served = latest
        return _server_configuration(latest)

    initial = _server_configuration(served)
    return grpc.dynamic_ssl_server_credentials(initial, renewed, require_client_authentication=True)


def client_credentials(certified: Certified) -> grpc.ChannelCredentials:
    """A gRPC client's credentials; they stay as they are when the files change."""
    return grpc.ssl_channel_credentials(certified.ca, certified.key, certified.chain)


def server_context(certificates: Certificates) -> ssl.SSLContext:
    """The same for servers that are not gRPC's: a context that serves each new connection with the certificate of now.

    The client's certificate is checked against the authority of now, too.
    """

    def renew(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = certificates.current().context

    context = _server(certificates.files)
    context.sni_callback = renew  # called for every connection, whether the client names a server or not
    return context


def peer_name(target: str) -> str:
    """The name that a peer's certificate must carry: the host part of a gRPC target.

    Empty for a list of addresses (`ipv4:a:1,b:2`), where each peer goes by its own.
    """
    scheme, colon, rest = target.partition(":")
    if colon and scheme in _ADDRESS_SCHEMES:
        return ""
    host = rest if colon and scheme == "dns" else target
    host = host.rpartition("/")[2]
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0].rstrip(".") if host.count(":") == 1 else host.rstrip(".")


def _read(files: Mapping[str, Path]) -> Certified:
    before = _contents(files)
    server, client = _server(files), _trusting(ssl.PROTOCOL_TLS_CLIENT, files)
    client.check_hostname = False  # its own name is not known here; who calls it checks that
    _load_own(client, files)
    expires = _try_out(server, client, files)
    if _contents(files) != before:
        raise SettingsError(f"mesh.tls: {files['cert']} and its neighbours changed while they were read")
    return Certified(chain=before["cert"], key=before["key"], ca=before["ca"], expires=expires, context=server)


def _contents(files: Mapping[str, Path]) -> dict[str, bytes]:
    found = {}
    for name, path in files.items():
        try:
            found[name] = path.read_bytes()
        except OSError as error:
            raise SettingsError(f"mesh.tls.{name}: cannot read {path}: {error.strerror}") from error
    return found


def _server(files: Mapping[str, Path]) -> ssl.SSLContext:
    """A server's context that requires a certificate of the client, and resumes no session of an earlier authority."""
    context = _trusting(ssl.PROTOCOL_TLS_SERVER, files)
    context.verify_mode = ssl.CERT_REQUIRED
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    _load_own(context, files)
    return context


def _trusting(protocol: ssl._SSLMethod, files: Mapping[str, Path]) -> ssl.SSLContext:
    """A context that believes the mesh's authority, which may be one below a root, as gRPC has it."""
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    _load_authorities(context, "ca", files["ca"])
    return context


def _load_authorities(context: ssl.SSLContext, name: str, path: Path) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except OSError as error:
        raise SettingsError(f"mesh.tls.{name}: no certificate can be read from {path}: {_told(error)}") from error


def _load_own(context: ssl.SSLContext, files: Mapping[str, Path]) -> None:
    _load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "cert", files["cert"])  # whether it is a certificate
    try:
        context.load_cert_chain(files["cert"], files["key"], password="")  # never asked for on a terminal
    except OSError as error:
        raise SettingsError(
            f"mesh.tls.key: {files['key']} is not the private key of {files['cert']}: {_told(error)}"
        ) from error


def _try_out(server: ssl.SSLContext, client: ssl.SSLContext, files: Mapping[str, Path]) -> float:
    """Shake hands in memory; returns when the certificate expires, in seconds since 1970."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server)
    serving = server.wrap_bio(to_server, to_client, server_side=True)
    try:
        for _ in range(_ROUND_TRIPS):
            for side in (asking, serving):
                with suppress(ssl.SSLWantReadError):
                    side.do_handshake()
    except ssl.SSLError as error:
        told = _told(error)
        refused = f"mesh.tls.cert: {files['cert']} would be refused by who trusts {files['ca']}: {told}"
        raise SettingsError(refused) from error
    shown = asking.getpeercert()
    if shown is None:
        raise SettingsError(f"mesh.tls.cert: {files['cert']} does not carry a handshake")
    return float(ssl.cert_time_to_seconds(str(shown["notAfter"])))


def _told(error: OSError) -> str:
    return getattr(error, "verify_message", "") or getattr(error, "reason", "") or error.strerror or str(error)


def _server_configuration(certified: Certified) -> Any:
    return grpc.ssl_server_certificate_configuration([(certified.key, certified.chain)], certified.ca)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
