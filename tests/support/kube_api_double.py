"""A double of the Kubernetes API server: it stores objects and tells them, so that helm and kubectl run against it.

It answers discovery, create, get, list by label and by field, replace, patch (merge, strategic and apply), delete and dry
runs. What it does not: schemas, watches, tables, and whatever a controller would do, but for the claims of StatefulSets.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml

from tests.support.kube_patch import applied, merged, strategically_merged
from tests.support.kube_protobuf import is_protobuf, secret
from tests.support.kube_store import KINDS, Cluster, Object, Place, Refused, discovery, place_of

_PATCHES = {
    "application/merge-patch+json": merged,
    "application/strategic-merge-patch+json": strategically_merged,
}


@contextmanager
def running_api(cluster: Cluster, folder: Path) -> Iterator[Path]:
    """Serve `cluster` on loopback; yields the kubeconfig that leads there, written into `folder`."""
    handler = type("Handler", (_Handler,), {"cluster": cluster, "lock": threading.Lock()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            kubeconfig = folder / "kubeconfig"
            kubeconfig.write_text(json.dumps(_kubeconfig(server.server_port)))
            kubeconfig.chmod(0o600)
            yield kubeconfig
        finally:
            server.shutdown()
            thread.join()


def _kubeconfig(port: int) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "double",
        "clusters": [{"name": "double", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "double", "user": {}}],
        "contexts": [{"name": "double", "context": {"cluster": "double", "user": "double"}}],
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one write for head and body
    cluster: Cluster
    lock: threading.Lock

    def do_GET(self) -> None:
        self._serve(self._get)

    def do_POST(self) -> None:
        self._serve(self._create)

    def do_PUT(self) -> None:
        self._serve(self._replace)

    def do_PATCH(self) -> None:
        self._serve(self._patch)

    def do_DELETE(self) -> None:
        self._serve(self._delete)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name that it is called with
        """Write nothing: `Cluster.requests` is the log."""

    def _serve(self, answer: Any) -> None:
        parts = urlsplit(self.path)
        self.query = dict(parse_qsl(parts.query))
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        with self.lock:
            self.cluster.requests.append(f"{self.command} {self.path}")
            try:
                if parts.path == "/openapi/v2":
                    return self._reply(200, b"")  # an empty document of its protobuf form: nothing is checked
                status, told = answer(parts.path, body)
            except Refused as refused:
                status, told = refused.status, _status(refused)
        return self._reply(status, json.dumps(told).encode())

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _get(self, path: str, _: bytes) -> tuple[int, Object]:
        known = discovery(path, self.cluster.version)
        if known is not None:
            return 200, known
        place, _sub = place_of(path)
        if place.name:
            return 200, self.cluster.read(place)
        found = self.cluster.matching(place, self.query)
        [kind] = [kind for kind, plural in KINDS[place.group_version].items() if plural == place.plural]
        return 200, {"kind": f"{kind}List", "apiVersion": place.group_version, "metadata": {}, "items": found}

    def _create(self, path: str, body: bytes) -> tuple[int, Object]:
        content = _content(body)
        place, _ = place_of(path)
        place = Place(place.group_version, place.plural, place.namespace, content["metadata"]["name"])
        if place in self.cluster.objects:
            raise Refused(409, "AlreadyExists", f'{place.plural} "{place.name}" already exists')
        return 201, self.cluster.write(place, content, dry=self._dry)

    def _replace(self, path: str, body: bytes) -> tuple[int, Object]:
        place, _ = place_of(path)
        self.cluster.read(place)
        return 200, self.cluster.write(place, _content(body), dry=self._dry)

    def _patch(self, path: str, body: bytes) -> tuple[int, Object]:
        place, _ = place_of(path)
        how, patch = self.headers["content-type"].partition(";")[0], yaml.safe_load(body)
        if how == "application/apply-patch+yaml":
            return self._apply(place, patch)
        if how not in _PATCHES:
            raise Refused(415, "UnsupportedMediaType", f"the double does not know {how}")
        return 200, self.cluster.write(place, _PATCHES[how](self.cluster.read(place), patch), dry=self._dry)

    def _apply(self, place: Place, patch: Object) -> tuple[int, Object]:
        """Server-side apply, as if there were one manager of fields besides those who patch."""
        before, last = self.cluster.objects.get(place), self.cluster.last_applied.get(place)
        after = self.cluster.write(place, applied(before, last, patch), dry=self._dry)
        if not self._dry:
            self.cluster.last_applied[place] = patch
        return 200 if before else 201, after

    def _delete(self, path: str, _: bytes) -> tuple[int, Object]:
        place, _sub = place_of(path)
        return 200, self.cluster.remove(place, dry=self._dry)

    @property
    def _dry(self) -> bool:
        return "dryRun" in self.query


def _content(body: bytes) -> Object:
    if is_protobuf(body):
        return secret(body)
    content: Object = json.loads(body)
    return content


def _status(refused: Refused) -> Object:
    kind = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
    return {**kind, "code": refused.status, "reason": refused.reason, "message": refused.message}
