"""Triton, the real server, on CPU with the bundled model: fetched into `.venvs/triton`, 424 MB."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from synapse_embed.adapters import minilm, minilm_files
from tests.support import parts
from tests.support.mesh import free_port

PACKAGES = ("nvidia-pytriton==0.7.0", "numpy==1.26.4", "onnxruntime==1.23.2", "tokenizers==0.23.3")
START_SECONDS = 60.0
_MODELS = Path(__file__).with_name("triton_models.py")


@dataclass(frozen=True)
class Running:
    """A running server: its gRPC address, and the URL of its HTTP."""

    target: str
    url: str


def install() -> Path:
    """The folder of its environment, made first if need be; raises PartMissing."""
    home = parts.FOLDER / "triton"
    steps = (
        (parts.uv(), "venv", "--quiet", "--clear", "--python", sys.executable, str(home)),
        (parts.uv(), "pip", "install", "--quiet", "--only-binary", ":all:", "--python", str(home), *PACKAGES),
    )
    return parts.fetched("triton", steps, like=" ".join(PACKAGES))


@contextmanager
def running_triton(folder: Path, *, grpc_port: int | None = None) -> Iterator[Running]:
    """A server with the two models of triton_models.py. Raises PartMissing."""
    home, http, grpc = install(), free_port(), grpc_port or free_port()
    minilm.load(model_dir=folder)  # builds the graph here: onnx is not in that environment
    flags = {
        "--weights": str(minilm_files.find().weights.parent),
        "--graphs": str(folder),
        "--workspace": str(folder / f"workspace-{http}"),
        "--http": str(http),
        "--grpc": str(grpc),
    }
    command = (str(home / "bin" / "python"), str(_MODELS), *(word for pair in flags.items() for word in pair))
    ready = f"http://127.0.0.1:{http}/v2/models/minilm_tokens/ready"
    with parts.child(command, folder / "triton.log", healthy=ready, seconds=START_SECONDS, env=_environment()):
        yield Running(f"127.0.0.1:{grpc}", f"http://127.0.0.1:{http}")


def _environment() -> dict[str, str]:
    services = parts.ROOT / "services" / "embed"
    # Triton's Python backend is linked against the interpreter's own library.
    return {**os.environ, "PYTHONPATH": str(services), "LD_LIBRARY_PATH": str(sysconfig.get_config_var("LIBDIR"))}


if __name__ == "__main__":
    try:
        install()
    except parts.PartMissing as absent:
        sys.exit(str(absent))
