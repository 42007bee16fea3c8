"""A built graph kept on disk: written whole or not at all, and trusted only when its digest fits."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

_DIGEST_BYTES = hashlib.sha256().digest_size


class GraphFile:
    """The file at `path`: the SHA-256 of the graph, then the graph."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes | None:
        """The graph; None when there is none that can be read, or it is not whole."""
        try:
            content = self._path.read_bytes()
        except OSError:
            return None
        digest, graph = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        return graph if graph and hashlib.sha256(graph).digest() == digest else None

    def write(self, graph: bytes) -> None:
        """Replace the file; raises OSError when the folder cannot be written."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._path.parent, prefix=f"{self._path.name}.", delete=False) as file:
            try:
                file.write(hashlib.sha256(graph).digest() + graph)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).chmod(0o644)  # a folder may serve several users; nothing here is secret
                Path(file.name).replace(self._path)
            except OSError:
                Path(file.name).unlink(missing_ok=True)
                raise
