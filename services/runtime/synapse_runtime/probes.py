"""HTTP for machines on a port of its own: /health, /ready and /metrics, served by a thread beside the event loop."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

_ALIASES = {"/healthz": "/health", "/readyz": "/ready", "/livez": "/health"}
_READ_TIMEOUT_SECONDS = 10


class _Handler(BaseHTTPRequestHandler):
    """Answers the three paths; one short request a connection."""

    timeout = _READ_TIMEOUT_SECONDS
    ready: Callable[[], bool] = staticmethod(lambda: False)

    def do_GET(self) -> None:
        """Answer one request."""
        path = self.path.partition("?")[0]
        path = _ALIASES.get(path, path)
        if path == "/health":
            self._answer(200, b'{"status":"ok"}\n', "application/json")
        elif path == "/ready":
            ready = self.ready()
            self._answer(
                200 if ready else 503, b'{"ready":%s}\n' % (b"true" if ready else b"false"), "application/json"
            )
        elif path == "/metrics":
            self._answer(200, generate_latest(), CONTENT_TYPE_LATEST)
        else:
            self._answer(404, b'{"error":"no such path"}\n', "application/json")

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Probes are not logged."""


class _Server(ThreadingHTTPServer):
    """Never waits for a client at its end."""

    daemon_threads = True


class _Server6(_Server):
    """On an IPv6 address."""

    address_family = socket.AF_INET6


@contextmanager
def probes(address: str, *, ready: Callable[[], bool]) -> Iterator[int]:
    """Serve the probes on `address` (host:port; port 0 picks one) until the block ends; yields the port.

    `ready` is called from another thread and must only read. Raises OSError when the address cannot be bound.
    """
    host, _, port = address.rpartition(":")
    handler = type("Handler", (_Handler,), {"ready": staticmethod(ready)})
    server = (_Server6 if ":" in host else _Server)((host.strip("[]"), int(port)), handler)
    thread = threading.Thread(target=server.serve_forever, name="probes", kwargs={"poll_interval": 0.2}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=2)
