"""Certificates for tests: an authority of a mesh, and the folder of files that a pod would find mounted."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import trustme

from synapse_runtime.settings import TlsSettings

NAME = "cache.mesh.internal"
"""What the certificates are issued for unless a test says otherwise; 127.0.0.1 goes with it."""


class Mounted:
    """A folder with tls.crt, tls.key and ca.crt, swapped as a whole as Kubernetes swaps a Secret."""

    def __init__(self, folder: Path, authority: trustme.CA) -> None:
        self._folder = folder
        self._versions = 0
        self.authority = authority
        folder.mkdir(parents=True)
        self.issue()

    @property
    def settings(self) -> TlsSettings:
        """Where the files are."""
        cert, key, ca = (self._folder / "data" / name for name in ("tls.crt", "tls.key", "ca.crt"))
        return TlsSettings(cert=cert, key=key, ca=ca)

    def issue(
        self,
        *names: str,
        authority: trustme.CA | None = None,
        trusting: bytes | None = None,
        not_after: dt.datetime | None = None,
    ) -> trustme.LeafCert:
        """Put a new certificate in place of the one before."""
        authority = authority or self.authority
        leaf = authority.issue_cert(*(names or (NAME, "127.0.0.1")), not_after=not_after)
        chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
        self.put(chain, leaf.private_key_pem.bytes(), trusting or authority.cert_pem.bytes())
        return leaf

    def put(self, cert: bytes, key: bytes, ca: bytes) -> None:
        """Put these files in place of those before, all at once."""
        self._versions += 1
        version = self._folder / f"version-{self._versions}"
        version.mkdir()
        for name, text in {"tls.crt": cert, "tls.key": key, "ca.crt": ca}.items():
            (version / name).write_bytes(text)
        link = self._folder / "link"
        link.symlink_to(version.name)
        os.replace(link, self._folder / "data")  # noqa: PTH105  # Path.replace says the same of a link
